"""What an idle instance costs: the slope of the whole tree's PSS over 20 more instances."""

import json
import os
import sys
import time
from pathlib import Path

import pytest

from harness.functions_rest import FunctionsRest
from harness.locations import SOURCE_ROOT, weft_binary
from harness.process_stats import descendants, pss_bytes
from harness.weft_standalone import WeftStandalone

PYTHON = SOURCE_ROOT / "examples" / "python" / "exclamation.py"
NATIVE = weft_binary().parents[1] / "lib" / "libweft_exclamation_example.so"
FEW, MANY = 4, 24


def settled_pss(weft: WeftStandalone) -> int:
    """Of the tree, once it doesn't change any more."""
    before = 0
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        now = sum(pss_bytes(pid) for pid in descendants(weft.pid))
        if abs(now - before) < 200_000:
            return now
        before = now
        time.sleep(0.5)  # between two looks
    raise TimeoutError("the memory does not settle")


@pytest.mark.parametrize(
    ("program", "class_name", "runtime", "limit_mb"),
    [
        (NATIVE, "Exclamation", "thread", 0.5),
        (NATIVE, "Exclamation", "process", 2.0),
        (PYTHON, "exclamation.Exclamation", "process", 25.0),
    ],
    ids=["native-thread", "native-process", "python-process"],
)
def test_an_idle_instance(tmp_path: Path, program: Path, class_name: str, runtime: str, limit_mb: float) -> None:
    python = os.environ.get("WEFT_TEST_PYTHON", sys.executable)
    with WeftStandalone(tmp_path, options=["--python", python, "--function-runtime", runtime]) as weft:
        functions = FunctionsRest(weft.address)
        pss = {}
        for count in (FEW, MANY):
            config: dict[str, object] = {
                "tenant": "public",
                "namespace": "default",
                "name": f"idle-{count}",
                "className": class_name,
                "inputs": [f"persistent://public/default/in-{count}"],
                "output": f"persistent://public/default/out-{count}",
                "parallelism": count if count == FEW else MANY - FEW,
                "py" if program.suffix == ".py" else "native": program.name,
            }
            functions.create(config, program)
            functions.wait_until_running(config)
            pss[count] = settled_pss(weft)
    slope_mb = (pss[MANY] - pss[FEW]) / (MANY - FEW) / 1e6
    print(json.dumps({"program": program.name, "runtime": runtime, "pss_mb_of_an_idle_instance": round(slope_mb, 3)}))
    assert slope_mb < limit_mb
