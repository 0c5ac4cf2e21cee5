"""A few commands of Pulsar's binary protocol over a plain socket, written out by hand.

It shares no code with any client library, so it is a witness of its own: it times when a broker serves, and
says whether one frame was stored. Field numbers are those of Apache Pulsar's PulsarApi.proto.
"""

import socket
import ssl
import struct
import time

_CONNECT, _CONNECTED, _PRODUCER, _SEND, _SEND_RECEIPT, _SEND_ERROR = 2, 3, 5, 6, 7, 8
_SUBSCRIBE, _SUCCESS = 4, 13
_ERROR, _PRODUCER_SUCCESS, _PING, _PONG, _LOOKUP, _LOOKUP_RESPONSE = 14, 17, 18, 19, 23, 24
# Where an answer has its error, by its kind: errors, and answers that may be one.
_ERROR_FIELDS = {_ERROR: 2, _SEND_ERROR: 3, _LOOKUP_RESPONSE: 6, 22: 4, 26: 2, 35: 2, 40: 2, 51: 4}
_MAGIC_CRC32C = 0x0E01


def _crc_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_CRC_TABLE = _crc_table()


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _message(fields: dict[int, int | str | bytes]) -> bytes:
    """A protobuf message of integers (varint) and strings, bytes or messages (length-delimited)."""
    out = bytearray()
    for number, value in fields.items():
        if isinstance(value, int):
            out += _varint(number << 3) + _varint(value)
        else:
            data = value.encode() if isinstance(value, str) else value
            out += _varint(number << 3 | 2) + _varint(len(data)) + data
    return bytes(out)


def _parse(data: bytes) -> dict[int, int | bytes]:
    """The last value of each field of a protobuf message."""
    fields: dict[int, int | bytes] = {}
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        tag = varint()
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            fields[number] = varint()
        elif kind == 2:
            size = varint()
            fields[number] = data[at : at + size]
            at += size
        else:
            at += {1: 8, 5: 4}[kind]
    return fields


def _command(kind: int, fields: dict[int, int | str | bytes]) -> bytes:
    return _message({1: kind, kind: _message(fields)})  # BaseCommand: the field's number is the type's


def _frame(command: bytes, rest: bytes = b"") -> bytes:
    return struct.pack(">II", 4 + len(command) + len(rest), len(command)) + command + rest


def command_frame(kind: int, fields: dict[int, int | str | bytes], rest: bytes = b"") -> bytes:
    """`kind` is BaseCommand.Type; `rest` stands behind the command."""
    return _frame(_command(kind, fields), rest)


def parse_message(data: bytes) -> dict[int, int | bytes]:
    """The last value of each field of a protobuf message."""
    return _parse(data)


def encode_message(fields: dict[int, int | str | bytes]) -> bytes:
    return _message(fields)


def connect_frame(method: str = "", data: str = "") -> bytes:
    credentials: dict[int, int | str | bytes] = {3: data, 5: method} if method else {}
    return _frame(_command(_CONNECT, {1: "raw-client", 4: 19} | credentials))


class BrokerError(RuntimeError):
    """The broker answered with an error; `code` is a ServerError of PulsarApi.proto."""

    def __init__(self, fields: dict[int, int | bytes], code: int) -> None:
        super().__init__(f"{fields}")
        self.code = code


class RawClient:
    """One connection, one producer; each call sends one command and waits for its answer."""

    def __init__(
        self, host: str, port: int, timeout_seconds: float = 5, tls: ssl.SSLContext | None = None
    ) -> None:
        self._socket = socket.create_connection((host, port), timeout_seconds)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self._socket = tls.wrap_socket(self._socket, server_hostname=host)
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> "RawClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def connect(self, method: str = "", data: str = "") -> None:
        self._socket.sendall(connect_frame(method, data))
        self._answer(_CONNECTED)

    def subscribe(self, topic: str, subscription: str, consumer: int = 1) -> None:
        """Shared."""
        self._ask(_command(_SUBSCRIBE, {1: topic, 2: subscription, 3: 1, 4: consumer, 5: 3}), _SUCCESS)

    def lookup(self, topic: str) -> None:
        self._ask(_command(_LOOKUP, {1: topic, 2: 1, 3: 0}), _LOOKUP_RESPONSE)

    def create_producer(self, topic: str) -> str:
        answer = self._ask(_command(_PRODUCER, {1: topic, 2: 1, 3: 2}), _PRODUCER_SUCCESS)
        self._name = bytes(answer[2])
        return self._name.decode()

    def send(self, payload: bytes) -> bytes:
        """Sends one message and returns the receipt's message id (encoded)."""
        metadata = _message({1: self._name, 2: self._sequence, 3: int(time.time() * 1000)})
        body = struct.pack(">I", len(metadata)) + metadata + payload
        rest = struct.pack(">HI", _MAGIC_CRC32C, crc32c(body)) + body
        command = _command(_SEND, {1: 1, 2: self._sequence, 3: 1})
        self._sequence += 1
        self._socket.sendall(_frame(command, rest))
        return bytes(self._answer(_SEND_RECEIPT)[3])

    def ask(self, kind: int, fields: dict[int, int | str | bytes], expected: int) -> dict[int, int | bytes]:
        """Any other command, by the numbers of PulsarApi.proto; the fields of its answer."""
        return self._ask(_command(kind, fields), expected)

    def _ask(self, command: bytes, expected: int) -> dict[int, int | bytes]:
        self._socket.sendall(_frame(command))
        return self._answer(expected)

    def _answer(self, expected: int) -> dict[int, int | bytes]:
        while True:
            (total,) = struct.unpack(">I", self._read(4))
            frame = self._read(total)
            (size,) = struct.unpack(">I", frame[:4])
            command = _parse(frame[4 : 4 + size])
            kind = int(command[1])
            if kind == _PING:
                self._socket.sendall(_frame(_command(_PONG, {})))
                continue
            fields = _parse(bytes(command[kind]))
            if _ERROR_FIELDS.get(kind) in fields:
                raise BrokerError(fields, int(fields[_ERROR_FIELDS[kind]]))
            if kind == _PRODUCER_SUCCESS and fields.get(6, 1) == 0:
                continue  # not ready yet; another follows
            if kind == expected:
                return fields

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            chunk = self._socket.recv(size - len(data))
            if not chunk:
                raise ConnectionError("the broker closed the connection")
            data += chunk
        return bytes(data)


def send_one(
    host: str, port: int, topic: str, payload: bytes = b"hello", timeout_seconds: float = 5
) -> bytes:
    """Connects, looks the topic up, sends one message; returns its receipt's message id."""
    with RawClient(host, port, timeout_seconds) as client:
        client.connect()
        client.lookup(topic)
        client.create_producer(topic)
        return client.send(payload)


def wait_until_stored(
    host: str, port: int, topic: str, deadline: float, retry_seconds: float = 0.005
) -> float:
    """Retries send_one until it has its receipt; returns that moment (time.monotonic()). Raises TimeoutError
    at the deadline."""
    last: Exception | None = None
    while (now := time.monotonic()) < deadline:
        try:
            send_one(host, port, topic, timeout_seconds=max(0.05, deadline - now))
            return time.monotonic()
        except (OSError, BrokerError) as error:
            last = error
            time.sleep(retry_seconds)  # the retry interval that is asked for, not a synchronisation
    raise TimeoutError(f"no send receipt from {host}:{port} in time; last: {last}")
