"""Functions by REST (`/admin/v3/functions`), the same for weft and the real functions worker."""

import json
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Protocol

from .broker import get_json

Config = dict[str, object]


class Worker(Protocol):
    """Where the REST is: a broker's Address, or a worker of its own."""

    @property
    def admin_url(self) -> str: ...


class NotReady(RuntimeError):
    """Refused for now (503)."""


class FunctionsRest:
    def __init__(self, worker: Worker) -> None:
        self._root = f"{worker.admin_url}/admin/v3/functions"

    def create(self, config: Config, program: Path, timeout_seconds: float = 60) -> None:
        """Registers a function with its program uploaded; `config` is a FunctionConfig as the REST API names it. While
        the real worker's leader is not ready it refuses, but keeps the program under that name: then `name` in `config`
        is changed, and it is tried again."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            try:
                return self._create(config, program)
            except NotReady:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)  # between two questions to a foreign program
                config["name"] = f"{config['name']}-again"

    def _create(self, config: Config, program: Path) -> None:
        self._upload("POST", config, program)

    def update(self, config: Config, program: Path | None = None) -> None:
        """Changes the members of `config`, and the program if there is one."""
        self._upload("PUT", config, program)

    def _upload(self, method: str, config: Config, program: Path | None) -> None:
        boundary = uuid.uuid4().hex
        parts = [('name="functionConfig"\r\nContent-Type: application/json', json.dumps(config).encode())]
        if program is not None:
            head = f'name="data"; filename="{program.name}"\r\nContent-Type: application/octet-stream'
            parts.append((head, program.read_bytes()))
        body = b"".join(
            f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + content + b"\r\n"
            for head, content in parts
        )
        body += f"--{boundary}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        self._send(urllib.request.Request(self._url(config), body, headers, method=method))

    def post(self, config: Config, verb: str) -> None:
        """start, stop or restart"""
        headers = {"Content-Type": "application/json"}  # a Java worker insists
        self._send(urllib.request.Request(f"{self._url(config)}/{verb}", b"", headers, method="POST"))

    def get(self, config: Config) -> dict[str, object]:
        answer = get_json(self._url(config))
        assert isinstance(answer, dict)
        return answer

    def names(self, namespace: str = "public/default") -> list[str]:
        answer = get_json(f"{self._root}/{namespace}")
        assert isinstance(answer, list)
        return answer

    def delete(self, config: Config) -> None:
        self._send(urllib.request.Request(self._url(config), method="DELETE"))

    def status(self, config: Config) -> dict[str, object]:
        answer = get_json(f"{self._url(config)}/status")
        assert isinstance(answer, dict)
        return answer

    def stats(self, config: Config) -> dict[str, object]:
        answer = get_json(f"{self._url(config)}/stats")
        assert isinstance(answer, dict)
        return answer

    def wait_until_running(self, config: Config, timeout_seconds: float = 60) -> None:
        """Asks again and again, as an operator would: the API has nothing to wait on."""
        deadline = time.monotonic() + timeout_seconds
        last: object = None
        while time.monotonic() < deadline:
            try:
                last = self.status(config)
                if isinstance(last, dict) and last.get("numRunning") == last.get("numInstances") != 0:
                    return
            except (OSError, ValueError) as error:
                last = error
            time.sleep(0.05)
        raise TimeoutError(f"function {config['name']} is not running; last answer: {last}")

    def _url(self, config: Config) -> str:
        return f"{self._root}/{config['tenant']}/{config['namespace']}/{config['name']}"

    def _send(self, request: urllib.request.Request) -> None:
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                answer.read()
        except urllib.error.HTTPError as error:
            told = error.read().decode(errors="replace")
            message = f"{request.method} {request.full_url}: {error.code} {told}"
            raise (NotReady if error.code == 503 else RuntimeError)(message) from error
