"""`weft worker`: the functions worker as a process of its own, on whichever broker --broker names."""

import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pulsar
import pytest

from harness.broker import Broker
from harness.functions_rest import FunctionsRest
from harness.processes import free_ports
from harness.pulsar_standalone import PulsarStandalone
from harness.weft_standalone import WeftStandalone, WeftWorker

FUNCTION = "def exclaim(text):\n    return text + '!'\n"


@pytest.fixture(scope="module")
def broker_alone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    folder = tmp_path_factory.mktemp("broker")
    if request.config.getoption("--broker") == "pulsar":
        with PulsarStandalone(folder) as pulsar_broker:
            yield pulsar_broker
    else:
        with WeftStandalone(folder, options=["--no-functions-worker"]) as weft:
            yield weft


def worker_options(service_url: str, admin_url: str) -> list[str]:
    return ["--service-url", service_url, "--admin-url", admin_url, "--python", sys.executable]


def write_conf(folder: Path, broker: Broker, port: int) -> Path:
    conf = folder / "functions_worker.yml"
    conf.write_text(
        f"workerId: alone\nworkerHostname: localhost\nworkerPort: {port}\n"
        f"pulsarServiceUrl: {broker.address.service_url}\npulsarWebServiceUrl: {broker.address.admin_url}/\n"
        f"downloadDirectory: {folder}/packages\n"
    )
    return conf


def test_a_function_runs_and_is_there_after_a_restart(broker_alone: Broker, tmp_path: Path) -> None:
    program = tmp_path / "exclaim.py"
    program.write_text(FUNCTION)
    name = f"exclaim-{uuid.uuid4().hex[:8]}"
    ins, out = f"persistent://public/default/{name}-in", f"persistent://public/default/{name}-out"
    config: dict[str, object] = {
        "tenant": "public", "namespace": "default", "name": name, "className": "exclaim.exclaim",
        "runtime": "PYTHON", "inputs": [ins], "output": out, "subscriptionPosition": "Earliest",
    }  # fmt: skip
    (port,) = free_ports(1)
    conf = write_conf(tmp_path, broker_alone, port)
    client = pulsar.Client(
        broker_alone.address.service_url, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error)
    )
    consumer = client.subscribe(out, "test", initial_position=pulsar.InitialPosition.Earliest)
    producer = client.create_producer(ins)
    with WeftWorker(tmp_path / "worker", ["-c", conf, "--python", sys.executable]) as worker:
        assert worker.admin_url == f"http://127.0.0.1:{port}"
        rest = FunctionsRest(worker)
        rest.create(config, program)
        producer.send(b"one")
        assert consumer.receive(30_000).data() == b"one!"
        assert worker.stop() == 0
        producer.send(b"two")
        worker.start()
        assert consumer.receive(30_000).data() == b"two!"
        rest.delete(config)
    client.close()


def test_a_broker_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    broker_port, web_port = free_ports(2)
    options = worker_options(f"pulsar://127.0.0.1:{broker_port}", f"http://127.0.0.1:{web_port}")
    with WeftWorker(tmp_path / "worker", options, wait_until_ready=False) as worker:
        worker.wait_for_log("not ready yet")
        broker = WeftStandalone(
            tmp_path / "broker",
            broker_port=broker_port,
            web_port=web_port,
            options=["--no-functions-worker"],
        )
        with broker:
            worker.wait_until_ready()
            assert worker.stop() == 0


def test_sigterm_ends_it_while_it_waits(tmp_path: Path) -> None:
    broker_port, web_port = free_ports(2)
    options = worker_options(f"pulsar://127.0.0.1:{broker_port}", f"http://127.0.0.1:{web_port}")
    with WeftWorker(tmp_path, options, wait_until_ready=False) as worker:
        worker.wait_for_log("not ready yet")
        assert worker.stop() == 0


def test_a_folder_is_one_workers(broker_alone: Broker, tmp_path: Path) -> None:
    options = worker_options(broker_alone.address.service_url, broker_alone.address.admin_url)
    with WeftWorker(tmp_path, options) as one:
        with WeftWorker(tmp_path, options, wait_until_ready=False) as two:
            assert two.wait() == 1
            assert f"process id {one.pid}" in two.log.read_text()
