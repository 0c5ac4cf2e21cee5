"""The matrix of authentication and authorization: each caller asks each route of broker and worker, and each command of the binary protocol.

By default `weft standalone` is asked: each answer has to be the one of the rules, and the one of Apache Pulsar 4.0.8, as
docs/evidence/security_matrix.json has it, but for the rows of matrix_reasons.py. WEFT_MATRIX=pulsar asks the real Apache Pulsar, with its
functions worker, and leaves that file."""

import http.client
import json
import os
import ssl
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import matrix_commands
import matrix_operations
import pytest
from matrix_callers import GRANTED, REVOKED, ROLES, Caller, Credentials
from matrix_operations import NAMESPACE, SUBSCRIPTION, TENANT, TOPIC, Operation
from matrix_reasons import REASONS, Cell, Reason, without_a_reason
from secure_pulsar import PROVIDERS, SecurePulsar
from secure_weft import SecureWeft
from test_worker_rest import Web, bearer

from harness import locations
from harness.credentials import Authority
from harness.evidence import commit, machine
from harness.raw_client import BrokerError, RawClient

EVIDENCE = locations.SOURCE_ROOT / "docs" / "evidence" / "security_matrix.json"
ON_PULSAR = os.environ.get("WEFT_MATRIX") == "pulsar"
LETTERS = {
    "y": "let through", "1": "401", "3": "403", "A": "AuthenticationError", "Z": "AuthorizationError", "e": "another error",
    "c": "the connection ends", "x": "no connection",
}  # fmt: skip
# A connection of the worker's that was refused a hundred times in a row is read slowly from then on.
REQUESTS_OF_A_CONNECTION = 90
Answers = dict[str, str]  # a letter for each caller, by the operation's name


class Place(Protocol):
    authority: Authority

    @property
    def service_url(self) -> str: ...

    @property
    def web_url(self) -> str: ...


class Tokens(Protocol):
    def token(self, role: str) -> str: ...


class Asker:
    def __init__(self, place: Place, credentials: Tokens) -> None:
        self._place, self._credentials = place, credentials
        self._admin = Caller("the admin", "admin", credentials.token("admin"))

    def rotated(self) -> None:
        self._admin = Caller("the admin", "admin", self._credentials.token("admin"))

    def as_admin(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        web = Web(self._place.web_url, self._place.authority.certificate)
        headers = bearer(self._admin.token) | {"Content-Type": "application/json"}
        return web.ask(method, path, headers, "" if body is None else json.dumps(body))

    def set_up(self) -> None:
        everything = sorted({*GRANTED.values()})
        namespace, topic = f"/admin/v2/namespaces/{NAMESPACE}", f"/admin/v2/persistent/{NAMESPACE}/topic"
        for method, path, body in (
            ("PUT", f"/admin/v2/tenants/{TENANT}", {"adminRoles": ["tadmin"], "allowedClusters": ["standalone"]}),
            ("PUT", namespace, {}),
            *(("POST", f"{namespace}/permissions/{role}", [action]) for role, action in GRANTED.items()),
            ("PUT", topic, None),
            ("PUT", f"{topic}/subscription/{SUBSCRIPTION}", None),
            ("POST", f"{namespace}/permissions/subscription/{SUBSCRIPTION}", ["subr"]),
            ("POST", f"{namespace}/permissions/{REVOKED}", everything),
        ):
            status, text = self.as_admin(method, path, body)
            assert status // 100 == 2, (method, path, status, text)
        with self._connected(REVOKED) as client:
            client.create_producer(TOPIC)
            status, text = self.as_admin("DELETE", f"{namespace}/permissions/{REVOKED}")
            assert status // 100 == 2, text
        with self._connected(REVOKED) as client, pytest.raises(BrokerError, match="not authorized"):
            client.create_producer(TOPIC)

    def _connected(self, role: str) -> RawClient:
        client = RawClient("localhost", self._port, 30, self._trust())
        client.connect("token", self._credentials.token(role))
        return client

    @property
    def _port(self) -> int:
        port = urlsplit(self._place.service_url).port
        assert port is not None
        return port

    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self._place.authority.certificate))

    def letters_of(self, caller: Caller, operations: list[Operation]) -> str:
        """Of all operations over REST, then of all commands."""
        letters = self.rest_letters_of(caller, operations)
        self._give_schema()  # one of the routes takes it away
        return letters + matrix_commands.letters_of(caller, self._port, self._trust())

    def rest_letters_of(self, caller: Caller, operations: list[Operation]) -> str:
        headers = bearer(caller.token) if caller.token else {}
        letters = ""
        web = Web(self._place.web_url, self._place.authority.certificate)
        for number, operation in enumerate(operations):
            if number % REQUESTS_OF_A_CONNECTION == 0:
                web = Web(self._place.web_url, self._place.authority.certificate)
            if operation.before:
                self.as_admin(*operation.before)
            letters += self._letter(web, operation, headers | {"Content-Type": operation.content_type}, caller)
            if letters == "x":  # before it could say what it wants
                return "x" * len(operations)
        return letters

    def _give_schema(self) -> None:
        body = {"type": "STRING", "schema": "", "properties": {}}
        status, text = self.as_admin("POST", f"/admin/v2/schemas/{NAMESPACE}/topic/schema", body)
        assert status // 100 == 2, text

    @staticmethod
    def _letter(web: Web, operation: Operation, headers: dict[str, str], caller: Caller) -> str:
        for again in (True, False):
            try:
                status, text = web.ask(operation.method, operation.path, headers, operation.body, caller.certificate)
            except (ssl.SSLError, ConnectionError, http.client.HTTPException):
                if again and caller.connects:  # one that was closed while it rested
                    web.forget()
                    continue
                return "x"
            assert status != 500 or ON_PULSAR, (operation, caller.name, text)
            return {401: "1", 403: "3"}.get(status, "y")
        raise AssertionError


def by_the_rules(operation: Operation, caller: Caller) -> str:
    return operation.rights[caller.role] if caller.connects else "x"


def in_order(callers: list[Caller], letters: list[str], operations: list[Operation]) -> Answers:
    names = [operation.name for operation in operations] + list(matrix_commands.COMMANDS)
    assert len(set(names)) == len(names)
    return {name: "".join(of_caller[number] for of_caller in letters) for number, name in enumerate(names)}


def ask_all(asker: Asker, credentials: Credentials, place: "Weft | Pulsar", operations: list[Operation]) -> tuple[list[Caller], Answers]:
    callers = credentials.callers()
    letters = [asker.letters_of(caller, operations) for caller in callers]
    rotated = credentials.rotate()
    asker.rotated()
    place.take_new_credentials(asker)
    letters += [asker.letters_of(caller, operations) for caller in rotated]
    callers += rotated
    return callers, in_order(callers, letters, operations)


def expected(callers: list[Caller], operations: list[Operation]) -> Answers:
    rest = {operation.name: "".join(by_the_rules(operation, caller) for caller in callers) for operation in operations}
    return rest | {name: "".join(matrix_commands.by_the_rules(name, caller) for caller in callers) for name in matrix_commands.COMMANDS}


def cells(callers: Iterable[str], weft: Answers, pulsar: Answers) -> Iterator[Cell]:
    for name, letters in weft.items():
        for caller, one, other in zip(callers, letters, pulsar[name], strict=True):
            yield Cell(name, caller, one, other)


def server_settings(credentials: Credentials) -> dict[str, str]:
    return {
        "authenticationProviders": f"{PROVIDERS}Token,{PROVIDERS}Tls",
        "tokenSecretKey": "",
        "tokenPublicKey": f"file://{credentials.public_key}",
        "tokenPublicAlg": "RS256",
        "tlsTrustCertsFilePath": str(credentials.trusted),
    }


class Weft(SecureWeft):
    def take_new_credentials(self, asker: Asker) -> None:
        """At once: no restart, no waiting."""


class Pulsar(SecurePulsar):
    """Its functions worker is the broker's own. It reads a token's key only when it starts."""

    def __init__(self, folder: Path, credentials: Credentials) -> None:
        self._credentials = credentials
        more = server_settings(credentials) | {
            "enablePackagesManagement": "true",
            "packagesManagementStorageProvider": "org.apache.pulsar.packages.management.storage.filesystem.FileSystemPackagesStorageProvider",
        }
        super().__init__(folder, more, functions=True)

    def _start(self) -> None:
        self.admin_token.write_text(self._credentials.token("admin") + "\n")
        super()._start()

    def take_new_credentials(self, asker: Asker) -> None:
        self.restart()
        self.wait_for_worker(asker)

    def wait_for_worker(self, asker: Asker) -> None:
        deadline = time.monotonic() + 180
        while asker.as_admin("GET", "/admin/v2/worker/cluster/leader/ready")[0] != 200:
            assert time.monotonic() < deadline, self._child.log_tail()
            time.sleep(0.2)  # between two questions to a foreign program


@pytest.fixture
def credentials(tmp_path: Path) -> Iterator[Credentials]:
    made = Credentials(tmp_path / "credentials")
    yield made
    made.stop()


def document_of(asker: Asker) -> dict[str, object]:
    status, text = asker.as_admin("GET", "/admin/openapi.json")
    assert status == 200, text
    return dict(json.loads(text))


def ask_weft(tmp_path: Path, credentials: Credentials) -> tuple[list[Caller], list[Operation], Answers]:
    with Weft(tmp_path / "weft", server_settings(credentials), ["--python", sys.executable]) as weft:
        asker = Asker(weft, credentials)
        asker.set_up()
        named = {each.name: each for each in matrix_operations.of_the_worker(document_of(asker))}
        named |= {each.name: each for each in matrix_operations.of_the_broker()}  # has /metrics, too
        operations = list(named.values())
        callers, weft_says = ask_all(asker, credentials, weft, operations)
    return callers, operations, weft_says


def differences(one: Answers, other: Answers, callers: list[Caller]) -> list[str]:
    found = []
    for name, letters in one.items():
        wrong = [f"{caller.name} {a}, not {b}" for caller, a, b in zip(callers, letters, other[name], strict=True) if a != b]
        if wrong:
            found.append(f"{name}: {'; '.join(wrong)}")
    return found


def check_reasons(callers: list[str], weft: Answers, pulsar: Answers) -> None:
    bare, unused = without_a_reason(cells(callers, weft, pulsar), REASONS)
    grouped: dict[str, list[str]] = {}
    for cell in bare:
        grouped.setdefault(f"{cell.operation}: weft {cell.weft}, pulsar {cell.pulsar}", []).append(cell.caller)
    assert not bare, "\n".join(f"{what}: {', '.join(who)}" for what, who in grouped.items())
    assert not unused, unused


@pytest.mark.skipif(ON_PULSAR, reason="Weft is asked by the fast test")
def test_weft_answers_by_the_rules_and_as_pulsar(tmp_path: Path, credentials: Credentials) -> None:
    callers, operations, weft = ask_weft(tmp_path, credentials)
    wrong = differences(weft, expected(callers, operations), callers)
    assert not wrong, "\n".join(wrong)
    recorded = json.loads(EVIDENCE.read_text())
    assert recorded["callers"] == [caller.name for caller in callers], "the callers changed: run the long test"
    assert set(recorded["answers"]) == set(weft), "the operations changed: run the long test"
    check_reasons(recorded["callers"], weft, recorded["answers"])
    seen = Counter("".join(weft.values()))
    assert set(seen) == set(LETTERS) - {"c"} and len(weft) > 250 and len(callers) > 40, seen
    print(f"{sum(seen.values())} cells: {dict(seen)}")


@pytest.mark.skipif(not ON_PULSAR, reason="starts Apache Pulsar, and writes evidence")
def test_pulsar(tmp_path: Path, credentials: Credentials) -> None:
    callers, operations, weft = ask_weft(tmp_path / "first", credentials)
    anew = Credentials(tmp_path / "credentials-for-pulsar")
    try:
        with Pulsar(tmp_path / "pulsar", anew) as broker:
            asker = Asker(broker, anew)
            broker.wait_for_worker(asker)
            asker.set_up()
            same, pulsar = ask_all(asker, anew, broker, operations)
    finally:
        anew.stop()
    names = [caller.name for caller in callers]
    assert names == [caller.name for caller in same]
    different = sum(cell.weft != cell.pulsar for cell in cells(names, weft, pulsar))
    total = len(names) * len(pulsar)
    evidence = {
        "commit": commit(), "machine": machine(), "pulsar": locations.PULSAR_VERSION, "cells": total, "equal": total - different,
        "different for a reason": different, "letters": LETTERS, "callers": names, "answers": pulsar,
    }  # fmt: skip
    EVIDENCE.write_text(json.dumps(evidence, indent=1) + "\n")
    check_reasons(names, weft, pulsar)


def test_a_reason_that_is_of_no_use_is_found() -> None:
    stale = Reason("GET /nowhere", ".*", "1", "3", "there is no such route")
    assert without_a_reason([Cell("GET /x", "nobody", "1", "y")], [stale]) == ([Cell("GET /x", "nobody", "1", "y")], [stale])


def test_a_route_without_a_rule_is_found() -> None:
    with pytest.raises(AssertionError, match="who may"):
        matrix_operations.of_the_worker({"paths": {"/admin/v3/news": {"get": {}}}})


def test_the_roles_are_those_of_the_rules() -> None:
    for operation in matrix_operations.of_the_broker():
        assert set(operation.rights) == {*ROLES, ""}
