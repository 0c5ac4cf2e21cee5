"""What tests do with whole data directories."""

import shutil
import subprocess
from pathlib import Path

from harness.locations import weft_binary


def copy_directory(source: Path, target: Path) -> None:
    """Files with holes stay so: a segment is 64 MiB long and mostly empty."""
    subprocess.run(["cp", "-a", "--sparse=always", str(source), str(target)], check=True, timeout=120)


def flip_bit(path: Path, offset: int, bit: int) -> None:
    with open(path, "r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ (1 << bit)]))


def weft(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(word) for word in (weft_binary(), *words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def used_bytes(path: Path) -> int:
    """Up to the last byte that is not zero."""
    return len(path.read_bytes().rstrip(b"\0"))


def remove(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
