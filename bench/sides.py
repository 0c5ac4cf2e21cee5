"""The two that are compared: how each is started, and its functions."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness import locations
from harness.broker import Address
from harness.functions_rest import Config
from harness.pulsar_standalone import PulsarStandalone
from harness.weft_standalone import WeftStandalone

ROOT = Path(__file__).resolve().parents[1]
THREAD_RUNTIME = ["--function-runtime", "thread"]
PYTHON_FUNCTION = ROOT / "examples" / "python" / "exclamation.py"


class Running(Protocol):
    address: Address
    ready_seconds: float

    @property
    def pid(self) -> int: ...

    def restart(self) -> None: ...

    def stop(self) -> object: ...


@dataclass(frozen=True)
class Program:
    """A function as it is registered: the members of its FunctionConfig that are its own, and the file."""

    label: str
    config: Mapping[str, object]
    file: Path


class Side(Protocol):
    name: str
    durability: str  # what a send receipt means
    compiled: Program  # C++ or Java
    python: Program

    def start(self, directory: Path) -> Running: ...


class WeftSide:
    name = "weft"
    durability = "fdatasync before each receipt"

    def __init__(self) -> None:
        library = locations.weft_binary().parents[1] / "lib" / "libexclamation.so"
        self.compiled = Program("C++", {"runtime": "NATIVE", "className": "Exclamation"}, library)
        self.python = Program(
            "Python", {"runtime": "PYTHON", "className": "exclamation.Exclamation"}, PYTHON_FUNCTION
        )

    def start(self, directory: Path, *, threads: bool = False) -> WeftStandalone:
        options = ["--python", sys.executable]
        return WeftStandalone(directory, options=options + THREAD_RUNTIME if threads else options)

    def has_thread_runtime(self) -> bool:
        command = [locations.weft_binary(), "standalone", "--help"]
        return THREAD_RUNTIME[0] in subprocess.run(command, capture_output=True, text=True).stdout


class PulsarSide:
    """4.0.8 as shipped: process runtime, the JVM options of its own scripts."""

    name = "pulsar"
    durability = "page cache (journalSyncData=false, as shipped)"

    def __init__(self) -> None:
        jar = locations.pulsar_home() / "examples" / "api-examples.jar"
        java_class = "org.apache.pulsar.functions.api.examples.ExclamationFunction"
        self.compiled = Program("Java", {"runtime": "JAVA", "className": java_class}, jar)
        self.python = Program(
            "Python", {"runtime": "PYTHON", "className": "exclamation.Exclamation"}, PYTHON_FUNCTION
        )
        self._python_home = peer_environment()

    def start(self, directory: Path) -> PulsarStandalone:
        return PulsarStandalone(directory, functions=True, jvm={}, path_first=self._python_home / "bin")


def peer_environment() -> Path:
    """The Python environment of the peer's Python instance, made when it is missing."""
    home = ROOT / "build" / "venv-peer"
    requirements = ROOT / "tests" / "requirements-peer.txt"
    made = home / ".requirements"
    if not made.exists() or made.read_text() != requirements.read_text():
        subprocess.run(["/usr/bin/python3", "-m", "venv", str(home)], check=True)
        pip = [
            str(home / "bin" / "python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--requirement",
            str(requirements),
        ]
        subprocess.run(pip, check=True)
        made.write_text(requirements.read_text())
    return home


def function_config(program: Program, name: str, input_topic: str, output_topic: str) -> Config:
    return {
        "tenant": "public",
        "namespace": "default",
        "name": name,
        "inputs": [input_topic],
        "output": output_topic,
        "subscriptionPosition": "Earliest",
        "processingGuarantees": "ATLEAST_ONCE",
        "autoAck": True,
        "parallelism": 1,
        **program.config,
    }


def load_binary() -> Path:
    path = Path(os.environ.get("WEFT_LOAD", locations.weft_binary().parent / "weft_load"))
    if not path.is_file():
        raise FileNotFoundError(f"no load generator at {path}; build it (ninja -C build/release weft_load)")
    return path
