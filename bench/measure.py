"""The measurements, each on a broker that runs: a function over a backlog, latency through a function, rest."""

import json
import re
import subprocess
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.functions_rest import FunctionsRest
from harness.java_tools import JavaTools
from harness.process_stats import (
    CpuReading,
    command_line,
    cpu_nanoseconds,
    cpu_seconds,
    descendants,
    pss_bytes,
)
from sides import Program, Running, function_config, load_binary

Figures = dict[str, float]
STEADY_FROM, STEADY_TO = 0.1, 0.9  # shares of the outputs: what lies between them is the steady part


def _topic(name: str) -> str:
    return f"persistent://public/default/{name}-{uuid.uuid4().hex[:8]}"


def _load(*arguments: object) -> Figures:
    """Runs the load generator to its end and returns what it printed last."""
    command = [str(load_binary()), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    return found


@dataclass(frozen=True)
class Moment:
    """When a part of the messages had come, and the CPU used by then."""

    messages: int
    time: float
    cpu: CpuReading
    load_cpu_seconds: float

    @staticmethod
    def now(messages: int, broker: Running, load_pid: int) -> "Moment":
        return Moment(messages, time.monotonic(), CpuReading.of_tree(broker.pid), cpu_seconds(load_pid))


def backlog(broker: Running, program: Program, count: int, size: int) -> Figures:
    """Stores `count` messages, then lets a new function work them off while its outputs are read and checked byte
    by byte. Rate and CPU are those of the steady part, from 10 % to 90 % of the outputs: the start of a process is
    not in it, and what is under way at both of its ends is the same. `..._with_start` is from create to the end."""
    url = broker.address.service_url
    input_topic, output_topic = _topic("in"), _topic("out")
    filled = _load("fill", "--service-url", url, "--topic", input_topic, "--count", count, "--size", size)
    config = function_config(program, f"bench-{uuid.uuid4().hex[:8]}", input_topic, output_topic)
    functions = FunctionsRest(broker.address)
    command = ["drain", "--service-url", url, "--topic", output_topic, "--count", count, "--size", size]
    command += ["--mark-every", count // 100, "--timeout", 180]
    drain = subprocess.Popen([str(load_binary()), *map(str, command)], stdout=subprocess.PIPE, text=True)
    assert drain.stdout is not None
    drain.stdout.readline()  # it has subscribed
    begin = Moment.now(0, broker, drain.pid)
    functions.create(config, program.file)
    wanted = [1, int(count * STEADY_FROM), int(count * STEADY_TO), count]
    marks: list[Moment] = []
    result: Figures = {}
    for line in drain.stdout:
        if not line.startswith("mark"):
            result = json.loads(line)
        elif int(line.split()[1]) >= wanted[len(marks)]:
            marks.append(Moment.now(int(line.split()[1]), broker, drain.pid))
            while len(marks) < len(wanted) and marks[-1].messages >= wanted[len(marks)]:
                marks.append(marks[-1])  # one mark may be past several
    if drain.wait() != 0 or len(marks) != len(wanted):
        raise RuntimeError(
            f"{program.label}: the outputs were not complete: {result or 'see standard error'}"
        )
    functions.delete(config)
    _wait_until_gone(marks[-1].cpu.by_pid.keys() - begin.cpu.by_pid.keys())
    first, start, steady_end, end = marks
    if start.messages == steady_end.messages:
        raise RuntimeError(f"{program.label}: {count} messages are too few for a steady part")
    broker_us, function_us = cpu_per_message(start, steady_end, broker.pid)
    with_start = sum(cpu_per_message(begin, end, broker.pid))
    messages = steady_end.messages - start.messages
    return {
        "rate": messages / (steady_end.time - start.time),
        "rate_with_start": count / (end.time - begin.time),
        "first_output_s": first.time - begin.time,
        "broker_us": broker_us,
        "function_us": function_us,
        "total_us": broker_us + function_us,
        "total_us_with_start": with_start,
        "reader_us": 1e6 * (steady_end.load_cpu_seconds - start.load_cpu_seconds) / messages,
        "fill_rate": count / filled["seconds"],
        "duplicates": result["duplicates"],
        "out_of_order": result["out_of_order"],
    }


def _wait_until_gone(pids: Iterable[int], timeout_seconds: float = 60) -> None:
    """The processes of a deleted function: they must be in no later figure."""
    deadline = time.monotonic() + timeout_seconds
    for pid in pids:
        while Path(f"/proc/{pid}").exists():
            if time.monotonic() > deadline:
                raise TimeoutError(f"process {pid} of a deleted function is still there: {command_line(pid)}")
            time.sleep(0.01)


def cpu_per_message(start: Moment, end: Moment, broker_pid: int) -> tuple[float, float]:
    """Core-µs per message between two moments: of the broker's process, and of all below it."""
    if any(pid not in end.cpu.by_pid for pid in start.cpu.by_pid):
        raise RuntimeError("a process ended while it was measured")
    used = end.cpu.since(start.cpu)
    scale = 1e6 / (end.messages - start.messages)
    return scale * used.pop(broker_pid), scale * sum(used.values())


def latency(
    broker: Running, program: Program, size: int, rate: int, seconds: int, warmup_seconds: int
) -> Figures:
    """Open loop: from each message's intended send time to the arrival of what the function made of it."""
    input_topic, output_topic = _topic("in"), _topic("out")
    config = function_config(program, f"bench-{uuid.uuid4().hex[:8]}", input_topic, output_topic)
    functions = FunctionsRest(broker.address)
    functions.create(config, program.file)
    functions.wait_until_running(config)
    found = _load(
        *["latency", "--service-url", broker.address.service_url, "--in", input_topic, "--out", output_topic],
        *["--rate", rate, "--size", size, "--seconds", seconds, "--warmup-seconds", warmup_seconds],
    )
    running = set(descendants(broker.pid)) - {broker.pid}
    functions.delete(config)
    _wait_until_gone(running)
    return found


def cross_check(broker: Running, directory: Path, count: int, size: int) -> Figures:
    """Stored messages, read by our load generator and by the peer's own pulsar-perf: ours must not slow the peer."""
    url, topics = broker.address.service_url, [_topic("cross-check") for _ in range(2)]
    for topic in topics:
        _load("fill", "--service-url", url, "--topic", topic, "--count", count, "--size", size)
    reading = ["--topic", topics[0], "--count", count, "--size", size, "--suffix", ""]
    ours = _load("drain", "--service-url", url, *reading)
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


def rest(broker: Running, seconds: float) -> Figures:
    """Memory and CPU of all its processes, with nobody asking for anything: first a rest, then the measured one."""
    time.sleep(seconds)
    pids = descendants(broker.pid)
    before, begin = sum(map(cpu_nanoseconds, pids)), time.monotonic()
    time.sleep(seconds)
    share = (sum(map(cpu_nanoseconds, pids)) - before) / 1e9 / (time.monotonic() - begin)
    return {"pss_mb": sum(map(pss_bytes, pids)) / 1e6, "cpu_percent": 100 * share}
