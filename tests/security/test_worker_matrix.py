"""The matrix of `weft worker` on a broker that is elsewhere: whose a token or certificate is, the worker sees by itself; what its role may, the
broker says. Each answer has to be the one of the rules.

By default the broker is Weft's, and one operation of each rule is asked. WEFT_MATRIX=pulsar takes the real Apache Pulsar and all operations, and
leaves docs/evidence/worker_matrix.json."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from matrix_callers import Caller, Credentials
from matrix_operations import Operation, of_the_worker
from secure_pulsar import PROVIDERS, TOKEN_PLUGIN, SecurePulsar
from secure_weft import SecureWeft
from test_matrix import ON_PULSAR, Asker, by_the_rules, document_of

from harness import locations
from harness.credentials import Authority
from harness.evidence import commit, machine
from harness.weft_standalone import WeftWorker

EVIDENCE = locations.SOURCE_ROOT / "docs" / "evidence" / "worker_matrix.json"


@dataclass(frozen=True)
class WorkerPlace:
    authority: Authority
    service_url: str
    web_url: str


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[SecurePulsar | SecureWeft]:
    """Its credentials are none of the worker's."""
    if ON_PULSAR:
        with SecurePulsar(tmp_path / "broker") as pulsar:
            yield pulsar
    else:
        with SecureWeft(tmp_path / "broker", options=["--no-functions-worker"]) as weft:
            yield weft


def configuration(folder: Path, broker: SecurePulsar | SecureWeft, credentials: Credentials) -> Path:
    certificate, key = broker.authority.issue("worker", "DNS:localhost")
    token = folder / "worker.token"
    token.write_text(broker.issuer.token("admin"))
    conf = folder / "functions_worker.yml"
    conf.write_text(
        f"workerId: one\nworkerHostname: localhost\nworkerPort: null\nworkerPortTls: 0\ntlsEnabled: true\n"
        f"tlsCertificateFilePath: {certificate}\ntlsKeyFilePath: {key}\ntlsTrustCertsFilePath: {credentials.trusted}\n"
        f"downloadDirectory: {folder}/packages\npulsarServiceUrl: {broker.service_url}/\npulsarWebServiceUrl: {broker.web_url}\n"
        f"brokerClientTrustCertsFilePath: {broker.authority.certificate}\nbrokerClientAuthenticationPlugin: {TOKEN_PLUGIN}\n"
        f"brokerClientAuthenticationParameters: file://{token}\n"
        f"authenticationEnabled: true\nauthenticationProviders: [ {PROVIDERS}Token, {PROVIDERS}Tls ]\nauthorizationEnabled: true\n"
        f"superUserRoles: [ admin ]\nproperties:\n  tokenPublicKey: file://{credentials.public_key}\n  tokenPublicAlg: RS256\n"
    )
    return conf


def one_of_each_rule(operations: list[Operation]) -> list[Operation]:
    return list({tuple(sorted(operation.rights.items())): operation for operation in operations}.values())


def test_each_answer_is_by_the_rules(tmp_path: Path, elsewhere: SecurePulsar | SecureWeft) -> None:
    credentials = Credentials(tmp_path / "credentials")
    broker = elsewhere
    Asker(broker, broker.issuer).set_up()
    conf = configuration(tmp_path, broker, credentials)
    try:
        with WeftWorker(tmp_path / "worker", ["-c", conf, "--python", sys.executable]) as worker:
            url = worker.admin_url.replace("127.0.0.1", "localhost")
            asker = Asker(WorkerPlace(broker.authority, broker.service_url, url), credentials)
            operations = of_the_worker(document_of(asker), alone=True)
            if not ON_PULSAR:
                operations = one_of_each_rule(operations)
                assert len(operations) == 6
            callers = credentials.callers()
            wrong = differences(asker, callers, operations)
            rotated = credentials.rotate()
            wrong += differences(asker, rotated, operations)
    finally:
        credentials.stop()
    if ON_PULSAR:
        figures = {"operations": len(operations), "cells": (len(callers) + len(rotated)) * len(operations), "not by the rules": wrong}
        EVIDENCE.write_text(json.dumps({"commit": commit(), "machine": machine(), "pulsar": locations.PULSAR_VERSION} | figures, indent=1) + "\n")
    assert not wrong, wrong


def differences(asker: Asker, callers: list[Caller], operations: list[Operation]) -> list[str]:
    found = []
    for caller in callers:
        for operation, letter in zip(operations, asker.rest_letters_of(caller, operations), strict=True):
            if letter != by_the_rules(operation, caller):
                found.append(f"{caller.name}: {operation.name}: {letter}, not {by_the_rules(operation, caller)}")
    return found
