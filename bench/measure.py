"""What the measurements are made of: the load generator, the CPU between two moments; and those of the whole machine."""

import json
import re
import subprocess
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.java_tools import JavaTools
from harness.process_stats import CpuReading, command_line, cpu_seconds, descendants, pss_bytes
from sides import Running, load_binary

Figures = dict[str, float]
STEADY_FROM, STEADY_TO = 0.1, 0.9  # shares of the messages: what lies between them is the steady part


def topic_name(name: str) -> str:
    return f"persistent://public/default/{name}-{uuid.uuid4().hex[:8]}"


def load(*arguments: object) -> Figures:
    """Runs the load generator to its end and returns what it printed last."""
    command = [str(load_binary()), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    return found


@dataclass(frozen=True)
class Moment:
    """When a part of the messages had passed, and the CPU used by then."""

    messages: int
    time: float
    cpu: CpuReading
    load_cpu_seconds: float


class MarkedLoad:
    """The load generator at work; it says how far it is (`mark N`), and the CPU of the others is read then: of the
    processes that were there when it was looked for them, for a search takes as long as thousands of messages."""

    def __init__(self, broker: Running, *arguments: object) -> None:
        command = [str(load_binary()), *map(str, arguments)]
        self._broker = broker
        self.look_for_processes()
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def wait_until_subscribed(self) -> None:
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            raise RuntimeError("the load generator did not subscribe; see standard error")

    def look_for_processes(self) -> None:
        self._pids = descendants(self._broker.pid)

    def now(self, messages: int) -> Moment:
        return Moment(messages, time.monotonic(), CpuReading.of(self._pids), cpu_seconds(self._process.pid))

    def finish(self, wanted: Sequence[int]) -> tuple[list[Moment], Figures]:
        """The first moments at which so many messages had passed, and what it printed at its end."""
        assert self._process.stdout is not None
        moments: list[Moment] = []
        result: Figures = {}
        for line in self._process.stdout:
            if not line.startswith("mark"):
                result = json.loads(line)
                continue
            messages = int(line.split()[1])
            if len(moments) < len(wanted) and messages >= wanted[len(moments)]:
                if wanted[len(moments)] == 1:
                    self.look_for_processes()  # a function has come
                moments.append(self.now(messages))
                while len(moments) < len(wanted) and messages >= wanted[len(moments)]:
                    moments.append(moments[-1])  # one mark may be past several
        if self._process.wait() != 0 or len(moments) != len(wanted):
            raise RuntimeError(f"the load generator was not done: {result or 'see standard error'}")
        return moments, result


def steady(count: int) -> list[int]:
    return [int(count * STEADY_FROM), int(count * STEADY_TO)]


@dataclass(frozen=True)
class Span:
    """The steady part between two moments, per message."""

    rate: float
    broker_us: float  # core-µs of the broker's process
    others_us: float  # of all processes below it
    load_us: float

    @staticmethod
    def between(start: Moment, end: Moment, broker_pid: int) -> "Span":
        messages = end.messages - start.messages
        if messages <= 0:
            raise RuntimeError("too few messages for a steady part")
        if any(pid not in end.cpu.by_pid for pid in start.cpu.by_pid):
            raise RuntimeError("a process ended while it was measured")
        used = end.cpu.since(start.cpu)
        scale = 1e6 / messages
        return Span(
            messages / (end.time - start.time),
            scale * used.pop(broker_pid),
            scale * sum(used.values()),
            scale * (end.load_cpu_seconds - start.load_cpu_seconds),
        )


def wait_until_gone(pids: Iterable[int], timeout_seconds: float = 60) -> None:
    """The processes of a deleted function: they must be in no later figure."""
    deadline = time.monotonic() + timeout_seconds
    for pid in pids:
        while Path(f"/proc/{pid}").exists():
            if time.monotonic() > deadline:
                raise TimeoutError(f"process {pid} of a deleted function is still there: {command_line(pid)}")
            time.sleep(0.01)


def cross_check(broker: Running, directory: Path, count: int, size: int) -> Figures:
    """Stored messages, read by our load generator and by the peer's own pulsar-perf: ours must not slow the peer."""
    url, topics = broker.address.service_url, [topic_name("cross-check") for _ in range(2)]
    for topic in topics:
        load("fill", "--service-url", url, "--topic", topic, "--count", count, "--size", size)
    reading = ["--topic", topics[0], "--count", count, "--size", size, "--suffix", ""]
    ours = load("drain", "--service-url", url, *reading)
    flags = ["--subscription-position", "Earliest", "--num-messages", str(count), "--test-duration", "120"]
    told = (
        JavaTools(broker.address, directory)
        .perf("consume", *flags, topics[1], timeout_seconds=300)
        .check()
        .output
    )
    found = re.search(r"records received --- ([0-9.]+) +msg/s", told)
    if not found:
        raise RuntimeError(f"pulsar-perf consume: {told[-2000:]}")
    return {"load_rate": count / ours["seconds"], "perf_rate": float(found[1])}


def tree_pss_bytes(broker: Running) -> int:
    return sum(map(pss_bytes, descendants(broker.pid)))


def rest(broker: Running, seconds: float) -> Figures:
    """Memory and CPU of all its processes, with nobody asking for anything: first a rest, then the measured one."""
    time.sleep(seconds)
    pids = descendants(broker.pid)
    before, begin = sum(map(cpu_seconds, pids)), time.monotonic()
    time.sleep(seconds)
    share = (sum(map(cpu_seconds, pids)) - before) / (time.monotonic() - begin)
    return {"pss_mb": tree_pss_bytes(broker) / 1e6, "cpu_percent": 100 * share}


def disk(directory: Path, seconds: float) -> Figures:
    """The floor of each durable receipt: a write and an fdatasync where the brokers keep their data."""
    return load("disk", "--directory", directory, "--seconds", seconds)


def timer(seconds: float) -> Figures:
    """How punctual the machine is with nothing to do: no open-loop generator on it can be better."""
    return load("timer", "--seconds", seconds)
