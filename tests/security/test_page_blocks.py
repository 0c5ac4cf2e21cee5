"""The blocks of settings about security on Pulsar's page on the functions worker (version 2.6.1; tests/configuration/seeds.py has them as
printed): with files and ports that are there, each configures a worker that works; with one value broken each is refused, by key and cure.

The brokers are Weft's own; WEFT_BLOCKS=pulsar takes the real Apache Pulsar, and leaves docs/evidence/page_blocks.json."""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from secure_pulsar import PROVIDERS, TOKEN_PLUGIN, SecurePulsar
from secure_weft import SecureWeft
from test_worker_rest import Web, bearer

from harness import locations
from harness.credentials import Authority, TokenIssuer
from harness.evidence import commit, machine
from harness.locations import weft_binary
from harness.weft_standalone import WeftWorker

ON_PULSAR = os.environ.get("WEFT_BLOCKS") == "pulsar"
EVIDENCE = locations.SOURCE_ROOT / "docs" / "evidence" / "page_blocks.json"
TLS_PLUGIN = "org.apache.pulsar.client.impl.auth.AuthenticationTls"
FUNCTION = "def exclaim(text):\n    return text + '!'\n"

# The page's blocks. What it leaves to the reader (providers, paths, ports) stands in braces.
TLS = """\
useTLS: true
pulsarServiceUrl: {service_url}/
pulsarWebServiceUrl: {web_url}

tlsEnabled: true
tlsCertificateFilePath: {certificate}
tlsKeyFilePath:         {key}
tlsTrustCertsFilePath:  {authority}

brokerClientTrustCertsFilePath: {authority}
"""
AUTHENTICATION = """\
authenticationEnabled: true
authenticationProviders: [ {providers}Token, {providers}Tls ]
"""
TLS_AUTHENTICATION = """\
brokerClientAuthenticationPlugin: {tls_plugin}
brokerClientAuthenticationParameters: tlsCertFile:{role1_certificate},tlsKeyFile:{role1_key}

authenticationEnabled: true
authenticationProviders: ['{providers}Tls']
"""
TOKEN = """\
properties:
  tokenSecretKey:       file://{secret_key}
  # If using public/private
  # tokenPublicKey:     file:///path/to/public.key
"""
AUTHORIZATION = """\
authorizationEnabled: true
authorizationProvider: org.apache.pulsar.broker.authorization.PulsarAuthorizationProvider
configurationStoreServers: localhost:2181
"""
SUPER_USERS = """\
superUserRoles:
  - role1
  - role2
  - role3
"""
# Not printed as blocks: the worker's own place, and how it shows who it is, by the names that the page gives.
OWN = """\
workerId: one
workerHostname: localhost
workerPort: null
workerPortTls: 0
downloadDirectory: {folder}/packages
"""
OLD_NAMES = """\
clientAuthenticationPlugin: {token_plugin}
clientAuthenticationParameters: file://{role1_token}
"""


@dataclass(frozen=True)
class Stack:
    """Blocks that go together. `lets_in`, `refuses`: credentials with which a user's request is let in, is not."""

    blocks: tuple[str, ...]
    lets_in: str
    refuses: tuple[str, ...] = ()
    broker: str = "asks"


STACKS = {
    "transport encryption": Stack((OWN, TLS), "nobody", broker="asks nobody"),
    "TLS authentication": Stack((OWN, TLS, TLS_AUTHENTICATION), "certificate of role1", ("nobody", "token of role1")),
    "token authentication, the old names": Stack(
        (OWN, TLS, OLD_NAMES, AUTHENTICATION, TOKEN), "token of role1", ("nobody", "token of another key")
    ),
    "authorization and superusers": Stack(
        (OWN, TLS, OLD_NAMES, AUTHENTICATION, TOKEN, AUTHORIZATION, SUPER_USERS),
        "token of role2",
        ("nobody", "token of another key", "token of stranger", "certificate of stranger"),
    ),
}
NOBODY_IS_ASKED = {
    "authenticationEnabled": "false", "authorizationEnabled": "false", "authenticationProviders": "", "tokenSecretKey": "",
    "brokerClientAuthenticationPlugin": "", "brokerClientAuthenticationParameters": "",
}  # fmt: skip
ROLES_OF_THE_PAGE = {"superUserRoles": "admin,role1,role2,role3"}

_WITH_TOKENS = (TLS, AUTHENTICATION, TOKEN)
_WITH_RIGHTS = (TLS, AUTHENTICATION, TOKEN, AUTHORIZATION, SUPER_USERS)
_PEM, _BOOLEAN, _READABLE = "; give a readable PEM file", ": give true or false", "; name a file that is there"
_MADE_FOR = "does not belong to the certificate {certificate}: give the key that the certificate was made for"
# (the blocks, what stands there, what is put there instead, the key that is named, the cure)
BROKEN = [
    ((TLS,), "useTLS: true", "useTLS: perhaps", "useTls = perhaps", _BOOLEAN),
    ((TLS,), "{service_url}/", "http://localhost", "pulsarServiceUrl = http://localhost", "must begin with pulsar:// or pulsar+ssl://"),
    ((TLS,), "{web_url}", "ftp://localhost", "pulsarWebServiceUrl = ftp://localhost", ": give http://host:port or https://host:port"),
    ((TLS,), "tlsEnabled: true", "tlsEnabled: 3", "tlsEnabled = 3", _BOOLEAN),
    ((TLS,), "{certificate}", "/nowhere/pem", "tlsCertificateFilePath = /nowhere/pem", _PEM),
    ((TLS,), "{key}", "/nowhere/pem", "tlsKeyFilePath = /nowhere/pem", _PEM),
    ((TLS,), "{key}", "{role1_key}", "tlsKeyFilePath = {role1_key}", _MADE_FOR),
    ((TLS,), "tlsTrustCertsFilePath:  {authority}", "tlsTrustCertsFilePath: /nowhere/pem", "tlsTrustCertsFilePath = /nowhere/pem", _PEM),
    ((TLS,), "brokerClientTrustCertsFilePath: {authority}", "brokerClientTrustCertsFilePath: /nowhere/pem",
     "brokerClientTrustCertsFilePath = /nowhere/pem", _PEM),
    (_WITH_TOKENS, "authenticationEnabled: true", "authenticationEnabled: maybe", "authenticationEnabled = maybe", _BOOLEAN),
    (_WITH_TOKENS, "{providers}Tls", "provider2", "authenticationProviders = ", "provider2 is not served; AuthenticationProviderToken"),
    ((TLS, TLS_AUTHENTICATION), "{tls_plugin}", "org.example.Plugin", "brokerClientAuthenticationPlugin = org.example.Plugin", "AuthenticationTls"),
    ((TLS, TLS_AUTHENTICATION), "{role1_certificate}", "/nowhere/pem", "brokerClientAuthenticationParameters = ********", _PEM),
    ((TLS, TLS_AUTHENTICATION), "{role1_key}", "/nowhere/pem", "brokerClientAuthenticationParameters = ********", _PEM),
    ((TLS, TLS_AUTHENTICATION), "['{providers}Tls']", "[]", "authenticationEnabled = true", "name AuthenticationProviderToken, AuthenticationProviderTls"),
    (_WITH_TOKENS, "{secret_key}", "/nowhere/key", "properties.tokenSecretKey = ********", _READABLE),
    (_WITH_RIGHTS, "authorizationEnabled: true", "authorizationEnabled: x", "authorizationEnabled = x", _BOOLEAN),
    (_WITH_RIGHTS, "authenticationEnabled: true", "authenticationEnabled: false", "authorizationEnabled = true", ": set authenticationEnabled too"),
    (_WITH_RIGHTS, "org.apache.pulsar.broker.authorization.PulsarAuthorizationProvider", "a.B", "authorizationProvider = a.B",
     ": leave it out, or give org.apache.pulsar.broker.authorization.PulsarAuthorizationProvider"),
    (_WITH_RIGHTS, "superUserRoles:\n  - role1\n  - role2\n  - role3", "superUserRoles: {{role1: role2}}", "superUserRoles.role1",
     "did you mean superUserRoles?"),
    ((TLS, OLD_NAMES), "{token_plugin}", "a.b.C", "clientAuthenticationPlugin = a.b.C", "AuthenticationToken"),
    ((TLS, OLD_NAMES), "{role1_token}", "/nowhere/token", "clientAuthenticationParameters = ********", _READABLE),
]  # fmt: skip


class Secured:
    """A broker of one of both kinds, with everything that the blocks name."""

    def __init__(self, broker: SecurePulsar | SecureWeft, folder: Path, authority: Authority, issuer: TokenIssuer) -> None:
        self.authority, self._issuer = authority, issuer
        self.service_url, self.web_url = broker.service_url, broker.web_url
        self.values = values_of(folder, authority, issuer) | {"service_url": broker.service_url, "web_url": broker.web_url}
        stranger = authority.issue("stranger")
        role1 = (Path(self.values["role1_certificate"]), Path(self.values["role1_key"]))
        self._certificates = {"role1": role1, "stranger": stranger}
        self._other = TokenIssuer(folder / "other")

    def ask(self, url: str, who: str, path: str) -> int:
        kind, role = who.split()[0], who.split()[-1]
        web = Web(url, self.authority.certificate)
        headers = bearer(self._token(who)) if kind == "token" else {}
        return web.ask("GET", path, headers, certificate=self._certificates[role] if kind == "certificate" else None)[0]

    def command(self, who: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
        line: list[str | Path] = [weft_binary(), "--tls-trust-cert-path", self.authority.certificate]
        if who.startswith("token"):
            line += ["--auth-plugin", "token", "--auth-params", self._token(who)]
        elif who.startswith("certificate"):
            certificate, key = self._certificates[who.split()[-1]]
            line += ["--auth-plugin", "AuthenticationTls", "--auth-params", f"tlsCertFile:{certificate},tlsKeyFile:{key}"]
        return subprocess.run([*line, *words], capture_output=True, text=True, timeout=60)

    def _token(self, who: str) -> str:
        return self._other.token("role1") if who.endswith("another key") else self._issuer.token(who.split()[-1])


def values_of(folder: Path, authority: Authority, issuer: TokenIssuer) -> dict[str, str]:
    certificate, key = authority.issue("functions-worker", "DNS:localhost")
    own, own_key = authority.issue("role1")
    token = folder / "role1.token"
    token.write_text(issuer.token("role1"))
    return {
        "service_url": "pulsar+ssl://localhost:6651", "web_url": "https://localhost:8443", "folder": str(folder),
        "certificate": str(certificate), "key": str(key), "authority": str(authority.certificate), "providers": PROVIDERS,
        "tls_plugin": TLS_PLUGIN, "role1_certificate": str(own), "role1_key": str(own_key), "secret_key": str(issuer.key_file),
        "token_plugin": TOKEN_PLUGIN, "role1_token": str(token),
    }  # fmt: skip


@pytest.fixture(scope="module")
def asks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    yield from secured(tmp_path_factory.mktemp("asks"), ROLES_OF_THE_PAGE)


@pytest.fixture(scope="module")
def asks_nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    yield from secured(tmp_path_factory.mktemp("asks-nobody"), NOBODY_IS_ASKED)


def secured(folder: Path, settings: dict[str, str]) -> Iterator[Secured]:
    if ON_PULSAR:
        with SecurePulsar(folder, settings) as pulsar:
            yield Secured(pulsar, folder, pulsar.authority, pulsar.issuer)
    else:
        with SecureWeft(folder, settings, ["--no-functions-worker"]) as weft:
            yield Secured(weft, folder, weft.authority, weft.issuer)


@pytest.fixture(scope="module")
def worked() -> Iterator[list[str]]:
    names: list[str] = []
    yield names
    if ON_PULSAR:
        content = {"commit": commit(), "machine": machine(), "pulsar": locations.PULSAR_VERSION, "worked": names}
        EVIDENCE.write_text(json.dumps(content, indent=1) + "\n")


@pytest.mark.parametrize("name", STACKS)
def test_a_worker_that_works(name: str, request: pytest.FixtureRequest, tmp_path: Path, worked: list[str]) -> None:
    """A function is made through it by one who is let in, and runs; those who are not are refused."""
    stack = STACKS[name]
    broker: Secured = request.getfixturevalue(stack.broker.replace(" ", "_"))
    conf = tmp_path / "functions_worker.yml"
    conf.write_text("\n".join(stack.blocks).format(**broker.values | {"folder": str(tmp_path)}))
    topic = f"persistent://public/default/blocks-{list(STACKS).index(name)}"
    program = tmp_path / "exclaim.py"
    program.write_text(FUNCTION)
    with WeftWorker(tmp_path / "worker", ["-c", conf, "--python", sys.executable]) as worker:
        url = worker.admin_url.replace("127.0.0.1", "localhost")
        assert url.startswith("https://")
        plain = http.client.HTTPConnection(url.removeprefix("https://"), timeout=10)
        with pytest.raises((http.client.HTTPException, OSError)):
            plain.request("GET", "/version")
            plain.getresponse()
        for who in stack.refuses:
            assert broker.ask(url, who, "/admin/v3/functions/public/default") == 401, who
        assert broker.ask(url, stack.lets_in, "/admin/v3/functions/public/default") == 200
        create = ["functions", "create", "--py", program, "--classname", "exclaim.exclaim", "--inputs", f"{topic}-in",
                  "--output", f"{topic}-out", "--subs-position", "Earliest"]  # fmt: skip
        done = broker.command(stack.lets_in, "--admin-url", url, *create)
        assert done.returncode == 0, (done.stderr, worker.log.read_text()[-3000:])
        done = broker.command(stack.lets_in, "--url", broker.service_url, "produce", f"{topic}-in", "-m", "hello")
        assert done.returncode == 0, done.stderr
        consume = ["consume", f"{topic}-out", "-s", "mine", "-p", "Earliest", "-n", "1"]
        done = broker.command(stack.lets_in, "--url", broker.service_url, *consume)
        assert "content:hello!" in done.stdout, (done.stderr, worker.log.read_text()[-3000:])
        done = broker.command(stack.lets_in, "--admin-url", url, "functions", "delete", "--name", "exclaim")
        assert done.returncode == 0, done.stderr
    worked.append(name)


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("values")
    return values_of(folder, Authority(folder / "certificates"), TokenIssuer(folder))


def check(conf: Path) -> tuple[int, str]:
    # No cluster is looked at, whatever else this machine runs.
    nobody = {"PF_pulsarWebServiceUrl": "https://localhost:1"} if "pulsarWebServiceUrl: https" in conf.read_text() else {}
    done = subprocess.run([weft_binary(), "worker", "-c", conf, "--check"], capture_output=True, text=True, timeout=30, env=os.environ | nobody)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.skipif(ON_PULSAR, reason="no broker is asked")
@pytest.mark.parametrize("name", STACKS)
def test_what_is_not_broken_can_be_used(name: str, values: dict[str, str], tmp_path: Path) -> None:
    conf = tmp_path / "functions_worker.yml"
    conf.write_text("\n".join(STACKS[name].blocks).format(**values))
    status, told = check(conf)
    assert status == 0 and "the configuration can be used" in told, told


@pytest.mark.skipif(ON_PULSAR, reason="no broker is asked")
@pytest.mark.parametrize(("blocks", "there", "instead", "key", "cure"), BROKEN)
def test_one_value_that_is_broken(
    blocks: tuple[str, ...], there: str, instead: str, key: str, cure: str, values: dict[str, str], tmp_path: Path
) -> None:
    whole = "\n".join((OWN, *blocks))
    assert whole.count(there) == 1
    conf = tmp_path / "functions_worker.yml"
    conf.write_text(whole.replace(there, instead).format(**values))
    status, told = check(conf)
    assert status != 0, told
    (line,) = [line for line in told.splitlines() if key.format(**values) in line]
    assert cure.format(**values) in line and str(conf) in line, told
    assert "the configuration can be used" not in told


@pytest.mark.skipif(ON_PULSAR, reason="no broker is asked")
def test_sasl_is_refused_by_name(tmp_path: Path) -> None:
    conf = tmp_path / "functions_worker.yml"
    conf.write_text("properties:\n  saslJaasClientAllowedIds: .*pulsar.*\n  saslJaasBrokerSectionName: Broker\n")
    status, told = check(conf)
    assert status != 0 and "properties.saslJaasBrokerSectionName = Broker: leave it out: SASL is not served" in told, told
