"""What Pulsar itself says of its protocol, read from its packages: the Go client, and the jars and the Python
instance of the distribution."""

import ast
import json
import re
import struct
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

_GO_CLIENT = "github.com/apache/pulsar-client-go@v0.19.0"
_JAVA_PACKAGE = "org/apache/pulsar/common/api/proto/"


def compiled(folder: Path, *files: str) -> dict[str, FileDescriptorProto]:
    """The descriptors of .proto files, by their names without folders."""
    command = ["protoc", f"--proto_path={folder}", "--descriptor_set_out=/dev/stdout", *files]
    out = subprocess.run(command, check=True, capture_output=True).stdout
    return {Path(file.name).name: file for file in FileDescriptorSet.FromString(out).file}


def of_go_client(directory: Path) -> FileDescriptorProto:
    """PulsarApi.proto of the Go client. Its package is internal and cannot be imported, but the
    generated file has the descriptor's bytes as a literal; the module is only downloaded, so that any Go will do."""
    command = ["go", "mod", "download", "-json", _GO_CLIENT]
    answer = subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True).stdout
    source = Path(json.loads(answer)["Dir"]) / "pulsar/internal/pulsar_proto/PulsarApi.pb.go"
    literal = re.search(r"file_PulsarApi_proto_rawDesc = \[\]byte\{([^}]*)\}", source.read_text())
    assert literal, f"{source} has no descriptor in the form known here"
    return FileDescriptorProto.FromString(bytes.fromhex("".join(re.findall(r"0x([0-9a-f]{2})", literal[1]))))


def of_functions_jar(pulsar_home: Path, directory: Path) -> dict[str, FileDescriptorProto]:
    """The protos of functions and workers, which the distribution's jar has as source."""
    names = ["Function.proto", "InstanceCommunication.proto", "Request.proto"]
    with zipfile.ZipFile(_jar(pulsar_home, "pulsar-functions-proto")) as jar:
        for name in names:
            jar.extract(name, directory)
    return compiled(directory, *names)


def of_python_instance(pulsar_home: Path, name: str) -> FileDescriptorProto:
    """The descriptor in the generated code of the Python instance, which is newer than the jar's source."""
    source = (pulsar_home / "instances/python-instance" / name.replace(".proto", "_pb2.py")).read_text()
    literal = re.search(r"AddSerializedFile\((b'.*?')\)$", source, re.MULTILINE)
    assert literal, f"{name} of the Python instance has no descriptor in the form known here"
    return FileDescriptorProto.FromString(ast.literal_eval(literal[1]))


def numbers_of_common_jar(pulsar_home: Path) -> dict[str, int]:
    """The numbers of fields and enum values that the broker of the distribution itself goes by, by their
    names in lower case and without underscores: `messageiddata.ledgerid`, `basecommand.type.connect`. They are the
    constants of its Java classes, X_FIELD_NUMBER and X_VALUE."""
    numbers: dict[str, int] = {}
    with zipfile.ZipFile(_jar(pulsar_home, "pulsar-common")) as jar:
        for name in jar.namelist():
            if not name.startswith(_JAVA_PACKAGE) or not name.endswith(".class"):
                continue
            owner = name.removeprefix(_JAVA_PACKAGE).removesuffix(".class").replace("$", ".")
            for constant, value in _int_constants(jar.read(name)):
                if match := re.fullmatch(r"_?(\w+)_(?:FIELD_NUMBER|VALUE)", constant):
                    numbers[plain(f"{owner}.{match[1]}")] = value
    assert len(numbers) > 500, "the jar's classes are not in the form known here"
    return numbers


def plain(name: str) -> str:
    """A name without what Java's spelling changes."""
    return name.replace("_", "").lower()


def _jar(pulsar_home: Path, name: str) -> Path:
    (jar,) = (pulsar_home / "lib").glob(f"org.apache.pulsar-{name}-[0-9]*.jar")
    return jar


def _int_constants(code: bytes) -> Iterator[tuple[str, int]]:
    """The int fields of a Java class that have a constant value (JVM Specification, chapter 4)."""
    texts, ints, at = _constant_pool(code)
    (interfaces,) = struct.unpack_from(">H", code, at + 6)
    at += 8 + 2 * interfaces
    (fields,) = struct.unpack_from(">H", code, at)
    at += 2
    for _ in range(fields):
        _, name, _, attributes = struct.unpack_from(">4H", code, at)
        at += 8
        for _ in range(attributes):
            kind, size = struct.unpack_from(">HI", code, at)
            (value,) = struct.unpack_from(">H", code, at + 6) if size == 2 else (0,)
            if texts[kind] == "ConstantValue" and value in ints:
                yield texts[name], ints[value]
            at += 6 + size


def _constant_pool(code: bytes) -> tuple[dict[int, str], dict[int, int], int]:
    """The texts and ints of the pool by their index, and where the pool ends."""
    two, three, four, eight = (7, 8, 16, 19, 20), (15,), (3, 4, 9, 10, 11, 12, 17, 18), (5, 6)
    sizes = {tag: size for size, tags in ((2, two), (3, three), (4, four), (8, eight)) for tag in tags}
    texts: dict[int, str] = {}
    ints: dict[int, int] = {}
    (count,) = struct.unpack_from(">H", code, 8)
    at, index = 10, 1
    while index < count:
        tag = code[at]
        if tag == 1:
            (size,) = struct.unpack_from(">H", code, at + 1)
            texts[index] = code[at + 3 : at + 3 + size].decode("utf-8", "replace")
            at += 3 + size
        else:
            if tag == 3:
                (ints[index],) = struct.unpack_from(">i", code, at + 1)
            at += 1 + sizes[tag]
        index += 2 if tag in (5, 6) else 1
    return texts, ints, at
