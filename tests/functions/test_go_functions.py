"""A Go function: a program by the contract of Pulsar's Go SDK (go_program/main.go)."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from function_topics import Topics
from functions_rest import Functions

from harness.built import go_program
from harness.process_stats import command_line, descendants
from harness.weft_standalone import WeftStandalone

PATIENCE_MS = 30_000


@pytest.fixture(scope="module")
def program() -> Path:
    return go_program("go-function", Path(__file__).with_name("go_program"))


@pytest.fixture(scope="module")
def weft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WeftStandalone]:
    with WeftStandalone(tmp_path_factory.mktemp("weft")) as running:
        yield running
        running.check_running()


def programs(weft: WeftStandalone) -> list[int]:
    return [pid for pid in descendants(weft.pid) if "-instance-conf" in command_line(pid)]


def test_a_function_lives_fails_is_killed_and_is_deleted(
    weft: WeftStandalone, functions: Functions, topics: Topics, program: Path
) -> None:
    results = topics.reader_of("out")
    functions.create(
        "go", program, inputs=[topics("in")], output=topics("out"), userConfig={"suffix": "!"}
    )
    producer = topics.client.create_producer(topics("in"))
    producer.send(b"one")
    assert results.receive(PATIENCE_MS).data() == b"one!"
    status = functions.wait_for("go", "numSuccessfullyProcessed", 1)
    assert (status["numReceived"], status["numRestarts"]) == (1, 0)
    assert functions.stats("go")["processedSuccessfullyTotal"] == 1

    producer.send(b"bad")  # ends it, as the SDK does; the second time it is taken
    topics.receive_until(results, b"bad!", PATIENCE_MS)
    assert functions.status("go")["numRestarts"] == 1
    assert "this input is bad" in weft.log.read_text()

    (running,) = programs(weft)
    os.kill(running, signal.SIGKILL)
    functions.wait_for("go", "numRestarts", 2)
    producer.send(b"two")
    topics.receive_until(results, b"two!", PATIENCE_MS)
    functions.delete("go")
    assert programs(weft) == []


def test_what_is_refused(functions: Functions, tmp_path: Path) -> None:
    text = tmp_path / "program"
    text.write_text("not machine code, and longer than the head of a file that is" * 2)
    with pytest.raises(AssertionError, match="400.*not a program for this machine.*it is not an ELF file"):
        functions.upload("refused", text, inputs=["in"])
    with pytest.raises(AssertionError, match="400.*producerConfig.compressionType = ZSTD is not supported"):
        functions.upload("refused", text, inputs=["in"], producerConfig={"compressionType": "ZSTD"})
