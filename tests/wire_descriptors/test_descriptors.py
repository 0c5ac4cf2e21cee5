"""Our .proto files are written by hand from facts; here they are compared with those in Pulsar's
own packages: each message, field, number, type, label and default, in both directions."""

from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from harness.locations import pulsar_home
from theirs import (
    compiled,
    numbers_of_common_jar,
    of_functions_jar,
    of_go_client,
    of_python_instance,
    plain,
)

SOURCE = Path(__file__).resolve().parents[2] / "src"

# What 4.0 has and the Go client has not yet; the numbers of the distribution have them.
NOT_IN_GO_CLIENT = {
    "ProtocolVersion.v21",
    "Schema.Type.AutoConsume",
    "CommandConnect.proxy_version",
    "CommandPartitionedTopicMetadata.metadata_auto_creation_enabled",
    "FeatureFlags.supports_get_partitioned_metadata_without_auto_creation",
    "FeatureFlags.supports_repl_dedup_by_lid_and_eid",
}
# What Weft adds to Pulsar's.
OURS_ALONE = {
    "Function.proto": {"FunctionDetails.Runtime.NATIVE"},
    "InstanceCommunication.proto": {"FunctionStatus.weftContainment", "FunctionStatus.weftLimits"},
    "Request.proto": set[str](),
}
# The Python instance of 4.0.8 has these, its Java worker has not.
NOT_IN_JAVA_WORKER = {
    "BatchingSpec",
    "ConsumerSpec.messagePayloadProcessorSpec",
    "MessagePayloadProcessorSpec",
    "ProducerSpec.batchingSpec",
}
# In the same Java package, but what brokers tell each other of replicated subscriptions.
BETWEEN_BROKERS = {"clustermessageid", "markersmessageiddata", "markertype"}
REPLICATED_SUBSCRIPTIONS = "replicatedsubscriptions"

Facts = dict[str, tuple[Any, ...]]


def facts_of(file: FileDescriptorProto) -> Facts:
    """Everything of a file that changes what stands on the wire, by full name."""
    facts: Facts = {}
    for enum in file.enum_type:
        _add_enum(facts, enum, "")
    for message in file.message_type:
        _add_message(facts, message, "")
    for service in file.service:
        for method in service.method:
            facts[f"{service.name}.{method.name}"] = (method.input_type, method.output_type)
    return facts


def _add_enum(facts: Facts, enum: EnumDescriptorProto, prefix: str) -> None:
    for value in enum.value:
        facts[f"{prefix}{enum.name}.{value.name}"] = (value.number,)


def _add_message(facts: Facts, message: DescriptorProto, prefix: str) -> None:
    name = f"{prefix}{message.name}"
    facts[name] = ("map entry" if message.options.map_entry else "message",)
    for enum in message.enum_type:
        _add_enum(facts, enum, f"{name}.")
    for nested in message.nested_type:
        _add_message(facts, nested, f"{name}.")
    for field in message.field:
        facts[f"{name}.{field.name}"] = _field_facts(field)


def _field_facts(field: FieldDescriptorProto) -> tuple[Any, ...]:
    return (
        field.number,
        FieldDescriptorProto.Type.Name(field.type),
        FieldDescriptorProto.Label.Name(field.label),
        field.type_name,
        field.default_value,
        field.options.packed if field.options.HasField("packed") else None,
        field.HasField("oneof_index"),
    )


def expect_same(ours: Facts, theirs: Facts, ours_alone: set[str]) -> None:
    assert {name for name in theirs if name not in ours} == set(), "missing in ours"
    assert {name for name in ours if name not in theirs} == ours_alone, "unknown to Pulsar"
    different = {name: (ours[name], theirs[name]) for name in theirs if ours[name] != theirs[name]}
    assert different == {}, "differ (ours, theirs)"


def ours_of(name: str) -> FileDescriptorProto:
    return compiled(SOURCE, f"wire/proto/{name}")[name]


def test_binary_protocol_equals_that_of_the_go_client(tmp_path: Path) -> None:
    expect_same(facts_of(ours_of("PulsarApi.proto")), facts_of(of_go_client(tmp_path)), NOT_IN_GO_CLIENT)


def test_binary_protocol_has_the_numbers_of_the_distribution() -> None:
    ours = {
        plain(name): fact[0]
        for name, fact in facts_of(ours_of("PulsarApi.proto")).items()
        if isinstance(fact[0], int)
    }
    theirs = {
        name: number
        for name, number in numbers_of_common_jar(pulsar_home()).items()
        if name.split(".")[0] not in BETWEEN_BROKERS and not name.startswith(REPLICATED_SUBSCRIPTIONS)
    }
    assert ours == theirs


@pytest.mark.parametrize("name", ["Function.proto", "InstanceCommunication.proto"])
def test_messages_of_functions_equal_those_of_the_python_instance(name: str) -> None:
    theirs = facts_of(of_python_instance(pulsar_home(), name))
    expect_same(facts_of(ours_of(name)), theirs, OURS_ALONE[name])


@pytest.mark.parametrize("name", ["Function.proto", "InstanceCommunication.proto", "Request.proto"])
def test_messages_of_functions_equal_those_of_the_java_worker(name: str, tmp_path: Path) -> None:
    ours, theirs = ours_of(name), of_functions_jar(pulsar_home(), tmp_path)[name]
    assert (ours.package, ours.syntax) == (theirs.package, theirs.syntax)
    known = {
        fact: value
        for fact, value in facts_of(ours).items()
        if fact not in NOT_IN_JAVA_WORKER and fact.split(".")[0] not in NOT_IN_JAVA_WORKER
    }
    expect_same(known, facts_of(theirs), OURS_ALONE[name])
