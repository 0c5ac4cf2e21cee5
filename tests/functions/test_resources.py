"""`resources` of a function: limits of its instances, by what this machine has."""

from pathlib import Path

import pulsar
from function_topics import Topics
from functions_rest import Functions

PROGRAM = """
from pulsar import Function

class Greedy(Function):
    def process(self, input, context):
        with open("/proc/self/cgroup") as groups:
            told = groups.read()
        held = bytearray(int(input))
        for at in range(0, len(held), 4096):
            held[at] = 1
        return told
"""
LIMIT = 96 << 20


def started(
    functions: Functions, topics: Topics, folder: Path, class_name: str, text: str, resources: dict[str, float]
) -> tuple[pulsar.Consumer, pulsar.Producer]:
    """A function, named as its module; what comes out of it, and what goes in."""
    name = class_name.split(".")[0]
    program = folder / f"{name}.py"
    program.write_text(text)
    results = topics.reader_of("out")
    ends = {"inputs": [topics("in")], "output": topics("out")}
    functions.create(
        name, program, className=class_name, resources=resources, processingGuarantees="ATMOST_ONCE", **ends
    )
    return results, topics.client.create_producer(topics("in"))


def test_cpu_and_memory_are_limited_and_the_status_says_how(functions: Functions, topics: Topics, tmp_path: Path) -> None:
    results, producer = started(functions, topics, tmp_path, "greedy.Greedy", PROGRAM, {"cpu": 0.5, "ram": LIMIT})
    producer.send(b"1000")
    groups = results.receive(20_000).data().decode()
    limits = functions.status("greedy")["limits"]
    assert f"memory {LIMIT} bytes" in limits
    if "memory" in limits and "by cgroup" in limits:
        assert "/weft-" in groups

    producer.send(str(4 * LIMIT).encode())
    if f"memory {LIMIT} bytes by cgroup" in limits:
        status = functions.wait_for("greedy", "numRestarts", 1)
        assert "for its memory: resources.ram is too small for it" in status["error"]
    else:
        status = functions.wait_for("greedy", "numUserExceptions", 1)
        assert "MemoryError" in status["latestUserExceptions"][0]["exceptionString"]
    producer.send(b"2000")
    assert results.receive(20_000).data()
    functions.delete("greedy")


HOARDER = """
import os

from pulsar import Function

class Hoarder(Function):
    def process(self, input, context):
        with open("kept", "wb") as file:
            file.write(bytes(int(input)))
        return os.getcwd()
"""
DISK = 1 << 20


def test_a_scratch_folder_is_bounded(functions: Functions, topics: Topics, tmp_path: Path) -> None:
    results, producer = started(functions, topics, tmp_path, "hoarder.Hoarder", HOARDER, {"disk": DISK})
    assert f"disk {DISK} bytes" in functions.status("hoarder")["limits"]
    producer.send(str(4 * DISK).encode())
    scratch = Path(results.receive(20_000).data().decode())
    status = functions.wait_for("hoarder", "running", False)
    assert f"resources.disk is {DISK}" in status["error"]
    (scratch / "kept").unlink()
    functions.wait_for("hoarder", "running", True)
    producer.send(b"1000")
    assert results.receive(20_000).data()
    functions.delete("hoarder")


def test_the_defaults_are_no_limit(functions: Functions, topics: Topics, tmp_path: Path) -> None:
    program = tmp_path / "greedy.py"
    program.write_text(PROGRAM)
    ram, cpu = 1 << 30, 1.0
    functions.create(
        "plain", program, className="greedy.Greedy", inputs=[topics("in")], resources={"cpu": cpu, "ram": ram}
    )
    assert "limits" not in functions.status("plain")
    functions.delete("plain")
