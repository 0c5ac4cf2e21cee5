"""The worker's REST with TLS, authentication and authorization, in a cluster of two on the real Apache Pulsar, whose rights hold."""

import http.client
import json
import re
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from matrix_operations import who_may
from secure_pulsar import PROVIDERS, TOKEN_PLUGIN, SecurePulsar

from harness.credentials import TokenIssuer
from harness.java_tools import JavaTools
from harness.locations import weft_binary
from harness.weft_standalone import WeftWorker

GRANTED = {"fn": "functions", "src": "sources", "snk": "sinks", "pkg": "packages", "client": "consume"}
FUNCTION = "def exclaim(text):\n    return text + '!'\n"


class Web:
    """Requests to one https server, over connections that are kept; each certificate has its own."""

    def __init__(self, url: str, authority: Path) -> None:
        self._port = urlsplit(url).port
        self._authority = authority
        self._connections: dict[tuple[Path, Path] | None, http.client.HTTPSConnection] = {}

    def ask(
        self, method: str, path: str, headers: dict[str, str], body: str = "",
        certificate: tuple[Path, Path] | None = None,
    ) -> tuple[int, str]:  # fmt: skip
        connection = self._connections.get(certificate)
        if connection is None:
            context = ssl.create_default_context(cafile=str(self._authority))
            if certificate is not None:
                context.load_cert_chain(*certificate)
            connection = http.client.HTTPSConnection("localhost", self._port, timeout=30, context=context)
            self._connections[certificate] = connection
        connection.request(method, path, body.encode() or None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")

    def forget(self) -> None:
        """Connects anew the next time."""
        self._connections.clear()


@dataclass(frozen=True)
class Place:
    """For JavaTools: a broker, and a worker that is elsewhere."""

    service_url: str
    admin_url: str


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


class Cluster:
    def __init__(self, pulsar: SecurePulsar, folder: Path) -> None:
        self.pulsar, self.folder = pulsar, folder
        self.audit = folder / "audit.log"
        self.certificate, self.key = pulsar.authority.issue("worker", "DNS:localhost")
        self.workers: list[WeftWorker] = []
        self.urls: list[str] = []

    @property
    def broker(self) -> Web:
        """A new connection: Pulsar ends those that rest."""
        return Web(self.pulsar.web_url, self.pulsar.authority.certificate)

    def token(self, role: str) -> dict[str, str]:
        return bearer(self.pulsar.issuer.token(role))

    def set_up_rights(self) -> None:
        def do(method: str, path: str, body: object) -> None:
            headers = self.token("admin") | {"Content-Type": "application/json"}
            status, text = self.broker.ask(method, f"/admin/v2/{path}", headers, json.dumps(body))
            assert status // 100 == 2, (path, status, text)

        do("PUT", "tenants/acme", {"adminRoles": ["boss", "gateway"], "allowedClusters": ["standalone"]})
        do("PUT", "namespaces/acme/jobs", {})
        for role, action in GRANTED.items():
            do("POST", f"namespaces/acme/jobs/permissions/{role}", [action])

    def grant(self, role: str, action: str) -> None:
        headers = self.token("admin") | {"Content-Type": "application/json"}
        path = f"/admin/v2/namespaces/acme/jobs/permissions/{role}"
        assert self.broker.ask("POST", path, headers, json.dumps([action]))[0] // 100 == 2

    def start_worker(self, name: str) -> None:
        authority = self.pulsar.authority.certificate
        conf = self.folder / f"{name}.yml"
        conf.write_text(
            f"workerId: {name}\nworkerHostname: localhost\nworkerPort: null\nworkerPortTls: 0\ntlsEnabled: true\n"
            f"tlsCertificateFilePath: {self.certificate}\ntlsKeyFilePath: {self.key}\ntlsTrustCertsFilePath: {authority}\n"
            f"downloadDirectory: {self.folder}/{name}\n"
            f"pulsarServiceUrl: {self.pulsar.service_url}/\npulsarWebServiceUrl: {self.pulsar.web_url}\n"
            f"brokerClientTrustCertsFilePath: {authority}\nbrokerClientAuthenticationPlugin: {TOKEN_PLUGIN}\n"
            f"brokerClientAuthenticationParameters: file://{self.pulsar.admin_token}\n"
            f"authenticationEnabled: true\nauthenticationProviders: [ {PROVIDERS}Token, {PROVIDERS}Tls ]\n"
            "authorizationEnabled: true\n"
            "authorizationProvider: org.apache.pulsar.broker.authorization.PulsarAuthorizationProvider\n"
            "superUserRoles:\n  - admin\nproxyRoles: [ gateway ]\n"
            f"properties:\n  tokenSecretKey: file://{self.pulsar.issuer.key_file}\n"
        )
        options: list[str | Path] = ["-c", conf, "--python", sys.executable, "--audit-log", self.audit]
        worker = WeftWorker(self.folder / f"{name}-logs", options)
        self.workers.append(worker)
        self.urls.append(worker.admin_url.replace("127.0.0.1", "localhost"))

    def web(self, worker: int = 0) -> Web:
        return Web(self.urls[worker], self.pulsar.authority.certificate)

    def weft(self, worker: int, role: str, *command: str) -> subprocess.CompletedProcess[str]:
        who = ["--auth-plugin", "token", "--auth-params", self.pulsar.issuer.token(role),
               "--tls-trust-cert-path", str(self.pulsar.authority.certificate)]  # fmt: skip
        line = [weft_binary(), *who, "--admin-url", self.urls[worker], *command]
        return subprocess.run(line, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("secured")
    with SecurePulsar(folder) as pulsar:
        cluster = Cluster(pulsar, folder)
        cluster.set_up_rights()
        try:
            for name in ("one", "two"):
                cluster.start_worker(name)
            yield cluster
        finally:
            for worker in cluster.workers:
                worker.stop()


def test_every_endpoint_for_every_caller(cluster: Cluster, tmp_path: Path) -> None:
    web = cluster.web()
    issuer = cluster.pulsar.issuer
    status, text = web.ask("GET", "/admin/openapi.json", cluster.token("stranger"))
    assert status == 200, text
    routes = [(method.upper(), path) for path, methods in json.loads(text)["paths"].items() for method in methods]
    assert len(routes) > 150
    unknown = {
        "nobody": {},
        "a token of another key": bearer(TokenIssuer(tmp_path).token("admin")),
        "a token that is over": bearer(issuer.token("admin", -60)),
        "a token whose time has not come": bearer(issuer.token("admin", 7200, 3600)),
        "no token": bearer("admin"),
        "a scheme that is not served": {"Authorization": "Basic YWRtaW46YWRtaW4="},
    }
    certificates = {role: cluster.pulsar.authority.issue(f"of-{role}", role=role) for role in ("fn", "stranger")}
    seen = 0
    for method, pattern in routes:
        rule = who_may(pattern)
        path = pattern.replace("{tenant}", "acme").replace("{namespace}", "jobs").replace("{type}", "function")
        path = re.sub(r"\{instanceId\}", "0", path)
        path = re.sub(r"\{(\w+)\}", r"no-such-\1", path)
        for name, headers in unknown.items():
            status, text = web.ask(method, path, headers)
            assert status == 401 and "Authentication required" in text, (method, path, name, status, text)
        changes_the_cluster = rule == "admin" and method != "GET"
        allowed = {"stranger": rule == "known", "client": rule == "known", "boss": rule != "admin"}
        allowed |= {role: rule in ("known", role) for role in ("fn", "src", "snk", "pkg")}
        for role, yes in allowed.items():
            status, text = web.ask(method, path, cluster.token(role))
            assert (status != 401) == yes, (method, path, role, status, text)
            assert yes or "Client is not authorized to perform operation" in text, text
        for role, files in certificates.items():
            status, text = web.ask(method, path, {}, certificate=files)
            assert (status != 401) == allowed[role], (method, path, role, "by certificate", status, text)
        if not changes_the_cluster:
            assert web.ask(method, path, cluster.token("admin"))[0] != 401, (method, path)
        if rule in ("fn", "src", "snk", "pkg"):
            proxied = {"fn": rule == "fn", "boss": True, "stranger": False, "gateway": False}
            for original, yes in proxied.items():
                headers = cluster.token("gateway") | {"X-Original-Principal": original}
                status, text = web.ask(method, path, headers)
                assert (status != 401) == yes, (method, path, "gateway for", original, status, text)
            assert web.ask(method, path, cluster.token("gateway"))[0] == 401
            lie = cluster.token("stranger") | {"X-Original-Principal": rule}
            assert web.ask(method, path, lie)[0] == 401
        seen += 1
    assert seen == len(routes)


def test_a_function_of_an_end_user_in_a_cluster(cluster: Cluster, tmp_path: Path) -> None:
    """Pulsar's own pulsar-admin; what is asked of one worker is written by the other, and told of both."""
    program = tmp_path / "exclaim.py"
    program.write_text(FUNCTION)
    create = ["functions", "create", "--py", str(program), "--classname", "exclaim.exclaim", "--tenant", "acme",
              "--namespace", "jobs", "--name", "exclaim", "--inputs", "persistent://acme/jobs/in",
              "--output", "persistent://acme/jobs/out", "--parallelism", "2"]  # fmt: skip
    tools = [JavaTools(Place(cluster.pulsar.service_url, url), tmp_path) for url in cluster.urls]

    def admin(worker: int, role: str, *command: str) -> tuple[int, str]:
        done = tools[worker].admin(
            "--auth-plugin", TOKEN_PLUGIN, "--auth-params", f"token:{cluster.pulsar.issuer.token(role)}",
            "--tls-trust-cert-path", str(cluster.pulsar.authority.certificate), *command,
        )  # fmt: skip
        return done.status, done.output

    status, told = admin(1, "stranger", *create)
    assert status != 0 and "Client is not authorized to perform operation" in told, told
    status, told = admin(1, "fn", *create)
    assert status == 0 and "Created successfully" in told, told
    deadline = time.monotonic() + 60
    while True:  # the status is gathered from both, whoever is asked
        done = cluster.weft(0, "fn", "functions", "status", "--tenant", "acme", "--namespace", "jobs", "--name", "exclaim")
        assert done.returncode == 0, done.stderr
        if json.loads(done.stdout)["numRunning"] == 2:
            break
        assert time.monotonic() < deadline, done.stdout
        time.sleep(0.2)  # between two questions
    workers = {instance["status"]["workerId"] for instance in json.loads(done.stdout)["instances"]}
    assert workers == {"one", "two"}
    for worker in (0, 1):  # one of them sends it on
        done = cluster.weft(worker, "fn", "functions", "restart", "--tenant", "acme", "--namespace", "jobs", "--name",
                            "exclaim", "--instance-id", "0")  # fmt: skip
        assert done.returncode == 0, done.stderr
    done = cluster.weft(0, "fn", "functions", "delete", "--tenant", "acme", "--namespace", "jobs", "--name", "exclaim")
    assert done.returncode == 0 and "Deleted successfully" in done.stdout, done.stderr


def test_a_right_that_is_granted_is_there_in_a_moment(cluster: Cluster) -> None:
    web = cluster.web()
    path = "/admin/v3/functions/acme/jobs"
    assert web.ask("GET", path, cluster.token("newcomer"))[0] == 401
    cluster.grant("newcomer", "functions")
    deadline = time.monotonic() + 30
    while web.ask("GET", path, cluster.token("newcomer"))[0] != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)  # between two questions
    assert web.ask("GET", "/admin/v3/functions/public/default", cluster.token("newcomer"))[0] == 401


def test_the_audit_names_who_and_holds_no_token(cluster: Cluster) -> None:
    token = cluster.pulsar.issuer.token("auditor")
    assert cluster.web().ask("DELETE", "/admin/v3/sinks/acme/jobs/audited?x=y", bearer(token))[0] == 401
    lines = [json.loads(line) for line in cluster.audit.read_text().splitlines()]
    (line,) = [line for line in lines if line["role"] == "auditor"]
    assert line["allowed"] is False and line["method"] == "DELETE" and line["path"] == "/admin/v3/sinks/acme/jobs/audited"
    assert line["from"].startswith("127.0.0.1:") and "not granted sinks" in line["why"]
    for text in (cluster.audit.read_text(), *(worker.log.read_text() for worker in cluster.workers)):
        assert token not in text and cluster.pulsar.admin_token.read_text().strip() not in text


def test_nobody_listens_in_clear(cluster: Cluster) -> None:
    connection = http.client.HTTPConnection("localhost", urlsplit(cluster.urls[0]).port, timeout=10)
    with pytest.raises((http.client.HTTPException, OSError)):
        connection.request("GET", "/version")
        connection.getresponse()
