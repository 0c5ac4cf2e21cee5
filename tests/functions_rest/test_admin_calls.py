"""Every method of Pulsar's Java admin client and of Go's `pulsaradmin` for functions, sources, sinks, workers and
packages, called on the Java worker and on Weft: the answers are equal, but for the rows of DIFFERENT.

`long` asks both and leaves docs/evidence/transcripts.json; CI asks Weft some, and compares with what stands there."""

import json
import os
from pathlib import Path

import pytest
from admin_calls import CLIENTS, SINK, SOURCE, make_calls, titles, without
from test_transcript import PACKAGES
from transcript import Typed, check, check_reasons, rows_of

from harness import locations
from harness.evidence import commit, machine
from harness.pulsar_standalone import PulsarStandalone
from harness.weft_standalone import WeftStandalone

SAMPLE = {"java": 40, "go": 40}  # calls
EVIDENCE = locations.SOURCE_ROOT / "docs" / "evidence" / "transcripts.json"
LONG = os.environ.get("WEFT_TRANSCRIPT") == "long"

NO_STATE = "Weft says that it has no state yet; Pulsar, without a store for it, says that it is starting"
NO_ARCHIVE = "Weft opens no archive: it has no Java class in any"
NO_PACKAGE = "Weft says that there is no such package; Pulsar sends an empty file"
NO_JVM = "Pulsar tells of its JVM"
# A call's beginning, and why its answers differ.
DIFFERENT: dict[str, dict[str, str]] = {
    "java": {
        '["functions", "downloadFunction", "{out}", "function://public/default/none@1"': NO_PACKAGE,
        '["functions", "getFunctionState"': NO_STATE,
        '["functions", "putFunctionState"': NO_STATE,
        f'["sources", "createSource", {json.dumps(SOURCE)}, "{{py}}"': NO_ARCHIVE,
        f'["sources", "createSource", {json.dumps(SOURCE | {"topicName": None})}, "{{py}}"': NO_ARCHIVE,
        f'["sinks", "createSink", {json.dumps(SINK)}, "{{py}}"': NO_ARCHIVE,
        f'["sinks", "createSink", {json.dumps(SINK | {"inputs": None})}, "{{py}}"': NO_ARCHIVE,
        '["worker", "getMetrics"': NO_JVM,
    },
    "go": {
        '["Packages", "GetMetadata", "function://public/default/pack@1"': "Weft keeps the time of creation over an update",
        '["Functions", "DownloadFunction", "function://public/default/none@1"': NO_PACKAGE,
        '["Functions", "GetFunctionState"': NO_STATE,
        '["Functions", "PutFunctionState"': NO_STATE,
        f'["Sources", "CreateSource", {json.dumps(SOURCE)}, "{{py}}"': NO_ARCHIVE,
        f'["Sources", "CreateSource", {json.dumps(without(SOURCE, "topicName"))}, "{{py}}"': NO_ARCHIVE,
        f'["Sinks", "CreateSink", {json.dumps(SINK)}, "{{py}}"': NO_ARCHIVE,
        f'["Sinks", "CreateSink", {json.dumps(without(SINK, "inputs"))}, "{{py}}"': NO_ARCHIVE,
        '["FunctionsWorker", "GetMetrics"': NO_JVM,
    },
}


@pytest.mark.skipif(LONG, reason="the long test calls all of them")
@pytest.mark.parametrize("client", CLIENTS)
def test_a_sample(tmp_path: Path, client: str) -> None:
    recorded = [Typed(row["command"], row["java"]) for row in json.loads(EVIDENCE.read_text())[client]["rows"]]
    assert [row.command for row in recorded] == titles(client), "the calls changed: run the long test"
    with WeftStandalone(tmp_path / "weft") as weft:
        answers, _ = make_calls(client, weft.address, tmp_path / "client", SAMPLE[client])
    check(recorded[: SAMPLE[client]], answers, DIFFERENT[client])


@pytest.mark.skipif(not LONG, reason="starts Apache Pulsar, and writes evidence")
def test_all(tmp_path: Path) -> None:
    java, weft = {}, {}
    for client in CLIENTS:  # a broker each: Pulsar keeps a deleted function's package, and refuses it the next time
        with PulsarStandalone(tmp_path / f"pulsar-{client}", functions=True, settings=PACKAGES) as pulsar:
            java[client], uncalled = make_calls(client, pulsar.address, tmp_path / f"{client}-pulsar")
            assert not uncalled, f"methods that no call is for: {uncalled}"
        with WeftStandalone(tmp_path / f"weft-{client}") as standalone:
            weft[client], _ = make_calls(client, standalone.address, tmp_path / f"{client}-weft")
    evidence: dict[str, object] = {"commit": commit(), "machine": machine(), "pulsar": locations.PULSAR_VERSION}
    rows = {client: rows_of(java[client], weft[client], DIFFERENT[client]) for client in CLIENTS}
    for client in CLIENTS:
        different = sum("because" in row for row in rows[client])
        evidence[client] = {
            "calls": len(rows[client]),
            "equal": len(rows[client]) - different,
            "different for a reason": different,
            "rows": rows[client],
        }
    EVIDENCE.write_text(json.dumps(evidence, indent=1) + "\n")
    for client in CLIENTS:
        check(java[client], weft[client], DIFFERENT[client])
        check_reasons(rows[client], DIFFERENT[client])
