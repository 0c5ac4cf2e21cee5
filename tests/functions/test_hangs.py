"""Functions that do not come back from a message are found, named, killed and started again; idle ones are left alone."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from function_topics import Topics
from functions_rest import Functions

from harness.locations import weft_binary
from harness.weft_standalone import WeftStandalone

SAMPLES = Path(__file__).resolve().parent / "samples"
NATIVE = weft_binary().parents[1] / "lib" / "libweft_hang_function.so"


@pytest.fixture(scope="module")
def weft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WeftStandalone]:
    python = os.environ.get("WEFT_TEST_PYTHON", sys.executable)
    options = ["--python", python, "--function-call-limit", "1"]
    with WeftStandalone(tmp_path_factory.mktemp("weft"), options=options) as running:
        yield running
        running.check_running()


@pytest.mark.parametrize(
    ("package", "class_name", "stack"),
    [(SAMPLES / "hang.py", "hang.Hang", "wait_for_ever"), (NATIVE, "Hang", "pause")],
    ids=["python", "native"],
)
def test_a_function_that_hangs(
    weft: WeftStandalone,
    topics: Topics,
    functions: Functions,
    package: Path,
    class_name: str,
    stack: str,
) -> None:
    results = topics.reader_of("out")
    config = {"className": class_name, "userConfig": {"attempts": "attempts"}}
    functions.create("hangs", package, inputs=[topics("in")], output=topics("out"), **config)
    functions.create("idles", package, inputs=[topics("nothing")], **config)
    producer = topics.client.create_producer(topics("in"))
    poison = producer.send(b"poison")

    deadline = time.monotonic() + 30
    while "the instance hung: no progress for" not in (error := functions.status("hangs").get("error", "")):
        assert time.monotonic() < deadline, f"not found: {error}"
        time.sleep(0.01)  # between two looks
    assert f"on message {poison.ledger_id()}:{poison.entry_id()}:-1" in error and topics("in") in error
    assert stack in error, "where it stands"

    assert results.receive(60_000).data() == b"poison!", "it comes again, and the third time it goes through"
    producer.send(b"next")
    assert results.receive(20_000).data() == b"next!"
    assert functions.status("hangs")["numRestarts"] == 2
    idle = functions.status("idles")
    assert idle["running"] and idle["numRestarts"] == 0 and idle["error"] == ""
    functions.delete("hangs")
    functions.delete("idles")
