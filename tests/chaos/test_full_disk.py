"""`weft standalone` on a disk of 64 MB that fills up: producers are told, consumers go on, nothing confirmed is lost, and it
heals without a restart, when consumers drain and when room comes back."""

import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pulsar
import pytest

from harness.functions_rest import FunctionsRest
from harness.locations import weft_binary
from harness.namespaces import SmallDisk, needs_root, own_mounts
from harness.weft_standalone import WeftStandalone

from .copy_function import COPY, FUNCTION

pytestmark = needs_root
TOPIC = "persistent://public/default/fill"
SIZE = 100_000
HEAL_SECONDS_MAX = 60
FULL = "the disk is full"
ROOM_AGAIN = "there is room on the disk again"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with own_mounts():
        mounted = SmallDisk(tmp_path / "broker" / "data", 64)
        yield mounted
        mounted.unmount()


class Filling:
    """A producer that goes on through everything, and what it has got receipts for."""

    def __init__(self, client: pulsar.Client, name: str) -> None:
        self._name = name
        self._producer = client.create_producer(TOPIC, batching_enabled=False, send_timeout_millis=10_000)
        self._next = 0
        self.confirmed: list[bytes] = []

    def send(self) -> None:
        message = f"{self._name} {self._next}:".encode().ljust(SIZE, b"x")
        self._next += 1
        self._producer.send(message)
        self.confirmed.append(message)

    def fill(self) -> Exception:
        """What the producer is told in the end."""
        for _ in range(2000):
            try:
                self.send()
            except pulsar.PulsarException as error:
                return error
        raise AssertionError("the disk has no end")

    def wait_until_healed(self) -> None:
        deadline = time.monotonic() + HEAL_SECONDS_MAX
        while True:
            try:
                return self.send()
            except pulsar.PulsarException as error:
                assert time.monotonic() < deadline, f"still refused: {error}"
                time.sleep(0.1)  # between two tries


def receive(consumer: pulsar.Consumer, wanted: list[bytes], earlier: Iterable[bytes] = ()) -> None:
    """All of these come, in their order, each acknowledged. What came earlier may come again: the client gathers
    acks, and loses them with a connection."""
    known, come = set(earlier), dict[bytes, None]()
    while len(come) < len(wanted):
        message = consumer.receive(20_000)
        consumer.acknowledge(message)
        if message.data() not in known:
            come[message.data()] = None
    assert list(come) == wanted


def produce_by_command_line(broker: WeftStandalone) -> subprocess.CompletedProcess[str]:
    words = [weft_binary(), "produce", "--service-url", broker.address.service_url, TOPIC, "-m", "one more"]
    return subprocess.run(words, capture_output=True, text=True, timeout=60)


def check_function(client: pulsar.Client, outputs: pulsar.Consumer, text: bytes) -> None:
    producer = client.create_producer("copy-in")
    producer.send(text)
    producer.close()
    receive(outputs, [text], earlier=[other for other in (b"before", b"drained") if other != text])


def test_a_full_disk(disk: SmallDisk) -> None:
    with WeftStandalone(disk.path.parent, options=["--python", sys.executable]) as broker:
        rest = FunctionsRest(broker.address)
        rest.create(FUNCTION, COPY)
        rest.wait_until_running(FUNCTION)
        client_log = str(disk.path.parent / "client.log")
        client = pulsar.Client(
            broker.address.service_url, logger=pulsar.FileLogger(pulsar.LoggerLevel.Warn, client_log)
        )
        outputs = client.subscribe("copy-out", "test", initial_position=pulsar.InitialPosition.Earliest)
        check_function(client, outputs, b"before")
        consumer = client.subscribe(TOPIC, "keep", receiver_queue_size=10)
        filling = Filling(client, "first")

        told = filling.fill()
        assert isinstance(told, pulsar.ProducerBlockedQuotaExceededException), repr(told)
        assert len(filling.confirmed) * SIZE > 40e6, "most of the disk is used"
        assert (
            "the message could not be stored: no room on the disk for the data directory "
            f"{disk.path / 'store'}: free some, or consume and acknowledge what is stored"
        ) in Path(client_log).read_text()
        told_too = produce_by_command_line(broker)
        assert told_too.returncode == 1
        assert f"no room on the disk of the broker for the data directory {disk.path}" in told_too.stderr
        assert "free some" in told_too.stderr

        # Consumers go on, also over a restart; when all is consumed, there is room.
        half = len(filling.confirmed) // 2
        receive(consumer, filling.confirmed[:half])
        client.close()  # sends the acks that it has gathered
        broker.restart()
        client = pulsar.Client(broker.address.service_url, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error))
        consumer = client.subscribe(TOPIC, "keep", receiver_queue_size=10)
        receive(consumer, filling.confirmed[half:], earlier=filling.confirmed[:half])
        again = Filling(client, "again")
        again.wait_until_healed()
        outputs = client.subscribe("copy-out", "test", initial_position=pulsar.InitialPosition.Earliest)
        check_function(client, outputs, b"drained")

        # Once more, and room comes from outside; the producer is the same one all the time.
        assert isinstance(again.fill(), pulsar.ProducerBlockedQuotaExceededException)
        disk.resize(128)
        again.wait_until_healed()
        check_function(client, outputs, b"resized")
        receive(consumer, again.confirmed, earlier=filling.confirmed)
        client.close()
        log = broker.log.read_text()
    assert log.count(ROOM_AGAIN) >= 2, log[-5000:]
    assert 2 <= log.count(FULL) <= 4, "a line for each time that it fills up, one more at most after a restart"
    assert log.count("\n") < 200, f"not a line for each message:\n{log[-5000:]}"
