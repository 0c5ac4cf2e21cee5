"""An election as people try it out by hand: consumers of bin/pulsar-client on a Failover subscription, and what
bin/pulsar-admin says of them. Both unchanged."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from harness.broker import Broker, get_json
from harness.java_tools import JavaTools
from harness.processes import ChildProcess

# What `topics stats` has had since Pulsar 2.3: of a topic, of a subscription, of a consumer.
OF_A_TOPIC = {
    "msgRateIn", "msgThroughputIn", "msgRateOut", "msgThroughputOut", "averageMsgSize", "storageSize",
    "publishers", "subscriptions", "replication", "deduplicationStatus",
}  # fmt: skip
OF_A_SUBSCRIPTION = {
    "msgRateOut", "msgThroughputOut", "msgRateRedeliver", "msgBacklog", "blockedSubscriptionOnUnackedMsgs",
    "unackedMessages", "type", "activeConsumerName", "msgRateExpired", "consumers",
}  # fmt: skip
OF_A_CONSUMER = {
    "msgRateOut", "msgThroughputOut", "msgRateRedeliver", "consumerName", "availablePermits",
    "unackedMessages", "blockedConsumerOnUnackedMsgs", "metadata", "address", "connectedSince", "clientVersion",
}  # fmt: skip
PATIENCE = 60.0


@pytest.fixture
def windows() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def wait_for(what: str, condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, f"not in {PATIENCE:.0f} s: {what}"
        time.sleep(0.05)  # between two questions


def test_the_next_consumer_becomes_active(broker: Broker, tmp_path: Path, windows: ExitStack) -> None:
    run = os.urandom(4).hex()
    tools = JavaTools(broker.address, tmp_path)

    def subscription(topic: str, name: str) -> dict[str, Any]:
        url = f"{broker.address.admin_url}/admin/v2/persistent/public/default/{topic}/stats"
        stats = get_json(url)
        assert isinstance(stats, dict)
        found: dict[str, Any] = stats["subscriptions"].get(name, {"consumers": []})
        return found

    def open_window(topic: str, name: str, consumers: int) -> ChildProcess:
        arguments = f"consume persistent://public/default/{topic} --num-messages 0 --subscription-name {name}"
        window = tools.start_client(
            *arguments.split(), "-t", "Failover", log=tmp_path / f"{topic}-{consumers}.log"
        )
        windows.callback(window.stop)
        return window

    def consumers_of(topic: str, name: str) -> list[str]:
        try:
            return [each["consumerName"] for each in subscription(topic, name)["consumers"]]
        except OSError:
            return []  # no such topic yet

    topics = [f"topic1-{run}", f"topic2-{run}"]
    first = open_window(topics[0], "sub", 1)
    other = open_window(topics[1], "sub3", 1)
    wait_for("a consumer on each topic", lambda: all(map(consumers_of, topics, ["sub", "sub3"])))
    names = {consumers_of(topics[0], "sub")[0]: first}
    second = open_window(topics[0], "sub", 2)
    wait_for("two consumers", lambda: len(consumers_of(topics[0], "sub")) == 2)
    names |= {name: second for name in consumers_of(topics[0], "sub") if name not in names}

    stats = json.loads(tools.admin("topics", "stats", topics[0]).check().output)
    assert stats.keys() >= OF_A_TOPIC
    told = stats["subscriptions"]["sub"]
    assert told.keys() >= OF_A_SUBSCRIPTION
    assert told["type"] == "Failover"
    assert {each["consumerName"] for each in told["consumers"]} == set(names)
    assert all(each.keys() >= OF_A_CONSUMER for each in told["consumers"])
    assert [each["availablePermits"] for each in told["consumers"]] == [1000, 1000]
    active = told["activeConsumerName"]
    elsewhere = subscription(topics[1], "sub3")
    assert elsewhere["activeConsumerName"] == elsewhere["consumers"][0]["consumerName"]

    names.pop(active).stop()
    (next_one,) = names
    wait_for("one consumer", lambda: len(consumers_of(topics[0], "sub")) == 1)
    assert subscription(topics[0], "sub")["activeConsumerName"] == next_one
    assert subscription(topics[1], "sub3")["activeConsumerName"] == elsewhere["activeConsumerName"]
    assert other.running()
