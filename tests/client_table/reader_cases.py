"""Readers, seeks, and where a topic ends."""

import time

from client_table.face import Cell
from client_table.registry import BATCHING, case, numbered, payloads


@case(batching=BATCHING)
def reader_from_earliest(c: Cell, batching: str) -> None:
    c.producer(batching=batching == "batched").send_all(numbered(10))
    assert c.reader("earliest").read_to_end(10) == numbered(10)


@case(batching=BATCHING)
def reader_from_an_id(c: Cell, batching: str) -> None:
    ids = c.producer(batching=batching == "batched").send_all(numbered(10))
    assert c.reader(ids[6]).read_to_end(3) == numbered(3, start=7)


@case(batching=BATCHING)
def reader_from_an_id_inclusive(c: Cell, batching: str) -> None:
    ids = c.producer(batching=batching == "batched").send_all(numbered(10))
    assert c.reader(ids[6], inclusive=True).read_to_end(4) == numbered(4, start=6)


@case()
def reader_from_latest(c: Cell) -> None:
    producer = c.producer()
    producer.send(b"old")
    reader = c.reader("latest")
    assert not reader.available()
    producer.send(b"new")
    assert payloads(reader.receive(1)) == [b"new"]
    assert not reader.available()


@case()
def reader_of_an_empty_topic(c: Cell) -> None:
    producer = c.producer()
    reader = c.reader("earliest")
    assert not reader.available()
    producer.send(b"x")
    assert reader.available()
    assert reader.read_to_end(1) == [b"x"]


@case(batching=BATCHING)
def reader_seeks_to_an_id(c: Cell, batching: str) -> None:
    ids = c.producer(batching=batching == "batched").send_all(numbered(10))
    reader = c.reader("earliest")
    assert reader.read_to_end(10) == numbered(10)
    reader.seek(ids[3])
    assert payloads(reader.receive(6)) == numbered(6, start=4)
    reader.seek("earliest")
    assert payloads(reader.receive(10)) == numbered(10)


@case()
def reader_seeks_to_a_time(c: Cell) -> None:
    producer = c.producer(batching=False)
    producer.send_all(numbered(3))
    reader = c.reader("earliest")
    between = reader.receive(3)[-1].publish_time + 1
    while time.time() * 1000 <= between + 1:
        pass
    producer.send_all(numbered(3, start=3))
    reader.receive(3)
    reader.seek_time(between)
    assert payloads(reader.receive(3)) == numbered(3, start=3)


@case()
def reader_leaves_no_subscription(c: Cell) -> None:
    c.producer().send(b"x")
    reader = c.reader("earliest")
    reader.receive(1)
    reader.close()
    assert c.admin("GET", f"{c.rest_name()}/subscriptions") == []


@case()
def two_readers_do_not_meet(c: Cell) -> None:
    c.producer().send_all(numbered(5))
    readers = [c.reader("earliest") for _ in range(2)]
    assert [reader.read_to_end(5) for reader in readers] == [numbered(5)] * 2


@case(batching=BATCHING)
def seek_to_an_id(c: Cell, batching: str) -> None:
    consumer = c.consumer()
    c.producer(batching=batching == "batched").send_all(numbered(6))
    messages = consumer.receive(6, ack=True)
    consumer.seek(messages[2].id)
    assert payloads(consumer.receive(3)) == numbered(3, start=3)  # behind the one that was named


@case(kind=("exclusive", "shared"))
def seek_to_earliest(c: Cell, kind: str) -> None:
    consumer = c.consumer(kind=kind)
    c.producer(batching=False).send_all(numbered(5))
    consumer.receive(5, ack=True)
    consumer.seek("earliest")
    assert payloads(consumer.receive(5)) == numbered(5)


@case()
def seek_to_latest(c: Cell) -> None:
    consumer = c.consumer()
    producer = c.producer(batching=False)
    producer.send_all(numbered(5))
    consumer.receive(1)
    consumer.seek("latest")
    producer.send(b"new")
    assert payloads(consumer.receive(1)) == [b"new"]


@case()
def seek_to_a_time(c: Cell) -> None:
    consumer = c.consumer()
    producer = c.producer(batching=False)
    producer.send_all(numbered(3))
    between = consumer.receive(3, ack=True)[-1].publish_time + 1
    while time.time() * 1000 <= between + 1:
        pass
    producer.send_all(numbered(3, start=3))
    consumer.receive(3, ack=True)
    consumer.seek_time(between)
    assert payloads(consumer.receive(3, ack=True)) == numbered(3, start=3)
    consumer.seek_time(between - 60_000)
    assert payloads(consumer.receive(6, ack=True)) == numbered(6)


@case()
def seek_to_the_future(c: Cell) -> None:
    consumer = c.consumer()
    producer = c.producer(batching=False)
    producer.send_all(numbered(3))
    consumer.receive(3)
    consumer.seek_time(int(time.time() * 1000) + 3_600_000)
    producer.send(b"new")
    assert payloads(consumer.receive(1)) == [b"new"]


@case(batching=BATCHING)
def last_message_id(c: Cell, batching: str) -> None:
    consumer = c.consumer()
    last = c.producer(batching=batching == "batched").send_all(numbered(4))[-1]
    found = consumer.last_id()
    assert found.position[:2] == last.position[:2]
    if batching == "batched":
        assert found.batch == 3
