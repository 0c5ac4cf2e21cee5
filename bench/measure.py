"""The measurements, each on a broker that runs: a function over a backlog, latency through a function, rest."""

import json
import re
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from harness.functions_rest import FunctionsRest
from harness.java_tools import JavaTools
from harness.process_stats import CpuReading, cpu_nanoseconds, cpu_seconds, descendants, pss_bytes
from sides import Program, Running, function_config, load_binary

Figures = dict[str, float]
WARM_SHARE = 0.1  # of the messages, before the steady part begins


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
    by byte. The steady part begins after the first tenth: starting a process is in neither rate nor CPU."""
    url = broker.address.service_url
    input_topic, output_topic = _topic("in"), _topic("out")
    filled = _load("fill", "--service-url", url, "--topic", input_topic, "--count", count, "--size", size)
    config = function_config(program, f"bench-{uuid.uuid4().hex[:8]}", input_topic, output_topic)
    functions = FunctionsRest(broker.address)
    warm = int(count * WARM_SHARE)
    command = ["drain", "--service-url", url, "--topic", output_topic, "--count", count, "--size", size]
    command += ["--mark-every", warm, "--timeout", 180]
    drain = subprocess.Popen([str(load_binary()), *map(str, command)], stdout=subprocess.PIPE, text=True)
    assert drain.stdout is not None
    drain.stdout.readline()  # it has subscribed
    begin = time.monotonic()
    functions.create(config, program.file)
    marks: list[Moment] = []
    first_output = 0.0
    result: Figures = {}
    for line in drain.stdout:
        if line.startswith("mark"):
            messages = int(line.split()[1])
            first_output = first_output or time.monotonic() - begin
            if messages >= warm and (not marks or messages == count):
                marks.append(Moment.now(messages, broker, drain.pid))
        else:
            result = json.loads(line)
    if drain.wait() != 0 or len(marks) < 2:
        raise RuntimeError(
            f"{program.label}: the outputs were not complete: {result or 'see standard error'}"
        )
    functions.delete(config)
    start, end = marks[0], marks[-1]
    messages, seconds = end.messages - start.messages, end.time - start.time
    used = end.cpu.since(start.cpu)
    if any(pid not in end.cpu.by_pid for pid in start.cpu.by_pid):
        raise RuntimeError(f"{program.label}: a process ended while it was measured")
    broker_cpu = used.pop(broker.pid)
    function_cpu = sum(used.values())
    return {
        "rate": messages / seconds,
        "rate_with_start": count / (end.time - begin),
        "first_output_s": first_output,
        "broker_us": 1e6 * broker_cpu / messages,
        "function_us": 1e6 * function_cpu / messages,
        "total_us": 1e6 * (broker_cpu + function_cpu) / messages,
        "reader_us": 1e6 * (end.load_cpu_seconds - start.load_cpu_seconds) / messages,
        "fill_rate": count / filled["seconds"],
        "duplicates": result["duplicates"],
        "out_of_order": result["out_of_order"],
    }


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
    functions.delete(config)
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
