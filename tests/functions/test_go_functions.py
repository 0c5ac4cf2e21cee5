"""A Go function: a program by the contract of Pulsar's Go SDK (go_program/main.go)."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from function_topics import Topics
from functions_rest import Functions

from harness.built import go_program
from harness.process_stats import command_line, descendants, parent_of
from harness.weft_standalone import WeftStandalone, WeftWorker

PATIENCE_MS = 30_000


@pytest.fixture(scope="module")
def program() -> Path:
    return go_program("go-function", Path(__file__).with_name("go_program"))


@pytest.fixture(scope="module")
def weft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WeftStandalone]:
    with WeftStandalone(tmp_path_factory.mktemp("weft")) as running:
        yield running
        running.check_running()


def programs(pid: int) -> list[int]:
    """Below that process."""
    return [each for each in descendants(pid) if "-instance-conf" in command_line(each)]


def wait_for_end(pid: int) -> None:
    deadline = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, f"{pid} still runs"
        time.sleep(0.01)  # between two looks


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

    (running,) = programs(weft.pid)
    os.kill(running, signal.SIGKILL)
    functions.wait_for("go", "numRestarts", 2)
    producer.send(b"two")
    topics.receive_until(results, b"two!", PATIENCE_MS)

    (running,) = programs(weft.pid)
    os.kill(parent_of(running), signal.SIGKILL)  # what speaks for it
    wait_for_end(running)
    functions.wait_for("go", "numRestarts", 3)
    functions.delete("go")
    assert programs(weft.pid) == []


def test_the_program_of_a_worker_that_sleeps_ends(weft: WeftStandalone, tmp_path: Path, program: Path) -> None:
    urls = ["--service-url", weft.address.service_url, "--admin-url", weft.address.admin_url]
    settings = tmp_path / "functions_worker.yml"
    settings.write_text(
        f"pulsarFunctionsNamespace: public/other\ndownloadDirectory: {tmp_path / 'kept'}\nworkerPort: 0\n"
    )
    with WeftWorker(tmp_path, ["-c", str(settings), *urls]) as worker:
        functions = Functions(worker)
        functions.create("sleeper", program, inputs=["sleeper-in"], output="sleeper-out", userConfig={})
        (running,) = programs(worker.pid)
        os.kill(worker.pid, signal.SIGSTOP)
        try:
            wait_for_end(running)  # the lease is 2 s
        finally:
            os.kill(worker.pid, signal.SIGCONT)
        functions.wait_for("sleeper", "numRestarts", 1)
        functions.wait_until_running("sleeper")
        assert "its worker had not renewed its lease" in worker.log.read_text()


def test_what_is_refused(functions: Functions, tmp_path: Path) -> None:
    text = tmp_path / "program"
    text.write_text("not machine code, and longer than the head of a file that is" * 2)
    with pytest.raises(AssertionError, match="400.*not a program for this machine.*it is not an ELF file"):
        functions.upload("refused", text, inputs=["in"])
    with pytest.raises(AssertionError, match="400.*producerConfig.compressionType = ZSTD is not supported"):
        functions.upload("refused", text, inputs=["in"], producerConfig={"compressionType": "ZSTD"})
