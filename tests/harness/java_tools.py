"""The command-line tools of the real Apache Pulsar, unchanged, pointed at a broker."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from . import locations
from .processes import ChildProcess

# How the JVM of a short-lived tool is started; the tool itself is as shipped.
_JVM = {
    "PULSAR_MEM": "-Xmx192m -XX:MaxDirectMemorySize=192m",
    "PULSAR_GC": "-XX:+UseSerialGC",
    "PULSAR_EXTRA_OPTS": "-XX:TieredStopAtLevel=1",
    "PULSAR_LOG_LEVEL": "info",
}


class Place(Protocol):
    """A broker's Address, or what else has its URLs."""

    @property
    def service_url(self) -> str: ...
    @property
    def admin_url(self) -> str: ...


@dataclass(frozen=True)
class ToolResult:
    command: str
    status: int
    output: str

    def check(self) -> "ToolResult":
        if self.status != 0:
            raise AssertionError(f"{self.command} ended with {self.status}:\n{self.output[-4000:]}")
        return self


class JavaTools:
    """Runs bin/pulsar-client, bin/pulsar-perf and bin/pulsar-admin; each call is a JVM, 2-5 s on a small
    machine."""

    def __init__(self, address: Place, directory: Path) -> None:
        """`directory` takes their logs."""
        self._address = address
        self._bin = locations.pulsar_home() / "bin"
        self._env = {key: value for key, value in os.environ.items() if not key.startswith("PULSAR_")} | _JVM
        self._env["PULSAR_LOG_DIR"] = str(directory)

    def client(self, *arguments: str, timeout_seconds: float = 90) -> ToolResult:
        return self._run(["pulsar-client", "--url", self._address.service_url, *arguments], timeout_seconds)

    def perf(self, mode: str, *arguments: str, timeout_seconds: float = 90) -> ToolResult:
        urls = ["--service-url", self._address.service_url]
        if mode == "produce":
            urls += ["--admin-url", self._address.admin_url]
        return self._run(["pulsar-perf", mode, *urls, *arguments], timeout_seconds)

    def admin(self, *arguments: str, timeout_seconds: float = 90) -> ToolResult:
        return self._run(
            ["pulsar-admin", "--admin-url", self._address.admin_url, *arguments], timeout_seconds
        )

    def start_client(self, *arguments: str, log: Path) -> ChildProcess:
        """bin/pulsar-client that goes on until it is stopped."""
        command = [self._bin / "pulsar-client", "--url", self._address.service_url, *arguments]
        return ChildProcess(command, log, self._env)

    def _run(self, command: Sequence[str], timeout_seconds: float) -> ToolResult:
        text = " ".join(command)
        try:
            done = subprocess.run(
                [str(self._bin / command[0]), *command[1:]],
                env=self._env,
                timeout=timeout_seconds,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        except subprocess.TimeoutExpired as late:
            output = (
                late.stdout.decode(errors="replace")
                if isinstance(late.stdout, bytes)
                else (late.stdout or "")
            )
            raise AssertionError(f"{text} did not end in {timeout_seconds} s:\n{output[-4000:]}") from late
        return ToolResult(text, done.returncode, done.stdout)
