"""What is asked in the matrix over REST: each route of the broker and of the worker, and who may."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from matrix_callers import ROLES

from harness.locations import SOURCE_ROOT

TENANT, NAMESPACE, TOPIC, SUBSCRIPTION = "t", "t/ns", "persistent://t/ns/topic", "sub"
_ROUTES = SOURCE_ROOT / "src" / "broker" / "tests" / "routes.def"
_OF_LETTERS = ("admin", "tadmin", "prod", "cons", "fun", "subr", "other", "")
_VALUES = {
    "tenant": TENANT, "namespace": "ns", "topic": "topic", "subscription": SUBSCRIPTION, "cluster": "standalone",
    "timestamp": "1", "count": "1", "position": "1", "ledger": "0", "entry": "0", "version": "0", "role": "x",
    "instanceId": "0", "type": "function",
}  # fmt: skip
_JSON, _PART = "application/json", "a-part-of-the-matrix"
_TENANT = {"adminRoles": ["tadmin"], "allowedClusters": ["standalone"]}
_TOPIC_REST = f"/admin/v2/persistent/{NAMESPACE}/topic"
# Bodies that change nothing of who may what, where a route wants one.
_BODIES: dict[str, object] = {
    "PUT /admin/v2/tenants/{tenant}": _TENANT,
    "POST /admin/v2/tenants/{tenant}": _TENANT,
    "PUT /admin/v2/namespaces/{tenant}/{namespace}": {},
    "POST /admin/v2/namespaces/{tenant}/{namespace}/retention": {"retentionTimeInMinutes": 1, "retentionSizeInMB": 1},
    "POST /admin/v2/namespaces/{tenant}/{namespace}/replication": ["standalone"],
    "PUT /admin/v2/namespaces/{tenant}/{namespace}/compactionThreshold": 0,
    "POST /admin/v2/namespaces/{tenant}/{namespace}/permissions/{role}": ["produce"],
    "POST /admin/v2/namespaces/{tenant}/{namespace}/permissions/subscription/{name}": ["x"],
    "POST /admin/v2/persistent/{tenant}/{namespace}/{topic}/permissions/{role}": ["produce"],
    "PUT /admin/v2/persistent/{tenant}/{namespace}/{topic}/properties": {"a": "b"},
    "PUT /admin/v2/persistent/{tenant}/{namespace}/{topic}/partitions": 2,
    "POST /admin/v2/persistent/{tenant}/{namespace}/{topic}/partitions": 2,
    "PUT /admin/v2/persistent/{tenant}/{namespace}/{topic}/subscription/{subscription}/properties": {"a": "b"},
    "POST /admin/v2/persistent/{tenant}/{namespace}/{topic}/subscription/{subscription}/resetcursor":
        {"ledgerId": -1, "entryId": -1, "partitionIndex": -1},
    "POST /admin/v2/schemas/{tenant}/{namespace}/{topic}/schema": {"type": "STRING", "schema": "", "properties": {}},
    "PUT /admin/v3/packages/{type}/{tenant}/{namespace}/{name}/{version}/metadata": {"description": "x"},
}  # fmt: skip
# What the admin puts back before each that asks, as one that may takes it away.
_BEFORE = {
    "DELETE /admin/v2/persistent/{tenant}/{namespace}/{topic}": ("PUT", _TOPIC_REST + "-doomed"),
    "DELETE /admin/v2/persistent/{tenant}/{namespace}/{topic}/subscription/{subscription}": (
        "PUT",
        f"{_TOPIC_REST}/subscription/{SUBSCRIPTION}",
    ),
}


@dataclass(frozen=True)
class Operation:
    name: str
    rights: dict[str, str] = field(repr=False)  # by role, "" is nobody that is known: y allowed, 1 is 401, 3 is 403
    path: str
    body: str = field(default="", repr=False)
    content_type: str = _JSON
    before: tuple[str, str] | None = None

    @property
    def method(self) -> str:
        return self.name.split()[0]


def of_the_broker() -> list[Operation]:
    lines = [line for line in _ROUTES.read_text().splitlines() if line.startswith("WEFT_ROUTE(")]
    rows = [re.fullmatch(r'WEFT_ROUTE\("([A-Z]+ [^"]+)", "([y13]{8})"\)', line) for line in lines]
    assert len(rows) > 70
    made = []
    for row in rows:
        assert row is not None, "a row of routes.def is not written like the others"
        letters = dict(zip(_OF_LETTERS, row[2], strict=True))
        # Rights over functions, sources, sinks and packages are none in the broker.
        rights = {role: letters.get(role, letters["fun"]) for role in (*ROLES, "")}
        path = _filled(row[1].split()[1], name="other")
        if row[1] == "DELETE /admin/v2/persistent/{tenant}/{namespace}/{topic}":
            path += "-doomed"
        if row[1] == "DELETE /admin/v2/persistent/{tenant}/{namespace}/{topic}/properties":
            path += "?key=a"  # without one, Pulsar never answers
        made.append(Operation(row[1], rights, path, _body(row[1]), before=_BEFORE.get(row[1])))
    return made


def of_the_worker(document: dict[str, Any], *, alone: bool = False) -> list[Operation]:
    """`document`: its OpenAPI document. A route that who_may() knows nothing of fails. `alone`: not beside a broker, which does not ask
    who wants its pages."""
    made = []
    for pattern, methods in document["paths"].items():
        for method, described in methods.items():
            name = f"{method.upper()} {pattern}"
            rights = _rights(who_may(pattern))
            if pattern in ("/metrics", "/initialized", "/version") and not alone:
                rights[""] = "y"
            path = _filled(pattern, name="no-such-name", key="no-such-key")
            schema = described.get("requestBody", {}).get("content", {}).get("multipart/form-data")
            if schema:
                made.append(Operation(name, rights, path, _form(schema), f"multipart/form-data; boundary={_PART}"))
            elif pattern.endswith("/functions/download"):
                made.append(Operation(name, rights, f"{path}?path=no-such-path"))
                upload = f"{path}?path={NAMESPACE}/name/file"
                made.append(Operation(f"{name} of the namespace", _rights("fn"), upload))
            else:
                made.append(Operation(name, rights, path, _body(name)))
    return made


def who_may(path: str) -> str:
    """Which role may besides super users, `known`: all that are known. By the rules of Pulsar's worker."""
    if path in ("/metrics", "/initialized", "/version", "/admin/openapi.json") or path.endswith("leader/ready"):
        return "known"
    if re.match("/admin/(v2/)?worker(-stats)?/", path):
        return "admin"
    if path.startswith("/admin/v3/packages/"):
        return "pkg"
    if "/builtinsources" in path or "/builtinsinks" in path or path.endswith("/functions/connectors"):
        return "known"
    if re.search("/reloadBuiltIn|/functions/(builtins|leader|upload|download$)", path):
        return "admin"
    assert "/{tenant}/{namespace}" in path, f"{path}: who may?"
    return "src" if "/v3/source" in path else "snk" if "/v3/sink" in path else "fn"


def _rights(rule: str) -> dict[str, str]:
    may = set(ROLES) if rule == "known" else {"admin"} if rule == "admin" else {"admin", "tadmin", rule.replace("fn", "fun")}
    assert may <= set(ROLES)
    return {role: "y" if role in may else "1" for role in (*ROLES, "")}


def _filled(pattern: str, **more: str) -> str:
    values = _VALUES | more
    return re.sub(r"\{(\w+)\}", lambda found: values[found[1]], pattern)


def _body(name: str) -> str:
    return json.dumps(_BODIES[name]) if name in _BODIES else ""


def _form(content: dict[str, Any]) -> str:
    """The parts that must be there, else the first one; none of them is of use."""
    parts = content["schema"]["properties"]
    chosen = content["schema"].get("required") or list(parts)[:1]
    made = ""
    for part in chosen:
        kind = content["encoding"][part]["contentType"]
        file = '; filename="x"' if kind == "application/octet-stream" else ""
        text = "{}" if kind == _JSON else "\x7f" if file else "x"
        made += f'--{_PART}\r\nContent-Disposition: form-data; name="{part}"{file}\r\nContent-Type: {kind}\r\n\r\n{text}\r\n'
    return f"{made}--{_PART}--\r\n"
