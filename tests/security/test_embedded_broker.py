"""`weft standalone` that asks who one is: TLS, mutual TLS, tokens, and what each role may do."""

import json
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pulsar
import pytest
from secure_weft import PROVIDERS, SecureWeft, write_conf

from harness.credentials import Authority, TokenIssuer
from harness.locations import pulsar_home, weft_binary
from harness.raw_client import BrokerError, RawClient

TOPIC = "persistent://t/ns/topic"
FUNCTION = "def exclaim(text):\n    return text + '!'\n"
AUTHENTICATION = 3  # ServerError


@pytest.fixture(scope="module")
def weft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureWeft]:
    options = ["--python", sys.executable]
    with SecureWeft(tmp_path_factory.mktemp("secure"), options=options) as weft:
        as_admin(weft, "PUT", "tenants/t", {"adminRoles": ["tadmin"], "allowedClusters": ["standalone"]})
        as_admin(weft, "PUT", "namespaces/t/ns", {})
        as_admin(weft, "POST", "namespaces/t/ns/permissions/prod", ["produce"])
        as_admin(weft, "POST", "namespaces/t/ns/permissions/cons", ["consume"])
        as_admin(weft, "PUT", "persistent/t/ns/topic")
        yield weft


def as_admin(weft: SecureWeft, method: str, path: str, body: object = None) -> str:
    status, text = weft.ask(method, f"/admin/v2/{path}", body, token=weft.issuer.token("admin"))
    assert status // 100 == 2, (method, path, status, text)
    return text


class Who:
    """What one shows: a token, a certificate, or nothing."""

    def __init__(self, token: str = "", certificate: tuple[Path, Path] | None = None) -> None:
        self.token, self.certificate = token, certificate

    def connect(self, weft: SecureWeft) -> RawClient:
        context = weft.trust()
        if self.certificate:
            context.load_cert_chain(*self.certificate)
        client = RawClient("127.0.0.1", weft.address.broker_port, 20, context)
        client.connect("token" if self.token else "tls" if self.certificate else "none", self.token)
        return client

    def may(self, weft: SecureWeft) -> str:
        """p: produce, c: consume, l: look up, s: stats, n: the namespace's policies, a: all tenants. "refused": not known at all."""
        can = ""
        try:
            with self.connect(weft) as client:
                for letter, operation in operations(client).items():
                    try:
                        operation()
                        can += letter
                    except BrokerError as error:
                        assert "Client is not authorized to " in str(error), error
        except BrokerError as error:
            assert f"2: {AUTHENTICATION}," in str(error) and "Failed to authenticate" in str(error)
            can = "refused"
        except (ssl.SSLError, ConnectionError):
            can = "no connection"
        paths = {"s": "persistent/t/ns/topic/stats", "n": "namespaces/t/ns", "a": "tenants"}
        found = {letter: self.ask(weft, path) for letter, path in paths.items()}
        if can in ("refused", "no connection"):
            assert set(found.values()) == ({401} if can == "refused" else {0}), found
            return can
        assert set(found.values()) <= {200, 401, 403}, found
        return can + "".join(letter for letter, status in found.items() if status == 200)

    def ask(self, weft: SecureWeft, path: str) -> int:
        return weft.ask("GET", f"/admin/v2/{path}", token=self.token, certificate=self.certificate)[0]


def operations(client: RawClient) -> dict[str, Callable[[], object]]:
    return {
        "p": lambda: client.create_producer(TOPIC),
        "c": lambda: client.subscribe(TOPIC, "cells"),
        "l": lambda: client.lookup(TOPIC),
    }


def test_cells(weft: SecureWeft, tmp_path: Path) -> None:
    """(none, token, mTLS) x (right, wrong, expired, not yet valid, no right) x (produce, consume, lookup, admin)."""
    tokens, certificates = weft.issuer, weft.authority
    other = Authority(tmp_path / "other")
    everything, nothing = "pclsna", ""
    cells = {
        "nobody": (Who(), "refused"),
        "a token": (Who(tokens.token("admin")), everything),
        "of a tenant's admin": (Who(tokens.token("tadmin")), "pclsn"),
        "of a producer": (Who(tokens.token("prod")), "pls"),
        "of a consumer": (Who(tokens.token("cons")), "cls"),
        "of one without a right": (Who(tokens.token("mallory")), nothing),
        "of another key": (Who(TokenIssuer(tmp_path).token("admin")), "refused"),
        "expired": (Who(tokens.token("admin", -5)), "refused"),
        "not yet valid": (Who(tokens.token("admin", 7200, 3600)), "refused"),
        "no token": (Who("x.y.z"), "refused"),
        "a certificate": (Who(certificate=certificates.issue("one", role="admin")), everything),
        "of a producer, too": (Who(certificate=certificates.issue("two", role="prod")), "pls"),
        "of one without a right, too": (Who(certificate=certificates.issue("three", role="mallory")), nothing),
        "of another authority": (Who(certificate=other.issue("four", role="admin")), "no connection"),
        "expired, too": (Who(certificate=certificates.issue_for("five", "admin", -200, -100)), "no connection"),
        "not yet valid, too": (Who(certificate=certificates.issue_for("six", "admin", 1000, 2000)), "no connection"),
        "still valid": (Who(certificate=certificates.issue_for("seven", "admin", -100, 1000)), everything),
        # Over the binary protocol the client says which of both it means; over HTTP the token comes first.
        "a token of one, a certificate of another": (Who(tokens.token("prod"), certificates.issue("eight", role="admin")), "pls"),
    }
    assert {name: who.may(weft) for name, (who, _) in cells.items()} == {name: may for name, (_, may) in cells.items()}


def test_nothing_is_open_to_strangers(weft: SecureWeft) -> None:
    for path in ("/admin/v3/functions/public/default", "/admin/v2/worker/cluster", "/admin/v2/functions/connectors",
                 "/admin/v2/brokers/version", "/admin/v2/clusters", "/lookup/v2/topic/persistent/t/ns/topic"):  # fmt: skip
        assert weft.ask("GET", path)[0] == 401, path
        assert weft.ask("GET", path, headers={"X-Original-Principal": "admin"})[0] == 401, path
        assert weft.ask("GET", path, token=weft.issuer.token("weft-standalone"))[0] == 401, path
    assert weft.ask("GET", "/status.html")[0] == 200 and weft.ask("GET", "/metrics")[0] == 200


def client_of(weft: SecureWeft, token: str | Callable[[], str], **more: object) -> pulsar.Client:
    return pulsar.Client(
        weft.service_url, authentication=pulsar.AuthenticationToken(token), logger=pulsar.FileLogger(pulsar.LoggerLevel.Error, "/dev/null"),
        tls_trust_certs_file_path=str(weft.authority.certificate), tls_validate_hostname=True, operation_timeout_seconds=5, **more,
    )  # fmt: skip


def test_a_change_of_rights_takes_effect(weft: SecureWeft) -> None:
    """With PyPI's client, and pulsar-admin as it comes."""
    admin = pulsar_admin(weft)
    admin("namespaces", "grant-permission", "t/ns", "--role", "ann", "--actions", "produce,consume")
    assert "ann" in admin("namespaces", "permissions", "t/ns")
    client = client_of(weft, weft.issuer.token("ann"))
    producer = client.create_producer(TOPIC, send_timeout_millis=2000)
    consumer = client.subscribe(TOPIC, "of-ann")
    producer.send(b"one")
    assert consumer.receive(10_000).data() == b"one"
    admin("namespaces", "revoke-permission", "t/ns", "--role", "ann")
    with pytest.raises(pulsar.PulsarException):
        producer.send(b"two")
    with pytest.raises(pulsar.AuthorizationError):
        client.create_producer(TOPIC)
    with pytest.raises(pulsar.AuthorizationError):
        client.subscribe(TOPIC, "of-ann")
    client.close()
    stats = as_admin(weft, "GET", "persistent/t/ns/topic/stats")
    assert '"publishers":[]' in stats, stats


def pulsar_admin(weft: SecureWeft) -> Callable[..., str]:
    def run(*arguments: str) -> str:
        command = [pulsar_home() / "bin" / "pulsar-admin", "--admin-url", weft.web_url,
                   "--auth-plugin", "org.apache.pulsar.client.impl.auth.AuthenticationToken",
                   "--auth-params", f"token:{weft.issuer.token('admin')}",
                   "--tls-trust-cert-path", weft.authority.certificate, *arguments]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_a_connection_lives_as_long_as_its_token(weft: SecureWeft) -> None:
    refreshed = client_of(weft, lambda: weft.issuer.token("prod", 2))
    stays = refreshed.create_producer(TOPIC, producer_name="stays")
    begun = since(weft, "stays")
    with RawClient("127.0.0.1", weft.address.broker_port, 20, weft.trust()) as stale:
        stale.connect("token", weft.issuer.token("prod", 2))
        with pytest.raises(ConnectionError):  # it can't answer a challenge
            while True:
                stale.lookup(TOPIC)
                time.sleep(0.05)  # between two questions; the socket's time limit ends it
    stays.send(b"still there")
    assert since(weft, "stays") == begun
    refreshed.close()


def since(weft: SecureWeft, producer: str) -> str:
    publishers = json.loads(as_admin(weft, "GET", "persistent/t/ns/topic/stats"))["publishers"]
    return next(str(one["connectedSince"]) for one in publishers if one["producerName"] == producer)


def test_its_own_worker_and_functions_go_on(weft: SecureWeft, tmp_path: Path) -> None:
    program = tmp_path / "exclaim.py"
    program.write_text(FUNCTION)

    def run(role: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command: list[str | Path] = [
            weft_binary(), "--url", weft.service_url, "--admin-url", weft.web_url, "--auth-plugin", "token",
            "--auth-params", f"token:{weft.issuer.token(role)}", "--tls-trust-cert-path", weft.authority.certificate,
        ]  # fmt: skip
        return subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60, check=False)

    create = ["functions", "create", "--py", program, "--classname", "exclaim.exclaim", "--inputs", "persistent://t/ns/in",
              "--output", "persistent://t/ns/out", "--tenant", "t", "--namespace", "ns", "--subs-position", "Earliest"]  # fmt: skip
    assert run("mallory", *create).returncode != 0
    done = run("admin", *create)
    assert done.returncode == 0, done.stderr
    assert run("prod", "produce", "persistent://t/ns/in", "-m", "hello").returncode == 0
    done = run("cons", "consume", "persistent://t/ns/out", "-s", "mine", "-p", "Earliest", "-n", "1")
    assert "content:hello!" in done.stdout, (done.stdout, done.stderr, weft.log.read_text()[-3000:])
    assert run("prod", "consume", "persistent://t/ns/out", "-s", "mine", "-n", "1").returncode != 0
    assert "Traceback" not in weft.log.read_text()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_only_new_tls_is_spoken(weft: SecureWeft) -> None:
    weak = "ALL:COMPLEMENTOFALL:!ECDHE+AESGCM:!ECDHE+CHACHA20:!DHE+AESGCM:!ARIAGCM:!AESCCM:!CAMELLIA:@SECLEVEL=0"
    for port in (weft.address.broker_port, weft.address.web_port):
        spoken = {}
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            spoken[version.name] = shakes_hands(weft, port, version, "DEFAULT:@SECLEVEL=0")
        assert spoken == {"TLSv1": False, "TLSv1_1": False, "TLSv1_2": True, "TLSv1_3": True}, port
        assert not shakes_hands(weft, port, ssl.TLSVersion.TLSv1_2, weak), port


def shakes_hands(weft: SecureWeft, port: int, version: ssl.TLSVersion, ciphers: str) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(weft.authority.certificate)
    context.set_ciphers(ciphers)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = version
    context.minimum_version = version
    try:
        with RawClient("127.0.0.1", port, 10, context):
            return True
    except (ssl.SSLError, ConnectionError):
        return False


def test_passwords_and_anonymous_and_plain_ports(tmp_path: Path) -> None:
    users = tmp_path / "users"
    hashed = subprocess.run(["openssl", "passwd", "-apr1", "secret"], check=True, capture_output=True, text=True).stdout
    users.write_text(f"admin:{hashed}")
    more = {"brokerServicePort": "0", "webServicePort": "0", "authenticationProviders": f"{PROVIDERS}Basic", "basicAuthConf": str(users),
            "anonymousUserRole": "guest", "brokerServicePortTls": "", "webServicePortTls": ""}  # fmt: skip
    with SecureWeft(tmp_path / "weft", more) as weft:
        assert weft.service_url.startswith("pulsar://") and weft.web_url.startswith("http://")
        for data, good in (("admin:secret", True), ("admin:wrong", False), ("eve:secret", False)):
            with RawClient("127.0.0.1", weft.address.broker_port) as client:
                if good:
                    client.connect("basic", data)
                    client.create_producer("persistent://public/default/x")
                else:
                    with pytest.raises(BrokerError, match="Failed to authenticate"):
                        client.connect("basic", data)
        with RawClient("127.0.0.1", weft.address.broker_port) as client:
            client.connect()
            with pytest.raises(BrokerError, match="not authorized"):
                client.create_producer("persistent://public/default/x")
        assert weft.ask("GET", "/admin/v2/clusters")[0] == 200 and weft.ask("GET", "/admin/v2/tenants")[0] == 401


def test_settings_that_can_not_be_honoured_are_named(weft: SecureWeft, tmp_path: Path) -> None:
    broken = {
        "tlsCertificateFilePath": "/nowhere/certificate.pem",
        "tlsKeyFilePath": str(weft.authority.issue("another")[1]),
        "tlsTrustCertsFilePath": "/nowhere/ca.pem",
        "brokerServicePortTls": "70000",
        "authenticationProviders": "org.apache.pulsar.broker.authentication.AuthenticationProviderSasl",
        "tokenSecretKey": "file:///nowhere/key",
        "authenticationEnabled": "false",
        "authorizationProvider": "org.example.Provider",
        "authenticationRefreshCheckSeconds": "0",
        "tokenAudience": "here",
        "tlsAllowInsecureConnection": "true",
        "tlsEnabledWithKeyStore": "true",
        "authenticateOriginalAuthData": "true",
        "tlsRequireTrustedClientCertOnConnect": "true",
        "brokerClientAuthenticationPlugin": "org.example.Plugin",
        "brokerClientCertificateFilePath": "/nowhere/own.pem",
    }
    for key, value in broken.items():
        conf = tmp_path / "broker.conf"
        write_conf(conf, weft.settings | {key: value})
        command = [weft_binary(), "standalone", "--data-dir", tmp_path / "data", "--conf", conf]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 1 and key in done.stderr, (key, done.stderr)
