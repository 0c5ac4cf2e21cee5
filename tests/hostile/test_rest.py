"""Broken REST requests: each is answered by field, value and cure, changes nothing and leaves nothing behind."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import package_cases
import rest_cases
from raw_http import ask, request
from rest_cases import EXISTING, FUNCTIONS, THERE, Case, config, upload

from harness.weft_standalone import WeftStandalone

CASES_MIN = 240
CASES = rest_cases.CASES + package_cases.CASES


def status_of(weft: WeftStandalone, method: str, path: str) -> int:
    return ask(weft.address, request(method, path)).status


def everything(weft: WeftStandalone) -> dict[str, object]:
    """What a request could have made: what the REST lists, and the files of packages and instances."""
    seen: dict[str, object] = {}
    for path in (
        "/admin/v2/tenants",
        "/admin/v2/namespaces/public",
        "/admin/v2/namespaces/public/default",
        "/admin/v2/persistent/public/default",
        "/admin/v2/persistent/public/default/partitioned",
        FUNCTIONS,
        THERE,
        "/admin/v2/worker/assignments",
        "/admin/v3/packages/function/public/default",
    ):
        answer = ask(weft.address, request("GET", path))
        assert answer.status == 200, (path, answer)
        seen[path] = json.loads(answer.body)
    for folder in ("packages", "package-names", "instances"):
        root = weft.data_directory / folder
        seen[folder] = sorted(str(file.relative_to(root)) for file in root.rglob("*") if "__pycache__" not in str(file))
    return seen


@pytest.fixture(scope="module")
def weft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WeftStandalone]:
    with WeftStandalone(tmp_path_factory.mktemp("hostile"), options=["--log-level", "error"]) as standalone:
        while status_of(standalone, "GET", "/initialized") != 200:
            standalone.check_running()
        assert ask(standalone.address, upload(config(), path=THERE)).status == 204
        while b'"numRunning":1' not in ask(standalone.address, request("GET", f"{THERE}/status")).body:
            standalone.check_running()
        yield standalone
        # Still there, and able to do its work.
        assert ask(standalone.address, upload(config(), path=f"{FUNCTIONS}/last")).status == 204
        assert standalone.stop() == 0


@pytest.fixture(scope="module")
def before(weft: WeftStandalone) -> dict[str, object]:
    return everything(weft)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_broken_request(weft: WeftStandalone, before: dict[str, object], case: Case) -> None:
    answer = ask(weft.address, case.sent, then_close=case.cut_off)
    assert answer.status == case.status, answer
    for word in (case.field, case.value, case.cure):
        assert word in answer.reason, (word, answer.reason)
    assert len(answer.reason) < 2000
    assert everything(weft) == before


def test_nobody_who_goes_away_leaves_anything(weft: WeftStandalone, before: dict[str, object]) -> None:
    """A good request, cut off at many places, by clients that are gone before they could be answered."""
    good = upload(config(), path=f"{FUNCTIONS}/half")
    for end in range(1, len(good), 29):
        assert ask(weft.address, good[:end], then_close=True).status == 400
    assert everything(weft) == before


def test_the_log_names_no_bug_and_nothing_was_left(weft: WeftStandalone, before: dict[str, object]) -> None:
    assert "handler failed" not in Path(weft.log).read_text()
    descriptors = list(Path(f"/proc/{weft.pid}/fd").iterdir())
    assert len(descriptors) < 100, "each connection is closed"


def test_the_table_is_large_enough() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= CASES_MIN
    assert all(case.field and case.value and case.cure for case in CASES)
    assert len(EXISTING) > 5
