"""A program: 240 clients that nobody knows, slow ones and flooding ones, until SIGTERM; then it prints how often each kind came.

Its argument is JSON: host, broker_port, web_port, connect (a CONNECT with a wrong token, as hex)."""

import asyncio
import collections
import contextlib
import json
import os
import signal
import ssl
import sys
from collections.abc import Awaitable, Callable
from typing import Any

WHERE: dict[str, Any] = json.loads(sys.argv[1])
BROKER, WEB = WHERE["broker_port"], WHERE["web_port"]
HEAD = b"GET /admin/v2/tenants HTTP/1.1\r\nHost: x\r\n"
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

came: collections.Counter[str] = collections.Counter()


def context() -> ssl.SSLContext:
    made = ssl.create_default_context()
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


TLS = context()


def client_hello() -> bytes:
    """How a handshake begins: the server answers with a signature, and who sent this has done nothing for it."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        TLS.wrap_bio(incoming, outgoing).do_handshake()
    return outgoing.read()


HELLO = client_hello()


async def opened(port: int, tls: ssl.SSLContext | None = TLS) -> Streams:
    return await asyncio.open_connection(WHERE["host"], port, ssl=tls)


async def says_nothing(port: int) -> Streams:
    reader, writer = await opened(port, None)
    await reader.read()
    return reader, writer


async def drips(port: int, head: bytes, drop: bytes) -> Streams:
    reader, writer = await opened(port)
    writer.write(head)
    end = asyncio.ensure_future(reader.read())
    while not end.done():
        writer.write(drop)
        await asyncio.wait([end], timeout=0.5)
    return reader, writer


async def sends_at_once(port: int, data: bytes) -> Streams:
    reader, writer = await opened(port)
    writer.write(data)
    await reader.read()
    return reader, writer


async def begins_a_handshake(port: int) -> Streams:
    reader, writer = await opened(port, None)
    writer.write(HELLO)
    await reader.readexactly(1)
    writer.transport.abort()
    return reader, writer


async def asks_again_and_again(kind: str, request: bytes, status: bytes) -> Streams:
    """On one connection, as fast as it is answered."""
    reader, writer = await opened(WEB)
    while True:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert status in head.splitlines()[0] + b" ", head
        size = next(int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-length"))
        await reader.readexactly(size)
        came[kind] += 1


WRONG_TOKEN = HEAD + b"Authorization: Bearer x.y.z\r\n\r\n"
ELSEWHERE = b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"


KINDS: dict[str, tuple[int, Callable[[], Awaitable[Streams]]]] = {
    "says_nothing_to_the_broker": (40, lambda: says_nothing(BROKER)),
    "says_nothing_to_the_web": (40, lambda: says_nothing(WEB)),
    "drips_a_frame": (30, lambda: drips(BROKER, b"\0\0\1\0", b"\0")),
    "drips_a_header": (30, lambda: drips(WEB, HEAD, b"X")),
    "drips_a_body": (20, lambda: drips(WEB, b"POST" + HEAD[3:] + b"Content-Length: 1000000\r\n\r\n", b"x")),
    "asks_with_a_wrong_token": (20, lambda: asks_again_and_again("asks_with_a_wrong_token", WRONG_TOKEN, b" 401 ")),
    "connects_with_a_wrong_token": (10, lambda: sends_at_once(BROKER, bytes.fromhex(WHERE["connect"]))),
    "asks_on_new_connections": (10, lambda: sends_at_once(WEB, HEAD + b"Connection: close\r\nAuthorization: Bearer x.y.z\r\n\r\n")),
    "asks_for_what_is_not_there": (10, lambda: asks_again_and_again("asks_for_what_is_not_there", ELSEWHERE, b" 404 ")),
    "begins_handshakes_with_the_broker": (10, lambda: begins_a_handshake(BROKER)),
    "begins_handshakes_with_the_web": (10, lambda: begins_a_handshake(WEB)),
    "begins_a_big_frame": (10, lambda: sends_at_once(BROKER, b"\0\x50\0\0" + bytes(100_000))),
}


async def again_and_again(kind: str, once: Callable[[], Awaitable[Streams]]) -> None:
    while True:
        came[kind] += 1
        try:
            _, writer = await once()
            writer.close()
        except (OSError, asyncio.IncompleteReadError):
            await asyncio.sleep(0.01)  # refused, or cut off: as soon as it likes


async def main() -> None:
    tasks = [asyncio.ensure_future(again_and_again(kind, once)) for kind, (count, once) in KINDS.items() for _ in range(count)]
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    failed = asyncio.ensure_future(asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED))
    await asyncio.wait([failed, asyncio.ensure_future(over.wait())], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        if task.done():
            task.result()  # raises: no stranger ends by himself
    print(json.dumps(came), flush=True)
    os._exit(0)


if __name__ == "__main__":
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))  # in earnest they are on other machines
    asyncio.run(main())
