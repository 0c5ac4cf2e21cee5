"""Child processes that never outlive their parent, and free ports."""

import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

# Not a preexec_fn: what that runs between fork and exec may wait for ever for a lock that another thread held (pulsar's have some).
_DIE_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL")


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that were free a moment ago, all different."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


class ChildProcess:
    """A program in a process group of its own, its output in a file; killed with its group in stop().

    It also dies with the thread that started it: start it from the main thread.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdout_pipe: bool = False,
        stdin_pipe: bool = False,
    ) -> None:
        self.log = log
        self.command = [str(part) for part in command]
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                [*_DIE_WITH_PARENT, *self.command],
                stdin=subprocess.PIPE if stdin_pipe else subprocess.DEVNULL,
                stdout=subprocess.PIPE if stdout_pipe else output,
                stderr=output,
                env=dict(env) if env is not None else None,
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def running(self) -> bool:
        return self.process.poll() is None

    def check_running(self) -> None:
        if not self.running():
            raise RuntimeError(
                f"{self.command[0]} ended with {self.process.returncode}; its log ends with:\n"
                f"{self.log_tail()}"
            )

    def log_tail(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, grace_seconds: float = 20) -> int:
        """SIGTERM, then after the grace SIGKILL to the whole group; returns the exit status."""
        if self.running():
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(grace_seconds)
        self.kill()
        return self.process.returncode

    def kill(self) -> None:
        """SIGKILL to the whole group, at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
