"""Three `weft worker` on one broker: who leads, what happens when it dies, and when one leaves in order."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pulsar
import pytest
from cluster import FUNCTION, Cluster, Traffic, config_of, until

from harness.broker import Address, Broker, get_json
from harness.functions_rest import FunctionsRest
from harness.java_tools import JavaTools


@pytest.fixture
def cluster(watchful_broker: Broker, tmp_path: Path) -> Iterator[Cluster]:
    with ExitStack() as stack:
        yield Cluster(tmp_path, watchful_broker, stack)


@pytest.fixture
def client(cluster: Cluster) -> Iterator[pulsar.Client]:
    made = pulsar.Client(
        cluster.broker.address.service_url, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error)
    )
    yield made
    made.close()


def test_the_leader_dies_and_what_it_ran_runs_elsewhere(
    cluster: Cluster, client: pulsar.Client, tmp_path: Path
) -> None:
    program = tmp_path / "exclaim.py"
    program.write_text(FUNCTION)
    until("one leads", lambda: len({cluster.leader(name) for name in cluster.workers}) == 1)
    first = cluster.leader("one")  # whom the broker chose
    others = [name for name in cluster.workers if name != first]

    configs = [config_of(f"f{number}") for number in range(3)]
    for config, worker in zip(configs, cluster.workers.values(), strict=True):  # each on another worker
        FunctionsRest(worker).create(config, program)
    names = list(cluster.workers)
    until("all agree", lambda: cluster.agree(names, 3))
    assert sorted(len(owned) for owned in cluster.assignments("two").values()) == [1, 1, 1]
    traffics = {str(config["name"]): Traffic(client, config) for config in configs}
    for traffic in traffics.values():
        traffic.seconds_until_served()

    (lost,) = [name for name in traffics if cluster.owner("two", f"public/default/{name}:0") == first]
    stays = {instance: worker for worker, owned in cluster.assignments("two").items() for instance in owned}
    os.kill(cluster.workers[first].pid, signal.SIGKILL)
    print(f"\ngap after kill -9 of the leader: {traffics[lost].seconds_until_served():.3f} s")
    served = [traffic.seconds_until_served() for name, traffic in traffics.items() if name != lost]
    print(f"functions on other workers, sent to answered: {max(served):.3f} s")
    until("the others agree", lambda: cluster.agree(others, 3))
    for worker, owned in cluster.assignments(others[0]).items():
        for instance in owned:
            assert stays[instance] in (worker, first), f"{instance} has moved without need"

    cluster.workers[first].start()
    until("it is back", lambda: cluster.leader(first) == cluster.leader(others[0]))
    FunctionsRest(cluster.workers[others[0]]).create(config_of("late"), program)
    until("the new one has it", lambda: cluster.owner(others[0], "public/default/late:0") == first)

    leaver = cluster.owner("two", "public/default/f0:0")
    left = [name for name in names if name != leaver]
    asked = time.monotonic()
    os.kill(cluster.workers[leaver].pid, signal.SIGTERM)
    gap = traffics["f0"].seconds_until_served()
    print(f"gap after SIGTERM of {leaver}: {gap:.3f} s, moved after {time.monotonic() - asked:.3f} s")
    assert cluster.workers[leaver].wait() == 0
    until("the remaining two agree", lambda: cluster.agree(left, 4))
    for config in [*configs, config_of("late")]:
        FunctionsRest(cluster.workers[left[0]]).delete(config)
    until("nothing is left", lambda: cluster.agree(left, 0) or cluster.assignments(left[0]) == {})


class ConsumerCount:
    """How many consumers a function's subscription has had at once, by the broker's own word."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._url = f"{cluster.broker.address.admin_url}/admin/v2/persistent/public/default/{name}-in/stats"
        self._subscription = f"public/default/{name}"
        self.most = self.looks = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "ConsumerCount":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.005):
            stats = get_json(self._url)
            assert isinstance(stats, dict)
            self.most = max(self.most, len(stats["subscriptions"][self._subscription]["consumers"]))
            self.looks += 1


@pytest.mark.parametrize("sleeps", ["leader", "follower"])
def test_who_wakes_up_late_runs_nothing_twice(
    cluster: Cluster, client: pulsar.Client, tmp_path: Path, sleeps: str
) -> None:
    program = tmp_path / "exclaim.py"
    program.write_text(FUNCTION)
    names = list(cluster.workers)
    until("one leads", lambda: len({cluster.leader(name) for name in names}) == 1)
    first = cluster.leader("one")
    sleeper = first if sleeps == "leader" else next(name for name in names if name != first)
    others = [name for name in names if name != sleeper]
    for number in range(3):
        FunctionsRest(cluster.workers[others[0]]).create(config_of(f"f{number}"), program)
    until("all agree", lambda: cluster.agree(names, 3))
    (name,) = [f"f{n}" for n in range(3) if cluster.owner("one", f"public/default/f{n}:0") == sleeper]
    traffic = Traffic(client, config_of(name))
    traffic.seconds_until_served()

    with ConsumerCount(cluster, name) as consumers:
        os.kill(cluster.workers[sleeper].pid, signal.SIGSTOP)
        try:
            print(f"\ngap after SIGSTOP of a {sleeps}: {traffic.seconds_until_served():.3f} s")
            until("the others agree", lambda: cluster.agree(others, 3))
        finally:
            os.kill(cluster.workers[sleeper].pid, signal.SIGCONT)
        until("it is back", lambda: len(cluster.members(others[0])) == 3 and cluster.agree(names, 3))
        cluster.workers[sleeper].wait_for_log("was asleep")
        traffic.seconds_until_served()
        FunctionsRest(cluster.workers[sleeper]).create(config_of("late"), program)  # it takes part again
        until("all agree on that", lambda: cluster.agree(names, 4))
        late = Traffic(client, config_of("late"))
        late.seconds_until_served()
    print(f"consumers of {name} at once: {consumers.most} in {consumers.looks} looks")
    assert consumers.looks > 20 and consumers.most == 1


def test_pulsar_admin_may_ask_any_worker(cluster: Cluster, tmp_path: Path) -> None:
    program = tmp_path / "exclaim.py"
    program.write_text(FUNCTION)
    port = int(cluster.workers["two"].admin_url.rsplit(":", 1)[1])
    tools = JavaTools(Address(cluster.broker.address.broker_port, port), tmp_path)
    created = tools.admin(
        *["functions", "create", "--py", str(program), "--classname", "exclaim.exclaim", "--name", "f"],
        *["--inputs", "in", "--output", "out", "--parallelism", "3"],
    ).check()
    assert "Created successfully" in created.output
    until("all agree", lambda: cluster.agree(list(cluster.workers), 3))
    config = config_of("f", 3)
    for worker in cluster.workers.values():  # each asks the two others
        rest = FunctionsRest(worker)
        rest.wait_until_running(config)
        told = rest.status(config)["instances"]
        assert isinstance(told, list)
        assert {instance["status"]["workerId"] for instance in told} == set(cluster.workers)
        assert len(rest.stats(config)["instances"]) == 3  # type: ignore[arg-type]
    tools.admin("functions-worker", "rebalance").check()  # 307 to the leader
    elsewhere = next(n for n in range(3) if cluster.owner("two", f"public/default/f:{n}") != "two")
    one = ["--name", "f", "--instance-id", str(elsewhere)]
    shown = tools.admin("functions", "status", *one).check()  # 307 to its worker, as the next
    assert cluster.owner("two", f"public/default/f:{elsewhere}") in shown.output
    assert "Restarted successfully" in tools.admin("functions", "restart", *one).check().output
    cluster.workers[cluster.owner("two", f"public/default/f:{elsewhere}")].wait_for_log("stopping instance")

    asleep = cluster.owner("two", f"public/default/f:{elsewhere}")
    os.kill(cluster.workers[asleep].pid, signal.SIGSTOP)
    try:
        status = FunctionsRest(cluster.workers["two"]).status(config)
    finally:
        os.kill(cluster.workers[asleep].pid, signal.SIGCONT)
    assert f"Worker {asleep} did not answer" in str(status) and status["numRunning"] == 2
