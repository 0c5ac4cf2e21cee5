"""Our own client passes its cases (weft_client_cases) against weft and against the real Apache Pulsar."""

import os
import selectors
import subprocess
from pathlib import Path

from harness import locations
from harness.broker import Broker


def run_cases(broker: Broker, directory: Path) -> tuple[int, str]:
    """Runs the driver; restarts the broker when it asks for that. Returns its exit status and output."""
    wanted, restarted = directory / "restart-wanted", directory / "restarted"
    os.mkfifo(wanted)
    os.mkfifo(restarted)
    default = locations.weft_binary().parent / "weft_client_cases"
    command = [str(Path(os.environ.get("WEFT_CLIENT_CASES", default)))]
    command += ["--service-url", broker.address.service_url, "--admin-url", broker.address.admin_url]
    command += ["--restart-command", f"echo restart > {wanted} && read -r answer < {restarted}"]
    output = b""
    with (
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as driver,
        open(os.open(wanted, os.O_RDWR), "rb", buffering=0) as requests,
        selectors.DefaultSelector() as ready,
    ):
        assert driver.stdout is not None
        ready.register(requests, selectors.EVENT_READ)
        ready.register(driver.stdout, selectors.EVENT_READ)
        while True:
            files = [key.fileobj for key, _ in ready.select()]
            if requests in files:
                requests.read(100)
                broker.restart()
                restarted.write_text("done\n")
            if driver.stdout in files:
                part = os.read(driver.stdout.fileno(), 65536)
                if not part:
                    break
                output += part
    return driver.returncode, output.decode()


def test_our_client(broker: Broker, tmp_path: Path) -> None:
    status, output = run_cases(broker, tmp_path)
    print(output)
    assert status == 0
    assert "skipped" not in output
