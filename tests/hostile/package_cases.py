"""Broken requests to trigger a function, and to upload, download and manage packages; the form is that of rest_cases."""

import json
from typing import Any

from raw_http import FORM_TYPE, form, part, request
from rest_cases import DEEP, FUNCTIONS, THERE, Case

ROOT = "/admin/v3/packages"
PACKAGE = f"{ROOT}/function/public/default/bad/1"
METADATA = b'{"description": "d"}'


def trigger(*parts: bytes, path: str = f"{THERE}/trigger") -> bytes:
    return request("POST", path, form(*parts), FORM_TYPE)


TRIGGER = [
    Case("a trigger without a form", request("POST", f"{THERE}/trigger"), 400, "multipart/form-data", "no type",
         "data or dataStream"),
    Case("a trigger of JSON", request("POST", f"{THERE}/trigger", b"{}", "application/json"), 400,
         "multipart/form-data", "application/json", "data or dataStream"),
    Case("a trigger of nothing", trigger(part("topic", b"in")), 400, "Trigger Data", "not provided",
         "send it as the part data"),
    Case("a trigger of another topic", trigger(part("data", b"x"), part("topic", b"other")), 400, "topic", "other",
         "use in"),
    Case("a trigger of a topic with an escape", trigger(part("data", b"x"), part("topic", b"a\x1b[2Jb")), 400, "topic",
         "a\x1b[2Jb", "use in"),
    Case("a trigger of a topic that isn't UTF-8", trigger(part("data", b"x"), part("topic", b"a\xffb")), 400, "topic",
         "a\ufffdb", "use in"),
    Case("a trigger of an overlong topic", trigger(part("data", b"x"), part("topic", b"t" * 100_000)), 400, "topic",
         "t" * 200, "use in"),
    Case("a trigger with a message that is too large", trigger(part("data", b"x" * (6 << 20))), 413, "message", "5242880",
         "make it smaller"),
    Case("a trigger of a name that climbs", trigger(part("data", b"x"), path=f"{FUNCTIONS}/..%2F..%2Fx/trigger"), 400,
         "Function name", "../../x", "slashes and control characters can't be used"),
    Case("a trigger with a NUL in the name", trigger(part("data", b"x"), path=f"{FUNCTIONS}/a%00b/trigger"), 400,
         "path", "a%00b", "no %00"),
]


def upload(path: bytes | None, data: bytes | None, file_name: bytes = b"f.py") -> bytes:
    parts = [part("path", path)] if path is not None else []
    parts += [part("data", data, file_name)] if data is not None else []
    return request("POST", "/admin/v3/functions/upload", form(*parts), FORM_TYPE)


def download(query: str) -> bytes:
    return request("GET", f"/admin/v3/functions/download{query}")


PATHS = [
    Case("an upload without a form", request("POST", "/admin/v3/functions/upload"), 400, "Content-Type", "''",
         "must be multipart/form-data"),
    Case("an upload of JSON", request("POST", "/admin/v3/functions/upload", b"{}", "application/json"), 400,
         "Content-Type", "application/json", "must be multipart/form-data"),
    Case("an upload without a path", upload(None, b"x"), 400, "path", "nothing", "send"),
    Case("an upload to an empty path", upload(b"", b"x"), 400, "path", "nothing", "send"),
    Case("an upload of nothing", upload(b"a", None), 400, "data", "nothing", "send"),
    Case("an upload to an overlong path", upload(b"p" * 5000, b"x"), 400, "path", "5000", "at most 1000"),
    Case("an upload to a path with a NUL", upload(b"a\0b", b"x"), 400, "path", "a\0b", "without control characters"),
    Case("an upload to a path that isn't UTF-8", upload(b"a\xffb", b"x"), 400, "path", "a\ufffdb", "must be UTF-8"),
    Case("an upload to half a package's name", upload(b"function://public/default", b"x"), 412, "package name",
         "function://public/default", "type://tenant/namespace/name@version"),
    Case("an upload to a package's name that climbs", upload(b"function://public/../../x@1", b"x"), 412, "package name",
         "function://public/../../x@1", "type://tenant/namespace/name@version"),
    Case("a download of nothing", download(""), 400, "path", "not provided", "?path="),
    Case("a download of an empty path", download("?path="), 400, "path", "not provided", "?path="),
    Case("a download that climbs", download("?path=../../../etc/passwd"), 404, "Package", "../../../etc/passwd",
         "upload it"),
    Case("a download from the disk", download("?path=/etc/passwd"), 404, "Package", "/etc/passwd", "upload it"),
    Case("a download of a file's address", download("?path=file:///etc/passwd"), 400, "url", "file:///etc/passwd",
         "only what was uploaded"),
    Case("a download from elsewhere", download("?path=http://127.0.0.1:1/x"), 400, "url", "http://127.0.0.1:1/x",
         "only what was uploaded"),
    Case("a download of a digest that climbs", download("?path=weft-package%3A%2F%2F..%2F..%2Fetc%2Fpasswd"), 400,
         "digest", "../../etc/passwd", "64 hexadecimal digits"),
    Case("a download of a digest that isn't there", download(f"?path=weft-package%3A%2F%2F{'0' * 64}"), 404, "package",
         "0" * 64, "upload it"),
    Case("a download with a NUL", download("?path=a%00b"), 400, "query", "a%00b", "no %00"),
    Case("a download that isn't UTF-8", download("?path=a%FFb"), 400, "path", "a\ufffdb", "must be UTF-8"),
    Case("an overlong download", download(f"?path={'p' * 5000}"), 400, "path", "5000", "at most 1000"),
    Case("a download of half a package's name", download("?path=function://public"), 412, "package name",
         "function://public", "type://tenant/namespace/name@version"),
]


def package(metadata: Any, *more: bytes, path: str = PACKAGE) -> bytes:
    text = metadata if isinstance(metadata, bytes) else json.dumps(metadata).encode()
    return request("POST", path, form(part("metadata", text), *(more or [part("file", b"x", "f.py")])), FORM_TYPE)


def named(path: str) -> bytes:
    return package(METADATA, path=f"{ROOT}/{path}")


PACKAGES = [
    Case("a package without a form", request("POST", PACKAGE), 400, "Content-Type", "''",
         "must be multipart/form-data"),
    Case("a package without metadata", request("POST", PACKAGE, form(part("file", b"x", "f.py")), FORM_TYPE), 400,
         "metadata", "null", "send it as JSON"),
    Case("a package with metadata of null", package(b"null"), 400, "metadata", "null", "send it as JSON"),
    Case("a package with metadata that isn't JSON", package(b"{"), 400, "metadata", "{", "JSON object"),
    Case("a package with metadata of a list", package([1]), 400, "metadata", "[1]", "JSON object"),
    Case("a package with metadata that isn't UTF-8", package(b'{"description": "\xff"}'), 400, "metadata", "\ufffd",
         "JSON object"),
    Case("a package with metadata that nests deep", package(DEEP), 400, "metadata", "[[[", "8 levels"),
    Case("a package with too much metadata", package({"description": "d" * 70_000}), 413, "metadata", "70",
         "at most 65536"),
    Case("a description that is a number", package({"description": 5}), 400, "description", "5", "is not a text"),
    Case("a contact that is a list", package({"contact": []}), 400, "contact", "[]", "is not a text"),
    Case("properties of a package that are text", package({"properties": "a=b"}), 400, "properties", '"a=b"',
         "map of texts"),
    Case("a property of a package that is a number", package({"properties": {"a": 1}}), 400, "properties.a", "1",
         "is not a text"),
    Case("a package without its file", package(METADATA, part("other", b"x")), 400, "file", "nothing", "send it as the part"),
    Case("a package of another type", named("program/public/default/bad/1"), 412, "type", "program",
         "use function, source or sink"),
    Case("a package whose name has a slash", named("function/public/default/..%2Fbad/1"), 412, "name", "../bad",
         "no part is"),
    Case("a package of dots", named("function/public/default/%2e%2e/1"), 412, "name", "..", "no part is"),
    Case("a package with a NUL", named("function/public/default/a%00b/1"), 400, "path", "a%00b", "no %00"),
    Case("a package named in no UTF-8", named("function/public/default/a%FFb/1"), 412, "name", "a\ufffdb", "of UTF-8"),
    Case("a package with a line break", named("function/public/default/a%0Ab/1"), 412, "name", "a\nb", "no part is"),
    Case("an overlong package", named(f"function/public/default/{'n' * 5000}/1"), 412, "name", "n" * 100, "at most 1000"),
    Case("a version that climbs", named("function/public/default/bad/..%2F1"), 412, "@version", "@../1", "no part is"),
    Case("a tenant of a package that climbs", named("function/..%2F../default/bad/1"), 412, "tenant", "../..",
         "no part is"),
    Case("metadata of a package that isn't there", request("GET", f"{PACKAGE}/metadata"), 404, "Package",
         "function://public/default/bad@1", "upload it"),
    Case("a package that isn't there", request("GET", PACKAGE), 404, "Package", "function://public/default/bad@1",
         "upload it"),
    Case("a delete of a package that isn't there", request("DELETE", PACKAGE), 404, "Package",
         "function://public/default/bad@1", "upload it"),
    Case("new metadata of a package that isn't there", request("PUT", f"{PACKAGE}/metadata", METADATA,
                                                              "application/json"), 404, "Package",
         "function://public/default/bad@1", "upload it"),
    Case("new metadata of nothing", request("PUT", f"{PACKAGE}/metadata"), 400, "metadata", "null", "send it as JSON"),
    Case("a list of packages of another type", request("GET", f"{ROOT}/program/public/default"), 412, "type", "program",
         "use function, source or sink"),
]
CASES = TRIGGER + PATHS + PACKAGES
