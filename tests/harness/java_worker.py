"""The real functions worker of Apache Pulsar, a process of its own beside a broker."""

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path

from . import locations
from .broker import answers
from .processes import ChildProcess, free_ports
from .pulsar_standalone import MODEST, PulsarStandalone

PATIENCE_SECONDS = 120
THREADS = "org.apache.pulsar.functions.runtime.thread.ThreadRuntimeFactory"


class JavaWorker:
    """`bin/pulsar functions-worker` as shipped, with ports, addresses and folders of its own."""

    def __init__(
        self, directory: Path, broker: PulsarStandalone, worker_id: str, settings: Mapping[str, str], *, start: bool = True
    ) -> None:
        """`settings`: keys of functions_worker.yml to change or add. The broker's metadata must be in a ZooKeeper."""
        directory.mkdir()
        (port,) = free_ports(1)
        self._directory = directory
        self.worker_id = worker_id
        self.participant = f"{worker_id}:127.0.0.1:{port}"
        self.admin_url = f"http://127.0.0.1:{port}"
        self.conf = directory / "functions_worker.yml"
        text = (locations.pulsar_home() / "conf" / "functions_worker.yml").read_text()
        values = {
            "workerId": worker_id,
            "workerHostname": "127.0.0.1",
            "workerPort": str(port),
            "pulsarServiceUrl": broker.address.service_url,
            "pulsarWebServiceUrl": broker.address.admin_url,
            "configurationMetadataStoreUrl": f"zk:127.0.0.1:{broker.zookeeper_port}",
            "downloadDirectory": f"{directory}/download",
            **settings,
        }
        for key, value in values.items():
            text, count = re.subn(rf"^{key}:.*$", f"{key}: {value}", text, flags=re.MULTILINE)
            if count == 0:
                text += f"\n{key}: {value}\n"
        text = re.sub(r"^(workerPortTls|configurationStoreServers):.*$", "", text, flags=re.MULTILINE)
        self.conf.write_text(text.replace("logDirectory: logs/", f"logDirectory: {directory}/logs/"))
        if start:
            self.start()

    def start(self, *, wait_until_ready: bool = True) -> None:
        """Also again, after stop() or kill()."""
        env = {key: value for key, value in os.environ.items() if not key.startswith("PULSAR_")}
        env |= {
            **MODEST,
            "PULSAR_MEM": "-Xms128m -Xmx512m",
            "PULSAR_LOG_DIR": str(self._directory / "logs"),
            "PULSAR_LOG_APPENDER": "Console",
            "PULSAR_WORKER_CONF": str(self.conf),
        }
        command: list[str | Path] = [locations.pulsar_home() / "bin" / "pulsar", "functions-worker"]
        self._child = ChildProcess(command, self._directory / "worker.log", env, self._directory)
        if wait_until_ready:
            self.wait_until_ready()

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not answers(f"{self.admin_url}/admin/v2/worker/cluster"):
            self._child.check_running()
            assert time.monotonic() < deadline, self._child.log_tail()
            time.sleep(0.1)  # between two questions to a foreign program

    @property
    def log(self) -> Path:
        return self._child.log

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        return self._child.stop()

    def kill(self) -> None:
        self._child.kill()
