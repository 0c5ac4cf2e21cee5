"""Weft beside the real Apache Pulsar 4.0.8 as shipped, in one run: start, rest, backlogs, latency.

The two take turns in blocks (A B, B A, A B, ...), each block on a fresh data folder; never both at once. Every
output is checked byte by byte. Prints a table; --json and --markdown keep it.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "bench")]

import measure  # noqa: E402
from harness.processes import free_ports  # noqa: E402
from harness.raw_client import wait_until_stored  # noqa: E402
from harness.weft_standalone import WeftStandalone  # noqa: E402
from report import Results, machine, markdown, table  # noqa: E402
from sides import PulsarSide, Side, WeftSide  # noqa: E402

PARTS = ["start", "rest", "cross-check", "backlog", "latency"]


def say(text: str) -> None:
    print(time.strftime("%H:%M:%S "), text, file=sys.stderr, flush=True)


class Run:
    """One run: what was asked for, and what was measured so far."""

    def __init__(self, options: argparse.Namespace, directory: Path) -> None:
        self._options = options
        self._directory = directory
        self.results: Results = defaultdict(lambda: defaultdict(list))
        self.load_averages: list[float] = []  # before each block: what else the machine was doing

    def record(self, side: Side, name: str, figures: measure.Figures) -> None:
        say(f"{side.name}: {name}: " + ", ".join(f"{key} {value:,.4g}" for key, value in figures.items()))
        self.results[name][side.name].append(figures)

    def starts(self, count: int) -> None:
        """Weft's time from exec to a receipt, on fresh folders (the peer's comes from its blocks)."""
        weft = WeftSide()
        for n in range(count):
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
        options = self._options
        self.load_averages.append(os.getloadavg()[0])
        directory = self._directory / f"{side.name}-{number}"
        broker = side.start(directory)
        try:
            if side.name == "pulsar":
                self.record(side, "ready", {"ms": 1000 * broker.ready_seconds})
            if "rest" in options.only and number == 0:
                self.record(side, "rest", measure.rest(broker, options.rest_seconds))
            if "cross-check" in options.only and number == 0:
                self.record(
                    side, "cross-check", measure.cross_check(broker, directory, options.count, options.size)
                )
            programs = {"compiled": side.compiled, "python": side.python}
            if "backlog" in options.only:
                for kind, program in programs.items():
                    count = (
                        options.python_count_peer
                        if (side.name, kind) == ("pulsar", "python")
                        else options.count
                    )
                    self.record(
                        side, f"backlog {kind}", measure.backlog(broker, program, count, options.size)
                    )
            if "latency" in options.only:
                for kind, size in (("compiled", 1024), ("compiled", 100), ("python", 1024)):
                    figures = measure.latency(
                        broker, programs[kind], size, options.rate, options.seconds, options.warmup_seconds
                    )
                    self.record(side, f"latency {kind} {size} B", figures)
        finally:
            broker.stop()
            if not options.keep:
                shutil.rmtree(directory, ignore_errors=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--blocks", type=int, default=3, help="blocks of each side")
    parser.add_argument("--sides", nargs="+", choices=["weft", "pulsar"], default=["weft", "pulsar"])
    parser.add_argument(
        "--only",
        nargs="+",
        choices=PARTS,
        default=PARTS,
    )
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--rest-seconds", type=float, default=60)
    parser.add_argument("--count", type=int, default=1_000_000, help="messages of the backlog")
    parser.add_argument(
        "--python-count-peer", type=int, default=None, help="the same for the peer's Python function"
    )
    parser.add_argument("--size", type=int, default=100, help="bytes of a message of the backlog")
    parser.add_argument("--rate", type=int, default=1000, help="messages per second for latency")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--warmup-seconds", type=int, default=10)
    parser.add_argument("--json", type=Path, help="write all single figures there")
    parser.add_argument("--markdown", type=Path, help="write the report there (docs/benchmarks.md)")
    parser.add_argument("--keep", type=Path, help="keep data folders and logs in this folder")
    options = parser.parse_args()
    options.python_count_peer = options.python_count_peer or options.count
    return options


def main() -> None:
    options = arguments()
    sides: list[Side] = [WeftSide() if name == "weft" else PulsarSide() for name in options.sides]
    directory = options.keep or Path(tempfile.mkdtemp(prefix="weft-bench-"))
    directory.mkdir(parents=True, exist_ok=True)
    try:
        run = Run(options, directory)
        if "start" in options.only:
            run.starts(options.starts)
        for number in range(options.blocks):
            for side in sides if number % 2 == 0 else sides[::-1]:
                run.block(side, number)
            say(f"after {number + 1} of {options.blocks} blocks of each side:\n{table(run.results)}")
        facts = machine(options, sides)
        facts["load average before each block"] = ", ".join(f"{load:.1f}" for load in run.load_averages)
        print(table(run.results))
        if options.json:
            options.json.parent.mkdir(parents=True, exist_ok=True)
            options.json.write_text(json.dumps({"facts": facts, "results": run.results}, indent=1))
        if options.markdown:
            kept = options.markdown.read_text() if options.markdown.exists() else ""
            options.markdown.write_text(markdown(run.results, facts, kept))
    finally:
        if not options.keep:
            shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
