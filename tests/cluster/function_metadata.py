"""FunctionMetaData and ServiceRequest, as workers send them to each other and write them to the metadata topic."""

import hashlib
import subprocess
from functools import cache
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message_factory import GetMessages

from harness.locations import SOURCE_ROOT

STOPPED, PYTHON, FUNCTION = 1, 1, 1


@cache
def _messages() -> dict[str, Any]:
    command = ["protoc", f"--proto_path={SOURCE_ROOT / 'src'}", "--descriptor_set_out=/dev/stdout", "--include_imports"]
    command += ["wire/proto/Function.proto", "wire/proto/Request.proto"]
    out = subprocess.run(command, check=True, capture_output=True).stdout
    return dict(GetMessages(list(FileDescriptorSet.FromString(out).file)))


def assignment_of(data: bytes) -> Any:
    """A message of the assignments topic."""
    return _messages()["proto.Assignment"].FromString(data)


def request_of(data: bytes) -> Any:
    """A message of the metadata topic."""
    return _messages()["proto.ServiceRequest"].FromString(data)


def package_path(program: bytes) -> str:
    """Where the worker keeps a program that was uploaded to it."""
    return "weft-package://" + hashlib.sha256(program).hexdigest()


def stopped_function(name: str, package: str, version: int = 0, instances: int = 1) -> Any:
    """A function none of whose instances is to run."""
    meta = _messages()["proto.FunctionMetaData"]()
    details = meta.functionDetails
    details.tenant, details.namespace, details.name = "public", "default", name
    details.className, details.runtime, details.componentType = "exclaim.exclaim", PYTHON, FUNCTION
    details.parallelism = instances
    details.source.inputSpecs[f"persistent://public/default/{name}-in"].isRegexPattern = False
    details.sink.topic = f"persistent://public/default/{name}-out"
    meta.packageLocation.packagePath = package
    meta.packageLocation.originalFileName = "exclaim.py"
    meta.version = version
    meta.createTime = 1_700_000_000_000
    for instance in range(instances):
        meta.instanceStates[instance] = STOPPED
    return meta


def update_request(meta: Any, request_id: str) -> bytes:
    """The message by which a leader writes a version to the metadata topic."""
    request = _messages()["proto.ServiceRequest"]()
    request.serviceRequestType = 0
    request.requestId = request_id
    request.functionMetaData.CopyFrom(meta)
    request.workerId = "test"
    return bytes(request.SerializeToString())
