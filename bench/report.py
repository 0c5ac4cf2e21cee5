"""What a run of bench/compare.py says: a table of medians and spreads, as text or as docs/benchmarks.md."""

import argparse
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import locations
from measure import Figures
from sides import Side

Results = dict[str, dict[str, list[Figures]]]  # by measurement, then by side: one entry a block
Facts = dict[str, str]


@dataclass(frozen=True)
class Row:
    """One line of the table: a figure of a measurement, and which of the two directions is better."""

    title: str
    measurement: str
    figure: str
    ratio: Callable[[float, float], float]  # of weft and pulsar; above 1: weft is better


def _more(weft: float, peer: float) -> float:
    return weft / peer if peer else float("inf")


def _less(weft: float, peer: float) -> float:
    return peer / weft if weft else float("inf")


ROWS = [
    Row("exec to the first send receipt, ms", "ready", "ms", _less),
    Row("at rest: PSS, MB", "rest", "pss_mb", _less),
    Row("at rest: CPU, % of a core", "rest", "cpu_percent", _less),
    Row("C++ / Java function, backlog: messages/s", "backlog compiled", "rate", _more),
    Row("C++ / Java: core-µs per message, all processes", "backlog compiled", "total_us", _less),
    Row("  of it the function's process", "backlog compiled", "function_us", _less),
    Row("  of it broker and worker", "backlog compiled", "broker_us", _less),
    Row("  all processes, start of the function included", "backlog compiled", "total_us_with_start", _less),
    Row("C++ / Java: create to the first output, s", "backlog compiled", "first_output_s", _less),
    Row("Python function, backlog: messages/s", "backlog python", "rate", _more),
    Row("Python: core-µs per message, all processes", "backlog python", "total_us", _less),
    Row("  of it the function's process", "backlog python", "function_us", _less),
    Row("  of it broker and worker", "backlog python", "broker_us", _less),
    Row("  all processes, start of the function included", "backlog python", "total_us_with_start", _less),
    Row("Python: create to the first output, s", "backlog python", "first_output_s", _less),
    Row("C++ / Java, 1 KiB: latency p50, ms", "latency compiled 1024 B", "p50_ms", _less),
    Row("C++ / Java, 1 KiB: latency p99, ms", "latency compiled 1024 B", "p99_ms", _less),
    Row("C++ / Java, 100 B: latency p50, ms", "latency compiled 100 B", "p50_ms", _less),
    Row("C++ / Java, 100 B: latency p99, ms", "latency compiled 100 B", "p99_ms", _less),
    Row("Python, 1 KiB: latency p50, ms", "latency python 1024 B", "p50_ms", _less),
    Row("Python, 1 KiB: latency p99, ms", "latency python 1024 B", "p99_ms", _less),
]


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _cell(values: Sequence[float]) -> str:
    if not values:
        return "-"
    text = _number(statistics.median(values))
    return text if len(values) == 1 else f"{text} ({_number(min(values))} to {_number(max(values))})"


def _lines(results: Results) -> list[tuple[str, str, str, str]]:
    lines = []
    for row in ROWS:
        sides = results.get(row.measurement, {})
        values = {
            name: [figures[row.figure] for figures in sides.get(name, [])] for name in ("weft", "pulsar")
        }
        if not any(values.values()):
            continue
        ratio = "-"
        if all(values.values()):
            found = row.ratio(statistics.median(values["weft"]), statistics.median(values["pulsar"]))
            ratio = f"{found:,.1f} x"
        lines.append((row.title, _cell(values["weft"]), _cell(values["pulsar"]), ratio))
    return lines


def table(results: Results) -> str:
    head = ("", "Weft: median (min to max)", "Pulsar 4.0.8: median (min to max)", "better by")
    lines = [head, *_lines(results)]
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines
    )


def _checks(results: Results) -> str:
    def total(figure: str) -> str:
        by_side = {
            name: sum(figures.get(figure, 0) for sides in results.values() for figures in sides.get(name, []))
            for name in ("weft", "pulsar")
        }
        return " and ".join(f"{count:,.0f} ({name})" for name, count in by_side.items())

    return (
        f"Every output was compared byte by byte with its input; none was missing. Duplicates: {total('duplicates')}; "
        f"out of order: {total('out_of_order')}; sends that left more than 200 µs late: {total('late_sends')}."
    )


def _cross_check(results: Results) -> str:
    found = results.get("cross-check", {}).get("pulsar")
    if not found:
        return ""
    return (
        f" Cross-check of the load generator on the peer: it reads {_number(found[0]['load_rate'])} messages/s, "
        f"the peer's own pulsar-perf {_number(found[0]['perf_rate'])}."
    )


def machine(options: argparse.Namespace, sides: Sequence[Side]) -> Facts:
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
        "durability": "; ".join(f"{side.name}: {side.durability}" for side in sides),
        "backlog": f"{options.count:,} messages of {options.size} B"
        + (
            f", {options.python_count_peer:,} for the peer's Python"
            if options.python_count_peer != options.count
            else ""
        ),
        "latency": f"{options.rate} messages/s for {options.seconds} s after {options.warmup_seconds} s of warm-up",
        "blocks": f"{options.blocks} of each side, taking turns A B, B A, ..., each on a fresh data folder",
    }


_METHOD = """\
- *Load*: `bench/load` (C++, on our client), the same program and settings for both. It sends with batches of up to 1,000
  messages or 128 KiB.
- *Functions*: one that appends an exclamation mark. Weft's C++ one is `examples/cpp/exclamation.cc`, the peer's Java one is
  `ExclamationFunction` of its own examples; the Python one is `examples/python/exclamation.py` on both. Process runtime, at
  least once, one instance, as shipped otherwise (the peer compresses a function's output with LZ4).
- *Backlog*: the messages are stored first, then the function is created, and its outputs are read and checked while it
  works. Rate and CPU are those between 10 % and 90 % of the outputs: the start of a process is
  not in it, and at both ends the same is under way. "Start included" counts from create to the last output.
- *CPU*: user and system time of every process under the standalone, from `/proc/PID/stat`; the load generator is not in it.
- *Latency*: open loop; each message has a time at which it is meant to be sent, drawn beforehand; latency is from that time
  to the arrival of the function's output at the consumer.
- *Ready*: a raw client tries to connect every 5 ms from the moment of exec, and sends one message.
- *At rest*: the processes of a standalone with its worker and no function, after a rest of the same length.
"""


_HAND_WRITTEN = "## Where the time goes"


def markdown(results: Results, facts: Mapping[str, str], before: str) -> str:
    """The report. `before` is what the file held: its hand-written part, at the end, is taken over."""
    _, found, hand_written = before.partition(_HAND_WRITTEN)
    lines = ["| | Weft | Apache Pulsar 4.0.8 | better by |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(part.strip() for part in line)} |" for line in _lines(results)]
    described = "\n".join(f"- {name}: {value}" for name, value in facts.items())
    return (
        "# Benchmarks\n\n"
        "One run of `./run bench`, beside the real Apache Pulsar as shipped; medians of the blocks, least and greatest in\n"
        f"brackets.\n\n{described}\n\n"
        + "\n".join(lines)
        + f"\n\n{_checks(results)}{_cross_check(results)}\n\n## How it is measured\n\n{_METHOD}"
        + (f"\n{found}{hand_written}" if found else "")
    )
