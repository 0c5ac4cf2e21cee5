"""A Debian machine with nothing on it: debootstrap's minimal system with systemd, booted in namespaces of its own.

Its network is a loopback interface, its default ports are nobody else's. It ends with the test, also when that is killed.
"""

import hashlib
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from harness import locations
from harness.process_stats import descendants
from harness.processes import ChildProcess

BOOT_SECONDS = 120
# Words: packages to install first, suite, folder, mirror, file to make, packages that apt shall be able to install without
# a network. In memory, because dpkg syncs each file.
_MAKE_SYSTEM = """mount -t tmpfs -o size=2g,mode=755 tmpfs "$3"
debootstrap --variant=minbase --include="$1" "$2" "$3" "$4"
root=$3 archive=$5
shift 5
chroot "$root" apt-get -q update
chroot "$root" apt-get -qy install --download-only "$@"
tar -C "$root" -I 'gzip -1' -cf "$archive" .
"""
# Words: folder, archive. In memory, also what nspawn notes: nothing has to be removed at the end.
_UNPACK = """mkdir -p /run/systemd/nspawn
mount -t tmpfs tmpfs /run/systemd/nspawn
mount -t tmpfs -o size=1g,mode=755 tmpfs "$1"
tar -C "$1" -xzf "$2"
: > "$1/etc/machine-id"
shift 2
"""
_CGROUP_TREES = [Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")]
# What nspawn starts would outlive it if it were killed; nothing outlives the first process of a namespace.
_OWN_PROCESSES = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
_ENVIRONMENT = ["env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
                "HOME=/root", "DEBIAN_FRONTEND=noninteractive"]


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _process_ids(pid: int) -> list[int]:
    """The numbers of a process, from our namespace to its own; none when it has ended."""
    lines: list[str] = []
    with suppress(FileNotFoundError, ProcessLookupError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return [int(word) for line in lines if line.startswith("NSpid:") for word in line.split()[1:]]


def _suite_and_mirror() -> tuple[str, str]:
    """This machine's Debian, from where its apt takes it."""
    suite = _output("sh", "-c", ". /etc/os-release && echo $VERSION_CODENAME")
    for line in _output("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(ORIGIN)").splitlines():
        mirror, codename, origin = (line.split(" ") + ["", ""])[:3]
        if (codename, origin) == (suite, "Debian"):
            return suite, mirror
    raise RuntimeError(f"apt knows no mirror of Debian {suite}; run apt-get update")


def _make_archive(archive: Path, suite: str, mirror: str, later: list[str]) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    first = "systemd-sysv,ca-certificates" if mirror.startswith("https") else "systemd-sysv"
    with tempfile.TemporaryDirectory(prefix="weft-debootstrap-", dir=archive.parent) as folder:
        root, unfinished, log = (Path(folder) / name for name in ("root", "tar", "log"))
        root.mkdir()
        with open(log, "w") as output:
            # In a mount namespace: what is mounted in there is gone when the command ends.
            made = subprocess.run(
                ["unshare", "--mount", "sh", "-ec", _MAKE_SYSTEM, "sh", first, suite, root, mirror, unfinished, *later],
                stdout=output, stderr=subprocess.STDOUT)
        if made.returncode != 0:
            raise RuntimeError(f"no Debian could be made:\n{log.read_text()[-3000:]}")
        unfinished.rename(archive)


def _archive(later: list[str]) -> Path:
    """The system as a tar file, kept in the cache; `later` are packages that apt can then install without a network."""
    suite, mirror = _suite_and_mirror()
    recipe = hashlib.sha256("\n".join([suite, *later, _MAKE_SYSTEM]).encode()).hexdigest()[:12]
    archive = locations.cache_directory() / f"debian-{suite}-{recipe}.tar.gz"
    if not archive.exists():
        for old in archive.parent.glob(f"debian-{suite}-*.tar.gz"):
            old.unlink()
        _make_archive(archive, suite, mirror, later)
    return archive


class DebianMachine:
    """Booted from __enter__ to __exit__, in memory. `root` is its file system, seen from outside."""

    def __init__(self, later: list[str]) -> None:
        if os.geteuid() != 0:
            raise RuntimeError("a machine of namespaces needs root")
        self._archive = _archive(later)
        self._name = f"weft-{os.getpid()}"

    def __enter__(self) -> "DebianMachine":
        self._folder = Path(tempfile.mkdtemp(prefix="weft-machine-"))
        try:
            self._boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if hasattr(self, "_nspawn"):
            self._end()
        for tree in _CGROUP_TREES:
            for directory, _, _ in os.walk(tree / self._name, topdown=False):
                os.rmdir(directory)
        shutil.rmtree(self._folder)

    def _end(self) -> None:
        ends = []
        for pid in descendants(self._nspawn.pid) if self._nspawn.running() else []:
            with suppress(ProcessLookupError):
                ends.append(os.pidfd_open(pid))
        if hasattr(self, "_leader"):  # then nspawn cleans up
            with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.kill(self._leader, signal.SIGKILL)
                self._nspawn.process.wait(20)
        self._nspawn.kill()
        for end in ends:
            select.select([end], [], [], 20)
            os.close(end)

    @property
    def root(self) -> Path:
        return Path(f"/proc/{self._leader}/root")

    def run(self, *words: str, timeout: float = 300) -> str:
        """Runs a program there, as root; returns what it printed."""
        enter = ["nsenter", f"--target={self._leader}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"]
        result = subprocess.run([*enter, *_ENVIRONMENT, *words], capture_output=True, text=True, timeout=timeout,
                                stdin=subprocess.DEVNULL)
        assert result.returncode == 0, f"{' '.join(words)}: {result.returncode}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def processes_of(self, user: str) -> list[str]:
        return self.run("find", "/proc", "-maxdepth", "1", "-name", "[0-9]*", "-user", user, "-printf", "%f\\n").split()

    def _boot(self) -> None:
        name, root = self._name, self._folder / "root"
        root.mkdir()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
            notices.bind(str(self._folder / "notices"))
            command = ["systemd-nspawn", "--quiet", f"--directory={root}", f"--machine={name}", "--register=no",
                       "--private-network", "--resolv-conf=off", "--timezone=off", "--link-journal=no",
                       "--console=pipe", "--notify-ready=yes", "--boot"]
            prepare = _UNPACK
            if not Path("/run/systemd/system").is_dir():  # no systemd outside to make a scope of its own
                command.insert(1, "--keep-unit")
                trees = [tree for tree in _CGROUP_TREES if (tree / "cgroup.procs").exists()]
                for tree in trees:
                    (tree / name).mkdir()
                prepare += "".join(f"echo $$ > {tree / name}/cgroup.procs\n" for tree in trees)
            self._nspawn = ChildProcess(
                [*_OWN_PROCESSES, "sh", "-ec", prepare + 'exec "$@"', "sh", root, self._archive, *command],
                self._folder / "console", env={**os.environ, "NOTIFY_SOCKET": str(self._folder / "notices")})
            self._wait_until_booted(notices)

    def _wait_until_booted(self, notices: socket.socket) -> None:
        end, deadline = os.pidfd_open(self._nspawn.pid), time.monotonic() + BOOT_SECONDS
        heard: list[str] = []
        while "READY=1" not in heard:
            ready = select.select([notices, end], [], [], max(0.0, deadline - time.monotonic()))[0]
            if notices not in ready:
                raise RuntimeError(f"no Debian came up in {BOOT_SECONDS} s:\n{self._nspawn.log_tail()}")
            heard = notices.recv(4096).decode().splitlines()
        os.close(end)
        depth = len(_process_ids(os.getpid()))
        machine = [pid for pid in descendants(self._nspawn.pid) if len(_process_ids(pid)) == depth + 2]
        self._leader = next(pid for pid in machine if _process_ids(pid)[-1] == 1)
