"""Triggers by REST and by `weft functions trigger`: one message in, and what came of it out."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from functions_client import Answer, FunctionsClient, Part

from harness.locations import weft_binary
from harness.weft_standalone import WeftStandalone

PROGRAM = b"""
def process(input):
    if input == "nothing":
        return None
    return f"{input}!"
"""
CONFIG = {"className": "function.process", "py": "function.py", "subscriptionPosition": "Earliest"}


@pytest.fixture
def function(functions: FunctionsClient) -> Iterator[str]:
    config = CONFIG | {"inputs": ["trigger-in"], "output": "trigger-out"}
    assert functions.create("triggered", config, PROGRAM).status == 204
    functions.wait_until_running("triggered")
    yield "triggered"
    assert functions.call("DELETE", "triggered").status == 204


def trigger(functions: FunctionsClient, name: str, *parts: Part) -> Answer:
    return functions.upload("POST", f"{name}/trigger", list(parts))


def test_by_rest(functions: FunctionsClient, function: str) -> None:
    assert trigger(functions, function, Part("data", b"hello", "text/plain")) == Answer(200, "hello!")
    by_file = trigger(functions, function, Part("dataStream", b"file", file_name="f"), Part("topic", b"trigger-in"))
    assert by_file == Answer(200, "file!")
    wrong = trigger(functions, function, Part("data", b"x"), Part("topic", b"other"))
    assert wrong.status == 400 and wrong.reason.startswith("Function in trigger function has unidentified topic (")
    late = trigger(functions, function, Part("data", b"nothing"))
    assert (late.status, late.reason) == (408, "Request Timed Out")


def test_by_the_command_line(weft: WeftStandalone, function: str, tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [weft_binary(), "--admin-url", weft.address.admin_url, "functions", "trigger", "--name", function]
        return subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=30)

    done = run("--trigger-value", "hello")
    assert (done.returncode, done.stdout) == (0, "hello!\n"), done.stderr
    (tmp_path / "value").write_text("from a file")
    done = run("--trigger-file", str(tmp_path / "value"), "--topic", "persistent://public/default/trigger-in")
    assert (done.returncode, done.stdout) == (0, "from a file!\n"), done.stderr
    done = run("--trigger-value", "x", "--topic", "other")
    assert done.returncode == 1 and "Function in trigger function has unidentified topic" in done.stderr


def test_partitioned_topics_and_no_output(weft: WeftStandalone, functions: FunctionsClient) -> None:
    for topic in ("trigger-parts-in", "trigger-parts-out"):
        made = functions.call("PUT", f"/admin/v2/persistent/public/default/{topic}/partitions", b"3", "application/json")
        assert made.status == 204
    config = CONFIG | {"inputs": ["trigger-parts-in"]}
    assert functions.create("parts", config | {"output": "trigger-parts-out"}, PROGRAM).status == 204
    assert functions.create("silent", config | {"subName": "silent"}, PROGRAM).status == 204
    functions.wait_until_running("parts")
    functions.wait_until_running("silent")
    for n in range(4):
        assert trigger(functions, "parts", Part("data", b"%d" % n)) == Answer(200, f"{n}!")
    assert trigger(functions, "silent", Part("data", b"x")) == Answer(204, "")
    assert functions.call("POST", "parts/stop").status == 204
    functions.wait_until_running("parts", 0)
    stopped = trigger(functions, "parts", Part("data", b"x"))
    assert stopped.status == 400 and stopped.reason.startswith("Function in trigger function is not ready (")
    for name in ("parts", "silent"):
        assert functions.call("DELETE", name).status == 204


def test_nothing_is_left_at_the_broker(functions: FunctionsClient, function: str) -> None:
    trigger(functions, function, Part("data", b"hello"))
    stats = functions.get("/admin/v2/persistent/public/default/trigger-out/stats").json
    assert stats["subscriptions"] == {}
