"""What a run was made on, and what else that machine was doing meanwhile."""

import os
import platform
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness import locations
from plan import Plan
from sides import Side

Facts = dict[str, str]

STEAL_PERCENT_MAX = 3  # over it a block counts for nothing: the machine was someone else's


def _cpu_times() -> tuple[float, float]:
    """Stolen time and all time of all CPUs so far, in ticks."""
    times = [float(each) for each in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return times[7], sum(times)


@dataclass(frozen=True)
class Interference:
    """Of one block: the load average before it, and the share of the CPUs that the host took away during it."""

    side: str
    load_average: float
    stolen: float
    total: float
    steal_percent: float = 0

    @staticmethod
    def begin(side: str) -> "Interference":
        stolen, total = _cpu_times()
        return Interference(side, os.getloadavg()[0], stolen, total)

    def ended(self) -> "Interference":
        stolen, total = _cpu_times()
        share = (stolen - self.stolen) / max(total - self.total, 1)
        return replace(self, steal_percent=100 * share)

    @staticmethod
    def facts(blocks: Sequence["Interference"]) -> Facts:
        void = sum(block.steal_percent > STEAL_PERCENT_MAX for block in blocks)
        return {
            "load average before each block": ", ".join(f"{each.load_average:.1f}" for each in blocks),
            "steal in each block, %": ", ".join(f"{each.steal_percent:.1f}" for each in blocks)
            + f"; over {STEAL_PERCENT_MAX} % a block is void by our rule: {void or 'none'} of {len(blocks)}",
        }


def _file_system(directory: Path) -> str:
    told = subprocess.run(["df", "--output=source,fstype", directory], capture_output=True, text=True, check=True)
    device, kind = told.stdout.splitlines()[-1].split()
    journals = list(Path("/proc/fs/jbd2").glob(f"{Path(device).name}*"))
    return f"{kind} without journal" if kind == "ext4" and not journals else kind


def facts_of_machine(plan: Plan, sides: Sequence[Side], directory: Path) -> Facts:
    cpu = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    java = subprocess.run(["java", "-version"], capture_output=True, text=True).stderr.splitlines()[:1]
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=locations.SOURCE_ROOT
    ).stdout.strip()
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores of {cpu}, {memory:.0f} GiB, Linux {platform.release()}",
        "versions": f"Weft {commit}; Apache Pulsar {locations.PULSAR_VERSION}; {''.join(java)}; "
        f"Python {platform.python_version()}",
        "file system of the data": _file_system(directory),
        "durability": "; ".join(f"{side.name}: {side.durability}" for side in sides),
        "messages": f"{plan.count:,} of 100 B ({plan.count_peer:,} for the peer, {plan.python_count_peer:,} through its "
        f"Python), {plan.count_large:,} of 1 KiB, {plan.count_single:,} single ones ({plan.count_single_peer:,})",
        "latency": f"{plan.rate} messages/s for {plan.seconds} s after {plan.warmup_seconds} s of warm-up "
        f"({plan.warmup_seconds_peer} s for the peer)",
        "topics at the restart": f"{plan.topics:,}",
        "idle instances": f"{plan.idle}; of the peer {plan.idle_java_peer} Java, {plan.idle_python_peer} Python",
        "blocks": f"{plan.blocks} of each side, taking turns A B, B A, ..., each on a fresh data folder",
    }
