"""A broker for several workers, whichever --broker names."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.broker import Broker
from harness.pulsar_standalone import PulsarStandalone
from harness.weft_standalone import WeftStandalone

KEEP_ALIVE_SECONDS = 1  # a worker that sleeps is found within two of them


@pytest.fixture
def watchful_broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    if request.config.getoption("--broker") == "pulsar":
        settings = {"keepAliveIntervalSeconds": str(KEEP_ALIVE_SECONDS)}
        with PulsarStandalone(tmp_path / "broker", settings=settings) as theirs:
            yield theirs
    else:
        conf = tmp_path / "standalone.conf"
        conf.write_text(f"keepAliveIntervalSeconds={KEEP_ALIVE_SECONDS}\n")
        options = ["--no-functions-worker", "--conf", str(conf)]
        with WeftStandalone(tmp_path / "broker", options=options) as ours:
            yield ours
