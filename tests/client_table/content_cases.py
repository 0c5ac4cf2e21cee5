"""What a message carries, and what its producer is told."""

import os
import time

from client_table.face import Cell
from client_table.registry import BATCHING, case, numbered, payloads

CODECS = ("none", "lz4", "zlib", "zstd", "snappy")


@case(codec=CODECS, batching=BATCHING)
def codec_round_trip(c: Cell, codec: str, batching: str) -> None:
    sent = [(b"%d " % n) * (1 + n % 50) for n in range(200)]
    c.producer(compression=codec, batching=batching == "batched", batch_max=50).send_all(sent)
    received = c.consumer().receive(200)
    assert payloads(received) == sent
    batches = {message.id.batch for message in received}
    # The Go client says 0 where there is no batch.
    assert batches == set(range(50)) if batching == "batched" else batches <= {-1, 0}, batches


@case(batching=BATCHING)
def message_metadata(c: Cell, batching: str) -> None:
    producer = c.producer(batching=batching == "batched")
    before = int(time.time() * 1000)
    producer.send_all(
        {
            "payload": b"%d" % n,
            "key": f"key-{n % 3}",
            "ordering_key": f"order-{n}",
            "properties": {"n": str(n), "umlaut": "grün", "empty": ""},
            "event_time": 1000 + n,
        }
        for n in range(10)
    )
    for n, message in enumerate(c.consumer().receive(10)):
        assert message.payload == b"%d" % n
        assert message.key == f"key-{n % 3}"
        assert message.ordering_key == f"order-{n}"
        assert message.properties == {"n": str(n), "umlaut": "grün", "empty": ""}
        assert message.event_time == 1000 + n
        assert before - 1000 <= message.publish_time <= time.time() * 1000 + 1000
        assert message.producer == producer.name
        assert message.redelivery == 0
        assert message.topic == c.topic


@case(batching=BATCHING)
def bare_message(c: Cell, batching: str) -> None:
    c.producer(batching=batching == "batched").send_all([b"x", b"y"])
    for message in c.consumer().receive(2):
        assert (message.key, message.ordering_key, message.properties, message.event_time) == (None, None, {}, 0)


@case(batching=BATCHING)
def empty_payload(c: Cell, batching: str) -> None:
    c.producer(batching=batching == "batched").send_all([b"", b"x", b""])
    assert payloads(c.consumer().receive(3)) == [b"", b"x", b""]


@case(codec=("none", "lz4"))
def five_megabytes(c: Cell, codec: str) -> None:
    payload = os.urandom(5_000_000)
    c.producer(batching=False, compression=codec).send_all([payload, b"after"])
    assert payloads(c.consumer().receive(2)) == [payload, b"after"]


@case()
def over_the_limit_is_refused(c: Cell) -> None:
    producer = c.producer(batching=False)
    with c.refused("too_large"):
        producer.send(os.urandom(6_000_000))
    producer.send(b"small")
    assert payloads(c.consumer().receive(1)) == [b"small"]


@case(codec=("none", "lz4"))
def chunked_message(c: Cell, codec: str) -> None:
    payload = os.urandom(12_000_000)
    producer = c.producer(batching=False, chunking=True, compression=codec)
    producer.send(payload, key="k", properties={"a": "b"})
    producer.send(b"after")
    consumer = c.consumer()
    first, second = consumer.receive(2)
    assert first.payload == payload and (first.key, first.properties) == ("k", {"a": "b"})
    assert second.payload == b"after"
    consumer.ack(first, second)
    consumer.close()
    c.consumer().expect_nothing()


@case(batching=BATCHING)
def many_at_once_keep_order(c: Cell, batching: str) -> None:
    number = 3000
    consumer = c.consumer()
    c.producer(batching=batching == "batched").send_all(numbered(number))
    assert payloads(consumer.receive(number)) == numbered(number)


@case()
def batches_of_large_messages(c: Cell) -> None:
    sent = [os.urandom(100_000) for _ in range(20)]
    c.producer(batching=True, compression="lz4").send_all(sent)
    assert payloads(c.consumer().receive(20)) == sent


@case()
def receipts_of_single_messages(c: Cell) -> None:
    ids = c.producer(batching=False).send_all(numbered(5))
    assert all(a.position < b.position for a, b in zip(ids, ids[1:], strict=False))
    assert [i.position[:2] for i in ids] == [m.id.position[:2] for m in c.consumer().receive(5)]


@case()
def receipts_of_a_batch(c: Cell) -> None:
    ids = c.producer(batching=True).send_all(numbered(5))
    assert [i.batch for i in ids] == list(range(5))
    assert len({i.position[:2] for i in ids}) == 1
    assert [i.position for i in ids] == [m.id.position for m in c.consumer().receive(5)]


@case()
def producer_name_is_unique(c: Cell) -> None:
    first = c.producer(name="the-one")
    assert first.name == "the-one"
    with c.refused("producer_busy"):
        c.producer(name="the-one")
    first.close()
    c.producer(name="the-one").send(b"x")
    assert c.consumer().receive(1)[0].producer == "the-one"


@case()
def producer_names_are_given(c: Cell) -> None:
    names = {c.producer().name for _ in range(3)}
    assert len(names) == 3 and all(names)


@case()
def sequence_ids_count_up(c: Cell) -> None:
    producer = c.producer(batching=False, name="counting")
    producer.send_all(numbered(3))
    assert producer.last_sequence_id() == 2


@case()
def sequence_ids_of_the_sender(c: Cell) -> None:
    producer = c.producer(batching=False, name="counting")
    producer.send(b"a", sequence_id=10)
    producer.send(b"b", sequence_id=25)
    assert producer.last_sequence_id() == 25
    assert payloads(c.consumer().receive(2)) == [b"a", b"b"]


@case()
def initial_sequence_id(c: Cell) -> None:
    producer = c.producer(batching=False, name="counting", initial_sequence_id=41)
    producer.send(b"a")
    assert producer.last_sequence_id() == 42


@case()
def exclusive_producer_keeps_others_out(c: Cell) -> None:
    first = c.producer(access="exclusive")
    with c.refused("producer_busy"):
        c.producer()
    with c.refused("producer_fenced"):
        c.producer(access="exclusive")
    first.send(b"x")
    first.close()
    c.producer().send(b"y")
    assert payloads(c.consumer().receive(2)) == [b"x", b"y"]


@case()
def exclusive_producer_is_refused_beside_another(c: Cell) -> None:
    shared = c.producer()
    with c.refused("producer_fenced"):
        c.producer(access="exclusive")
    shared.send(b"x")


@case()
def producer_waits_for_its_turn(c: Cell) -> None:
    first = c.producer(access="exclusive")
    waiting = c.later(lambda: c.producer(access="wait"))
    first.send(b"first")
    assert not waiting.done()
    first.close()
    waiting.result(60).send(b"second")
    assert payloads(c.consumer().receive(2)) == [b"first", b"second"]


@case(alone=True)  # Pulsar closes the whole connection that the late message came on
def fencing_producer_throws_others_out(c: Cell) -> None:
    first = c.producer(access="exclusive")
    first.send(b"first")
    second = c.producer(access="fencing")
    second.send(b"second")
    for _ in range(2):  # for good
        with c.refused("producer_thrown_out"):
            first.send(b"late")
    second.send(b"third")
    with c.refused("producer_fenced"):
        c.producer(access="exclusive")
    assert payloads(c.consumer().receive(3)) == [b"first", b"second", b"third"]
