"""One Java worker and one Weft worker in one cluster, on the real Pulsar: either leads, and neither writes an
assignment that says nothing new."""

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pulsar
import pytest

from harness import evidence, locations
from harness.broker import answers, get_json
from harness.functions_rest import FunctionsRest
from harness.processes import ChildProcess, free_ports
from harness.pulsar_standalone import MODEST, PulsarStandalone
from harness.weft_standalone import WeftWorker

FUNCTION = "def exclaim(text):\n    return text + '!'\n"
PATIENCE_SECONDS = 180
QUIET_SECONDS = 25  # over two failure checks of the Java worker
ASSIGNMENTS = "persistent://public/functions/assignments"


class JavaWorker:
    """`bin/pulsar functions-worker` as shipped, with ports, addresses and folders of its own."""

    def __init__(self, directory: Path, broker: PulsarStandalone) -> None:
        directory.mkdir()
        (self._port,) = free_ports(1)
        self._directory = directory
        self.admin_url = f"http://127.0.0.1:{self._port}"
        conf = (locations.pulsar_home() / "conf" / "functions_worker.yml").read_text()
        values = {
            "workerId": "java",
            "workerHostname": "127.0.0.1",
            "workerPort": str(self._port),
            "pulsarServiceUrl": broker.address.service_url,
            "pulsarWebServiceUrl": broker.address.admin_url,
            "configurationMetadataStoreUrl": f"zk:127.0.0.1:{broker.zookeeper_port}",
            "downloadDirectory": f"{directory}/download",
            "functionsWorkerEnablePackageManagement": "true",
            "failureCheckFreqMs": "10000",
            "rescheduleTimeoutMs": "3600000",  # who is away for a moment keeps what it has
        }
        for key, value in values.items():
            conf, count = re.subn(rf"^{key}:.*$", f"{key}: {value}", conf, flags=re.MULTILINE)
            assert count == 1, key
        conf = re.sub(r"^(workerPortTls|configurationStoreServers):.*$", "", conf, flags=re.MULTILINE)
        conf = conf.replace("logDirectory: logs/", f"logDirectory: {directory}/logs/")
        (directory / "functions_worker.yml").write_text(conf)
        self.start()

    def start(self) -> None:
        env = {key: value for key, value in os.environ.items() if not key.startswith("PULSAR_")}
        env |= {
            **MODEST,
            "PULSAR_MEM": "-Xms128m -Xmx512m",
            "PULSAR_LOG_DIR": str(self._directory / "logs"),
            "PULSAR_LOG_APPENDER": "Console",
            "PULSAR_WORKER_CONF": str(self._directory / "functions_worker.yml"),
        }
        command: list[str | Path] = [locations.pulsar_home() / "bin" / "pulsar", "functions-worker"]
        self._child = ChildProcess(command, self._directory / "worker.log", env, self._directory)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not answers(f"{self.admin_url}/admin/v2/worker/cluster"):
            self._child.check_running()
            assert time.monotonic() < deadline, self._child.log_tail()
            time.sleep(0.1)  # between two questions to a foreign program

    def kill(self) -> None:
        self._child.kill()


class Log:
    """What stands in the assignments topic: the keys of its messages."""

    def __init__(self, client: pulsar.Client) -> None:
        self._reader = client.create_reader(ASSIGNMENTS, pulsar.MessageId.earliest)
        self.keys: list[str] = []

    def read(self) -> list[str]:
        while self._reader.has_message_available():
            self.keys.append(self._reader.read_next(10_000).partition_key())
        return self.keys

    def wait_for(self, count: int) -> list[str]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(self.read()) < count:
            assert time.monotonic() < deadline, f"{len(self.keys)} of {count} assignments: {self.keys}"
            time.sleep(0.1)
        return self.keys

    def after_a_while(self) -> list[str]:
        """Nothing can be waited for where nothing shall happen: over two rounds of the Java worker's checks."""
        end = time.monotonic() + QUIET_SECONDS
        while time.monotonic() < end:
            self.read()
            time.sleep(0.2)
        return list(self.read())


def wait_for_leader(asked: WeftWorker | JavaWorker, leader: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = get_json(f"{asked.admin_url}/admin/v2/worker/cluster/leader")
            ready = not isinstance(asked, WeftWorker) or answers(
                f"{asked.admin_url}/admin/v2/worker/cluster/leader/ready"
            ) == (leader == "weft")
            if isinstance(last, dict) and last["workerId"] == leader and ready:
                return
        except (OSError, ValueError) as error:
            last = error
        time.sleep(0.1)
    raise TimeoutError(f"{leader} does not lead: {last}")


def config_of(name: str) -> dict[str, object]:
    return {
        "tenant": "public", "namespace": "default", "name": name, "className": "exclaim.exclaim",
        "runtime": "PYTHON", "inputs": [f"persistent://public/default/{name}-in"],
        "output": f"persistent://public/default/{name}-out", "userConfig": {"b": 1, "a": {"x": [1, 2]}},
    }  # fmt: skip


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[PulsarStandalone]:
    packages = "org.apache.pulsar.packages.management.storage.filesystem.FileSystemPackagesStorageProvider"
    settings = {"enablePackagesManagement": "true", "packagesManagementStorageProvider": packages}
    with PulsarStandalone(tmp_path / "pulsar", settings=settings, zookeeper=True) as pulsar_broker:
        yield pulsar_broker


def test_neither_leader_writes_an_assignment_that_says_nothing_new(
    broker: PulsarStandalone, tmp_path: Path
) -> None:
    program = tmp_path / "exclaim.py"
    program.write_text(FUNCTION)
    client = pulsar.Client(broker.address.service_url, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error))
    java = JavaWorker(tmp_path / "java", broker)
    options = ["--worker-id", "weft", "--worker-hostname", "127.0.0.1", "--python", sys.executable]
    options += ["--service-url", broker.address.service_url, "--admin-url", broker.address.admin_url]
    options += ["--reschedule-after", "3600000"]
    seen: dict[str, int] = {}
    try:
        with WeftWorker(tmp_path / "weft", options) as weft:
            wait_for_leader(java, "java")
            log = Log(client)
            for number in range(5):  # through either
                FunctionsRest(java).create(config_of(f"from-java-{number}"), program)
                FunctionsRest(weft).create(config_of(f"from-weft-{number}"), program)
            written = sorted(log.wait_for(10))
            assert written == sorted(set(written)), "each once"
            assert sorted(log.after_a_while()) == written
            seen["ten functions, Java leads"] = len(log.keys)
            owners = get_json(f"{weft.admin_url}/admin/v2/worker/assignments")
            assert isinstance(owners, dict) and sorted(map(len, owners.values())) == [5, 5]
            assert get_json(f"{java.admin_url}/admin/v2/worker/assignments") == owners

            java.kill()
            wait_for_leader(weft, "weft")
            assert sorted(log.after_a_while()) == written
            seen["Weft has taken the lead"] = len(log.keys)
            FunctionsRest(weft).create(config_of("led-by-weft"), program)
            java.start()
            FunctionsRest(java).create(config_of("led-by-weft-too"), program)  # 307 to the leader
            written = sorted(log.wait_for(12))
            assert sorted(log.after_a_while()) == written
            seen["two more, Weft leads"] = len(log.keys)

            weft.kill()
            wait_for_leader(java, "java")
            assert sorted(log.after_a_while()) == written
            seen["Java has taken the lead again"] = len(log.keys)
            weft.start()
            assert sorted(log.after_a_while()) == written
            seen["Weft is back"] = len(log.keys)
            print(json.dumps(seen))
            client.close()
    finally:
        java.kill()
    if target := os.environ.get("WEFT_EVIDENCE"):
        figures = {
            "commit": evidence.commit(),
            "machine": evidence.machine(),
            "assignments in the topic": seen,
        }
        Path(target).write_text(json.dumps(figures, indent=2) + "\n")
