"""HashiCorp Vault in miniature: KV engines, tokens with the folders that they may read, AppRole."""

import threading
import uuid
from collections.abc import Mapping
from pathlib import Path

from harness.json_server import JsonServer, Question


class Vault:
    """Serves on 127.0.0.1 until stop(). What it does next may be changed at any time: `fails_with` (a status for every
    question), `garbage` (no JSON), `hold()` and `let_go()` (no answer until then)."""

    def __init__(self, certificate: tuple[Path, Path] | None = None, *, mount: str = "secret", version: int = 2) -> None:
        """`certificate`: its own and the key (Authority.issue(name, "IP:127.0.0.1")), for https."""
        self._mount, self._version = mount, version
        self.fails_with: int | None = None
        self.garbage = False
        self.lease_seconds = 3600
        self.asked: list[str] = []  # paths of secrets, in order
        self.logins = 0  # that were granted
        self._secrets: dict[str, Mapping[str, object]] = {}
        self._tokens: dict[str, str] = {}  # and the folder that each may read
        self._roles: dict[str, tuple[str, str]] = {}
        self._go = threading.Event()
        self._go.set()
        self._server = JsonServer(self._answer, certificate)

    @property
    def address(self) -> str:
        return self._server.url

    def put(self, path: str, **fields: object) -> None:
        """Of the engine: "public/default/db"."""
        self._secrets[path] = fields

    def token(self, folder: str = "") -> str:
        """A new one, which may read what is below the folder."""
        made = f"hvs.{uuid.uuid4().hex}"
        self._tokens[made] = folder
        return made

    def revoke_all(self) -> None:
        self._tokens.clear()

    def role(self, folder: str = "") -> tuple[str, str]:
        """Of an AppRole: its id and its secret id."""
        role_id, secret_id = uuid.uuid4().hex, uuid.uuid4().hex
        self._roles[role_id] = (secret_id, folder)
        return role_id, secret_id

    def hold(self) -> None:
        self._go.clear()

    def let_go(self) -> None:
        self._go.set()

    def stop(self) -> None:
        self.let_go()
        self._server.stop()

    def __enter__(self) -> "Vault":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answer(self, question: Question) -> tuple[int, object]:
        status, answer = self._answer_to(question.method, question.path, question.headers.get("X-Vault-Token", ""), question.body)
        return status, b"<html>not Vault</html>" if self.garbage else answer

    def _answer_to(self, method: str, path: str, token: str, body: Mapping[str, str]) -> tuple[int, object]:
        """Status and JSON, as Vault's HTTP API has them."""
        if path.startswith("/v1/" + self._mount):
            self.asked.append(path)
        self._go.wait(30)
        if self.fails_with is not None:
            return self.fails_with, {"errors": ["Vault is sealed"]}
        if method == "POST" and path == "/v1/auth/approle/login":
            return self._log_in(body)
        folder = f"/v1/{self._mount}/" + ("data/" if self._version == 2 else "")
        if method != "GET" or not path.startswith(folder):
            return 404, {"errors": [f'no handler for route "{path}"']}
        name = path.removeprefix(folder)
        if token not in self._tokens or not name.startswith(self._tokens[token]):
            return 403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]}
        if name not in self._secrets:
            return 404, {"errors": []}
        fields = self._secrets[name]
        data = {"data": fields, "metadata": {"version": 1, "destroyed": False}} if self._version == 2 else fields
        return 200, {"request_id": str(uuid.uuid4()), "lease_id": "", "renewable": False, "lease_duration": 0, "data": data}

    def _log_in(self, body: Mapping[str, str]) -> tuple[int, object]:
        secret_id, folder = self._roles.get(body.get("role_id", ""), ("", ""))
        if not secret_id or body.get("secret_id") != secret_id:
            return 400, {"errors": ["invalid role or secret ID"]}
        self.logins += 1
        auth = {"client_token": self.token(folder), "lease_duration": self.lease_seconds, "renewable": True}
        return 200, {"request_id": str(uuid.uuid4()), "auth": auth, "data": None}
