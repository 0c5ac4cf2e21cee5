"""PyPI's pulsar-client behind the face of the table: JSON requests and answers, a line each (see face.py).

    python_driver.py SERVICE_URL
"""

import base64
import json
import os
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import cache
from itertools import count
from time import monotonic
from typing import Any

import pulsar
from pulsar.schema import AvroSchema, BytesSchema, Integer, JsonSchema, Record, Schema, String, StringSchema

KINDS = {
    "exclusive": pulsar.ConsumerType.Exclusive,
    "shared": pulsar.ConsumerType.Shared,
    "failover": pulsar.ConsumerType.Failover,
    "key_shared": pulsar.ConsumerType.KeyShared,
}
COMPRESSIONS = {
    "none": pulsar.CompressionType.NONE,
    "lz4": pulsar.CompressionType.LZ4,
    "zlib": pulsar.CompressionType.ZLib,
    "zstd": pulsar.CompressionType.ZSTD,
    "snappy": pulsar.CompressionType.SNAPPY,
}
ACCESS = {
    "shared": pulsar.ProducerAccessMode.Shared,
    "exclusive": pulsar.ProducerAccessMode.Exclusive,
    "wait": pulsar.ProducerAccessMode.WaitForExclusive,
    "fencing": pulsar.ProducerAccessMode.ExclusiveWithFencing,
}
ENDS = {"earliest": pulsar.MessageId.earliest, "latest": pulsar.MessageId.latest}


class Unsupported(Exception):
    """The client has no such thing."""


@cache
def record_class(text: str) -> type[Record]:
    """The client's own way to say a schema: a class of fields."""
    definition = json.loads(text)
    kinds = {"string": String, "int": Integer}
    fields = {}
    for field in definition["fields"]:
        kind = next(
            each for each in ([field["type"]] if isinstance(field["type"], str) else field["type"]) if each != "null"
        )
        fields[field["name"]] = kinds[kind](required_default="default" in field)
    return type(definition["name"], (Record,), fields)


def schema_of(wanted: dict[str, Any] | None) -> Schema:
    if wanted is None:
        return BytesSchema()
    if wanted["type"] == "STRING":
        return StringSchema()
    if wanted["type"] == "AVRO":
        return AvroSchema(None, wanted["definition"])
    if wanted["type"] == "JSON":
        return JsonSchema(record_class(json.dumps(wanted["definition"])))
    raise Unsupported(f"no schema {wanted['type']} in this client")


class Driver:
    def __init__(self, service_url: str) -> None:
        self._client = pulsar.Client(
            service_url, operation_timeout_seconds=60, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error)
        )
        self._handles: dict[int, Any] = {}
        self._schemas: dict[int, dict[str, Any] | None] = {}
        self._refs: dict[int, Any] = {}  # Message or MessageId
        self._next = count(1)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"ok": getattr(self, "do_" + request["op"])(request) or {}}
        except Unsupported as why:
            return {"unsupported": str(why)}
        except (pulsar.PulsarException, ValueError, RuntimeError, TypeError) as error:
            return {"error": {"name": type(error).__name__, "text": str(error)}}

    def _keep(self, thing: Any, wanted_schema: dict[str, Any] | None) -> int:
        handle = next(self._next)
        self._handles[handle] = thing
        self._schemas[handle] = wanted_schema
        return handle

    def _id(self, message_id: pulsar.MessageId, stands_for: Any = None) -> dict[str, int]:
        ref = next(self._next)
        self._refs[ref] = message_id if stands_for is None else stands_for
        return {
            "ref": ref,
            "ledger": message_id.ledger_id(),
            "entry": message_id.entry_id(),
            "partition": message_id.partition(),
            "batch": message_id.batch_index(),
        }

    def _message_id(self, place: int | str) -> pulsar.MessageId:
        if isinstance(place, str):
            return ENDS[place]
        kept = self._refs[place]
        return kept.message_id() if isinstance(kept, pulsar.Message) else kept

    # --- producers ---------------------------------------------------------------------------------------

    def do_producer(self, r: dict[str, Any]) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if r.get("batch_by_key"):
            options["batching_type"] = pulsar.BatchingType.KeyBased
        if r.get("single_partition"):
            options["message_routing_mode"] = pulsar.PartitionsRoutingMode.UseSinglePartition
        producer = self._client.create_producer(
            r["topic"],
            producer_name=r.get("name"),
            schema=schema_of(r.get("schema")),
            initial_sequence_id=r.get("initial_sequence_id"),
            compression_type=COMPRESSIONS[r.get("compression", "none")],
            batching_enabled=r.get("batching", True),
            batching_max_messages=r.get("batch_max", 1000),
            batching_max_publish_delay_ms=1000,
            block_if_queue_full=True,
            chunking_enabled=r.get("chunking", False),
            access_mode=ACCESS[r.get("access", "shared")],
            properties=r.get("properties"),
            **options,
        )
        handle = self._keep(producer, r.get("schema"))
        return {"handle": handle, "name": producer.producer_name(), "topic": producer.topic()}

    def do_send(self, r: dict[str, Any]) -> dict[str, Any]:
        producer = self._handles[r["handle"]]
        outcomes: list[tuple[pulsar.Result, pulsar.MessageId] | None] = [None] * len(r["messages"])
        all_done = threading.Semaphore(0)

        def stored(at: int) -> Any:
            def callback(result: pulsar.Result, message_id: pulsar.MessageId) -> None:
                outcomes[at] = (result, message_id)
                all_done.release()

            return callback

        for at, message in enumerate(r["messages"]):
            options: dict[str, Any] = {
                "properties": message.get("properties"),
                "partition_key": message.get("key"),
                "ordering_key": message.get("ordering_key"),
                "sequence_id": message.get("sequence_id"),
                "event_timestamp": message.get("event_time"),
            }
            if "deliver_after_ms" in message:
                options["deliver_after"] = timedelta(milliseconds=message["deliver_after_ms"])
            content = self._encode(r["handle"], message)
            producer.send_async(content, stored(at), **options)
        if r.get("flush", True):
            producer.flush()
        for _ in outcomes:
            if not all_done.acquire(timeout=60):
                return {"ids": None}
        for outcome in outcomes:
            if outcome is not None and outcome[0] != pulsar.Result.Ok:
                raise getattr(pulsar, str(outcome[0]).removeprefix("Result."), pulsar.PulsarException)
        return {"ids": [self._id(outcome[1]) for outcome in outcomes if outcome is not None]}

    def _encode(self, handle: int, message: dict[str, Any]) -> Any:
        if "value" not in message:
            return base64.b64decode(message["payload"])
        wanted = self._schemas[handle]
        if wanted is not None and wanted["type"] == "JSON":
            return record_class(json.dumps(wanted["definition"]))(**message["value"])
        return message["value"]

    def do_last_sequence_id(self, r: dict[str, Any]) -> dict[str, Any]:
        return {"value": self._handles[r["handle"]].last_sequence_id()}

    # --- consumers and readers ---------------------------------------------------------------------------

    def do_consumer(self, r: dict[str, Any]) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if "dead_letter" in r:
            letter = r["dead_letter"]
            options["dead_letter_policy"] = pulsar.ConsumerDeadLetterPolicy(
                letter["max"], letter["topic"], letter.get("subscription")
            )
        if "nack_ms" in r:
            options["negative_ack_redelivery_delay_ms"] = r["nack_ms"]
        if "ack_timeout_ms" in r:
            # The client's least.
            options["unacked_messages_timeout_ms"] = max(r["ack_timeout_ms"], 10_000)
        topic = re.compile(r["pattern"]) if "pattern" in r else r.get("topics") or r["topic"]
        consumer = self._client.subscribe(
            topic,
            r["subscription"],
            consumer_type=KINDS[r.get("type", "exclusive")],
            schema=self._reading_schema(r),
            receiver_queue_size=r.get("queue", 1000),
            consumer_name=r.get("name"),
            is_read_compacted=r.get("read_compacted", False),
            properties=r.get("properties"),
            pattern_auto_discovery_period=1,
            initial_position=pulsar.InitialPosition.Earliest
            if r.get("position", "earliest") == "earliest"
            else pulsar.InitialPosition.Latest,
            batch_index_ack_enabled=r.get("batch_index_ack", False),
            **options,
        )
        return {"handle": self._keep(consumer, r.get("schema"))}

    def _reading_schema(self, r: dict[str, Any]) -> Schema:
        if (r.get("schema") or {}).get("type") == "AUTO":
            raise Unsupported("no AUTO_CONSUME schema in this client")
        return schema_of(r.get("schema"))

    def do_reader(self, r: dict[str, Any]) -> dict[str, Any]:
        reader = self._client.create_reader(
            r["topic"],
            self._message_id(r["start"]),
            schema=self._reading_schema(r),
            start_message_id_inclusive=r.get("inclusive", False),
            is_read_compacted=r.get("read_compacted", False),
        )
        return {"handle": self._keep(reader, r.get("schema"))}

    def do_receive(self, r: dict[str, Any]) -> dict[str, Any]:
        source = self._handles[r["handle"]]
        take = source.read_next if isinstance(source, pulsar.Reader) else source.receive
        until = monotonic() + r["timeout_ms"] / 1000
        messages: list[dict[str, Any]] = []
        while len(messages) < r["count"]:
            try:
                message = take(max(1, int((until - monotonic()) * 1000)))
            except pulsar.Timeout:
                break
            messages.append(self._told(message, self._schemas[r["handle"]]))
        return {"messages": messages}

    def _told(self, message: pulsar.Message, wanted: dict[str, Any] | None) -> dict[str, Any]:
        told = {
            "id": self._id(message.message_id(), message),
            "payload": base64.b64encode(message.data()).decode(),
            "key": message.partition_key() or None,
            "ordering_key": message.ordering_key() or None,
            "properties": message.properties(),
            "event_time": message.event_timestamp(),
            "publish_time": message.publish_timestamp(),
            "producer": message.producer_name(),
            "redelivery": message.redelivery_count(),
            "topic": message.topic_name(),
        }
        if wanted is not None:
            value = message.value()
            told["value"] = (
                {name: getattr(value, name) for name in type(value)._fields} if isinstance(value, Record) else value
            )
        return told

    def do_ack(self, r: dict[str, Any]) -> None:
        for ref in r["refs"]:
            self._handles[r["handle"]].acknowledge(self._refs[ref])

    def do_ack_cumulative(self, r: dict[str, Any]) -> None:
        self._handles[r["handle"]].acknowledge_cumulative(self._refs[r["ref"]])

    def do_nack(self, r: dict[str, Any]) -> None:
        for ref in r["refs"]:
            self._handles[r["handle"]].negative_acknowledge(self._refs[ref])

    def do_redeliver(self, r: dict[str, Any]) -> None:
        self._handles[r["handle"]].redeliver_unacknowledged_messages()

    def do_seek(self, r: dict[str, Any]) -> None:
        self._handles[r["handle"]].seek(r["time"] if "time" in r else self._message_id(r["place"]))

    def do_last_id(self, r: dict[str, Any]) -> dict[str, Any]:
        return {"id": self._id(self._handles[r["handle"]].get_last_message_id())}

    def do_available(self, r: dict[str, Any]) -> dict[str, Any]:
        return {"value": self._handles[r["handle"]].has_message_available()}

    def do_unsubscribe(self, r: dict[str, Any]) -> None:
        self._handles[r["handle"]].unsubscribe()

    def do_close(self, r: dict[str, Any]) -> None:
        self._handles.pop(r["handle"]).close()

    def do_partitions(self, r: dict[str, Any]) -> dict[str, Any]:
        return {"topics": self._client.get_topic_partitions(r["topic"])}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the client's library prints is no answer
    driver = Driver(sys.argv[1])
    writing = threading.Lock()

    def serve(line: str) -> None:
        request = json.loads(line)
        text = json.dumps(driver.answer(request) | {"id": request["id"]})
        with writing:
            answers.write(text + "\n")
            answers.flush()

    with ThreadPoolExecutor(64) as pool:
        for line in sys.stdin:
            pool.submit(serve, line)


if __name__ == "__main__":
    main()
