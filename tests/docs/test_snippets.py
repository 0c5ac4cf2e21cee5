"""Every fenced block of README.md and docs/*.md does what the document says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from snippets import matches

from harness import locations

ROOT = locations.SOURCE_ROOT
# Default ports and /var/tmp are nobody else's in there, and what was started ends with it.
_OWN = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--net", "--mount", "--pid", "--fork",
        "--kill-child", "--mount-proc", "sh", "-ec", 'ip link set lo up; mount -t tmpfs tmpfs /var/tmp; exec "$@"', "sh"]


def read(document: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    build = locations.weft_binary().resolve().parents[1]
    command = [*_OWN, sys.executable, ROOT / "tests/docs/snippets.py", document, folder, build]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


# Generated from the table of commands: syntax, and a line or two to begin with. weft_command_line says when it is stale.
_NOT_FOLLOWED = {"command-line.md"}
_DOCUMENTS = [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").glob("*.md") if path.name not in _NOT_FOLLOWED)]


@pytest.mark.parametrize("document", _DOCUMENTS, ids=lambda path: path.name)
def test_a_reader_sees_what_the_document_says(document: Path, tmp_path: Path) -> None:
    result = read(document, tmp_path)
    print(result.stdout)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("```\nls\n```\n", "line 1: nobody runs this block"),
        ("```python\nprint(1)\n```\n", "line 1: nobody runs this block"),
        ("<!-- snippet: not run: -->\n```sh\nls\n```\n", "line 2: nobody runs this block"),
        ("x\n\n```sh\nfalse\n```\n", "line 3: exit code 1"),
        ("```sh\nfalse | true\n```\n", "line 1: exit code 1"),
        ("```sh\necho a b c\n```\n<!-- snippet: output -->\n```\na ... d\n```\n", "line 5: wanted:\na ... d\nprinted:\na b c"),
        ("<!-- snippet: output -->\n```\na\n```\n", "line 2: wanted"),
        ("<!-- snippet: file=a.py -->\n```python\n```\n", "line 2: no later command names a.py"),
        ('<!-- snippet: background until="ready" -->\n```sh\necho no\n```\n', "line 2: it ended before it printed 'ready'"),
        ("<!-- snippet: output -->\ntext\n", "line 2: `output` stands before no block"),
        ("```sh\nls\n", "line 1: the fence has no end"),
    ],
)
def test_what_a_document_must_not_say(text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "document.md").write_text(text)
    result = read(tmp_path / "document.md", tmp_path / "folder")
    assert result.returncode == 1
    assert f"document.md: {why}" in result.stderr


def test_output_with_gaps() -> None:
    assert matches("a...c\n...\nz\n", "a b c\nd\ne\nz\n")
    assert matches("...\nz\n", "z")
    assert not matches("a\n", "a\nb\n")
    assert not matches("a.c\n", "abc\n")
