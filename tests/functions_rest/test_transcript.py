"""Every command of `pulsar-admin functions|sources|sinks|functions-worker|packages`, typed to the Java worker and to
Weft: the answers are equal, but for the rows of DIFFERENT. What Weft adds in brackets behind a text of Pulsar's (the
field, its value, the cure) is no difference.

`long` asks both and leaves docs/evidence/transcript.json; CI asks Weft some, and compares with what stands there."""

import json
import os
import re
from pathlib import Path

import pytest
from transcript import Typed, commands, type_in

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

# A command's beginning, and why its answers differ.
DIFFERENT: dict[str, str] = {
    "functions create --name u --jar": "Weft refuses Java functions before it looks for their package",
    "functions start --name t --instance-id 7": "Weft says that there is no such instance; Pulsar: Operation not permitted",
    "functions querystate": "Weft says that it has no state yet; Pulsar, without a store for it, says that it is starting",
    "functions putstate": "the same",
    "sources create --name s --archive {py}": "Weft opens no archive: it has no Java class in any",
    "sinks create --name s --archive {py}": "the same",
    "functions-worker monitoring-metrics": "Pulsar tells of its JVM",
}


def equal(java: str, weft: str) -> bool:
    if java == weft:
        return True
    if java[:1] in "{[" and java[:1]:
        try:
            return bool(json.loads(java) == json.loads(weft))
        except ValueError:
            return False
    lines = list(zip(java.splitlines(), weft.splitlines(), strict=False))
    same_count = len(java.splitlines()) == len(weft.splitlines())
    return same_count and all(w.startswith(j) and re.fullmatch(r"( \(.*\))?", w[len(j) :]) for j, w in lines)


def reason_for(command: str) -> str | None:
    return next((reason for start, reason in DIFFERENT.items() if command.startswith(start)), None)


def check(java: list[Typed], weft: list[Typed]) -> None:
    unlike = [
        (j.command, j.answer, w.answer)
        for j, w in zip(java, weft, strict=True)
        if not equal(j.answer, w.answer) and reason_for(j.command) is None
    ]
    assert not unlike, "\n\n".join(f"{c}\n  java: {j}\n  weft: {w}" for c, j, w in unlike)


def on_weft(directory: Path, count: int | None) -> list[Typed]:
    with WeftStandalone(directory / "weft") as weft:
        return type_in(weft.address, directory / "shell", commands(count), 400)


@pytest.mark.skipif(LONG, reason="the long test asks all of them")
def test_a_sample(tmp_path: Path) -> None:
    recorded = [Typed(row["command"], row["java"]) for row in json.loads(EVIDENCE.read_text())["rows"]]
    assert [row.command for row in recorded] == commands(), "the commands changed: run the long test"
    check(recorded[:SAMPLE], on_weft(tmp_path, SAMPLE))


@pytest.mark.skipif(not LONG, reason="starts Apache Pulsar, and writes evidence")
def test_all(tmp_path: Path) -> None:
    with PulsarStandalone(tmp_path / "pulsar", functions=True, settings=PACKAGES) as pulsar:
        java = type_in(pulsar.address, tmp_path / "java-shell", commands(), 400)
    weft = on_weft(tmp_path, None)
    rows = [
        {"command": j.command, "java": j.answer}
        | ({} if j.answer == w.answer else {"weft": w.answer})
        | ({} if equal(j.answer, w.answer) else {"because": reason_for(j.command) or ""})
        for j, w in zip(java, weft, strict=True)
    ]
    figures = {
        "commands": len(rows),
        "equal": sum(equal(j.answer, w.answer) for j, w in zip(java, weft, strict=True)),
        "different for a reason": sum("because" in row for row in rows),
    }
    evidence = {"commit": commit(), "machine": machine(), "pulsar": locations.PULSAR_VERSION} | figures | {"rows": rows}
    EVIDENCE.write_text(json.dumps(evidence, indent=1) + "\n")
    check(java, weft)
    stale = [start for start in DIFFERENT if not any(r["command"].startswith(start) and "because" in r for r in rows)]
    assert not stale, f"these do not differ: {stale}"
