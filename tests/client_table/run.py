"""Runs the table of client cases and prints it: a row for each case, a column for each client and broker.

    python tests/client_table/run.py [--broker weft|pulsar|both] [--client NAME ...] [--case TEXT] [--jobs N]

Ends with 1 if a cell failed, or was skipped for a reason that docs/compatibility.md does not give (or gives
and is not needed any more).
"""

import argparse
import sys
import tempfile
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from client_table import (  # noqa: E402, F401
    ack_cases,
    compaction_cases,
    content_cases,
    drivers,
    reader_cases,
    restart_cases,
    schema_cases,
    subscription_cases,
    topic_cases,
)
from client_table.face import Cell, Driver, Restart, Unsupported  # noqa: E402
from client_table.registry import CASES, ONLY_ON_PULSAR, Case  # noqa: E402
from harness import locations  # noqa: E402
from harness.broker import Broker  # noqa: E402
from harness.pulsar_standalone import PulsarStandalone  # noqa: E402
from harness.weft_standalone import WeftStandalone  # noqa: E402

# Pulsar keeps acks of single messages of a batch only when told to.
PULSAR_SETTINGS = {"acknowledgmentAtBatchIndexLevelEnabled": "true"}
MARKS = ("<!-- client cases not run -->", "<!-- /client cases not run -->")


@dataclass(frozen=True)
class Outcome:
    word: str  # ok, skip, FAIL
    seconds: float = 0
    why: str = ""


Outcomes = dict[tuple[str, str, str], Outcome]  # by case, client, broker


def start(name: str, directory: Path) -> Broker:
    if name == "weft":
        return WeftStandalone(directory)
    return PulsarStandalone(directory, settings=PULSAR_SETTINGS)


def run_cell(case: Case, driver: Driver, broker: Broker, restart: Restart | None) -> Outcome:
    begin = time.monotonic()
    arrived = threading.Event()
    cell = Cell(case.name, driver, broker, restart, arrived)
    try:
        if driver.client in case.not_for:
            raise Unsupported(case.not_for[driver.client])
        case.run(cell)
        outcome = Outcome("ok", time.monotonic() - begin)
    except Unsupported as why:
        outcome = Outcome("skip", time.monotonic() - begin, str(why))
    except Exception as error:  # a cell that fails in any way is a failed cell, with its place
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "_cases.py" in f.filename]
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno} " if frames else ""
        said = str(error) or (frames[-1].line if frames else "")
        outcome = Outcome("FAIL", time.monotonic() - begin, f"{place}{type(error).__name__}: {said}")
    finally:
        if restart is not None and not arrived.is_set():
            restart.left()
        cell.close()
    return outcome


def run_on(name: str, clients: list[str], cases: list[Case], jobs: int, outcomes: Outcomes) -> None:
    """All cells of one broker: the clients side by side, `jobs` cases of each at a time."""
    plain = sorted((c for c in cases if not c.restarts and not c.alone), key=lambda case: not case.slow)
    alone = [case for case in cases if case.alone]
    restarting = [case for case in cases if case.restarts]
    with tempfile.TemporaryDirectory(prefix=f"client-table-{name}-") as folder:
        broker = start(name, Path(folder) / "broker")
        running = [
            Driver(client, drivers.COMMANDS[client](), broker.address.service_url, Path(folder) / f"{client}.log")
            for client in clients
        ]
        try:

            def one(case: Case, driver: Driver, restart: Restart | None = None) -> None:
                outcome = run_cell(case, driver, broker, restart)
                if outcome.word == "FAIL" and name == "pulsar" and restart is None:
                    # What is asked here is whether Pulsar gives it. On Weft nothing is tried twice.
                    print(f"AGAIN    {case.name} {driver.client}@{name}: {outcome.why}", flush=True)
                    outcome = run_cell(case, driver, broker, restart)
                outcomes[case.name, driver.client, name] = outcome
                if outcome.word == "FAIL":  # at once, for who waits
                    print(f"FAILED   {case.name} {driver.client}@{name}: {outcome.why}", flush=True)

            for stage in [plain, *([case] for case in alone)]:
                pools = [ThreadPoolExecutor(jobs) for _ in running]
                for case in stage:
                    for pool, driver in zip(pools, running, strict=True):
                        pool.submit(one, case, driver)
                for pool in pools:
                    pool.shutdown()
            if restarting:
                restart = Restart(len(restarting) * len(running), broker.restart)
                with ThreadPoolExecutor(len(restarting) * len(running)) as pool:
                    for case in restarting:
                        for driver in running:
                            pool.submit(one, case, driver, restart)
                    restart.perform()
        finally:
            for driver in running:
                driver.stop()
            broker.stop()


def documented_skips() -> set[tuple[str, str]]:
    """The (client, reason) pairs of docs/compatibility.md: rows `| client | reason |` between the marks."""
    text = (locations.SOURCE_ROOT / "docs" / "compatibility.md").read_text()
    rows = text.partition(MARKS[0])[2].partition(MARKS[1])[0].splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows if row.startswith("|")]
    return {(cell[0], cell[1]) for cell in cells[2:]}


def print_matrix(outcomes: Outcomes, cases: list[Case], columns: list[tuple[str, str]]) -> None:
    width = max(len(case.name) for case in cases)
    heads = [f"{client}@{broker}" for client, broker in columns]
    print(" " * width, *heads, sep="  ")
    for case in cases:
        cells = []
        for head, (client, broker) in zip(heads, columns, strict=True):
            outcome = outcomes[case.name, client, broker]
            text = outcome.word if outcome.word != "ok" else f"ok {outcome.seconds:.1f}s"
            cells.append(text.ljust(len(head)))
        print(case.name.ljust(width), *cells, sep="  ")


def report(outcomes: Outcomes, cases: list[Case], columns: list[tuple[str, str]], whole: bool) -> int:
    bad = 0
    documented, used = documented_skips(), set()
    for (case, client, broker), outcome in outcomes.items():
        where = f"{case} {client}@{broker}"
        if outcome.word == "FAIL":
            bad += 1
        elif outcome.word == "skip":
            used.add((client, outcome.why))
            if (client, outcome.why) not in documented:
                bad += 1
                print(f"SKIPPED  {where}: not in docs/compatibility.md: | {client} | {outcome.why} |")
    for client, why in sorted(documented - used) if whole else []:
        brokers = {broker for column, broker in columns if column == client}
        if brokers and ("pulsar" in brokers or not why.startswith(ONLY_ON_PULSAR)):
            bad += 1
            print(f"STALE    docs/compatibility.md: nothing is skipped for | {client} | {why} |")
    print_matrix(outcomes, cases, columns)
    words = [outcome.word for outcome in outcomes.values()]
    print(
        f"{len(cases)} cases, {len(words)} cells: {words.count('ok')} ok, {words.count('skip')} skipped, "
        f"{words.count('FAIL')} failed"
    )
    return 1 if bad or not words else 0


def main() -> int:
    parser = argparse.ArgumentParser(description="the table of client cases")
    parser.add_argument("--broker", choices=["weft", "pulsar", "both"], default="weft")
    parser.add_argument("--client", action="append", choices=list(drivers.COMMANDS))
    parser.add_argument("--case", default="", help="only the cases whose name has this text")
    parser.add_argument("--jobs", type=int, default=6, help="cases of each client at a time")
    options = parser.parse_args()
    clients = options.client or list(drivers.COMMANDS)
    brokers = ["weft", "pulsar"] if options.broker == "both" else [options.broker]
    cases = [case for case in CASES if options.case in case.name]
    if not cases:
        parser.error(f"no case has {options.case!r} in its name")
    for client in clients:
        drivers.COMMANDS[client]()  # built before anything is timed
    outcomes: Outcomes = {}
    for broker in brokers:
        begin = time.monotonic()
        run_on(broker, clients, cases, options.jobs, outcomes)
        print(f"{broker}: {time.monotonic() - begin:.0f} s", flush=True)
    columns = [(client, broker) for broker in brokers for client in clients]
    return report(outcomes, cases, columns, whole=not options.case)


if __name__ == "__main__":
    sys.exit(main())
