"""HTTP as bytes: requests that no library would send, and whatever comes back."""

import json
import socket
from dataclasses import dataclass

from harness.broker import Address

ANSWER_SECONDS = 30
BOUNDARY = b"weft-hostile"


@dataclass(frozen=True)
class Answer:
    status: int  # 0: closed without a word
    body: bytes

    @property
    def reason(self) -> str:
        """The text of an error in Pulsar's form; "" for anything else."""
        try:
            return str(json.loads(self.body)["reason"])
        except (ValueError, KeyError, TypeError):
            return ""


def request(
    method: str | bytes, path: str | bytes, body: bytes = b"", content_type: str | bytes | None = None
) -> bytes:
    def as_bytes(text: str | bytes) -> bytes:
        return text.encode() if isinstance(text, str) else text

    head = as_bytes(method) + b" " + as_bytes(path) + b" HTTP/1.1\r\nHost: weft\r\nConnection: close\r\n"
    if content_type is not None:
        head += b"Content-Type: " + as_bytes(content_type) + b"\r\n"
    if body or method in ("POST", "PUT"):
        head += b"Content-Length: %d\r\n" % len(body)
    return head + b"\r\n" + body


def part(name: str, content: bytes, file_name: str | bytes | None = None) -> bytes:
    name_of_file = file_name.encode() if isinstance(file_name, str) else file_name
    head = b'Content-Disposition: form-data; name="%s"' % name.encode()
    if name_of_file is not None:
        head += b'; filename="%s"' % name_of_file
    return head + b"\r\n\r\n" + content


def form(*parts: bytes) -> bytes:
    body = b"".join(b"--%s\r\n%s\r\n" % (BOUNDARY, each) for each in parts)
    return body + b"--%s--\r\n" % BOUNDARY


FORM_TYPE = b"multipart/form-data; boundary=" + BOUNDARY


def ask(address: Address, sent: bytes, *, then_close: bool = False) -> Answer:
    """Sends the bytes and reads to the end of the connection; `then_close` says at once that no more will come."""
    with socket.create_connection((address.host, address.web_port), ANSWER_SECONDS) as connection:
        try:
            connection.sendall(sent)
            if then_close:
                connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before everything was sent: the answer is there
        got = bytearray()
        while chunk := connection.recv(1 << 16):
            got += chunk
    head, _, body = bytes(got).partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    return Answer(int(words[1]), body) if len(words) > 1 and words[0].startswith(b"HTTP/") else Answer(0, bytes(got))
