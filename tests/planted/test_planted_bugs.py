"""Faults that Pulsar's worker is known for, planted in ours (*.patch): the simulation of a cluster finds each within a
few lives, and nothing without them. Leaves docs/evidence/planted_bugs.json."""

import json
import re
from pathlib import Path

import pytest
from simulation import Simulation, apply_to_copies, run

from harness import locations
from harness.evidence import commit, machine

EVIDENCE = locations.SOURCE_ROOT / "docs" / "evidence" / "planted_bugs.json"
PATCHES = sorted(Path(__file__).parent.glob("*.patch"))
DAYS, STORMS = 20, 60


@pytest.fixture(scope="module")
def simulation(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    return Simulation(tmp_path_factory.mktemp("planted"))


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: str(patch.stem))
def test_it_can_be_planted(patch: Path, tmp_path: Path) -> None:
    apply_to_copies(patch, tmp_path)


def test_each_is_found(simulation: Simulation) -> None:
    assert len(PATCHES) >= 5
    clean = run(simulation.program, days=DAYS, storms=STORMS)
    assert clean.returncode == 0, f"without any patch:\n{clean.stdout[-4000:]}"
    rows = []
    for patch in PATCHES:
        done = run(simulation.patched(patch), days=DAYS, storms=STORMS)
        found = re.findall(r"^seed \d+: .*$", done.stdout, re.MULTILINE)
        about = " ".join(patch.read_text().split("\n\n")[0].split())
        rows.append({"bug": patch.stem, "what": about, "status": done.returncode, "found": found})
    evidence = {"commit": commit(), "machine": machine(), "lives": {"days": DAYS, "stormy hours": STORMS}, "rows": rows}
    EVIDENCE.write_text(json.dumps(evidence, indent=1) + "\n")
    missed = [row["bug"] for row in rows if row["status"] != 1 or not row["found"]]
    assert not missed, f"the simulation doesn't find {missed}"
