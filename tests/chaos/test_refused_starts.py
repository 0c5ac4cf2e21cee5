"""What `weft standalone` refuses to start on, with the cure; and what it says about who can reach it."""

import json
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.locations import weft_binary
from harness.namespaces import SmallDisk, needs_root, own_mounts, second_host
from harness.weft_standalone import WeftStandalone

from .data_directories import weft

PORTS = ["--broker-port", "0", "--web-port", "0", "--no-functions-worker"]
WARNING = "listening beyond this machine without authentication"


def refusal(*words: str | Path) -> str:
    """Of a start that must not succeed."""
    refused = weft("standalone", *words)
    assert refused.returncode == 1, refused.stderr
    assert refused.stdout == ""
    return refused.stderr


@pytest.fixture
def running(tmp_path: Path) -> Iterator[WeftStandalone]:
    with WeftStandalone(tmp_path / "running", options=["--no-functions-worker"]) as broker:
        yield broker


def test_a_second_process_on_the_data_directory(running: WeftStandalone) -> None:
    told = refusal("--data-dir", running.data_directory, *PORTS)
    assert f"--data-dir {running.data_directory}" in told
    assert f"another process (process id {running.pid}) uses the data directory" in told
    assert "stop it, or name another data directory" in told


def test_a_port_in_use(running: WeftStandalone, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for option, other in (("--broker-port", "--web-port"), ("--web-port", "--broker-port")):
            told = refusal("--data-dir", tmp_path / "data", option, port, other, "0", "--no-functions-worker")
            assert f"{option} {port}: " in told
            assert "choose another port" in told


def test_a_data_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    told = refusal("--data-dir", tmp_path / "data", *PORTS)
    assert f"--data-dir {tmp_path / 'data'}: this is a file; name a directory" in told


@needs_root
def test_a_data_directory_that_can_only_be_read(tmp_path: Path) -> None:
    with own_mounts():
        disk = SmallDisk(tmp_path / "disk", 64)
        disk.make_read_only()
        told = refusal("--data-dir", disk.path, *PORTS)
        disk.unmount()
    assert f"--data-dir {tmp_path / 'disk'}: " in told
    assert f"Read-only file system; make {tmp_path / 'disk'} writable for this user" in told


def test_data_of_a_newer_version(tmp_path: Path) -> None:
    with WeftStandalone(tmp_path, options=["--no-functions-worker"]):
        pass
    (segment,) = (tmp_path / "data" / "store").glob("segment-*.log")
    with open(segment, "r+b") as file:
        header = bytearray(file.read(48))
        header[8:12] = (7).to_bytes(4, "little")
        header[44:48] = crc32c(bytes(header[:44])).to_bytes(4, "little")
        for offset in (0, 2048):
            file.seek(offset)
            file.write(header)
    told = refusal("--data-dir", tmp_path / "data", *PORTS)
    assert "format version 7, this program knows versions up to 1: start the newer weft that wrote it" in told


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_nobody_beyond_this_machine_is_not_worth_a_warning(running: WeftStandalone) -> None:
    assert WARNING not in running.log.read_text()


@needs_root
def test_an_advertised_address_is_where_another_host_finds_it(tmp_path: Path) -> None:
    with second_host() as (address, over_there):
        options = ["--no-functions-worker", "--bind", "0.0.0.0", "--advertised-address", address]
        with WeftStandalone(tmp_path, options=options) as broker:
            assert broker.log.read_text().count(WARNING) == 1
            assert broker.address.host == address, "the ready line names it"
            for command in (
                ["produce", "there", "-m", "hello"],
                ["consume", "there", "-s", "mine", "-p", "Earliest", "-n", "1"],
            ):
                url = f"pulsar://{address}:{broker.address.broker_port}"
                words = [*over_there, str(weft_binary()), "--service-url", url, *command]
                done = subprocess.run(words, capture_output=True, text=True, timeout=30)
                assert done.returncode == 0, done.stderr
            assert "hello" in done.stdout
            lookup = f"http://{address}:{broker.address.web_port}/lookup/v2/topic/persistent/public/default/there"
            with urllib.request.urlopen(lookup, timeout=10) as answer:
                assert json.load(answer)["brokerUrl"] == url
