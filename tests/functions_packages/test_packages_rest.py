"""The package management REST, upload and download, and functions created from a package by its name."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from archives import wheel, wheel_name, zip_of

from functions_rest.functions_client import Answer, FunctionsClient, Part, config_part
from harness.locations import weft_binary
from harness.weft_standalone import WeftStandalone

PACKAGES = "/admin/v3/packages"
X = f"{PACKAGES}/function/public/default/x"
PROGRAM = b"def process(input):\n    return input\n"


@pytest.fixture
def client(functions: FunctionsClient) -> FunctionsClient:
    return functions


def metadata(**members: Any) -> Part:
    return Part("metadata", json.dumps(members).encode(), "application/json")


def upload(client: FunctionsClient, path: str, content: bytes, file_name: str = "x.py", **members: Any) -> Answer:
    return client.upload("POST", path, [metadata(**members), Part("file", content, file_name=file_name)])


def stored(weft: WeftStandalone) -> set[str]:
    return {path.name for path in (weft.data_directory / "packages").iterdir()}


def test_a_packages_life(weft: WeftStandalone, client: FunctionsClient) -> None:
    """Statuses and texts are those of 4.0.8 (asked with enablePackagesManagement=true)."""
    no_metadata = "Package 'function://public/default/x@v1' metadata does not exist (upload it first)"
    no_package = "Package 'function://public/default/x@v1' does not exist (upload it first)"
    assert client.get(X).body == client.get(f"{PACKAGES}/function/public/default").body == "[]"
    assert (client.get(f"{X}/v1/metadata").status, client.get(f"{X}/v1/metadata").reason) == (404, no_metadata)
    assert (client.get(f"{X}/v1").status, client.get(f"{X}/v1").reason) == (404, no_package)

    before = int(time.time() * 1000)
    made = upload(client, f"{X}/v1", b"some bytes", description="d", contact="c", properties={"a": "b"})
    assert (made.status, made.body) == (204, "")
    again = upload(client, f"{X}/v1", b"other bytes")
    exists = "Package 'function://public/default/x@v1' metadata already exists"
    assert (again.status, again.reason) == (409, exists)
    assert upload(client, f"{X}/v2", b"some bytes").status == 204
    assert upload(client, f"{PACKAGES}/function/public/default/y/latest", b"some bytes").status == 204
    assert upload(client, f"{PACKAGES}/SOURCE/no/such/y/1", b"some bytes").status == 204, "places aren't checked"
    assert client.get(f"{PACKAGES}/function/public/default").json == ["x", "y"]
    assert client.get(X).json == ["v1", "v2"]
    assert client.get(f"{PACKAGES}/source/no/such").json == ["y"]
    assert client.get(f"{X}/v1").body == "some bytes"
    assert len(stored(weft)) == 1, "equal bytes are stored once"

    shown = client.get(f"{X}/v1/metadata").json
    created = shown.pop("createTime")
    assert before <= created <= before + 60_000 and shown.pop("modificationTime") == created
    assert shown == {"description": "d", "contact": "c", "properties": {"a": "b"}}
    assert set(client.get(f"{X}/v2/metadata").json) == {"createTime", "modificationTime"}

    changed = client.call("PUT", f"{X}/v1/metadata", b'{"description":"e","unknown":1}', "application/json")
    assert (changed.status, changed.body) == (204, "")
    shown = client.get(f"{X}/v1/metadata").json
    assert shown["description"] == "e" and "contact" not in shown and "properties" not in shown
    assert shown["createTime"] == created <= shown["modificationTime"]

    weft.kill()
    weft.start_again()
    client = FunctionsClient(weft.address.admin_url)
    client.wait_until_initialized()
    assert client.get(f"{X}/v1/metadata").json == shown
    assert client.get(f"{X}/v2").body == "some bytes"

    for path in (f"{X}/v1", f"{X}/v2", f"{PACKAGES}/source/no/such/y/1"):
        assert client.call("DELETE", path).status == 204
    assert (client.call("DELETE", f"{X}/v1").status, client.call("DELETE", f"{X}/v1").reason) == (404, no_package)
    assert client.get(X).json == []
    assert len(stored(weft)) == 1, "one name is left"
    assert client.call("DELETE", f"{PACKAGES}/function/public/default/y/latest").status == 204
    assert stored(weft) == set()


def test_names_are_in_a_backup(weft: WeftStandalone, client: FunctionsClient, tmp_path: Path) -> None:
    def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([weft_binary(), *arguments], capture_output=True, text=True, timeout=60)

    assert upload(client, f"{X}/kept", b"some bytes", description="d").status == 204
    made = run("backup", weft.data_directory, tmp_path / "copy")
    assert made.returncode == 0, made.stderr
    assert client.call("DELETE", f"{X}/kept").status == 204
    assert run("verify", tmp_path / "copy").returncode == 0
    restored = run("restore", tmp_path / "copy", tmp_path / "new" / "data")
    assert restored.returncode == 0, restored.stderr
    with WeftStandalone(tmp_path / "new") as other:
        again = FunctionsClient(other.address.admin_url)
        again.wait_until_initialized()
        assert again.get(f"{X}/kept").body == "some bytes"
        assert again.get(f"{X}/kept/metadata").json["description"] == "d"

    record = next((tmp_path / "new" / "data" / "package-names").iterdir())
    record.chmod(0o600)
    record.write_bytes(record.read_bytes()[:-1])
    verified = run("verify", tmp_path / "new" / "data")
    assert verified.returncode == 1 and f"package-names/{record.name}: damaged" in verified.stdout + verified.stderr


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "bad/public/default", 412, "Invalid package domain: 'bad'"),
        ("GET", "bad/public/default/x", 412, "Invalid package domain: 'bad'"),
        ("GET", "bad/public/default/x/v1", 412, "Invalid package domain: 'bad'"),
        ("DELETE", "function/public/default/a%2Fb/v1", 412, "Invalid package name 'function://public/default/a/b@v1'"),
        ("GET", "function/public/default/x@1/v1", 412, "Invalid package name 'function://public/default/x@1@v1'"),
        ("GET", f"function/public/default/{'x' * 1001}/v1", 412, "Invalid package name 'function://public/default/xxx"),
    ],
)
def test_bad_names(client: FunctionsClient, method: str, path: str, status: int, reason: str) -> None:
    answer = client.call(method, f"{PACKAGES}/{path}")
    assert answer.status == status and answer.reason.startswith(reason)


NO_METADATA = "Unknown error, metadata is null when processing update package metadata request"


@pytest.mark.parametrize(
    ("parts", "status", "reason"),
    [
        ([Part("file", b"x")], 400, NO_METADATA),
        ([Part("metadata", b""), Part("file", b"x")], 400, NO_METADATA),
        ([Part("metadata", b"null"), Part("file", b"x")], 400, NO_METADATA),
        ([Part("metadata", b'{"bad'), Part("file", b"x")], 400, "The package's metadata is not a JSON object"),
        ([metadata(description=[1]), Part("file", b"x")], 400, "The package's metadata: description = [1] is not a text"),
        ([metadata(properties="p"), Part("file", b"x")], 400, 'The package\'s metadata: properties = "p" is not a map'),
        ([metadata(description="x" * 70_000), Part("file", b"x")], 413, "The package's metadata has"),
        ([metadata()], 400, "The package's file is not provided"),
    ],
)
def test_bad_uploads(weft: WeftStandalone, client: FunctionsClient, parts: list[Part], status: int, reason: str) -> None:
    answer = client.upload("POST", f"{PACKAGES}/function/public/default/bad/v1", parts)
    assert answer.status == status and answer.reason.startswith(reason)
    assert client.get(f"{PACKAGES}/function/public/default").json == []


def test_upload_and_download_by_path(weft: WeftStandalone, client: FunctionsClient) -> None:
    def send(path: str, content: bytes) -> Answer:
        return client.upload(
            "POST", "/admin/v3/functions/upload", [Part("data", content, file_name="f"), Part("path", path.encode(), "text/plain")]
        )

    def fetch(path: str) -> Answer:
        return client.get(f"/admin/v3/functions/download?path={path}")

    assert send("public/default/some/file", b"first").status == 204
    assert fetch("public/default/some/file").body == "first"
    assert send("public/default/some/file", b"second").status == 204
    assert fetch("public%2Fdefault%2Fsome%2Ffile").body == "second"
    assert len(stored(weft)) == 1, "the first one is gone"
    assert send("function://public/default/up@1", b"third").status == 204
    assert client.get(f"{PACKAGES}/function/public/default/up/1").body == fetch("function://public/default/up@1").body == "third"
    assert send("function://public/default/up@1", b"again").status == 409
    assert send("function://bad", b"x").reason.startswith("Invalid package name 'function://bad' (")
    assert (fetch("none").status, fetch("none").reason) == (404, "Package 'none' does not exist (upload it first)")
    assert fetch("file:///etc/passwd").reason.startswith("Invalid package url: file:///etc/passwd")
    assert fetch("weft-package://../../etc/passwd").status == 400
    assert client.get("/admin/v3/functions/download").reason.startswith("path is not provided")
    missing = client.upload("POST", "/admin/v3/functions/upload", [Part("path", b"p", "text/plain")])
    assert (missing.status, missing.reason) == (400, "Function Package is not provided p (data = nothing: send the file as the part data)")


def from_url(client: FunctionsClient, method: str, name: str, url: str, **config: Any) -> Answer:
    members = {"className": "f.process", "inputs": ["url-in"], "py": url, **config}
    return client.upload(method, name, [config_part(members), Part("url", url.encode(), "text/plain")])


def test_a_function_keeps_the_package_that_it_was_created_with(weft: WeftStandalone, client: FunctionsClient) -> None:
    path, url = f"{PACKAGES}/function/public/default/program/v1", "function://public/default/program@v1"
    missing = from_url(client, "POST", "by-name", url)
    assert (missing.status, missing.reason) == (400, f"url = {url} does not exist: store it with 'packages upload' first")
    assert upload(client, path, PROGRAM, "f.py").status == 204
    assert from_url(client, "POST", "by-name", url).status == 204
    client.wait_until_running("by-name")
    digest = client.get("by-name").json["packageDigest"]
    assert client.get("by-name/download").body.encode() == PROGRAM

    # Another package under that name changes nothing, until the function is updated.
    assert client.call("DELETE", path).status == 204
    assert upload(client, path, PROGRAM + b"# changed\n", "f.py").status == 204
    assert client.call("POST", "by-name/restart").status == 204
    assert client.get("by-name").json["packageDigest"] == digest
    assert client.get("by-name/download").body.encode() == PROGRAM
    assert from_url(client, "PUT", "by-name", url).status == 204
    assert client.get("by-name").json["packageDigest"] != digest
    assert client.get("by-name/download").body.encode() == PROGRAM + b"# changed\n"
    assert client.get("none/download").reason == "Function none doesn't exist"
    assert client.call("DELETE", "by-name").status == 204


@pytest.mark.parametrize(
    ("content", "file_name", "class_name"),
    [
        (zip_of({"f.py": PROGRAM}), "package", "f.process"),
        (wheel("g", {"g.py": PROGRAM}), "package", "g.process"),
        (PROGRAM, "package", "anything.process"),
        (zip_of({"f.py": PROGRAM}), "f.zip", "f.process"),
        (wheel("g", {"g.py": PROGRAM}), wheel_name("g"), "g.process"),
    ],
    ids=["zip", "wheel", "py", "named-zip", "named-wheel"],
)
def test_what_a_package_is_shows_by_its_name_or_its_content(
    client: FunctionsClient, content: bytes, file_name: str, class_name: str
) -> None:
    path = f"{PACKAGES}/function/public/default/some"
    version = f"{len(content)}-{file_name}"
    assert upload(client, f"{path}/{version}", content, file_name).status == 204
    made = from_url(client, "POST", "kinds", f"function://public/default/some@{version}", className=class_name)
    assert made.status == 204, made.reason
    client.wait_until_running("kinds")
    assert client.call("DELETE", "kinds").status == 204


@pytest.mark.parametrize("url", ["http://x.invalid/f.py", "https://x.invalid/f.py", "file:///tmp/f.py", "builtin://f"])
def test_other_urls_are_refused_with_the_cure(client: FunctionsClient, url: str) -> None:
    refused = from_url(client, "POST", "elsewhere", url)
    assert refused.status == 400
    assert url in refused.reason and "upload the package itself" in refused.reason


def test_the_digest_that_runs_is_told(client: FunctionsClient) -> None:
    config = {"className": "f.process", "inputs": ["digest-in"], "py": "f.py"}
    made = client.create("digest", config, PROGRAM, "f.py")
    assert made.status == 204
    client.wait_until_running("digest")
    digest = client.get("digest").json["packageDigest"]
    assert made.headers["Weft-Package-Digest"] == digest and len(digest) == 64
    status = client.get("digest/status").json
    assert status["instances"][0]["status"]["packageDigest"] == digest

    changed = client.upload("PUT", "digest", [config_part({}), Part("data", PROGRAM + b"#\n", file_name="f.py")])
    assert changed.status == 204 and changed.headers["Weft-Package-Digest"] != digest
    client.wait_until(
        lambda: client.get("digest/0/status").json.get("packageDigest") == changed.headers["Weft-Package-Digest"],
        "the new package runs",
    )
    kept = client.upload("PUT", "digest", [config_part({"userConfig": {"a": 1}})])
    assert kept.headers["Weft-Package-Digest"] == changed.headers["Weft-Package-Digest"]
    assert client.call("DELETE", "digest").status == 204
