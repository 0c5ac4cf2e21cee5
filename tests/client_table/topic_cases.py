"""Topics: names, first use, partitions, many at once, patterns."""

from client_table.face import Cell, Message
from client_table.registry import case, numbered, payloads


@case(by=("producer", "consumer", "reader"))
def topic_comes_with_first_use(c: Cell, by: str) -> None:
    if by == "producer":
        c.producer()
    elif by == "consumer":
        c.consumer()
    else:
        c.reader("earliest")
    assert c.topic in c.admin("GET", "persistent/public/default")


@case()
def short_topic_name(c: Cell) -> None:
    c.producer(c.topic.rsplit("/", 1)[1]).send(b"x")
    assert payloads(c.consumer().receive(1)) == [b"x"]


@case(by=("producer", "consumer", "reader"))
def missing_namespace(c: Cell, by: str) -> None:
    topic = f"persistent://public/none-{c.run}/x"
    with c.refused("no_such_namespace"):
        if by == "producer":
            c.producer(topic)
        elif by == "consumer":
            c.consumer(topic)
        else:
            c.reader("earliest", topic)


@case()
def missing_tenant(c: Cell) -> None:
    with c.refused("no_such_namespace"):
        c.producer(f"persistent://none-{c.run}/default/x")


@case()
def malformed_topic_name(c: Cell) -> None:
    with c.refused("bad_name"):
        c.producer("persistent://public/x")


@case()
def topic_without_partitions(c: Cell) -> None:
    c.producer().send(b"x")
    assert c.partitions() == [c.topic]


@case()
def partitions_are_listed(c: Cell) -> None:
    c.make_partitioned(3)
    assert c.partitions() == [f"{c.topic}-partition-{n}" for n in range(3)]


def spread(messages: list[Message]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for message in messages:
        partition = int(message.topic.rsplit("-", 1)[1])
        counts[partition] = counts.get(partition, 0) + 1
    return counts


@case()
def partitions_all_get_some(c: Cell) -> None:
    c.make_partitioned(3)
    producer = c.producer(batching=False)
    for payload in numbered(30):
        producer.send(payload)
    received = c.consumer().receive(30, ack=True)
    assert sorted(payloads(received)) == sorted(numbered(30))
    assert spread(received) == {0: 10, 1: 10, 2: 10}, spread(received)
    assert {m.id.partition for m in received} == {0, 1, 2}


@case()
def partitions_keep_a_key_together(c: Cell) -> None:
    c.make_partitioned(4)
    c.producer(batching=False).send_all({"payload": b"%d" % n, "key": f"key-{n % 12}"} for n in range(120))
    received = c.consumer().receive(120, ack=True)
    homes: dict[str | None, set[str]] = {}
    last: dict[str | None, int] = {}
    for message in received:
        homes.setdefault(message.key, set()).add(message.topic)
        assert int(message.payload) > last.get(message.key, -1)
        last[message.key] = int(message.payload)
    assert all(len(home) == 1 for home in homes.values()), homes
    assert len(spread(received)) > 1


@case()
def partitions_by_a_producer_of_one(c: Cell) -> None:
    c.make_partitioned(3)
    c.producer(batching=False, single_partition=True).send_all(numbered(20))
    received = c.consumer().receive(20, ack=True)
    assert payloads(received) == numbered(20)
    assert len(spread(received)) == 1


@case()
def one_partition_by_its_name(c: Cell) -> None:
    c.make_partitioned(2)
    c.producer(f"{c.topic}-partition-1", batching=False).send_all(numbered(5))
    assert payloads(c.consumer(f"{c.topic}-partition-1").receive(5, ack=True)) == numbered(5)
    c.consumer(f"{c.topic}-partition-0").expect_nothing()


@case(kind=("shared", "failover"))
def partitions_of_two_consumers(c: Cell, kind: str) -> None:
    c.make_partitioned(4)
    consumers = [c.consumer(kind=kind, name=name) for name in "ab"]
    c.producer(batching=False).send_all(numbered(200))
    seen: list[bytes] = []
    for _ in range(200):
        for consumer in consumers:
            some = consumer.receive_some(200, 100)
            if some:
                consumer.ack(*some)
            seen += payloads(some)
        if len(seen) >= 200:
            break
    assert sorted(seen) == sorted(numbered(200))


@case()
def partitions_acked_and_sought(c: Cell) -> None:
    c.make_partitioned(2)
    consumer = c.consumer()
    c.producer(batching=False).send_all(numbered(20))
    consumer.receive(20, ack=True)
    consumer.close()
    again = c.consumer()
    again.expect_nothing()
    again.seek("earliest")
    assert sorted(payloads(again.receive(20))) == sorted(numbered(20))


@case()
def several_topics(c: Cell) -> None:
    topics = [c.topic_named(f"-{n}") for n in range(3)]
    consumer = c.consumer(topics=topics)
    for n, topic in enumerate(topics):
        c.producer(topic).send_all(numbered(5, start=5 * n))
    received = consumer.receive(15, ack=True)
    assert sorted(payloads(received)) == sorted(numbered(15))
    assert {message.topic for message in received} == set(topics)
    consumer.close()
    c.consumer(topics=topics).expect_nothing()


@case()
def topics_of_a_pattern(c: Cell) -> None:
    for suffix in ("-in-1", "-in-2", "-out"):
        c.producer(c.topic_named(suffix)).send(suffix.encode())
    consumer = c.consumer(pattern=f"persistent://public/default/{c.base}-in-.*")
    assert sorted(payloads(consumer.receive(2, ack=True))) == [b"-in-1", b"-in-2"]
    consumer.expect_nothing()


@case(not_for={"python": "new topics of a pattern are found once a minute, whatever the period"})
def pattern_finds_topics_later(c: Cell) -> None:
    c.producer(c.topic_named("-in-1")).send(b"one")
    consumer = c.consumer(pattern=f"persistent://public/default/{c.base}-in-.*")
    assert payloads(consumer.receive(1, ack=True)) == [b"one"]
    c.producer(c.topic_named("-in-2")).send(b"two")
    assert payloads(consumer.receive(1, ack=True)) == [b"two"]


TOPICS = 350  # of each client that knows partitions: together a thousand and more


@case(alone=True)
def thousand_topics(c: Cell) -> None:
    """A message on each of many topics; the clients at the same time."""
    c.make_partitioned(TOPICS)
    consumer = c.consumer(queue=10)
    c.producer(batching=False).send_all(numbered(TOPICS))
    received = consumer.receive(TOPICS, ack=True, timeout_ms=120_000)
    assert sorted(payloads(received)) == sorted(numbered(TOPICS))
    assert len({message.topic for message in received}) == TOPICS
