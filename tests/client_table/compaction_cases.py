"""What is left of a topic that was compacted, for those who ask for it."""

import time

from client_table.face import Cell, Unsupported
from client_table.registry import ONLY_ON_PULSAR, case, payloads

COMPACTED_SECONDS = 60
DELIVERED_EMPTY = dict.fromkeys(("python", "go"), "what was compacted out of a batch is delivered empty")


def keyed(*pairs: tuple[str, bytes]) -> list[dict[str, object]]:
    return [{"key": key, "payload": payload} for key, payload in pairs]


def compact(c: Cell) -> None:
    path = f"{c.rest_name()}/compaction"
    c.admin("PUT", path)
    deadline = time.monotonic() + COMPACTED_SECONDS
    while (status := c.admin("GET", path))["status"] == "RUNNING":
        assert time.monotonic() < deadline, "the compaction does not end"
        time.sleep(0.02)  # the interval of asking; the deadline decides
    assert status == {"status": "SUCCESS", "lastError": ""}


def check_consumer(c: Cell, kind: str, batched: bool) -> None:
    producer = c.producer(batching=batched)
    producer.send_all(keyed(("a", b"a1"), ("b", b"b1"), ("a", b"a2"), ("gone", b"g1")))
    producer.send_all(keyed(("c", b"c1"), ("gone", b""), ("b", b"b2"), ("c", b"c2")))
    compact(c)
    consumer = c.consumer(kind=kind, sub="compacted", read_compacted=True)
    left = payloads(consumer.receive(3, ack=True))
    assert left == [b"a2", b"b2", b"c2"], left
    producer.send_all(keyed(("a", b"a3"), ("a", b"a4")))
    assert payloads(consumer.receive(2, ack=True)) == [b"a3", b"a4"]
    assert payloads(c.consumer(sub="all").receive(4)) == [b"a1", b"b1", b"a2", b"g1"]


def check_reader(c: Cell, batched: bool) -> None:
    producer = c.producer(batching=batched)
    producer.send_all(keyed(*[(f"k{n % 5}", b"%d" % n) for n in range(20)]))
    compact(c)
    left = [b"%d" % n for n in range(15, 20)]
    assert c.reader("earliest", read_compacted=True).read_to_end(5) == left
    producer.send_all(keyed(("k0", b"20"), ("k5", b"21")))
    assert c.reader("earliest", read_compacted=True).read_to_end(7) == [*left, b"20", b"21"]
    compact(c)
    assert c.reader("earliest", read_compacted=True).read_to_end(6) == [*left[1:], b"20", b"21"]


@case(kind=("exclusive", "failover"))
def compacted_consumer(c: Cell, kind: str) -> None:
    if (c.client, c.broker) == ("python", "pulsar"):
        raise Unsupported(f"{ONLY_ON_PULSAR} an empty message of this client removes no key")
    check_consumer(c, kind, batched=False)


@case()
def compacted_reader(c: Cell) -> None:
    check_reader(c, batched=False)


@case(not_for=DELIVERED_EMPTY)
def compacted_batches(c: Cell) -> None:
    check_consumer(c, "exclusive", batched=True)


@case(not_for=DELIVERED_EMPTY)
def reader_of_compacted_batches(c: Cell) -> None:
    check_reader(c, batched=True)


@case()
def compacted_reader_from_an_id(c: Cell) -> None:
    ids = c.producer(batching=False).send_all(keyed(*[(f"k{n % 5}", b"%d" % n) for n in range(20)]))
    compact(c)
    assert c.reader(ids[16], read_compacted=True).read_to_end(3) == [b"17", b"18", b"19"]
    assert c.reader(ids[3], read_compacted=True).read_to_end(5) == [b"%d" % n for n in range(15, 20)]
