"""`weft standalone`, its functions, and topics of one test."""

import os
import sys
from collections.abc import Iterator

import pytest
from function_topics import Topics
from functions_rest import Functions

from harness.weft_standalone import WeftStandalone


@pytest.fixture(scope="session")
def weft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WeftStandalone]:
    python = os.environ.get("WEFT_TEST_PYTHON", sys.executable)
    with WeftStandalone(tmp_path_factory.mktemp("weft"), options=["--python", python]) as running:
        yield running
        running.check_running()


@pytest.fixture
def topics(weft: WeftStandalone) -> Iterator[Topics]:
    opened = Topics(weft)
    yield opened
    opened.client.close()


@pytest.fixture
def functions(weft: WeftStandalone) -> Functions:
    return Functions(weft.address)
