"""The functions REST as the tests here need it."""

import json
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

from harness.functions_rest import Worker


class Functions:
    """Functions in public/default of one worker."""

    def __init__(self, address: Worker) -> None:
        self._base = f"{address.admin_url}/admin/v3/functions/public/default"

    def create(self, name: str, package: Path, **config: Any) -> None:
        """Uploads `package` with the configuration; returns when the function runs."""
        self.upload(name, package, **config)
        self.wait_until_running(name)

    def wait_for(self, name: str, member: str, value: Any, timeout_seconds: float = 30) -> dict[str, Any]:
        """Until that stands in the status, which is returned."""
        deadline = time.monotonic() + timeout_seconds
        while (status := self.status(name)).get(member) != value:
            assert time.monotonic() < deadline, f"{name} has not {member} = {value}: {status}"
            time.sleep(0.05)  # between two looks
        return status

    def upload(self, name: str, package: Path, **config: Any) -> None:
        kind = {".py": "py", ".jar": "jar", "": "go"}.get(package.suffix, "native")
        config |= {"tenant": "public", "namespace": "default", "name": name, kind: package.name}
        config.setdefault("subscriptionPosition", "Earliest")
        boundary = uuid.uuid4().hex
        parts = [
            b'Content-Disposition: form-data; name="functionConfig"\r\nContent-Type: application/json\r\n\r\n'
            + json.dumps(config).encode(),
            f'Content-Disposition: form-data; name="data"; filename="{package.name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n".encode()
            + package.read_bytes(),
        ]
        body = b"".join(b"--%s\r\n%s\r\n" % (boundary.encode(), part) for part in parts)
        body += b"--%s--\r\n" % boundary.encode()
        self._call("POST", name, body, f"multipart/form-data; boundary={boundary}")

    def delete(self, name: str) -> None:
        self._call("DELETE", name)

    def get(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._call("GET", name))
        return answer

    def status(self, name: str) -> dict[str, Any]:
        """Of instance 0."""
        answer: dict[str, Any] = json.loads(self._call("GET", f"{name}/status"))
        return answer["instances"][0]["status"] if answer["instances"] else {"running": False}

    def stats(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._call("GET", f"{name}/stats"))
        return answer

    def wait_until_running(self, name: str, timeout_seconds: float = 30) -> None:
        deadline = time.monotonic() + timeout_seconds
        while not (status := self.status(name))["running"]:
            assert time.monotonic() < deadline, f"{name} does not run: {status}"
            time.sleep(0.01)  # between two looks

    def _call(self, method: str, path: str, body: bytes | None = None, content_type: str = "") -> bytes:
        request = urllib.request.Request(f"{self._base}/{path}", data=body, method=method)
        if content_type:
            request.add_header("Content-Type", content_type)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode(errors='replace')}") from error
