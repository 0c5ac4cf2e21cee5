"""kill -9 of `weft standalone` at random moments under load: no message is lost whose receipt was given.

WEFT_KILLS says how often (5), WEFT_SEED repeats the moments of an earlier run, WEFT_EVIDENCE names a folder that gets kill9.json.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pulsar
import pytest

from harness.weft_standalone import WeftStandalone

from .receipts import LOADS, message_id_text

KILLS = int(os.environ.get("WEFT_KILLS", "5"))
READY_SECONDS_MAX = 1.0
Receipts = dict[tuple[str, int], str]  # (producer, number) to message id
BY_NAME = {load.name: load for load in LOADS}


class ReceiptJournal:
    """The process that produces and writes its receipts down."""

    def __init__(self, service_url: str, directory: Path) -> None:
        self._path = directory / "receipts"
        self._log = directory / "receipts.log"
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("receipts.py")), service_url, str(self._path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"producing\n", self._log.read_text()

    def count(self) -> int:
        return self._path.read_bytes().count(b"\n") if self._path.exists() else 0

    def finish(self) -> Receipts:
        """Ends it; the message id of each (producer, number) that got a receipt."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(60) == 0, self._log.read_text()
        receipts = {}
        for line in self._path.read_text().splitlines():
            name, number, message_id = line.split()
            receipts[name, int(number)] = message_id
        return receipts

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


@dataclass
class ReadBack:
    """What the broker holds in the end."""

    ids: dict[tuple[str, int], set[str]] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)

    @property
    def messages(self) -> int:
        return sum(len(ids) for ids in self.ids.values())

    def read_topic(self, client: pulsar.Client, topic: str) -> None:
        reader = client.create_reader(topic, pulsar.MessageId.earliest, receiver_queue_size=5000)
        while reader.has_message_available():
            message = reader.read_next(10_000)
            self.add(message.data(), message_id_text(message.message_id()))
        reader.close()


    def add(self, data: bytes, message_id: str) -> None:
        name, number, _ = data.split(b":", 2)
        key = name.decode(), int(number)
        self.ids.setdefault(key, set()).add(message_id)
        if data != BY_NAME[key[0]].payload(key[1]):
            self.damaged.append(message_id)

    def lost(self, receipts: Receipts) -> list[tuple[str, int]]:
        return [key for key in receipts if key not in self.ids]

    def moved(self, receipts: Receipts) -> list[tuple[str, int]]:
        """Not where the receipt says."""
        return [key for key, message_id in receipts.items() if message_id not in self.ids.get(key, set())]


def run(directory: Path, seed: int) -> tuple[list[float], Receipts, ReadBack, list[int]]:
    moments = random.Random(seed)
    ready_seconds, receipts_between = [], []
    (directory / "broker").mkdir()
    with WeftStandalone(directory / "broker") as broker:
        journal = ReceiptJournal(broker.address.service_url, directory)
        try:
            for _ in range(KILLS):
                before = journal.count()
                deadline = time.monotonic() + 30
                while journal.count() == before:  # under load: the producers are back
                    assert time.monotonic() < deadline, f"no receipts; log:\n{broker.log.read_text()[-3000:]}"
                    time.sleep(0.01)
                time.sleep(moments.uniform(0.05, 1.5))  # the random moment
                broker.kill()
                receipts_between.append(journal.count() - before)
                broker.start_again()
                ready_seconds.append(broker.ready_seconds)
            receipts = journal.finish()
        finally:
            journal.kill()
        client = pulsar.Client(
            broker.address.service_url, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error)
        )
        found = ReadBack()
        for topic in sorted({load.topic for load in LOADS}):
            found.read_topic(client, topic)
        client.close()
    return ready_seconds, receipts, found, receipts_between


def test_nothing_with_a_receipt_is_lost(tmp_path: Path) -> None:
    seed = int(os.environ.get("WEFT_SEED", random.randrange(2**32)))
    print(f"WEFT_SEED={seed}")
    ready_seconds, receipts, found, receipts_between = run(tmp_path, seed)

    lost, moved = found.lost(receipts), found.moved(receipts)
    again = found.messages - len(found.ids)
    result = {
        "what": "kill -9 of weft standalone at random moments under load; receipts journaled by another process, read back at the end",
        "seed": seed,
        "kills": KILLS,
        "producers": [vars(load) for load in LOADS],
        "receipts": len(receipts),
        "receipts_by_producer": Counter(name for name, _ in receipts),
        "receipts_before_each_kill": receipts_between,
        "lost": len(lost),
        "not_at_their_message_id": len(moved),
        "damaged": len(found.damaged),
        "stored_again_without_receipt": again,
        "ready_ms_after_kill": [round(1000 * seconds) for seconds in ready_seconds],
        "ready_ms_median": round(1000 * statistics.median(ready_seconds)),
    }
    print(json.dumps(result))
    if evidence := os.environ.get("WEFT_EVIDENCE"):
        Path(evidence).mkdir(parents=True, exist_ok=True)
        (Path(evidence) / "kill9.json").write_text(json.dumps(result, indent=2) + "\n")
    assert not lost, lost[:10]
    assert not moved, moved[:10]
    assert not found.damaged, found.damaged[:10]
    assert all(receipts_between), "every kill came under load"
    assert max(ready_seconds) < READY_SECONDS_MAX


def test_the_checker_notices_what_is_lost_moved_or_damaged() -> None:
    load = LOADS[0]
    receipts = {(load.name, number): f"7:{number}:0" for number in range(4)}
    found = ReadBack()
    found.add(load.payload(0), "7:0:0")
    found.add(load.payload(1), "7:9:0")
    found.add(load.payload(2)[:-1] + b"!", "7:2:0")
    assert found.lost(receipts) == [(load.name, 3)]
    assert found.moved(receipts) == [(load.name, 1), (load.name, 3)]
    assert found.damaged == ["7:2:0"]


if __name__ == "__main__":
    sys.exit(pytest.main([__file__, "-s"]))
