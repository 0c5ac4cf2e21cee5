"""bin/pulsar-admin of Apache Pulsar 4.0.8, unchanged, and `weft`, with packages: they do and print the same."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from archives import wheel, wheel_name, zip_of

from functions_rest.functions_client import FunctionsClient
from harness.java_tools import JavaTools, ToolResult
from harness.locations import weft_binary
from harness.weft_standalone import WeftStandalone

PROGRAM = "def process(input):\n    return input\n"
ZIP = zip_of({"shout/src/shout.py": PROGRAM})


@pytest.fixture(scope="module")
def tools(weft: WeftStandalone, tmp_path_factory: pytest.TempPathFactory) -> JavaTools:
    return JavaTools(weft.address, tmp_path_factory.mktemp("java-tools"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("files")
    (folder / "shout.zip").write_bytes(ZIP)
    (folder / wheel_name("louder")).write_bytes(wheel("louder", {"louder.py": PROGRAM}))
    yield folder


def run_weft(weft: WeftStandalone, *arguments: str) -> ToolResult:
    command = [str(weft_binary()), "--admin-url", weft.address.admin_url, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return ToolResult(" ".join(command), done.returncode, done.stdout + done.stderr)


def printed(result: ToolResult) -> str:
    """What it printed, times aside."""
    return re.sub(r"Time\" : \d+", 'Time" : 0', result.output.strip())


def test_packages(weft: WeftStandalone, tools: JavaTools, functions: FunctionsClient, files: Path) -> None:
    package, path = "function://public/default/shout", str(files / "shout.zip")
    said = ["--description", "d", "--contact", "c", "-P", "a=b", "-P", "c=d"]

    def both(*arguments: str) -> str:
        """What both print for the same."""
        theirs, ours = tools.admin("packages", *arguments), run_weft(weft, "packages", *arguments)
        assert theirs.status == ours.status and printed(theirs) == printed(ours)
        return printed(ours)

    uploaded = printed(tools.admin("packages", "upload", f"{package}@v1", *said, "--path", path).check())
    assert uploaded == f"The package '{package}@v1' uploaded from path '{path}' successfully"
    assert printed(run_weft(weft, "packages", "upload", f"{package}@v2", *said, "--path", path)) == uploaded.replace("v1", "v2")
    shown = both("get-metadata", f"{package}@v1")
    assert '"description" : "d"' in shown and '"c" : "d"' in shown
    assert shown == printed(run_weft(weft, "packages", "get-metadata", f"{package}@v2"))
    assert both("list-versions", package) == "v1\nv2"
    again = both("upload", f"{package}@v1", "--description", "d", "--path", path)
    assert f"Package '{package}@v1' metadata already exists" in again

    created = tools.admin("functions", "create", "--name", "by-name", "--py", f"{package}@v1", "--classname",
                          "shout.process", "--inputs", "by-name-in").check()  # fmt: skip
    assert "Created successfully" in created.output
    functions.wait_until_running("by-name")
    to = str(files / "downloaded.zip")
    downloaded = tools.admin("packages", "download", f"{package}@v1", "--path", to).check()
    assert printed(downloaded) == f"The package '{package}@v1' downloaded to path '{to}' successfully"
    assert Path(to).read_bytes() == ZIP
    updated = run_weft(weft, "packages", "update-metadata", f"{package}@v2", "-d", "other").check()
    assert printed(updated) == f"The metadata of the package '{package}@v2' updated successfully"
    assert '"description" : "other"' in printed(run_weft(weft, "packages", "get-metadata", f"{package}@v2"))
    deleted = tools.admin("packages", "delete", f"{package}@v1").check()
    assert printed(deleted) == f"The package '{package}@v1' deleted successfully"
    assert printed(run_weft(weft, "packages", "delete", f"{package}@v2")) == f"The package '{package}@v2' deleted successfully"
    assert printed(run_weft(weft, "packages", "list", "--type", "function", "public/default")) == ""


def test_functions_of_a_zip_and_a_wheel(weft: WeftStandalone, tools: JavaTools, functions: FunctionsClient, files: Path) -> None:
    common = ["--inputs", "in", "--name"]
    for name, file, class_name in (("zipped", "shout.zip", "shout.process"), ("wheeled", wheel_name("louder"), "louder.process")):
        made = tools.admin("functions", "create", "--py", str(files / file), "--classname", class_name, *common, name).check()
        assert "Created successfully" in made.output
        functions.wait_until_running(name)
        assert "Deleted successfully" in run_weft(weft, "functions", "delete", "--name", name).check().output
        ours = run_weft(weft, "functions", "create", "--py", str(files / file), "--classname", class_name, *common, name).check()
        assert ours.output == "Created successfully\n"
        functions.wait_until_running(name)

    changed = run_weft(weft, "functions", "update", "--name", "zipped", "--user-config", '{"a":1}').check()
    assert changed.output == f"Updated successfully\npackage {functions.get('zipped').json['packageDigest']}\n"
    to = files / "of-a-function"
    downloaded = tools.admin("functions", "download", "--name", "zipped", "--destination-file", str(to)).check()
    assert "Downloaded successfully" in downloaded.output and to.read_bytes() == ZIP
    to.unlink()
    run_weft(weft, "functions", "download", "--name", "zipped", "--destination-file", str(to)).check()
    assert to.read_bytes() == ZIP


def test_upload_and_download_by_path(weft: WeftStandalone, tools: JavaTools, files: Path) -> None:
    uploaded = tools.admin("functions", "upload", "--source-file", str(files / "shout.zip"), "--path", "public/a/b").check()
    assert "Uploaded successfully" in uploaded.output
    to = files / "new" / "folder" / "file"
    ours = run_weft(weft, "functions", "download", "--path", "public/a/b", "--destination-file", str(to)).check()
    assert ours.output == "Downloaded successfully\n" and to.read_bytes() == ZIP
    ours = run_weft(weft, "functions", "upload", "--source-file", str(files / "shout.zip"), "--path", "x").check()
    assert ours.output == "Uploaded successfully\n"
    missing = run_weft(weft, "functions", "download", "--path", "none", "--destination-file", str(to))
    assert missing.status == 1 and "Package 'none' does not exist" in missing.output
    assert to.read_bytes() == ZIP, "it is left alone"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["packages", "get-metadata", "shout"], "Invalid package name 'shout': it is type://tenant/namespace/packageName@version"),
        (["packages", "delete", "function://public/default"], "Invalid package name 'function://public/default'"),
        (["packages", "delete", "jar://public/default/x@1"], "Invalid package domain: 'jar'"),
        (["packages", "list", "public/default"], "Missing required option: '--type=<type>'"),
        (["packages", "list", "--type", "function", "public"], "Invalid namespace 'public'"),
        (["packages", "upload", "function://a/b/c@1", "--path", "/none"], "Missing required option: '--description"),
        (["packages", "upload", "function://a/b/c@1", "--path", "/none", "--description", "d"], "can't read /none"),
        (
            ["packages", "upload", "function://a/b/c@1", "--path", "/none", "--description", "d", "-P", "x"],
            "Invalid value for option '--properties': 'x' is not of the form name=value",
        ),
        (["functions", "upload", "--path", "x"], "--source-file needs to be specified"),
        (["functions", "download", "--name", "x"], "--destination-file needs to be specified"),
        (["functions", "download", "--destination-file", "x"], "You must specify a name for the function"),
        (["functions", "create", "--py", "function://a/b/c@1", "--classname", "f.f", "--inputs", "in"], "function://a/b/c@1 does not exist"),
    ],
)
def test_wrong_uses(weft: WeftStandalone, functions: FunctionsClient, arguments: list[str], said: str) -> None:
    result = run_weft(weft, *arguments)
    assert result.status == 1 and said in result.output
