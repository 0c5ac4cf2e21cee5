"""Broken command lines: each ends with its exit code and a message that names field, value and cure."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from command_line_cases import CASES, Case, make_files
from raw_http import ask, request

from harness import locations
from harness.weft_standalone import WeftStandalone

CASES_MIN = 30


@dataclass(frozen=True)
class Place:
    """Where the commands run, and the worker that some of them reach."""

    folder: Path
    weft: WeftStandalone


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("files")
    make_files(folder)
    with WeftStandalone(tmp_path_factory.mktemp("weft"), options=["--log-level", "error"]) as weft:
        while ask(weft.address, request("GET", "/initialized")).status != 200:
            weft.check_running()
        yield Place(folder, weft)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_broken_command_line(place: Place, case: Case) -> None:
    address = place.weft.address
    urls: list[str] = []
    if "--admin-url" not in case.words and "--url" not in case.words and case.words[0] in (
        "functions", "produce", "consume",
    ):
        urls = ["--admin-url", address.admin_url, "--service-url", address.service_url]
    done = subprocess.run(
        [str(locations.weft_binary()), *urls, *case.words], cwd=place.folder, capture_output=True, timeout=60
    )
    told = done.stderr.decode(errors="replace")
    assert (done.returncode, done.stdout) == (case.code, b""), (done, told)
    for word in (case.field, case.value, case.cure):
        assert word in told, (word, told[:1000])
    assert len(told) < 4000
    assert ask(address, request("GET", "/admin/v3/functions/public/default")).body == b"[]"


def test_nothing_was_left(place: Place) -> None:
    assert list((place.weft.data_directory / "packages").iterdir()) == []
    assert not (place.folder / "weft-data").exists()


def test_the_table_is_large_enough() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= CASES_MIN
    assert all(case.field and case.value and case.cure for case in CASES)
