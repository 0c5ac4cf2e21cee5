"""Certificates, the authority's own, keys of tokens and tokens are replaced while messages go through functions: of the broker, of two
workers (one says who it is by a token, one by a certificate) and of a Python and a C++ function.

Some rotations are followed by a cut of all connections, so that everybody has to come back with what is new; in some the worker's token
comes late, when the broker has let go of the old one. In the others nobody's connection may end. A short run with few messages; with
WEFT_ROTATION=long 10 minutes at 5,000 messages a second, whose figures go to docs/evidence/security_rotation.json.
"""

import http.client
import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from secure_pulsar import TOKEN_PLUGIN
from secure_weft import PROVIDERS, SecureWeft

from harness import evidence
from harness.credentials import Authority, TokenIssuer
from harness.locations import SOURCE_ROOT, weft_binary
from harness.process_stats import command_line, descendants
from harness.processes import ChildProcess
from harness.raw_client import BrokerError, RawClient
from harness.weft_standalone import WeftWorker

LONG = os.environ.get("WEFT_ROTATION") == "long"
RATE = 5000 if LONG else 500
PERIOD_SECONDS = 20 if LONG else 5
# Not over when it is replaced, and asked for anew well before the next one is.
TOKEN_SECONDS = PERIOD_SECONDS + (5 if LONG else 2)
KINDS = ("cut", "in time", "in time", "in time", "late") * 6 if LONG else ("cut", "in time", "late")
WITHIN_SECONDS = 60  # everybody uses what is new, and what was refused meanwhile is made up for
HOSTS = "DNS:localhost,IP:127.0.0.1,IP:127.0.0.2"
RELAY_HOST = "127.0.0.2"  # on the broker's port: clients find it by the broker's advertised address
TLS_PLUGIN = "org.apache.pulsar.client.impl.auth.AuthenticationTls"
PREFIX = "persistent://public/default/"
PROGRAMS = {
    "python": SOURCE_ROOT / "tests" / "chaos" / "programs" / "copy_text.py",
    "native": weft_binary().parents[1] / "lib" / "libweft_copy_text.so",
}
CLASSES = {"python": "copy_text.CopyText", "native": "CopyText"}


# A function and its instance.
Instance = tuple[str, int]
INSTANCES: list[Instance] = [(name, number) for name in PROGRAMS for number in (0, 1)]


class Generation:
    """What is valid from one rotation to the next."""

    def __init__(self, folder: Path) -> None:
        self.authority, self.issuer = Authority(folder), TokenIssuer(folder)
        self.server = self.authority.issue("server", HOSTS)
        self.client = self.authority.issue("client", role="admin")
        self.lasting_token = self.issuer.token("admin", 3600)

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority.certificate))


class Files:
    """What everybody is configured with."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.trust, self.key = folder / "trust.pem", folder / "tokens.key"
        self.server, self.client = [(folder / f"{name}.pem", folder / f"{name}.key.pem") for name in ("server", "client")]
        self.worker_token, self.own_token = folder / "worker.token", folder / "own.token"
        self.worker_token_since = 0.0

    @staticmethod
    def _put(path: Path, content: bytes) -> None:
        """As those do who replace such files: whole at once."""
        new = path.with_suffix(".new")
        new.touch(0o600)
        new.write_bytes(content)
        new.rename(path)

    def put(self, now: Generation, before: Generation | None, *, late: bool) -> None:
        """First what is new is trusted, then it is used, then what is old is trusted no more."""
        both = [each.authority.certificate.read_bytes() for each in (before, now) if each is not None]
        self._put(self.trust, b"".join(both))
        for files, pair in ((self.server, now.server), (self.client, now.client)):
            for path, source in zip(files, pair, strict=True):
                self._put(path, source.read_bytes())
        self._put(self.trust, both[-1])
        self._put(self.own_token, now.lasting_token.encode())
        if not late:
            self.put_worker_token(now)
        self._put(self.key, now.issuer.key_file.read_bytes())

    def put_worker_token(self, now: Generation, seconds: float = TOKEN_SECONDS) -> None:
        self._put(self.worker_token, now.issuer.token("admin", seconds).encode())
        self.worker_token_since = time.monotonic()


class Piped(ChildProcess):
    """A program that is spoken to."""

    def __init__(self, command: list[str | Path], log: Path) -> None:
        super().__init__(command, log, stdout_pipe=True, stdin_pipe=True)
        self.expect("ready")

    def expect(self, word: str) -> None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode().strip()
        assert line == word, (line, self.log_tail())

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def last_words(self, timeout_seconds: float) -> Any:
        """Ends its input."""
        out, _ = self.process.communicate(timeout=timeout_seconds)
        assert self.process.returncode == 0, self.log_tail()
        return json.loads(out.splitlines()[-1])


def get(url: str, trust: ssl.SSLContext, token: str) -> tuple[int, str]:
    """On a connection of its own."""
    to = urlsplit(url)
    connection = http.client.HTTPSConnection(to.hostname or "", to.port, timeout=20, context=trust)
    try:
        connection.request("GET", to.path, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


class Run:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.generations = [Generation(folder / "generation-0")]
        self.files = Files(folder / "live")
        self.files.put(self.now, None, late=True)
        self.files.put_worker_token(self.now, 3600)  # until the first cut: it is not to be over before all is set up
        certificate, key = self.files.server
        settings = {
            "tlsCertificateFilePath": str(certificate), "tlsKeyFilePath": str(key), "tlsTrustCertsFilePath": str(self.files.trust),
            "tokenSecretKey": f"file://{self.files.key}", "advertisedAddress": RELAY_HOST,
        }  # fmt: skip
        self.children: list[Any] = []
        try:
            self._start(settings)
        except BaseException:
            self.close()
            raise

    def _start(self, settings: dict[str, str]) -> None:
        folder = self.folder
        self.broker = SecureWeft(folder, settings, ["--no-functions-worker"])
        self.children.append(self.broker)
        self.broker.web_url = f"https://127.0.0.1:{self.broker.address.web_port}"
        self.service_url = f"pulsar+ssl://{RELAY_HOST}:{self.broker.address.broker_port}"
        addresses = [f"{host}:{self.broker.address.broker_port}" for host in (RELAY_HOST, "127.0.0.1")]
        self.relay = Piped([sys.executable, Path(__file__).with_name("relay.py"), *addresses], folder / "relay.log")
        self.children.append(self.relay)
        own_certificate, own_key = self.files.client
        self.workers = {
            "token": self._worker("token", TOKEN_PLUGIN, f"file://{self.files.worker_token}"),
            "certificate": self._worker("certificate", TLS_PLUGIN, f"tlsCertFile:{own_certificate},tlsKeyFile:{own_key}"),
        }
        for name in PROGRAMS:
            self._create(name)
        self.pids = self.pids_now()
        self.instances_of = {worker: {name for name, pid in self.pids.items() if pid in descendants(self.workers[worker].pid)}
                             for worker in self.workers}  # fmt: skip
        # One of each function.
        assert all({name for name, _ in of} == set(PROGRAMS) for of in self.instances_of.values()), self.instances_of

    @property
    def now(self) -> Generation:
        return self.generations[-1]

    def close(self) -> None:
        for child in reversed(self.children):
            child.stop()

    def _worker(self, name: str, plugin: str, parameters: str) -> WeftWorker:
        certificate, key = self.files.server
        conf = self.folder / f"{name}.yml"
        conf.write_text(
            f"workerId: {name}\nworkerHostname: localhost\nworkerPort: null\nworkerPortTls: 0\ntlsEnabled: true\n"
            f"tlsCertificateFilePath: {certificate}\ntlsKeyFilePath: {key}\ntlsTrustCertsFilePath: {self.files.trust}\n"
            f"downloadDirectory: {self.folder}/{name}\n"
            "rescheduleTimeoutMs: 59000\n"  # who is refused for some seconds, or slow to come back, keeps its instances
            f"pulsarServiceUrl: {self.service_url}\npulsarWebServiceUrl: {self.broker.web_url}\n"
            f"brokerClientTrustCertsFilePath: {self.files.trust}\nbrokerClientAuthenticationPlugin: {plugin}\n"
            f"brokerClientAuthenticationParameters: '{parameters}'\n"
            f"authenticationEnabled: true\nauthenticationProviders: [ {PROVIDERS}Token, {PROVIDERS}Tls ]\n"
            "authorizationEnabled: true\nsuperUserRoles: [ admin ]\n"
            f"properties:\n  tokenSecretKey: file://{self.files.key}\n"
        )
        worker = WeftWorker(self.folder / f"{name}-logs", ["-c", conf, "--python", sys.executable])
        self.children.append(worker)
        return worker

    def _create(self, name: str) -> None:
        who = ["--auth-plugin", "token", "--auth-params", f"file://{self.files.own_token}", "--tls-trust-cert-path", self.files.trust]
        code = ["--py" if name == "python" else "--native", PROGRAMS[name], "--classname", CLASSES[name]]
        topics = ["--inputs", f"{PREFIX}in", "--output", f"{PREFIX}out-{name}", "--subs-position", "Earliest"]
        command = [weft_binary(), "--admin-url", self.workers["token"].admin_url, *who, "functions", "create", "--name", name, *code, *topics,
                   "--parallelism", "2"]  # fmt: skip
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        until(lambda: [each for each in self.status(name) if not each["running"]], f"{name} runs")

    def pids_now(self) -> dict[Instance, int]:
        lines = {command_line(pid): pid for worker in self.workers.values() for pid in descendants(worker.pid)}
        return {(name, number): lines[f"weft instance public/default/{name}:{number}"] for name, number in INSTANCES}

    def status(self, name: str) -> list[dict[str, Any]]:
        """Of its instances."""
        url = f"{self.workers['certificate'].admin_url}/admin/v3/functions/public/default/{name}/status"
        status, text = get(url, self.now.trust(), self.now.lasting_token)
        assert status == 200, text
        return [each["status"] for each in json.loads(text)["instances"]]

    def connections(self) -> dict[Instance, str]:
        """Since when the instances that are there are, and from where."""
        url = f"{self.broker.web_url}/admin/v2/persistent/public/default/in/stats"
        status, text = get(url, self.now.trust(), self.now.lasting_token)
        assert status == 200, text
        subscriptions = json.loads(text)["subscriptions"]
        return {(name, int(each["metadata"]["instance_id"])): f"{each['connectedSince']} from {each['address']}"
                for name in PROGRAMS for each in subscriptions[f"public/default/{name}"]["consumers"]}  # fmt: skip

    def not_back(self, held: dict[Instance, str], those: set[Instance]) -> set[Instance]:
        now = self.connections()
        return {each for each in those if now.get(each) in (None, held[each])}

    def lets_in(self, who: Generation) -> dict[str, bool]:
        """How the broker and both workers answer to what was valid then, and whether they show what was."""
        found = {}
        for name, certificate in (("token", None), ("certificate", who.client)):
            trust = self.now.trust()
            if certificate:
                trust.load_cert_chain(*certificate)
            try:
                with RawClient("127.0.0.1", self.broker.address.broker_port, 20, trust) as client:
                    client.connect(*(("tls", "") if certificate else ("token", who.lasting_token)))
                found[f"broker, {name}"] = True
            except (BrokerError, ssl.SSLError, ConnectionError):
                found[f"broker, {name}"] = False
        webs = {"broker": f"{self.broker.web_url}/admin/v2/clusters"}
        webs |= {f"worker {name}": f"{worker.admin_url}/admin/v3/functions/public/default" for name, worker in self.workers.items()}
        for name, url in webs.items():
            status, _ = get(url, self.now.trust(), who.lasting_token)
            assert status in (200, 401), status
            found[f"REST of {name}, token"] = status == 200
            try:
                found[f"REST of {name} shows it"] = get(url, who.trust(), self.now.lasting_token)[0] == 200
            except ssl.SSLError:
                found[f"REST of {name} shows it"] = False
        return found


def until(left: Callable[[], object], what: str) -> float:
    """Until nothing is left; how long it took."""
    begin = time.monotonic()
    while still := left():
        assert time.monotonic() - begin < WITHIN_SECONDS, (what, still)
        time.sleep(0.05)  # between two looks
    return round(time.monotonic() - begin, 3)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path)
    yield run
    run.close()


def rotate(run: Run, kind: str) -> dict[str, float]:
    """One rotation; the seconds that its parts took until they held."""
    held, before = run.connections(), run.now
    assert len(held) == len(INSTANCES), held
    run.generations.append(Generation(run.folder / f"generation-{len(run.generations)}"))
    run.files.put(run.now, before, late=kind == "late")
    took = {"old refused": until(lambda: [what for what, good in run.lets_in(before).items() if good], "the old"),
            "new taken": until(lambda: [what for what, good in run.lets_in(run.now).items() if not good], "the new")}  # fmt: skip
    if kind == "cut":
        run.relay.tell("cut")
        run.relay.expect("cut")
        took["back after a cut"] = until(lambda: run.not_back(held, set(INSTANCES)), "after a cut")
    if kind == "late":
        late = run.instances_of["token"]
        until(lambda: late & set(run.connections()), "who has no new token is let go")
        run.files.put_worker_token(run.now)
        took["back with a late token"] = until(lambda: run.not_back(held, late), "with a late token")
    return took


def test_everything_is_replaced_under_load(run: Run) -> None:
    outputs = [f"{PREFIX}out-{name}" for name in PROGRAMS]
    what = {"service_url": run.service_url, "token_file": str(run.files.own_token), "trust_file": str(run.files.trust),
            "input": f"{PREFIX}in", "outputs": outputs, "rate": RATE}  # fmt: skip
    load = Piped([sys.executable, Path(__file__).with_name("numbered_load.py"), json.dumps(what)], run.folder / "load.log")
    run.children.append(load)
    worst: dict[str, float] = {}
    connections: dict[Instance, set[str]] = {instance: set() for instance in INSTANCES}
    run.files.worker_token_since = time.monotonic()
    missed = 0  # rotations that came when the token was over already: this machine was too slow for them

    def look() -> None:
        load.check_running()
        for instance, connection in run.connections().items():
            connections[instance].add(connection)

    for kind in KINDS:
        while time.monotonic() < run.files.worker_token_since + PERIOD_SECONDS:
            look()
            time.sleep(0.2)  # between two looks
        token_since = run.files.worker_token_since
        took = rotate(run, kind)
        missed += kind != "late" and run.files.worker_token_since - token_since > TOKEN_SECONDS - 1
        for part, seconds in took.items():
            worst[part] = max(worst.get(part, 0), seconds)
    look()
    flow = load.last_words(120)
    seen = {worker: max(len(connections[each]) for each in of) for worker, of in run.instances_of.items()}
    print(worst, seen, missed, flow)

    assert flow["failed"] == [] and flow["sent"] > 0.9 * RATE * flow["seconds"], flow
    for output in outputs:
        assert flow["outputs"][output]["missing"] == 0, flow
        assert flow["outputs"][output]["received"] == flow["sent"], flow
    assert run.pids_now() == run.pids
    assert all(each["numRestarts"] == 0 for name in PROGRAMS for each in run.status(name))
    # Nobody has come anew but after a cut, and after a late token those who show one.
    cuts, lates = KINDS.count("cut"), KINDS.count("late")
    assert seen["certificate"] == 1 + cuts, connections
    assert 1 + cuts + lates <= seen["token"] <= 1 + cuts + lates + missed, (missed, connections)
    if LONG:
        found = {"commit": evidence.commit(), "machine": evidence.machine(), "rotations": len(KINDS), "every_seconds": PERIOD_SECONDS,
                 "kinds": {kind: KINDS.count(kind) for kind in set(KINDS)}, "rate": RATE, "worst_seconds": worst, "connections": seen,
                 "flow": flow}  # fmt: skip
        (SOURCE_ROOT / "docs" / "evidence" / "security_rotation.json").write_text(json.dumps(found, indent=1) + "\n")
