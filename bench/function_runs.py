"""Functions at work and at rest: over a backlog, at a steady rate, idle."""

import statistics
import time
import uuid

from harness.functions_rest import Config, FunctionsRest
from harness.process_stats import descendants
from measure import Figures, MarkedLoad, Span, load, steady, topic_name, tree_pss_bytes, wait_until_gone
from sides import Program, Running, function_config

RUNNING_SECONDS = 180  # limit from create to running; a JVM on a busy machine takes a minute


def _config(program: Program, input_topic: str, output_topic: str) -> Config:
    return function_config(program, f"bench-{uuid.uuid4().hex[:8]}", input_topic, output_topic)


def backlog(broker: Running, program: Program, count: int, size: int) -> Figures:
    """Stores `count` messages, then lets a new function work them off while its outputs are read and checked byte
    by byte. Rate and CPU are those of the steady part, from 10 % to 90 % of the outputs: the start of a process is
    not in it, and what is under way at both of its ends is the same. `..._with_start` is from create to the end."""
    url = broker.address.service_url
    input_topic, output_topic = topic_name("in"), topic_name("out")
    load("fill", "--service-url", url, "--topic", input_topic, "--count", count, "--size", size)
    config = _config(program, input_topic, output_topic)
    functions = FunctionsRest(broker.address)
    reading = ["--topic", output_topic, "--count", count, "--size", size, "--mark-every", count // 100]
    drain = MarkedLoad(broker, "drain", "--service-url", url, *reading, "--timeout", 180)
    drain.wait_until_subscribed()
    begin = drain.now(0)
    functions.create(config, program.file)
    (first, start, steady_end, end), result = drain.finish([1, *steady(count), count])
    functions.delete(config)
    wait_until_gone(end.cpu.by_pid.keys() - begin.cpu.by_pid.keys())
    span = Span.between(start, steady_end, broker.pid)
    whole = Span.between(begin, end, broker.pid)
    return {
        "rate": span.rate,
        "rate_with_start": whole.rate,
        "first_output_s": first.time - begin.time,
        "broker_us": span.broker_us,
        "function_us": span.others_us,
        "total_us": span.broker_us + span.others_us,
        "total_us_with_start": whole.broker_us + whole.others_us,
        "reader_us": span.load_us,
        "duplicates": result["duplicates"],
        "out_of_order": result["out_of_order"],
    }


def latency(
    broker: Running, program: Program, size: int, rate: int, seconds: int, warmup_seconds: int
) -> Figures:
    """Open loop: from each message's intended send time to the arrival of what the function made of it."""
    input_topic, output_topic = topic_name("in"), topic_name("out")
    config = _config(program, input_topic, output_topic)
    functions = FunctionsRest(broker.address)
    functions.create(config, program.file)
    functions.wait_until_running(config, RUNNING_SECONDS)
    found = load(
        *["latency", "--service-url", broker.address.service_url, "--in", input_topic, "--out", output_topic],
        *["--rate", rate, "--size", size, "--seconds", seconds, "--warmup-seconds", warmup_seconds],
    )
    running = set(descendants(broker.pid)) - {broker.pid}
    functions.delete(config)
    wait_until_gone(running)
    return found


def idle(broker: Running, program: Program, instances: int, settle_seconds: float) -> Figures:
    """Functions of one instance each that have nothing to do: what one more costs in memory, as the slope of the
    PSS of all processes over 1, half and all of them."""
    functions = FunctionsRest(broker.address)
    configs: list[Config] = []
    points: list[tuple[int, float]] = []
    before = set(descendants(broker.pid))
    for number in sorted({1, (instances + 1) // 2, instances}):
        while len(configs) < number:
            configs.append(_config(program, topic_name("in"), topic_name("out")))
            functions.create(configs[-1], program.file)
        for config in configs:
            functions.wait_until_running(config, RUNNING_SECONDS)
        time.sleep(settle_seconds)  # what is measured is idle, not just started
        points.append((number, tree_pss_bytes(broker) / 1e6))
    started = set(descendants(broker.pid)) - before
    for config in configs:
        functions.delete(config)
    wait_until_gone(started)
    counts, megabytes = zip(*points, strict=True)
    slope = statistics.linear_regression(counts, megabytes).slope
    return {"pss_mb_each": slope, "processes": len(started), "instances": instances}


