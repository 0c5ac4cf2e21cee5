"""The rows of the report: which figure each shows, what is better, and what Weft must reach."""

from collections.abc import Callable
from dataclasses import dataclass

from measure import Figures

Results = dict[str, dict[str, list[Figures]]]  # by measurement, then by side: one entry a block

PUNCTUAL_SECONDS_MIN = 5  # of a latency run; with fewer, the load generator was measured, not the broker


@dataclass(frozen=True)
class Must:
    """What Weft has to reach."""

    limit: float
    more_is_better: bool = False

    def met(self, value: float) -> bool:
        return value >= self.limit if self.more_is_better else value <= self.limit

    def text(self) -> str:
        return f"{'≥' if self.more_is_better else '≤'} {self.limit:,g}"


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    title: str
    measurement: str
    figure: str
    more_is_better: bool = False
    must: Must | None = None

    def ratio(self, weft: float, peer: float) -> float | None:
        """Above 1: Weft is better. None where one of them is nothing."""
        if weft <= 0 or peer <= 0:
            return None
        return weft / peer if self.more_is_better else peer / weft


def is_void(figures: Figures) -> bool:
    if "punctual_seconds" not in figures:
        return False
    return figures["punctual_seconds"] < min(PUNCTUAL_SECONDS_MIN, figures["seconds"])


def _flow(title: str, measurement: str) -> list[Row]:
    return [
        Row(f"{title}: messages/s", measurement, "rate", more_is_better=True),
        Row("  core-µs per message", measurement, "total_us"),
    ]


def _function(title: str, kind: str, musts: dict[str, Must]) -> list[Row]:
    name = f"backlog {kind}"
    return [
        Row(f"{title} function, backlog: messages/s", name, "rate", True, musts.get("rate")),
        Row("  core-µs per message, all processes", name, "total_us", must=musts.get("total_us")),
        Row("  of it the function's process", name, "function_us"),
        Row("  of it broker and worker", name, "broker_us"),
        Row("  all processes, start of the function included", name, "total_us_with_start"),
        Row(f"{title}: create to the first output, s", name, "first_output_s", must=musts["first_output_s"]),
    ]


def _latency(title: str, measurement: str) -> list[Row]:
    return [
        Row(f"{title}: latency p50, ms", measurement, "p50_ms", must=Must(1)),
        Row("  p99, ms", measurement, "p99_ms", must=Must(5)),
    ]


ROWS = [
    Row("exec to the first send receipt, ms", "ready", "ms", must=Must(300)),
    Row("  the same after a restart with many topics, ms", "restart", "ms", must=Must(1000)),
    Row("at rest: PSS, MB", "rest", "pss_mb"),
    Row("at rest: CPU, % of a core", "rest", "cpu_percent"),
    *_flow("publish, 100 B in batches", "publish 100 B"),
    *_flow("publish, 1 KiB in batches", "publish 1 KiB"),
    *_flow("publish, 100 B one at a time", "publish 100 B single"),
    *_flow("consume, 100 B in batches", "consume 100 B"),
    *_flow("consume, 1 KiB in batches", "consume 1 KiB"),
    *_flow("consume, 100 B one at a time", "consume 100 B single"),
    *_function("C++ / Java", "compiled", {"total_us": Must(3), "first_output_s": Must(0.05)}),
    *_function("Python", "python", {"rate": Must(150_000, True), "first_output_s": Must(0.3)}),
    *_latency("C++ / Java, 1 KiB", "latency compiled 1024 B"),
    *_latency("C++ / Java, 100 B", "latency compiled 100 B"),
    *_latency("Python, 1 KiB", "latency python 1024 B"),
    Row("the disk itself in the same run: write and fdatasync p50, ms", "disk", "p50_ms"),
    Row("  p99, ms", "disk", "p99_ms"),
    Row("the machine with nothing to do: timer over 200 µs late, % of the ticks", "timer", "late_percent"),
    Row("one more idle function, PSS, MB: C++ / Java, a process each", "idle compiled", "pss_mb_each", must=Must(2)),
    Row("  Python, a process each", "idle python", "pss_mb_each", must=Must(25)),
    Row("  C++, a thread each", "idle compiled threads", "pss_mb_each", must=Must(0.5)),
]
