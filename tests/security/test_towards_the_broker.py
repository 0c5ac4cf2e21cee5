"""Weft's clients and worker on a broker that asks who they are, and shows who it is: the real Apache Pulsar."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from secure_pulsar import TOKEN_PLUGIN, SecurePulsar

from harness.credentials import Authority, TokenIssuer
from harness.functions_rest import FunctionsRest
from harness.locations import weft_binary
from harness.weft_standalone import WeftWorker

FUNCTION = "def exclaim(text):\n    return text + '!'\n"


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecurePulsar]:
    with SecurePulsar(tmp_path_factory.mktemp("secure")) as secure:
        yield secure


def as_admin(broker: SecurePulsar) -> list[str]:
    return ["--auth-plugin", TOKEN_PLUGIN, "--auth-params", f"file://{broker.admin_token}",
            "--tls-trust-cert-path", str(broker.authority.certificate)]  # fmt: skip


def weft(broker: SecurePulsar, who: list[str], *command: str, service_url: str = "") -> subprocess.CompletedProcess[str]:
    urls = ["--url", service_url or broker.service_url, "--admin-url", broker.web_url]
    return subprocess.run(
        [weft_binary(), *urls, *who, *command], capture_output=True, text=True, timeout=60
    )  # fmt: skip


def send(broker: SecurePulsar, who: list[str], topic: str, text: str) -> subprocess.CompletedProcess[str]:
    return weft(broker, who, "produce", topic, "-m", text)


def receive(broker: SecurePulsar, topic: str, count: int, subscription: str = "test") -> str:
    consume = ["consume", topic, "-s", subscription, "-p", "Earliest", "-n", str(count)]
    done = weft(broker, as_admin(broker), *consume)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_who_has_a_token_is_let_in(secure: SecurePulsar, tmp_path: Path) -> None:
    payload = "x" * 300_000  # more than one TLS record each way
    (tmp_path / "payload").write_text(payload)
    for what in (["-m", "hello"], ["-f", str(tmp_path / "payload")]):
        done = weft(secure, as_admin(secure), "produce", "tokens", *what)
        assert done.returncode == 0, done.stderr
    told = receive(secure, "tokens", 2)
    assert "content:hello" in told and f"content:{payload}" in told
    listed = weft(secure, as_admin(secure), "tenants", "list")
    assert listed.returncode == 0 and "public" in listed.stdout, listed.stderr


def test_a_certificate_says_who_one_is(secure: SecurePulsar) -> None:
    certificate, key = secure.authority.issue("client", role="admin")
    who = ["--auth-plugin", "AuthenticationTls", "--auth-params", f"tlsCertFile:{certificate},tlsKeyFile:{key}",
           "--tls-trust-cert-path", str(secure.authority.certificate)]  # fmt: skip
    assert send(secure, who, "certificates", "hello").returncode == 0
    listed = weft(secure, who, "tenants", "list")
    assert listed.returncode == 0 and "public" in listed.stdout, listed.stderr


def test_others_are_told_why_not(secure: SecurePulsar, tmp_path: Path) -> None:
    trust = ["--tls-trust-cert-path", str(secure.authority.certificate)]
    plugin = ["--auth-plugin", "token", "--auth-params"]
    refused = {
        "nobody": trust,
        "a token of another key": [*trust, *plugin, TokenIssuer(tmp_path).token("admin")],
        "a token that is over": [*trust, *plugin, secure.issuer.token("admin", -60)],
        "a token of one who may not": [*trust, *plugin, secure.issuer.token("mallory")],
    }
    for name, who in refused.items():
        for command in (["produce", "refused", "-m", "x"], ["tenants", "list"]):
            done = weft(secure, who, *command)
            assert done.returncode != 0, (name, command)
            said = done.stderr.lower()
            assert "auth" in said or "credentials" in said or "403" in said, (name, command, done.stderr)
    stranger = Authority(tmp_path / "stranger")
    untrusted = [*as_admin(secure)[:4], "--tls-trust-cert-path", str(stranger.certificate)]
    done = send(secure, untrusted, "refused", "x")
    assert done.returncode != 0 and "certificate verify failed" in done.stderr, done.stderr
    elsewhere = secure.service_url.replace("localhost", "127.0.0.1")  # the certificate names localhost
    done = weft(secure, as_admin(secure), "produce", "refused", "-m", "x", service_url=elsewhere)
    assert done.returncode != 0 and "IP address mismatch" in done.stderr, done.stderr
    insecure = [*as_admin(secure), "--tls-allow-insecure"]
    assert weft(secure, insecure, "produce", "taken", "-m", "x", service_url=elsewhere).returncode == 0


def holders_of(secret: str) -> list[str]:
    """Processes on whose command line or in whose environment it stands."""
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        for file in ("cmdline", "environ"):
            try:
                if secret.encode() in (process / file).read_bytes():
                    found.append(f"{process.name}/{file}")
            except OSError:
                pass  # gone meanwhile
    return found


def test_a_worker_and_its_functions(secure: SecurePulsar, tmp_path: Path) -> None:
    """With functions_worker.yml, and a token that is replaced before it is over: nobody notices."""
    token_file = tmp_path / "worker.token"
    first = secure.issuer.token("admin", 12)
    token_file.write_text(first)
    conf = tmp_path / "functions_worker.yml"
    conf.write_text(
        f"workerPort: 0\ndownloadDirectory: {tmp_path}/data\n"
        f"pulsarServiceUrl: {secure.service_url}/\npulsarWebServiceUrl: {secure.web_url}\n"
        f"brokerClientTrustCertsFilePath: {secure.authority.certificate}\n"
        f"brokerClientAuthenticationPlugin: {TOKEN_PLUGIN}\n"
        f"brokerClientAuthenticationParameters: file://{token_file}\n"
    )
    program = tmp_path / "exclaim.py"
    program.write_text(FUNCTION)
    config: dict[str, object] = {
        "tenant": "public", "namespace": "default", "name": "secure", "className": "exclaim.exclaim",
        "runtime": "PYTHON", "inputs": ["persistent://public/default/secure-in"],
        "output": "persistent://public/default/secure-out", "subscriptionPosition": "Earliest",
    }  # fmt: skip
    options: list[str | Path] = ["-c", conf, "--python", sys.executable]
    with WeftWorker(tmp_path / "worker", options) as worker:
        FunctionsRest(worker).create(config, program)
        assert send(secure, as_admin(secure), "secure-in", "one").returncode == 0
        assert "content:one!" in receive(secure, "secure-out", 1)
        assert not holders_of(first)
        copies = [file for file in (tmp_path / "data" / "tokens").glob("*.own/*") if file.read_text() == first]
        if os.geteuid() == 0:  # then the instance is a user of its own, which can't read the worker's file
            assert [file.stat().st_mode & 0o7777 for file in copies] == [0o400]
            assert copies[0].stat().st_uid != 0
        token_file.write_text(secure.issuer.token("admin", 3600))
        until = time.monotonic() + 14  # past the end of the first, and the broker's look at it
        while time.monotonic() < until:
            assert send(secure, as_admin(secure), "secure-in", "on").returncode == 0
            assert "content:on!" in receive(secure, "secure-out", 1)
        log = worker.log.read_text()
        assert first not in log and "connection lost" not in log.lower(), log[-3000:]


def test_a_worker_says_what_it_can_not_use(secure: SecurePulsar, tmp_path: Path) -> None:
    good = {
        "pulsarServiceUrl": secure.service_url,
        "pulsarWebServiceUrl": secure.web_url,
        "brokerClientTrustCertsFilePath": str(secure.authority.certificate),
        "brokerClientAuthenticationPlugin": TOKEN_PLUGIN,
        "brokerClientAuthenticationParameters": f"file://{secure.admin_token}",
    }
    broken = {
        "brokerClientTrustCertsFilePath": "/nowhere/ca.pem",
        "brokerClientAuthenticationPlugin": "org.example.AuthenticationSasl",
        "brokerClientAuthenticationParameters": "file:///nowhere/token",
        "pulsarWebServiceUrl": "ftp://localhost",
    }
    for key, value in broken.items():
        conf = tmp_path / "functions_worker.yml"
        conf.write_text("".join(f"{name}: {text}\n" for name, text in (good | {key: value}).items()))
        done = subprocess.run([weft_binary(), "worker", "-c", conf, "--check"], capture_output=True, text=True, timeout=30)
        assert done.returncode != 0 and key in done.stderr, (key, done.stderr)
    conf.write_text("".join(f"{name}: {text}\n" for name, text in good.items()))
    assert subprocess.run([weft_binary(), "worker", "-c", conf, "--check"], timeout=30).returncode == 0
    printed = subprocess.run([weft_binary(), "worker", "-c", conf, "--print-config"], capture_output=True, text=True, timeout=30)
    assert "********" in printed.stdout and str(secure.admin_token) not in printed.stdout
