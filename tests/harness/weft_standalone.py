"""`weft standalone` in a folder of its own."""

import select
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlparse

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
        pipe = self._child.process.stdout
        assert pipe is not None
        if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise TimeoutError(
                f"weft standalone printed no ready line in {READY_SECONDS} s; log:\n{self._child.log_tail()}"
            )
        line = pipe.readline().decode().strip()
        words = line.split()
        if len(words) != 3 or words[0] != "ready":
            self._child.process.wait(5)
            raise RuntimeError(
                f"expected `ready pulsar://HOST:PORT http://HOST:PORT`, got {line!r}; log:\n"
                f"{self._child.log_tail()}"
            )
        broker, web = urlparse(words[1]), urlparse(words[2])
        assert broker.port is not None and web.port is not None
        return Address(broker.port, web.port, broker.hostname or "127.0.0.1")
