"""Every command of `pulsar-admin functions|sources|sinks|functions-worker|packages`, typed to the Java worker and to
Weft: the answers are equal, but for the rows of DIFFERENT.

`long` asks both and leaves docs/evidence/transcript.json; CI asks Weft some, and compares with what stands there."""

import json
import os
from pathlib import Path

import pytest
from transcript import Typed, check, check_reasons, commands, rows_of, type_in

from harness import locations
from harness.evidence import commit, machine
from harness.pulsar_standalone import PulsarStandalone
from harness.weft_standalone import WeftStandalone

SAMPLE = 16  # commands
EVIDENCE = locations.SOURCE_ROOT / "docs" / "evidence" / "transcript.json"
LONG = os.environ.get("WEFT_TRANSCRIPT") == "long"
PACKAGES = {
    "enablePackagesManagement": "true",
    "packagesManagementStorageProvider": "org.apache.pulsar.packages.management.storage.filesystem."
    "FileSystemPackagesStorageProvider",
}

DIFFERENT: dict[str, str] = {
    "functions create --name u --jar": "Weft refuses Java functions before it looks for their package",
    "functions start --name t --instance-id 7": "Weft says that there is no such instance; Pulsar: Operation not permitted",
    "functions querystate": "Weft says that it has no state yet; Pulsar, without a store for it, says that it is starting",
    "functions putstate": "the same",
    "sources create --name s --archive {py}": "Weft opens no archive: it has no Java class in any",
    "sinks create --name s --archive {py}": "the same",
    "functions-worker monitoring-metrics": "Pulsar tells of its JVM",
}


def on_weft(directory: Path, count: int | None) -> list[Typed]:
    with WeftStandalone(directory / "weft") as weft:
        return type_in(weft.address, directory / "shell", commands(count), 400)


@pytest.mark.skipif(LONG, reason="the long test asks all of them")
def test_a_sample(tmp_path: Path) -> None:
    recorded = [Typed(row["command"], row["java"]) for row in json.loads(EVIDENCE.read_text())["rows"]]
    assert [row.command for row in recorded] == commands(), "the commands changed: run the long test"
    check(recorded[:SAMPLE], on_weft(tmp_path, SAMPLE), DIFFERENT)


@pytest.mark.skipif(not LONG, reason="starts Apache Pulsar, and writes evidence")
def test_all(tmp_path: Path) -> None:
    with PulsarStandalone(tmp_path / "pulsar", functions=True, settings=PACKAGES) as pulsar:
        java = type_in(pulsar.address, tmp_path / "java-shell", commands(), 400)
    weft = on_weft(tmp_path, None)
    rows = rows_of(java, weft, DIFFERENT)
    different = sum("because" in row for row in rows)
    figures = {"commands": len(rows), "equal": len(rows) - different, "different for a reason": different}
    evidence = {"commit": commit(), "machine": machine(), "pulsar": locations.PULSAR_VERSION} | figures | {"rows": rows}
    EVIDENCE.write_text(json.dumps(evidence, indent=1) + "\n")
    check(java, weft, DIFFERENT)
    check_reasons(rows, DIFFERENT)
