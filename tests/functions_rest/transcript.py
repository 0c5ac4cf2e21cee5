"""What an operator types for functions, sources, sinks, workers and packages, and what comes back: every subcommand of
`pulsar-admin` of these groups (but for `localrun`, which asks no worker), run by `pulsar-shell`, which has the same
commands in one JVM. And how the answers of Pulsar's worker and of Weft's are compared."""

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import locations
from harness.broker import Address

PROGRAM = "def process(input):\n    return input + '!'\n"

COMMANDS = """\
packages upload function://public/default/pack@1 --description one --path {py}
packages get-metadata function://public/default/pack@1
packages update-metadata function://public/default/pack@1 --description two
packages list --type function public/default
packages list-versions function://public/default/pack
packages download function://public/default/pack@1 --path {out}
packages get-metadata function://public/default/none@1
packages delete function://public/default/pack@1
functions create --name t --py {py} --classname exclaim.process --inputs t-in --output t-out
functions create --name t --py {py} --classname exclaim.process --inputs t-in --output t-out
functions create --name u --jar builtin://none --classname x.Y --inputs t-in
functions create --name u --py http://127.0.0.1:1/u.py --classname exclaim.process --inputs t-in
functions create --name u --py {py} --classname exclaim.process
functions get --name t
functions get --name none
functions list
functions list --namespace none
functions status --name none
functions stats --name none
functions trigger --name none --trigger-value x
functions querystate --name t --key k
functions putstate --name t --state {{"key":"k","stringValue":"v"}}
functions update --name t --user-config {{"a":"b"}}
functions update --name t --parallelism 0
functions update --name none --parallelism 2
functions restart --name none
functions stop --name t
functions stop --name t
functions start --name t
functions start --name t --instance-id 7
functions restart --name t --instance-id 7
functions upload --source-file {py} --path function://public/default/up@1
functions download --path function://public/default/up@1 --destination-file {out}
functions available-functions
functions reload
functions delete --name t
functions delete --name t
sources available-sources
sources reload
sources list
sources create --name s --archive builtin://none --destination-topic-name t-out
sources create --name s --archive {py} --classname x.Y --destination-topic-name t-out
sources get --name s
sources status --name s
sources update --name s --parallelism 2
sources stop --name s
sources start --name s
sources restart --name s
sources delete --name s
sinks available-sinks
sinks reload
sinks list
sinks create --name s --archive builtin://none --inputs t-in
sinks create --name s --archive {py} --classname x.Y --inputs t-in
sinks get --name s
sinks status --name s
sinks update --name s --parallelism 2
sinks stop --name s
sinks start --name s
sinks restart --name s
sinks delete --name s
functions-worker get-cluster
functions-worker get-cluster-leader
functions-worker get-function-assignments
functions-worker rebalance
functions-worker function-stats
functions-worker monitoring-metrics
"""

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_STEP = re.compile(r"^\[(\d+)/\d+\] (Executing|✖|✔)")
_NOISE = re.compile(r"^(\d{4}-\d\d-\d\dT|SLF4J|WARNING:|[A-Z][a-z]{2} \d+, \d{4} )|org\.jline")


@dataclass(frozen=True)
class Typed:
    command: str
    answer: str


# A command's beginning, and why its answers differ.
Reasons = Mapping[str, str]


def equal(java: str, weft: str) -> bool:
    """What Weft adds in brackets behind a text of Pulsar's (the field, its value, the cure) is no difference."""
    if java == weft:
        return True
    if java[:1] in "{[" and java[:1]:
        try:
            return bool(json.loads(java) == json.loads(weft))
        except ValueError:
            return False
    lines = list(zip(java.splitlines(), weft.splitlines(), strict=False))
    same_count = len(java.splitlines()) == len(weft.splitlines())
    return same_count and all(w.startswith(j) and re.fullmatch(r"( \(.*\))?", w[len(j) :]) for j, w in lines)


def reason_for(command: str, different: Reasons) -> str | None:
    return next((reason for start, reason in different.items() if command.startswith(start)), None)


def check(java: Sequence[Typed], weft: Sequence[Typed], different: Reasons) -> None:
    unlike = [
        (j.command, j.answer, w.answer)
        for j, w in zip(java, weft, strict=True)
        if not equal(j.answer, w.answer) and reason_for(j.command, different) is None
    ]
    assert not unlike, "\n\n".join(f"{c}\n  java: {j}\n  weft: {w}" for c, j, w in unlike)


def rows_of(java: Sequence[Typed], weft: Sequence[Typed], different: Reasons) -> list[dict[str, str]]:
    """For the evidence: both answers where they are not the same bytes, and why where they are not equal."""
    return [
        {"command": j.command, "java": j.answer}
        | ({} if j.answer == w.answer else {"weft": w.answer})
        | ({} if equal(j.answer, w.answer) else {"because": reason_for(j.command, different) or ""})
        for j, w in zip(java, weft, strict=True)
    ]


def check_reasons(rows: Sequence[dict[str, str]], different: Reasons) -> None:
    stale = [start for start in different if not any(r["command"].startswith(start) and "because" in r for r in rows)]
    assert not stale, f"these do not differ: {stale}"


def commands(count: int | None = None) -> list[str]:
    return COMMANDS.splitlines()[:count]


def type_in(address: Address, directory: Path, lines: Sequence[str], timeout_seconds: float) -> list[Typed]:
    directory.mkdir(parents=True)
    program = directory / "exclaim.py"
    program.write_text(PROGRAM)
    typed = [line.format(py=program, out=directory / "out") for line in lines]
    (directory / "client.conf").write_text(
        f"webServiceUrl={address.admin_url}\nbrokerServiceUrl={address.service_url}\n"
    )
    (directory / "commands").write_text("".join(f"admin {_quoted(line)}\n" for line in typed))
    env = {key: value for key, value in os.environ.items() if not key.startswith("PULSAR_")} | {
        "PULSAR_MEM": "-Xmx192m -XX:MaxDirectMemorySize=192m",
        "PULSAR_GC": "-XX:+UseSerialGC",
        "PULSAR_EXTRA_OPTS": f"-XX:TieredStopAtLevel=1 -Duser.home={directory}",
        "PULSAR_LOG_DIR": str(directory),
    }
    done = subprocess.run(
        [
            locations.pulsar_home() / "bin" / "pulsar-shell",
            *("-c", directory / "client.conf", "-f", directory / "commands"),
        ],
        env=env,
        timeout=timeout_seconds,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    answers = _answers_in(done.stdout, len(lines))
    return [
        Typed(line, normal(answer, address, directory)) for line, answer in zip(lines, answers, strict=True)
    ]


def _quoted(line: str) -> str:
    return " ".join(f"'{word}'" if '"' in word else word for word in line.split(" "))


def _answers_in(output: str, count: int) -> list[str]:
    answers: list[list[str]] = [[] for _ in range(count)]
    at = None
    for line in _ANSI.sub("", output).splitlines():
        step = _STEP.match(line)
        if step:
            if step[2] == "Executing":
                at = int(step[1]) - 1
        elif line.startswith("Goodbye!"):
            at = None
        elif at is not None and line.strip() and not _NOISE.search(line):
            answers[at].append(line.rstrip())
    if at is None and not any(answers):
        raise AssertionError(f"pulsar-shell answered nothing:\n{output[-3000:]}")
    return ["\n".join(lines) for lines in answers]


def normal(answer: str, address: Address, directory: Path) -> str:
    """Without what differs from run to run: ports, folders, times."""
    text = answer.replace(str(directory), "DIR").replace(str(address.web_port), "PORT")
    text = re.sub(r"c-standalone-fw-[a-z0-9.]+-PORT", "WORKER", text)
    text = re.sub(r'("workerHostname"\s*:\s*)"[a-z0-9.]+"', r'\1"HOST"', text)
    text = re.sub(r'("(?:createTime|modificationTime)"\s*:) *\d+', r"\1 TIME", text)
    return text
