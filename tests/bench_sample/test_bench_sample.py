"""The benchmark works: a small run of Weft alone has every row, checks what comes out, and is not absurdly slow."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from harness import locations
from harness.weft_standalone import WeftStandalone

ROOT = Path(__file__).resolve().parents[2]
LOAD = locations.weft_binary().parent / "weft_load"
TOPIC = "persistent://public/default/checked"

MEASUREMENTS = ["ready", "rest", "restart", "disk", "timer"]
MEASUREMENTS += [f"{what} {shape}" for what in ("publish", "consume") for shape in ("100 B", "1 KiB", "100 B single")]
MEASUREMENTS += [f"{what} {kind}" for what in ("backlog", "idle") for kind in ("compiled", "python")]
MEASUREMENTS += ["idle compiled threads", "latency compiled 1024 B", "latency compiled 100 B", "latency python 1024 B"]

# Ten times and more from what a crowded machine of two cores shows: they catch what went wrong, not what got slower.
FLOORS = {
    ("publish 100 B", "rate"): 50_000,
    ("consume 100 B", "rate"): 50_000,
    ("publish 100 B single", "rate"): 1_000,
    ("backlog compiled", "rate"): 50_000,
    ("backlog python", "rate"): 20_000,
}
CEILINGS = {
    ("ready", "ms"): 3_000,
    ("restart", "ms"): 5_000,
    ("backlog compiled", "total_us"): 20,
    ("latency compiled 1024 B", "p50_ms"): 100,
    ("idle compiled", "pss_mb_each"): 20,
    ("idle python", "pss_mb_each"): 60,
    ("idle compiled threads", "pss_mb_each"): 5,
}


def test_every_row_comes_out(tmp_path: Path) -> None:
    out, report = tmp_path / "out.json", tmp_path / "report.md"
    command = [sys.executable, "bench/compare.py", "--sides", "weft", "--sample", "--json", str(out)]
    subprocess.run([*command, "--markdown", str(report)], cwd=ROOT, check=True, timeout=100)
    results = json.loads(out.read_text())["results"]
    figures = {name: results[name]["weft"][0] for name in MEASUREMENTS}
    for name, found in figures.items():
        print(name, found)
        assert found.get("duplicates", 0) == 0 and found.get("out_of_order", 0) == 0, name
    assert figures["idle compiled"]["processes"] == figures["idle compiled"]["instances"]
    assert figures["idle compiled threads"]["processes"] == 0
    for (name, figure), floor in FLOORS.items():
        assert figures[name][figure] > floor, (name, figure)
    for (name, figure), ceiling in CEILINGS.items():
        assert 0 < figures[name][figure] < ceiling, (name, figure)
    rows = report.read_text()
    assert "create to the first output" in rows and "| ≤ 3: " in rows and "inf" not in rows


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--count", 1000, "--suffix", "!"], "not a payload that was sent"),
        (["--count", 1001, "--suffix", "", "--timeout", 0.5], "1000 of 1001 messages came"),
        (["--count", 999, "--suffix", ""], "not a payload that was sent"),
    ],
)
def test_what_is_wrong_with_the_outputs_is_found(tmp_path: Path, wrong: list[object], said: str) -> None:
    with WeftStandalone(tmp_path) as broker:
        where = ["--service-url", broker.address.service_url, "--topic", TOPIC]
        fill = [LOAD, "fill", *where, "--count", "1000"]
        subprocess.run(fill, check=True, timeout=30)
        drain = [LOAD, "drain", *where, *map(str, wrong)]
        done = subprocess.run(drain, capture_output=True, text=True, timeout=30)
        assert done.returncode == 1
        assert said in done.stderr
