"""File systems and networks of a test's own; they need root."""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_CLONE_NEWNS = 0x00020000
_libc = ctypes.CDLL(None, use_errno=True)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts and network namespaces need root")


def run(*words: str | Path) -> None:
    subprocess.run([str(word) for word in words], check=True, capture_output=True, timeout=30)


@contextmanager
def own_mounts() -> Iterator[None]:
    """What is mounted from here on is seen by this process and its children only, and goes with them."""
    if _libc.unshare(_CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    run("mount", "--make-rprivate", "/")
    yield


class SmallDisk:
    """A tmpfs."""

    def __init__(self, path: Path, megabytes: int) -> None:
        self.path = path
        path.mkdir(parents=True)
        run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", path)

    def resize(self, megabytes: int) -> None:
        run("mount", "-o", f"remount,size={megabytes}m", self.path)

    def make_read_only(self) -> None:
        run("mount", "-o", "remount,ro", self.path)

    def unmount(self) -> None:
        run("umount", self.path)


@contextmanager
def second_host() -> Iterator[tuple[str, list[str]]]:
    """A network namespace with a cable to ours: our address on it, and the words that run a command over there."""
    name, ours, theirs = f"weft{os.getpid()}", f"wa{os.getpid()}", f"wb{os.getpid()}"
    octet = os.getpid() % 250 + 1
    run("ip", "netns", "add", name)
    try:
        run("ip", "link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", name)
        run("ip", "addr", "add", f"10.231.{octet}.1/30", "dev", ours)
        run("ip", "link", "set", ours, "up")
        run("ip", "-n", name, "addr", "add", f"10.231.{octet}.2/30", "dev", theirs)
        run("ip", "-n", name, "link", "set", theirs, "up")
        yield f"10.231.{octet}.1", ["ip", "netns", "exec", name]
    finally:
        run("ip", "netns", "del", name)
