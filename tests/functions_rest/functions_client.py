"""Pulsar's functions REST, as plain HTTP: what is sent stands here, and every answer can be looked at."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

BOUNDARY = "----weft-test-boundary"


@dataclass(frozen=True)
class Answer:
    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        """The text of an error; "" if the answer isn't one of Pulsar's form."""
        try:
            return str(self.json["reason"])
        except (ValueError, KeyError, TypeError):
            return ""


@dataclass(frozen=True)
class Part:
    name: str
    content: bytes
    content_type: str = "application/octet-stream"
    file_name: str | None = None


def config_part(config: dict[str, Any] | str) -> Part:
    text = config if isinstance(config, str) else json.dumps(config)
    return Part("functionConfig", text.encode(), "application/json")


def multipart(parts: list[Part]) -> bytes:
    out = bytearray()
    for part in parts:
        file = f'; filename="{part.file_name}"' if part.file_name is not None else ""
        out += (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{part.name}"{file}\r\n'
            f"Content-Type: {part.content_type}\r\n\r\n"
        ).encode()
        out += part.content + b"\r\n"
    out += f"--{BOUNDARY}--\r\n".encode()
    return bytes(out)


class FunctionsClient:
    """Calls below /admin/v3/functions/public/default unless the path begins with a slash."""

    def __init__(self, admin_url: str) -> None:
        self.admin_url = admin_url

    def call(
        self, method: str, path: str, body: bytes | None = None, content_type: str | None = None
    ) -> Answer:
        url = path if path.startswith("/") else f"/admin/v3/functions/public/default/{path}"
        request = urllib.request.Request(self.admin_url + url, data=body, method=method)
        if content_type is not None:
            request.add_header("Content-Type", content_type)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Answer(answer.status, answer.read().decode(), dict(answer.headers))
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read().decode())

    def get(self, path: str) -> Answer:
        return self.call("GET", path)

    def upload(self, method: str, path: str, parts: list[Part]) -> Answer:
        return self.call(method, path, multipart(parts), f"multipart/form-data; boundary={BOUNDARY}")

    def create(
        self, name: str, config: dict[str, Any] | str, package: bytes, file_name: str = "function.py"
    ) -> Answer:
        return self.upload("POST", name, [config_part(config), Part("data", package, file_name=file_name)])

    def wait_until_initialized(self) -> None:
        self.wait_until(lambda: self.get("/initialized").status == 200, "the worker is initialized")

    def wait_until_running(self, name: str, instances: int = 1) -> None:
        def running() -> bool:
            status = self.get(f"{name}/status")
            return status.status == 200 and status.json["numRunning"] == instances

        self.wait_until(running, f"{instances} instances of {name} run")

    def wait_until(
        self, condition: Callable[[], bool], what: str = "it happens", seconds: float = 30
    ) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {seconds} s until {what}")
            time.sleep(0.01)  # the interval of asking; the deadline decides
