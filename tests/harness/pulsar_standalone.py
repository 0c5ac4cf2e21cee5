"""The real Apache Pulsar, started as a standalone in a folder of its own."""

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path

from . import locations
from .broker import Address, answers
from .processes import ChildProcess, free_ports
from .raw_client import wait_until_stored

# As shipped, or small enough to stand beside a test run. The collector choice shortens the start.
SHIPPED: Mapping[str, str] = {}
MODEST: Mapping[str, str] = {
    "PULSAR_MEM": "-Xms128m -Xmx640m -XX:MaxDirectMemorySize=512m",
    "PULSAR_GC": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
    "PULSAR_GC_LOG": " ",
    "PULSAR_LOG_LEVEL": "warn",
}
READY_SECONDS = 180


class PulsarStandalone:
    """`bin/pulsar standalone` on RocksDB metadata without stream storage. Ready when a message has been
    stored (and, with a functions worker, when that has a leader)."""

    name = "pulsar"

    def __init__(
        self,
        directory: Path,
        *,
        functions: bool = False,
        jvm: Mapping[str, str] = MODEST,
        settings: Mapping[str, str] | None = None,
        path_first: Path | None = None,
        zookeeper: bool = False,
    ) -> None:
        """`jvm`: environment that says how the JVM is started. `settings`: lines of standalone.conf to change
        or add. `path_first`: a folder whose programs (the python3 for Python functions) are found first.
        `zookeeper`: metadata in a ZooKeeper of its own, which separate Java workers need, instead of RocksDB."""
        self._home = locations.pulsar_home()
        self._directory = directory
        self._functions = functions
        self._jvm = jvm
        self._settings = dict(settings or {})
        self._path_first = path_first
        self.zookeeper_port = free_ports(1)[0] if zookeeper else None
        directory.mkdir(parents=True, exist_ok=True)
        broker, web, self._bookie = free_ports(3)
        self.address = Address(broker, web)
        self._write_configuration()
        self.ready_seconds = 0.0
        self._start()

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def log(self) -> Path:
        return self._child.log

    def restart(self) -> None:
        self._child.stop()
        self._start()

    def stop(self) -> None:
        self._child.stop()

    def __enter__(self) -> "PulsarStandalone":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _write_configuration(self) -> None:
        """The shipped files with ports, addresses and folders of our own; nothing else is changed."""
        shipped = (self._home / "conf" / "standalone.conf").read_text()
        values = {
            "brokerServicePort": self.address.broker_port,
            "webServicePort": self.address.web_port,
            "bindAddress": "127.0.0.1",
            "advertisedAddress": "127.0.0.1",
        }
        for key, value in values.items():
            shipped, count = re.subn(rf"^{key}=.*$", f"{key}={value}", shipped, flags=re.MULTILINE)
            if count != 1:
                raise RuntimeError(f"standalone.conf has {count} lines with {key}")
        for key, value in self._settings.items():
            shipped = re.sub(rf"^{key}=.*$", "", shipped, flags=re.MULTILINE) + f"\n{key}={value}\n"
        shipped += f"\nSTORAGE_PATH={self._directory / 'packages'}\n"
        (self._directory / "standalone.conf").write_text(shipped)
        worker = (self._home / "conf" / "functions_worker.yml").read_text()
        worker = worker.replace(
            "downloadDirectory: download/", f"downloadDirectory: {self._directory}/download/"
        )
        worker = worker.replace("logDirectory: logs/", f"logDirectory: {self._directory}/logs/")
        (self._directory / "functions_worker.yml").write_text(worker)

    def _environment(self) -> dict[str, str]:
        env = {key: value for key, value in os.environ.items() if not key.startswith("PULSAR_")}
        env |= {
            "PULSAR_STANDALONE_CONF": str(self._directory / "standalone.conf"),
            "PULSAR_LOG_DIR": str(self._directory / "logs"),
            "PULSAR_LOG_APPENDER": "Console",
        }
        if self.zookeeper_port is not None:
            env["PULSAR_STANDALONE_USE_ZOOKEEPER"] = "1"
        if self._path_first is not None:
            env["PATH"] = f"{self._path_first}{os.pathsep}{env['PATH']}"
        return env | dict(self._jvm)

    def _start(self) -> None:
        data = self._directory / "data"
        command: list[str | Path] = [
            self._home / "bin" / "pulsar",
            "standalone",
            "-nss",
            "--advertised-address",
            "127.0.0.1",
            "--bookkeeper-port",
            str(self._bookie),
            "--bookkeeper-dir",
            data / "bookkeeper",
        ]
        if self.zookeeper_port is None:
            command += ["--metadata-dir", data / "metadata"]
        else:
            command += ["--zookeeper-port", str(self.zookeeper_port), "--zookeeper-dir", data / "zookeeper"]
        if self._functions:
            command += ["--functions-worker-conf", self._directory / "functions_worker.yml"]
        else:
            command.append("-nfw")
        begin = time.monotonic()
        self._child = ChildProcess(
            command, self._directory / "pulsar.log", self._environment(), self._directory
        )
        try:
            self.ready_seconds = self._wait_until_ready(begin + READY_SECONDS) - begin
        except BaseException:
            self._child.kill()
            raise

    def _wait_until_ready(self, deadline: float) -> float:
        """Waits for a send receipt; returns that moment, and then waits for the worker if one is wanted."""
        while True:
            self._child.check_running()
            try:
                ready = wait_until_stored(
                    self.address.host,
                    self.address.broker_port,
                    "persistent://public/default/harness-ready",
                    min(deadline, time.monotonic() + 1),
                )
                break
            except TimeoutError:
                if time.monotonic() >= deadline:
                    raise
        leader = f"{self.address.admin_url}/admin/v2/worker/cluster/leader/ready"
        while self._functions and not answers(leader):
            self._child.check_running()
            if time.monotonic() >= deadline:
                raise TimeoutError(
                    f"no functions worker at {self.address.admin_url}; log: {self._child.log_tail()}"
                )
            time.sleep(0.1)  # between two questions to a foreign program
        return ready
