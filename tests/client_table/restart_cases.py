"""What goes on after the broker was stopped and started again, or has let go of the topic."""

import time
from collections.abc import Callable
from threading import Event

from client_table.face import Cell, Unsupported
from client_table.registry import BATCHING, ONLY_ON_PULSAR, case, numbered, payloads

LATE_MS = 90_000  # clients come back with back-off
UNLOADS = 20


def topic_for_exactly_once(c: Cell) -> str:
    """Pulsar needs deduplication for it. Weft confirms what it has taken before it lets go."""
    if c.broker == "pulsar" and c.client != "ours":
        raise Unsupported(f"{ONLY_ON_PULSAR} stored once through moves hangs on each client's send timeout")
    namespace = f"public/once-{c.base}"
    c.admin("PUT", f"namespaces/{namespace}")
    if c.broker == "pulsar":
        c.admin("POST", f"namespaces/{namespace}/deduplication", True)
    return f"persistent://{namespace}/t"


def send_while(c: Cell, topic: str, trouble: Callable[[], None]) -> list[bytes]:
    """Sends during `trouble`, and some more; what was sent, in order."""
    producer = c.producer(topic, batching=False)
    ended = Event()

    def send() -> int:
        sent = 0
        while True:
            last = ended.is_set()
            producer.send_all(numbered(20, start=sent))
            sent += 20
            if last:
                return sent
            ended.wait(0.01)  # a few thousand a second are enough

    sending = c.later(send)
    try:
        trouble()
    finally:
        ended.set()
    return numbered(sending.result(LATE_MS / 1000))


def wait_until_back(c: Cell, topic: str) -> None:
    """Until the producer is back. Go's client misses a CLOSE_CONSUMER that comes before it has noted the answer to its
    SUBSCRIBE, and never comes back then; when it asks for messages it has noted it."""

    def is_back() -> bool:
        try:
            stats = c.admin("GET", f"{c.rest_name(topic)}/stats")
        except AssertionError:
            return False  # to Pulsar there is no such topic until someone has come back
        if c.client != "go":
            return bool(stats["publishers"])
        consumers = [each for found in stats["subscriptions"].values() for each in found["consumers"]]
        asks = any(each["availablePermits"] + each["unackedMessages"] > 0 for each in consumers)
        return bool(stats["publishers"]) and asks

    until = time.monotonic() + LATE_MS / 1000
    while not is_back():
        assert time.monotonic() < until, "the client did not come back"
        time.sleep(0.02)  # between two questions


@case()
def unloads_lose_and_double_nothing(c: Cell) -> None:
    topic = topic_for_exactly_once(c)
    consumer = c.consumer(topic)

    def unload() -> None:
        for _ in range(UNLOADS):
            c.admin("PUT", f"{c.rest_name(topic)}/unload")
            wait_until_back(c, topic)

    sent = send_while(c, topic, unload)
    reader = c.reader("earliest", topic)
    if c.client == "go":  # sends some twice while it comes back; the broker has no deduplication to see it
        found: dict[bytes, None] = {}
        while len(found) < len(sent):
            found[reader.receive(1, timeout_ms=LATE_MS)[0].payload] = None
        assert list(found) == sent
    else:
        assert payloads(reader.receive(len(sent), timeout_ms=LATE_MS)) == sent
    seen: set[bytes] = set()
    while seen != set(sent):  # acks that were under way are lost, messages not
        seen.add(consumer.receive(1, ack=True, timeout_ms=LATE_MS)[0].payload)


@case(restarts=True)
def sends_through_a_restart_are_stored_once(c: Cell) -> None:
    topic = topic_for_exactly_once(c)
    c.consumer(topic)  # a subscription, for which all of it is kept
    sent = send_while(c, topic, c.restart_broker)
    reader = c.reader("earliest", topic)
    assert payloads(reader.receive(len(sent), timeout_ms=LATE_MS)) == sent
    reader.expect_nothing()


@case(batching=BATCHING, restarts=True)
def producer_goes_on_after_a_restart(c: Cell, batching: str) -> None:
    producer = c.producer(batching=batching == "batched")
    producer.send_all(numbered(20))
    c.restart_broker()
    producer.send_all(numbered(20, start=20))
    assert payloads(c.reader("earliest").receive(40)) == numbered(40)


@case(kind=("exclusive", "shared", "failover", "key_shared"), restarts=True)
def consumer_goes_on_after_a_restart(c: Cell, kind: str) -> None:
    consumer = c.consumer(kind=kind)
    producer = c.producer(batching=False)
    producer.send_all(numbered(20))
    consumer.receive(10, ack=True)
    c.restart_broker()
    producer.send_all(numbered(20, start=20))
    wanted, seen = set(numbered(30, start=10)), set()
    while not wanted <= seen:  # acks in flight at the stop may be lost, messages not
        (message,) = consumer.receive(1, timeout_ms=LATE_MS)
        consumer.ack(message)
        seen.add(message.payload)
    assert seen <= set(numbered(40))


@case(restarts=True)
def reader_goes_on_after_a_restart(c: Cell) -> None:
    producer = c.producer(batching=False)
    producer.send_all(numbered(5))
    reader = c.reader("earliest")
    assert payloads(reader.receive(5)) == numbered(5)
    c.restart_broker()
    producer.send_all(numbered(5, start=5))
    assert payloads(reader.receive(5, timeout_ms=LATE_MS)) == numbered(5, start=5)


@case(restarts=True, not_for={"go": "a reader loses a message of its queue when it comes back"})
def reader_with_a_full_queue_goes_on_after_a_restart(c: Cell) -> None:
    producer = c.producer(batching=False)
    producer.send_all(numbered(20))
    reader = c.reader("earliest")
    seen = set(payloads(reader.receive(5)))
    c.restart_broker()
    producer.send_all(numbered(5, start=20))
    while seen != set(numbered(25)):
        seen.add(reader.receive(1, timeout_ms=LATE_MS)[0].payload)


@case(restarts=True)
def partitions_go_on_after_a_restart(c: Cell) -> None:
    c.make_partitioned(3)
    consumer = c.consumer()
    producer = c.producer(batching=False)
    producer.send_all(numbered(12))
    consumer.receive(12)
    c.restart_broker()
    producer.send_all(numbered(12, start=12))
    seen: set[bytes] = set()
    while seen != set(numbered(24)):
        seen.add(consumer.receive(1, ack=True, timeout_ms=LATE_MS)[0].payload)


@case(restarts=True)
def schema_survives_a_restart(c: Cell) -> None:
    schema = {"type": "STRING"}
    c.producer(schema=schema).send(value="before")
    c.restart_broker()
    consumer = c.consumer(schema=schema)
    c.producer(schema=schema).send(value="after")
    assert [message.value for message in consumer.receive(2)] == ["before", "after"]
    assert c.admin("GET", f"schemas/public/default/{c.base}/schema")["version"] == 0
