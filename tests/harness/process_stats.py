"""CPU time and memory of processes, from /proc."""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

def _stat(pid: int) -> list[str]:
    text = Path(f"/proc/{pid}/stat").read_text()
    return text[text.rindex(")") + 2 :].split()


def parent_of(pid: int) -> int:
    return int(_stat(pid)[1])


def descendants(pid: int) -> list[int]:
    """The process and all below it, parents first."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                children.setdefault(parent_of(int(entry)), []).append(int(entry))
            except (FileNotFoundError, ProcessLookupError):
                continue
    found = [pid]
    for each in found:
        found.extend(children.get(each, []))
    return found


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()


def cpu_seconds(pid: int) -> float:
    """Time on a CPU of a live process (user and system, also of threads that have ended), without its children; by
    its own clock (clock_getcpuclockid), to the nanosecond."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError as error:
        raise ProcessLookupError(f"process {pid} is gone") from error


def pss_bytes(pid: int) -> int:
    """Proportional set size, from smaps_rollup."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/{pid}/smaps_rollup has no Pss line")


@dataclass(frozen=True)
class CpuReading:
    """CPU seconds by process id."""

    by_pid: dict[int, float]

    @staticmethod
    def of(pids: Iterable[int]) -> "CpuReading":
        """Of those that still are there."""
        by_pid = {}
        for each in pids:
            try:
                by_pid[each] = cpu_seconds(each)
            except ProcessLookupError:
                continue
        return CpuReading(by_pid)

    def since(self, before: "CpuReading") -> dict[int, float]:
        """What each process used since; one that was not there before counts from its start."""
        return {pid: used - before.by_pid.get(pid, 0.0) for pid, used in self.by_pid.items()}
