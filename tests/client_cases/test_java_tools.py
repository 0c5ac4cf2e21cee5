"""bin/pulsar-client and bin/pulsar-perf of Apache Pulsar 4.0.8, unchanged, against a broker.

A JVM takes seconds to start, so one run covers as much as its flags allow: each compression with and without
batching is produced once, by itself; each subscription type then consumes all those topics in one run.
"""

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pulsar
import pytest

from harness.broker import Broker
from harness.java_tools import JavaTools, ToolResult

PER_TOPIC, SIZE = 2000, 300
VARIANTS = [
    (compression, batching)
    for compression in ("NONE", "LZ4", "ZLIB", "ZSTD", "SNAPPY")
    for batching in ("batched", "single")
]
PARALLEL = (
    5  # JVMs at once: after its last message pulsar-perf produce waits for about ten seconds, then ends
)


@pytest.fixture(scope="module")
def tools(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> JavaTools:
    return JavaTools(broker.address, tmp_path_factory.mktemp("java-tools"))


@pytest.fixture(scope="module")
def perf_topics(tools: JavaTools) -> Iterator[dict[tuple[str, str], str]]:
    """pulsar-perf produces PER_TOPIC messages, or a few more, to a topic for each variant."""
    run = os.urandom(4).hex()
    topics = {
        variant: f"persistent://public/default/perf-{run}-{'-'.join(variant).lower()}" for variant in VARIANTS
    }

    def produce(variant: tuple[str, str]) -> ToolResult:
        compression, batching = variant
        flags = ["--disable-batching"] if batching == "single" else []
        return tools.perf(
            "produce",
            "--compression",
            compression,
            *flags,
            "--rate",
            "50000",
            "--size",
            str(SIZE),
            "--num-messages",
            str(PER_TOPIC),
            "--warmup-time",
            "0",
            topics[variant],
        )

    with ThreadPoolExecutor(PARALLEL) as pool:
        for result in pool.map(produce, VARIANTS):
            result.check()
    yield topics


def test_perf_produce_stored_every_message(
    client: pulsar.Client, perf_topics: dict[tuple[str, str], str]
) -> None:
    for (_, batching), topic in perf_topics.items():
        reader = client.create_reader(topic, pulsar.MessageId.earliest)
        messages = []
        while reader.has_message_available():
            messages.append(reader.read_next(10_000))
        assert len(messages) >= PER_TOPIC
        assert {len(message.data()) for message in messages} == {SIZE}
        assert any(message.message_id().batch_index() > 0 for message in messages) == (batching == "batched")
        reader.close()


@pytest.mark.parametrize("kind", ["Exclusive", "Shared", "Failover"])
def test_perf_consume(tools: JavaTools, perf_topics: dict[tuple[str, str], str], kind: str) -> None:
    total = PER_TOPIC * len(perf_topics)
    consumers = [] if kind == "Exclusive" else ["--num-consumers", "2"]
    result = tools.perf(
        "consume",
        "--subscription-type",
        kind,
        "--subscription-position",
        "Earliest",
        *consumers,
        "--subscriptions",
        f"perf-{kind}",
        "--num-messages",
        str(total),
        "--test-duration",
        "60",
        "--num-topics",
        str(len(perf_topics)),
        *perf_topics.values(),
    ).check()
    received = re.search(r"Aggregated throughput stats --- (\d+) records received", result.output)
    assert received, result.output[-2000:]
    assert int(received[1]) >= total


def test_perf_reads(tools: JavaTools, perf_topics: dict[tuple[str, str], str]) -> None:
    result = tools.perf(
        "read", "--num-messages", str(PER_TOPIC), "--test-duration", "60", perf_topics["LZ4", "batched"]
    ).check()
    received = re.search(r"Aggregated throughput stats --- (\d+) records received", result.output)
    assert received and int(received[1]) >= PER_TOPIC, result.output[-2000:]


def test_client_produce_and_consume(tools: JavaTools, topic: str) -> None:
    tools.client("produce", "--messages", "one,two,grün", "--key", "k", "--properties", "a=1", topic).check()
    tools.client("produce", "--disable-batching", "--messages", "four", "--num-produce", "2", topic).check()

    def consume(kind: str) -> ToolResult:
        return tools.client(
            "consume",
            "--subscription-name",
            f"sub-{kind}",
            "--subscription-type",
            kind,
            "--subscription-position",
            "Earliest",
            "--num-messages",
            "5",
            topic,
        )

    with ThreadPoolExecutor(3) as pool:
        for result in pool.map(consume, ["Exclusive", "Shared", "Failover"]):
            received = re.findall(
                r"key:\[(.*?)\], properties:\[(.*?)\], content:(.*)$", result.check().output, re.MULTILINE
            )
            assert (
                received
                == [("k", "a=1", each) for each in ("one", "two", "grün")] + [("null", "", "four")] * 2
            )


def test_client_produces_a_file_of_two_megabytes(
    tools: JavaTools, client: pulsar.Client, topic: str, tmp_path: Path
) -> None:
    payload = os.urandom(2_000_000)
    (tmp_path / "payload").write_bytes(payload)
    tools.client("produce", "--files", str(tmp_path / "payload"), topic).check()
    reader = client.create_reader(topic, pulsar.MessageId.earliest)
    assert reader.read_next(10_000).data() == payload
