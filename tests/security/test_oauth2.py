"""Who one is by OAuth2: tokens of an issuer, that last seconds. On `weft standalone`, and on the real Apache Pulsar (WEFT_OAUTH2=pulsar; leaves
its evidence)."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pulsar
import pulsar.schema
import pytest
from secure_pulsar import SecurePulsar
from secure_weft import SecureWeft
from test_towards_the_broker import holders_of

from harness import evidence
from harness.broker import answers
from harness.functions_rest import Config, FunctionsRest
from harness.issuer import PLUGIN, Issuer
from harness.locations import SOURCE_ROOT, pulsar_home, weft_binary
from harness.processes import free_ports
from harness.weft_standalone import WeftWorker

ON_PULSAR = os.environ.get("WEFT_OAUTH2") == "pulsar"
LIFE_SECONDS = 5
RUN_SECONDS = 60 if ON_PULSAR else 9
BYTES, TEXT = pulsar.schema.BytesSchema(), pulsar.schema.StringSchema()
SECRET = "a-secret-of-the-issuer's-client"
FUNCTION = """from pulsar import Function

class Exclaim(Function):
    own = None

    def process(self, input, context):
        if self.own is None:  # its own client is to the broker what the function is
            self.own = context.get_pulsar_client().create_producer("persistent://public/default/own")
        self.own.send(input.encode())
        return input + "!"
"""


class IssuedPulsar(SecurePulsar):
    """Its tokens are the issuer's."""

    def __init__(self, folder: Path, issuer: Issuer, more: dict[str, str]) -> None:
        self._openid = issuer
        super().__init__(folder, more)

    def _write_configuration(self) -> None:
        self.admin_token.write_text(self._openid.token("admin", 3600))
        super()._write_configuration()


class Place:
    """An issuer, and a broker that knows its tokens by its public key."""

    def __init__(self, folder: Path, *, own_worker: bool = False) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.issuer = Issuer(folder / "issuer", expires_in_seconds=LIFE_SECONDS)
        # A token's end is a whole second, and Pulsar's own clients ask for another only when the old one is over by their clocks.
        self.issuer.says_expires_in = LIFE_SECONDS - 2
        self.issuer.add_client("weft", SECRET, role="admin")
        self.key_file = self.issuer.key_file("weft")
        more = {"authenticationRefreshCheckSeconds": "2", "tokenSecretKey": "", "tokenPublicKey": f"file://{self.issuer.public_key}"}
        self.broker: SecureWeft | IssuedPulsar
        if ON_PULSAR:
            self.broker = IssuedPulsar(folder, self.issuer, more)
        elif own_worker:
            more |= {"brokerClientAuthenticationPlugin": PLUGIN, "brokerClientAuthenticationParameters": self.issuer.parameters(self.key_file),
                     "brokerClientTrustCertsFilePath": str(folder / "certificates" / "ca.pem")}  # fmt: skip
            self.broker = SecureWeft(folder, more, options=["--python", sys.executable])
        else:
            self.broker = SecureWeft(folder, more, options=["--no-functions-worker"])

    def close(self) -> None:
        self.broker.stop()
        self.issuer.stop()

    def client(self) -> pulsar.Client:
        """Pulsar's own for Python."""
        authentication = pulsar.AuthenticationOauth2(self.issuer.parameters_of_python(self.key_file, audience="test"))
        trust = str(self.broker.authority.certificate)
        return pulsar.Client(self.broker.service_url, authentication=authentication, tls_trust_certs_file_path=trust)

    def weft(self, parameters: str, *command: str) -> subprocess.CompletedProcess[str]:
        who = ["--auth-plugin", PLUGIN, "--auth-params", parameters, "--tls-trust-cert-path", str(self.broker.authority.certificate)]
        urls = ["--url", self.broker.service_url, "--admin-url", self.broker.web_url]
        return subprocess.run([weft_binary(), *urls, *who, *command], capture_output=True, text=True, timeout=60)

    def worker_conf(self, name: str, parameters: str, port: int = 0) -> Path:
        folder = self.folder / name
        folder.mkdir()
        conf = folder / "functions_worker.yml"
        conf.write_text(
            f"workerPort: {port}\ndownloadDirectory: {folder}/data\n"
            f"pulsarServiceUrl: {self.broker.service_url}\npulsarWebServiceUrl: {self.broker.web_url}\n"
            f"brokerClientTrustCertsFilePath: {self.broker.authority.certificate}\n"
            f"brokerClientAuthenticationPlugin: {PLUGIN}\nbrokerClientAuthenticationParameters: '{parameters}'\n"
        )
        return conf


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("place"))
    yield made
    made.close()


def function(name: str, **more: object) -> Config:
    return {
        "tenant": "public", "namespace": "default", "name": name, "inputs": [f"persistent://public/default/{name}-in"],
        "output": f"persistent://public/default/{name}-out", "subscriptionPosition": "Earliest",
    } | more  # fmt: skip


def drive(client: pulsar.Client, name: str, seconds: float, schema: pulsar.schema.Schema = BYTES) -> int:
    """Sends one message after the other, and gets what the function makes of each; how many. A client of
    Pulsar that is too slow with its new token is let go: then one may come twice, but none is lost."""
    topic = f"persistent://public/default/{name}"
    outputs = client.subscribe(f"{topic}-out", "test", initial_position=pulsar.InitialPosition.Earliest, schema=schema)
    producer = client.create_producer(f"{topic}-in", schema=schema)
    count, until = 0, time.monotonic() + seconds
    while time.monotonic() < until or count == 0:
        producer.send(f"m{count}" if schema is TEXT else f"m{count}".encode())
        while True:
            got = outputs.receive(timeout_millis=60_000)
            outputs.acknowledge(got)
            number = int(got.data().decode().removeprefix("m").removesuffix("!"))
            assert number <= count, "nothing is passed over"
            if number == count:
                break
        count += 1
        time.sleep(0.01)  # the pace of the sender
    client.close()
    return count


def test_the_command_line(place: Place, tmp_path: Path) -> None:
    parameters = place.issuer.parameters(place.key_file, audience="test")
    sent = place.weft(parameters, "produce", "command-line", "-m", "hello")
    assert sent.returncode == 0, sent.stderr
    got = place.weft(parameters, "consume", "command-line", "-s", "test", "-p", "Earliest", "-n", "1")
    assert got.returncode == 0 and "content:hello" in got.stdout, got.stderr
    listed = place.weft(parameters, "tenants", "list")
    assert listed.returncode == 0 and "public" in listed.stdout, listed.stderr
    refused = place.issuer.parameters(place.issuer.key_file("weft", "not-the-secret", "wrong"))
    for command in (["produce", "command-line", "-m", "x"], ["tenants", "list"]):
        begin = time.monotonic()
        done = place.weft(refused, *command)
        assert done.returncode != 0 and "invalid_client" in done.stderr and "not-the-secret" not in done.stderr, done.stderr
        assert time.monotonic() - begin < 20, "who is refused is told so, and does not wait for the issuer"


def test_an_issuer_is_known_by_its_certificate(place: Place, tmp_path: Path) -> None:
    if ON_PULSAR:
        pytest.skip("the broker has no part in it")
    authority = place.broker.authority
    with Issuer(tmp_path / "https", certificate=authority.issue("issuer", "IP:127.0.0.1")) as issuer:
        issuer.add_client("weft", SECRET)
        key_file = issuer.key_file("weft")
        trusted = issuer.parameters(key_file, trustCertsFilePath=str(authority.certificate))
        place.weft(trusted, "tenants", "list")  # the broker does not know this issuer's key, but the command got its token
        assert len(issuer.issued) >= 1 and issuer.refused == 0
        given = len(issuer.issued)
        stranger = place.weft(issuer.parameters(key_file), "tenants", "list")
        assert stranger.returncode != 0 and "certificate verify failed" in stranger.stderr, stranger.stderr
        assert len(issuer.issued) == given


def test_a_worker_says_what_it_can_not_use(place: Place) -> None:
    good = json.loads(place.issuer.parameters(place.key_file))
    wrong = {
        "issuerUrl": good | {"issuerUrl": "issuer"},
        "privateKey": good | {"privateKey": "file:///nowhere/key.json"},
        "type": good | {"type": "password"},
        "trustCertsFilePath": good | {"trustCertsFilePath": "/nowhere/ca.pem"},
        "keyFile": good | {"keyFile": "/k"},
    }
    for name, parameters in wrong.items():
        conf = place.worker_conf(f"wrong-{name}", json.dumps(parameters))
        done = subprocess.run([weft_binary(), "worker", "-c", conf, "--check"], capture_output=True, text=True, timeout=30)
        said = done.stderr
        assert done.returncode != 0 and "brokerClientAuthenticationParameters" in said, (name, said)
        assert name in said or "/nowhere/" in said, (name, said)


def test_a_worker_waits_for_its_issuer(place: Place, tmp_path: Path) -> None:
    """Not ready, with the cause: while nobody listens, and while the secret is wrong. Then it is."""
    issuer = place.issuer
    issuer.add_client("late", SECRET, role="admin")
    key_file = issuer.key_file("late", "not-the-secret")
    port = free_ports(1)[0]
    conf = place.worker_conf("waits", issuer.parameters(key_file), port)
    issuer.stop()
    with WeftWorker(tmp_path / "worker", ["-c", conf, "--python", sys.executable], wait_until_ready=False) as worker:
        worker.wait_for_log(f"can't connect to {issuer.url.removeprefix('http://')}")
        given, refused = len(issuer.issued), issuer.refused
        issuer.start()
        worker.wait_for_log("invalid_client")
        assert issuer.refused > refused and len(issuer.issued) == given
        assert not answers(f"http://127.0.0.1:{port}/initialized")
        issuer.key_file("late")
        worker.wait_until_ready()
        assert answers(f"http://127.0.0.1:{port}/initialized")
        assert "the issuer gives tokens again" in worker.log.read_text()


def test_a_worker_and_its_functions(place: Place, tmp_path: Path) -> None:
    """Tokens that last seconds, again and again: nothing is lost, and nobody sees them."""
    program = tmp_path / "exclaim.py"
    program.write_text(FUNCTION)
    conf = place.worker_conf("runs", place.issuer.parameters(place.key_file, audience="test"))
    options: list[str | Path] = ["-c", conf, "--python", sys.executable]
    if ON_PULSAR:
        options += ["--pulsar-home", pulsar_home()]
    counts = {}
    with WeftWorker(tmp_path / "worker", options) as worker:
        rest = FunctionsRest(worker)
        rest.create(function("python", runtime="PYTHON", className="exclaim.Exclaim"), program)
        given = len(place.issuer.issued)
        counts["python"] = drive(place.client(), "python", RUN_SECONDS)
        given = len(place.issuer.issued) - given
        assert given >= 2 * RUN_SECONDS / LIFE_SECONDS, "the worker and the instance, for each token's life"
        if ON_PULSAR:
            jar = pulsar_home() / "examples" / "api-examples.jar"
            name = "org.apache.pulsar.functions.api.examples.ExclamationFunction"
            rest.create(function("java", runtime="JAVA", className=name), jar)
            counts["java"] = drive(place.client(), "java", 20, TEXT)
        assert not holders_of(SECRET)
        newest = place.issuer.issued[-1]
        assert not holders_of(newest)
        log = worker.log.read_text()
        assert SECRET not in log and not [token for token in place.issuer.issued if token in log]
        assert "connection lost" not in log.lower() and "gives no token" not in log, log[-3000:]
    own = place.weft(place.issuer.parameters(place.key_file), "consume", "own", "-s", "test", "-p", "Earliest", "-n", str(counts["python"]))
    assert own.returncode == 0 and own.stdout.count("content:") == counts["python"], own.stderr
    if ON_PULSAR:
        found = {"commit": evidence.commit(), "machine": evidence.machine(), "pulsar": "4.0.8", "token_seconds": LIFE_SECONDS,
                 "run_seconds": RUN_SECONDS, "tokens_meanwhile": given, "messages": counts, "lost": 0}  # fmt: skip
        (SOURCE_ROOT / "docs" / "evidence" / "oauth2.json").write_text(json.dumps(found, indent=1) + "\n")


def test_the_worker_of_a_standalone(tmp_path: Path) -> None:
    if ON_PULSAR:
        pytest.skip("it is Weft's")
    program = tmp_path / "exclaim.py"
    program.write_text(FUNCTION)
    place = Place(tmp_path / "place", own_worker=True)
    try:
        topic = "persistent://public/default/own-worker"
        made = place.weft(
            place.issuer.parameters(place.key_file), "functions", "create", "--py", str(program), "--classname", "exclaim.Exclaim",
            "--inputs", f"{topic}-in", "--output", f"{topic}-out", "--subs-position", "Earliest",
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        given = len(place.issuer.issued)
        assert drive(place.client(), "own-worker", LIFE_SECONDS) > 0
        assert len(place.issuer.issued) > given
    finally:
        place.close()
