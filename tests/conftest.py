"""The brokers that test cases ask for by the fixture `broker`: weft, the real Apache Pulsar, or both
(--broker)."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness.broker import Broker  # noqa: E402
from harness.pulsar_standalone import PulsarStandalone  # noqa: E402
from harness.weft_standalone import WeftStandalone  # noqa: E402

# Pulsar keeps acks of single messages of a batch only when told to.
_PULSAR_SETTINGS = {"acknowledgmentAtBatchIndexLevelEnabled": "true"}
_STARTERS: dict[str, Callable[[Path], Broker]] = {
    "weft": WeftStandalone,
    "pulsar": lambda directory: PulsarStandalone(directory, settings=_PULSAR_SETTINGS),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--broker",
        choices=[*_STARTERS, "both"],
        default="weft",
        help="the broker that cases with the fixture `broker` run against",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "broker" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("broker")
        names = list(_STARTERS) if chosen == "both" else [chosen]
        metafunc.parametrize("broker", names, indirect=True, scope="session")


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    started = _STARTERS[request.param](tmp_path_factory.mktemp(request.param))
    yield started
    started.stop()
