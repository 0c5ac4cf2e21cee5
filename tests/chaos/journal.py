"""The journal of receipts, and what is compared with it in the end."""

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pulsar

from .receipts import ALL_LOADS, message_id_text

Key = tuple[str, int]  # (producer, number)
Receipts = dict[Key, str]  # to message id
BY_NAME = {load.name: load for load in ALL_LOADS}


class ReceiptJournal:
    """The process that produces and writes its receipts down."""

    def __init__(self, service_url: str, directory: Path, *, functions: bool = False) -> None:
        self._path = directory / "receipts"
        self._log = directory / "receipts.log"
        program = Path(__file__).with_name("receipts.py")
        loads = "functions" if functions else "none"
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(program), service_url, str(self._path), loads],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"producing\n", self._log.read_text()

    def size(self) -> int:
        """Grows with each receipt."""
        return self._path.stat().st_size if self._path.exists() else 0

    def count(self) -> int:
        return self._path.read_bytes().count(b"\n") if self._path.exists() else 0

    def finish(self) -> Receipts:
        """Ends it; the message id of each (producer, number) that got a receipt."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(60) == 0, self._log.read_text()
        return self.receipts_so_far()

    def receipts_so_far(self) -> Receipts:
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

    ids: dict[Key, set[str]] = field(default_factory=dict)
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

    def lost(self, receipts: Receipts) -> list[Key]:
        return [key for key in receipts if key not in self.ids]

    def moved(self, receipts: Receipts) -> list[Key]:
        """Not where the receipt says."""
        return [key for key, message_id in receipts.items() if message_id not in self.ids.get(key, set())]
