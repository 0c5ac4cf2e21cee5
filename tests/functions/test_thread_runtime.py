"""C++ functions on threads of the worker: what they do, stop, restart, hang."""

import json
import os
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from function_topics import Topics
from functions_rest import Functions
from test_functions import PYTHON, instances_of, receive
from test_functions import NATIVE as MIXED
from test_hangs import NATIVE as HANG

from harness.weft_standalone import WeftStandalone

OPTIONS = ["--function-runtime", "thread", "--function-call-limit", "1"]


@pytest.fixture(scope="module")
def weft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WeftStandalone]:
    python = os.environ.get("WEFT_TEST_PYTHON", sys.executable)
    with WeftStandalone(tmp_path_factory.mktemp("weft"), options=["--python", python, *OPTIONS]) as running:
        yield running
        running.check_running()


def change(weft: WeftStandalone, name: str, what: str) -> None:
    url = f"{weft.address.admin_url}/admin/v3/functions/public/default/{name}/{what}"
    urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=30).close()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Changes are done behind their answers."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"waited 30 s until {what}"
        time.sleep(0.01)  # between two looks


def test_a_functions_life(weft: WeftStandalone, topics: Topics, functions: Functions) -> None:
    results = topics.reader_of("out")
    config = {"className": "Mixed", "inputs": [topics("in")], "output": topics("out"), "timeoutMs": 500}
    functions.create("mixed", MIXED, userConfig={"extra": topics("extra")}, parallelism=2, **config)
    assert instances_of(weft, "mixed") == [], "no process of its own"
    count = 10_000
    topics.send("in", range(count))
    wanted = {f"message {n}!".encode() for n in range(count) if n % 10 != 3}
    while wanted:  # some come twice
        wanted.discard(receive(results, 1)[0].data())
    stats = functions.stats("mixed")
    planted = sum(1 for n in range(count) if n % 1000 == 7)
    assert stats["userExceptionsTotal"] >= planted and stats["receivedTotal"] >= count + planted

    change(weft, "mixed", "restart")  # both instances then count from zero
    wait_until(lambda: functions.stats("mixed")["receivedTotal"] < count // 10, "the instances are new")
    functions.wait_until_running("mixed")
    topics.client.create_producer(topics("in")).send(b"after the restart", properties={"n": "1"})
    while receive(results, 1)[0].data() != b"after the restart!":
        pass
    change(weft, "mixed", "stop")
    wait_until(lambda: not functions.status("mixed")["running"], "they stand still")
    topics.client.create_producer(topics("in")).send(b"while it stands still", properties={"n": "2"})
    change(weft, "mixed", "start")
    assert receive(results, 1)[0].data() == b"while it stands still!"
    functions.delete("mixed")
    url = f"{weft.address.admin_url}/admin/v2/persistent/public/default/{topics('in').split('/')[-1]}/subscriptions"
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert json.load(answer) == []


def test_python_functions_are_processes(weft: WeftStandalone, topics: Topics, functions: Functions) -> None:
    results = topics.reader_of("out")
    functions.create("plain", PYTHON, className="mixed.shout", inputs=[topics("in")], output=topics("out"))
    assert len(instances_of(weft, "plain")) == 1
    topics.send("in", range(1))
    assert receive(results, 1)[0].data() == b"MESSAGE 0"
    functions.delete("plain")


def test_one_that_cannot_be_made_says_why(topics: Topics, functions: Functions) -> None:
    functions.upload("nobody", MIXED, className="Nobody", inputs=[topics("in")])
    wait_until(lambda: "no class Nobody" in functions.status("nobody").get("error", ""), "its status says why")
    functions.delete("nobody")


def test_one_that_hangs_is_shown_and_holds_up_nothing(tmp_path: Path) -> None:
    with WeftStandalone(tmp_path, options=OPTIONS) as weft:
        topics, functions = Topics(weft), Functions(weft.address)
        functions.create(
            "hangs",
            HANG,
            className="Hang",
            inputs=[topics("in")],
            userConfig={"attempts": str(tmp_path / "attempts")},
        )
        topics.client.create_producer(topics("in")).send(b"poison")
        wait_until(lambda: not functions.status("hangs")["running"], "it is found to hang")
        status = functions.status("hangs")
        assert "the instance hung: no progress for" in status["error"]
        assert "a thread can't be killed" in status["error"]
        topics.client.close()
        assert weft.stop() == 1, "it ends all the same, and says that not all was in order"
