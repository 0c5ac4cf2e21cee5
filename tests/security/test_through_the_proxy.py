"""Functions through the unchanged Pulsar proxy, with TLS and tokens: what may be done is what the end user may do, not what the proxy may.

Behind it: `weft standalone`, and the real Apache Pulsar with `weft worker` (WEFT_BEHIND_PROXY=pulsar; leaves its evidence)."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pulsar
import pytest
from secure_proxy import ROLE, SecureProxy
from secure_pulsar import PROVIDERS, TOKEN_PLUGIN, SecurePulsar
from secure_weft import SecureWeft
from test_worker_rest import Web, bearer

from harness import evidence
from harness.credentials import Authority, TokenIssuer
from harness.java_tools import JavaTools, ToolResult
from harness.locations import SOURCE_ROOT
from harness.weft_standalone import WeftWorker

BEHIND = os.environ.get("WEFT_BEHIND_PROXY", "weft")
FUNCTION = "def exclaim(text):\n    return text + '!'\n"
NAMED = ["--tenant", "acme", "--namespace", "jobs", "--name", "exclaim"]
FUNCTIONS = "/admin/v3/functions/acme/jobs"
# The proxy may do everything when it speaks for nobody.
ROLES = {"superUserRoles": f"admin,{ROLE}", "proxyRoles": ROLE}


@dataclass
class Place:
    proxy: SecureProxy
    authority: Authority
    issuer: TokenIssuer
    worker_url: str
    log: Path  # where it is written who was refused

    def web(self) -> Web:
        return Web(self.proxy.admin_url, self.authority.certificate)

    def admin(self, folder: Path, role: str, *command: str) -> ToolResult:
        return JavaTools(self.proxy, folder).admin(
            "--auth-plugin", TOKEN_PLUGIN, "--auth-params", f"token:{self.issuer.token(role)}",
            "--tls-trust-cert-path", str(self.authority.certificate), *command, timeout_seconds=200,
        )  # fmt: skip


def set_up_rights(web: Web, issuer: TokenIssuer) -> None:
    headers = bearer(issuer.token("admin")) | {"Content-Type": "application/json"}
    for method, path, body in (
        ("PUT", "tenants/acme", {"adminRoles": [], "allowedClusters": ["standalone"]}),
        ("PUT", "namespaces/acme/jobs", {}),
        ("POST", "namespaces/acme/jobs/permissions/maker", ["functions"]),
        ("POST", "namespaces/acme/jobs/permissions/client", ["produce", "consume"]),
    ):
        status, text = web.ask(method, f"/admin/v2/{path}", headers, json.dumps(body))
        assert status // 100 == 2, (path, status, text)


def worker_of(pulsar: SecurePulsar, folder: Path) -> WeftWorker:
    certificate, key = pulsar.authority.issue("worker", "DNS:localhost")
    authority = pulsar.authority.certificate
    conf = folder / "worker.yml"
    conf.write_text(
        f"workerId: one\nworkerHostname: localhost\nworkerPort: null\nworkerPortTls: 0\ntlsEnabled: true\n"
        f"tlsCertificateFilePath: {certificate}\ntlsKeyFilePath: {key}\ntlsTrustCertsFilePath: {authority}\n"
        f"downloadDirectory: {folder}/data\n"
        f"pulsarServiceUrl: {pulsar.service_url}/\npulsarWebServiceUrl: {pulsar.web_url}\n"
        f"brokerClientTrustCertsFilePath: {authority}\nbrokerClientAuthenticationPlugin: {TOKEN_PLUGIN}\n"
        f"brokerClientAuthenticationParameters: file://{pulsar.admin_token}\n"
        f"authenticationEnabled: true\nauthenticationProviders: [ {PROVIDERS}Token, {PROVIDERS}Tls ]\n"
        f"authorizationEnabled: true\nsuperUserRoles: [ admin, {ROLE} ]\nproxyRoles: [ {ROLE} ]\n"
        f"properties:\n  tokenSecretKey: file://{pulsar.issuer.key_file}\n"
    )
    return WeftWorker(folder / "logs", ["-c", conf, "--python", sys.executable, "--audit-log", folder / "audit.log"])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("behind")
    with ExitStack() as stack:
        if BEHIND == "weft":
            weft = stack.enter_context(SecureWeft(folder / "weft", ROLES, ["--python", sys.executable]))
            authority, issuer, log = weft.authority, weft.issuer, weft.log
            service_url = weft.service_url.replace("127.0.0.1", "localhost")
            web_url = worker_url = weft.web_url.replace("127.0.0.1", "localhost")
        else:
            # The proxy looks in the certificate for the address that it has found for the broker's name.
            real = stack.enter_context(SecurePulsar(folder / "pulsar", ROLES, "DNS:localhost,IP:127.0.0.1"))
            worker = stack.enter_context(worker_of(real, folder))
            authority, issuer, log = real.authority, real.issuer, folder / "audit.log"
            service_url, web_url = real.service_url, real.web_url
            worker_url = worker.admin_url.replace("127.0.0.1", "localhost")
        set_up_rights(Web(web_url, authority.certificate), issuer)
        proxy = stack.enter_context(
            SecureProxy(folder / "proxy", authority, issuer, service_url=service_url, web_url=web_url, worker_url=worker_url)
        )
        yield Place(proxy, authority, issuer, worker_url, log)


def test_pulsar_admin_creates_triggers_and_deletes_as_the_end_user(place: Place, tmp_path: Path) -> None:
    program = tmp_path / "exclaim.py"
    program.write_text(FUNCTION)
    create = ["functions", "create", "--py", str(program), "--classname", "exclaim.exclaim", *NAMED,
              "--inputs", "persistent://acme/jobs/in", "--output", "persistent://acme/jobs/out"]  # fmt: skip
    refused = place.admin(tmp_path, "stranger", *create)
    assert refused.status != 0 and "not authorized" in refused.output, refused.output
    assert "Created successfully" in place.admin(tmp_path, "maker", *create).check().output
    wait_until_running(place)
    triggered = place.admin(tmp_path, "maker", "functions", "trigger", *NAMED, "--trigger-value", "hello").check()
    assert "hello!" in triggered.output, triggered.output
    assert "Deleted successfully" in place.admin(tmp_path, "maker", "functions", "delete", *NAMED).check().output
    assert place.web().ask("GET", f"{FUNCTIONS}/exclaim", bearer(place.issuer.token("maker")))[0] == 404


def wait_until_running(place: Place) -> None:
    web, headers = place.web(), bearer(place.issuer.token("maker"))
    deadline = time.monotonic() + 60
    while True:
        status, text = web.ask("GET", f"{FUNCTIONS}/exclaim/status", headers)
        assert status == 200, (status, text)
        if json.loads(text)["numRunning"] == 1:
            return
        assert time.monotonic() < deadline, text
        time.sleep(0.1)  # between two questions


def test_a_right_of_the_proxy_is_nobody_elses(place: Place) -> None:
    """By certificate: then the worker sees the proxy's, and learns the user's role from X-Original-Principal."""
    web = place.web()
    certificates = {role: place.authority.issue(f"user-{role}", role=role) for role in ("maker", "stranger")}
    answers = {role: web.ask("GET", FUNCTIONS, {}, certificate=files)[0] for role, files in certificates.items()}
    assert answers == {"maker": 200, "stranger": 401}
    tokens = {role: web.ask("GET", FUNCTIONS, bearer(place.issuer.token(role)))[0] for role in ("maker", "stranger")}
    assert tokens == {"maker": 200, "stranger": 401}
    assert web.ask("GET", FUNCTIONS, {})[0] == 401 and web.ask("GET", FUNCTIONS, bearer("x.y.z"))[0] == 401
    # The proxy's own certificate, used by somebody who speaks for nobody, or lies.
    own = place.authority.issue("another-of-the-proxy", role=ROLE)
    straight = Web(place.worker_url, place.authority.certificate)
    assert straight.ask("GET", FUNCTIONS, {}, certificate=own)[0] == 401
    assert straight.ask("GET", FUNCTIONS, {"X-Original-Principal": ROLE}, certificate=own)[0] == 401
    lie = bearer(place.issuer.token("stranger")) | {"X-Original-Principal": "maker"}
    assert straight.ask("GET", FUNCTIONS, lie)[0] == 401 and web.ask("GET", FUNCTIONS, lie)[0] == 401
    # The proxy hands on what a client says of itself, and adds what it knows.
    lie = {"X-Original-Principal": "maker"}
    assert web.ask("GET", FUNCTIONS, lie, certificate=certificates["stranger"])[0] == 401


def test_the_log_names_the_proxy_and_the_user(place: Place) -> None:
    certificate = place.authority.issue("of-a-third", role="third")
    assert place.web().ask("DELETE", f"{FUNCTIONS}/exclaim", {}, certificate=certificate)[0] == 401
    (line,) = [line for line in place.log.read_text().splitlines() if "third" in line]
    assert ROLE in line and "DELETE" in line and f"{FUNCTIONS}/exclaim" in line, line
    if BEHIND == "pulsar":
        told = json.loads(line)
        assert (told["role"], told["originalPrincipal"], told["allowed"]) == (ROLE, "third", False)
        allowed = [json.loads(text) for text in place.log.read_text().splitlines() if '"maker"' in text]
        assert {one["role"] for one in allowed if one["allowed"]} == {ROLE, "maker"}, "by certificate, and by token"


def test_messages_go_through_it_by_the_same_rules(place: Place) -> None:
    def client_of(role: str) -> pulsar.Client:
        return pulsar.Client(
            place.proxy.service_url, authentication=pulsar.AuthenticationToken(place.issuer.token(role)),
            logger=pulsar.FileLogger(pulsar.LoggerLevel.Error, "/dev/null"), operation_timeout_seconds=60,
            tls_trust_certs_file_path=str(place.authority.certificate), tls_validate_hostname=True,
        )  # fmt: skip

    topic = "persistent://acme/jobs/through"
    client = client_of("client")
    consumer = client.subscribe(topic, "mine")
    client.create_producer(topic).send(b"hello")
    assert consumer.receive(60_000).data() == b"hello"
    client.close()
    stranger = client_of("stranger")
    with pytest.raises(pulsar.AuthorizationError):
        stranger.create_producer(topic)
    stranger.close()


def test_leave_evidence(place: Place, request: pytest.FixtureRequest) -> None:
    """Last: all of the above held."""
    if BEHIND == "weft":
        pytest.skip("it is left by the run on the real Apache Pulsar")
    assert request.session.testsfailed == 0
    lines = [json.loads(line) for line in place.log.read_text().splitlines()]
    counted: dict[str, int] = {}
    for line in lines:
        key = f"{line['role'] or 'nobody'} for {line.get('originalPrincipal') or 'itself'}: {'allowed' if line['allowed'] else 'refused'}"
        counted[key] = counted.get(key, 0) + 1
    found = {"commit": evidence.commit(), "machine": evidence.machine(), "pulsar": "4.0.8", "requests": dict(sorted(counted.items()))}
    (SOURCE_ROOT / "docs" / "evidence" / "through-the-proxy.json").write_text(json.dumps(found, indent=1) + "\n")
