"""Looks for marks: texts that nobody but their owner may see."""

import base64
import os
import re
from collections.abc import Iterable
from pathlib import Path

import pulsar


def forms_of(mark: bytes) -> set[bytes]:
    """As it is, in hexadecimal digits, and what base64 makes of it wherever it begins."""
    forms = {mark, mark.hex().encode()}
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + mark)
        # The first and the last characters are also of what stands beside it.
        inner = encoded[(0, 2, 3)[before] : (len(mark) + before) * 8 // 6]
        forms |= {inner, inner.translate(bytes.maketrans(b"+/", b"-_"))}
    return forms


class Search:
    """What was found stands in `found`: where, and the mark's name."""

    def __init__(self, marks: dict[str, bytes]) -> None:
        assert all(len(mark) >= 16 for mark in marks.values()), "a short mark stands somewhere by chance"
        self._names = {form: name for name, mark in marks.items() for form in forms_of(mark)}
        self._pattern = re.compile(b"|".join(re.escape(form) for form in self._names))
        self.found: set[tuple[str, str]] = set()
        self.looked_at = 0

    def look(self, where: str, data: bytes) -> None:
        self.looked_at += 1
        self.found |= {(where, self._names[hit]) for hit in self._pattern.findall(data)}

    def processes(self, pids: Iterable[int]) -> None:
        for pid in pids:
            for file in ("cmdline", "environ"):
                try:
                    self.look(file, Path(f"/proc/{pid}/{file}").read_bytes())
                except (FileNotFoundError, ProcessLookupError):
                    pass  # it ended meanwhile

    def files(self, folder: Path, holders: set[Path]) -> None:
        """Those of `holders` have to hold one, and be their owner's alone."""
        for path in sorted(folder.rglob("*")):
            if path.is_symlink() or not path.is_file():
                continue
            name = str(path.relative_to(folder))
            if path not in holders:
                try:
                    self.look(name, path.read_bytes())
                except FileNotFoundError:
                    pass  # it is gone meanwhile
                continue
            if path.stat().st_mode & 0o077:
                self.found.add((name, "others can read it"))
            assert self._pattern.search(path.read_bytes()), f"{path} holds nothing: a mark is not what is searched for"

    def topic(self, client: pulsar.Client, topic: str) -> int:
        """Every message that stands in it, decompressed; how many there were."""
        reader = client.create_reader(topic, pulsar.MessageId.earliest)
        count = 0
        while reader.has_message_available():
            message = reader.read_next(10_000)
            for part in (message.data(), message.partition_key(), str(message.properties())):
                self.look(topic, part if isinstance(part, bytes) else part.encode(errors="replace"))
            count += 1
        reader.close()
        return count


def write_private(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())
    return path
