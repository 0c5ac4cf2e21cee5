"""`cmake --install` into a prefix of its own: all there, and functions of each language run from there."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from first_function import create_and_use

from harness import locations
from harness.weft_standalone import WeftStandalone

TOOLS = locations.SOURCE_ROOT / "tools"


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it was installed, found through the program as everything is that it needs."""
    path = tmp_path_factory.mktemp("installed") / "usr"
    build = locations.weft_binary().parents[1]
    subprocess.run(["cmake", "--install", build, "--prefix", path, "--strip"], check=True, stdout=subprocess.DEVNULL)
    return path


def test_everything_is_there_and_nothing_else(prefix: Path, tmp_path: Path) -> None:
    (tmp_path / "man").mkdir()
    subprocess.run([locations.weft_binary(), "man", tmp_path / "man"], check=True, stdout=subprocess.DEVNULL)
    pages = {path.name for path in (tmp_path / "man").iterdir()}
    assert {"weft.1", "weft-standalone.1", "weft-functions.1"} <= pages
    docs = locations.SOURCE_ROOT / "docs"
    documents = [
        *docs.rglob("*.md"),
        *(docs / "monitoring").iterdir(),
        *(locations.SOURCE_ROOT / "examples").rglob("*.*"),
    ]
    wanted = {
        "bin/weft",
        "include/weft/function.h",
        "include/weft/function.hpp",
        "lib/systemd/system/weft-standalone.service",
        "lib/systemd/system/weft-worker.service",
        "lib/sysusers.d/weft.conf",
        "lib/weft/weft_host_python.so",
        "share/bash-completion/completions/weft",
        "share/weft/weft-secrets.jar",
        "share/zsh/vendor-completions/_weft",
        *(f"share/man/man1/{page}" for page in pages),
        *(f"share/doc/weft/{name}" for name in ("CHANGELOG.md", "LICENSE", "README.md", "SECURITY.md", "weft.cdx.json")),
        *(f"share/doc/weft/{path.relative_to(locations.SOURCE_ROOT)}" for path in documents if path.is_file()),
    }
    assert {str(path.relative_to(prefix)) for path in prefix.rglob("*") if not path.is_dir()} == wanted


def test_whose_code_is_in_the_program_is_told(prefix: Path) -> None:
    """Each library that our build names is in the list, with the version that is on this machine."""
    told = json.loads((prefix / "share/doc/weft/weft.cdx.json").read_text())
    assert (told["bomFormat"], told["metadata"]["component"]["name"]) == ("CycloneDX", "weft")
    versions = {each["name"]: each["version"] for each in told["components"]}
    named = re.findall(r"^build (lib\S+-dev|zlib1g-dev|nlohmann-json3-dev)$", (TOOLS / "packages.txt").read_text(), re.M)
    only_built_with = {"libclang-rt-19-dev", "libcli11-dev", "libgtest-dev", "libgmock-dev", "libbenchmark-dev"}
    assert len(named) > 10 and set(named) - only_built_with <= versions.keys()
    assert "libc6-dev" not in versions and not only_built_with & versions.keys()
    installed = ["dpkg-query", "--show", "--showformat=${Version}"]
    for name, version in versions.items():
        assert subprocess.run([*installed, name], capture_output=True, text=True, check=True).stdout == version
    assert all(each["licenses"] for each in told["components"] if each["name"] == "libssl-dev")


def test_the_unit_starts_what_was_installed(prefix: Path) -> None:
    unit = (prefix / "lib/systemd/system/weft-standalone.service").read_text()
    assert "@" not in re.sub(r"@(system-service|privileged)", "", unit)
    assert f"ExecStart={prefix}/bin/weft standalone " in unit


def test_a_function_of_each_language_runs_from_there(
    prefix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = prefix / "share/doc/weft/examples"
    library = tmp_path / "libexclamation.so"
    compiler = ["clang++-19", "-std=c++17", "-shared", "-fPIC", "-I", prefix / "include"]
    subprocess.run([*compiler, examples / "cpp/exclamation.cc", "-o", library], check=True)
    monkeypatch.setenv("WEFT_BIN", str(prefix / "bin/weft"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # Debian's interpreter, as where Weft is installed
    with WeftStandalone(tmp_path / "standalone") as standalone:
        address = standalone.address
        urls = ["--admin-url", address.admin_url, "--service-url", address.service_url]

        def weft(*words: str) -> str:
            command = [prefix / "bin/weft", *urls, *words]
            result = subprocess.run(command, capture_output=True, text=True, timeout=60)
            assert result.returncode == 0, f"{words}: {result.stderr}"
            return result.stdout

        python = str(examples / "python/exclamation.py")
        create_and_use(weft, "python", "--py", python, "--classname", "exclamation.Exclamation")
        create_and_use(weft, "native", "--native", str(library))


def test_the_version_stands_in_one_place() -> None:
    project = (locations.SOURCE_ROOT / "CMakeLists.txt").read_text()
    version = re.search(r"^project\(weft VERSION (\d+\.\d+\.\d+) ", project, re.M)
    changes = re.search(r"^## (\S+)", (locations.SOURCE_ROOT / "CHANGELOG.md").read_text(), re.M)
    assert version and changes
    assert changes[1] == version[1], "the topmost heading of CHANGELOG.md is not the version of CMakeLists.txt"
    printed = subprocess.run([locations.weft_binary(), "version"], capture_output=True, text=True, check=True)
    assert printed.stdout == f"weft {version[1]}\n"
