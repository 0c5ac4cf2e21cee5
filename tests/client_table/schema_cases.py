"""Schemas: kept by version, checked, given back."""

import json
from typing import Any

from client_table.face import Cell
from client_table.registry import case

RECORDS = ("JSON", "AVRO")


def trip(*fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": "Trip", "fields": list(fields)}


CARRIER = {"name": "carrier", "type": ["null", "string"], "default": None}
DELAY = {"name": "delay", "type": ["null", "int"], "default": None}
ORIGIN = {"name": "origin", "type": ["null", "string"], "default": None}
TRIP = trip(CARRIER, DELAY)
LONGER_TRIP = trip(CARRIER, DELAY, ORIGIN)
OTHER_TRIP = trip({"name": "carrier", "type": ["null", "int"], "default": None}, DELAY)


def stored(c: Cell, version: int | None = None) -> dict[str, Any]:
    path = f"schemas/public/default/{c.base}/schema" + ("" if version is None else f"/{version}")
    found: dict[str, Any] = c.admin("GET", path)
    return found


@case()
def string_schema(c: Cell) -> None:
    schema = {"type": "STRING"}
    consumer = c.consumer(schema=schema)
    c.producer(schema=schema).send(value="grün")
    (message,) = consumer.receive(1)
    assert message.value == "grün"
    assert stored(c)["type"] == "STRING"


@case(type=RECORDS)
def record_schema(c: Cell, type: str) -> None:
    schema = {"type": type, "definition": TRIP}
    consumer = c.consumer(schema=schema)
    producer = c.producer(schema=schema)
    producer.send(value={"carrier": "UA", "delay": -3})
    producer.send(value={"carrier": "B6", "delay": 7})
    assert [message.value for message in consumer.receive(2)] == [
        {"carrier": "UA", "delay": -3},
        {"carrier": "B6", "delay": 7},
    ]


@case(type=RECORDS)
def record_schema_is_stored(c: Cell, type: str) -> None:
    c.producer(schema={"type": type, "definition": TRIP})
    found = stored(c)
    assert (found["type"], found["version"]) == (type, 0)
    assert {field["name"] for field in json.loads(found["data"])["fields"]} == {"carrier", "delay"}


@case(type=RECORDS)
def same_schema_is_one_version(c: Cell, type: str) -> None:
    for _ in range(2):
        c.producer(schema={"type": type, "definition": TRIP})
    c.consumer(schema={"type": type, "definition": TRIP})
    assert stored(c)["version"] == 0


@case(type=RECORDS)
def compatible_schema_is_a_new_version(c: Cell, type: str) -> None:
    c.producer(schema={"type": type, "definition": TRIP})
    c.producer(schema={"type": type, "definition": LONGER_TRIP})
    assert stored(c)["version"] == 1
    assert len(json.loads(stored(c, 0)["data"])["fields"]) == 2
    assert len(json.loads(stored(c, 1)["data"])["fields"]) == 3
    c.producer(schema={"type": type, "definition": TRIP})  # the first is still known
    assert stored(c)["version"] == 1


@case(type=RECORDS)
def incompatible_schema_is_refused(c: Cell, type: str) -> None:
    c.producer(schema={"type": type, "definition": TRIP})
    with c.refused("incompatible_schema"):
        c.producer(schema={"type": type, "definition": OTHER_TRIP})
    assert stored(c)["version"] == 0


@case(by=("producer", "consumer"))
def another_type_of_schema_is_refused(c: Cell, by: str) -> None:
    c.producer(schema={"type": "JSON", "definition": TRIP})
    with c.refused("incompatible_schema"):
        if by == "producer":
            c.producer(schema={"type": "STRING"})
        else:
            c.consumer(schema={"type": "STRING"})


@case()
def incompatible_consumer_is_refused(c: Cell) -> None:
    c.producer(schema={"type": "AVRO", "definition": TRIP})
    with c.refused("incompatible_schema"):
        c.consumer(schema={"type": "AVRO", "definition": OTHER_TRIP})


@case()
def bytes_beside_a_schema(c: Cell) -> None:
    consumer = c.consumer()
    c.producer(schema={"type": "STRING"}).send(value="text")
    c.producer().send(b"bytes")
    assert [message.payload for message in consumer.receive(2)] == [b"text", b"bytes"]


@case()
def older_message_read_by_its_version(c: Cell) -> None:
    consumer = c.consumer(schema={"type": "AVRO", "definition": TRIP})
    c.producer(schema={"type": "AVRO", "definition": TRIP}).send(value={"carrier": "UA", "delay": 1})
    (message,) = consumer.receive(1)
    assert message.value == {"carrier": "UA", "delay": 1}


@case(type=RECORDS)
def auto_consume(c: Cell, type: str) -> None:
    schema = {"type": type, "definition": TRIP}
    producer = c.producer(schema=schema)
    consumer = c.consumer(schema={"type": "AUTO"})
    producer.send(value={"carrier": "UA", "delay": -3})
    assert consumer.receive(1)[0].value == {"carrier": "UA", "delay": -3}
