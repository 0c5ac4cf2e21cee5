"""Functions that are to the broker who made them: a worker that may everything, and two users who may not."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pulsar
import pytest
from search import Search, write_private
from secure_pulsar import TOKEN_PLUGIN
from secure_weft import FUNCTION_TOKENS as PROVIDER
from secure_weft import PROVIDERS, SecureWeft

from harness.locations import weft_binary
from harness.process_stats import descendants
from harness.weft_standalone import WeftWorker

KEY_FILE = "properties.weftFunctionCredentialsKeyFile"
FUNCTION = "def exclaim(text):\n    return text + '!'\n"
HOMES = {"ann": "acme/a", "bob": "acme/b"}


def weft(*command: str | Path, status: int = 0) -> str:
    done = subprocess.run([weft_binary(), *map(str, command)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, (command, done.stdout, done.stderr)
    return done.stdout + done.stderr


class Users:
    """Each may all in his own namespace of a broker, and nothing in the other's."""

    def __init__(self, broker: SecureWeft, folder: Path) -> None:
        self.broker, self.admin_url = broker, broker.web_url
        self.tokens = {role: broker.issuer.token(role, 3600) for role in ("admin", *HOMES)}
        self.files = {role: write_private(folder / f"{role}.token", token) for role, token in self.tokens.items()}
        self.program = folder / "exclaim.py"
        self.program.write_text(FUNCTION)
        self.do("PUT", "tenants/acme", {"adminRoles": [], "allowedClusters": ["standalone"]})
        for role, home in HOMES.items():
            self.do("PUT", f"namespaces/{home}", {})
            self.grant(role, home)

    def do(self, method: str, path: str, body: object) -> None:
        status, text = self.broker.ask(method, f"/admin/v2/{path}", body, token=self.tokens["admin"])
        assert status // 100 == 2, (path, status, text)

    def grant(self, role: str, namespace: str) -> None:
        self.do("POST", f"namespaces/{namespace}/permissions/{role}", ["functions", "produce", "consume"])

    def line(self, role: str, *command: str | Path) -> list[str | Path]:
        who = ["--auth-plugin", "token", "--auth-params", f"file://{self.files[role]}",
               "--tls-trust-cert-path", self.broker.authority.certificate]  # fmt: skip
        return ["--url", self.broker.service_url, "--admin-url", self.admin_url, *who, *command]

    def weft(self, role: str, *command: str | Path, status: int = 0) -> str:
        return weft(*self.line(role, *command), status=status)

    def client(self) -> pulsar.Client:
        return pulsar.Client(
            self.broker.service_url,
            authentication=pulsar.AuthenticationToken(self.tokens["admin"]),
            tls_trust_certs_file_path=str(self.broker.authority.certificate),
            logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error),
        )

    def create(self, role: str, name: str, topic: str, out: str) -> None:
        self.weft(role, "functions", "create", "--py", self.program, "--classname", "exclaim.exclaim", "--fqfn",
                  f"{HOMES['ann']}/{name}", "--inputs", topic, "--output", out, "--subs-position", "Earliest")  # fmt: skip

    def status(self, name: str) -> str:
        return self.weft("admin", "functions", "status", "--fqfn", f"{HOMES['ann']}/{name}")

    def wait_for(self, name: str, is_so: Callable[[str], bool]) -> str:
        deadline = time.monotonic() + 30
        while not is_so(status := self.status(name)):
            assert time.monotonic() < deadline, status
            time.sleep(0.1)  # between two looks
        return status

    def wait_until_running(self, name: str) -> None:
        self.wait_for(name, lambda status: json.loads(status)["numRunning"] == 1)

    def assert_works(self, topic: str, out: str, text: str) -> None:
        """A message goes through the function between the topics."""
        client = self.client()
        reader = client.create_reader(out, pulsar.MessageId.latest)
        client.create_producer(topic).send(text.encode())
        assert reader.read_next(30_000).data() == f"{text}!".encode()
        client.close()

    def subscriptions_of(self, topic: str) -> list[str]:
        path = f"/admin/v2/{topic.replace('://', '/')}/subscriptions"
        status, text = self.broker.ask("GET", path, token=self.tokens["admin"])
        assert status == 200, text
        return list(json.loads(text))


class Cluster(Users):
    """A broker, and a worker elsewhere whose role may everything."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(SecureWeft(folder, options=["--no-functions-worker", "--log-level", "debug"]), folder)
        self.keys = folder / "credentials" / "keys"
        self.keys.parent.mkdir(mode=0o700)
        assert "made with the key" in weft("function-credentials", "create-key", self.keys)
        certificate, key = self.broker.authority.issue("worker", "DNS:localhost,IP:127.0.0.1")
        authority = self.broker.authority.certificate
        own = write_private(folder / "own" / "worker.token", self.broker.issuer.token("admin", 1800))
        self.conf = write_private(
            folder / "functions_worker.yml",
            f"workerPort: null\nworkerPortTls: 0\ntlsEnabled: true\ntlsTrustCertsFilePath: {authority}\n"
            f"tlsCertificateFilePath: {certificate}\ntlsKeyFilePath: {key}\ndownloadDirectory: {folder}/worker\n"
            f"pulsarServiceUrl: {self.broker.service_url}\npulsarWebServiceUrl: {self.broker.web_url}\n"
            f"brokerClientTrustCertsFilePath: {authority}\nbrokerClientAuthenticationPlugin: {TOKEN_PLUGIN}\n"
            f"brokerClientAuthenticationParameters: file://{own}\n"
            f"authenticationEnabled: true\nauthenticationProviders: [ {PROVIDERS}Token ]\nauthorizationEnabled: true\n"
            f"superUserRoles: [ admin ]\nfunctionAuthProviderClassName: {PROVIDER}\n"
            f"properties:\n  tokenSecretKey: file://{self.broker.issuer.key_file}\n"
            f"  weftFunctionCredentialsKeyFile: {self.keys}\n",
        )
        options = ["-c", self.conf, "--python", sys.executable, "--audit-log", folder / "audit.log", "--log-level", "debug"]
        self.worker = WeftWorker(folder / "worker-logs", options)
        self.admin_url = self.worker.admin_url

    def restart_worker(self) -> None:
        self.worker.stop()
        self.worker.start()
        self.admin_url = self.worker.admin_url

    def close(self) -> None:
        self.worker.stop()
        self.broker.stop()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("run"))
    yield made
    made.close()


OF_A, OF_B = "persistent://acme/a/in", "persistent://acme/b/in"
OUT, SPIED = "persistent://acme/a/out", "persistent://acme/a/spied"


def test_a_function_may_what_its_maker_may_and_no_more(cluster: Cluster) -> None:
    cluster.weft("bob", "produce", OF_B, "-m", "of bob")
    cluster.create("ann", "own", OF_A, OUT)
    cluster.create("ann", "spy", OF_B, SPIED)
    cluster.assert_works(OF_A, OUT, "hello")
    status = cluster.wait_for("spy", lambda status: "authoriz" in status.lower() or "may not" in status.lower())
    assert json.loads(status)["numRunning"] == 0 and cluster.subscriptions_of(OF_B) == []


def test_an_update_makes_it_who_asks_for_that(cluster: Cluster) -> None:
    update = ["functions", "update", "--fqfn", "acme/a/spy"]
    assert "not authorized" in cluster.weft("bob", *update, "--update-auth-data", status=1)
    cluster.grant("bob", "acme/a")
    deadline = time.monotonic() + 30
    line = [weft_binary(), *cluster.line("bob", *update, "--update-auth-data")]
    while (done := subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)).returncode != 0:
        assert "not authorized" in done.stderr and time.monotonic() < deadline, done.stderr  # a no is believed for a second
    cluster.wait_until_running("spy")
    assert cluster.subscriptions_of(OF_B) == ["acme/a/spy"]
    cluster.assert_works(OF_B, SPIED, "yours")
    assert "Update contains no change" in cluster.weft("bob", *update, status=1)


def test_a_new_key_encrypts_everything_and_the_old_one_can_go(cluster: Cluster) -> None:
    for name in ("own", "spy"):
        cluster.wait_until_running(name)
    before = set(descendants(cluster.worker.pid))
    (old,) = weft("function-credentials", "show-keys", cluster.keys).splitlines()
    weft("function-credentials", "rotate-key", cluster.keys)
    shown = weft("function-credentials", "show-keys", cluster.keys).splitlines()
    assert len(shown) == 2 and shown[0].split()[0] == old.split()[0] and shown[1].endswith("encrypts")
    newest = shown[1].split()[0]
    cluster.weft("ann", "function-credentials", "reencrypt", status=1)
    answer = json.loads(cluster.weft("admin", "function-credentials", "reencrypt"))
    assert answer == {"key": newest, "functions": 2, "encrypted": 2}
    assert json.loads(cluster.weft("admin", "function-credentials", "reencrypt"))["encrypted"] == 0
    weft("function-credentials", "remove-old-keys", cluster.keys)
    assert len(weft("function-credentials", "show-keys", cluster.keys).splitlines()) == 1
    cluster.assert_works(OF_A, OUT, "on")
    assert set(descendants(cluster.worker.pid)) == before, "no instance was started again"
    cluster.restart_worker()
    cluster.assert_works(OF_A, OUT, "restarted")
    cluster.assert_works(OF_B, SPIED, "restarted too")


def test_without_the_key_it_says_so_and_with_it_runs_again(cluster: Cluster) -> None:
    right = cluster.keys.read_bytes()
    cluster.keys.unlink()
    weft("function-credentials", "create-key", cluster.keys)
    cluster.restart_worker()
    needed = right.decode().splitlines()[1].split()[1]
    status = cluster.wait_for("own", lambda status: needed in status)
    assert "bring the file of the cluster here" in status and json.loads(status)["numRunning"] == 0
    told = weft("worker", "-c", cluster.conf, "--check", status=1)
    assert f"refused: acme/a/own: the stored credential is encrypted with the key {needed}" in told, told
    write_private(cluster.keys, right)
    cluster.wait_until_running("own")
    cluster.assert_works(OF_A, OUT, "again")


def test_the_tokens_are_nowhere(cluster: Cluster) -> None:
    marks = {f"token of {role}": cluster.tokens[role].rsplit(".", 1)[1].encode() for role in HOMES}
    search = Search(marks)
    search.processes([*descendants(cluster.worker.pid), *descendants(cluster.broker.pid)])
    for name in ("own", "spy"):
        for of in ([], ["status"], ["stats"]):
            search.look(f"{name} {of}", cluster.weft("admin", "functions", *(of or ["get"]), "--fqfn", f"acme/a/{name}").encode())
    topics = [topic for ns in ("public/functions", "acme/a") for topic in json.loads(
        cluster.broker.ask("GET", f"/admin/v2/persistent/{ns}", token=cluster.tokens["admin"])[1])]  # fmt: skip
    client = cluster.client()
    read = {topic: search.topic(client, topic) for topic in topics}
    client.close()
    assert any("metadata" in topic and count > 0 for topic, count in read.items()), read
    search.files(cluster.folder, {cluster.files[role] for role in HOMES})
    assert search.found == set() and search.looked_at > 50


def test_of_a_standalone(tmp_path: Path) -> None:
    """Its own worker goes with a secret of the process; a function of ann's is ann, one without a token nobody."""
    keys = tmp_path / "credentials" / "keys"
    keys.parent.mkdir()
    weft("function-credentials", "create-key", keys)
    conf = tmp_path / "functions_worker.yml"
    conf.write_text(f"functionAuthProviderClassName: {PROVIDER}\nproperties:\n  weftFunctionCredentialsKeyFile: {keys}\n")
    with SecureWeft(tmp_path, options=["--functions-worker-conf", str(conf), "--python", sys.executable]) as broker:
        users = Users(broker, tmp_path)
        users.create("ann", "own", OF_A, OUT)
        users.create("ann", "spy", OF_B, SPIED)
        users.assert_works(OF_A, OUT, "hello")
        users.wait_for("spy", lambda status: "authoriz" in status.lower() or "may not" in status.lower())
        assert all(users.tokens["ann"].encode() not in file.read_bytes()
                   for file in broker.data_directory.rglob("*") if file.is_file())  # fmt: skip


def test_settings_that_can_not_be_used(tmp_path: Path) -> None:
    folder = tmp_path / "credentials"
    keys, conf = folder / "keys", tmp_path / "functions_worker.yml"
    folder.mkdir()
    weft("function-credentials", "create-key", keys)
    assert "is there already" in weft("function-credentials", "create-key", keys, status=1)
    open_to_all = write_private(folder / "open", keys.read_bytes())
    open_to_all.chmod(0o644)
    secret = write_private(tmp_path / "secret.key", b"0" * 32)
    known = f"authenticationEnabled: true\nauthenticationProviders: [ {PROVIDERS}Token ]\n"
    known += f"properties:\n  tokenSecretKey: file://{secret}\n"
    provider, at = f"functionAuthProviderClassName: {PROVIDER}\n", "  weftFunctionCredentialsKeyFile:"
    kubernetes = PROVIDER.replace("ClearTextFunctionTokenAuthProvider", "KubernetesSecretsTokenAuthProvider")
    for text, told in {
        f"{known}functionAuthProviderClassName: {kubernetes}": (kubernetes, "it needs Kubernetes", PROVIDER),
        f"{known}functionAuthProviderClassName: a.B": ("functionAuthProviderClassName = a.B", "leave it out, or give"),
        f"{provider}{known}": ("functionAuthProviderClassName = ", "function-credentials create-key", KEY_FILE),
        f"{known}{at} {keys}": (f"{KEY_FILE} = ", "it goes with functionAuthProviderClassName"),
        f"{provider}{known}{at} keys": (f"{KEY_FILE} = ", "the whole path"),
        f"{provider}{known}{at} {folder}/none": (f"{KEY_FILE} = ", "can't open the file"),
        f"{provider}{known}{at} {open_to_all}": (f"{KEY_FILE} = ", "chmod 600"),
        f"{provider}{known}{at} {secret}": (f"{KEY_FILE} = ", "line 1: give key"),
        f"{provider}properties:\n{at} {keys}": ("functionAuthProviderClassName", "set authenticationEnabled too"),
        f"{provider}brokerClientTrustCertsFilePath: {folder}/ca.pem\n{known}{at} {keys}":
            (f"{KEY_FILE} = ", "functions can read it", "in a folder of its own"),
    }.items():  # fmt: skip
        conf.write_text(text + "\n")
        output = weft("worker", "-c", conf, "--check", status=1)
        assert all(each in output for each in told), (text, output)
    conf.write_text(f"{provider}{known}{at} {keys}\n")
    assert "the configuration can be used" in weft("worker", "-c", conf, "--check", "--admin-url", "http://127.0.0.1:1",
                                                   "--service-url", "pulsar://127.0.0.1:1")  # fmt: skip
    assert keys.read_text().splitlines()[1].split()[3] not in weft("worker", "-c", conf, "--print-config")
