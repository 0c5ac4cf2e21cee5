"""Rounds of faults: workers die, sleep and are cut off, the broker starts again, while messages go through every instance.

No instance may be there twice (by its consumers in the broker's statistics), and no message may be left out (by the numbers
in the outputs). How long each instance had no output is measured, and has bounds. Instances of workers that nothing
happened to keep their connection.

WEFT_ROUNDS says how many rounds (3), WEFT_INSTANCES how many instances (12), WEFT_SEED repeats an earlier run, WEFT_KINDS which
faults happen (all), WEFT_EVIDENCE names a file that gets the figures. Cutting workers off needs root; without, there are no cuts.
"""

import json
import os
import random
import signal
import statistics
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pulsar
import pytest
from cluster import Cluster, Config, until
from probe import ConsumerWatch, Probe

from harness.broker import Address
from harness.evidence import commit, machine
from harness.functions_rest import FunctionsRest
from harness.locations import weft_binary
from harness.namespaces import Hosts
from harness.weft_standalone import WeftStandalone

ROUNDS = int(os.environ.get("WEFT_ROUNDS", "3"))
INSTANCES = int(os.environ.get("WEFT_INSTANCES", "12"))
PYTHON_EVERY = 10  # one instance in ten is a Python function, on the topics that Java workers share
KEEP_ALIVE_SECONDS = 2
NATIVE = weft_binary().parents[1] / "lib" / "libweft_copy_text.so"
PYTHON = Path(__file__).parents[1] / "chaos" / "programs" / "copy_text.py"
NAMES = ("one", "two", "three")
OUTPUT = "persistent://public/default/rounds-out"
KILL_MEDIAN_SECONDS_MAX = 3.0
MISSED_SECONDS_MAX = KEEP_ALIVE_SECONDS + 3.0  # asleep, or cut off: the broker has to miss it first
END_SECONDS_MAX = 0.5


@dataclass
class Round:
    how: str
    who: list[str]
    moved: int = 0
    gaps: list[float] = field(default_factory=list)  # of instances that were on those workers
    others: list[float] = field(default_factory=list)  # of the rest
    touched: list[int] = field(default_factory=list)  # of the rest: they came to the broker anew

    def shown(self) -> dict[str, object]:
        longest = {"gap_ms_max": round(1000 * max(self.gaps, default=0))}
        longest |= {"gap_ms_median": round(1000 * statistics.median(self.gaps)) if self.gaps else 0}
        longest |= {"others_gap_ms_max": round(1000 * max(self.others, default=0))}
        return {"how": self.how, "who": self.who, "instances": self.moved, **longest} | {"touched": self.touched}


def config_of(number: int) -> Config:
    python = number % PYTHON_EVERY == 0
    program = PYTHON if python else NATIVE
    config: Config = {
        "tenant": "public", "namespace": "default", "name": f"r{number}", "output": OUTPUT,
        "className": "copy_text.CopyText" if python else "CopyText", "subscriptionPosition": "Earliest",
        "inputs": [f"persistent://public/default/rounds-in-{number}"], ("py" if python else "native"): program.name,
    }  # fmt: skip
    return config


def number_of(instance: str) -> int:
    return int(instance.split("/")[2][1:].split(":")[0])


class Faults:
    """Three workers, each on a host of its own if that can be had, and what happens to them."""

    def __init__(self, folder: Path, stack: ExitStack, hosts: Hosts | None) -> None:
        self._hosts = hosts
        (folder / "broker").mkdir(parents=True)
        conf = folder / "broker" / "standalone.conf"
        conf.write_text(f"keepAliveIntervalSeconds={KEEP_ALIVE_SECONDS}\n")
        options = ["--no-functions-worker", "--conf", str(conf)]
        if hosts:
            options += ["--bind", hosts.address]
        self.broker = stack.enter_context(WeftStandalone(folder / "broker", options=options))
        places = {name: (hosts.addresses[n], hosts.words(n)) for n, name in enumerate(NAMES)} if hosts else {}
        self.cluster = Cluster(folder, self.broker, stack, NAMES, places=places)
        self.cut: set[str] = set()  # addresses

    def hit(self, how: str, who: list[str]) -> None:
        signals = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "end": signal.SIGTERM}
        for name in who:
            if how == "cut":
                assert self._hosts is not None
                self._hosts.cut(NAMES.index(name))
                self.cut.add(self._hosts.addresses[NAMES.index(name)])
            else:
                os.kill(self.cluster.workers[name].pid, signals[how])
        if how == "broker":
            self.broker.kill()
            self.broker.start_again()

    def heal(self, how: str, who: list[str]) -> None:
        for name in who:
            worker = self.cluster.workers[name]
            if how == "cut":
                assert self._hosts is not None
                self.cut.discard(self._hosts.addresses[NAMES.index(name)])
                self._hosts.mend(NAMES.index(name))
            elif how == "stop":
                os.kill(worker.pid, signal.SIGCONT)
            else:
                if how == "end":
                    assert worker.wait() == 0
                worker.kill()  # what is left of its group
                worker.start()

    def choose(self, chance: random.Random, whom: str) -> list[str]:
        if whom == "nobody":
            return []
        leader = self.cluster.leader(NAMES[0])
        followers = [name for name in NAMES if name != leader]
        return {"leader": [leader], "follower": [chance.choice(followers)], "two": chance.sample(NAMES, 2)}[whom]

    def are_at_home(self, watch: ConsumerWatch) -> bool:
        """Whether each instance has come to the broker from the host of the worker that has it."""
        if not self._hosts:
            return True
        for name, owned in self.cluster.assignments(NAMES[0]).items():
            host = self._hosts.addresses[NAMES.index(name)]
            connections = watch.connections()
            for consumers in (connections[number_of(instance)] for instance in owned):
                if len(consumers) != 1 or f"{host}:" not in consumers[0]:
                    return False
        return True

    def rebalance(self) -> bool:
        """Through who leads: urllib doesn't follow a 307 of a PUT."""
        leader = self.cluster.workers[self.cluster.leader(NAMES[0])]
        url = f"{leader.admin_url}/admin/v2/worker/rebalance"
        urllib.request.urlopen(urllib.request.Request(url, method="PUT"), timeout=30).close()
        return True


def run_round(faults: Faults, probe: Probe, watch: ConsumerWatch, how: str, who: list[str]) -> Round:
    cluster = faults.cluster
    done = Round(how, who)
    owners = cluster.assignments(NAMES[0])
    hit = {number_of(owned) for name in who for owned in owners.get(name, [])}
    done.moved = len(hit)
    until("they run where they belong", lambda: faults.are_at_home(watch))
    before = watch.connections()
    probe.begin_round()
    faults.hit(how, who)
    left = [name for name in NAMES if name not in who]
    until("who is left has all", lambda: cluster.agree(left, INSTANCES))
    probe.wait_until_all_are_served()
    faults.heal(how, who)
    until("all are there and agree", lambda: all(len(cluster.members(name)) == 3 for name in NAMES))
    until("all agree", lambda: cluster.agree(list(NAMES), INSTANCES))
    probe.wait_until_all_are_served()
    for number, gap in probe.end_round().items():
        (done.gaps if number in hit or how == "broker" else done.others).append(gap)
    if how != "broker":
        after = watch.connections()
        done.touched = [number for number in range(INSTANCES) if number not in hit and before[number] != after[number]]
    until("they are spread anew", faults.rebalance)
    until("all have their share", lambda: cluster.agree(list(NAMES), INSTANCES))
    probe.wait_until_all_are_served()
    return done


def plan(chance: random.Random, kinds: list[str]) -> Iterator[tuple[str, str]]:
    """What happens to whom, in every combination by turns; each kind first, as there may be few rounds."""
    targets = {how: ["nobody"] if how == "broker" else ["leader", "follower", "two"] for how in kinds}
    for how in kinds:
        yield how, chance.choice(targets[how])
    combinations = [(how, whom) for how in kinds for whom in targets[how]]
    while True:
        yield from chance.sample(combinations, len(combinations))


@pytest.fixture
def hosts() -> Iterator[Hosts | None]:
    if os.geteuid() != 0:
        yield None
        return
    with Hosts(len(NAMES)) as three:
        yield three


def figures_of(seed: int, rounds: list[Round], probe: Probe, watch: ConsumerWatch) -> dict[str, object]:
    by_fault = {}
    for how in sorted({done.how for done in rounds}):
        gaps = [gap for done in rounds if done.how == how for gap in done.gaps]
        others = [gap for done in rounds if done.how == how for gap in done.others]
        by_fault[how] = {
            "rounds": sum(done.how == how for done in rounds),
            "gap_ms_median": round(1000 * statistics.median(gaps)) if gaps else None,
            "gap_ms_max": round(1000 * max(gaps)) if gaps else None,
            "others_gap_ms_max": round(1000 * max(others)) if others else None,
        }
    return {
        "what": "three workers on one broker; workers killed, stopped, ended, cut off, and the broker killed, while a probe "
        "sends through every instance; gaps are between outputs of one instance",
        "commit": commit(),
        "seed": seed,
        "machine": machine(),
        "rounds": len(rounds),
        "instances": INSTANCES,
        "keep_alive_seconds": KEEP_ALIVE_SECONDS,
        "sent": probe.sent,
        "without_output": len(probe.lost()),
        "outputs_more_than_once": probe.repeated,
        "probe_per_second": round(probe.per_second),
        "looks_at_consumers": watch.looks,
        "longest_with_two_consumers_ms": round(1000 * watch.longest_twice),
        "by_fault": by_fault,
        "each": [done.shown() for done in rounds],
    }


def assert_bounds(rounds: list[Round]) -> None:
    def gaps(*kinds: str) -> list[float]:
        return [gap for done in rounds if done.how in kinds for gap in done.gaps]

    assert statistics.median(gaps("kill") or [0]) < KILL_MEDIAN_SECONDS_MAX
    assert max(gaps("stop", "cut"), default=0) <= MISSED_SECONDS_MAX
    assert max(gaps("end"), default=0) < END_SECONDS_MAX


def test_no_instance_is_there_twice_and_none_is_lost(hosts: Hosts | None, tmp_path: Path) -> None:
    seed = int(os.environ.get("WEFT_SEED", random.randrange(2**32)))
    print(f"\nWEFT_SEED={seed}")
    chance = random.Random(seed)
    kinds = os.environ.get("WEFT_KINDS", "kill stop cut end broker").split()
    if not hosts:
        print("no network cuts: network namespaces need root")
        kinds.remove("cut")
    with ExitStack() as stack:
        faults = Faults(tmp_path, stack, hosts)
        configs = [config_of(number) for number in range(INSTANCES)]
        for number, config in enumerate(configs):
            worker = faults.cluster.workers[NAMES[number % 3]]
            FunctionsRest(worker).create(config, PYTHON if "py" in config else NATIVE)
        until("all agree", lambda: faults.cluster.agree(list(NAMES), INSTANCES))
        address: Address = faults.broker.address
        probe = stack.enter_context(Probe(address, configs, OUTPUT))
        watch = stack.enter_context(ConsumerWatch(address, configs, faults.cut))
        probe.wait_until_all_are_served()
        rounds = []
        for how, whom in islice(plan(chance, kinds), ROUNDS):
            rounds.append(run_round(faults, probe, watch, how, faults.choose(chance, whom)))
            print(json.dumps(rounds[-1].shown()), flush=True)
        probe.finish()
        watch.finish()
        figures = figures_of(seed, rounds, probe, watch)
    print(json.dumps({key: value for key, value in figures.items() if key != "each"}))
    if target := os.environ.get("WEFT_EVIDENCE"):
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).write_text(json.dumps(figures, indent=2) + "\n")
    assert probe.lost() == [], probe.lost()[:10]
    assert watch.looks > INSTANCES * ROUNDS and watch.twice == [], watch.twice
    assert [done.shown() for done in rounds if done.touched] == []
    assert_bounds(rounds)


if __name__ == "__main__":
    sys.exit(pytest.main([__file__, "-s"]))
