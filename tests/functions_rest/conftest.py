"""One `weft standalone` for a file of tests, and its functions REST."""

from collections.abc import Iterator

import pytest
from functions_client import FunctionsClient

from harness.weft_standalone import WeftStandalone


@pytest.fixture(scope="module")
def weft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WeftStandalone]:
    with WeftStandalone(tmp_path_factory.mktemp("weft")) as standalone:
        yield standalone


@pytest.fixture
def functions(weft: WeftStandalone) -> FunctionsClient:
    client = FunctionsClient(weft.address.admin_url)
    client.wait_until_initialized()
    return client
