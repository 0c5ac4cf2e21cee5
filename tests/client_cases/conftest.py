"""A client of PyPI's pulsar-client, and a fresh topic, for each case."""

import uuid
from collections.abc import Iterator

import pulsar
import pytest

from harness.broker import Broker


@pytest.fixture
def client(broker: Broker) -> Iterator[pulsar.Client]:
    opened = pulsar.Client(
        broker.address.service_url,
        operation_timeout_seconds=20,
        logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error),
    )
    yield opened
    opened.close()


@pytest.fixture
def topic() -> str:
    return f"persistent://public/default/case-{uuid.uuid4().hex[:12]}"
