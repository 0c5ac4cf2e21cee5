"""The Python examples that Apache Pulsar ships, unchanged."""

from pathlib import Path
from typing import Any

import pulsar
import pytest
from function_topics import Topics
from functions_rest import Functions

from harness.locations import pulsar_home


def run(functions: Functions, topics: Topics, file: str, class_name: str, sent: bytes, **config: Any) -> pulsar.Consumer:
    """Creates the function and sends it one message; returns a consumer of its output."""
    results = topics.reader_of("out")
    package = pulsar_home() / "examples" / "python-examples" / f"{file}.py"
    name = file.replace("_", "-")
    functions.create(name, package, className=class_name, inputs=[topics("in")], output=topics("out"), **config)
    topics.client.create_producer(topics("in")).send(sent, properties={"color": "red"})
    return results


@pytest.mark.parametrize(
    ("file", "class_name", "sent", "wanted"),
    [
        ("exclamation_function", "exclamation_function.ExclamationFunction", b"hi", b"hi!"),
        ("native_exclamation_function", "native_exclamation_function", b"hi", b"hi!"),
        ("logging_function", "logging_function.LoggingFunction", b"hi", b"hi!"),
        ("config_based_append_function", "config_based_append_function.ConfigBasedAppendFunction", b"hi", b"hi?"),
    ],
)
def test_what_they_return(
    functions: Functions, topics: Topics, file: str, class_name: str, sent: bytes, wanted: bytes
) -> None:
    results = run(functions, topics, file, class_name, sent, userConfig={"config-key": "?"})
    assert results.receive(10_000).data() == wanted


def test_custom_serde(functions: Functions, topics: Topics) -> None:
    serde = "custom_object_function.CustomSerDe"
    results = run(
        functions,
        topics,
        "custom_object_function",
        "custom_object_function.CustomObjectFunction",
        b"1,2",
        inputSpecs={topics("in"): {"serdeClassName": serde}},
        outputSerdeClassName=serde,
    )
    assert results.receive(10_000).data() == b"12,26"


@pytest.mark.parametrize(
    ("file", "class_name"),
    [("publish_function", "PublishFunction"), ("typed_message_builder_publish", "TypedMessageBuilderPublish")],
)
def test_what_they_publish(functions: Functions, topics: Topics, file: str, class_name: str) -> None:
    published = topics.reader_of("published")
    config = {"publish-topic": topics("published")}
    run(functions, topics, file, f"{file}.{class_name}", b"hi", userConfig=config)
    message = published.receive(10_000)
    assert message.data() == b"hi!"
    assert message.partition_key() == ""
    if file == "typed_message_builder_publish":
        assert message.properties() == {"input_topic": topics("in"), "color": "red"}
        assert message.event_timestamp() > 0


@pytest.mark.parametrize(
    ("file", "class_name", "text"),
    [
        ("user_exception", "UserException", "Exception: this will not work"),
        ("wordcount_function", "WordCountFunction", "the state of functions"),
    ],
)
def test_what_fails_is_told(functions: Functions, topics: Topics, file: str, class_name: str, text: str) -> None:
    logs = topics.reader_of("log")
    run(functions, topics, file, f"{file}.{class_name}", b"hi", logTopic=topics("log"))
    assert text in logs.receive(10_000).data().decode()
    status = functions.status(file.replace("_", "-"))
    assert status["numUserExceptions"] == 1
    assert text in status["latestUserExceptions"][0]["exceptionString"]
    assert f"{file}.py" in status["latestUserExceptions"][0]["exceptionString"]


def test_a_function_without_results(functions: Functions, topics: Topics, tmp_path: Path) -> None:
    results = run(functions, topics, "void_function", "void_function.VoidFunction", b"hi")
    with pytest.raises(pulsar.Timeout):
        results.receive(1000)
    assert functions.status("void-function")["numSuccessfullyProcessed"] == 1
