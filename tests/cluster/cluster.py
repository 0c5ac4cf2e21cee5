"""Several `weft worker` on one broker, and messages through their functions."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pulsar

from harness.broker import Broker, get_json
from harness.weft_standalone import WeftWorker

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
    """Workers `names`. `options`: what all of them are started with besides. `places`: for each its address, and the words
    that start it there."""

    def __init__(
        self,
        folder: Path,
        broker: Broker,
        stack: ExitStack,
        names: Sequence[str] = ("one", "two", "three"),
        options: Sequence[str | Path] = (),
        places: Mapping[str, tuple[str, list[str]]] | None = None,
    ) -> None:
        self.broker = broker
        self.workers: dict[str, WeftWorker] = {}
        for name in names:
            address, before = (places or {}).get(name, ("127.0.0.1", []))
            own = ["--worker-id", name, "--worker-hostname", address, "--bind", address, "--python", sys.executable]
            own += ["--service-url", broker.address.service_url, "--admin-url", broker.address.admin_url]
            own += ["--data-dir", str(folder / name / "data"), "--worker-port", "0"]
            self.workers[name] = stack.enter_context(WeftWorker(folder / name, [*own, *options], before=before))
        until("all are members", lambda: all(len(self.members(name)) == len(names) for name in self.workers))

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
