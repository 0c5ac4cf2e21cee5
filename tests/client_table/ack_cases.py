"""What is acked, what comes again, when, and how often."""

import time

from client_table.face import Cell
from client_table.registry import BATCHING, case, numbered, payloads

KINDS = ("exclusive", "shared", "failover", "key_shared")


@case(kind=KINDS)
def acked_stay_away(c: Cell, kind: str) -> None:
    consumer = c.consumer(kind=kind)
    c.producer(batching=False).send_all(numbered(10))
    consumer.ack(*[m for n, m in enumerate(consumer.receive(10)) if n % 2 == 0])
    consumer.close()
    again = c.consumer(kind=kind)
    assert payloads(again.receive(5)) == numbered(10)[1::2]
    again.expect_nothing()


@case(kind=("exclusive", "failover"), batching=BATCHING)
def cumulative_ack(c: Cell, kind: str, batching: str) -> None:
    consumer = c.consumer(kind=kind, batch_index_ack=True)
    c.producer(batching=batching == "batched").send_all(numbered(10))
    consumer.ack_cumulative(consumer.receive(10)[5])
    consumer.close()
    again = c.consumer(kind=kind, batch_index_ack=True)
    assert payloads(again.receive(4)) == numbered(4, start=6)
    again.expect_nothing()


@case()
def cumulative_ack_is_refused_on_shared(c: Cell) -> None:
    consumer = c.consumer(kind="shared")
    c.producer().send(b"x")
    (message,) = consumer.receive(1)
    with c.refused("not_cumulative"):
        consumer.ack_cumulative(message)


@case(kind=("exclusive", "shared"))
def batch_index_ack(c: Cell, kind: str) -> None:
    acked = (0, 1, 7, 63, 64, 98)
    consumer = c.consumer(kind=kind, batch_index_ack=True)
    assert len({i.entry for i in c.producer().send_all(numbered(100))}) == 1
    messages = consumer.receive(100)
    consumer.ack(*[messages[n] for n in acked])
    consumer.close()
    again = c.consumer(kind=kind, batch_index_ack=True)
    assert payloads(again.receive(94)) == [p for n, p in enumerate(numbered(100)) if n not in acked]
    again.expect_nothing()


@case(kind=("exclusive", "shared", "failover"), batching=BATCHING)
def negative_ack(c: Cell, kind: str, batching: str) -> None:
    consumer = c.consumer(kind=kind, nack_ms=200)
    c.producer(batching=batching == "batched").send_all(numbered(5))
    consumer.nack(*consumer.receive(5))
    again = consumer.receive(5, ack=True)
    # A client whose timer ticks between two of the refusals asks twice; what is not acked by then comes once more.
    if more := consumer.receive_some(5, 400):
        consumer.ack(*more)
    again += more
    assert sorted({message.payload for message in again}) == numbered(5)
    if kind == "shared":
        counts = {message.redelivery for message in again}
        assert counts == {1} or (len(again) > 5 and counts == {1, 2})
    consumer.expect_nothing()


@case()
def redelivery_count_counts(c: Cell) -> None:
    consumer = c.consumer(kind="shared", nack_ms=100)
    c.producer(batching=False).send(b"x")
    for expected in range(4):
        (message,) = consumer.receive(1)
        assert message.redelivery == expected
        consumer.nack(message)


@case(kind=("exclusive", "shared"), slow=True)
def ack_timeout(c: Cell, kind: str) -> None:
    consumer = c.consumer(kind=kind, ack_timeout_ms=2000)
    c.producer(batching=False).send_all(numbered(4))
    messages = consumer.receive(4)
    consumer.ack(messages[0], messages[1])
    assert sorted(payloads(consumer.receive(2, ack=True))) == numbered(2, start=2)
    consumer.expect_nothing()


def dead_letter(c: Cell, batching: bool) -> None:
    dead = c.topic_named("-dead")
    letters = c.consumer(dead)
    consumer = c.consumer(
        kind="shared", nack_ms=100, batch_index_ack=True, dead_letter={"max": 2, "topic": dead}
    )
    c.producer(batching=batching).send_all([b"good", b"bad"])
    seen = 0
    until = time.monotonic() + 60
    while not (letter := letters.receive_some(1, 50)):
        assert time.monotonic() < until, f"no dead letter after {seen} deliveries"
        for message in consumer.receive_some(2, 200):
            if message.payload == b"good":
                consumer.ack(message)
            else:
                seen += 1
                consumer.nack(message)
    assert payloads(letter) == [b"bad"]
    assert seen >= 3, seen
    consumer.expect_nothing()


@case()
def dead_letter_of_a_single_message(c: Cell) -> None:
    dead_letter(c, batching=False)


@case(not_for={"python": "a dead letter takes the acked messages of its batch along"})
def dead_letter_of_a_batch(c: Cell) -> None:
    dead_letter(c, batching=True)


@case()
def dead_letter_subscription_is_made(c: Cell) -> None:
    dead = c.topic_named("-dead")
    consumer = c.consumer(
        kind="shared", nack_ms=100, dead_letter={"max": 1, "topic": dead, "subscription": "undertaker"}
    )
    c.producer(batching=False).send(b"bad")
    for _ in range(2):
        consumer.nack(*consumer.receive(1))
    # The client makes the dead letter's subscription with its producer, before it sends.
    assert not consumer.receive_some(1, 3000)
    assert payloads(c.consumer(dead, sub="undertaker", position="latest").receive(1)) == [b"bad"]


@case(kind=("exclusive", "shared"))
def redeliver_everything_unacked(c: Cell, kind: str) -> None:
    consumer = c.consumer(kind=kind)
    c.producer(batching=False).send_all(numbered(6))
    consumer.ack(*consumer.receive(6)[:2])
    consumer.redeliver()
    wanted, seen = set(numbered(4, start=2)), set()
    while not wanted <= seen:  # acks may be on their way still, so acked ones may come again too
        seen.add(consumer.receive(1)[0].payload)
    assert seen <= set(numbered(6))


@case()
def delayed_message(c: Cell) -> None:
    consumer = c.consumer(kind="shared")
    begin = time.monotonic()
    c.producer(batching=False).send_all([{"payload": b"late", "deliver_after_ms": 3000}, {"payload": b"now"}])
    assert payloads(consumer.receive(2)) == [b"now", b"late"]
    assert time.monotonic() - begin >= 2.0  # Pulsar keeps times by whole ticks of a second


@case(slow=True)
def delayed_messages_come_by_their_time(c: Cell) -> None:
    consumer = c.consumer(kind="shared")
    c.producer(batching=False).send_all(
        [
            {"payload": b"third", "deliver_after_ms": 9000},
            {"payload": b"second", "deliver_after_ms": 2000},
            {"payload": b"first"},
        ]
    )
    assert payloads(consumer.receive(3)) == [b"first", b"second", b"third"]


@case()
def delay_means_nothing_to_exclusive(c: Cell) -> None:
    consumer = c.consumer(kind="exclusive")
    c.producer(batching=False).send(b"late", deliver_after_ms=600_000)
    assert payloads(consumer.receive(1)) == [b"late"]
