"""The command line's admin groups, and what the program does when it is called as one of Pulsar's tools."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import locations
from harness.java_tools import JavaTools
from harness.weft_standalone import WeftStandalone


@dataclass(frozen=True)
class Said:
    status: int
    out: str
    err: str


class CommandLine:
    def __init__(self, weft: WeftStandalone, directory: Path) -> None:
        self._weft = weft
        self._directory = directory
        for name in ("pulsar-admin", "pulsar-client", "pulsar"):
            (directory / name).symlink_to(locations.weft_binary())

    def run(self, program: str, *words: str) -> Said:
        done = subprocess.run([program, *words], capture_output=True, text=True, timeout=60)
        return Said(done.returncode, done.stdout, done.stderr)

    def weft(self, *words: str) -> Said:
        return self.run(str(locations.weft_binary()), "--admin-url", self._weft.address.admin_url,
                        "--service-url", self._weft.address.service_url, *words)

    def ok(self, *words: str) -> str:
        said = self.weft(*words)
        assert (said.status, said.err) == (0, ""), f"{words}: {said}"
        return said.out

    def refused(self, *words: str) -> str:
        said = self.weft(*words)
        assert (said.status, said.out) == (1, ""), f"{words}: {said}"
        return said.err

    def as_tool(self, name: str, *words: str) -> Said:
        return self.run(str(self._directory / name), *words)


@pytest.fixture(scope="module")
def weft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WeftStandalone]:
    with WeftStandalone(tmp_path_factory.mktemp("weft"), options=["--no-functions-worker"]) as standalone:
        yield standalone


@pytest.fixture(scope="module")
def line(weft: WeftStandalone, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    return CommandLine(weft, tmp_path_factory.mktemp("tools"))


def test_tenants_and_namespaces(line: CommandLine) -> None:
    assert line.ok("clusters", "list") == "standalone\n"
    assert line.ok("clusters", "list", "-c") == "standalone(*)\n"
    assert '"serviceUrl" : "http://' in line.ok("clusters", "get", "standalone")
    assert line.ok("tenants", "create", "t1", "-r", "a,b") == ""
    assert "Reason: Tenant already exist\n" in line.refused("tenants", "create", "t1")
    assert line.ok("tenants", "update", "t1", "-r", "c") == ""
    assert json.loads(line.ok("tenants", "get", "t1")) == {"adminRoles": ["c"], "allowedClusters": ["standalone"]}
    assert "t1" in line.ok("tenants", "list").splitlines()
    assert line.ok("namespaces", "create", "t1/ns") == ""
    assert line.ok("namespaces", "list", "t1") == "t1/ns\n"
    assert line.ok("namespaces", "get-retention", "t1/ns") == "null\n"
    line.ok("namespaces", "set-retention", "t1/ns", "--size", "10G", "--time", "3d")
    retention = {"retentionTimeInMinutes": 4320, "retentionSizeInMB": 10240}
    assert json.loads(line.ok("namespaces", "get-retention", "t1/ns")) == retention
    assert "Setting a single time or size limit to 0 is invalid" in line.refused(
        "namespaces", "set-retention", "t1/ns", "-s", "100M", "-t", "0")
    line.ok("namespaces", "remove-retention", "t1/ns")
    assert line.ok("namespaces", "get-clusters", "t1/ns") == "standalone\n"
    assert '"numBundles" : 1' in line.ok("namespaces", "bundles", "t1/ns")
    assert "expected <tenant>/<namespace> but got: bad" in line.refused("namespaces", "create", "bad")
    assert "Broker doesn't allow forced deletion of tenants" in line.refused("tenants", "delete", "t1", "-f")
    line.ok("namespaces", "delete", "t1/ns")
    line.ok("tenants", "delete", "t1")
    assert "nothing expires" in line.refused("namespaces", "set-message-ttl", "t1/ns")


def test_permissions(line: CommandLine) -> None:
    """Words and texts of pulsar-admin 4.0.8; there the order within [a, b] is that of a hash table."""
    line.ok("namespaces", "create", "public/granted")
    line.ok("topics", "create", "public/granted/a")
    ns, topic = ("namespaces", "public/granted"), ("topics", "public/granted/a")

    def of(group: str, name: str) -> str:
        return line.ok(group, "permissions", name)

    assert of(*ns) == "" and of(*topic) == ""
    line.ok("namespaces", "grant-permission", "public/granted", "--role", "ann", "--actions", "produce,consume")
    line.ok("namespaces", "grant-permission", "public/granted", "--role", "ben/ja", "--actions", "functions")
    line.ok("topics", "grant-permission", "public/granted/a", "--role", "ann", "--actions", "sinks")
    assert of(*ns) == "ann    [produce, consume]\nben/ja    [functions]\n"
    assert of(*topic) == "ann    [produce, consume, sinks]\nben/ja    [functions]\n"
    assert json.loads(line.ok("namespaces", "permissions", "public/granted", "--output", "json")) == {
        "ann": ["produce", "consume"], "ben/ja": ["functions"]}
    line.ok("topics", "revoke-permission", "public/granted/a", "--role", "ann")
    assert "Permissions are not set at the topic level" in line.refused(
        "topics", "revoke-permission", "public/granted/a", "--role", "ann")
    line.ok("namespaces", "revoke-permission", "public/granted", "--role", "ann")
    assert of(*topic) == "ben/ja    [functions]\n"
    wrong = ("namespaces", "grant-permission", "public/granted", "--role", "x", "--actions", "produce,eat")
    assert "Illegal auth action 'eat'. Possible values: [produce, consume, functions, sources, sinks, packages]" in line.refused(*wrong)
    assert "--role" in line.refused("namespaces", "grant-permission", "public/granted", "--actions", "produce")
    line.ok("namespaces", "grant-subscription-permission", "public/granted", "-s", "mine", "-rs", "ann,eve")
    assert line.ok("namespaces", "subscription-permission", "public/granted") == "mine    [ann, eve]\n"
    line.ok("namespaces", "revoke-subscription-permission", "public/granted", "-s", "mine", "-r", "ann")
    assert line.ok("namespaces", "subscription-permission", "public/granted") == "mine    [eve]\n"


def test_topics_and_their_properties(line: CommandLine) -> None:
    line.ok("namespaces", "create", "public/props")
    line.ok("topics", "create", "public/props/a", "-m", "k=v", "-m", "l=w")
    assert "This topic already exists" in line.refused("topics", "create", "public/props/a")
    assert line.ok("topics", "get-properties", "public/props/a") == "k    v\nl    w\n"
    line.ok("topics", "update-properties", "public/props/a", "-p", "x=y")
    line.ok("topics", "remove-properties", "public/props/a", "-k", "k")
    assert line.ok("topics", "get-properties", "public/props/a") == "l    w\nx    y\n"
    assert line.ok("topics", "list", "public/props") == "persistent://public/props/a\n"
    assert line.ok("topics", "bundle-range", "public/props/a") == "0x00000000_0xffffffff\n"
    assert line.ok("topics", "lookup", "public/props/a").startswith("pulsar://127.0.0.1:")
    line.ok("topics", "unload", "public/props/a")
    line.ok("topics", "delete", "public/props/a")
    assert "Topic persistent://public/props/a not found" in line.refused("topics", "stats", "public/props/a")


def test_compaction(line: CommandLine) -> None:
    topic = "persistent://public/default/compacted"
    line.ok("produce", "compacted", "-m", "one,two", "-k", "key")
    assert line.ok("topics", "compaction-status", "compacted") == (
        f"Compaction has not been run for {topic} since broker startup\n")
    assert line.ok("topics", "compact", "compacted") == f"Topic compaction requested for {topic}\n"
    assert line.ok("topics", "compaction-status", "compacted", "-w") == "Compaction was a success\n"
    assert json.loads(line.ok("topics", "stats-internal", "compacted"))["compactedLedger"]["entries"] == 1
    assert "not found" in line.refused("topics", "compact", "nowhere")
    assert line.ok("namespaces", "get-compaction-threshold", "public/default") == "null\n"
    line.ok("namespaces", "set-compaction-threshold", "public/default", "--threshold", "10M")
    assert line.ok("namespaces", "get-compaction-threshold", "public/default") == "10485760\n"
    line.ok("namespaces", "remove-compaction-threshold", "public/default")
    assert line.ok("namespaces", "get-compaction-threshold", "public/default") == "null\n"


def test_partitioned_topics(line: CommandLine) -> None:
    line.ok("topics", "create-partitioned-topic", "p", "-p", "2")
    full = "persistent://public/default/p"
    assert line.ok("topics", "list-partitioned-topics", "public/default") == full + "\n"
    line.ok("topics", "update-partitioned-topic", "p", "-p", "3")
    assert json.loads(line.ok("topics", "get-partitioned-topic-metadata", "p"))["partitions"] == 3
    assert "can't be less than the current partitions 3" in line.refused(
        "topics", "update-partitioned-topic", "p", "-p", "2")
    line.ok("topics", "create-subscription", "p", "-s", "s", "-p", "a=b")
    assert line.ok("topics", "subscriptions", "p") == "s\n"
    assert line.ok("topics", "get-subscription-properties", "p", "-s", "s") == '{"a":"b"}\n'
    line.ok("topics", "reset-cursor", "p", "-s", "s", "-t", "1h")
    assert "not allowed for partitioned-topic" in line.refused("topics", "reset-cursor", "p", "-s", "s", "-m", "earliest")
    found = [f"{full}-partition-{i}" for i in range(3)]
    assert [row.split("    ")[0] for row in line.ok("topics", "partitioned-lookup", "p").splitlines()] == found
    assert json.loads(line.ok("topics", "partitioned-stats", "p"))["partitions"] == {}
    assert list(json.loads(line.ok("topics", "partitioned-stats", "p", "--per-partition"))["partitions"]) == found
    line.ok("topics", "create-missed-partitions", "p")
    line.ok("topics", "clear-backlog", "p", "-s", "s")
    line.ok("topics", "unsubscribe", "p", "-s", "s")
    assert line.ok("topics", "subscriptions", "p") == ""
    assert "is a partitioned topic" in line.refused("topics", "delete", "p")
    line.ok("topics", "delete-partitioned-topic", "p")


def backlog(line: CommandLine, topic: str) -> int:
    return int(json.loads(line.ok("topics", "stats", topic))["subscriptions"]["s"]["msgBacklog"])


def test_cursors_and_messages(line: CommandLine) -> None:
    line.ok("topics", "create-subscription", "m", "-s", "s", "-m", "earliest")
    line.ok("produce", "m", "-m", "one,two", "-db", "-p", "a=b")
    line.ok("produce", "m", "-m", "three", "-db")
    assert backlog(line, "m") == 3
    shown = line.ok("topics", "peek-messages", "m", "-s", "s", "-n", "9")
    assert shown.count("Message ID: ") == 3 and "|6f 6e 65" not in shown
    assert "Properties:\na    b\n" in shown
    assert "|00000000| 6f 6e 65                                        |one             |\n" in shown
    last = json.loads(line.ok("topics", "last-message-id", "m"))
    ledger = last["ledgerId"]
    assert last["entryId"] == 2
    assert "three" in line.ok("topics", "get-message-by-id", "m", "-l", str(ledger), "-e", "2")
    assert "Message not found" in line.refused("topics", "get-message-by-id", "m", "-l", str(ledger), "-e", "3")
    at = json.loads(line.ok("topics", "get-message-id", "m", "-d", "2020-01-01T00:00:00Z"))
    assert (at["ledgerId"], at["entryId"]) == (ledger, 0)
    line.ok("topics", "skip", "m", "-s", "s", "-n", "2")
    assert backlog(line, "m") == 1
    assert "three" in line.ok("topics", "peek-messages", "m", "-s", "s")
    for where, left in ((["-m", "earliest"], 3), (["-m", "latest"], 0), (["-t", "1h"], 3),
                        (["-m", f"{ledger}:1"], 2), (["-m", f"{ledger}:1", "-e"], 1)):
        line.ok("topics", "reset-cursor", "m", "-s", "s", *where)
        assert backlog(line, "m") == left, where
    assert "must be in format: ledgerId:entryId" in line.refused("topics", "reset-cursor", "m", "-s", "s", "-m", "bad")
    line.ok("topics", "clear-backlog", "m", "-s", "s")
    assert backlog(line, "m") == 0
    assert "Subscription nosuch not found" in line.refused("topics", "skip", "m", "-s", "nosuch", "-n", "1")


def test_schemas(line: CommandLine, tmp_path: Path) -> None:
    definition = {"type": "record", "name": "Cat", "fields": [{"name": "age", "type": ["null", "int"]}]}
    file = tmp_path / "schema.json"
    file.write_text(json.dumps({"type": "JSON", "schema": json.dumps(definition), "properties": {"k": "v"}}))
    assert "Schema not found" in line.refused("schemas", "get", "cats")
    line.ok("schemas", "upload", "cats", "-f", str(file))
    shown = json.loads(line.ok("schemas", "get", "cats"))
    assert shown["version"] == 0 and shown["schemaInfo"]["schema"] == definition
    assert json.loads(line.ok("schemas", "get", "cats", "-v", "0"))["name"] == "cats"
    assert "Schema not found" in line.refused("schemas", "get", "cats", "-v", "7")
    line.ok("schemas", "delete", "cats")
    assert "Schema not found" in line.refused("schemas", "get", "cats")
    assert "Schema file /no/such is not found." in line.refused("schemas", "upload", "cats", "-f", "/no/such")


def test_answers_in_the_form_asked_for(line: CommandLine) -> None:
    line.ok("topics", "create-subscription", "form", "-s", "s")
    assert json.loads(line.ok("tenants", "list", "--output", "json")) == ["public"]
    table = line.ok("topics", "stats", "form", "--output", "table").splitlines()
    assert "subscriptions.s.type" in [row.split()[0] for row in table]
    assert json.loads(line.ok("topics", "bundle-range", "form", "--output", "json")) == "0x00000000_0xffffffff"
    assert "expected one of [json, table]" in line.refused("tenants", "list", "--output", "xml")


def test_is_pulsars_tools_by_name(line: CommandLine, weft: WeftStandalone) -> None:
    admin, service = weft.address.admin_url, weft.address.service_url
    assert line.as_tool("pulsar-admin", "--admin-url", admin, "tenants", "list") == Said(0, "public\n", "")
    sources = line.as_tool("pulsar-admin", "sources", "list")
    assert sources.status == 1 and "pulsar-admin sources is not supported by Weft" in sources.err
    assert line.as_tool("pulsar-admin").status == 1
    assert line.as_tool("pulsar-admin", "topics", "nosuch").status == 1
    auth = line.as_tool("pulsar-admin", "--auth-plugin", "x", "tenants", "list")
    assert auth.status == 1 and "authentication plugin x is not served" in auth.err
    sent = line.as_tool("pulsar-client", "--url", service, "produce", "as-client", "-m", "x")
    assert (sent.status, sent.out) == (0, "1 messages successfully produced\n"), sent.err
    got = line.as_tool("pulsar-client", "--url", service, "consume", "as-client", "-s", "s", "-p", "Earliest")
    assert got.status == 0 and "content:x" in got.out
    assert line.as_tool("pulsar-client", "produce").status == 2
    assert line.as_tool("pulsar-client", "--url", "pulsar://127.0.0.1:1", "produce", "a/b/c/d/e", "-m", "x").status == 255
    assert "4.0.8" in line.as_tool("pulsar", "version").out
    bookie = line.as_tool("pulsar", "bookie")
    assert bookie.status == 1 and "pulsar bookie is not supported by Weft" in bookie.err
    assert "create-secret-key" in line.as_tool("pulsar", "tokens", "--help").out
    assert "Usage: pulsar standalone" in line.as_tool("pulsar", "standalone", "--help").out


# What an unchanged pulsar-admin prints. Each is a JVM: a few that show what differs most.
COMPARED = [
    "tenants get public",
    "namespaces policies public/compared",
    "namespaces get-retention public/compared",
    "topics list public/compared",
    "topics stats persistent://public/compared/quiet",  # no message, so no rate that changes
    "topics stats-internal persistent://public/compared/a",
    "topics get-properties persistent://public/compared/a",
    "topics get-subscription-properties persistent://public/compared/a -s s",
    "topics peek-messages persistent://public/compared/a -s s -n 2",
    "schemas get persistent://public/compared/a",
    "topics stats persistent://public/compared/nosuch",
]


def test_prints_what_pulsar_admin_prints(
    line: CommandLine, weft: WeftStandalone, tmp_path: Path
) -> None:
    line.ok("namespaces", "create", "public/compared")
    line.ok("namespaces", "set-retention", "public/compared", "-s", "10M", "-t", "1h")
    topic = "persistent://public/compared/a"
    line.ok("topics", "create", topic, "-m", "k=v")
    line.ok("topics", "create-subscription", topic, "-s", "s", "-m", "earliest", "-p", "a=b")
    line.ok("topics", "create-subscription", "public/compared/quiet", "-s", "s")
    line.ok("produce", topic, "-m", "one,two", "-p", "x=y", "-k", "key")
    file = tmp_path / "schema.json"
    file.write_text(json.dumps({"type": "AVRO", "schema": '{"type":"record","name":"C","fields":[]}', "properties": {}}))
    line.ok("schemas", "upload", topic, "-f", str(file))
    tools = JavaTools(weft.address, tmp_path)
    for command in COMPARED:
        theirs = tools.admin(*command.split())
        ours = line.weft(*command.split())
        assert ours.status == theirs.status, command
        said, wanted = (ours.out + ours.err).rstrip("\n"), theirs.output.rstrip("\n")
        if command.startswith("topics list"):  # pulsar-admin keeps them in a hash set
            said, wanted = "\n".join(sorted(said.splitlines())), "\n".join(sorted(wanted.splitlines()))
        assert said == wanted, command
