"""kill -9 of instances and of the broker while messages go through functions: at-least-once loses none, at-most-once doubles none.

Four functions with two instances each read one topic: Python and C++, with either guarantee. WEFT_MESSAGES says how many messages
(20,000), WEFT_KILLS how often something is killed (5), WEFT_SEED repeats the choices of an earlier run, WEFT_EVIDENCE names a file
for the figures.
"""

import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness.broker import get_json
from harness.functions_rest import FunctionsRest
from harness.locations import SOURCE_ROOT, weft_binary
from harness.process_stats import command_line, descendants
from harness.weft_standalone import WeftStandalone

from .check_guarantees import Findings

MESSAGES = int(os.environ.get("WEFT_MESSAGES", "20000"))
KILLS = int(os.environ.get("WEFT_KILLS", "5"))
PATIENCE_SECONDS = 120
PREFIX = "persistent://public/default/"
PYTHON = SOURCE_ROOT / "examples" / "python" / "exclamation.py"
NATIVE = weft_binary().parents[1] / "lib" / "libweft_exclamation_example.so"


@dataclass(frozen=True)
class Case:
    name: str
    guarantee: str
    program: Path
    class_name: str

    @property
    def output(self) -> str:
        return f"{PREFIX}out-{self.name}"

    @property
    def config(self) -> dict[str, object]:
        return {
            "tenant": "public",
            "namespace": "default",
            "name": self.name,
            "className": self.class_name,
            "inputs": [f"{PREFIX}in"],
            "output": self.output,
            "processingGuarantees": self.guarantee,
            "parallelism": 2,
            "subscriptionPosition": "Earliest",
            "py" if self.program.suffix == ".py" else "native": self.program.name,
        }


CASES = [
    Case("python-at-least", "ATLEAST_ONCE", PYTHON, "exclamation.Exclamation"),
    Case("native-at-least", "ATLEAST_ONCE", NATIVE, "Exclamation"),
    Case("python-at-most", "ATMOST_ONCE", PYTHON, "exclamation.Exclamation"),
    Case("native-at-most", "ATMOST_ONCE", NATIVE, "Exclamation"),
]


class Sender:
    """The process that sends: a client's threads don't go well with a process that starts others."""

    def __init__(self, service_url: str, log: Path) -> None:
        program = Path(__file__).with_name("numbered.py")
        topics = [f"{PREFIX}in"] + [case.output for case in CASES]
        self._log = log
        with open(log, "wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, program, service_url, *topics],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        assert self._output.readline() == "ready\n", log.read_text()
        self._asked = self._done = 0

    @property
    def sending(self) -> bool:
        while self._done < self._asked and select.select([self._output], [], [], 0)[0]:
            line = self._output.readline()
            assert line, f"the sender ended with {self._process.wait(10)}: {self._log.read_text()}"
            if line.strip().isdigit():  # the client's log comes here too
                self._done = int(line)
        return self._done < self._asked

    def send_up_to(self, number: int) -> None:
        """In the background, behind what it still has to send."""
        self._asked = number
        self._input.write(f"{number}\n")
        self._input.flush()

    def finish(self) -> None:
        self._input.close()
        assert self._process.wait(PATIENCE_SECONDS + MESSAGES / 1000) == 0

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


@dataclass
class Chaos:
    """Kills, at moments and of processes that the seed gives, each while the functions have something to do."""

    weft: WeftStandalone
    sender: Sender
    choices: random.Random
    under_load: int = 0  # kills
    kills: Counter[str] = field(default_factory=Counter)
    restart_seconds: list[float] = field(default_factory=list)

    def backlogs(self) -> dict[str, int]:
        """Entries of the input that each function has not acked."""
        stats: Any = get_json(f"{self.weft.address.admin_url}/admin/v2/persistent/public/default/in/stats")
        return {name: int(sub["msgBacklog"]) for name, sub in stats["subscriptions"].items() if name != "keep"}

    def acked(self) -> dict[str, str]:
        """Up to where each function has acked the input."""
        stats: Any = get_json(f"{self.weft.address.admin_url}/admin/v2/persistent/public/default/in/internalStats")
        return {name: cursor["markDeletePosition"] for name, cursor in stats["cursors"].items() if name != "keep"}

    def wait_for_progress(self) -> None:
        """Until a function has acked something since the call."""
        before = self.acked()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.acked() == before:
            assert time.monotonic() < deadline, f"nothing moves; {self.weft.log.read_text()[-3000:]}"
            time.sleep(0.005)  # between two looks

    def kill(self) -> None:
        self.wait_for_progress()
        time.sleep(self.choices.uniform(0, 0.5))  # the random moment
        self.under_load += self.sender.sending or any(self.backlogs().values())
        if self.choices.random() < 0.4:
            self.kills["broker"] += 1
            self.weft.kill()
            self.weft.start_again()
            self.restart_seconds.append(self.weft.ready_seconds)
            return
        instances = sorted(pid for pid in descendants(self.weft.pid) if command_line(pid).startswith("weft instance"))
        victim = self.choices.choice(instances)
        self.kills["python" if "python" in command_line(victim) else "native"] += 1
        os.kill(victim, signal.SIGKILL)

    def wait_until_done(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS + MESSAGES / 1000
        while any(left := self.backlogs().values()):
            assert time.monotonic() < deadline, f"left over: {left}; {self.weft.log.read_text()[-3000:]}"
            time.sleep(0.05)  # between two looks


def check(service_url: str) -> list[dict[str, int]]:
    """What the checker, a process of its own, finds in each case's output."""
    program = Path(__file__).with_name("check_guarantees.py")
    topics = [f"{PREFIX}in"] + [case.output for case in CASES]
    done = subprocess.run([sys.executable, program, service_url, *topics], stdout=subprocess.PIPE, check=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_what_the_guarantees_promise(tmp_path: Path) -> None:
    seed = int(os.environ.get("WEFT_SEED", random.randrange(2**32)))
    print(f"WEFT_SEED={seed}")
    python = os.environ.get("WEFT_TEST_PYTHON", sys.executable)
    began = time.monotonic()
    with WeftStandalone(tmp_path, options=["--python", python]) as weft:
        sender = Sender(weft.address.service_url, tmp_path / "sender.log")
        try:
            functions = FunctionsRest(weft.address)
            for case in CASES:
                functions.create(dict(case.config), case.program)
            chaos = Chaos(weft, sender, random.Random(seed))
            for number in range(KILLS):
                sender.send_up_to(MESSAGES * (number + 1) // (KILLS + 1))
                chaos.kill()
            sender.send_up_to(MESSAGES)
            sender.finish()
        finally:
            sender.kill()
        chaos.wait_until_done()
        for case in CASES:
            functions.delete(dict(case.config))  # what is under way is finished
        seconds = time.monotonic() - began
        found = dict(zip((case.name for case in CASES), check(weft.address.service_url), strict=True))

    result = {
        "what": "kill -9 of instances and of weft standalone while messages go through four functions with two instances each; "
        "inputs and outputs read back by another process and compared by the inputs' message ids",
        "seed": seed,
        "messages": MESSAGES,
        "kills": chaos.kills,
        "kills_under_load": chaos.under_load,
        "found": found,
        "seconds": round(seconds, 1),
        "ready_ms_after_kill_of_the_broker": [round(1000 * ready) for ready in chaos.restart_seconds],
        "cpus": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=SOURCE_ROOT, stdout=subprocess.PIPE, text=True
        ).stdout.strip(),
    }
    print(json.dumps(result))
    if evidence := os.environ.get("WEFT_EVIDENCE"):
        Path(evidence).write_text(json.dumps(result, indent=2) + "\n")
    assert sum(chaos.kills.values()) == KILLS and chaos.under_load == KILLS
    for case in CASES:
        of_case = found[case.name]
        assert of_case["inputs"] >= MESSAGES and of_case["wrong"] == 0, (case.name, of_case)
        if case.guarantee == "ATLEAST_ONCE":
            assert of_case["lost"] == 0, (case.name, of_case)
        else:
            assert of_case["inputs_with_more_than_one_output"] == 0, (case.name, of_case)
            assert of_case["lost"] < of_case["inputs"] / 2, f"{case.name} hardly works: {of_case}"


def test_the_checker_notices_what_is_lost_doubled_or_wrong() -> None:
    found = Findings({1: b"a", 2: b"b", 3: b"c", 4: b"d"})
    for key, payload in [(1, b"a!"), (1, b"a!"), (2, b"x!"), (3, b"c"), (9, b"z!")]:
        found.add(key, payload)
    assert found.summary() == {
        "inputs": 4,
        "outputs": 5,
        "lost": 1,
        "inputs_with_more_than_one_output": 1,
        "wrong": 3,
    }


if __name__ == "__main__":
    sys.exit(pytest.main([__file__, "-s"]))
