"""Broken REST requests, each with the status of its answer and the words that the message must have: the field,
its value (or what stands for it), and the cure."""

import json
import struct
from dataclasses import dataclass
from typing import Any

from raw_http import BOUNDARY, FORM_TYPE, form, part, request

PROGRAM = b"class F:\n    def process(self, input, context):\n        return input\n"
FUNCTIONS = "/admin/v3/functions/public/default"
DEEP = b'{"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}"


@dataclass(frozen=True)
class Case:
    name: str
    sent: bytes
    status: int
    field: str
    value: str
    cure: str
    cut_off: bool = False  # the client says that no more will come


def config(**members: Any) -> dict[str, Any]:
    given = {"className": "function.F", "inputs": ["in"], "output": "out", "py": "function.py"} | members
    return {key: value for key, value in given.items() if value is not None}


def upload(
    given: dict[str, Any] | bytes, package: bytes = PROGRAM, file_name: str | bytes = "function.py",
    path: str | bytes = f"{FUNCTIONS}/bad", method: str = "POST",
) -> bytes:
    text = given if isinstance(given, bytes) else json.dumps(given).encode()
    body = form(part("functionConfig", text), part("data", package, file_name))
    return request(method, path, body, FORM_TYPE)


def raw_form(body: bytes, content_type: bytes = FORM_TYPE) -> bytes:
    return request("POST", f"{FUNCTIONS}/bad", body, content_type)


def elf(machine: int = 62, kind: int = 3, bits: int = 2) -> bytes:
    return struct.pack("<4sBBBB8xHHI", b"\x7fELF", bits, 1, 1, 0, kind, machine, 1) + bytes(40)


NATIVE = {"inputs": ["in"], "native": "f.so"}

CONFIGURATIONS = [
    Case("no class", upload(config(className=None)), 400, "className", "nothing", "give module.Class"),
    Case("a path for a class", upload(config(className="../../etc/passwd")), 400, "className", "../../etc/passwd",
         "give module.Class"),
    Case("no inputs", upload(config(inputs=None)), 400, "inputs", "nothing", "name one topic"),
    Case("inputs is text", upload(config(inputs="a")), 400, "inputs", '"a"', "must be a list of strings"),
    Case("an input is an object", upload(config(inputs=[{}])), 400, "inputs[]", "{}", "must be a string"),
    Case("a bad input", upload(config(inputs=["a//b"])), 400, "inputs", "a//b", "must not be empty"),
    Case("an input of another scheme", upload(config(inputs=["file:///etc/passwd"])), 400, "inputs",
         "file:///etc/passwd", "must begin with persistent://"),
    Case("an input with a NUL", upload(config(inputs=["a\0b"])), 400, "inputs", "a\0b", "control characters"),
    Case("an overlong input", upload(config(inputs=["a" * 5000])), 400, "inputs", "a" * 200, "longer than 4096 bytes"),
    Case("a bad output", upload(config(output="x://y")), 400, "output", "x://y", "must begin with persistent://"),
    Case("a bad log topic", upload(config(logTopic="a/b/c/d")), 400, "logTopic", "a/b/c/d", "write topic"),
    Case("output is an input", upload(config(output="in")), 400, "Output topic", "in", "must be one or the other"),
    Case("no instances", upload(config(parallelism=0)), 400, "parallelism", "0", "use 1 or more"),
    Case("too many instances", upload(config(parallelism=5000)), 400, "parallelism", "5000", "limit of 1024"),
    Case("parallelism is a word", upload(config(parallelism="two")), 400, "parallelism", '"two"', "whole number"),
    Case("parallelism is huge", upload(config(parallelism=2**40)), 400, "parallelism", "1099511627776", "32 bits"),
    Case("parallelism is a fraction", upload(config(parallelism=1.5)), 400, "parallelism", "1.5", "whole number"),
    Case("autoAck is a word", upload(config(autoAck="maybe")), 400, "autoAck", '"maybe"', "true or false"),
    Case("an unknown language", upload(config(runtime="RUST")), 400, "runtime", "RUST", "one of JAVA PYTHON"),
    Case("no language", upload(config(py=None)), 400, "runtime", "nothing", "PYTHON (--py)"),
    Case("an unknown guarantee", upload(config(processingGuarantees="ONCE")), 400, "processingGuarantees", "ONCE",
         "one of ATLEAST_ONCE"),
    Case("an unknown position", upload(config(subscriptionPosition="Middle")), 400, "subscriptionPosition", "Middle",
         "one of Latest Earliest"),
    Case("user config is text", upload(config(userConfig="{}")), 400, "userConfig", '"{}"', "must be a JSON object"),
    Case("a timeout of nothing", upload(config(timeoutMs=0)), 400, "timeoutMs", "0", "use 1 or more"),
    Case("a timeout beyond 64 bits", upload(config(timeoutMs=1e30)), 400, "timeoutMs", "1e+30", "64 bits"),
    Case("negative memory", upload(config(resources={"ram": -1})), 400, "resources.ram", "-1", "use more than 0"),
    Case("resources is a list", upload(config(resources=[])), 400, "resources", "[]", "must be a JSON object"),
    Case("cpu is a word", upload(config(resources={"cpu": "many"})), 400, "resources.cpu", '"many"', "a number"),
    Case("a negative queue", upload(config(inputSpecs={"x": {"receiverQueueSize": -1}})), 400,
         "inputSpecs[x].receiverQueueSize", "-1", "use 1 or more"),
    Case("an input spec is a number", upload(config(inputSpecs={"x": 5})), 400, "inputSpecs[x]", "5", "a JSON object"),
    Case("an unknown codec", upload(config(producerConfig={"compressionType": "RAR"})), 400,
         "producerConfig.compressionType", "RAR", "one of NONE LZ4"),
    Case("dead letters without retries", upload(config(deadLetterTopic="dlq")), 400, "deadLetterTopic", "dlq",
         "leave it out"),
    Case("what isn't served", upload(config(customRuntimeOptions="all")), 400, "customRuntimeOptions", "all",
         "leave it out"),
    Case("not JSON", upload(b"{"), 400, "function config", "line 1", "not valid JSON"),
    Case("a list", upload(b"[]"), 400, "function config", "[]", "must be a JSON object"),
    Case("JSON that isn't UTF-8", upload(b'{"className": "\xff"}'), 400, "function config", "column 16", "UTF-8"),
    Case("JSON that nests deep", upload(DEEP), 400, "function config", "deeper", "64 levels"),
    Case("a megabyte of JSON", upload(config(userConfig={"a": "x" * (1 << 20)})), 400, "function config", "10",
         "at most 1048576"),
    Case("an empty configuration", upload(b" "), 400, "functionConfig", "nothing", "send it as JSON"),
]

NAMES = [
    Case("a name that climbs", upload(config(), path="/admin/v3/functions/public/default/..%2F..%2Fetc"), 400,
         "Function name", "../../etc", "slashes and control characters can't be used"),
    Case("a name of dots", upload(config(), path="/admin/v3/functions/public/default/%2e%2e"), 400, "Function name",
         "'..'", "use letters, digits"),
    Case("a name with a line break", upload(config(), path=f"{FUNCTIONS}/a%0Ab"), 400, "Function name", "a\nb",
         "control characters can't be used"),
    Case("a name with a NUL", upload(config(), path=f"{FUNCTIONS}/a%00b"), 400, "path", "a%00b", "no %00"),
    Case("a name that isn't UTF-8", upload(config(), path=f"{FUNCTIONS}/a%FFb"), 400, "Function name", "a\ufffdb",
         "must be UTF-8"),
    Case("half an escape", upload(config(), path=f"{FUNCTIONS}/a%2"), 400, "path", "a%2", "two hexadecimal digits"),
    Case("no escape", upload(config(), path=f"{FUNCTIONS}/a%zz"), 400, "path", "a%zz", "two hexadecimal digits"),
    Case("a bad escape in the query", request("GET", f"{FUNCTIONS}?a=%zz"), 400, "query", "a=%zz", "hexadecimal"),
    Case("an overlong name", upload(config(), path=f"{FUNCTIONS}/{'n' * 81}"), 400, "Function name", "81", "at most 80"),
    Case("a tenant that isn't there", upload(config(), path="/admin/v3/functions/nobody/default/bad"), 400, "tenant",
         "nobody", "create it"),
    Case("a tenant that climbs", upload(config(), path="/admin/v3/functions/..%2F/default/bad"), 400, "Tenant", "../",
         "slashes and control characters can't be used"),
    Case("an overlong tenant", upload(config(), path=f"/admin/v3/functions/{'t' * 4000}/default/bad"), 400, "Tenant",
         "4000", "at most 80"),
    Case("a namespace that isn't there", upload(config(), path="/admin/v3/functions/public/nowhere/bad"), 400,
         "namespace", "public/nowhere", "create it"),
]

PACKAGES = [
    Case("no package", request("POST", f"{FUNCTIONS}/bad", form(part("functionConfig", json.dumps(config()).encode())),
                               FORM_TYPE), 400, "data", "nothing", "upload the file"),
    Case("an empty package", upload(config(), b""), 400, "data", "function.py", "upload the file"),
    Case("binary for Python", upload(config(), b"\0" * 64), 400, "function.py", "binary data", "source text"),
    Case("a package of another kind", upload(config(), PROGRAM, "function.exe"), 400, "Python package", "function.exe",
         "upload"),
    Case("a package whose name climbs", upload(config(), PROGRAM, "../../x.py"), 400, "file name", "../../x.py",
         "without slashes"),
    Case("a package whose name has an escape", upload(config(), PROGRAM, b"a\x1b[2Jb.py"), 400, "file name",
         "a\x1b[2Jb.py", "control characters"),
    Case("a package whose name isn't UTF-8", upload(config(), PROGRAM, b"\xff\xfe.py"), 400, "file name",
         "\ufffd\ufffd.py", "must be UTF-8"),
    Case("a package with an overlong name", upload(config(), PROGRAM, "f" * 300 + ".py"), 400, "file name", "303",
         "at most 200"),
    Case("text for a library", upload(NATIVE, b"hello, I am a library" * 10, "f.so"), 400, "shared library",
         "not an ELF file", "Build it with -shared"),
    Case("a library for another processor", upload(NATIVE, elf(machine=8), "f.so"), 400, "shared library",
         "another processor", "Build it with -shared"),
    Case("a library of 32 bits", upload(NATIVE, elf(bits=1), "f.so"), 400, "shared library", "64-bit", "Build it"),
    Case("a program for a library", upload(NATIVE, elf(kind=2), "f.so"), 400, "shared library", "not a shared object",
         "Build it with -shared"),
    Case("half a header", upload(NATIVE, elf()[:20], "f.so"), 400, "shared library", "too short", "Build it"),
    *[
        Case(f"a package by the URL {url}", request("POST", f"{FUNCTIONS}/bad", form(
            part("functionConfig", json.dumps(config()).encode()), part("url", url.encode())), FORM_TYPE),
            400, "url", url[:200], cure)
        for url, cure in (
            ("http://example.com/f.py", "upload the package itself"),
            ("https://example.com/f.py", "upload the package itself"),
            ("file:///etc/passwd", "upload the package itself"),
            ("file:///usr/../etc/passwd", "additionalEnabledFunctionsUrlPatterns"),
            ("file://host/etc/passwd", "write file:///path/of/the/file"),
            ("file:///%zz", "an escape in it is not one"),
            ("builtin://nothing", "upload the package itself"),
            ("http://" + "x" * 3000, "at most 2048 are taken"),
            ("function://public/default/none@1", "store it with 'packages upload'"),
        )
    ],
]

FORMS = [
    Case("no type", request("POST", f"{FUNCTIONS}/bad"), 400, "multipart/form-data", "no type", "parts functionConfig"),
    Case("JSON instead of a form", raw_form(b"{}", b"application/json"), 400, "multipart/form-data", "application/json",
         "must be"),
    Case("no boundary", raw_form(form(), b"multipart/form-data"), 400, "Content-Type", "multipart/form-data",
         "give one of 1 to 70 characters"),
    Case("a boundary that is too long", raw_form(form(), b"multipart/form-data; boundary=" + b"b" * 100), 400,
         "Content-Type", "bbbbb", "1 to 70 characters"),
    Case("another boundary", raw_form(form(), b"multipart/form-data; boundary=other"), 400, "boundary", "other",
         "before each part"),
    Case("a form cut off", raw_form(form(part("functionConfig", b"{}"))[:-8]), 400, "boundary", "weft-hostile",
         "send it whole"),
    Case("a header without colon", raw_form(form(b"nonsense\r\n\r\nx")), 400, "header line", "nonsense",
         "write Name: value"),
    Case("a part without a name", raw_form(form(b"Content-Disposition: form-data\r\n\r\nx")), 400,
         "Content-Disposition", "form-data", "write form-data; name="),
    Case("a part in base64", raw_form(form(b"Content-Transfer-Encoding: base64\r\n\r\neA==")), 400,
         "Content-Transfer-Encoding", "base64", "send the part binary"),
    Case("headers without end", raw_form(b"--%s\r\n%s" % (BOUNDARY, b"X: y\r\n" * 4000)), 400, "headers", "no end",
         "empty line"),
    Case("too many parts", raw_form(form(*[part("x", b"")] * 65)), 400, "parts", "more than 64", "send fewer"),
    Case("no configuration", raw_form(form(part("data", PROGRAM, "f.py"))), 400, "functionConfig", "nothing",
         "send it as JSON"),
    Case("two configurations", raw_form(form(*[part("functionConfig", b"{}")] * 2)), 400, "functionConfig", "twice",
         "send it once"),
]

HTTP = [
    Case("nonsense", b"nonsense\r\n\r\n", 400, "HTTP request", "bad", "send HTTP/1.1"),
    Case("TLS", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400, "HTTP request", "bad", "send HTTP/1.1"),
    Case("a length that isn't one", b"POST /admin/v2/tenants/t HTTP/1.1\r\nContent-Length: many\r\n\r\n", 400,
         "HTTP request", "Content-Length", "send HTTP/1.1"),
    Case("a chunk size that isn't one",
         b"PUT /admin/v2/tenants/t HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "HTTP request", "chunk",
         "send HTTP/1.1"),
    Case("a body cut off", b"PUT /admin/v2/tenants/t HTTP/1.1\r\nContent-Length: 10\r\n\r\n{}", 400, "request body",
         "2 of 10", "Content-Length", cut_off=True),
    Case("a header cut off", b"PUT /admin/v2/tenants/t HT", 400, "HTTP request", "partial", "send HTTP/1.1",
         cut_off=True),
    Case("a huge header", b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", 431, "request header", "65536",
         "send less"),
    Case("a huge path", b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\n\r\n", 431, "request header", "65536", "send less"),
    Case("a huge body", b"POST /x HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413, "request body", "536870912",
         "send less"),
    Case("a target that isn't a path", b"GET admin/v2/tenants HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 400,
         "target", "admin/v2/tenants", "must begin with /"),
    Case("a path that isn't there", request("GET", "/admin/v9/functions"), 404, "path", "/admin/v9/functions",
         "docs/compatibility.md"),
    Case("a method that isn't served", request("PATCH", f"{FUNCTIONS}/bad"), 405, f"{FUNCTIONS}/bad", "PATCH",
         "use DELETE, GET, POST, PUT"),
]


def put(path: str, body: bytes = b"") -> bytes:
    return request("PUT", "/admin/v2/" + path, body, "application/json")


TENANT = b'{"allowedClusters": ["standalone"]}'
BROKER = [
    Case("a tenant with a blank", put("tenants/a%20b", TENANT), 412, "tenant", "a b", "letters, digits and -=:._"),
    Case("a tenant that is a path", put("tenants/..%2Fx", TENANT), 412, "tenant", "../x", "letters, digits"),
    Case("an overlong tenant of the broker", put(f"tenants/{'t' * 2000}", TENANT), 413, "tenant", "2000", "at most 1024"),
    Case("a tenant that isn't JSON", put("tenants/bad", b"{"), 400, "body", "not JSON", "allowedClusters"),
    Case("a tenant that nests deep", put("tenants/bad", DEEP), 400, "body", "64 levels", "allowedClusters"),
    Case("a tenant without clusters", put("tenants/bad", b"{}"), 412, "allowedClusters", "null", '["standalone"]'),
    Case("a tenant of no clusters", put("tenants/bad", b'{"allowedClusters": []}'), 412, "allowedClusters", "[]",
         '["standalone"]'),
    Case("a tenant of another cluster", put("tenants/bad", b'{"allowedClusters": ["mars"]}'), 412, "allowedClusters",
         "mars", "the only one is standalone"),
    Case("roles that are a number", put("tenants/bad", TENANT[:-1] + b', "adminRoles": 5}'), 400, "adminRoles", "5",
         "array of strings"),
    Case("a large tenant", put("tenants/bad", b" " * 100_000), 413, "body", "100000", "at most 65536"),
    Case("a namespace with a blank", put("namespaces/public/a%20b"), 412, "namespace", "a b", "letters, digits"),
    Case("a namespace of a list", put("namespaces/public/bad", b"[1]"), 400, "body", "[1]", "JSON object of policies"),
    Case("a namespace of another cluster", put("namespaces/public/bad", b'{"replication_clusters": ["mars"]}'), 403,
         "Cluster", "mars", "allowed clusters"),
    Case("clusters that are a number", put("namespaces/public/bad", b'{"replication_clusters": 5}'), 400,
         "replication_clusters", "5", "array of cluster names"),
    Case("retention of words", request("POST", "/admin/v2/namespaces/public/default/retention",
                                       b'{"retentionTimeInMinutes": "long", "retentionSizeInMB": 1}'), 400,
         "retentionTimeInMinutes", "long", "from -1 to 2147483647"),
    Case("retention for ever and a day", request("POST", "/admin/v2/namespaces/public/default/retention",
                                                 b'{"retentionTimeInMinutes": 1, "retentionSizeInMB": 99999999999}'),
         400, "retentionSizeInMB", "99999999999", "from -1 to 2147483647"),
    Case("a topic with a slash", put("persistent/public/default/a%2Fb"), 412, "topic name", "a/b", "write topic"),
    Case("a topic of a blank", put("persistent/public/default/%20"), 412, "topic name", "default/ '", "empty"),
    Case("a topic with a line break", put("persistent/public/default/a%0Ab"), 412, "topic name", "''",
         "control characters"),
    Case("an overlong topic", put(f"persistent/public/default/{'t' * 2000}"), 413, "topic", "2000", "at most 1024"),
    Case("properties that are a list", put("persistent/public/default/bad", b"[1]"), 400, "body", "[1]",
         "JSON object of properties"),
    Case("no partitions", put("persistent/public/default/bad/partitions", b"0"), 406, "partitions", "= 0", "at most"),
    Case("partitions of a word", put("persistent/public/default/bad/partitions", b'"many"'), 406, "partitions", "many",
         "greater than 0"),
    Case("too many partitions", put("persistent/public/default/bad/partitions", b"4000000000"), 406, "partitions",
         "4000000000", "at most 10000"),
    Case("a subscription at a word", put("persistent/public/default/bad/subscription/s", b'"end"'), 400, "message id",
         "end", "ledgerId"),
    Case("a schema that isn't JSON", request("POST", "/admin/v2/schemas/public/default/bad/schema", b"{"), 400, "body",
         "not JSON", '"type"'),
    Case("a schema of an unknown type", request("POST", "/admin/v2/schemas/public/default/bad/schema",
                                                b'{"type": "YAML", "schema": ""}'), 422, "type", "YAML", "use STRING"),
    Case("a schema that is a number", request("POST", "/admin/v2/schemas/public/default/bad/schema",
                                              b'{"type": "JSON", "schema": 5}'), 400, "schema", "5", "must be a string"),
    Case("a schema version that isn't one", request("GET", "/admin/v2/schemas/public/default/bad/schema/1x"), 400,
         "version", "1x", "must be a number"),
]

def connector(kind: str, given: bytes, *more: bytes, path: str = "public/default/bad", method: str = "POST") -> bytes:
    return request(method, f"/admin/v3/{kind}s/{path}", form(part(f"{kind}Config", given), *more), FORM_TYPE)


ANYTHING = part("data", b"PK", "x.nar")
CONNECTORS = [
    case
    for kind, name, given in (("source", "Source", {"topicName": "out"}), ("sink", "Sink", {"inputs": ["in"]}))
    for case in (
        Case(f"no {kind} configuration", request("POST", f"/admin/v3/{kind}s/public/default/bad", form(ANYTHING),
                                                 FORM_TYPE), 400, f"{kind}Config", "nothing", "send it as JSON"),
        Case(f"a {kind} of null", connector(kind, b"null"), 400, f"{name} config", "null", "send it as JSON"),
        Case(f"a {kind} of a list", connector(kind, b"[]"), 400, f"{kind}Config", "[]", "JSON object"),
        Case(f"a {kind} that isn't JSON", connector(kind, b"{"), 400, f"{kind}Config", "{", "JSON object"),
        Case(f"a {kind} that isn't UTF-8", connector(kind, b'{"archive": "\xff"}'), 400, f"{kind}Config", "\ufffd",
             "JSON object"),
        Case(f"a {kind} that nests deep", connector(kind, DEEP), 400, "package", "nothing", "upload the file"),
        Case(f"a megabyte of {kind}", connector(kind, b'{"a": "' + b"x" * (1 << 20) + b'"}'), 400, f"{kind}Config",
             "10485", "at most 1048576"),
        Case(f"a {kind} whose class is a number", connector(kind, json.dumps(given | {"className": 5}).encode(),
                                                            ANYTHING), 400, "className", "5", "must be a string"),
        Case(f"a {kind} whose archive is a list", connector(kind, json.dumps(given | {"archive": [1]}).encode(),
                                                            ANYTHING), 400, "archive", "[1]", "must be a string"),
        Case(f"a built-in {kind}", connector(kind, json.dumps(given | {"archive": "builtin://kafka"}).encode()), 400,
             "archive", "builtin://kafka", f"Built-in {kind} is not available"),
        Case(f"a {kind} without package", connector(kind, json.dumps(given).encode()), 400,
             f"{name} package is not provided", "nothing", "upload the file"),
        Case(f"a {kind} of a class", connector(kind, json.dumps(given | {"className": "org.x.Y"}).encode(), ANYTHING),
             400, "className", f"{name} class org.x.Y not found", "no Java connectors"),
        Case(f"a {kind} whose name climbs", connector(kind, b"{}", path="public/default/..%2Fx"), 400, f"{name} name",
             "../x", "slashes and control characters can't be used"),
        Case(f"a {kind} in no tenant", connector(kind, b"{}", path="nobody/default/x"), 400, "tenant", "nobody",
             "create it"),
        Case(f"a {kind} by URL", connector(kind, b"{}", part("url", b"file:///etc/passwd")), 400, "url",
             "file:///etc/passwd", "additionalEnabledConnectorUrlPatterns"),
        Case(f"an update of no {kind}", connector(kind, json.dumps(given).encode(), method="PUT"), 400, name, "bad",
             "doesn't exist"),
        Case(f"a function as a {kind}", request("GET", f"/admin/v3/{kind}s/public/default/there"), 404, name, "there",
             "doesn't exist"),
        Case(f"a {kind} that isn't there", request("DELETE", f"/admin/v3/{kind}s/public/default/%00"), 400, "path",
             "%00", "no %00"),
    )
]


def legacy(given: bytes, path: str = "/admin/v2/functions/public/default/bad") -> bytes:
    return request("POST", path, form(part("functionDetails", given), part("data", PROGRAM, "function.py")), FORM_TYPE)


LEGACY = [
    Case("no details", request("POST", "/admin/v2/functions/public/default/bad", form(part("data", PROGRAM, "f.py")),
                               FORM_TYPE), 400, "functionDetails", "nothing", "send it as JSON"),
    Case("details that aren't JSON", legacy(b"{"), 400, "functionDetails", "INVALID_ARGUMENT", "JSON of FunctionDetails"),
    Case("details with an unknown field", legacy(b'{"nonsense": 1}'), 400, "functionDetails", "nonsense",
         "Cannot find field"),
    Case("details of a word", legacy(b'{"parallelism": "two"}'), 400, "functionDetails", "two", "JSON of"),
    Case("details that aren't UTF-8", legacy(b'{"name": "\xff"}'), 400, "functionDetails", "not", "UTF-8"),
    Case("details that nest deep", legacy(b'{"source":' * 5000), 400, "functionDetails", "INVALID_ARGUMENT", "JSON of"),
    Case("a megabyte of details", legacy(b'{"name": "' + b"x" * (1 << 20) + b'"}'), 400, "functionDetails", "10485",
         "at most 1048576"),
    Case("details without inputs", legacy(b'{"runtime": "PYTHON", "className": "f.F", "parallelism": 1}'), 400,
         "inputs", "nothing", "name one topic"),
    Case("a legacy function that isn't there", request("GET", "/admin/functions/public/default/none"), 404, "Function",
         "none", "doesn't exist"),
]

WORKER = [
    Case("a rebalance of one worker", request("PUT", "/admin/v2/worker/rebalance"), 400, "workers", "2", "need at least"),
    Case("a drain of one worker", request("PUT", "/admin/v2/worker/leader/drain?workerId=%FF"), 400, "workers", "2",
         "need at least"),
    Case("a built-in source's fields", request("GET", "/admin/v3/sources/builtinsources/x%2Fy/configdefinition"), 404,
         "builtin", "source", "does not exist"),
]

# These are sent while the function `there` exists.
THERE = f"{FUNCTIONS}/there"


def update(given: bytes) -> bytes:
    return request("PUT", THERE, form(part("functionConfig", given)), FORM_TYPE)


EXISTING = [
    Case("an update of nothing", update(b"{}"), 400, "functionConfig", "{}", "change a field"),
    Case("an update of the inputs", update(b'{"inputs": ["other"]}'), 400, "inputs", "other", "create it anew"),
    Case("an update of the ordering", update(b'{"retainOrdering": true}'), 400, "retainOrdering", "true",
         "create it anew"),
    Case("an update to no instances", update(b'{"parallelism": -3}'), 400, "parallelism", "-3", "use 1 or more"),
    Case("a start of what runs", request("POST", f"{THERE}/start"), 400, "function there", "runs already", "stop it"),
    Case("an instance that is a word", request("GET", f"{THERE}/zero/status"), 400, "instanceId", "zero", "use 0 to 0"),
    Case("a negative instance", request("GET", f"{THERE}/-1/stats"), 400, "instanceId", "-1", "use 0 to 0"),
    Case("an instance beyond all numbers", request("POST", f"{THERE}/99999999999999999999/stop"), 400, "instanceId",
         "99999999999999999999", "use 0 to 0"),
    Case("a restart of an instance that isn't there", request("POST", f"{THERE}/7/restart"), 400, "instanceId", "7",
         "use 0 to 0"),
]
CASES = CONFIGURATIONS + NAMES + PACKAGES + FORMS + HTTP + BROKER + CONNECTORS + LEGACY + WORKER + EXISTING
