"""Tries what it is told to, and says what it got: "ok", or the error's name."""

import ctypes
import errno
import os
import socket

from pulsar import Function

PTRACE_SEIZE, PIDFD_GETFD = 0x4206, 438
CONTROL_FD = 3  # of an instance: what its worker speaks to it over


def read(path):
    with open(path, "rb") as file:
        file.read(1)


def write(path):
    with open(path, "ab"):
        pass


def by_link(path):
    if os.path.lexists("link"):
        os.unlink("link")
    os.symlink(path, "link")
    read("link")


def by_child(path):
    child = os.fork()
    if child == 0:
        try:
            read(path)
        except OSError as error:
            os._exit(error.errno)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code != 0:
        raise OSError(code, "in the child")


def chmod(path):
    os.chmod(path, os.stat(path).st_mode & 0o7777)


def signal(pid):
    os.kill(int(pid), 0)


def trace(pid):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(PTRACE_SEIZE, int(pid), None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")


def take(pid):
    libc = ctypes.CDLL(None, use_errno=True)
    handle = os.pidfd_open(int(pid))
    taken = libc.syscall(PIDFD_GETFD, handle, CONTROL_FD, 0)
    error = ctypes.get_errno()
    os.close(handle)
    if taken < 0:
        raise OSError(error, "pidfd_getfd")
    os.close(taken)


def listen(_):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1)


def unix_socket(_):
    socket.socket(socket.AF_UNIX).close()


def connect(port):
    socket.create_connection(("127.0.0.1", int(port))).close()


def large(size):
    with open("large", "wb") as file:
        os.pwrite(file.fileno(), b"x", int(size))
    os.unlink("large")


TRIED = {"list": os.listdir, "read": read, "write": write, "by_link": by_link, "chmod": chmod, "signal": signal}
TRIED |= {"by_child": by_child, "take": take}
TRIED |= {"trace": trace, "listen": listen, "unix_socket": unix_socket, "connect": connect, "large": large}


class Hostile(Function):
    def process(self, input, context):
        what, _, about = input.partition(" ")
        try:
            TRIED[what](about)
        except OSError as error:
            return errno.errorcode[error.errno]
        return "ok"
