"""Our own client passes its cases (weft_client_cases) against weft and against the real Apache Pulsar."""

import os
import subprocess
from pathlib import Path

from harness import locations
from harness.broker import Broker


def test_our_client(broker: Broker) -> None:
    default = locations.weft_binary().parent / "weft_client_cases"
    driver = Path(os.environ.get("WEFT_CLIENT_CASES", default))
    done = subprocess.run(
        [driver, "--service-url", broker.address.service_url, "--admin-url", broker.address.admin_url],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
    )
    print(done.stdout)
    assert done.returncode == 0
