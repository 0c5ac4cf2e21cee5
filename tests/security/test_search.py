"""Marked secrets and tokens are in no process list, environment, log, answer, topic or file of a run, but where they belong."""

import base64
import hashlib
import json
import os
import ssl
import subprocess
import sys
import time
import urllib.request
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pulsar
import pytest
from search import Search, write_private
from secure_pulsar import TOKEN_PLUGIN
from secure_weft import FUNCTION_TOKENS, PROVIDERS, SecureWeft

from harness.locations import pulsar_home, weft_binary
from harness.process_stats import command_line, descendants
from harness.weft_standalone import WeftWorker

SAMPLES = Path(__file__).resolve().parents[1] / "functions" / "samples"
NATIVE = weft_binary().parents[1] / "lib" / "libweft_keeper_function.so"
NAMESPACE = "public/default"


def sum_of(secret: str) -> str:
    """FNV-1a, as keeper.cc does it."""
    total = 14695981039346656037
    for byte in secret.encode():
        total = (total ^ byte) * 1099511628211 % 2**64
    return str(total)


class Run:
    """A broker with TLS and tokens, a worker that has its own token in its settings, functions with secrets in files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secrets = {name: uuid.uuid4().hex for name in ("python", "native", "java")}
        self.broker = SecureWeft(folder, options=["--no-functions-worker", "--log-level", "debug"])
        self.admin = self.broker.issuer.token("admin")
        own = self.broker.issuer.token("admin", 3600)
        self.admin_file = write_private(folder / "admin.token", self.admin)
        keys = folder / "credentials" / "keys"
        keys.parent.mkdir(mode=0o700)
        subprocess.run([weft_binary(), "function-credentials", "create-key", keys], check=True, timeout=30)
        certificate, key = self.broker.authority.issue("worker", "DNS:localhost,IP:127.0.0.1")
        authority, key_file = self.broker.authority.certificate, self.broker.issuer.key_file
        for held in (key, key_file, Path(self.broker.settings["tlsKeyFilePath"])):
            held.chmod(0o600)
        own_files = [
            write_private(folder / "secrets" / NAMESPACE / f"{name}.secret", secret + "\n")
            for name, secret in self.secrets.items()
        ]
        conf = write_private(
            folder / "functions_worker.yml",
            f"workerPort: null\nworkerPortTls: 0\ntlsEnabled: true\ntlsTrustCertsFilePath: {authority}\n"
            f"tlsCertificateFilePath: {certificate}\ntlsKeyFilePath: {key}\ndownloadDirectory: {folder}/worker\n"
            f"pulsarServiceUrl: {self.broker.service_url}\npulsarWebServiceUrl: {self.broker.web_url}\n"
            f"brokerClientTrustCertsFilePath: {authority}\nbrokerClientAuthenticationPlugin: {TOKEN_PLUGIN}\n"
            f"brokerClientAuthenticationParameters: 'token:{own}'\n"
            f"authenticationEnabled: true\nauthenticationProviders: [ {PROVIDERS}Token ]\nauthorizationEnabled: true\n"
            f"superUserRoles: [ admin ]\nproperties:\n  tokenSecretKey: file://{key_file}\n"
            f"  weftFunctionCredentialsKeyFile: {keys}\nfunctionAuthProviderClassName: {FUNCTION_TOKENS}\n"
            f"secretsProviderConfiguratorClassName: weft.FileSecrets\n"
            f"secretsProviderConfiguratorConfig:\n  folder: {folder}/secrets\n",
        )
        options = ["-c", conf, "--python", sys.executable, "--pulsar-home", pulsar_home(), "--audit-log", folder / "audit.log", "--log-level", "debug"]
        self.worker = WeftWorker(folder / "worker-logs", options)
        self.marks = {f"secret of {name}": secret.encode() for name, secret in self.secrets.items()} | {
            "token of admin": self.admin.rsplit(".", 1)[1].encode(),
            "token of the worker": own.rsplit(".", 1)[1].encode(),
            "key of tokens": key_file.read_bytes(),
            "key of the worker's certificate": key.read_text().splitlines()[2].encode(),
        }
        self.marks["key of credentials"] = base64.b64decode(keys.read_text().splitlines()[1].split()[3])
        self.holders = {self.admin_file, key, key_file, conf, keys, *own_files}

    def close(self) -> None:
        self.worker.stop()
        self.broker.stop()

    def weft(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        who = ["--auth-plugin", "token", "--auth-params", f"file://{self.admin_file}",
               "--tls-trust-cert-path", str(self.broker.authority.certificate)]  # fmt: skip
        urls = ["--url", self.broker.service_url, "--admin-url", self.worker.admin_url]
        return subprocess.run(
            [weft_binary(), *urls, *who, *map(str, command)], capture_output=True, text=True, timeout=60
        )

    def done(self, *command: str | Path) -> str:
        ran = self.weft(*command)
        assert ran.returncode == 0, (command, ran.stdout, ran.stderr)
        return ran.stdout + ran.stderr

    def client(self) -> pulsar.Client:
        return pulsar.Client(
            self.broker.service_url,
            authentication=pulsar.AuthenticationToken(self.admin),
            tls_trust_certs_file_path=str(self.broker.authority.certificate),
            logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error),
        )

    def get(self, url: str) -> bytes:
        context = ssl.create_default_context(cafile=str(self.broker.authority.certificate))
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self.admin}"})
        with urllib.request.urlopen(request, timeout=20, context=context) as answer:
            return bytes(answer.read())

    def listed(self, path: str) -> list[str]:
        answer = json.loads(self.get(f"{self.broker.web_url}/admin/v2/{path}"))
        assert isinstance(answer, list)
        return answer

    def topics(self) -> list[str]:
        namespaces = [ns for tenant in self.listed("tenants") for ns in self.listed(f"namespaces/{tenant}")]
        return [topic for ns in namespaces for topic in self.listed(f"persistent/{ns}")]

    def search(self) -> Search:
        """Everywhere."""
        search = Search(self.marks)
        search.processes([*descendants(self.worker.pid), *descendants(self.broker.pid)])
        for path in (
            "/metrics", "/version", "/admin/v2/worker/cluster", "/admin/v2/worker/assignments",
            "/admin/v2/worker-stats/metrics", "/admin/v2/worker-stats/functionsmetrics",
            f"/admin/v3/functions/{NAMESPACE}",
            *(f"/admin/v3/functions/{NAMESPACE}/{name}{of}"
              for name in ("python", "native", "java", "without") for of in ("", "/status", "/stats")),
        ):  # fmt: skip
            search.look(f"worker {path}", self.get(self.worker.admin_url + path))
        topics = self.topics()
        for path in ("/metrics", *(f"/admin/v2/{topic.replace('://', '/')}/{of}"
                                   for topic in topics for of in ("stats", "internalStats"))):  # fmt: skip
            search.look(f"broker {path}", self.get(self.broker.web_url + path))
        client = self.client()
        read = {topic: search.topic(client, topic) for topic in topics}
        client.close()
        assert any("metadata" in topic and count > 0 for topic, count in read.items()), read
        # A JVM is told the name of a file with the token of who made the function; where it is a user of its own, of a copy of that.
        copies = {path for path in self.folder.glob("worker/tokens/*.own/*") if path.read_text() == self.admin}
        search.files(self.folder, self.holders | set(self.folder.glob("worker/tokens/*/token")) | copies)
        return search


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    made = Run(tmp_path_factory.mktemp("run"))
    yield made
    made.close()


def keeper_jar(folder: Path) -> Path:
    """Of Keeper.java, against what Pulsar gives to functions."""
    api = pulsar_home() / "instances" / "java-instance.jar"
    subprocess.run(["javac", "-cp", api, "-d", folder, SAMPLES / "Keeper.java"], check=True, timeout=60)
    with zipfile.ZipFile(folder / "keeper.jar", "w") as jar:
        jar.write(folder / "Keeper.class", "Keeper.class")
    return folder / "keeper.jar"


def create(run: Run, name: str, *program: str | Path, secrets: dict[str, str]) -> None:
    run.done(
        "functions", "create", *program, "--name", name, "--inputs", f"{name}-in", "--output", f"{name}-out",
        "--log-topic", f"{name}-log", "--subs-position", "Earliest", "--secrets", json.dumps(secrets),
    )  # fmt: skip


def status_of(run: Run, name: str) -> str:
    return run.get(f"{run.worker.admin_url}/admin/v3/functions/{NAMESPACE}/{name}/status").decode()


def test_functions_have_their_secrets(run: Run) -> None:
    python = ["--py", SAMPLES / "keeper.py", "--classname", "keeper.Keeper"]
    create(run, "python", *python, secrets={"db": "python.secret"})
    create(run, "native", "--native", NATIVE, secrets={"db": "native.secret"})
    jar = keeper_jar(run.folder)
    # A JVM that is up soon on a small machine.
    flags = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:MaxDirectMemorySize=64m"
    small = ["--runtime-flags", flags, "--ram", "134217728"]
    create(run, "java", "--jar", jar, "--classname", "Keeper", *small, secrets={"db": "java.secret"})
    create(run, "without", *python, secrets={"db": "missing.secret"})
    expected = {
        "python": hashlib.sha256(run.secrets["python"].encode()).hexdigest(),
        "native": sum_of(run.secrets["native"]),
        "java": hashlib.sha256(run.secrets["java"].encode()).hexdigest(),
    }
    for name, shown in expected.items():
        run.done("produce", f"{name}-in", "-m", "hello")
        assert f"content:{shown}" in run.done("consume", f"{name}-out", "-s", "test", "-p", "Earliest", "-n", "1")
    (jvm,) = [pid for pid in descendants(run.worker.pid) if "JavaInstanceMain" in command_line(pid)]
    assert os.readlink(f"/proc/{jvm}/fd/0") == "/dev/null"  # where the secrets were
    run.done("produce", "python-in", "-m", "fail")
    deadline = time.monotonic() + 30
    while "as asked" not in status_of(run, "python") or "missing.secret" not in status_of(run, "without"):
        assert time.monotonic() < deadline, (status_of(run, "python"), status_of(run, "without"))
        time.sleep(0.1)  # between two looks
    run.done("functions", "restart", "--name", "native")
    refused = run.weft("functions", "update", "--name", "python", "--secrets", '{"db": "../other"}')
    assert refused.returncode != 0 and "Function python cannot be admitted:- secret db" in refused.stderr, refused.stderr


def test_no_mark_is_found(run: Run) -> None:
    search = run.search()
    assert search.found == set()
    assert search.looked_at > 100


def test_a_leak_would_be_found(run: Run) -> None:
    """One planted in each of the places."""
    secret = run.secrets["python"]
    (run.folder / "planted").write_bytes(b"beside it: " + secret.encode().hex().encode())
    client = run.client()
    producer = client.create_producer(f"persistent://{NAMESPACE}/planted", compression_type=pulsar.CompressionType.ZSTD)
    producer.send(f"{secret} ".encode() * 100)
    client.close()
    run.admin_file.chmod(0o640)
    search = run.search()
    leak = [sys.executable, "-c", "print(flush=True), input()", secret]
    with subprocess.Popen(leak, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"S": run.admin}) as leaky:
        assert leaky.stdout is not None and leaky.stdout.readline()  # its exec is over: it has a command line
        search.processes([leaky.pid])
        leaky.communicate(b"\n")
    run.admin_file.chmod(0o600)
    # Zstandard leaves a text that it sees for the first time as it is, so the broker's files may show it too.
    assert {(where, what) for where, what in search.found if not where.startswith("weft/data/")} == {
        ("planted", "secret of python"),
        (f"persistent://{NAMESPACE}/planted", "secret of python"),
        ("admin.token", "others can read it"),
        ("cmdline", "secret of python"),
        ("environ", "token of admin"),
    }
