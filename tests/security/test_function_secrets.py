"""Secrets of functions from the environment and, as with Pulsar's default, from their own configuration."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.functions_rest import Config, FunctionsRest
from harness.locations import weft_binary
from harness.weft_standalone import WeftStandalone

PYTHON = os.environ.get("WEFT_TEST_PYTHON", sys.executable)
PROGRAM = """
import os



class Show(object):
    def process(self, input, context):
        names = [name for name in os.environ if name.startswith(("WEFT_SECRET_", "PF_"))]
        return "%r %r %r" % (context.get_secret("a"), context.get_secret("none"), names)
"""


def config_of(secrets: object) -> Config:
    return {
        "tenant": "public", "namespace": "default", "name": "show", "className": "show.Show", "runtime": "PYTHON",
        "inputs": ["persistent://public/default/in"], "output": "persistent://public/default/out",
        "subscriptionPosition": "Earliest", "secrets": secrets,
    }  # fmt: skip


def shown_by(weft: WeftStandalone, program: Path, secrets: object) -> str:
    functions = FunctionsRest(weft.address)
    functions.create(config_of(secrets), program)
    assert functions.get(config_of(secrets))["secrets"] == secrets
    return next_shown(weft)


def next_shown(weft: WeftStandalone) -> str:
    urls = ["--url", weft.address.service_url, "--admin-url", weft.address.admin_url]
    for command in (["produce", "in", "-m", "x"], ["consume", "out", "-s", "s", "-p", "Earliest", "-n", "1"]):
        done = subprocess.run([weft_binary(), *urls, *command], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "show.py"
    path.write_text(PROGRAM)
    return path


def test_of_the_environment(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEFT_SECRET_ONE", "the first")
    monkeypatch.setenv("PF_secretsProviderConfiguratorClassName", "weft.EnvironmentSecrets")
    conf = tmp_path / "functions_worker.yml"
    conf.write_text("")
    options = ["--python", PYTHON, "--functions-worker-conf", str(conf)]
    with WeftStandalone(tmp_path / "weft", options=options) as weft:
        with pytest.raises(RuntimeError, match="cannot be admitted:- secret a must name a variable"):
            FunctionsRest(weft.address).create(config_of({"a": "$ONE"}), program)
        assert "content:'the first' None []" in shown_by(weft, program, {"a": "ONE"})


def test_of_files_that_change(program: Path, tmp_path: Path) -> None:
    """Beside a broker. A secret that others can read is none; one that is put right is taken without a word."""
    secret = tmp_path / "secrets" / "public" / "default" / "one"
    secret.parent.mkdir(parents=True)
    secret.write_text("the first\n")
    secret.chmod(0o644)
    conf = tmp_path / "functions_worker.yml"
    conf.write_text(
        "secretsProviderConfiguratorClassName: weft.FileSecrets\n"
        f"secretsProviderConfiguratorConfig:\n  folder: {tmp_path}/secrets\n"
    )
    options = ["--python", PYTHON, "--functions-worker-conf", str(conf)]
    config = config_of({"a": "one"})
    with WeftStandalone(tmp_path / "weft", options=options) as weft:
        functions = FunctionsRest(weft.address)
        functions.create(config, program)
        deadline = time.monotonic() + 30
        while "chmod 600" not in (status := str(functions.status(config))):
            assert time.monotonic() < deadline, status
            time.sleep(0.05)  # between two looks
        assert "the first" not in status
        secret.chmod(0o600)
        assert "content:'the first' None []" in next_shown(weft)
        secret.write_text("the second\n")
        functions.post(config, "restart")  # it is answered before the instance has ended
        while "content:'the second' None []" not in (shown := next_shown(weft)):
            assert "content:'the first' None []" in shown and time.monotonic() < deadline, shown
        assert "the second" not in weft.log.read_text()


def test_of_the_configuration(program: Path, tmp_path: Path) -> None:
    options = ["--python", PYTHON]
    with WeftStandalone(tmp_path / "weft", options=options) as weft:
        assert "content:{'b': [1]} None []" in shown_by(weft, program, {"a": {"b": [1]}})


def test_settings_that_can_not_be_used(tmp_path: Path) -> None:
    conf = tmp_path / "functions_worker.yml"
    provider, folder = "secretsProviderConfiguratorClassName", "secretsProviderConfiguratorConfig"
    vault = "weft.VaultSecrets"
    kubernetes = "org.apache.pulsar.functions.secretsproviderconfigurator.KubernetesSecretsProviderConfigurator"
    for text, told in {
        f"{provider}: {kubernetes}": (f"{provider} = ", "weft.FileSecrets, weft.VaultSecrets or weft.EnvironmentSecrets"),
        f"{provider}: weft.FileSecrets": (f"{provider} = ", "FOLDER/tenant/namespace/FILE"),
        f"{provider}: weft.FileSecrets\n{folder}: {{folder: secrets}}": (f"{folder}.folder = ", "the whole path of a folder"),
        f"{provider}: weft.FileSecrets\n{folder}: {{folder: {tmp_path}/none}}": (f"{folder}.folder = ", "the whole path"),
        f"{folder}: {{folder: {tmp_path}}}": (f"{folder}.folder = ", "it is for weft.FileSecrets"),
        f"{folder}: {{vault: x}}": (f"{folder}.vault = ", "leave it out"),
        f"{folder}: {{mount: x}}": (f"{folder}.mount = x: ", "it is for weft.VaultSecrets"),
        f"{provider}: {vault}": (f"{folder}.address = ", "give https://HOST:PORT"),
        f"{provider}: {vault}\n{folder}: {{address: http://vault:8200}}": (f"{folder}.address = http://vault:8200: ", "only to this machine"),
        f"{provider}: {vault}\n{folder}: {{address: https://v, folder: /x}}": (f"{folder}.folder = /x: ", "it is for weft.FileSecrets"),
        f"{provider}: {vault}\n{folder}: {{address: https://v, tokenFile: hvs.x}}": (f"{folder}.tokenFile = ****", "the whole path"),
        f"{provider}: {vault}\n{folder}: {{address: https://v, tokenFile: /x, namespace: a}}": (f"{folder}.namespace = ", "leave it out"),
        f"{provider}: {vault}\n{folder}: {{address: https://v, tokenFile: /x, caCertFile: /none}}": (f"{folder}.caCertFile = /none: ", "/none"),
        f"{provider}: {vault}\n{folder}: {{address: https://v, tokenFile: /usr/share/token}}": (f"{folder}.tokenFile = /usr/share/token: ", "functions can read it"),
    }.items():
        conf.write_text(text + "\n")
        done = subprocess.run([weft_binary(), "worker", "-c", conf, "--check"], capture_output=True, text=True, timeout=30)
        assert done.returncode != 0 and all(each in done.stderr for each in told), (text, done.stderr)
