"""What an operator types for functions, sources, sinks, workers and packages, and what comes back: every subcommand of
`pulsar-admin` of these groups (but for `localrun`, which asks no worker), run by `pulsar-shell`, which has the same
commands in one JVM."""

import os
import re
import subprocess
from collections.abc import Sequence
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
        Typed(line, _normal(answer, address, directory)) for line, answer in zip(lines, answers, strict=True)
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


def _normal(answer: str, address: Address, directory: Path) -> str:
    """Without what differs from run to run: ports, folders, times."""
    text = answer.replace(str(directory), "DIR").replace(str(address.web_port), "PORT")
    text = re.sub(r"c-standalone-fw-[a-z0-9.]+-PORT", "WORKER", text)
    text = re.sub(r'"workerHostname" : "[a-z0-9.]+"', '"workerHostname" : "HOST"', text)
    text = re.sub(r'("(?:createTime|modificationTime)"\s*:) *\d+', r"\1 TIME", text)
    return text
