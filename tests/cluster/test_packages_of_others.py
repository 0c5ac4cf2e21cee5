"""What `weft worker --check` says of a cluster, and packages in the broker's package service, on `weft standalone`."""

import subprocess
import sys
from pathlib import Path

import pulsar
from cluster import FUNCTION, config_of, until
from function_metadata import stopped_function, update_request

from harness import locations
from harness.broker import Address, get_json
from harness.functions_rest import FunctionsRest
from harness.weft_standalone import WeftStandalone, WeftWorker

IN_LOG = "public/default/old/0f8c-old.py"


def conf_of(folder: Path, address: Address, **more: str) -> Path:
    values = {
        "workerId": "one", "workerHostname": "127.0.0.1", "workerPort": "0", "downloadDirectory": str(folder / "one"),
        "pulsarServiceUrl": address.service_url, "pulsarWebServiceUrl": address.admin_url, **more,
    }  # fmt: skip
    conf = folder / "functions_worker.yml"
    conf.write_text("".join(f"{key}: {value}\n" for key, value in values.items()))
    return conf


def check(conf: Path, *words: str) -> tuple[int, str, str]:
    command = [locations.weft_binary(), "worker", "-c", conf, "--check", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout, done.stderr


def write(address: Address, *packages: tuple[str, str]) -> None:
    """Stopped functions and where their packages are, as a Java worker writes them."""
    client = pulsar.Client(address.service_url, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error))
    producer = client.create_producer("persistent://public/functions/metadata")
    for name, package in packages:
        producer.send(update_request(stopped_function(name, package), name), properties={"version": "0"})
    client.close()


def test_check_refuses_to_replace_who_alone_can_read_a_package(tmp_path: Path) -> None:
    with WeftStandalone(tmp_path / "broker", options=["--no-functions-worker"]) as broker:
        conf = conf_of(tmp_path, broker.address)
        with WeftWorker(tmp_path / "first", ["-c", conf]):
            pass  # makes the namespace and the topics
        used = "Pulsar's own workers: none; Weft's: none; functions: {}\nthe configuration can be used\n"
        assert check(conf, "--with-cluster") == (0, used.format(0), "")
        write(broker.address, ("new", "function://public/default/new@0"))
        assert check(conf) == (0, used.format(1), "")
        write(broker.address, ("old", IN_LOG))
        status, _, told = check(conf)
        assert status == 1
        assert f"refused: public/default/old: its package is only in DistributedLog ({IN_LOG})" in told
        cure = "functions update --tenant public --namespace default --name old --py FILE"
        assert cure in told
        with WeftWorker(tmp_path / "first", ["-c", conf]) as worker:
            config = config_of("old")
            assert FunctionsRest(worker).names() == ["new", "old"], "it is kept"
            FunctionsRest(worker).post(config, "start")

            def says_why() -> bool:
                (instance,) = FunctionsRest(worker).status(config)["instances"]  # type: ignore[misc]
                return cure in instance["status"]["error"] and "only in DistributedLog" in instance["status"]["error"]

            until("the status has the cure", says_why)
    status, out, told = check(conf)
    assert status == 0 and "was not looked at: " in out, "the file alone can be used"
    status, out, told = check(conf, "--with-cluster")
    assert status == 1 and "was not looked at: " in told


def test_what_is_uploaded_goes_to_the_package_service(tmp_path: Path) -> None:
    program = tmp_path / "exclaim.py"
    program.write_text(FUNCTION)
    with WeftStandalone(tmp_path / "broker", options=["--python", sys.executable]) as broker:
        conf = conf_of(tmp_path, broker.address, functionsWorkerEnablePackageManagement="true")
        with WeftWorker(tmp_path / "one", ["-c", conf, "--python", sys.executable]) as worker:
            versions = f"{broker.address.admin_url}/admin/v3/packages/function/public/default/f"
            rest, config = FunctionsRest(worker), config_of("f", parallelism=2)
            for _ in range(2):  # made again, it begins with version 0 again
                rest.create(config, program)
                rest.wait_until_running(config)
                rest.delete(config)
                (version,) = get_json(versions)  # type: ignore[misc]
                assert version.startswith("0-")
            rest.create(config, program)
            program.write_text(FUNCTION + "# changed\n")
            rest.update(config, program)
            told = get_json(versions)
            assert isinstance(told, list) and [each[:2] for each in told] == ["0-", "1-"]
            rest.wait_until_running(config)
