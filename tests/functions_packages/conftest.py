"""One `weft standalone` for a file of tests, and its functions REST."""

import os
import sys
from collections.abc import Iterator

import pytest

from functions_rest.functions_client import FunctionsClient
from harness.weft_standalone import WeftStandalone


@pytest.fixture(scope="module")
def weft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WeftStandalone]:
    options = ["--python", os.environ.get("WEFT_TEST_PYTHON", sys.executable)]
    with WeftStandalone(tmp_path_factory.mktemp("weft"), options=options) as running:
        yield running
        running.check_running()


@pytest.fixture
def functions(weft: WeftStandalone) -> FunctionsClient:
    client = FunctionsClient(weft.address.admin_url)
    client.wait_until_initialized()
    return client
