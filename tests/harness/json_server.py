"""A server that answers JSON, for what the tests stand in for: over http, or https with a certificate."""

import http.server
import json
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs


@dataclass(frozen=True)
class Question:
    method: str
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, str]  # of JSON or a form


Answers = Callable[[Question], tuple[int, object]]


class JsonServer:
    """On 127.0.0.1 until stop(); start() takes the same port again. `answers` gives status and JSON, or bytes that are sent as
    they are; it is called on a thread of each connection."""

    def __init__(self, answers: Answers, certificate: tuple[Path, Path] | None = None) -> None:
        """`certificate`: its own and the key (Authority.issue(name, "IP:127.0.0.1")), for https."""
        self._answers = answers
        self._context: ssl.SSLContext | None = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*certificate)
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self._port}"

    def start(self) -> None:
        self._server = _Server(("127.0.0.1", self._port), _Handler)
        self._server.answers = self._answers
        self._port = self._server.server_port
        if self._context:
            # The handshake belongs to the connection's own thread.
            self._server.socket = self._context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Nobody listens on its port any more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    answers: Answers

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away, or does not take the certificate, is no news."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    server: _Server

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        given = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if self.headers.get("Content-Type", "").startswith("application/json"):
            return self._answer(json.loads(given))
        self._answer({key: values[0] for key, values in parse_qs(given).items()})

    def _answer(self, body: Mapping[str, str]) -> None:
        status, answer = self.server.answers(Question(self.command, self.path, self.headers, body))
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")  # stop() leaves nobody connected
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass
