"""CPU time and memory of processes, from /proc."""

import os
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


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
    """User and system time of a live process, without its children. To a hundredth of a second."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS


def cpu_nanoseconds(pid: int) -> int:
    """Time on a CPU by the scheduler's clock, all threads that still live: finer than cpu_seconds()."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            total += int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0])
        except FileNotFoundError:
            continue
    return total


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
    def of_tree(pid: int) -> "CpuReading":
        by_pid = {}
        for each in descendants(pid):
            try:
                by_pid[each] = cpu_seconds(each)
            except (FileNotFoundError, ProcessLookupError):
                continue
        return CpuReading(by_pid)

    def since(self, before: "CpuReading") -> dict[int, float]:
        """What each process used since; one that was not there before counts from its start."""
        return {pid: used - before.by_pid.get(pid, 0.0) for pid, used in self.by_pid.items()}
