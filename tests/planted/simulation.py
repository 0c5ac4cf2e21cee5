"""The program that simulates a cluster of workers (`weft_worker_test`), as it is or with a patch in its sources."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

from harness import locations

BUILD = locations.weft_binary().parent.parent
TARGET = "weft_worker_test"


def apply_to_copies(patch: Path, folder: Path) -> list[str]:
    """The sources that it changes; what they are with it is below `folder`."""
    sources = re.findall(r"^\+\+\+ b/(\S+\.cc)$", patch.read_text(), re.MULTILINE)
    assert sources, f"{patch.name} changes no .cc file"
    for source in sources:
        (folder / source).parent.mkdir(parents=True, exist_ok=True)
        (folder / source).write_text((locations.SOURCE_ROOT / source).read_text())
    subprocess.run(["git", "apply", patch], cwd=folder, check=True)
    return sources


class Simulation:
    """`directory` takes what is built."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        subprocess.run(["ninja", "-C", BUILD, TARGET], check=True, stdout=subprocess.DEVNULL)
        self.program = BUILD / "bin" / TARGET

    def patched(self, patch: Path) -> Path:
        """The same program with the patched files in place of theirs: they are compiled by the build's own
        commands from a copy, and come before the libraries in the link."""
        copy = self._directory / patch.stem
        sources = apply_to_copies(patch, copy)
        objects = [self._compile(locations.SOURCE_ROOT / source, copy / source) for source in sources]
        return self._link(objects, copy / TARGET)

    def _compile(self, source: Path, copy: Path) -> Path:
        listed = subprocess.run(
            ["ninja", "-C", BUILD, "-t", "compdb"], check=True, capture_output=True, text=True
        )
        (command,) = [
            entry["command"] for entry in json.loads(listed.stdout) if Path(entry["file"]) == source
        ]
        words = shlex.split(command)
        words[words.index("-c") + 1] = str(copy)
        made = copy.with_suffix(".o")
        words[words.index("-o") + 1] = str(made)
        words[words.index("-MF") + 1] = str(copy.with_suffix(".d"))
        subprocess.run(words, cwd=BUILD, check=True)
        return made

    def _link(self, objects: list[Path], program: Path) -> Path:
        listed = subprocess.run(
            ["ninja", "-C", BUILD, "-t", "commands", TARGET], check=True, capture_output=True, text=True
        )
        linker = next(line for line in reversed(listed.stdout.splitlines()) if f"-o bin/{TARGET}" in line)
        words = shlex.split(linker.removeprefix(": && ").removesuffix(" && :"))
        at = words.index("-o")
        words[at : at + 2] = [*map(str, objects), "-o", str(program)]
        subprocess.run(words, cwd=BUILD, check=True)
        return program


def run(program: Path, *, days: int, storms: int, report: Path | None = None) -> subprocess.CompletedProcess[str]:
    env = dict(os.environ) | {"WEFT_CLUSTER_DAYS": str(days), "WEFT_CLUSTER_STORMS": str(storms)}
    if report is not None:
        env["WEFT_CLUSTER_REPORT"] = str(report)
    return subprocess.run(
        [program, "--gtest_filter=ClusterDays.*", "--gtest_color=no"],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
