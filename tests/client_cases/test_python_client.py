"""PyPI's pulsar-client, unchanged, against a broker: what an application relies on.

The same cases pass on Apache Pulsar 4.0.8 (`pytest --broker pulsar`), which says that they ask for nothing
else.
"""

import os
import time
from collections.abc import Iterable

import pulsar
import pytest
from pulsar import CompressionType, ConsumerType, InitialPosition, MessageId
from pulsar.schema import Integer, JsonSchema, Record, String, StringSchema

from harness.broker import Broker

RECEIVE_MS = 15_000
COMPRESSIONS = {
    "none": CompressionType.NONE,
    "lz4": CompressionType.LZ4,
    "zlib": CompressionType.ZLib,
    "zstd": CompressionType.ZSTD,
    "snappy": CompressionType.SNAPPY,
}
BATCHING = {"batched": True, "single": False}


def subscribe(
    client: pulsar.Client,
    topic: str,
    kind: ConsumerType = ConsumerType.Exclusive,
    subscription: str = "sub",
    **options: object,
) -> pulsar.Consumer:
    return client.subscribe(
        topic, subscription, consumer_type=kind, initial_position=InitialPosition.Earliest, **options
    )


def produce(
    client: pulsar.Client, topic: str, payloads: Iterable[bytes], batched: bool = True, **options: object
) -> list[MessageId]:
    """Sends without waiting in between, then waits; with batching on, all of it in one batch where it
    fits."""
    producer = client.create_producer(
        topic,
        batching_enabled=batched,
        batching_max_publish_delay_ms=1000,
        block_if_queue_full=True,
        **options,
    )
    ids: list[MessageId] = []
    failures: list[object] = []

    def stored(result: object, message_id: MessageId) -> None:
        (ids if result == pulsar.Result.Ok else failures).append(
            message_id if result == pulsar.Result.Ok else result
        )

    for payload in payloads:
        producer.send_async(payload, stored)
    producer.flush()
    producer.close()
    assert not failures
    return ids


def receive(consumer: pulsar.Consumer, count: int, ack: bool = True) -> list[pulsar.Message]:
    messages = []
    for _ in range(count):
        messages.append(consumer.receive(RECEIVE_MS))
        if ack:
            consumer.acknowledge(messages[-1])
    return messages


def data(messages: Iterable[pulsar.Message]) -> list[bytes]:
    return [message.data() for message in messages]


def position(message_id: MessageId) -> tuple[int, int, int]:
    return message_id.ledger_id(), message_id.entry_id(), message_id.batch_index()


def numbered(count: int, start: int = 0) -> list[bytes]:
    return [b"message-%d" % n for n in range(start, start + count)]


def drain(consumer: pulsar.Consumer, milliseconds: int = 200) -> list[bytes]:
    """Receives and acks until nothing has come for so long."""
    found = []
    while True:
        try:
            message = consumer.receive(milliseconds)
        except pulsar.Timeout:
            return found
        consumer.acknowledge(message)
        found.append(message.data())


def receive_if_any(consumer: pulsar.Consumer, milliseconds: int = 2000) -> list[pulsar.Message]:
    try:
        return [consumer.receive(milliseconds)]
    except pulsar.Timeout:
        return []


def expect_nothing(consumer: pulsar.Consumer, milliseconds: int = 300) -> None:
    with pytest.raises(pulsar.Timeout):
        consumer.receive(milliseconds)


# --- what a message carries --------------------------------------------------------------------------------


@pytest.mark.parametrize("batched", BATCHING.values(), ids=BATCHING)
@pytest.mark.parametrize("compression", COMPRESSIONS.values(), ids=COMPRESSIONS)
def test_message_arrives_as_it_was_sent(
    client: pulsar.Client, topic: str, compression: CompressionType, batched: bool
) -> None:
    count = 300
    producer = client.create_producer(
        topic,
        compression_type=compression,
        batching_enabled=batched,
        batching_max_messages=100,
        properties={"origin": "case"},
    )
    payloads = [(b"%d " % n) * (1 + n % 50) for n in range(count)]
    before = int(time.time() * 1000)
    for n, payload in enumerate(payloads):
        producer.send_async(
            payload,
            None,
            properties={"n": str(n), "umlaut": "grün"},
            partition_key=f"key-{n % 7}",
            ordering_key=f"order-{n % 3}",
            event_timestamp=1000 + n,
        )
    producer.flush()

    consumer = subscribe(client, topic)
    messages = receive(consumer, count)
    assert data(messages) == payloads
    for n, message in enumerate(messages):
        assert message.properties() == {"n": str(n), "umlaut": "grün"}
        assert message.partition_key() == f"key-{n % 7}"
        assert message.ordering_key() == f"order-{n % 3}"
        assert message.event_timestamp() == 1000 + n
        assert before - 1000 <= message.publish_timestamp() <= time.time() * 1000 + 1000
        assert message.redelivery_count() == 0
        assert message.topic_name() == topic
        assert message.producer_name() == producer.producer_name()
    batch_indexes = {message.message_id().batch_index() for message in messages}
    assert batch_indexes == (set(range(100)) if batched else {-1})


@pytest.mark.parametrize("compression", [CompressionType.NONE, CompressionType.LZ4], ids=["none", "lz4"])
def test_five_megabytes(client: pulsar.Client, topic: str, compression: CompressionType) -> None:
    payload = os.urandom(5_000_000)
    consumer = subscribe(client, topic)
    produce(client, topic, [payload, b"after"], batched=False, compression_type=compression)
    assert data(receive(consumer, 2)) == [payload, b"after"]


def test_message_over_the_limit_is_refused_and_the_producer_goes_on(
    client: pulsar.Client, topic: str
) -> None:
    producer = client.create_producer(topic)
    with pytest.raises(pulsar.MessageTooBig):
        producer.send(os.urandom(6_000_000))
    producer.send(b"small")
    assert receive(subscribe(client, topic), 1)[0].data() == b"small"


def test_empty_payload(client: pulsar.Client, topic: str) -> None:
    consumer = subscribe(client, topic)
    for batched in BATCHING.values():
        produce(client, topic, [b"", b"x"], batched=batched)
    assert data(receive(consumer, 4)) == [b"", b"x", b"", b"x"]


def test_string_schema(client: pulsar.Client, topic: str) -> None:
    consumer = client.subscribe(topic, "sub", schema=StringSchema())
    producer = client.create_producer(topic, schema=StringSchema())
    producer.send("grün")
    assert consumer.receive(RECEIVE_MS).value() == "grün"


class Trip(Record):
    carrier = String()
    delay = Integer()


def test_json_schema(client: pulsar.Client, topic: str) -> None:
    consumer = client.subscribe(topic, "sub", schema=JsonSchema(Trip))
    producer = client.create_producer(topic, schema=JsonSchema(Trip))
    producer.send(Trip(carrier="UA", delay=-3))
    second = client.create_producer(topic, schema=JsonSchema(Trip))
    second.send(Trip(carrier="B6", delay=7))
    received = [consumer.receive(RECEIVE_MS).value() for _ in range(2)]
    assert [(trip.carrier, trip.delay) for trip in received] == [("UA", -3), ("B6", 7)]


# --- producers ---------------------------------------------------------------------------------------------


def test_receipts_give_ids_in_order(client: pulsar.Client, topic: str) -> None:
    single = produce(client, topic, numbered(5), batched=False)
    batch = produce(client, topic, numbered(5), batched=True)
    assert all(earlier < later for earlier, later in zip(single, single[1:], strict=False))
    assert [message_id.batch_index() for message_id in batch] == list(range(5))
    assert len({position(message_id)[:2] for message_id in batch}) == 1
    received = [message.message_id() for message in receive(subscribe(client, topic), 10)]
    assert [position(i) for i in received] == [position(i) for i in single + batch]


def test_producer_name_is_unique(client: pulsar.Client, topic: str) -> None:
    first = client.create_producer(topic, producer_name="the-one")
    assert first.producer_name() == "the-one"
    with pytest.raises(pulsar.ProducerBusy):
        client.create_producer(topic, producer_name="the-one")
    first.close()
    client.create_producer(topic, producer_name="the-one").send(b"x")
    given = [client.create_producer(topic).producer_name() for _ in range(2)]
    assert given[0] != given[1]


def test_sequence_ids_continue_for_a_named_producer(client: pulsar.Client, topic: str) -> None:
    producer = client.create_producer(topic, producer_name="counting")
    for n in range(3):
        producer.send(b"%d" % n)
    assert producer.last_sequence_id() == 2
    producer.close()


# --- subscriptions -----------------------------------------------------------------------------------------


def test_exclusive_refuses_a_second_consumer(client: pulsar.Client, topic: str) -> None:
    first = subscribe(client, topic)
    with pytest.raises(pulsar.ConsumerBusy):
        subscribe(client, topic)
    produce(client, topic, numbered(1))
    assert data(receive(first, 1)) == numbered(1)


@pytest.mark.parametrize("batched", BATCHING.values(), ids=BATCHING)
def test_shared_divides_the_messages(client: pulsar.Client, topic: str, batched: bool) -> None:
    consumers = [subscribe(client, topic, ConsumerType.Shared, receiver_queue_size=10) for _ in range(2)]
    count = 200
    producer = client.create_producer(topic, batching_enabled=batched, batching_max_messages=5)
    for payload in numbered(count):
        producer.send_async(payload, None)
    producer.flush()
    received: list[list[bytes]] = [[], []]
    deadline = time.monotonic() + RECEIVE_MS / 1000
    while sum(map(len, received)) < count and time.monotonic() < deadline:
        for consumer, into in zip(consumers, received, strict=True):
            into.extend(drain(consumer))
    assert sorted(received[0] + received[1]) == sorted(numbered(count))
    assert received[0] and received[1]


def test_shared_gives_a_leavers_messages_to_the_others(client: pulsar.Client, topic: str) -> None:
    leaver = subscribe(client, topic, ConsumerType.Shared)
    produce(client, topic, numbered(20), batched=False)
    receive(leaver, 5, ack=False)
    stayer = subscribe(client, topic, ConsumerType.Shared)
    leaver.close()
    assert sorted(data(receive(stayer, 20))) == sorted(numbered(20))


@pytest.mark.parametrize("batched", BATCHING.values(), ids=BATCHING)
def test_failover_keeps_order_and_hands_over(client: pulsar.Client, topic: str, batched: bool) -> None:
    consumers = [subscribe(client, topic, ConsumerType.Failover, consumer_name=name) for name in "ab"]
    produce(client, topic, numbered(10), batched=batched)
    first = receive_if_any(consumers[0])
    active, standby = consumers if first else consumers[::-1]  # the broker chooses
    taken = [*first, *receive(active, 10 - len(first), ack=False)]
    assert data(taken) == numbered(10)
    for message in taken if batched else taken[:4]:
        active.acknowledge(message)
    expect_nothing(standby)
    active.close()
    produce(client, topic, numbered(5, start=10), batched=batched)
    rest = numbered(5, start=10) if batched else numbered(11, start=4)
    assert data(receive(standby, len(rest))) == rest


def test_latest_starts_behind_what_is_there(client: pulsar.Client, topic: str) -> None:
    produce(client, topic, [b"old"])
    consumer = client.subscribe(topic, "sub", initial_position=InitialPosition.Latest)
    produce(client, topic, [b"new"])
    assert data(receive(consumer, 1)) == [b"new"]


def test_two_subscriptions_each_get_everything(client: pulsar.Client, topic: str) -> None:
    consumers = [subscribe(client, topic, subscription=f"sub-{n}") for n in range(2)]
    produce(client, topic, numbered(20))
    assert [data(receive(consumer, 20)) for consumer in consumers] == [numbered(20)] * 2


def test_unsubscribe_forgets_the_subscription(client: pulsar.Client, topic: str) -> None:
    consumer = subscribe(client, topic)
    produce(client, topic, numbered(3))
    receive(consumer, 3)
    consumer.unsubscribe()
    assert data(receive(subscribe(client, topic), 3)) == numbered(3)


def test_slow_consumer_gets_all_through_a_small_queue(client: pulsar.Client, topic: str) -> None:
    produce(client, topic, numbered(500), batched=False)
    assert data(receive(subscribe(client, topic, receiver_queue_size=3), 500)) == numbered(500)


# --- acknowledgements --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [ConsumerType.Exclusive, ConsumerType.Shared, ConsumerType.Failover],
    ids=["exclusive", "shared", "failover"],
)
def test_acked_messages_do_not_come_back(client: pulsar.Client, topic: str, kind: ConsumerType) -> None:
    consumer = subscribe(client, topic, kind)
    produce(client, topic, numbered(10), batched=False)
    for message in receive(consumer, 10, ack=False):
        if int(message.data().split(b"-")[1]) % 2 == 0:
            consumer.acknowledge(message)
    consumer.close()
    again = subscribe(client, topic, kind)
    assert sorted(data(receive(again, 5))) == sorted(numbered(10)[1::2])
    expect_nothing(again)


@pytest.mark.parametrize(
    "kind", [ConsumerType.Exclusive, ConsumerType.Failover], ids=["exclusive", "failover"]
)
@pytest.mark.parametrize("batched", BATCHING.values(), ids=BATCHING)
def test_cumulative_ack(client: pulsar.Client, topic: str, kind: ConsumerType, batched: bool) -> None:
    consumer = subscribe(client, topic, kind, batch_index_ack_enabled=True)
    produce(client, topic, numbered(10), batched=batched)
    consumer.acknowledge_cumulative(receive(consumer, 10, ack=False)[5])
    consumer.close()
    again = subscribe(client, topic, kind, batch_index_ack_enabled=True)
    assert data(receive(again, 4)) == numbered(4, start=6)
    expect_nothing(again)


@pytest.mark.parametrize("kind", [ConsumerType.Exclusive, ConsumerType.Shared], ids=["exclusive", "shared"])
def test_batch_index_ack(client: pulsar.Client, topic: str, kind: ConsumerType) -> None:
    consumer = subscribe(client, topic, kind, batch_index_ack_enabled=True)
    assert len({i.entry_id() for i in produce(client, topic, numbered(100))}) == 1
    messages = receive(consumer, 100, ack=False)
    for n in (0, 1, 7, 63, 64, 98):
        consumer.acknowledge(messages[n])
    consumer.close()
    again = subscribe(client, topic, kind, batch_index_ack_enabled=True)
    left = [payload for n, payload in enumerate(numbered(100)) if n not in (0, 1, 7, 63, 64, 98)]
    assert data(receive(again, 94)) == left
    expect_nothing(again)


@pytest.mark.parametrize(
    "kind",
    [ConsumerType.Exclusive, ConsumerType.Shared, ConsumerType.Failover],
    ids=["exclusive", "shared", "failover"],
)
@pytest.mark.parametrize("batched", BATCHING.values(), ids=BATCHING)
def test_negative_ack_redelivers(
    client: pulsar.Client, topic: str, kind: ConsumerType, batched: bool
) -> None:
    consumer = subscribe(client, topic, kind, negative_ack_redelivery_delay_ms=100)
    produce(client, topic, numbered(5), batched=batched)
    for message in receive(consumer, 5, ack=False):
        consumer.negative_acknowledge(message)
    again = receive(consumer, 5)
    assert sorted(data(again)) == numbered(5)
    if kind == ConsumerType.Shared:
        assert {message.redelivery_count() for message in again} == {1}
    expect_nothing(consumer)


def test_redeliver_unacknowledged(client: pulsar.Client, topic: str) -> None:
    consumer = subscribe(client, topic)
    produce(client, topic, numbered(6), batched=False)
    for message in receive(consumer, 6, ack=False)[:2]:
        consumer.acknowledge(message)
    consumer.redeliver_unacknowledged_messages()
    assert data(receive(consumer, 4)) == numbered(4, start=2)


# --- readers and seeks -------------------------------------------------------------------------------------


def read_all(reader: pulsar.Reader) -> list[bytes]:
    found = []
    while reader.has_message_available():
        found.append(reader.read_next(RECEIVE_MS).data())
    return found


@pytest.mark.parametrize("batched", BATCHING.values(), ids=BATCHING)
def test_reader_from_the_start_and_from_an_id(client: pulsar.Client, topic: str, batched: bool) -> None:
    ids = produce(client, topic, numbered(10), batched=batched)
    assert read_all(client.create_reader(topic, MessageId.earliest)) == numbered(10)
    assert read_all(client.create_reader(topic, ids[6])) == numbered(3, start=7)
    assert read_all(client.create_reader(topic, ids[6], start_message_id_inclusive=True)) == numbered(
        4, start=6
    )


def test_reader_from_latest_sees_only_the_new(client: pulsar.Client, topic: str) -> None:
    produce(client, topic, [b"old"])
    reader = client.create_reader(topic, MessageId.latest)
    assert not reader.has_message_available()
    produce(client, topic, [b"new"])
    assert reader.has_message_available()
    assert reader.read_next(RECEIVE_MS).data() == b"new"
    assert not reader.has_message_available()


def test_reader_of_an_empty_topic(client: pulsar.Client, topic: str) -> None:
    client.create_producer(topic).close()
    reader = client.create_reader(topic, MessageId.earliest)
    assert not reader.has_message_available()


def test_reader_seeks(client: pulsar.Client, topic: str) -> None:
    ids = produce(client, topic, numbered(10), batched=False)
    reader = client.create_reader(topic, MessageId.earliest)
    assert read_all(reader) == numbered(10)
    reader.seek(ids[3])
    assert read_all(reader) == numbered(6, start=4)
    reader.seek(MessageId.earliest)
    assert read_all(reader) == numbered(10)


def test_consumer_seeks_by_id_and_time(client: pulsar.Client, topic: str) -> None:
    consumer = subscribe(client, topic)
    ids = produce(client, topic, numbered(5), batched=False)
    messages = receive(consumer, 5)
    consumer.seek(ids[2])
    assert data(receive(consumer, 2)) == numbered(2, start=3)  # behind the one that was named
    consumer.seek(MessageId.earliest)
    assert data(receive(consumer, 5)) == numbered(5)
    consumer.seek(messages[0].publish_timestamp() - 60_000)
    assert data(receive(consumer, 5)) == numbered(5)
    consumer.seek(messages[-1].publish_timestamp() + 60_000)
    expect_nothing(consumer)


@pytest.mark.parametrize("batched", BATCHING.values(), ids=BATCHING)
def test_last_message_id(client: pulsar.Client, topic: str, batched: bool) -> None:
    consumer = subscribe(client, topic)
    last = produce(client, topic, numbered(4), batched=batched)[-1]
    found = consumer.get_last_message_id()
    assert (found.ledger_id(), found.entry_id()) == (last.ledger_id(), last.entry_id())
    assert found.batch_index() == (3 if batched else -1)


# --- topics ------------------------------------------------------------------------------------------------


def test_topic_has_no_partitions_until_told(client: pulsar.Client, topic: str) -> None:
    produce(client, topic, [b"x"])
    assert client.get_topic_partitions(topic) == [topic]


def test_short_topic_names_are_in_public_default(client: pulsar.Client, topic: str) -> None:
    produce(client, topic.rsplit("/", 1)[1], [b"x"])
    assert data(receive(subscribe(client, topic), 1)) == [b"x"]


def test_non_persistent_or_unknown_namespace_is_an_error_not_silence(client: pulsar.Client) -> None:
    with pytest.raises(pulsar.PulsarException):
        client.create_producer("persistent://public/no-such-namespace/x")


# --- the broker goes away ----------------------------------------------------------------------------------


def test_producer_consumer_and_reader_survive_a_restart(
    broker: Broker, client: pulsar.Client, topic: str
) -> None:
    consumer = subscribe(client, topic)
    producer = client.create_producer(topic, block_if_queue_full=True)
    for payload in numbered(50):
        producer.send(payload)
    assert data(receive(consumer, 40)) == numbered(40)
    reader = client.create_reader(topic, MessageId.earliest)
    assert data([reader.read_next(RECEIVE_MS) for _ in range(10)]) == numbered(10)

    broker.restart()

    for payload in numbered(50, start=50):
        producer.send_async(payload, None)
    producer.flush()
    wanted, seen = set(numbered(60, start=40)), set()
    while not wanted <= seen:  # acks in flight at the stop may be lost, messages not
        message = consumer.receive(60_000)
        consumer.acknowledge(message)
        seen.add(message.data())
    assert seen <= set(numbered(100))
    read = {message.data() for message in (reader.read_next(60_000) for _ in range(90))}
    assert read >= set(numbered(90, start=10))
