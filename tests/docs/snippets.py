"""Runs the fenced blocks of a document as a reader would, in order, in a folder that looks like a fresh checkout.

A block of sh, shell or bash is run. The comment `<!-- snippet: ... -->` before a block says otherwise:
  file=NAME                 it is the content of a file, which a later block names
  background until="TEXT"   it is started and goes on; the next block waits for a line that begins so
  output                    it is what the last block printed; `...` stands for anything, in a line or for lines
  not run: REASON
Whatever else is in a fence fails. The caller gives it a network and a /var/tmp of its own (test_snippets.py).
"""

import argparse
import os
import re
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 120
_SHELLS = {"sh", "shell", "bash"}
_MARK = re.compile(r"<!-- snippet: (.*) -->")


class Wrong(Exception):
    """A block that can't be run, or doesn't do what the document says."""


@dataclass(frozen=True)
class Block:
    line: int
    language: str
    mark: str
    text: str


def blocks_of(document: str) -> list[Block]:
    blocks: list[Block] = []
    mark, lines = "", enumerate(document.splitlines(), 1)
    for number, line in lines:
        if line.startswith("```"):
            text = []
            for _, inner in lines:
                if inner.startswith("```"):
                    break
                text.append(inner + "\n")
            else:
                raise Wrong(f"line {number}: the fence has no end")
            blocks.append(Block(number, line[3:].strip(), mark, "".join(text)))
            mark = ""
        elif found := _MARK.fullmatch(line):
            mark = found[1]
        elif mark and line:
            raise Wrong(f"line {number}: `{mark}` stands before no block")
    return blocks


def matches(wanted: str, printed: str) -> bool:
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + r"\n"
        for line in wanted.splitlines()
    )
    return re.fullmatch(pattern, printed if printed.endswith("\n") else printed + "\n") is not None


class Reader:
    """Who follows a document, in `folder`."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder, self._environment = folder, environment
        self._printed: str | None = None
        self._background: list[subprocess.Popen[str]] = []

    def follow(self, blocks: list[Block]) -> None:
        for index, block in enumerate(blocks):
            kind = self._kind(block)
            print(f"line {block.line}: {kind}", flush=True)
            try:
                self._do(kind, block, blocks[index + 1 :])
            except (Wrong, subprocess.TimeoutExpired) as error:
                raise Wrong(f"line {block.line}: {error}") from None

    def end(self) -> None:
        for process in self._background:
            process.terminate()
        for process in self._background:
            process.wait(20)

    def _kind(self, block: Block) -> str:
        if not block.mark and block.language in _SHELLS:
            return "run"
        if block.mark == "output" or re.fullmatch(r'file=\S+|background until=".+"|not run: .{5,}', block.mark):
            return block.mark
        raise Wrong(f"line {block.line}: nobody runs this block (language `{block.language}`, mark `{block.mark}`): "
                    "see tests/docs/snippets.py for how to mark it")

    def _do(self, kind: str, block: Block, later: list[Block]) -> None:
        if kind == "run":
            self._printed = self._run(block.text)
        elif kind == "output":
            if self._printed is None or not matches(block.text, self._printed):
                raise Wrong(f"wanted:\n{block.text}printed:\n{self._printed}")
        elif kind.startswith("file="):
            name = kind[5:]
            if not any(name in other.text for other in later if self._kind(other) == "run"):
                raise Wrong(f"no later command names {name}")
            (self._folder / name).write_text(block.text)
        elif kind.startswith("background"):
            self._start(block.text, kind.split('"')[1])

    def _run(self, text: str) -> str:
        result = subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=self._folder, env=self._environment,
                                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS_MAX)
        if result.returncode != 0:
            raise Wrong(f"exit code {result.returncode}\n{text}{result.stdout}{result.stderr}")
        return result.stdout

    def _start(self, text: str, until: str) -> None:
        log = self._folder / f"background-{len(self._background)}.log"
        with open(log, "w") as errors:
            process = subprocess.Popen(["bash", "-euo", "pipefail", "-c", f"exec {text}"], cwd=self._folder,
                                       env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                       stderr=errors, text=True)
        self._background.append(process)
        assert process.stdout is not None
        deadline = time.monotonic() + SECONDS_MAX
        while select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
            line = process.stdout.readline()
            if line.startswith(until):
                return
            if not line:
                raise Wrong(f"it ended before it printed {until!r}:\n{log.read_text()}")
        raise Wrong(f"it didn't print {until!r} in {SECONDS_MAX} s:\n{log.read_text()}")


def follow(document: Path, folder: Path, build: Path) -> None:
    """Runs what stands in `document`; raises Wrong with the line."""
    for entry in ROOT.iterdir():
        if entry.name != "build":
            (folder / entry.name).symlink_to(entry)
    (folder / "build").mkdir()
    (folder / "build/release").symlink_to(build)
    (folder / "build/venv").symlink_to(ROOT / "build/venv")
    environment = {
        **os.environ,
        "PATH": f"{build}/bin:{os.environ['PATH']}",  # as where Weft is installed
        "CPLUS_INCLUDE_PATH": str(ROOT / "include"),
    }
    reader = Reader(folder, environment)
    try:
        reader.follow(blocks_of(document.read_text()))
    finally:
        reader.end()


def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("document", "folder", "build"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    try:
        follow(arguments.document, arguments.folder, arguments.build)
    except Wrong as error:
        print(f"{arguments.document}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
