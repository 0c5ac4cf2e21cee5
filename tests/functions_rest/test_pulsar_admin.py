"""bin/pulsar-admin of Apache Pulsar 4.0.8, unchanged, against the worker of `weft standalone`."""

import json
from pathlib import Path

import pytest
from functions_client import FunctionsClient

from harness.java_tools import JavaTools
from harness.weft_standalone import WeftStandalone

PROGRAM = "def process(input):\n    return input + '!'\n"


@pytest.fixture(scope="module")
def tools(weft: WeftStandalone, tmp_path_factory: pytest.TempPathFactory) -> JavaTools:
    return JavaTools(weft.address, tmp_path_factory.mktemp("java-tools"))


def json_in(output: str) -> object:
    """The JSON that stands in a tool's output, warnings of the JVM aside."""
    return json.loads(output[output.index("{") :])


def test_a_functions_life(tools: JavaTools, functions: FunctionsClient, tmp_path: Path) -> None:
    program = tmp_path / "exclaim.py"
    program.write_text(PROGRAM)
    create = ["--py", str(program), "--classname", "exclaim.process", "--inputs", "in", "--output", "out"]
    made = tools.admin("functions", "create", *create, "--name", "exclaim").check()
    assert "Created successfully" in made.output
    again = tools.admin("functions", "create", *create, "--name", "exclaim")
    assert again.status != 0 and "Function exclaim already exists" in again.output
    functions.wait_until_running("exclaim")

    assert "exclaim" in tools.admin("functions", "list").check().output.splitlines()
    shown = json_in(tools.admin("functions", "get", "--name", "exclaim").check().output)
    assert (
        isinstance(shown, dict)
        and shown["className"] == "exclaim.process"
        and list(shown["inputSpecs"]) == ["in"]
    )
    status = json_in(tools.admin("functions", "status", "--name", "exclaim").check().output)
    assert isinstance(status, dict) and status["numRunning"] == 1
    stats = json_in(tools.admin("functions", "stats", "--name", "exclaim").check().output)
    assert isinstance(stats, dict) and stats["receivedTotal"] == 0 and stats["avgProcessLatency"] is None

    triggered = tools.admin("functions", "trigger", "--name", "exclaim", "--trigger-value", "hello").check()
    assert "hello!" in triggered.output.splitlines()
    changed = tools.admin("functions", "update", "--name", "exclaim", "--user-config", '{"a":1}').check()
    assert "Updated successfully" in changed.output
    assert functions.get("exclaim").json["userConfig"] == {"a": 1}
    refused = tools.admin("functions", "update", "--name", "exclaim", "--max-message-retries", "3")
    assert refused.status != 0 and "Message retries not yet supported in python" in refused.output

    assert "Stopped successfully" in tools.admin("functions", "stop", "--name", "exclaim").check().output
    assert "Started successfully" in tools.admin("functions", "start", "--name", "exclaim").check().output
    assert "Deleted successfully" in tools.admin("functions", "delete", "--name", "exclaim").check().output
    gone = tools.admin("functions", "get", "--name", "exclaim")
    assert gone.status != 0 and "Function exclaim doesn't exist" in gone.output


def test_the_worker(tools: JavaTools, weft: WeftStandalone) -> None:
    leader = json_in(tools.admin("functions-worker", "get-cluster-leader").check().output)
    assert isinstance(leader, dict) and leader["port"] == weft.address.web_port
    refused = tools.admin("functions-worker", "rebalance")
    assert refused.status != 0 and "Too few workers (need at least 2)" in refused.output
