"""What a hostile function costs the one beside it: one that takes all the processor, one that forks without end, one that fills the disk.

Rounds in which it is at it and rounds in which it rests are taken in turns: what else the machine does is in both. With
WEFT_EVIDENCE=FILE there are more of them, and the figures go there, with those of a worker that contains nothing.
"""

import ctypes
import itertools
import json
import os
import statistics
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from function_topics import Topics
from functions_rest import Functions

from harness import evidence
from harness.locations import weft_binary
from harness.weft_standalone import WeftStandalone

EVIDENCE = os.environ.get("WEFT_EVIDENCE", "")
LONG = EVIDENCE != ""
ROUNDS, SECONDS = (15, 1.5) if LONG else (1, 0.6)
# The one that forks is ended as soon as it is refused some; each time it waits twice as long to be started again. Some never
# come that far: the more there are, the slower the kernel makes one more.
ROUNDS_OF_FORKS, SECONDS_OF_FORKS = (8, 6.0) if LONG else (1, 0.6)
FILL_BYTES = (1 << 30) if LONG else (64 << 20)
ATTACKS = {"spins": "spin {seconds} 50", "forks": "bomb {seconds}", "fills": f"fill {{seconds}} {FILL_BYTES}"}
HAD = {"spins": "s of processor", "forks": "bombs that came to an end", "fills": "MiB written at once"}
RESOURCES: dict[str, dict[str, object]] = {"half a processor": {"resources": {"cpu": 0.5}}, "not limited": {}}
# What it may cost by issue: 25 %. A run of seconds beside other work can't say that; it finds one that keeps others from
# working: without containment the median is some hundred milliseconds.
WORST_FACTOR, SLACK_MS = (1.25, 0.0) if LONG else (5.0, 50.0)
PROGRAMS = weft_binary().parents[1] / "lib"
PATIENCE_MS = 60_000
SCHED_OTHER, SHORT_TURN_NS, SYS_SCHED_SETATTR = 0, 100_000, 314


def take_short_turns() -> None:
    """This client's own threads must not wait for the hostile function: who calls from another machine doesn't, either."""
    attributes = struct.pack("IIQiIQQQ", 48, SCHED_OTHER, 0, os.getpriority(os.PRIO_PROCESS, 0), 0, SHORT_TURN_NS, 0, 0)
    if os.sched_getscheduler(0) == SCHED_OTHER:
        ctypes.CDLL(None).syscall(SYS_SCHED_SETATTR, 0, attributes, 0)


class Called:
    """A function that answers one message at a time."""

    def __init__(self, topics: Topics, functions: Functions, name: str, program: str, class_name: str, **config: Any) -> None:
        self.name, self._functions, self._state = name, functions, (0, 0)
        self._results = topics.reader_of(f"{name}-out")
        self._producer = topics.client.create_producer(topics(f"{name}-in"))
        ends = {"inputs": [topics(f"{name}-in")], "output": topics(f"{name}-out")}
        functions.create(
            name, PROGRAMS / program, className=class_name, processingGuarantees="ATMOST_ONCE", **ends, **config
        )

    def send(self, what: str) -> None:
        self._producer.send(what.encode())

    def answer(self) -> str:
        got = self._results.receive(PATIENCE_MS)
        self._results.acknowledge(got)
        return bytes(got.data()).decode()

    def wait_until_it_is_over(self) -> None:
        """It was ended, and runs again, or has answered."""
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while True:
            status = self._functions.status(self.name)
            state = status["numRestarts"], status["numSuccessfullyProcessed"]
            if status["running"] and state != self._state:
                self._state = state
                return
            assert time.monotonic() < deadline, status
            time.sleep(0.05)  # between two looks

    def times(self, seconds: float) -> list[float]:
        """In milliseconds, of one message after the other through the function."""
        found = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            begin = time.perf_counter()
            self.send("message")
            assert self.answer() == "message"
            found.append((time.perf_counter() - begin) * 1000)
        return found


@dataclass
class Beside:
    """Round trips of the neighbour, and what the hostile function had of processor or disk."""

    calm: list[float] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)
    had: float = 0

    def medians(self) -> tuple[float, float]:
        return statistics.median(self.calm), statistics.median(self.beside)

    def told(self, unit: str) -> str:
        calm, beside = self.medians()
        return f"p50 {calm:.3f} ms alone, {beside:.3f} ms beside it ({beside / calm:.2f}); it had {self.had:.1f} {unit}"


def attacked(neighbour: Called, hostile: Called, attack: str, rounds: int, forks: bool) -> Beside:
    seen = Beside()
    for _ in range(rounds):
        seen.calm += neighbour.times(SECONDS)
        seconds = SECONDS_OF_FORKS if forks else SECONDS
        hostile.send(attack.format(seconds=seconds + 0.2))
        seen.beside += neighbour.times(seconds)
        if forks:
            hostile.wait_until_it_is_over()
            seen.had += 1
            continue
        word, had = hostile.answer().split()
        assert word == "ok"
        seen.had = max(seen.had, float(had))  # of the processor all rounds together, of the disk one
    return seen


def all_attacks(directory: Path, level: str, attacks: list[tuple[str, str]], rounds: int) -> dict[str, Beside]:
    seen = {}
    with WeftStandalone(directory, options=["--containment", level]) as weft:
        topics, functions = Topics(weft), Functions(weft.address)
        neighbour = Called(topics, functions, "neighbour", "libweft_copy_text.so", "CopyText")
        held = functions.status("neighbour")["containment"]
        if level != "none" and ("its share" in held or "number of processes" in held):
            pytest.skip(f"no cgroup can be written here, and the status says so: {held}")
        neighbour.times(SECONDS)
        for limits, name in attacks:
            program, config = "libweft_hostile_function.so", RESOURCES[limits]
            hostile = Called(topics, functions, f"{name}-{len(seen)}", program, "Hostile", **config)
            forks = name == "forks"
            found = attacked(neighbour, hostile, ATTACKS[name], ROUNDS_OF_FORKS if forks else rounds, forks)
            assert functions.status(hostile.name)["numRestarts"] <= (found.had if forks else 0)
            seen[f"{name}, {limits}"] = found
            functions.delete(hostile.name)
        assert functions.status("neighbour")["numRestarts"] == 0
        topics.client.close()
        weft.check_running()
    return seen


def told(seen: dict[str, Beside]) -> dict[str, str]:
    return {what: each.told(HAD[what.split(", ")[0]]) for what, each in seen.items()}


def test_what_it_costs(tmp_path: Path) -> None:
    take_short_turns()
    seen = all_attacks(tmp_path, "basic", list(itertools.product(RESOURCES, ATTACKS)), ROUNDS)
    print(json.dumps(told(seen), indent=1))
    if LONG:
        bare = all_attacks(tmp_path / "none", "none", [("not limited", "spins")], 2)  # no forks: nothing bounds them
        found = {"commit": evidence.commit(), "machine": evidence.machine(), "rounds": ROUNDS, "seconds": SECONDS}
        found |= {"basic": told(seen), "none": told(bare)}
        Path(EVIDENCE).write_text(json.dumps(found, indent=1) + "\n")
    assert all(each.had > 0 for each in seen.values()), told(seen)
    for calm, beside in (each.medians() for each in seen.values()):
        assert beside <= WORST_FACTOR * calm + SLACK_MS, told(seen)
