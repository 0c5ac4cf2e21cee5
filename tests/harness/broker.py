"""What a test sees of a running broker, whichever it is."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Address:
    """Where a broker serves, on loopback."""

    broker_port: int
    web_port: int
    host: str = field(default="127.0.0.1")

    @property
    def service_url(self) -> str:
        return f"pulsar://{self._host_in_url}:{self.broker_port}"

    @property
    def admin_url(self) -> str:
        return f"http://{self._host_in_url}:{self.web_port}"

    def on(self, host: str) -> "Address":
        """The same ports there."""
        return Address(self.broker_port, self.web_port, host)

    @property
    def _host_in_url(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


class Broker(Protocol):
    """A standalone broker in a folder of its own."""

    name: str
    address: Address

    @property
    def pid(self) -> int: ...

    def restart(self) -> None:
        """Stops it cleanly and starts it again on the same ports and data; returns when it serves."""

    def stop(self) -> None: ...


def get_json(url: str, timeout_seconds: float = 10) -> object:
    with urllib.request.urlopen(url, timeout=timeout_seconds) as answer:
        return json.load(answer)


def answers(url: str, timeout_seconds: float = 2) -> bool:
    """Whether a GET is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_seconds) as answer:
            return int(answer.status) == 200
    except (urllib.error.URLError, OSError):
        return False
