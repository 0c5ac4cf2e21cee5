"""The broker without functions: publishing, consuming, and a restart with many topics."""

import time
from dataclasses import dataclass

from harness.raw_client import wait_until_stored
from measure import Figures, MarkedLoad, Span, load, steady, topic_name
from sides import Running

PENDING_SINGLE = 1000  # messages on their way, where each is an entry: what Pulsar's clients allow by default


@dataclass(frozen=True)
class Shape:
    """What is published: `batch` messages at most go together; 1 is no batching."""

    name: str
    count: int
    size: int
    batch: int = 1000

    def flags(self) -> list[object]:
        flags: list[object] = ["--count", self.count, "--size", self.size, "--mark-every", self.count // 100]
        return flags

    def publish_flags(self) -> list[object]:
        single: list[object] = ["--pending", PENDING_SINGLE] if self.batch == 1 else []
        return [*self.flags(), "--batch-messages", self.batch, *single]


def publish_and_consume(broker: Running, shape: Shape) -> tuple[Figures, Figures]:
    """One producer stores all of them, then one consumer reads them all and checks every byte. Rate and CPU are those
    of the steady part, from 10 % to 90 %."""
    url, topic = broker.address.service_url, topic_name(shape.name.replace(" ", "-"))
    where: list[object] = ["--service-url", url, "--topic", topic]
    (start, end), _ = MarkedLoad(broker, "fill", *where, *shape.publish_flags()).finish(steady(shape.count))
    published = Span.between(start, end, broker.pid)
    reading = MarkedLoad(broker, "drain", *where, *shape.flags(), "--suffix", "", "--timeout", 180)
    reading.wait_until_subscribed()
    (start, end), read = reading.finish(steady(shape.count))
    consumed = Span.between(start, end, broker.pid)
    checks = {"duplicates": read["duplicates"], "out_of_order": read["out_of_order"]}
    return _figures(published), _figures(consumed) | checks


def _figures(span: Span) -> Figures:
    return {"rate": span.rate, "total_us": span.broker_us + span.others_us, "load_us": span.load_us}


def restart(broker: Running, topics: int) -> Figures:
    """Makes topics with a message each, stops the broker and starts it again: from exec to the receipt for a message
    to one of them; the message that was there must be there still."""
    url = broker.address.service_url
    prefix = topic_name("many") + "-"
    made = load("topics", "--service-url", url, "--prefix", prefix, "--count", topics)
    broker.restart()
    begin = time.monotonic()
    address = broker.address
    stored = wait_until_stored(address.host, address.broker_port, f"{prefix}{topics // 2}", begin + 60)
    for number in (0, topics - 1):
        reading = ["--topic", f"{prefix}{number}", "--count", 1, "--suffix", ""]
        load("drain", "--service-url", address.service_url, *reading)
    return {"ms": 1000 * (broker.ready_seconds + stored - begin), "topics_per_second": topics / made["seconds"]}
