"""One supervised function without a worker (weft_run_function), on whichever broker --broker names: what the instance
itself asks of a broker, the real Apache Pulsar's included."""

import json
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pulsar
import pytest

from harness.broker import Broker
from harness.locations import weft_binary

SAMPLES = Path(__file__).resolve().parent / "samples"
BUILD = weft_binary().parents[1]
PROGRAMS = pytest.mark.parametrize(
    ("package", "class_name"),
    [(SAMPLES / "mixed.py", "mixed.Mixed"), (BUILD / "lib" / "libweft_mixed_function.so", "Mixed")],
    ids=["python", "native"],
)
MESSAGES = 20_000


class RunningFunction:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, what: str) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.ask("status")
        return answer


@contextmanager
def run_function(broker: Broker, package: Path, class_name: str, **settings: str) -> Iterator[RunningFunction]:
    """Runs until the block ends; then the function must stop in order."""
    command: list[str | Path] = [BUILD / "bin" / "weft_run_function", f"service_url={broker.address.service_url}"]
    command += [f"package={package}", f"class={class_name}", f"python={sys.executable}", "nack_ms=300"]
    command += [f"{key}={value}" for key, value in settings.items()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        function = RunningFunction(process)
        while not function.status()["running"]:
            assert process.poll() is None
        yield function
        assert process.stdin is not None
        process.stdin.write("stop\n")
        process.stdin.close()
        assert process.wait(30) == 0


@pytest.fixture
def client(broker: Broker) -> Iterator[pulsar.Client]:
    opened = pulsar.Client(
        broker.address.service_url, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error)
    )
    yield opened
    opened.close()


def make_partitioned(broker: Broker, topic: str, partitions: int) -> None:
    path = topic.replace("://", "/")
    request = urllib.request.Request(
        f"{broker.address.admin_url}/admin/v2/{path}/partitions", data=str(partitions).encode(), method="PUT"
    )
    request.add_header("Content-Type", "application/json")
    urllib.request.urlopen(request, timeout=30).close()


def check_run(broker: Broker, client: pulsar.Client, package: Path, class_name: str, partitions: int) -> None:
    run = uuid.uuid4().hex[:8]
    source, target, extra = (f"persistent://public/default/{name}-{run}" for name in ("in", "out", "extra"))
    if partitions:
        make_partitioned(broker, source, partitions)
        make_partitioned(broker, target, partitions)
    results = client.subscribe(target, "test", initial_position=pulsar.InitialPosition.Earliest)
    producer = client.create_producer(
        source, batching_enabled=True, block_if_queue_full=True, compression_type=pulsar.CompressionType.ZSTD
    )
    config = json.dumps({"extra": extra})
    with run_function(broker, package, class_name, input=source, output=target, config=config) as function:
        for n in range(MESSAGES):
            producer.send_async(
                f"message {n}".encode(), lambda *_: None, properties={"n": str(n)}, partition_key=f"k{n % 7}"
            )
        producer.flush()
        wanted = {n for n in range(MESSAGES) if n % 10 != 3}
        seen: set[int] = set()
        partition_of: dict[str, str] = {}
        while seen != wanted:
            message = results.receive(20_000)
            results.acknowledge(message)
            n = int(message.properties()["n"])
            assert message.data() == f"message {n}!".encode()
            assert message.partition_key() == f"k{n % 7}"
            # A key has one partition, the one that other clients send it to.
            assert partition_of.setdefault(f"k{n % 7}", message.topic_name()) == message.topic_name()
            seen.add(n)
        planted = len({n for n in range(MESSAGES) if n % 1000 == 7})
        assert int(function.status()["numUserExceptions"]) == planted
        assert int(function.status()["numSystemExceptions"]) == 0


@PROGRAMS
def test_every_message(broker: Broker, client: pulsar.Client, package: Path, class_name: str) -> None:
    check_run(broker, client, package, class_name, partitions=0)


@PROGRAMS
def test_partitioned_topics(broker: Broker, client: pulsar.Client, package: Path, class_name: str) -> None:
    if broker.name == "weft":
        pytest.skip("weft's broker has no partitioned topics yet")
    check_run(broker, client, package, class_name, partitions=3)


def test_at_most_once(broker: Broker, client: pulsar.Client) -> None:
    run = uuid.uuid4().hex[:8]
    source, target = (f"persistent://public/default/{name}-{run}" for name in ("in", "out"))
    results = client.subscribe(target, "test", initial_position=pulsar.InitialPosition.Earliest)
    producer = client.create_producer(source)
    with run_function(
        broker, SAMPLES / "mixed.py", "mixed.Mixed", input=source, output=target, guarantee="ATMOST_ONCE"
    ) as function:
        for n in (6, 7, 8):  # 7 fails the first time
            producer.send(f"message {n}".encode(), properties={"n": str(n)})
        assert [results.receive(10_000).data() for _ in range(2)] == [b"message 6!", b"message 8!"]
        with pytest.raises(pulsar.Timeout):
            results.receive(1000)
        assert int(function.status()["numUserExceptions"]) == 1
