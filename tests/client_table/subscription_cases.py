"""Who gets what: Exclusive, Shared, Failover, Key_Shared, and the ends of subscriptions."""

import time
from collections import defaultdict

from client_table.face import RECEIVE_MS, Cell, Message, Source
from client_table.registry import BATCHING, case, numbered, payloads


def receive_from_all(consumers: list[Source], number: int) -> list[list[Message]]:
    """What each gets, acked, until so many have come together."""
    got: list[list[Message]] = [[] for _ in consumers]
    until = time.monotonic() + RECEIVE_MS / 1000
    while sum(map(len, got)) < number and time.monotonic() < until:
        for consumer, into in zip(consumers, got, strict=True):
            some = consumer.receive_some(number, 100)
            if some:
                consumer.ack(*some)
            into.extend(some)
    assert sum(map(len, got)) == number, f"{[len(each) for each in got]} of {number} came"
    return got


@case()
def exclusive_refuses_a_second(c: Cell) -> None:
    first = c.consumer()
    with c.refused("subscription_busy"):
        c.consumer()
    c.producer().send(b"x")
    assert payloads(first.receive(1)) == [b"x"]


@case()
def another_type_is_refused(c: Cell) -> None:
    c.consumer(kind="shared")
    with c.refused("subscription_busy"):
        c.consumer(kind="failover")


@case(batching=BATCHING)
def shared_divides(c: Cell, batching: str) -> None:
    consumers = [c.consumer(kind="shared", queue=10) for _ in range(2)]
    c.producer(batching=batching == "batched", batch_max=5).send_all(numbered(200))
    got = receive_from_all(consumers, 200)
    assert sorted(payloads(got[0] + got[1])) == sorted(numbered(200))
    assert got[0] and got[1]


@case()
def shared_gives_a_leavers_messages_to_others(c: Cell) -> None:
    leaver = c.consumer(kind="shared")
    c.producer(batching=False).send_all(numbered(20))
    leaver.receive(5)
    stayer = c.consumer(kind="shared")
    leaver.close()
    assert sorted(payloads(stayer.receive(20))) == sorted(numbered(20))


@case(batching=BATCHING)
def failover_keeps_order_and_hands_over(c: Cell, batching: str) -> None:
    consumers = [c.consumer(kind="failover", name=name) for name in "ab"]
    producer = c.producer(batching=batching == "batched")
    producer.send_all(numbered(10))
    first = consumers[0].receive_some(1, 2500)
    active, standby = consumers if first else consumers[::-1]  # the broker chooses
    taken = [*first, *active.receive(10 - len(first))]
    assert payloads(taken) == numbered(10)
    active.ack(*(taken if batching == "batched" else taken[:4]))
    standby.expect_nothing()
    active.close()
    producer.send_all(numbered(5, start=10))
    rest = numbered(5, start=10) if batching == "batched" else numbered(11, start=4)
    assert payloads(standby.receive(len(rest))) == rest


def by_key(got: list[list[Message]], ordering: bool = False) -> dict[str, set[int]]:
    owners: dict[str, set[int]] = defaultdict(set)
    for consumer, messages in enumerate(got):
        for message in messages:
            owners[str(message.ordering_key if ordering else message.key)].add(consumer)
    return owners


def assert_in_order(messages: list[Message]) -> None:
    last: dict[str | None, int] = {}
    for message in messages:
        number = int(message.payload)
        assert number > last.get(message.key, -1), f"{message.key}: {number} after {last[message.key]}"
        last[message.key] = number


def keyed(number: int, keys: int, start: int = 0) -> list[dict[str, object]]:
    return [{"payload": b"%d" % n, "key": f"key-{n % keys}"} for n in range(start, start + number)]


@case(batching=("by_key", "single"))
def key_shared_keeps_a_key_on_one_consumer(c: Cell, batching: str) -> None:
    consumers = [c.consumer(kind="key_shared") for _ in range(3)]
    c.producer(batching=batching == "by_key", batch_by_key=batching == "by_key").send_all(keyed(300, 30))
    got = receive_from_all(consumers, 300)
    assert all(len(owners) == 1 for owners in by_key(got).values())
    assert all(got), [len(each) for each in got]
    for messages in got:
        assert_in_order(messages)


@case()
def key_shared_prefers_the_ordering_key(c: Cell) -> None:
    consumers = [c.consumer(kind="key_shared") for _ in range(3)]
    c.producer(batching=False).send_all(
        {"payload": b"%d" % n, "key": f"key-{n}", "ordering_key": f"order-{n % 20}"} for n in range(200)
    )
    got = receive_from_all(consumers, 200)
    assert all(len(owners) == 1 for owners in by_key(got, ordering=True).values())


@case()
def key_shared_gives_a_leavers_keys_to_others(c: Cell) -> None:
    leaver, stayer = (c.consumer(kind="key_shared", queue=50) for _ in range(2))
    producer = c.producer(batching=False)
    producer.send_all(keyed(100, 20))
    leaver.receive(1)
    leaver.close()
    producer.send_all(keyed(20, 20, start=100))
    (got,) = receive_from_all([stayer], 120)
    assert {int(message.payload) for message in got} == set(range(120))
    assert_in_order(got)


@case()
def key_shared_order_holds_while_one_joins(c: Cell) -> None:
    first = c.consumer(kind="key_shared")
    producer = c.producer(batching=False)
    producer.send_all(keyed(50, 10))
    early = first.receive(50)
    second = c.consumer(kind="key_shared")
    producer.send_all(keyed(50, 10, start=50))
    second_early = second.receive_some(1, 300)
    assert not {m.key for m in second_early} & {m.key for m in early}, "a key moved while its messages were out"
    first.ack(*early)
    second.ack(*second_early) if second_early else None
    got = receive_from_all([first, second], 50 - len(second_early))
    assert got[1] or second_early, "the one who joined got no key"
    for messages in got:
        assert_in_order(messages)


@case()
def earliest_begins_at_the_start(c: Cell) -> None:
    producer = c.producer()
    producer.send(b"old")
    consumer = c.consumer(position="earliest")
    producer.send(b"new")
    assert payloads(consumer.receive(2)) == [b"old", b"new"]


@case()
def latest_begins_behind_what_is_there(c: Cell) -> None:
    producer = c.producer()
    producer.send(b"old")
    consumer = c.consumer(position="latest")
    producer.send(b"new")
    assert payloads(consumer.receive(1)) == [b"new"]


@case()
def each_subscription_gets_everything(c: Cell) -> None:
    consumers = [c.consumer(sub=f"sub-{n}") for n in range(3)]
    c.producer().send_all(numbered(20))
    assert [payloads(each.receive(20)) for each in consumers] == [numbered(20)] * 3


@case()
def subscription_waits_for_its_consumer(c: Cell) -> None:
    c.consumer().close()
    c.producer().send_all(numbered(5))
    assert payloads(c.consumer(position="latest").receive(5)) == numbered(5)


@case()
def unsubscribe_forgets(c: Cell) -> None:
    consumer = c.consumer()
    c.producer().send_all(numbered(3))
    consumer.receive(3, ack=True)
    consumer.unsubscribe()
    assert c.admin("GET", f"{c.rest_name()}/subscriptions") == []
    assert payloads(c.consumer().receive(3)) == numbered(3)


@case()
def small_queue(c: Cell) -> None:
    c.producer(batching=False).send_all(numbered(300))
    assert payloads(c.consumer(queue=3).receive(300)) == numbered(300)


@case(kind=("exclusive", "shared"))
def small_queue_and_large_batches(c: Cell, kind: str) -> None:
    c.producer(batch_max=50).send_all(numbered(300))
    consumer = c.consumer(kind=kind, queue=3)
    assert payloads(consumer.receive(300, ack=True)) == numbered(300)
    consumer.expect_nothing()
