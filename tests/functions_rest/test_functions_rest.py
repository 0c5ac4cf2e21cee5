"""The functions REST of `weft standalone`: a function's life, broken requests, restarts."""

import json
from typing import Any

import pulsar
import pytest
from functions_client import BOUNDARY, FunctionsClient, Part, config_part

from harness.weft_standalone import WeftStandalone

PROGRAM = b"""
from pulsar import Function

class Shout(Function):
    def process(self, input, context):
        return input + context.get_user_config_value("suffix")
"""


def config(**members: Any) -> dict[str, Any]:
    return {
        "className": "function.Shout",
        "inputs": ["shout-in"],
        "output": "shout-out",
        "py": "function.py",
        "userConfig": {"suffix": "!"},
        "subscriptionPosition": "Earliest",
    } | members


def test_a_function_lives_from_create_to_delete(weft: WeftStandalone, functions: FunctionsClient) -> None:
    created = functions.create("shout", config(), PROGRAM)
    assert (created.status, created.body) == (204, "")
    assert functions.get("").json == ["shout"]
    shown = functions.get("shout").json
    assert shown["inputSpecs"] == {
        "shout-in": {
            "regexPattern": False,
            "schemaProperties": {},
            "consumerProperties": {},
            "poolMessages": False,
        }
    }
    assert shown["runtime"] == "PYTHON"
    assert shown["userConfig"] == {"suffix": "!"}
    assert "inputs" not in shown and "py" not in shown
    functions.wait_until_running("shout")

    client = pulsar.Client(weft.address.service_url)
    output = client.subscribe("shout-out", "test", initial_position=pulsar.InitialPosition.Earliest)
    producer = client.create_producer("shout-in")
    for n in range(10):
        producer.send(f"hello {n}".encode())
    received = []
    for _ in range(10):
        message = output.receive(20_000)
        output.acknowledge(message)
        received.append(message.data().decode())
    assert sorted(received) == sorted(f"hello {n}!" for n in range(10))
    client.close()

    status = functions.get("shout/0/status").json
    assert status["running"] is True and status["numReceived"] == 10
    stats = functions.get("shout/stats").json
    assert stats["processedSuccessfullyTotal"] == 10 and stats["1min"]["receivedTotal"] == 10
    assert set(stats["instances"][0]["metrics"]) == {
        "receivedTotal",
        "processedSuccessfullyTotal",
        "systemExceptionsTotal",
        "userExceptionsTotal",
        "avgProcessLatency",
        "1min",
        "lastInvocation",
        "userMetrics",
    }

    subscriptions = "/admin/v2/persistent/public/default/shout-in/subscriptions"
    assert functions.get(subscriptions).json == ["public/default/shout"]
    assert functions.call("DELETE", "shout").status == 204
    assert functions.get(subscriptions).json == []
    assert functions.get("").json == []
    assert functions.get("shout").reason == "Function shout doesn't exist"


SERDE_PROGRAM = b"""
from pulsar import Function, SerDe

class Reversed(SerDe):
    def serialize(self, input):
        return input[::-1].encode()
    def deserialize(self, input_bytes):
        return input_bytes.decode()[::-1]

class Label(Function):
    def process(self, input, context):
        context.get_logger().info("labelled " + input)
        return context.get_user_config_value("label") + input
"""


def test_honoured_fields_are_honoured(weft: WeftStandalone, functions: FunctionsClient) -> None:
    created = functions.create(
        "label",
        {
            "className": "function.Label",
            "inputs": [],
            "customSerdeInputs": {"label-a": "function.Reversed"},
            "inputSpecs": {"label-b": {"serdeClassName": "function.Reversed", "receiverQueueSize": 5}},
            "output": "label-out",
            "outputSerdeClassName": "function.Reversed",
            "logTopic": "label-log",
            "processingGuarantees": "ATMOST_ONCE",
            "retainOrdering": True,
            "autoAck": True,
            "subName": "label-subscription",
            "subscriptionPosition": "Earliest",
            "cleanupSubscription": False,
            "forwardSourceMessageProperty": False,
            "producerConfig": {"maxPendingMessages": 10, "compressionType": "ZSTD"},
            "userConfig": {"label": "<"},
            "parallelism": 2,
            "py": "function.py",
        },
        SERDE_PROGRAM,
    )
    assert created.status == 204, created
    functions.wait_until_running("label", 2)
    client = pulsar.Client(weft.address.service_url)
    output = client.subscribe("label-out", "test", initial_position=pulsar.InitialPosition.Earliest)
    logs = client.subscribe("label-log", "test", initial_position=pulsar.InitialPosition.Earliest)
    for topic in ("label-a", "label-b"):
        client.create_producer(topic).send(b"cba", properties={"mine": "stays here"})
    for _ in range(2):
        message = output.receive(20_000)
        assert message.data() == b"cba<"
        assert "mine" not in message.properties()
    assert "labelled abc" in logs.receive(20_000).data().decode()
    stats = functions.get("/admin/v2/persistent/public/default/label-a/stats").json
    subscription = stats["subscriptions"]["label-subscription"]
    assert subscription["type"] == "Failover" and len(subscription["consumers"]) == 2
    client.close()
    assert functions.call("DELETE", "label").status == 204
    kept = functions.get("/admin/v2/persistent/public/default/label-a/subscriptions").json
    assert kept == ["label-subscription"]


def test_stop_start_restart_update(functions: FunctionsClient) -> None:
    assert functions.create("steps", config(), PROGRAM).status == 204
    functions.wait_until_running("steps")
    assert functions.call("POST", "steps/start").reason.startswith("Operation not permitted (")
    assert functions.call("POST", "steps/stop").status == 204
    functions.wait_until_running("steps", 0)
    assert functions.call("POST", "steps/0/start").status == 204
    functions.wait_until_running("steps")
    assert functions.call("POST", "steps/restart").status == 204
    functions.wait_until_running("steps")
    update = functions.upload("PUT", "steps", [config_part({"parallelism": 3})])
    assert update.status == 204, update.body
    functions.wait_until_running("steps", 3)
    again = functions.upload("PUT", "steps", [config_part({"parallelism": 3})])
    assert again.status == 400 and again.reason.startswith("Update contains no change (")
    altered = functions.upload("PUT", "steps", [config_part({"inputs": ["other"]})])
    assert altered.status == 400 and altered.reason.startswith("Input Topics cannot be altered (")
    assert functions.call("DELETE", "steps").status == 204


def test_a_broken_program_says_why(functions: FunctionsClient) -> None:
    assert functions.create("broken", config(), b"def (").status == 204
    functions.wait_until(lambda: "SyntaxError" in functions.get("broken/0/status").json["error"])
    status = functions.get("broken/status").json
    assert status["numInstances"] == 1 and status["numRunning"] == 0
    assert functions.call("DELETE", "broken").status == 204


BROKEN: list[tuple[str, dict[str, Any] | str, str]] = [
    ("no class", config(className=None), "Function classname cannot be null"),
    ("no input", config(inputs=[]), "No input topic(s) specified for the function"),
    ("bad input", config(inputs=["a//b"]), "Input topic a//b is invalid"),
    ("bad output", config(output="x://y"), "Output topic x://y is invalid"),
    ("bad log topic", config(logTopic="a//b"), "LogTopic topic a//b is invalid"),
    (
        "loop",
        config(output="shout-in"),
        "Output topic shout-in is also being used as an input topic (topics must be one or the other)",
    ),
    ("no instances", config(parallelism=0), "Function parallelism must be a positive number"),
    (
        "a word for a number",
        config(parallelism="two"),
        'Invalid value "two" of parallelism in the function config',
    ),
    ("too many", config(parallelism=5000), "Function parallelism 5000 is over Weft's limit of 1024"),
    ("no time", config(timeoutMs=0), "Function timeout must be a positive number"),
    (
        "timeout at most once",
        config(timeoutMs=5, processingGuarantees="ATMOST_ONCE"),
        "Message timeout can only be specified with processing guarantee is ATLEAST_ONCE",
    ),
    ("no core", config(resources={"cpu": 0}), "The cpu allocation for the function must be positive"),
    ("no language", config(py=None), "Function language runtime is either not set or cannot be determined"),
    (
        "java",
        config(py=None, jar="a.jar"),
        "runtime = JAVA can't be run by this worker: there is no java-instance.jar",
    ),
    ("unknown language", config(runtime="RUST"), "it must be one of JAVA PYTHON GO NATIVE"),
    ("unknown guarantee", config(processingGuarantees="ONCE"), "it must be one of ATLEAST_ONCE"),
    (
        "effectively once",
        config(processingGuarantees="EFFECTIVELY_ONCE"),
        "Effectively-once processing guarantees not yet supported in Python",
    ),
    (
        "manual",
        config(processingGuarantees="MANUAL"),
        "processingGuarantees = MANUAL is not supported by Weft yet",
    ),
    ("retries", config(maxMessageRetries=3), "Message retries not yet supported in python"),
    (
        "dead letters",
        config(deadLetterTopic="dlq"),
        "Dead Letter Topic specified, however max retries is set to infinity",
    ),
    (
        "window",
        config(windowConfig={"windowLengthCount": 3}),
        "There is currently no support windowing in python",
    ),
    ("bad window", config(windowConfig={}), "Window length is not specified"),
    ("pattern", config(topicsPattern="in.*"), "topicsPattern = in.* is not supported by Weft yet"),
    (
        "schema",
        config(inputSpecs={"x": {"schemaType": "json"}}),
        "inputSpecs.schemaType = json (input x) is not",
    ),
    (
        "no queue",
        config(inputSpecs={"x": {"receiverQueueSize": -1}}),
        "Receiver queue size should be >= zero",
    ),
    ("secrets that are no object", config(secrets=["a"]), "of secrets in the function config: it must be a JSON"),
    ("no ack", config(autoAck=False), "autoAck = false is not supported by Weft yet: use true"),
    (
        "both orderings",
        config(retainOrdering=True, retainKeyOrdering=True),
        "Only one of retain ordering or retain key ordering can be set",
    ),
    ("inputs not a list", config(inputs="a"), "it must be a list of strings"),
    (
        "user config not an object",
        config(userConfig="{}"),
        "of userConfig in the function config: it must be a JSON",
    ),
    ("not JSON", "{", "The function config is not valid JSON"),
    ("a list", "[]", "The function config must be a JSON object"),
    ("nothing", "", "Function config is not provided"),
    ("deep", '{"userConfig":' + '{"a":' * 2000 + "1" + "}" * 2001, "nests deeper than 64 levels"),
    ("large", json.dumps(config(userConfig={"a": "x" * (1 << 20)})), "The function config is too large"),
]


@pytest.mark.parametrize("given, answer", [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_broken_configurations(functions: FunctionsClient, given: dict[str, Any] | str, answer: str) -> None:
    if isinstance(given, dict):
        given = {key: value for key, value in given.items() if value is not None}
    refused = functions.create("bad", given, PROGRAM)
    assert refused.status == 400, refused
    assert answer in refused.reason
    assert functions.get("bad").status == 404


def test_broken_uploads(functions: FunctionsClient) -> None:
    def answer(*parts: Part) -> tuple[int, str]:
        refused = functions.upload("POST", "bad", list(parts))
        return refused.status, refused.reason

    good = config_part(config())
    native = config_part({"inputs": ["a"], "native": "f.so"})
    assert answer()[1].startswith("Function config is not provided (")
    assert answer(good)[1].startswith("Function Package is not provided (")
    assert answer(good, Part("data", b"", file_name="f.py"))[1].startswith("Function Package is not provided")
    assert "f.whl is not a zip archive" in answer(good, Part("data", b"PK\3\4", file_name="f.whl"))[1]
    assert "binary data" in answer(good, Part("data", b"\0\1\2", file_name="f.py"))[1]
    for name in ("../../x.py", "/etc/x.py", "..", "a\\b.py", "x" * 300 + ".py"):
        status, reason = answer(good, Part("data", PROGRAM, file_name=name.replace("\\", "\\\\")))
        assert status == 400 and "file name" in reason, (name, reason)
    assert "not an ELF file" in answer(native, Part("data", b"#!/bin/sh\n" + b" " * 100, file_name="f.so"))[1]
    assert "too short" in answer(native, Part("data", b"\x7fELF", file_name="f.so"))[1]
    executable = b"\x7fELF\2\1\1" + b"\0" * 9 + b"\2\0\x3e\0" + b"\0" * 60
    assert answer(native, Part("data", executable, file_name="f.so"))[0] == 400
    assert answer(good, Part("url", b"function://public/default/f@1")) == (
        400,
        "url = function://public/default/f@1 does not exist: store it with 'packages upload' first",
    )
    assert "upload the package" in answer(good, Part("url", b"http://localhost/f.py"))[1]
    json_only = functions.call("POST", "bad", b"{}", "application/json")
    assert json_only.status == 400 and "multipart/form-data" in json_only.reason
    for body in (b"", b"garbage", f"--{BOUNDARY}\r\n".encode(), f"--{BOUNDARY}--".encode()):
        refused = functions.call("POST", "bad", body, f"multipart/form-data; boundary={BOUNDARY}")
        assert refused.status == 400 and refused.reason, body
    assert functions.get("").json == []


def test_broken_paths(functions: FunctionsClient) -> None:
    def create(path: str) -> tuple[int, str]:
        parts = [config_part(config()), Part("data", PROGRAM, file_name="f.py")]
        answer = functions.upload("POST", f"/admin/v3/functions/{path}", parts)
        return answer.status, answer.reason

    assert create("nobody/default/f") == (400, "Tenant does not exist (tenant = nobody: create it, or use another)")
    assert create("public/nowhere/f") == (
        400,
        "Namespace does not exist (namespace = public/nowhere: create it, or use another)",
    )
    assert create("public/default/a%2Fb")[0] == 400
    assert create("public/default/a%0Ab")[0] == 400
    assert create("public/default/" + "x" * 81)[0] == 400
    assert create("public/default/%2e%2e%2f%2e%2e%2fx")[0] == 400
    assert functions.get("nobody").reason == "Function nobody doesn't exist"
    assert functions.call("DELETE", "nobody").reason == "Function nobody doesn't exist"
    update = functions.upload("PUT", "nobody", [config_part(config())])
    assert (update.status, update.reason) == (400, "Function nobody doesn't exist")
    assert functions.get("nobody/status").status == 404
    assert functions.get("nobody/x/stats").status == 404
    assert functions.call("POST", "nobody/restart").status == 404
    assert functions.call("PATCH", "nobody").status == 405
    assert functions.get("/admin/v3/nonsense").status == 404


def test_what_is_not_served_says_so(functions: FunctionsClient) -> None:
    answer = functions.get("f/state/k")
    assert answer.status == 501 and "not supported by Weft yet" in answer.reason, answer
    for path in (
        "/admin/v3/functions/connectors",
        "/admin/v3/sources/public/default",
        "/admin/v3/sinks/builtinsinks",
    ):
        assert functions.get(path).json == []


def test_the_worker_tells_about_itself(weft: WeftStandalone, functions: FunctionsClient) -> None:
    (worker,) = functions.get("/admin/v2/worker/cluster").json
    assert worker["port"] == weft.address.web_port
    assert functions.get("/admin/v2/worker/cluster/leader").json == worker
    assert functions.get("/admin/v2/worker/cluster/leader/ready").json is True
    assert "version" in functions.get("/version").json


def test_the_metadata_topic_is_pulsars(weft: WeftStandalone, functions: FunctionsClient) -> None:
    client = pulsar.Client(weft.address.service_url)
    reader = client.create_reader("persistent://public/functions/metadata", pulsar.MessageId.earliest)
    versions = []
    while reader.has_message_available():
        message = reader.read_next(5000)
        assert message.partition_key() == ""
        versions.append(message.properties()["version"])
    client.close()
    assert versions[:2] == ["0", "1"], "the first function of this file: created, deleted"


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_everything_survives_a_restart(weft: WeftStandalone, functions: FunctionsClient, how: str) -> None:
    for n in range(5):
        created = functions.create(f"kept-{n}", config(inputs=[f"kept-{n}"], parallelism=n % 2 + 1), PROGRAM)
        assert created.status == 204
    assert functions.call("DELETE", "kept-4").status == 204
    assert functions.call("POST", "kept-3/stop").status == 204
    before = {name: functions.get(name).json for name in functions.get("").json}
    assert sorted(before) == ["kept-0", "kept-1", "kept-2", "kept-3"]
    if how == "SIGTERM":
        assert weft.stop() == 0
    else:
        weft.kill()
    weft.start_again()
    functions.wait_until_initialized()
    assert {name: functions.get(name).json for name in functions.get("").json} == before
    for n in range(3):
        functions.wait_until_running(f"kept-{n}", n % 2 + 1)
    functions.wait_until_running("kept-3", 0)
    for name in before:
        assert functions.call("DELETE", name).status == 204
    assert functions.get("").json == []
    packages = list((weft.data_directory / "packages").iterdir())
    assert packages == [], "no function, no package"
