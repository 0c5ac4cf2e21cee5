"""Three Java workers of a live cluster on the real Pulsar are replaced by Weft workers, one at a time, and then put back, with
the commands of docs/migrate-from-the-java-worker.md, under a steady load of numbered messages.

WEFT_RATE: messages a second in all (2000). WEFT_FUNCTIONS: over how many functions (4). WEFT_EVIDENCE names a file that
gets the figures.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulsar
import pulsar.schema
import pytest
from cluster import FUNCTION, Config, until
from cluster import config_of as python_config
from function_metadata import assignment_of, request_of
from probe import ConsumerWatch, Probe

from harness import evidence, locations
from harness.broker import get_json
from harness.functions_rest import FunctionsRest
from harness.java_worker import THREADS, JavaWorker
from harness.processes import free_ports
from harness.pulsar_standalone import PulsarStandalone
from harness.weft_standalone import WeftWorker

sys.path.insert(0, str(locations.SOURCE_ROOT / "tests" / "docs"))
from snippets import Block, blocks_of  # noqa: E402

RATE = float(os.environ.get("WEFT_RATE", "2000"))
FUNCTIONS = int(os.environ.get("WEFT_FUNCTIONS", "4"))
LOGGER = "three"
OUTPUT = "persistent://public/default/swap-out"
INTERNAL = "persistent://public/functions/"
NAMES = ("one", "two", "three")
FENCE_SECONDS = 1.5
PATIENCE_SECONDS = 180
LOOK_SECONDS = 0.05  # the broker is a JVM on the same cores
JAR = locations.pulsar_home() / "examples" / "api-examples.jar"
PAGE = locations.SOURCE_ROOT / "docs" / "migrate-from-the-java-worker.md"


def java_config(name: str) -> Config:
    """A small JVM where it is a process."""
    return {
        "tenant": "public", "namespace": "default", "name": name, "runtime": "JAVA",
        "className": "org.apache.pulsar.functions.api.examples.ExclamationFunction",
        "inputs": [f"persistent://public/default/{name}-in"], "output": OUTPUT, "subscriptionPosition": "Earliest",
        "resources": {"ram": 134_217_728},
        "runtimeFlags": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:MaxDirectMemorySize=64m",
    }  # fmt: skip


class Page:
    """The commands of the document, by the word in their mark; each must have been run in the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        mark = re.compile(r"not run: tests/cluster/test_swap.py does \((\w+)\)")
        self._blocks: dict[str, Block] = {}
        for block in blocks_of(PAGE.read_text()):
            found = mark.fullmatch(block.mark)
            assert found, f"{PAGE.name}:{block.line}: nobody runs it"
            self._blocks[found[1]] = block
        self.run_words: set[str] = set()

    def run(self, word: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **self._variables(variables)}
        self.run_words.add(word)
        command = ["bash", "-euo", "pipefail", "-c", self._blocks[word].text]
        return subprocess.run(command, cwd=self._folder, env=environment, capture_output=True, text=True, timeout=120)

    def check(self, conf: Path) -> subprocess.CompletedProcess[str]:
        return self.run("check", CONF=str(conf))

    def words(self, word: str, **variables: str) -> list[str]:
        """What its one command is given, behind `weft worker`."""
        self.run_words.add(word)
        text = self._blocks[word].text
        for name, value in self._variables(variables).items():
            text = text.replace(f"${name}", value)
        words = shlex.split(text)
        assert words[:2] == ["weft", "worker"]
        return words[2:]

    @staticmethod
    def _variables(given: dict[str, str]) -> dict[str, str]:
        path = f"{locations.weft_binary().parent}:{locations.pulsar_home() / 'bin'}:{os.environ['PATH']}"
        jvm = {"PULSAR_MEM": "-Xmx192m", "PULSAR_EXTRA_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
        home = str(locations.pulsar_home())
        return {"PATH": path, "PULSAR_HOME": home, "TENANT": "public", "NAMESPACE": "default", **jvm, **given}

    def assert_all_run(self) -> None:
        assert self.run_words == set(self._blocks)


class Metadata:
    """The metadata topic: whatever a worker does, a function is written only when somebody changes it."""

    def __init__(self, client: pulsar.Client) -> None:
        self._reader = client.create_reader(INTERNAL + "metadata", pulsar.MessageId.earliest)
        self.versions: list[tuple[str, int]] = []

    def read(self) -> list[tuple[str, int]]:
        while self._reader.has_message_available():
            request = request_of(self._reader.read_next(10_000).data())
            meta = request.functionMetaData
            self.versions.append((meta.functionDetails.name, meta.version))
        return self.versions


class Assignments:
    """The assignments topic: how many there were, and those that said nothing new."""

    def __init__(self, client: pulsar.Client) -> None:
        self._reader = client.create_reader(INTERNAL + "assignments", pulsar.MessageId.earliest)
        self._last: dict[str, Any] = {}
        self.count = 0
        self.idle: list[str] = []

    def read(self) -> int:
        while self._reader.has_message_available():
            message = self._reader.read_next(10_000)
            said = assignment_of(message.data()) if message.data() else None
            if said == self._last.get(message.partition_key()):
                self.idle.append(message.partition_key())
            self._last[message.partition_key()] = said
            self.count += 1
        return self.count


@dataclass
class Place:
    """A worker of the cluster: its Java worker, and the Weft worker that takes its place."""

    java: JavaWorker
    conf: Path
    weft_port: int = 0
    weft: WeftWorker | None = None

    @property
    def now(self) -> "JavaWorker | WeftWorker":
        return self.weft or self.java

    @property
    def kind(self) -> str:
        return "weft" if self.weft else "java"

    @property
    def rest(self) -> FunctionsRest:
        return FunctionsRest(self.now)

    def participant(self, kind: str) -> str:
        return self.java.participant if kind == "java" else f"{self.java.worker_id}:127.0.0.1:{self.weft_port}"


@dataclass
class Swap:
    what: str
    leader: str
    seconds: float  # until all was served again
    stop_seconds: float  # of these the old worker took to end
    gaps_ms: dict[str, int]
    assignments: int  # written meanwhile
    created: dict[str, str] = field(default_factory=dict)  # name -> kind of its worker

    def shown(self) -> dict[str, Any]:
        return self.__dict__


class Live:
    """The cluster, and what is done to it."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        packages = "org.apache.pulsar.packages.management.storage.filesystem.FileSystemPackagesStorageProvider"
        settings = {"enablePackagesManagement": "true", "packagesManagementStorageProvider": packages}
        broker = PulsarStandalone(folder / "pulsar", settings=settings, zookeeper=True)
        self.broker = stack.enter_context(broker)
        logger = pulsar.ConsoleLogger(pulsar.LoggerLevel.Error)
        self.client = pulsar.Client(broker.address.service_url, logger=logger)
        stack.callback(self.client.close)
        self.page = Page(folder)
        self.places: dict[str, Place] = {}
        for name in NAMES:
            values = {"functionRuntimeFactoryClassName": THREADS, "workerListProbeIntervalSec": "5"}
            if name != LOGGER:  # its packages are in DistributedLog; 4.0.8 gives these to others only without the setting
                values["functionsWorkerEnablePackageManagement"] = "true"
            java = JavaWorker(folder / name, broker, name, values, start=name == "one")
            self.places[name] = Place(java, self._folder / f"{name}.yml")
            stack.callback(java.kill)
            if name != "one":
                java.start(wait_until_ready=False)
        for name in NAMES[1:]:
            self.places[name].java.wait_until_ready()
        until("all are members", lambda: all(len(self.ask(name, "cluster")) == 3 for name in NAMES))

    def ask(self, name: str, path: str) -> Any:
        return get_json(f"{self.places[name].now.admin_url}/admin/v2/worker/{path}")

    def owners(self, asked: str = NAMES[0]) -> dict[str, str]:
        """function -> worker"""
        told = self.ask(asked, "assignments")
        return {str(key).split("/")[2].split(":")[0]: worker for worker, owned in told.items() for key in owned}

    def kind_of_owner(self, function: str) -> str:
        return self.places[self.owners()[function]].kind

    def agree(self) -> bool:
        told = [self.owners(name) for name in NAMES]
        leaders = {self.ask(name, "cluster/leader")["workerId"] for name in NAMES}
        there = all(len(self.ask(name, "cluster")) == 3 for name in NAMES)
        return there and len(leaders) == 1 and all(other == told[0] for other in told)

    def leader(self) -> str:
        return str(self.ask(NAMES[0], "cluster/leader")["workerId"])

    def would_lead(self, participants: list[str]) -> str:
        """Whom the broker would choose of consumers with these names: it looks at the topic and the names alone."""
        consumers = [
            self.client.subscribe(
                INTERNAL + "coordinate", "dry-run", consumer_type=pulsar.ConsumerType.Failover, consumer_name=name
            )
            for name in participants
        ]
        stats: Any = get_json(f"{self.broker.address.admin_url}/admin/v2/persistent/public/functions/coordinate/stats")
        active = str(stats["subscriptions"]["dry-run"]["activeConsumerName"])
        for consumer in consumers[1:]:
            consumer.close()
        consumers[0].unsubscribe()
        consumers[0].close()
        return active.split(":")[0]

    def choose_port(self, name: str, kind: str) -> None:
        """So that with this one replaced a worker of that kind leads. The broker takes the name, with its port, that is next to
        the topic on a ring: who led goes on leading unless the new one is nearer, so Java leads first, then Weft."""
        place = self.places[name]
        for place.weft_port in free_ports(200):
            others = [other.participant(other.kind) for other in self.places.values() if other is not place]
            leader = self.would_lead([*others, place.participant("weft")])
            if (leader == name or self.places[leader].weft is not None) == (kind == "weft"):
                return
        raise AssertionError(f"no port with which {kind} leads")

    def write_conf(self, name: str) -> None:
        """The Java worker's own file, but for what can't be shared on one machine."""
        place = self.places[name]
        text = place.java.conf.read_text()
        for key, value in (("workerPort", place.weft_port), ("downloadDirectory", self._folder / f"{name}-weft")):
            text, count = re.subn(rf"^{key}:.*$", f"{key}: {value}", text, flags=re.MULTILINE)
            assert count == 1
        if name == "one":  # keeps what is uploaded to it
            text = text.replace("functionsWorkerEnablePackageManagement: true", "")
        place.conf.write_text(text)

    def to_weft(self, name: str) -> float:
        """How long the old one took to end."""
        place = self.places[name]
        begin = time.monotonic()
        place.java.stop()
        ended = time.monotonic() - begin
        words = self.page.words("start", CONF=str(place.conf))
        weft = WeftWorker(self._folder / f"{name}-log", [*words, "--python", sys.executable])
        self._stack.callback(weft.kill)
        place.weft = weft
        return ended

    def to_java(self, name: str) -> float:
        place = self.places[name]
        assert place.weft is not None
        begin = time.monotonic()
        assert place.weft.stop() == 0
        ended = time.monotonic() - begin
        place.weft = None
        other = next(each for each in NAMES if each != name)
        forgotten = self.page.run("forgotten", JAVA=self.places[other].now.admin_url, WORKER=name)
        assert forgotten.returncode == 0, forgotten.stderr
        place.java.start()
        return ended

    def create_until(self, through: str, kinds: set[str]) -> dict[str, str]:
        """Functions of Java, until workers of all these kinds have got one."""
        made: dict[str, str] = {}
        while set(made.values()) != kinds:
            assert len(made) < 6, f"{made}, led by {self.leader()}"
            config = java_config(f"extra-{through}-{len(made)}")
            config["output"] = f"persistent://public/default/{config['name']}-out"
            # Java's threads want them, and only Java workers look into the jar for them.
            config |= {"inputTypeClassName": "java.lang.String", "outputTypeClassName": "java.lang.String"}
            self.places[through].rest.create(config, JAR)
            name = str(config["name"])
            until("all know it", lambda n=name: all(n in self.owners(each) for each in NAMES))  # type: ignore[misc]
            made[name] = self.kind_of_owner(name)
            self.assert_serves(config)
        return made

    def assert_serves(self, config: Config) -> None:
        """More than its status: 4.0.8 says running before the instance is."""
        (topic,) = config["inputs"]  # type: ignore[misc]
        reader = self.client.create_reader(config["output"], pulsar.MessageId.earliest)
        producer = self.client.create_producer(topic, schema=pulsar.schema.StringSchema())
        producer.send("one")
        assert reader.read_next(1000 * PATIENCE_SECONDS).data() == b"one!"
        producer.close()
        reader.close()

    def create_own(self, program: Path) -> dict[str, str]:
        """A function of Python through a Weft worker that keeps its package. Java workers with threads don't run Python, and
        can't have it."""
        program.write_text(FUNCTION)
        own, rest = python_config("own"), self.places["one"].rest
        rest.create(own, program)
        rest.wait_until_running(own, PATIENCE_SECONDS)
        kind = self.kind_of_owner("own")
        assert kind == "weft"
        return {"own": kind}

    def delete(self, through: str, names: list[str]) -> None:
        for name in names:
            self.places[through].rest.delete(java_config(name))
        until("they are forgotten", lambda: all(not set(names) & set(self.owners(each)) for each in NAMES))


class Run:
    def __init__(self, live: Live, configs: list[Config], stack: ExitStack) -> None:
        self.live, self.configs = live, configs
        address = live.broker.address
        self.probe = stack.enter_context(Probe(address, configs, OUTPUT, RATE, strings=True))
        self.watch = stack.enter_context(ConsumerWatch(address, configs, set(), LOOK_SECONDS))
        self.assignments = Assignments(live.client)
        self.metadata = Metadata(live.client)
        self.swaps: list[Swap] = []
        self.served()

    def served(self) -> None:
        self.probe.wait_until_all_are_served(PATIENCE_SECONDS)

    def swap(self, name: str, kind: str) -> Swap:
        live = self.live
        before = self.assignments.read()
        self.probe.begin_round()
        begin = time.monotonic()
        ended = live.to_weft(name) if kind == "weft" else live.to_java(name)
        until("all agree", live.agree)
        self.served()
        seconds = time.monotonic() - begin
        gaps = {str(self.configs[n]["name"]): round(1000 * gap) for n, gap in self.probe.end_round().items()}
        kinds = "".join(each.kind[0].upper() for each in live.places.values())
        leads = live.places[live.leader()].kind
        what, written = f"{name} to {kind}: {kinds}", self.assignments.read() - before
        done = Swap(what, leads, round(seconds, 1), round(ended, 1), gaps, written)
        self.swaps.append(done)
        print(json.dumps(done.shown()), flush=True)
        return done


@pytest.fixture
def live(tmp_path: Path) -> Iterator[tuple[Live, ExitStack]]:
    with ExitStack() as stack:
        yield Live(tmp_path, stack), stack


def to_weft_one_by_one(run: Run, tmp_path: Path) -> None:
    live, page = run.live, run.live.page
    logged = [str(config["name"]) for config in run.configs[: FUNCTIONS // 2]]  # in DistributedLog

    live.choose_port("one", "java")
    live.write_conf("one")
    checked = page.check(live.places["one"].conf)
    assert checked.returncode == 0, checked.stderr
    assert all(f"before the last Java worker goes: public/default/{name}: " in checked.stdout for name in logged)
    done = run.swap("one", "weft")
    assert done.leader == "java"
    done.created = live.create_until("two", {"java", "weft"})
    live.delete("two", list(done.created))

    live.choose_port("two", "weft")
    live.write_conf("two")
    assert page.check(live.places["two"].conf).returncode == 0
    done = run.swap("two", "weft")
    assert done.leader == "weft"
    done.created = live.create_until("two", {"java"})  # through Weft, with the package where Java finds it
    done.created |= live.create_own(tmp_path / "exclaim.py")
    live.delete("three", list(done.created))

    live.choose_port("three", "weft")
    live.write_conf("three")
    refused = page.check(live.places["three"].conf)
    assert refused.returncode == 1
    for name in logged:
        assert f"refused: public/default/{name}: its package is only in DistributedLog" in refused.stderr
    urls = {"JAVA": live.places["three"].now.admin_url, "WEFT": live.places["two"].now.admin_url}
    for name in logged:
        moved = page.run("move", NAME=name, **urls)
        assert moved.returncode == 0, moved.stdout + moved.stderr
    run.served()
    checked = page.check(live.places["three"].conf)
    assert checked.returncode == 0, checked.stderr
    run.swap("three", "weft")
    watched = page.run("watch", NAME=logged[0], **urls)
    assert watched.returncode == 0 and '"numRunning" : 1' in watched.stdout, watched.stdout + watched.stderr


def and_back(run: Run) -> None:
    live = run.live
    for name in reversed(NAMES):
        run.swap(name, "java")
    until("all agree", live.agree)
    assert live.page.run("rebalance", JAVA=live.places["one"].now.admin_url).returncode == 0

    def each_has_its_share() -> bool | dict[str, str]:
        owners = live.owners()
        return (live.agree() and len(set(owners.values())) == min(3, FUNCTIONS)) or owners

    until("each has its share", each_has_its_share)
    run.served()


def figures_of(run: Run) -> dict[str, Any]:
    return {
        "what": "three Java workers on Apache Pulsar 4.0.8, with packages in DistributedLog and in the package service, replaced "
        "one at a time by Weft workers and put back, under load; gaps are the longest time without an output, by function",
        "commit": evidence.commit(),
        "machine": evidence.machine(),
        "functions": FUNCTIONS,
        "rate_wanted": RATE,
        "rate": round(run.probe.per_second),
        "sent": run.probe.sent,
        "without_output": len(run.probe.lost()),
        "outputs_more_than_once": run.probe.repeated,
        "looks_at_consumers": run.watch.looks,
        "longest_with_two_consumers_ms": round(1000 * run.watch.longest_twice),
        "assignments_that_say_nothing_new": len(run.assignments.idle),
        "swaps": [swap.shown() for swap in run.swaps],
    }


def test_three_workers_are_swapped_and_swapped_back(live: tuple[Live, ExitStack], tmp_path: Path) -> None:
    cluster, stack = live
    configs = [java_config(f"f{number}") for number in range(FUNCTIONS)]
    for number, config in enumerate(configs):
        through = LOGGER if number < FUNCTIONS // 2 else "two"
        cluster.places[through].rest.create(config, JAR)
        cluster.places[through].rest.wait_until_running(config, PATIENCE_SECONDS)
    run = Run(cluster, configs, stack)
    first = list(run.metadata.read())
    assert sorted(first) == [(str(config["name"]), 0) for config in configs]
    to_weft_one_by_one(run, tmp_path)
    and_back(run)
    run.probe.finish()
    run.watch.finish()
    run.assignments.read()
    figures = figures_of(run)
    print(json.dumps({key: value for key, value in figures.items() if key != "swaps"}))
    if target := os.environ.get("WEFT_EVIDENCE"):
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).write_text(json.dumps(figures, indent=2) + "\n")
    assert run.probe.lost() == [], run.probe.lost()[:10]
    assert run.probe.per_second > 0.95 * RATE
    assert run.watch.looks > 100 and run.watch.longest_twice < FENCE_SECONDS, run.watch.twice
    assert run.assignments.idle == []
    ours = [each for each in run.metadata.read() if each[0] in {str(config["name"]) for config in configs}]
    moved = [(str(config["name"]), 1) for config in configs[: FUNCTIONS // 2]]  # its package, by us
    assert ours == [*first, *moved]
    cluster.page.assert_all_run()
