"""A Python and a C++ function on `weft standalone`: nothing is lost, filtered, added or changed that should not be."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pulsar
import pytest
from function_topics import Topics
from functions_rest import Functions

from harness.locations import weft_binary
from harness.process_stats import command_line, descendants
from harness.weft_standalone import WeftStandalone

MESSAGES = int(os.environ.get("WEFT_FUNCTION_MESSAGES", "100000"))
SAMPLES = Path(__file__).resolve().parent / "samples"
PYTHON = SAMPLES / "mixed.py"
NATIVE = weft_binary().parents[1] / "lib" / "libweft_mixed_function.so"
LANGUAGES = pytest.mark.parametrize(
    ("package", "class_name"), [(PYTHON, "mixed.Mixed"), (NATIVE, "Mixed")], ids=["python", "native"]
)


def drain(reader: pulsar.Consumer, quiet_ms: int = 1500) -> Iterator[pulsar.Message]:
    """What is there, until nothing comes any more."""
    while True:
        try:
            message = reader.receive(quiet_ms)
        except pulsar.Timeout:
            return
        reader.acknowledge(message)
        yield message


def receive(reader: pulsar.Consumer, count: int) -> list[pulsar.Message]:
    messages = []
    while len(messages) < count:
        messages.append(reader.receive(20_000))
        reader.acknowledge(messages[-1])
    return messages


@LANGUAGES
def test_every_message(
    weft: WeftStandalone, topics: Topics, functions: Functions, package: Path, class_name: str
) -> None:
    results, extras, logs = topics.reader_of("out"), topics.reader_of("extra"), topics.reader_of("log")
    name = f"every-{package.suffix[1:]}"
    functions.create(
        name,
        package,
        className=class_name,
        inputs=[topics("in")],
        output=topics("out"),
        logTopic=topics("log"),
        userConfig={"extra": topics("extra")},
        timeoutMs=500,  # how soon what failed is delivered again
    )
    topics.send("in", range(MESSAGES))

    wanted = {n for n in range(MESSAGES) if n % 10 != 3}
    seen: Counter[int] = Counter()
    deadline = time.monotonic() + 120
    while len(seen) < len(wanted):
        assert time.monotonic() < deadline, f"{len(wanted) - len(seen)} results are missing"
        message = results.receive(20_000)
        results.acknowledge(message)
        properties = message.properties()
        n = int(properties["n"])
        assert message.data() == f"message {n}!".encode()
        assert message.partition_key() == f"k{n % 7}"
        assert properties["__pfn_input_topic__"] == topics("in")
        assert properties["__pfn_input_msg_id__"]
        seen[n] += 1
    assert seen.keys() == wanted

    with_extra = {n for n in range(MESSAGES) if n % 100 == 5}
    extra_seen = set()
    for message in drain(extras):
        assert message.data() == f"extra {message.properties()['n']}".encode()
        assert message.partition_key() == "x"
        extra_seen.add(int(message.properties()["n"]))
    assert extra_seen == with_extra

    planted = {n for n in range(MESSAGES) if n % 1000 == 7}
    lines = [(message.data().decode(), message.properties()) for message in drain(logs)]
    for n in planted:
        failed = [line for line, properties in lines if f"planted {n}" in line.split("\n")[0] and properties["loglevel"] == "ERROR"]
        assert failed, f"failure {n} is not in the log topic"
        if package == PYTHON:
            assert "mixed.py" in failed[0] and "in process" in failed[0]
        assert any(line == f"again {n}" and properties["loglevel"] == "INFO" for line, properties in lines)
    assert all(properties["fqn"] == f"public/default/{name}" for _, properties in lines)

    status = functions.status(name)
    assert status["numUserExceptions"] == len(planted)
    assert status["numSystemExceptions"] == 0
    assert len(status["latestUserExceptions"]) == min(10, len(planted))
    assert "planted" in status["latestUserExceptions"][0]["exceptionString"]
    assert status["numRestarts"] == 0
    assert status["numReceived"] >= MESSAGES + len(planted)
    assert status["numSuccessfullyProcessed"] == status["numReceived"] - len(planted)
    assert status["lastInvocationTime"] > 0 and status["averageLatency"] > 0
    assert functions.stats(name)["receivedTotal"] == status["numReceived"]
    functions.delete(name)


@LANGUAGES
def test_a_function_that_aborts_is_started_again(
    weft: WeftStandalone, topics: Topics, functions: Functions, package: Path, class_name: str
) -> None:
    results = topics.reader_of("out")
    name = f"abort-{package.suffix[1:]}"
    functions.create(
        name,
        package,
        className=class_name,
        inputs=[topics("in")],
        output=topics("out"),
        userConfig={"extra": topics("extra"), "marker": "aborted"},
    )
    producer = topics.client.create_producer(topics("in"))
    producer.send(b"before", properties={"n": "1"})
    assert receive(results, 1)[0].data() == b"before!"
    producer.send(b"abort", properties={"n": "2"})
    producer.send(b"after", properties={"n": "4"})
    wanted = {b"abort!", b"after!"}
    while wanted:
        wanted.discard(receive(results, 1)[0].data())
    functions.wait_until_running(name)
    assert functions.status(name)["numRestarts"] == 1
    weft.check_running()
    functions.delete(name)


@LANGUAGES
def test_instances_that_are_killed_lose_nothing(
    weft: WeftStandalone, topics: Topics, functions: Functions, package: Path, class_name: str
) -> None:
    results = topics.reader_of("out")
    name = f"killed-{package.suffix[1:]}"
    functions.create(
        name,
        package,
        className=class_name,
        inputs=[topics("in")],
        output=topics("out"),
        userConfig={"extra": topics("extra")},
        timeoutMs=500,
    )
    count, kills = MESSAGES // 2, 5
    sender = threading.Thread(target=topics.send, args=("in", range(count)))
    sender.start()
    wanted = {n for n in range(count) if n % 10 != 3}
    seen: set[int] = set()
    killed = 0
    while seen != wanted:
        message = results.receive(30_000)
        results.acknowledge(message)
        n = int(message.properties()["n"])
        assert message.data() == f"message {n}!".encode()
        seen.add(n)
        if killed < kills and len(seen) > killed * len(wanted) // (kills + 1):
            for pid in instances_of(weft, name):
                os.kill(pid, signal.SIGKILL)
                killed += 1
    sender.join()
    functions.wait_until_running(name)
    assert functions.status(name)["numRestarts"] == killed
    functions.delete(name)
    assert instances_of(weft, name) == []


def instances_of(weft: WeftStandalone, name: str) -> list[int]:
    return [
        pid for pid in descendants(weft.pid) if command_line(pid).startswith(f"weft instance public/default/{name}:")
    ]


def test_a_real_client_inside_the_python_host(weft: WeftStandalone, topics: Topics, functions: Functions) -> None:
    results, side = topics.reader_of("out"), topics.reader_of("side")
    functions.create(
        "uses-client",
        PYTHON,
        className="mixed.UsesClient",
        inputs=[topics("in")],
        output=topics("out"),
        userConfig={"url": weft.address.service_url, "side": topics("side")},
    )
    topics.send("in", range(100))
    assert {m.data() for m in receive(results, 100)} == {f"message {n}".encode() for n in range(100)}
    version = pulsar.__version__
    assert {m.data() for m in receive(side, 100)} == {f"message {n} by {version}".encode() for n in range(100)}
    functions.delete("uses-client")


def test_a_plain_function(topics: Topics, functions: Functions) -> None:
    results = topics.reader_of("out")
    functions.create(
        "plain", PYTHON, className="mixed.shout", inputs=[topics("in")], output=topics("out")
    )
    topics.send("in", range(10))
    assert {m.data() for m in receive(results, 10)} == {f"MESSAGE {n}".encode() for n in range(10)}
    functions.delete("plain")


@LANGUAGES
def test_what_was_acked_is_not_processed_again_after_a_restart(
    weft: WeftStandalone, topics: Topics, functions: Functions, package: Path, class_name: str
) -> None:
    results = topics.reader_of("out")
    name = f"restart-{package.suffix[1:]}"
    config = {
        "className": class_name,
        "inputs": [topics("in")],
        "output": topics("out"),
        "userConfig": {"extra": topics("extra")},
        "cleanupSubscription": False,
    }
    functions.create(name, package, **config)
    topics.send("in", range(20, 1000))
    wanted = sum(1 for n in range(20, 1000) if n % 10 != 3)
    receive(results, wanted)
    functions.delete(name)
    functions.create(name, package, **config)
    topics.send("in", range(1, 2))
    assert [m.data() for m in drain(results)] == [b"message 1!"]
    functions.delete(name)
