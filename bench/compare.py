"""Weft beside the real Apache Pulsar 4.0.8 as shipped, in one run: start, rest, topics, functions, latency, memory.

The two take turns in blocks (A B, B A, A B, ...), each block on a fresh data folder; never both at once. Every
output is checked byte by byte. Prints a table. A whole run (no --rows, --quick, --sample or --sides) also writes
docs/benchmarks.md and docs/evidence/compare.json.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "bench")]

import function_runs  # noqa: E402
import measure  # noqa: E402
import plan as plans  # noqa: E402
import topics  # noqa: E402
from harness.processes import free_ports  # noqa: E402
from harness.raw_client import wait_until_stored  # noqa: E402
from harness.weft_standalone import WeftStandalone  # noqa: E402
from machine import Interference, facts_of_machine  # noqa: E402
from plan import Plan  # noqa: E402
from report import markdown, table  # noqa: E402
from rows import Results, is_void  # noqa: E402
from sides import PulsarSide, Running, Side, WeftSide  # noqa: E402


def say(text: str) -> None:
    print(time.strftime("%H:%M:%S "), text, file=sys.stderr, flush=True)


class Run:
    """One run: what was asked for, and what was measured so far."""

    def __init__(self, plan: Plan, parts: list[str], directory: Path, keep: bool) -> None:
        self._plan = plan
        self._parts = parts
        self._directory = directory
        self._keep = keep
        self.results: Results = defaultdict(lambda: defaultdict(list))
        self.interference: list[Interference] = []  # in each block: what else the machine was doing

    def record(self, side: Side, name: str, figures: measure.Figures) -> None:
        say(f"{side.name}: {name}: " + ", ".join(f"{key} {value:,.4g}" for key, value in figures.items()))
        self.results[name][side.name].append(figures)

    def starts(self) -> None:
        """Weft's time from exec to a receipt, on fresh folders (the peer's comes from its blocks)."""
        weft = WeftSide()
        for n in range(self._plan.starts):
            broker_port, web_port = free_ports(2)
            begin = time.monotonic()
            broker = WeftStandalone(
                self._directory / f"start-{n}",
                broker_port=broker_port,
                web_port=web_port,
                wait_until_ready=False,
            )
            topic = "persistent://public/default/first"
            receipt = wait_until_stored("127.0.0.1", broker_port, topic, begin + 30)
            broker.stop()
            self.results["ready"][weft.name].append({"ms": 1000 * (receipt - begin)})

    def block(self, side: Side, number: int) -> None:
        directory = self._directory / f"{side.name}-{number}"
        interference = Interference.begin(side.name)
        if "latency" in self._parts:
            self.record(side, "timer", measure.timer(self._plan.seconds / 2))
        broker = side.start(directory)
        try:
            if side.name == "pulsar":
                self.record(side, "ready", {"ms": 1000 * broker.ready_seconds})
            if number == 0:
                self._once_on_a_fresh_broker(side, broker, directory)
            self._each_block(side, broker, directory)
            if number == 0:
                self._once_at_the_end(side, broker)
        finally:
            broker.stop()
            self.interference.append(interference.ended())
            if not self._keep:
                shutil.rmtree(directory, ignore_errors=True)
        if number == 0 and "idle" in self._parts:
            self._idle_threads(side)

    def _once_on_a_fresh_broker(self, side: Side, broker: Running, directory: Path) -> None:
        plan = self._plan
        if "rest" in self._parts:
            self.record(side, "rest", measure.rest(broker, plan.rest_seconds))
        if "cross-check" in self._parts and side.name == "pulsar":
            found = measure.cross_check(broker, directory, plan.count_peer, 100)
            self.record(side, "cross-check", found)

    def _each_block(self, side: Side, broker: Running, directory: Path) -> None:
        plan = self._plan
        peer = side.name == "pulsar"
        batched, single = (
            (plan.count_peer, plan.count_single_peer) if peer else (plan.count, plan.count_single)
        )
        if "topics" in self._parts:
            for shape in (
                topics.Shape("100 B", batched, 100),
                topics.Shape("1 KiB", plan.count_large, 1024),
                topics.Shape("100 B single", single, 100, batch=1),
            ):
                published, consumed = topics.publish_and_consume(broker, shape)
                self.record(side, f"publish {shape.name}", published)
                self.record(side, f"consume {shape.name}", consumed)
        if "backlog" in self._parts:
            python_count = plan.python_count_peer if peer else plan.count
            for kind, program, count in (
                ("compiled", side.compiled, batched),
                ("python", side.python, python_count),
            ):
                self.record(side, f"backlog {kind}", function_runs.backlog(broker, program, count, 100))
        if "latency" in self._parts:
            self.record(side, "disk", measure.disk(directory, plan.seconds / 2))
            warmup = plan.warmup_seconds_peer if peer else plan.warmup_seconds
            for kind, program, size in (
                ("compiled", side.compiled, 1024),
                ("compiled", side.compiled, 100),
                ("python", side.python, 1024),
            ):
                for _ in range(plan.latency_attempts):
                    found = function_runs.latency(broker, program, size, plan.rate, plan.seconds, warmup)
                    self.record(side, f"latency {kind} {size} B", found)
                    if not is_void(found):
                        break
            self.record(side, "disk", measure.disk(directory, plan.seconds / 2))

    def _once_at_the_end(self, side: Side, broker: Running) -> None:
        plan = self._plan
        peer = side.name == "pulsar"
        if "idle" in self._parts:
            for kind, program, count in (
                ("compiled", side.compiled, plan.idle_java_peer if peer else plan.idle),
                ("python", side.python, plan.idle_python_peer if peer else plan.idle),
            ):
                found = function_runs.idle(broker, program, count, plan.settle_seconds)
                self.record(side, f"idle {kind}", found)
        if "restart" in self._parts:
            self.record(side, "restart", topics.restart(broker, plan.topics))

    def _idle_threads(self, side: Side) -> None:
        """C++ functions as threads of the worker: another way to start Weft."""
        if not isinstance(side, WeftSide) or not side.has_thread_runtime():
            return
        directory = self._directory / "weft-threads"
        broker = side.start(directory, threads=True)
        try:
            found = function_runs.idle(broker, side.compiled, self._plan.idle, self._plan.settle_seconds)
            self.record(side, "idle compiled threads", found)
        finally:
            broker.stop()
            if not self._keep:
                shutil.rmtree(directory, ignore_errors=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--blocks", type=int, help="blocks of each side")
    parser.add_argument("--sides", nargs="+", choices=["weft", "pulsar"], default=["weft", "pulsar"])
    parser.add_argument("--rows", nargs="+", choices=plans.PARTS, default=plans.PARTS, help="what to measure")
    much = parser.add_mutually_exclusive_group()
    much.add_argument("--quick", action="store_true", help="one block, and less of everything")
    much.add_argument("--sample", action="store_true", help="as little as shows that it works")
    parser.add_argument("--json", type=Path, help="write all single figures there")
    parser.add_argument("--markdown", type=Path, help="write the report there")
    parser.add_argument("--keep", type=Path, help="keep data folders and logs in this folder")
    options = parser.parse_args()
    parts_left_out = len(set(options.rows)) < len(plans.PARTS) or len(options.sides) < 2
    if not (options.quick or options.sample or parts_left_out):
        options.json = options.json or ROOT / "docs" / "evidence" / "compare.json"
        options.markdown = options.markdown or ROOT / "docs" / "benchmarks.md"
    return options


def plan_of(options: argparse.Namespace) -> Plan:
    plan = plans.QUICK if options.quick else plans.SAMPLE if options.sample else plans.WHOLE
    return replace(plan, blocks=options.blocks) if options.blocks else plan


def main() -> None:
    options = arguments()
    plan = plan_of(options)
    sides: list[Side] = [WeftSide() if name == "weft" else PulsarSide() for name in options.sides]
    directory = options.keep or Path(tempfile.mkdtemp(prefix="weft-bench-"))
    directory.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    try:
        run = Run(plan, options.rows, directory, keep=options.keep is not None)
        if "start" in options.rows and "weft" in options.sides:
            run.starts()
        for number in range(plan.blocks):
            for side in sides if number % 2 == 0 else sides[::-1]:
                run.block(side, number)
            if number + 1 < plan.blocks:
                say(f"after {number + 1} of {plan.blocks} blocks of each side:\n{table(run.results)}")
        facts = facts_of_machine(plan, sides, directory) | Interference.facts(run.interference)
    finally:
        if not options.keep:
            shutil.rmtree(directory, ignore_errors=True)
    facts["the run took"] = f"{(time.monotonic() - begin) / 60:.0f} minutes"
    print(table(run.results))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({"facts": facts, "results": run.results}, indent=1))
    if options.markdown:
        kept = options.markdown.read_text() if options.markdown.exists() else ""
        options.markdown.write_text(markdown(run.results, facts, kept))


if __name__ == "__main__":
    main()
