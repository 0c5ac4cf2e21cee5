"""One Java worker and one Weft worker in one cluster, on the real Pulsar: either leads, and neither writes an
assignment that says nothing new; functions are made, changed, looked at and deleted through either.

WEFT_EVIDENCE names a file that gets the figures.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulsar
import pytest
from cluster import FUNCTION, Config, Traffic, config_of, until

from harness import evidence
from harness.broker import answers, get_json
from harness.functions_rest import FunctionsRest
from harness.java_worker import PATIENCE_SECONDS, JavaWorker
from harness.processes import free_ports
from harness.pulsar_standalone import PulsarStandalone
from harness.weft_standalone import WeftWorker

QUIET_SECONDS = 5  # over two failure checks of the Java worker
ASSIGNMENTS = "persistent://public/functions/assignments"
AWAY = "3600000"  # who is gone for a moment keeps what it has


class Log:
    """What stands in the assignments topic: for each message its key, with a minus before it if it removes."""

    def __init__(self, client: pulsar.Client) -> None:
        self._reader = client.create_reader(ASSIGNMENTS, pulsar.MessageId.earliest)
        self.lines: list[str] = []

    def _read(self) -> list[str]:
        while self._reader.has_message_available():
            message = self._reader.read_next(10_000)
            self.lines.append(("" if message.data() else "-") + message.partition_key())
        return self.lines

    def assert_new(self, expected: list[str]) -> int:
        """These came since the last call, each once, in any order, and over two rounds of the Java worker's checks
        no others: nothing can be waited for where nothing shall happen. How many messages there are."""
        known = len(self.lines)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(self._read()) < known + len(expected):
            assert time.monotonic() < deadline, f"{self.lines[known:]}, expected {expected}"
            time.sleep(0.1)
        end = time.monotonic() + QUIET_SECONDS
        while time.monotonic() < end:
            self._read()
            time.sleep(0.2)
        assert sorted(self._read()[known:]) == sorted(expected)
        return len(self.lines)


class Pair:
    """A Java worker and a Weft worker. Which of two leads follows from a hash of their names, in which their ports are:
    a Weft worker on another port changes it."""

    def __init__(self, folder: Path, broker: PulsarStandalone) -> None:
        self._folder = folder
        self._options = ["--worker-id", "weft", "--worker-hostname", "127.0.0.1", "--python", sys.executable]
        self._options += ["--service-url", broker.address.service_url, "--admin-url", broker.address.admin_url]
        self._options += ["--data-dir", str(folder / "weft" / "data"), "--reschedule-after", AWAY]
        url, logger = broker.address.service_url, pulsar.ConsoleLogger(pulsar.LoggerLevel.Error)
        self.client = pulsar.Client(url, logger=logger)
        settings = {"functionsWorkerEnablePackageManagement": "true", "failureCheckFreqMs": "2000"}
        self.java = JavaWorker(folder / "java", broker, "java", {**settings, "rescheduleTimeoutMs": AWAY})
        self.weft: WeftWorker | None = None

    def kill(self) -> None:
        self.client.close()
        self.java.kill()
        if self.weft is not None:
            self.weft.kill()

    @property
    def by_java(self) -> FunctionsRest:
        return FunctionsRest(self.java)

    @property
    def by_weft(self) -> FunctionsRest:
        assert self.weft is not None
        return FunctionsRest(self.weft)

    def start_weft_until_leads(self, leader: str) -> None:
        for _ in range(20):
            if self.weft is not None:
                self.weft.kill()
            port = str(free_ports(1)[0])
            self.weft = WeftWorker(self._folder / "weft", [*self._options, "--worker-port", port])
            until("both are members", lambda: len(ask(self.java, "cluster")) == 2)
            if self.settled_leader() == leader:
                return
        raise AssertionError(f"{leader} doesn't come to lead")

    def settled_leader(self) -> str:
        """When all that are there agree and the leader takes writes."""
        there = {"java": self.java, "weft": self.weft}
        found = ""

        def settled() -> bool:
            nonlocal found
            told = {ask(worker, "cluster/leader")["workerId"] for worker in there.values() if worker}
            (found,) = told
            leading = there[found]
            assert leading is not None
            return answers(f"{leading.admin_url}/admin/v2/worker/cluster/leader/ready")

        until("one leads", settled)
        return found

    def wait_until_alone_leads(self, leader: str) -> None:
        worker = self.java if leader == "java" else self.weft
        assert worker is not None
        until(f"{leader} leads", lambda: answers(f"{worker.admin_url}/admin/v2/worker/cluster/leader/ready"))


def ask(worker: "JavaWorker | WeftWorker", path: str) -> Any:
    return get_json(f"{worker.admin_url}/admin/v2/worker/{path}")


def said(value: Any) -> Any:
    """Without members that say nothing: a Java worker of its own shows them as null, one in a broker leaves them out."""
    if not isinstance(value, dict):
        return value
    members = {name: said(member) for name, member in value.items()}
    return {name: member for name, member in members.items() if member not in (None, "", {})}


def assert_both_know(pair: Pair, configs: list[Config]) -> None:
    names = sorted(str(config["name"]) for config in configs)
    workers = [pair.by_java, pair.by_weft]
    until("both list all", lambda: all(sorted(worker.names()) == names for worker in workers))
    for config in configs:
        theirs, ours = (said(worker.get(config)) for worker in workers)
        ours.pop("packageDigest", None)  # Weft's own
        assert ours == theirs


def owners_of(pair: Pair) -> dict[str, list[str]]:
    """As both tell it."""
    told: list[dict[str, list[str]]] = []

    def same() -> bool:
        assert pair.weft is not None
        told[:] = [ask(worker, "assignments") for worker in (pair.java, pair.weft)]
        for each in told:
            for owned in each.values():
                owned.sort()
        return told[0] == told[1]

    until("both say the same owners", same)
    return told[0]


def key_of(config: Config) -> str:
    return f"public/default/{config['name']}:0"


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    packages = "org.apache.pulsar.packages.management.storage.filesystem.FileSystemPackagesStorageProvider"
    settings = {"enablePackagesManagement": "true", "packagesManagementStorageProvider": packages}
    with PulsarStandalone(tmp_path / "pulsar", settings=settings, zookeeper=True) as broker:
        both = Pair(tmp_path, broker)
        try:
            both.wait_until_alone_leads("java")
            yield both
        finally:
            both.kill()


class Steps:
    """What is done with functions, and what stands in the assignments topic for it."""

    def __init__(self, pair: Pair, program: Path) -> None:
        self.pair, self.program = pair, program
        self.log = Log(pair.client)
        self.configs: list[Config] = []
        self.seen: dict[str, int] = {}

    def expect(self, step: str, assignments: list[str]) -> None:
        self.seen[step] = self.log.assert_new(assignments)
        assert_both_know(self.pair, self.configs)

    def nothing_new(self, step: str) -> None:
        self.seen[step] = self.log.assert_new([])

    def create(self, who: str, each: int) -> None:
        made = [config_of(f"{who}-led-by-{by}-{n}") for n in range(each) for by in ("java", "weft")]
        for config in made:
            config["userConfig"] = {"b": 1.0, "a": {"x": "y"}}
            (self.pair.by_java if "-by-java" in str(config["name"]) else self.pair.by_weft).create(config, self.program)
        self.configs += made
        self.expect(f"{len(made)} functions made, {who} leads", [key_of(config) for config in made])

    def update(self, who: str) -> None:
        changed = self.configs[:2] + self.configs[-2:]  # through either what was made by either
        for number, config in enumerate(changed):
            config["userConfig"] = {"changed": who}
            if number in (0, 3):  # a Java worker wants to look at the package, and can't fetch what Weft keeps
                self.pair.by_java.update(config, self.program if "-by-weft" in str(config["name"]) else None)
            else:
                self.pair.by_weft.update(config)
        self.expect(f"4 updates, {who} leads", [key_of(config) for config in changed])

    def delete(self, who: str) -> None:
        gone = [self.configs.pop(), self.configs.pop(0)]
        self.pair.by_java.delete(gone[0])
        self.pair.by_weft.delete(gone[1])
        self.expect(f"2 deletes, {who} leads", [f"-{key_of(config)}" for config in gone])

    def stop_and_start(self, who: str) -> None:
        """The wanted states of instances are in the metadata, and so in the assignment."""
        config = self.configs[1]
        for worker, verb in ((self.pair.by_java, "stop"), (self.pair.by_weft, "start")):
            worker.post(config, verb)
            self.expect(f"{verb}, {who} leads", [key_of(config)])

    def look(self) -> None:
        """Each tells of what the other runs. What was uploaded to Java is in Pulsar's package service, and runs here."""
        owners = owners_of(self.pair)
        ours = next(c for c in self.configs if key_of(c) in owners["weft"] and "-by-java" in str(c["name"]))
        theirs = next(c for c in self.configs if key_of(c) in owners["java"])
        self.pair.by_weft.wait_until_running(ours)
        Traffic(self.pair.client, ours).seconds_until_served()
        for worker in (self.pair.by_java, self.pair.by_weft):
            told: Any = worker.status(ours)["instances"]
            assert told[0]["status"]["running"] and told[0]["status"]["workerId"] == "weft"
            assert told[0]["status"]["numReceived"] == 1
            told = worker.status(theirs)["instances"]
            assert told[0]["status"]["workerId"] == "java"
            assert "did not answer" not in told[0]["status"].get("error", "")


def test_neither_leader_writes_an_assignment_that_says_nothing_new(pair: Pair, tmp_path: Path) -> None:
    program = tmp_path / "exclaim.py"
    program.write_text(FUNCTION)
    steps = Steps(pair, program)
    pair.start_weft_until_leads("java")
    steps.create("java", 5)
    assert {worker: len(owned) for worker, owned in owners_of(pair).items()} == {"java": 5, "weft": 5}
    steps.look()
    steps.update("java")
    steps.stop_and_start("java")
    steps.delete("java")

    pair.start_weft_until_leads("weft")
    steps.nothing_new("weft has taken the lead")
    steps.create("weft", 1)
    print(json.dumps(steps.seen))
    if target := os.environ.get("WEFT_EVIDENCE"):
        figures = {
            "what": "a Java worker and a Weft worker in one cluster on Apache Pulsar 4.0.8: the number of messages in the "
            "assignments topic after each step; each step's own are there once, and no others",
            "commit": evidence.commit(),
            "machine": evidence.machine(),
            "assignments in the topic": steps.seen,
        }
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).write_text(json.dumps(figures, indent=2) + "\n")
