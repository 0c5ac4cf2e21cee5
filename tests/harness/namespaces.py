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


class Hosts:
    """Network namespaces on one switch with us, each with a cable that can be cut: packets are then lost in silence."""

    def __init__(self, count: int) -> None:
        octet = os.getpid() % 250 + 1
        self._switch = f"wsw{os.getpid()}"
        self._names = [f"weft{os.getpid()}-{number}" for number in range(count)]
        self._cables = [f"wc{number}x{os.getpid()}" for number in range(count)]
        self.address = f"10.232.{octet}.1"
        self.addresses = [f"10.232.{octet}.{2 + number}" for number in range(count)]

    def __enter__(self) -> "Hosts":
        try:
            run("ip", "link", "add", self._switch, "type", "bridge")
            run("ip", "addr", "add", f"{self.address}/24", "dev", self._switch)
            run("ip", "link", "set", self._switch, "up")
            for name, cable, address in zip(self._names, self._cables, self.addresses, strict=True):
                run("ip", "netns", "add", name)
                run("ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name)
                run("ip", "link", "set", cable, "master", self._switch, "up")
                run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
                run("ip", "-n", name, "link", "set", "eth0", "up")
                run("ip", "-n", name, "link", "set", "lo", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._names:  # with its end of the cable
            subprocess.run(["ip", "netns", "del", name], capture_output=True, timeout=30, check=False)
        subprocess.run(["ip", "link", "del", self._switch], capture_output=True, timeout=30, check=False)

    def words(self, number: int) -> list[str]:
        """Run a command over there."""
        return ["ip", "netns", "exec", self._names[number]]

    def cut(self, number: int) -> None:
        run("ip", "link", "set", self._cables[number], "nomaster")

    def mend(self, number: int) -> None:
        run("ip", "link", "set", self._cables[number], "master", self._switch)
