"""Weft as process 1, as in a container: it waits for whoever has lost its parent, and stops as it does elsewhere."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.locations import weft_binary
from harness.process_stats import descendants
from harness.processes import ChildProcess
from harness.weft_standalone import READY_SECONDS, read_ready_line

AS_FIRST = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
PATIENCE = 20.0


@pytest.fixture
def container(tmp_path: Path) -> Iterator[ChildProcess]:
    if os.geteuid() != 0:
        pytest.skip("only root may make a namespace of processes")
    options = ["--data-dir", tmp_path / "data", "--broker-port", "0", "--web-port", "0"]
    child = ChildProcess([*AS_FIRST, weft_binary(), "standalone", *options], tmp_path / "weft.log", stdout_pipe=True)
    try:
        read_ready_line(child, 2, time.monotonic() + READY_SECONDS)
        yield child
    finally:
        child.kill()


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_waits_for_who_lost_its_parent(container: ChildProcess) -> None:
    first = descendants(container.pid)[1]
    own = children(first)
    orphan = "sleep 0.2 & echo $!"
    subprocess.run(["nsenter", "--target", str(first), "--pid", "--mount", "sh", "-c", orphan], check=True, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE
    came = False
    while (there := children(first)) != own or not came:
        came = came or there != own
        assert time.monotonic() < deadline, f"beside {own} there are {there}" if came else "it never was its child"
        time.sleep(0.002)  # between two looks


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_stops_when_it_is_told_to(container: ChildProcess, how: signal.Signals) -> None:
    first = descendants(container.pid)[1]
    assert Path(f"/proc/{first}/status").read_text().split("NSpid:")[1].split()[1] == "1"
    os.kill(first, how)
    assert container.process.wait(PATIENCE) == 0
    assert "INFO standalone: stopping" in container.log_tail()
