"""`weft standalone` and `weft worker`, each in a folder of its own."""

import select
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import ParseResult, urlparse

from . import locations
from .broker import Address
from .processes import ChildProcess

READY_SECONDS = 30


class WeftStandalone:
    """Ready when it has printed its `ready` line."""

    ready_seconds: float

    name = "weft"

    def __init__(
        self,
        directory: Path,
        *,
        broker_port: int = 0,
        web_port: int = 0,
        options: Sequence[str] = (),
        wait_until_ready: bool = True,
    ) -> None:
        """Ports of 0 are chosen by weft. Without waiting, ports have to be given and ready_seconds is not set."""
        self._directory = directory
        self._options = list(options)
        directory.mkdir(parents=True, exist_ok=True)
        self.address = Address(broker_port, web_port)
        if wait_until_ready:
            self._start()
        else:
            self._spawn()

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def data_directory(self) -> Path:
        return self._directory / "data"

    @property
    def log(self) -> Path:
        return self._child.log

    def check_running(self) -> None:
        self._child.check_running()

    def restart(self) -> None:
        self.stop()
        self._start()

    def start_again(self) -> None:
        """After kill() or stop(): the same ports and data."""
        self._start()

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        return self._child.stop()

    def kill(self) -> None:
        self._child.kill()

    def __enter__(self) -> "WeftStandalone":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _spawn(self) -> None:
        command: list[str | Path] = [
            locations.weft_binary(),
            "standalone",
            "--data-dir",
            self.data_directory,
            *([] if "--bind" in self._options else ["--bind", self.address.host]),
            "--broker-port",
            str(self.address.broker_port),
            "--web-port",
            str(self.address.web_port),
            *self._options,
        ]
        self._child = ChildProcess(command, self._directory / "weft.log", stdout_pipe=True)

    def _start(self) -> None:
        begin = time.monotonic()
        self._spawn()
        try:
            self.address = self._read_ready_line(begin + READY_SECONDS)
        except BaseException:
            self._child.kill()
            raise
        self.ready_seconds = time.monotonic() - begin

    def _read_ready_line(self, deadline: float) -> Address:
        broker, web = read_ready_line(self._child, 2, deadline)
        assert broker.port is not None and web.port is not None
        return Address(broker.port, web.port, broker.hostname or "127.0.0.1")


class WeftWorker:
    """`weft worker`. Ready when it has found the broker, read its topics, and printed its `ready` line."""

    admin_url: str

    def __init__(
        self,
        directory: Path,
        options: Sequence[str | Path],
        *,
        wait_until_ready: bool = True,
        before: Sequence[str] = (),
    ) -> None:
        """Takes a free port and the folder `data`; with a file (-c) or a --data-dir what they say. `before`: words of a command that
        runs it somewhere else."""
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._before = list(before)
        self._options = [str(option) for option in options]
        self.start(wait_until_ready=wait_until_ready)

    def start(self, *, wait_until_ready: bool = True) -> None:
        """Also again, after stop() or kill()."""
        command: list[str | Path] = [*self._before, locations.weft_binary(), "worker"]
        if "-c" not in self._options and "--data-dir" not in self._options:
            command += ["--data-dir", self._directory / "data", "--worker-port", "0"]
        self._child = ChildProcess(command + self._options, self._directory / "worker.log", stdout_pipe=True)
        if wait_until_ready:
            try:
                self.wait_until_ready()
            except BaseException:
                self._child.kill()
                raise

    def wait_until_ready(self) -> None:
        (url,) = read_ready_line(self._child, 1, time.monotonic() + READY_SECONDS)
        self.admin_url = url.geturl()

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def log(self) -> Path:
        return self._child.log

    def wait_for_log(self, text: str) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while text not in self._child.log.read_text():
            self._child.check_running()
            if time.monotonic() > deadline:
                raise TimeoutError(f"no {text!r} in the log:\n{self._child.log_tail()}")
            time.sleep(0.01)  # the interval of asking; the deadline decides

    def wait(self, timeout_seconds: float = 20) -> int:
        """Until it ends by itself; the exit status."""
        return self._child.process.wait(timeout_seconds)

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        return self._child.stop()

    def kill(self) -> None:
        self._child.kill()

    def __enter__(self) -> "WeftWorker":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def read_ready_line(child: ChildProcess, urls: int, deadline: float) -> list[ParseResult]:
    pipe = child.process.stdout
    assert pipe is not None
    if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
        raise TimeoutError(f"{child.command} printed no ready line in {READY_SECONDS} s; log:\n{child.log_tail()}")
    line = pipe.readline().decode().strip()
    words = line.split()
    if len(words) != 1 + urls or words[0] != "ready":
        child.process.wait(5)
        raise RuntimeError(f"expected `ready` and {urls} URLs, got {line!r}; log:\n{child.log_tail()}")
    return [urlparse(word) for word in words[1:]]
