"""Every method for functions, sources, sinks, workers and packages of Pulsar's Java admin client and of Go's
`pulsaradmin`, called by a small program in its language that takes calls and prints answers."""

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transcript import PROGRAM, Typed, normal

from harness import locations
from harness.built import built, go_program, run
from harness.broker import Address

HERE = Path(__file__).resolve().parent / "admin_clients"
Call = list[Any]

FUNCTION = {
    "tenant": "public", "namespace": "default", "name": "t", "runtime": "PYTHON", "py": "{py}",
    "className": "exclaim.process", "inputs": ["t-in"], "output": "t-out", "autoAck": True,
    "cleanupSubscription": True,
}  # fmt: skip
SOURCE = {"tenant": "public", "namespace": "default", "name": "s", "className": "x.Y", "topicName": "t-out", "parallelism": 1}
SINK = {"tenant": "public", "namespace": "default", "name": "s", "className": "x.Y", "inputs": ["t-in"], "autoAck": True,
        "cleanupSubscription": True, "parallelism": 1}  # fmt: skip
T, NONE, S = ["public", "default", "t"], ["public", "default", "none"], ["public", "default", "s"]
PACKAGE, UPLOAD = "function://public/default/pack@1", "function://public/default/up@1"
NO_URL = "http://127.0.0.1:1/u.py"
STATE = {"key": "k", "stringValue": "v"}


def without(config: dict[str, Any], member: str) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key != member}


def _java_connectors(face: str, name: str, config: dict[str, Any], topic: str) -> list[Call]:
    """`face`: sources or sinks; `name`: as its methods say it."""
    built_in = config | {"archive": "builtin://none"}
    calls: list[Call] = [
        [f"list{name}s", "public", "default"], [f"getBuiltIn{name}s"], [f"reloadBuiltIn{name}s"],
        [f"create{name}", built_in, "builtin://none"], [f"create{name}", config, "{py}"],
        [f"create{name}", config | {topic: None}, "{py}"],
        [f"create{name}WithUrl", config, NO_URL], [f"create{name}WithUrl", config, "nowhere"],
        [f"get{name}", *S], [f"get{name}Status", *S], [f"get{name}Status", *S, 0],
        [f"update{name}", config | {"parallelism": 2}, None], [f"update{name}", config | {"parallelism": 2}, None, {}],
        [f"update{name}WithUrl", config, NO_URL], [f"update{name}WithUrl", config, NO_URL, {"updateAuthData": True}],
    ]  # fmt: skip
    for verb in ("stop", "start", "restart"):
        calls += [[f"{verb}{name}", *S], [f"{verb}{name}", *S, 0]]
    calls.append([f"delete{name}", *S])
    return [[face, *call] for call in calls]


def java_calls() -> list[Call]:
    functions: list[Call] = [
        ["createFunction", FUNCTION, "{py}"], ["createFunction", FUNCTION, "{py}"],
        ["createFunction", FUNCTION | {"name": None}, "{py}"], ["createFunction", FUNCTION | {"name": "u", "inputs": None}, "{py}"],
        ["createFunction", FUNCTION | {"parallelism": -1, "name": "u"}, "{py}"],
        ["createFunction", FUNCTION | {"tenant": "nobody"}, "{py}"],
        ["createFunctionWithUrl", FUNCTION | {"name": "u"}, NO_URL],
        ["createFunctionWithUrl", FUNCTION | {"name": "u"}, "nowhere"],
        ["getFunctions", "public", "default"], ["getFunctions", "public", "nothing"],
        ["getFunction", *T], ["getFunction", *NONE],
        ["getFunctionStatus", *NONE], ["getFunctionStatus", *NONE, 0], ["getFunctionStatus", *T, 7],
        ["getFunctionStats", *NONE], ["getFunctionStats", *NONE, 0], ["getFunctionStats", *T, 7],
        ["updateFunction", FUNCTION | {"userConfig": {"a": "b"}}, None],
        ["updateFunction", FUNCTION | {"userConfig": {"a": "b"}}, None],
        ["updateFunction", FUNCTION | {"userConfig": {"a": "c"}}, "{py}", {"updateAuthData": True}],
        ["updateFunction", FUNCTION | {"name": "none"}, None],
        ["updateFunctionWithUrl", FUNCTION | {"name": "none"}, NO_URL],
        ["updateFunctionWithUrl", FUNCTION, NO_URL], ["updateFunctionWithUrl", FUNCTION, NO_URL, {"updateAuthData": True}],
        ["getFunction", *T],
        ["stopFunction", *T, 0], ["stopFunction", *T], ["stopFunction", *NONE], ["stopFunction", *NONE, 0],
        ["startFunction", *T], ["startFunction", *T, 0], ["startFunction", *NONE], ["startFunction", *NONE, 0],
        ["restartFunction", *NONE], ["restartFunction", *NONE, 0], ["restartFunction", *T, 7],
        ["triggerFunction", *NONE, None, "x", None], ["triggerFunction", *T, "nowhere", "x", None],
        ["uploadFunction", "{py}", UPLOAD], ["downloadFunction", "{out}", UPLOAD],
        ["downloadFunction", "{out}", "function://public/default/none@1"],
        ["downloadFunction", "{out}", *T], ["downloadFunction", "{out}", *NONE], ["downloadFunction", "{out}", *T, False],
        ["getConnectorsList"], ["getSources"], ["getSinks"], ["getBuiltInFunctions"], ["reloadBuiltInFunctions"],
        ["getFunctionState", *T, "k"], ["putFunctionState", *T, STATE],
        ["deleteFunction", *T], ["deleteFunction", *T],
    ]  # fmt: skip
    packages: list[Call] = [
        ["upload", {"description": "one", "contact": "me", "properties": {"a": "b"}}, PACKAGE, "{py}"],
        ["getMetadata", PACKAGE], ["updateMetadata", PACKAGE, {"description": "two"}], ["getMetadata", PACKAGE],
        ["listPackages", "function", "public/default"], ["listPackageVersions", PACKAGE],
        ["download", PACKAGE, "{out}"], ["delete", PACKAGE], ["getMetadata", PACKAGE],
    ]  # fmt: skip
    worker = [["getCluster"], ["getClusterLeader"], ["getAssignments"], ["rebalance"], ["getFunctionsStats"], ["getMetrics"]]
    return (
        [["packages", *call] for call in packages]
        + [["functions", *call] for call in functions]
        + _java_connectors("sources", "Source", SOURCE, "topicName")
        + _java_connectors("sinks", "Sink", SINK, "inputs")
        + [["worker", *call] for call in worker]
        + [["packages", "delete", UPLOAD]]
    )


def _go_connectors(name: str, config: dict[str, Any], topic: str) -> list[Call]:
    built_in = config | {"archive": "builtin://none"}
    calls: list[Call] = [
        [f"List{name}s", "public", "default"], [f"GetBuiltIn{name}s"], [f"ReloadBuiltIn{name}s"],
        [f"Create{name}", built_in, "builtin://none"], [f"Create{name}", config, "{py}"],
        [f"Create{name}", without(config, topic), "{py}"],
        [f"Create{name}WithURL", config, NO_URL], [f"Create{name}WithURL", config, "nowhere"],
        [f"Get{name}", *S], [f"Get{name}Status", *S], [f"Get{name}StatusWithID", *S, 0],
        [f"Update{name}", config | {"parallelism": 2}, "", {}],
        [f"Update{name}WithURL", config, NO_URL, {"updateAuthData": True}],
    ]  # fmt: skip
    for verb in ("Stop", "Start", "Restart"):
        calls += [[f"{verb}{name}", *S], [f"{verb}{name}WithID", *S, 0]]
    calls.append([f"Delete{name}", *S])
    return [[f"{name}s", *call] for call in calls]


def go_calls() -> list[Call]:
    functions: list[Call] = [
        ["CreateFunc", FUNCTION, "{py}"], ["CreateFunc", FUNCTION, "{py}"],
        ["CreateFunc", FUNCTION | {"name": "u", "inputs": None}, "{py}"], ["CreateFunc", FUNCTION | {"tenant": "nobody"}, "{py}"],
        ["CreateFuncWithURL", FUNCTION | {"name": "u"}, NO_URL],
        ["CreateFuncWithURL", FUNCTION | {"name": "u"}, "nowhere"],
        ["GetFunctions", "public", "default"], ["GetFunctions", "public", "nothing"],
        ["GetFunction", *T], ["GetFunction", *NONE],
        ["GetFunctionStatus", *NONE], ["GetFunctionStatusWithInstanceID", *NONE, 0],
        ["GetFunctionStatusWithInstanceID", *T, 7],
        ["GetFunctionStats", *NONE], ["GetFunctionStatsWithInstanceID", *NONE, 0],
        ["GetFunctionStatsWithInstanceID", *T, 7],
        ["UpdateFunction", FUNCTION | {"userConfig": {"a": "b"}}, "", {}],
        ["UpdateFunction", FUNCTION | {"userConfig": {"a": "b"}}, "", {}],
        ["UpdateFunction", FUNCTION | {"userConfig": {"a": "c"}}, "{py}", {"updateAuthData": True}],
        ["UpdateFunction", FUNCTION | {"name": "none"}, "", {}],
        ["UpdateFunctionWithURL", FUNCTION | {"name": "none"}, NO_URL, {}],
        ["UpdateFunctionWithURL", FUNCTION, NO_URL, {"updateAuthData": True}],
        ["GetFunction", *T],
        ["StopFunctionWithID", *T, 0], ["StopFunction", *T], ["StopFunction", *NONE], ["StopFunctionWithID", *NONE, 0],
        ["StartFunction", *T], ["StartFunctionWithID", *T, 0], ["StartFunction", *NONE], ["StartFunctionWithID", *NONE, 0],
        ["RestartFunction", *NONE], ["RestartFunctionWithID", *NONE, 0], ["RestartFunctionWithID", *T, 7],
        ["TriggerFunction", *NONE, "", "x", ""], ["TriggerFunction", *T, "nowhere", "x", ""],
        ["Upload", "{py}", UPLOAD], ["DownloadFunction", UPLOAD, "{out}"],
        ["DownloadFunction", "function://public/default/none@1", "{out}"],
        ["DownloadFunctionByNs", "{out}", *T], ["DownloadFunctionByNs", "{out}", *NONE],
        ["GetFunctionState", *T, "k"], ["PutFunctionState", *T, STATE],
        ["DeleteFunction", *T], ["DeleteFunction", *T],
    ]  # fmt: skip
    packages: list[Call] = [
        ["Upload", PACKAGE, "{py}", "one", "me", {"a": "b"}], ["GetMetadata", PACKAGE],
        ["UpdateMetadata", PACKAGE, "two", "", {}], ["GetMetadata", PACKAGE],
        ["List", "function", "public/default"], ["ListVersions", PACKAGE],
        ["Download", PACKAGE, "{out}"], ["Delete", PACKAGE], ["GetMetadata", PACKAGE],
    ]  # fmt: skip
    worker = [["GetCluster"], ["GetClusterLeader"], ["GetAssignments"], ["GetFunctionsStats"], ["GetMetrics"]]
    return (
        [["Packages", *call] for call in packages]
        + [["Functions", *call] for call in functions]
        + _go_connectors("Source", SOURCE, "topicName")
        + _go_connectors("Sink", SINK, "inputs")
        + [["FunctionsWorker", *call] for call in worker]
        + [["Packages", "Delete", UPLOAD]]
    )


def _java_program() -> list[str | Path]:
    jars = f"{locations.pulsar_home() / 'lib'}/*"
    source = HERE / "AdminCalls.java"

    def compile_into(folder: Path) -> None:
        run(["javac", "-nowarn", "-Xlint:none", "-d", folder, "-cp", jars, source])

    classes = built("java-admin-calls", [source], compile_into)
    jvm = ["-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    return ["java", *jvm, "-cp", f"{classes}{os.pathsep}{jars}", "AdminCalls"]


def _go_program() -> list[str | Path]:
    return [go_program("go-admin-client", HERE)]


@dataclass(frozen=True)
class Client:
    program: Callable[[], list[str | Path]]
    calls: Callable[[], list[Call]]


CLIENTS = {"java": Client(_java_program, java_calls), "go": Client(_go_program, go_calls)}


def titles(name: str) -> list[str]:
    return [json.dumps(call) for call in CLIENTS[name].calls()]


def make_calls(name: str, address: Address, directory: Path, count: int | None = None) -> tuple[list[Typed], list[str]]:
    """The answers, and the methods that no call was for."""
    directory.mkdir(parents=True)
    program, out = directory / "exclaim.py", directory / "out"
    program.write_text(PROGRAM)
    asked = titles(name)[:count]
    lines = [line.replace("{py}", str(program)).replace("{out}", str(out)) for line in asked]
    done = subprocess.run(
        [*map(str, CLIENTS[name].program()), address.admin_url],
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines() if line[:1] in '"[']
    assert done.returncode == 0 and len(answers) == len(asked) + 1, (done.stdout + done.stderr)[-4000:]
    typed = [Typed(call, normal(answer, address, directory)) for call, answer in zip(asked, answers[:-1], strict=True)]
    return typed, _checked(answers[-1])


def _checked(uncalled: Sequence[str]) -> list[str]:
    assert isinstance(uncalled, list)
    return uncalled
