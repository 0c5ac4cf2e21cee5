"""What goes on after the broker was stopped and started again."""

from client_table.face import Cell
from client_table.registry import BATCHING, case, numbered, payloads

LATE_MS = 90_000  # clients come back with back-off


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
