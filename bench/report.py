"""What a run of bench/compare.py says: a table of medians and spreads, as text or as docs/benchmarks.md."""

import statistics
from collections.abc import Mapping, Sequence

from measure import Figures
from rows import PUNCTUAL_SECONDS_MIN, ROWS, Results, Row, is_void

OF_THE_MACHINE = ("disk", "timer")  # measurements that say nothing of either side
HEAD = ("", "Weft", "Apache Pulsar 4.0.8", "better by", "must")


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _values(row: Row, blocks: Sequence[Figures]) -> list[float]:
    """The figures that count."""
    return [figures[row.figure] for figures in blocks if not is_void(figures)]


def _cell(row: Row, blocks: Sequence[Figures]) -> str:
    if not blocks:
        return "-"
    values = _values(row, blocks)
    if not values:
        late = max(figures["late_share"] for figures in blocks)
        return f"void: {100 * late:.2g} % of the sends left late, in nearly all seconds"
    text = _number(statistics.median(values))
    if len(values) > 1:
        text += f" ({_number(min(values))} to {_number(max(values))})"
    void = len(blocks) - len(values)
    return f"{text}; {void} of {len(blocks)} runs void" if void else text


def _must(row: Row, values: Sequence[float]) -> str:
    if row.must is None:
        return "-"
    if not values:
        return f"{row.must.text()}: not measured"
    return f"{row.must.text()}: {'met' if row.must.met(statistics.median(values)) else 'not met'}"


def _lines(results: Results) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = []
    for row in ROWS:
        sides = results.get(row.measurement, {})
        weft, peer = sides.get("weft", []), sides.get("pulsar", [])
        if not weft and not peer:
            continue
        ours, theirs = _values(row, weft), _values(row, peer)
        ratio = row.ratio(statistics.median(ours), statistics.median(theirs)) if ours and theirs else None
        better = f"{ratio:,.1f} x" if ratio is not None and row.measurement not in OF_THE_MACHINE else "-"
        lines.append((row.title, _cell(row, weft), _cell(row, peer), better, _must(row, ours)))
    return lines


def table(results: Results) -> str:
    lines = [HEAD, *_lines(results)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _checks(results: Results) -> str:
    def each_side(figure: str, how: str = "{:,.0f}") -> str:
        told = []
        for name in ("weft", "pulsar"):
            found = [each.get(figure, 0) for sides in results.values() for each in sides.get(name, [])]
            told.append(f"{how.format(sum(found))} ({name})")
        return " and ".join(told)

    latencies = [
        figures
        for name, sides in results.items()
        if name.startswith("latency")
        for blocks in sides.values()
        for figures in blocks
    ]
    text = (
        f"Every message was compared byte by byte with what was sent; none was missing. Duplicates: "
        f"{each_side('duplicates')}; out of order: {each_side('out_of_order')}."
    )
    if latencies:
        void = sum(map(is_void, latencies))
        share = [figures["late_share"] for figures in latencies]
        precedence = all(figures["precedence"] for figures in latencies)
        text += (
            f" Sends that left more than 200 µs late: {each_side('late_sends')}, {100 * min(share):.2g} to {100 * max(share):.2g} % "
            f"of a latency run; seconds that were punctual: {each_side('punctual_seconds')} of {each_side('seconds')}; a run "
            f"with fewer than {PUNCTUAL_SECONDS_MIN} is void ({void} of {len(latencies)}). "
            f"The generator {'ran' if precedence else 'could not run'} before all ordinary threads (SCHED_FIFO)."
        )
    return text


def _cross_check(results: Results) -> str:
    found = results.get("cross-check", {}).get("pulsar")
    if not found:
        return ""
    return (
        f" Cross-check of the load generator on the peer: it reads {_number(found[0]['load_rate'])} messages/s, "
        f"the peer's own pulsar-perf {_number(found[0]['perf_rate'])}."
    )


_METHOD = """\
- *Load*: `bench/load` (C++, on our client), the same program and settings for both. It sends with batches of up to 1,000
  messages or 128 KiB; *one at a time* is without batching, up to 1,000 messages under way.
- *Publish, consume*: one producer stores the messages, then one consumer reads and checks them.
- *Functions*: one that appends an exclamation mark. Weft's C++ one is `examples/cpp/exclamation.cc`, the peer's Java one is
  `ExclamationFunction` of its own examples; the Python one is `examples/python/exclamation.py` on both. Process runtime, at
  least once, one instance, as shipped otherwise (the peer compresses a function's output with LZ4).
- *Backlog*: the messages are stored first, then the function is created, and its outputs are read and checked while it
  works.
- *Rate and CPU* are those between 10 % and 90 % of the messages: the start of a process is not in them, and at both ends the
  same is under way. "Start included" counts from create to the last output.
- *CPU*: the CPU clock of every process under the standalone; the load generator is not in it.
- *Latency*: open loop; each message has a time at which it is meant to be sent, drawn beforehand; latency is from that time
  to the arrival of the function's output at the consumer. A second in which more than one send in a thousand left more than
  200 µs after its time is void: the generator was held up. The figures are of the messages sent in the other seconds, whatever
  came of them; a run with too few of those is void, and done again (three times at most). What was void is counted below the table.
  Meanwhile an idle processor polls instead of sleeping (`/dev/cpu_dma_latency`), for both sides: a virtual one that sleeps
  is given away by its host.
- *Disk*: 4 KiB written and fdatasync'ed 1,000 times a second beside the broker's data, before and after the latencies. A
  message through a function takes two of them, one after the other.
- *Timer*: before each block, with no broker running, a real-time thread wakes up 1,000 times a second and does nothing, the
  processors kept awake as for the latencies. What is late there, the machine has held up; no latency run on it can be more punctual.
- *Ready*: a raw client tries to connect every 5 ms from the moment of exec, and sends one message.
- *At rest*: the processes of a standalone with its worker and no function, after a rest of the same length.
- *Idle functions*: each subscribed to a topic of its own on which nothing comes; the slope of the PSS of all processes over
  one, half and all of them.
- *Must*: what we set ourselves before we began; medians count.
"""


_HAND_WRITTEN = "## Where the time goes"


def markdown(results: Results, facts: Mapping[str, str], before: str) -> str:
    """The report. `before` is what the file held: its hand-written part, at the end, is taken over."""
    _, found, hand_written = before.partition(_HAND_WRITTEN)
    lines = [f"| {' | '.join(HEAD)} |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(line)} |".replace("|   ", "| &emsp;", 1) for line in _lines(results)]
    described = "\n".join(f"- {name}: {value}" for name, value in facts.items())
    return (
        "# Benchmarks\n\n"
        "One run of `./run bench`, beside the real Apache Pulsar as shipped; medians of the blocks, least and greatest in\n"
        f"brackets.\n\n{described}\n\n"
        + "\n".join(lines)
        + f"\n\n{_checks(results)}{_cross_check(results)}\n\n## How it is measured\n\n{_METHOD}"
        + (f"\n{found}{hand_written}" if found else "")
    )
