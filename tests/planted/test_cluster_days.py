"""A thousand days of simulated clusters, and a thousand hours of storm: nothing is violated. Leaves
docs/evidence/cluster_days.json; CI lives a few of the same days in the unit test of the worker."""

import json
import os
from pathlib import Path

from simulation import Simulation, run

from harness import locations
from harness.evidence import commit, machine

EVIDENCE = locations.SOURCE_ROOT / "docs" / "evidence" / "cluster_days.json"
LIVES = int(os.environ.get("WEFT_CLUSTER_LIVES", "1000"))


def test_a_thousand_days(tmp_path: Path) -> None:
    report = tmp_path / "report"
    done = run(Simulation(tmp_path).program, days=LIVES, storms=LIVES, report=report)
    assert done.returncode == 0, done.stdout[-8000:]
    rows = [json.loads(line) for line in report.read_text().splitlines()]
    assert [row["lives"] for row in rows] == [LIVES, LIVES]
    evidence = {"commit": commit(), "machine": machine(), "seeds": f"1 to {LIVES}", "violations": 0, "rows": rows}
    EVIDENCE.write_text(json.dumps(evidence, indent=1) + "\n")
