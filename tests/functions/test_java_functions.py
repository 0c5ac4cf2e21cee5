"""Java functions: the examples that Apache Pulsar ships, in its unmodified java-instance.jar."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulsar
import pulsar.schema
import pytest
from function_topics import Topics
from functions_rest import Functions

from harness.locations import pulsar_home
from harness.process_stats import command_line, descendants
from harness.weft_standalone import WeftStandalone

EXAMPLES = "org.apache.pulsar.functions.api.examples"
# A JVM that is up soon on a small machine.
FLAGS = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:MaxDirectMemorySize=64m"
PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def weft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WeftStandalone]:
    with WeftStandalone(tmp_path_factory.mktemp("weft"), options=["--pulsar-home", str(pulsar_home())]) as running:
        yield running
        running.check_running()


def examples() -> Path:
    return pulsar_home() / "examples" / "api-examples.jar"


def config(class_name: str, **members: Any) -> dict[str, Any]:
    ram = {"ram": 134_217_728}
    return {"className": f"{EXAMPLES}.{class_name}", "runtimeFlags": FLAGS, "resources": ram} | members


def send(client: pulsar.Client, topic: str, *words: str, **options: Any) -> None:
    """With the schema of the function's input: a topic that has bytes in it and no schema takes no consumer with one."""
    producer = client.create_producer(topic, schema=pulsar.schema.StringSchema())
    for word in words:
        producer.send(word, **options)
    producer.close()


def jvms(weft: WeftStandalone) -> list[int]:
    return [pid for pid in descendants(weft.pid) if "JavaInstanceMain" in command_line(pid)]


def test_a_function_survives_its_jvm_and_its_worker(weft: WeftStandalone, functions: Functions, topics: Topics) -> None:
    results = topics.reader_of("out")
    functions.upload(
        "exclaim", examples(), **config("ExclamationFunction", inputs=[topics("in")], output=topics("out"))
    )
    send(topics.client, topics("in"), "one", properties={"color": "red"})
    first = results.receive(PATIENCE_MS)
    assert first.data() == b"one!"
    assert first.properties()["color"] == "red"
    assert first.properties()["__pfn_input_topic__"] == topics("in")
    status = functions.wait_for("exclaim", "numSuccessfullyProcessed", 1)
    assert (status["running"], status["error"], status["numRestarts"], status["numReceived"]) == (True, "", 0, 1)
    stats = functions.stats("exclaim")
    assert (stats["receivedTotal"], stats["processedSuccessfullyTotal"]) == (1, 1)

    (jvm,) = jvms(weft)
    assert "-Xmx134217728" in command_line(jvm)
    os.kill(jvm, signal.SIGKILL)
    functions.wait_for("exclaim", "numRestarts", 1)
    send(topics.client, topics("in"), "two")
    topics.receive_until(results, b"two!", PATIENCE_MS)
    assert jvms(weft) != [jvm]

    before = jvms(weft)
    weft.restart()
    assert [pid for pid in before if os.path.exists(f"/proc/{pid}")] == []
    send(topics.client, topics("in"), "three")
    topics.receive_until(results, b"three!", PATIENCE_MS)
    functions.delete("exclaim")
    assert jvms(weft) == []


def test_what_fails_is_told_and_goes_to_the_dead_letters(functions: Functions, topics: Topics) -> None:
    dead, logs = topics.reader_of("dead"), topics.reader_of("log")
    functions.upload(
        "failing",
        examples(),
        **config(
            "ConsistentlyFailingFunction",
            inputs=[topics("in")],
            logTopic=topics("log"),
            subName="failing",
            maxMessageRetries=1,
            deadLetterTopic=topics("dead"),
            timeoutMs=1000,
        ),
    )
    send(topics.client, topics("in"), "FAIL")
    assert dead.receive(PATIENCE_MS).data() == b"FAIL"
    status = functions.status("failing")
    assert status["numUserExceptions"] >= 1
    assert "RuntimeException" in status["latestUserExceptions"][0]["exceptionString"]
    assert logs.receive(PATIENCE_MS).properties()["fqn"] == "public/default/failing"
    functions.delete("failing")


def test_windows(functions: Functions, topics: Topics) -> None:
    results = topics.reader_of("out")
    functions.upload(
        "window",
        examples(),
        **config(
            "CommaWindowFunction",
            inputs=[topics("in")],
            output=topics("out"),
            windowConfig={"windowLengthCount": 3, "slidingIntervalCount": 2},
        ),
    )
    send(topics.client, topics("in"), "a", "b", "c", "d")
    assert [results.receive(PATIENCE_MS).data() for _ in range(2)] == [b"a,b", b"b,c,d"]
    shown = functions.get("window")
    assert shown["className"] == f"{EXAMPLES}.CommaWindowFunction"
    assert shown["windowConfig"]["windowLengthCount"] == 3
    assert "__WINDOWCONFIGS__" not in shown.get("userConfig", {})
    functions.delete("window")


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"className": "a.B"}, "Function class a.B must be in class path (className = a.B: the jar has no a/B.class)"),
        ({"className": None}, "Function class name is not provided. (className = nothing: give package.Class)"),
        ({"processingGuarantees": "EFFECTIVELY_ONCE"}, "processingGuarantees = EFFECTIVELY_ONCE is not supported"),
        ({"outputSchemaType": "STRING", "outputSerdeClassName": "a.S"}, "Only one of outputSchemaType or"),
    ],
)
def test_what_is_refused(functions: Functions, members: dict[str, Any], text: str) -> None:
    with pytest.raises(AssertionError) as refused:
        functions.upload("refused", examples(), **config("ExclamationFunction", inputs=["in"]) | members)
    assert f": 400 {{\"reason\":\"{text}" in str(refused.value)


def test_without_java_it_is_refused_with_the_cure(tmp_path: Path) -> None:
    with WeftStandalone(tmp_path) as without:
        with pytest.raises(AssertionError) as refused:
            Functions(without.address).upload("f", examples(), **config("ExclamationFunction", inputs=["in"]))
    assert "there is no java-instance.jar: unpack Apache Pulsar and start with --pulsar-home" in str(refused.value)
