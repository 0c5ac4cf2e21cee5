"""Frames at random against a broker that asks who one is: before CONNECT, behind a wrong one, behind a right one. Nothing ends it, and
nobody does what he has no right to.

WEFT_SEED repeats a run; WEFT_FRAMES=long sends many more.
"""

import asyncio
import json
import os
import random
import ssl
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from secure_weft import SecureWeft

from harness.raw_client import RawClient, command_frame, connect_frame, encode_message, parse_message

LONG = os.environ.get("WEFT_FRAMES") == "long"
SEED = int(os.environ.get("WEFT_SEED", "7"))
CASES = 30_000 if LONG else 300  # connections
AT_ONCE = 30
FIRST_SECONDS = 20  # until CONNECT is answered
ANSWER_SECONDS = 0.6  # what comes later, comes to nobody
CONNECTED, ERROR, PING, PONG = 3, 14, 18, 19
GUARDED, FREE = "persistent://public/guarded/topic", "persistent://public/default/free"


@pytest.fixture(scope="module")
def weft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureWeft]:
    with SecureWeft(tmp_path_factory.mktemp("frames"), options=["--log-level", "error"]) as weft:
        token = weft.issuer.token("admin")
        assert weft.ask("PUT", "/admin/v2/namespaces/public/guarded", {}, token=token)[0] == 204
        assert weft.ask("PUT", "/admin/v2/persistent/public/guarded/topic", token=token)[0] == 204
        yield weft


def commands(topic: str) -> list[bytes]:
    """One of each kind that a client sends, all right but for who sends it."""
    metadata = encode_message({1: "p", 2: 0, 3: 1})
    message = struct.pack(">I", len(metadata)) + metadata + b"payload"
    ledger = encode_message({1: 0, 2: 0})
    return [
        command_frame(4, {1: topic, 2: "sub", 3: 1, 4: 1, 5: 1}),
        command_frame(5, {1: topic, 2: 1, 3: 1}),
        command_frame(6, {1: 1, 2: 0, 3: 1}, message),
        command_frame(10, {1: 1, 2: 0, 3: ledger}),
        command_frame(11, {1: 1, 2: 1000}),
        command_frame(12, {1: 1, 2: 2}),
        command_frame(15, {1: 1, 2: 3}),
        command_frame(16, {1: 1, 2: 4}),
        command_frame(PING, {}),
        command_frame(20, {1: 1}),
        command_frame(21, {1: topic, 2: 5}),
        command_frame(23, {1: topic, 2: 6, 3: 0}),
        command_frame(25, {1: 7, 4: 1}),
        command_frame(28, {1: 1, 2: 8, 3: ledger}),
        command_frame(29, {1: 1, 2: 9}),
        command_frame(32, {1: 10, 2: topic.split("://")[1].rsplit("/", 1)[0]}),
        command_frame(34, {1: 11, 2: topic}),
        command_frame(37, {1: "fuzz", 2: encode_message({1: "token", 2: "x.y.z"}), 3: 19}),
        command_frame(39, {1: 12, 2: topic, 3: encode_message({1: "s", 3: b"", 4: 1})}),
        command_frame(64, {1: topic, 2: 13}),
    ]


def mutated(data: bytes, choose: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(choose.choice((1, 1, 2, 8))):
        at = choose.randrange(len(changed)) if changed else 0
        match choose.randrange(7):
            case 0 if changed:
                changed[at] ^= 1 << choose.randrange(8)
            case 1 if changed:
                changed[at] = choose.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                del changed[at : at + choose.randrange(1, 9)]
            case 3:
                changed[at:at] = choose.randbytes(choose.randrange(1, 9))
            case 4:
                changed[at:at] = changed[at : at + 16]
            case 5:  # the lengths
                changed[:4] = struct.pack(">I", choose.choice((0, 1, 3, 4, len(changed), 65_000, 5 << 20, 2**31, 2**32 - 1)))
            case 6 if len(changed) >= 8:
                changed[4:8] = struct.pack(">I", choose.choice((0, 1, len(changed) - 8, len(changed), 2**31, 2**32 - 1)))
    return bytes(changed)


def with_right_lengths(data: bytes) -> bytes:
    """So that what stands behind the lengths is looked at."""
    body = data[8:]
    size = min(struct.unpack(">I", data[4:8])[0], len(body)) if len(data) >= 8 else 0
    return struct.pack(">II", 4 + len(body), size) + body


class Case:
    def __init__(self, number: int, weft: SecureWeft) -> None:
        choose = random.Random(f"{SEED} {number}")
        self.kind = ("before", "wrong", "changed", "no right", "admin")[number % 5]
        if self.kind == "before":
            first = b""
        elif self.kind == "wrong":
            first = connect_frame("token", choose.choice(("", "x.y.z", "\0", weft.issuer.token("admin", -5), "a" * 60_000)))
        elif self.kind == "changed":  # but for its last character, of which some bits mean nothing
            token = weft.issuer.token("admin")
            at = choose.randrange(len(token) - 1)
            other = choose.choice([c for c in "abcXYZ019-_.=" if c != token[at]])
            first = connect_frame("token", token[:at] + other + token[at + 1 :])
        else:
            first = connect_frame("token", weft.issuer.token("admin" if self.kind == "admin" else "mallory"))
        frames = choose.choices(commands(FREE if self.kind == "admin" else GUARDED), k=choose.randrange(1, 7))
        if self.kind == "before":
            frames.insert(choose.randrange(len(frames) + 1), connect_frame("token", "x.y.z"))
        changes = [mutated(frame, choose) if choose.random() < 0.7 else frame for frame in frames]
        self.first = first
        self.rest = b"".join(with_right_lengths(data) if choose.random() < 0.5 else data for data in changes)

    async def run(self, weft: SecureWeft, tls: ssl.SSLContext) -> list[int]:
        """The kinds of the answers."""
        reader, writer = await asyncio.open_connection("127.0.0.1", weft.address.broker_port, ssl=tls)
        answers = bytearray()
        try:
            writer.write(self.first)
            if self.kind not in ("admin", "no right"):
                writer.write(self.rest)  # all at once: nothing of it is done
            if self.first:
                async with asyncio.timeout(FIRST_SECONDS):
                    answers += await reader.read(65_536)
            if self.kind in ("admin", "no right"):
                writer.write(self.rest)
            writer.write(command_frame(PING, {}))
            async with asyncio.timeout(ANSWER_SECONDS):
                while piece := await reader.read(65_536):
                    answers += piece
        except (TimeoutError, ConnectionError, ssl.SSLError):
            pass  # it waits for the rest of a frame, or has cut this off
        writer.transport.abort()
        kinds = []
        while len(answers) >= 8:
            total, size = struct.unpack(">II", answers[:8])
            kinds.append(int(parse_message(bytes(answers[8 : 8 + size])).get(1, 0)) if len(answers) >= 8 + size else 0)
            del answers[: 4 + total]
        return kinds


def test_random_frames(weft: SecureWeft) -> None:
    came: Counter[tuple[str, int]] = Counter()

    async def all_of_them() -> None:
        numbers, tls = iter(range(CASES)), weft.trust()

        async def some() -> None:
            for number in numbers:
                case = Case(number, weft)
                kinds = await case.run(weft, tls)
                came.update((case.kind, kind) for kind in kinds)
                if case.kind in ("before", "wrong", "changed"):
                    assert set(kinds) <= {ERROR}, (SEED, number, case.kind, kinds, case.rest)

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(some())

    asyncio.run(all_of_them())
    weft.check_running()
    print(came)
    # It was what it says: some were told, who is known was let in, and what was left of the frames was answered.
    assert came["wrong", ERROR] == came["changed", ERROR] == CASES // 5, came
    assert came["admin", CONNECTED] == came["no right", CONNECTED] == CASES // 5, came
    assert came["admin", PONG] > 0 and came["no right", ERROR] > 0, came

    token = weft.issuer.token("admin")
    assert json.loads(weft.ask("GET", "/admin/v2/persistent/public/guarded", token=token)[1]) == [GUARDED]
    stats = json.loads(weft.ask("GET", "/admin/v2/persistent/public/guarded/topic/stats", token=token)[1])
    assert stats["msgInCounter"] == 0 and stats["publishers"] == [] and stats["subscriptions"] == {}, stats
    with RawClient("127.0.0.1", weft.address.broker_port, 20, weft.trust()) as client:
        client.connect("token", token)
        client.create_producer(GUARDED)
        client.send(b"it works")


def test_the_broker_has_not_grown(weft: SecureWeft) -> None:
    """Nothing of those clients is left."""
    metrics = Path(f"/proc/{weft.pid}/status").read_text()
    kilobytes = int(next(line for line in metrics.splitlines() if line.startswith("VmRSS:")).split()[1])
    assert kilobytes < 300_000, kilobytes
    assert len(os.listdir(f"/proc/{weft.pid}/fd")) < 100
