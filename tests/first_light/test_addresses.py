"""Where `weft standalone` listens, what it tells others, and that its own worker needs none of that."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.functions_rest import Config, FunctionsRest
from harness.locations import weft_binary
from harness.weft_standalone import WeftStandalone

FUNCTION: Config = {
    "tenant": "public",
    "namespace": "default",
    "name": "shout",
    "className": "shout.process",
    "inputs": ["in"],
    "output": "out",
    "py": "shout.py",
}


def weft(broker: WeftStandalone, *words: str) -> str:
    urls = ["--service-url", broker.address.service_url, "--admin-url", broker.address.admin_url]
    done = subprocess.run([str(weft_binary()), *urls, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("options", "host"),
    [
        (["--bind", "::1"], "::1"),
        (["--bind", "::"], "localhost"),
        # TEST-NET-1: nobody answers there. A trigger goes through the worker's own client and an instance's.
        (["--advertised-address", "192.0.2.1"], "192.0.2.1"),
        (["--advertised-address", "2001:db8::1", "--bind", "::1"], "2001:db8::1"),
    ],
    ids=["ipv6", "all", "advertised", "advertised-ipv6"],
)
def test_functions_work_whatever_others_are_told(tmp_path: Path, options: list[str], host: str) -> None:
    program = tmp_path / "shout.py"
    program.write_text("def process(input):\n    return input + '!'\n")
    with WeftStandalone(tmp_path / "broker", options=[*options, "--python", sys.executable]) as broker:
        assert broker.address.host == host, "as the ready line has it"
        if "--advertised-address" in options:  # told to others; reached where it is bound
            broker.address = broker.address.on("::1" if "--bind" in options else "127.0.0.1")
        rest = FunctionsRest(broker.address)
        rest.create(FUNCTION, program)
        rest.wait_until_running(FUNCTION)
        assert weft(broker, "functions", "trigger", "--name", "shout", "--trigger-value", "hello") == "hello!\n"
        if "--advertised-address" not in options:
            weft(broker, "produce", "t", "-m", "by the address that was told")
            assert "by the address" in weft(broker, "read", "t", "-m", "earliest")
