"""Three `weft worker` on one broker: who leads, what happens when it dies, and when one leaves in order."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pulsar
import pytest

from harness.broker import Address, get_json
from harness.functions_rest import FunctionsRest
from harness.java_tools import JavaTools
from harness.weft_standalone import WeftStandalone, WeftWorker

FUNCTION = "def exclaim(text):\n    return text + '!'\n"
PATIENCE_SECONDS = 60
Config = dict[str, object]


def until(what: str, ask: Callable[[], object]) -> None:
    """Asks again and again, as an operator would: the REST has nothing to wait on."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = ask()
            if last is True:
                return
        except (OSError, ValueError) as error:
            last = error
        time.sleep(0.02)
    raise TimeoutError(f"{what}: not in {PATIENCE_SECONDS} s; last: {last}")


class Cluster:
    def __init__(self, folder: Path, broker: WeftStandalone, stack: ExitStack) -> None:
        self.broker = broker
        self.workers: dict[str, WeftWorker] = {}
        for name in ("one", "two", "three"):
            options = ["--worker-id", name, "--worker-hostname", "127.0.0.1", "--python", sys.executable]
            options += ["--service-url", broker.address.service_url, "--admin-url", broker.address.admin_url]
            self.workers[name] = stack.enter_context(WeftWorker(folder / name, options))
        until("all are members", lambda: all(len(self.members(name)) == 3 for name in self.workers))

    def get(self, name: str, path: str) -> object:
        return get_json(f"{self.workers[name].admin_url}/admin/v2/worker/{path}")

    def members(self, name: str) -> list[object]:
        members = self.get(name, "cluster")
        assert isinstance(members, list)
        return members

    def leader(self, name: str) -> str:
        leader = self.get(name, "cluster/leader")
        assert isinstance(leader, dict)
        return str(leader["workerId"])

    def assignments(self, name: str) -> dict[str, list[str]]:
        assignments = self.get(name, "assignments")
        assert isinstance(assignments, dict)
        return assignments

    def owner(self, asked: str, instance: str) -> str:
        (owner,) = [worker for worker, owned in self.assignments(asked).items() if instance in owned]
        return owner

    def agree(self, names: list[str], instances: int) -> bool:
        """Whether these workers say the same, and each instance is on one of them, once."""
        seen = [self.assignments(name) for name in names]
        owned = [instance for worker in seen[0].values() for instance in worker]
        return (
            all(other == seen[0] for other in seen)
            and set(seen[0]) <= set(names)
            and len(owned) == len(set(owned)) == instances
            and len({self.leader(name) for name in names}) == 1
        )


class Traffic:
    """Messages into one function; says when one that was sent now has come out."""

    def __init__(self, client: pulsar.Client, config: Config) -> None:
        (self.input,) = config["inputs"]  # type: ignore[misc]
        self._producer = client.create_producer(self.input)
        self._consumer = client.subscribe(
            config["output"], "test", initial_position=pulsar.InitialPosition.Earliest
        )
        self._sent = 0
        self.missing: set[bytes] = set()

    def send(self) -> None:
        text = f"m{self._sent}".encode()
        self._sent += 1
        self._producer.send(text)
        self.missing.add(text + b"!")

    def seconds_until_served(self) -> float:
        begin = time.monotonic()
        self.send()
        self.wait()
        return time.monotonic() - begin

    def wait(self) -> None:
        """Until all that was sent has come out."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.missing:
            message = self._consumer.receive(max(1, int((deadline - time.monotonic()) * 1000)))
            self.missing.discard(message.data())
            self._consumer.acknowledge(message)


def config_of(name: str, parallelism: int = 1) -> Config:
    return {
        "tenant": "public", "namespace": "default", "name": name, "className": "exclaim.exclaim",
        "runtime": "PYTHON", "inputs": [f"persistent://public/default/{name}-in"],
        "output": f"persistent://public/default/{name}-out", "subscriptionPosition": "Earliest",
        "parallelism": parallelism,
    }  # fmt: skip


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with ExitStack() as stack:
        broker = stack.enter_context(WeftStandalone(tmp_path / "broker", options=["--no-functions-worker"]))
        yield Cluster(tmp_path, broker, stack)


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
    tools.admin("functions-worker", "rebalance").check()  # 307 to the leader
