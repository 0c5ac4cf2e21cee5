"""Tries what it is told to, and says what it got: "ok", or the error's name."""

import ctypes
import errno
import os
import socket

from pulsar import Function

PTRACE_SEIZE = 0x4206


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


def chmod(path):
    os.chmod(path, os.stat(path).st_mode & 0o7777)


def signal(pid):
    os.kill(int(pid), 0)


def trace(pid):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(PTRACE_SEIZE, int(pid), None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")


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
TRIED |= {"trace": trace, "listen": listen, "unix_socket": unix_socket, "connect": connect, "large": large}


class Hostile(Function):
    def process(self, input, context):
        what, _, about = input.partition(" ")
        try:
            TRIED[what](about)
        except OSError as error:
            return errno.errorcode[error.errno]
        return "ok"
