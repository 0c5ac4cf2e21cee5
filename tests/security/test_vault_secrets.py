"""Secrets of functions in a Vault: only those of the function's namespace, and nowhere else than in the function."""

import hashlib
import os
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from search import Search, write_private

from harness.credentials import Authority
from harness.functions_rest import Config, FunctionsRest
from harness.locations import weft_binary
from harness.process_stats import descendants
from harness.vault import Vault
from harness.weft_standalone import WeftStandalone

PYTHON = os.environ.get("WEFT_TEST_PYTHON", sys.executable)
PROGRAM = """
import hashlib


class Show(object):
    def process(self, input, context):
        names = sorted(name for name in ("a", "b", "c") if context.get_secret(name) is not None)
        return " ".join(hashlib.sha256(str(context.get_secret(name)).encode()).hexdigest() for name in names) or "none"
"""


def config_of(name: str, secrets: object = None, namespace: str = "default") -> Config:
    config: Config = {
        "tenant": "public", "namespace": namespace, "name": name, "className": "show.Show", "runtime": "PYTHON",
        "inputs": [f"persistent://public/default/{name}-in"], "output": f"persistent://public/default/{name}-out",
        "subscriptionPosition": "Earliest",
    }  # fmt: skip
    return config | ({"secrets": secrets} if secrets else {})


def sums(*secrets: object) -> str:
    return "content:" + " ".join(hashlib.sha256(str(each).encode()).hexdigest() for each in secrets)


class Place:
    """A standalone whose worker asks a Vault."""

    def __init__(self, folder: Path, vault: Vault, **members: object) -> None:
        self.vault, self.folder = vault, folder
        self.program = folder / "show.py"
        self.program.write_text(PROGRAM)
        conf = folder / "functions_worker.yml"
        lines = "".join(f"  {name}: {value}\n" for name, value in ({"address": vault.address} | members).items())
        conf.write_text(
            f"secretsProviderConfiguratorClassName: weft.VaultSecrets\nsecretsProviderConfiguratorConfig:\n{lines}"
        )
        options = ["--python", PYTHON, "--functions-worker-conf", str(conf), "--log-level", "debug"]
        self.weft = WeftStandalone(folder / "weft", options=options)
        self.functions = FunctionsRest(self.weft.address)

    def shown_by(self, name: str) -> str:
        urls = ["--url", self.weft.address.service_url, "--admin-url", self.weft.address.admin_url]
        for command in (["produce", f"{name}-in", "-m", "x"], ["consume", f"{name}-out", "-s", "s", "-p", "Earliest", "-n", "1"]):
            done = subprocess.run([weft_binary(), *urls, *command], capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr
        return done.stdout

    def wait_for(self, config: Config, words: str) -> str:
        deadline = time.monotonic() + 30
        while words not in (status := str(self.functions.status(config))):
            assert time.monotonic() < deadline, status
            time.sleep(0.03)  # between two looks
        return status

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.weft.address.admin_url + path, timeout=20) as answer:
            return bytes(answer.read())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def vault(authority: Authority) -> Iterator[Vault]:
    with Vault(authority.issue("vault", "IP:127.0.0.1"), mount="kv") as running:
        yield running


def test_with_a_token(authority: Authority, vault: Vault, tmp_path: Path) -> None:
    password, user = uuid.uuid4().hex, uuid.uuid4().hex
    token = vault.token("weft/public/default/")
    token_file = write_private(tmp_path / "vault" / "token", token + "\n")
    vault.put("weft/public/default/db", password=password, user=user, port=5432)
    vault.put("weft/public/other/db", password=password)
    place = Place(tmp_path, vault, mount="kv", pathPrefix="weft", tokenFile=token_file,
                  caCertFile=authority.certificate, timeoutMs=300)  # fmt: skip
    with place.weft as weft:
        for reference in (password, f"../other/db#{password}", {"path": "db", "key": password, "other": 1}):
            with pytest.raises(RuntimeError, match="400.*show cannot be admitted:- secret a must name a field") as refused:
                place.functions.create(config_of("show", {"a": reference}), place.program)
            assert password not in str(refused.value)
        config = config_of("show", {"a": "db#password", "b": {"path": "db", "key": "user"}, "c": "db#port"})
        place.functions.create(config, place.program)
        assert sums(password, user, 5432) in place.shown_by("show")
        assert vault.asked == ["/v1/kv/data/weft/public/default/db"]

        token = vault.token("weft/public/default/")  # an agent has renewed it
        vault.revoke_all()
        place.functions.post(config, "restart")
        place.wait_for(config, "secret a: Vault at https://127.0.0.1")
        assert "lacks a policy that reads kv/data/weft/public/default/*" in place.wait_for(config, "does not let")
        token = vault.token("weft/public/default/")
        write_private(token_file, token)
        assert sums(password, user, 5432) in place.shown_by("show")  # it is tried again by itself

        search = Search({"token": token.encode(), "password": password.encode(), "user": user.encode()})
        search.processes(descendants(weft.pid))
        for path in ("/metrics", "/admin/v3/functions/public/default/show", "/admin/v3/functions/public/default/show/status"):
            search.look(path, place.get(path))
        search.files(tmp_path, {token_file})
        assert search.found == set()


def test_says_why_there_is_none(authority: Authority, vault: Vault, tmp_path: Path) -> None:
    token_file = write_private(tmp_path / "vault" / "token", vault.token("public/default/"))
    place = Place(tmp_path, vault, mount="kv", tokenFile=token_file, caCertFile=authority.certificate, timeoutMs=400)
    config = config_of("show", {"a": "db#password"})
    with place.weft as weft:
        place.functions.create(config, place.program)
        place.wait_for(config, "has no such secret below kv/data/public/default/")
        vault.put("public/default/db", user="u")
        for status, garbage, words in (
            (None, False, "has the secret, but not the field"),
            (503, False, "is sealed or not ready (503)"),
            (None, True, "no secret of a KV engine 2"),
        ):
            vault.fails_with, vault.garbage = status, garbage
            place.functions.post(config, "restart")
            place.wait_for(config, words)
        vault.garbage = False
        vault.put("public/default/db", password="p")
        vault.hold()
        place.functions.post(config, "restart")
        place.wait_for(config, "has not answered within 400 ms")
        place.functions.create(config_of("other"), place.program)
        assert "content:none" in place.shown_by("other")  # it waits for nobody
        vault.let_go()
        assert sums("p") in place.shown_by("show")
        weft.check_running()


def test_with_a_role(vault: Vault, authority: Authority, tmp_path: Path) -> None:
    role_id, secret_id = vault.role("public/default/")
    files = {"roleIdFile": role_id, "secretIdFile": "wrong"}
    for name, text in files.items():
        write_private(tmp_path / "vault" / name, text)
    vault.put("public/default/db", password="p")
    place = Place(tmp_path, vault, mount="kv", caCertFile=authority.certificate,
                  **{name: tmp_path / "vault" / name for name in files})  # fmt: skip
    config = config_of("show", {"a": "db#password"})
    with place.weft as weft:
        place.functions.create(config, place.program)
        place.wait_for(config, "does not take this worker's AppRole (400)")
        write_private(tmp_path / "vault" / "secretIdFile", secret_id)
        assert sums("p") in place.shown_by("show")
        place.functions.create(config_of("second", {"a": "db#password"}), place.program)
        assert sums("p") in place.shown_by("second")
        assert vault.logins == 1
        vault.revoke_all()
        place.functions.create(config_of("third", {"a": "db#password"}), place.program)
        assert sums("p") in place.shown_by("third")
        assert vault.logins == 2
        log = weft.log.read_text()
        assert secret_id not in log and role_id not in log and "hvs." not in log
