"""The rest of the worker's REST: sources and sinks, version 2, what the worker tells of itself, its document."""

import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
import yaml
from functions_client import Answer, FunctionsClient, Part
from hypothesis import HealthCheck, Phase, given, settings

from harness import locations
from harness.weft_standalone import WeftStandalone

EXAMPLES = int(os.environ.get("WEFT_EXAMPLES", "3"))  # for each operation
PROGRAM = b"def process(input):\n    return input + '!'\n"
CONFIG = {"className": "exclaim.process", "inputs": ["rest-in"], "output": "rest-out", "py": "exclaim.py"}


@pytest.fixture
def exclaim(functions: FunctionsClient) -> Iterator[str]:
    assert functions.create("exclaim", CONFIG, PROGRAM, "exclaim.py").status == 204
    functions.wait_until_running("exclaim")
    yield "exclaim"
    assert functions.call("DELETE", "exclaim").status == 204


def connector(functions: FunctionsClient, kind: str, config: dict[str, Any], *more: Part, method: str = "POST") -> Answer:
    part = Part(f"{kind}Config", json.dumps(config).encode(), "application/json")
    return functions.upload(method, f"/admin/v3/{kind}s/public/default/x", [part, *more])


@pytest.mark.parametrize("kind", ["source", "sink"])
def test_connectors_get_pulsars_answers(functions: FunctionsClient, exclaim: str, kind: str) -> None:
    """Statuses and texts as Pulsar 4.0.8 gives them, for the same requests; ours name field, value and cure behind."""
    name = kind.capitalize()
    good = {"className": "org.x.Y"} | ({"topicName": "out"} if kind == "source" else {"inputs": ["in"]})
    archive = Part("data", b"PK\5\6" + bytes(18), file_name="x.nar")
    base = f"/admin/v3/{kind}s"
    for answer, status, text in [
        (connector(functions, kind, good), 400, f"{name} package is not provided"),
        (connector(functions, kind, good | {"archive": "builtin://no"}), 400, f"Built-in {kind} is not available"),
        (
            connector(functions, kind, good, archive),
            400,
            f"{name} class org.x.Y not found" + (" in class loader" if kind == "source" else ""),
        ),
        (
            connector(functions, kind, {k: v for k, v in good.items() if k != "className"}, archive),
            400,
            f"{name} package doesn't contain the META-INF/services/pulsar-io.yaml file.",
        ),
        (
            connector(functions, kind, good, Part("url", b"http://127.0.0.1:1/x.nar", "text/plain")),
            400,
            "Function Package url is not valid.supported url (http/https/file)",
        ),
        (connector(functions, kind, good, method="PUT"), 400, f"{name} x doesn't exist"),
        (functions.get(f"{base}/public/default/x"), 404, f"{name} x doesn't exist"),
        (functions.call("DELETE", f"{base}/public/default/x"), 404, f"{name} x doesn't exist"),
        (functions.get(f"{base}/public/default/x/status"), 404, f"{name} x doesn't exist"),
        (functions.get(f"{base}/public/default/x/0/status"), 404, f"{name} x doesn't exist"),
        (functions.call("POST", f"{base}/public/default/x/stop"), 404, f"{name} x doesn't exist"),
        (functions.call("POST", f"{base}/public/default/x/0/restart"), 404, f"{name} x doesn't exist"),
        # A function is no connector.
        (functions.get(f"{base}/public/default/{exclaim}"), 404, f"{name} {exclaim} doesn't exist"),
        (functions.call("DELETE", f"{base}/public/default/{exclaim}"), 404, f"{name} {exclaim} doesn't exist"),
    ]:
        assert (answer.status, answer.reason[: len(text)]) == (status, text)
    for path in (f"{base}/public/default", f"/admin/v3/{kind}/public/default", f"{base}/builtin{kind}s"):
        assert functions.get(path).json == []
    assert functions.call("POST", f"{base}/reloadBuiltIn{name}s").status == 204
    assert functions.get(f"{base}/builtin{kind}s/x/configdefinition").status == 404


def test_version_2_speaks_protobufs_json(functions: FunctionsClient) -> None:
    def upload(method: str, details: dict[str, Any] | bytes, *more: Part) -> Answer:
        text = details if isinstance(details, bytes) else json.dumps(details).encode()
        part = Part("functionDetails", text, "application/json")
        return functions.upload(method, "/admin/v2/functions/public/default/old", [part, *more])

    details = {
        "className": "exclaim.process",
        "runtime": "PYTHON",
        "parallelism": 1,
        "source": {"inputSpecs": {"old-in": {}}},
        "sink": {"topic": "old-out"},
    }
    program = Part("data", PROGRAM, file_name="exclaim.py")
    assert upload("POST", {"nonsense": 1}).reason.startswith("functionDetails is not the JSON of FunctionDetails")
    assert upload("POST", details).reason.startswith("Function Package is not provided")
    assert upload("POST", details, program) == Answer(200, "")
    assert upload("PUT", details).reason.startswith("Update contains no change")
    assert upload("PUT", details | {"userConfig": '{"a":1}'}) == Answer(200, "")
    prefix = "/admin/v2/functions/public/default"
    assert functions.get(prefix).json == functions.get("/admin/functions/public/default").json == ["old"]
    shown = functions.get(f"{prefix}/old").json
    assert shown["tenant"] == "public" and shown["source"]["inputSpecs"] == {"old-in": {}}
    assert json.loads(shown["userConfig"]) == {"a": 1} and shown["componentType"] == "FUNCTION"
    functions.wait_until_running("old")
    (status,) = functions.get(f"{prefix}/old/status").json["functionStatusList"]
    assert status["running"] is True and status["instanceId"] == "0" and "workerId" in status
    assert functions.get(f"{prefix}/old/0/status").json["running"] is True
    assert functions.get(f"{prefix}/old/9/status").reason.startswith("Function old doesn't have instance with id 9")
    assert functions.get(f"{prefix}/old/stats").status == 404
    assert functions.call("POST", f"{prefix}/old/start").status == 404
    assert functions.call("POST", f"{prefix}/old/restart") == Answer(200, "")
    assert functions.call("POST", f"{prefix}/old/stop") == Answer(200, "")
    assert functions.call("POST", f"{prefix}/old/stop").reason.startswith("Operation not permitted")
    assert functions.call("DELETE", f"{prefix}/old") == Answer(200, "")
    assert functions.get(f"{prefix}/old").reason == "Function old doesn't exist"


def test_the_worker(functions: FunctionsClient, exclaim: str, weft: WeftStandalone) -> None:
    worker = f"c-standalone-fw-localhost-{weft.address.web_port}"
    (metrics,) = functions.get("/admin/v2/worker-stats/functionsmetrics").json
    assert metrics["name"] == "public/default/exclaim:0" and metrics["metrics"]["receivedTotal"] == 0
    assert functions.get("/admin/v2/worker-stats/metrics").json == []
    assert functions.get("/admin/v2/worker/drain").json == {"status": "NOT_RUN", "lastError": ""}
    unknown = functions.get("/admin/v2/worker/leader/drain?workerId=nobody").json
    assert unknown == {"status": "ERROR", "lastError": "Worker nobody not found in drain records"}
    for path in ("rebalance", "drain", "leader/drain"):
        refused = functions.call("PUT", f"/admin/v2/worker/{path}")
        assert (refused.status, refused.reason) == (400, "Too few workers (need at least 2)")
    assert functions.get("/admin/v2/worker/assignments").json == {worker: ["public/default/exclaim:0"]}


SAMPLE = re.compile(r'^([a-z_0-9]+)\{((?:[a-z_]+="(?:[^"\\]|\\.)*",?)*)\} (\S+)$')


def metrics_of(functions: FunctionsClient) -> dict[tuple[str, str], float]:
    """Every sample of the page, by its name and labels. A line that is neither sample nor type fails."""
    samples: dict[tuple[str, str], float] = {}
    types: dict[str, str] = {}
    for line in functions.get("/metrics").body.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in types, f"the samples of {name} do not stand together"
            types[name] = kind
            continue
        match = SAMPLE.match(line)
        assert match, line
        name, labels = match[1], match[2]
        assert any(name == t or (types[t] == "summary" and name in (t + "_sum", t + "_count")) for t in types), line
        assert (name, labels) not in samples, line
        samples[name, labels] = float(match[3])
    return samples


def test_metrics_count_what_happens(functions: FunctionsClient, exclaim: str) -> None:
    for _ in range(3):
        answer = functions.upload("POST", "exclaim/trigger", [Part("data", b"hello", "text/plain")])
        assert answer == Answer(200, "hello!")
    samples = metrics_of(functions)
    labels = (
        'tenant="public",namespace="public/default",name="exclaim",instance_id="0",cluster="standalone",'
        'fqfn="public/default/exclaim"'
    )
    assert samples["pulsar_function_received_total", labels] == 3
    assert samples["pulsar_function_processed_successfully_total", labels] == 3
    assert samples["pulsar_function_user_exceptions_total", labels] == 0
    assert samples["pulsar_function_process_latency_ms_count", labels] == 3
    assert samples["pulsar_function_process_latency_ms_sum", labels] > 0
    assert samples["pulsar_function_last_invocation", labels] > 1e12
    worker = 'cluster="standalone"'
    assert samples["pulsar_function_worker_instance_count", worker] == 1
    assert samples["pulsar_function_worker_total_function_count", worker] == 1
    assert samples["pulsar_function_worker_is_leader", worker] == 1
    assert samples["pulsar_function_worker_start_instance_process_time_ms_count", worker] >= 1
    assert ("pulsar_broker_topics_count", worker) in samples, "the broker's own metrics stay on the page"


def test_dashboard_and_alerts_name_metrics_that_exist(functions: FunctionsClient, exclaim: str) -> None:
    folder = locations.SOURCE_ROOT / "docs" / "monitoring"
    dashboard = json.loads((folder / "grafana-dashboard.json").read_text())
    rules = yaml.safe_load((folder / "alerts.yml").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    queries += [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    named = {name for query in queries for name in re.findall(r"\b(?:pulsar|weft)_[a-z_0-9]+", query)}
    there = {name for name, _ in metrics_of(functions)}
    assert len(queries) > 10 and len(named) > 8
    assert named <= there, named - there


def check_answer(case: schemathesis.Case) -> None:
    """501 says that something is not served yet, and its text names it."""
    answer = case.call(timeout=30)
    if answer.status_code == 501:
        assert "not supported by Weft yet" in answer.json()["reason"]
        return
    assert answer.status_code < 500, (case.as_curl_command(), answer.text)
    if answer.status_code >= 400:
        assert answer.json()["reason"]


def test_generated_requests_get_no_5xx(weft: WeftStandalone, functions: FunctionsClient) -> None:
    """Values that schemathesis makes of the document, for each of its operations."""
    document = schemathesis.openapi.from_url(f"{weft.address.admin_url}/admin/openapi.json")
    limited = settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    asked = 0
    for found in document.get_all_operations():
        operation = found.ok()
        limited(given(operation.as_strategy())(lambda case: check_answer(case)))()
        asked += 1
    assert asked > 100


def test_nothing_fell_over(weft: WeftStandalone) -> None:
    weft.check_running()
    assert "handler failed" not in weft.log.read_text()
