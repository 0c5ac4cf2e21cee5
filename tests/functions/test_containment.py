"""Hostile functions: what they are kept from, and that without containment they are not."""

import os
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulsar
import pulsar.schema
import pytest
from function_topics import Topics
from functions_rest import Functions

from harness.locations import pulsar_home, weft_binary
from harness.process_stats import command_line, descendants
from harness.weft_standalone import WeftStandalone

SAMPLES = Path(__file__).resolve().parent / "samples"
NATIVE = weft_binary().parents[1] / "lib" / "libweft_hostile_function.so"
HOSTILE = {"python": SAMPLES / "hostile.py", "native": NATIVE}
CLASSES = {"python": "hostile.Hostile", "native": "Hostile"}
FILE_BYTES_MAX = 1 << 30
TASKS_MAX = 1024
PATIENCE_MS = 30_000
JVM_FLAGS = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:MaxDirectMemorySize=64m"


@dataclass
class Called:
    """A function that answers one message at a time."""

    producer: pulsar.Producer
    results: pulsar.Consumer
    is_text: bool = False

    def send(self, what: str) -> None:
        self.producer.send(what if self.is_text else what.encode())

    def answer(self) -> str:
        answer = self.results.receive(PATIENCE_MS)
        self.results.acknowledge(answer)
        return bytes(answer.data()).decode()

    def __call__(self, what: str) -> str:
        self.send(what)
        return self.answer()


class Home:
    """A standalone at one level, with a hostile function of each language and a neighbour."""

    def __init__(self, weft: WeftStandalone, directory: Path) -> None:
        self.weft, self.topics, self.functions = weft, Topics(weft), Functions(weft.address)
        package = directory / "neighbour.py"  # not the same bytes: those would be the same file
        package.write_text(HOSTILE["python"].read_text() + "# The neighbour's.\n")
        self.secret = directory / "secrets" / "public" / "default" / "one"  # home_at has made it
        self.neighbour = self.start("neighbour", package, "neighbour.Hostile", secrets={"mine": "one"})
        self.hostile = {name: self.start(f"hostile-{name}", HOSTILE[name], CLASSES[name]) for name in HOSTILE}

    def start(self, name: str, package: Path, class_name: str, **config: Any) -> Called:
        results = self.topics.reader_of(f"{name}-out")
        text = pulsar.schema.StringSchema() if package.suffix == ".jar" else pulsar.schema.BytesSchema()
        producer = self.topics.client.create_producer(self.topics(f"{name}-in"), schema=text)
        topics = {"inputs": [self.topics(f"{name}-in")], "output": self.topics(f"{name}-out")}
        once = "ATMOST_ONCE"  # an attempt that ends it does not come again
        self.functions.create(name, package, className=class_name, processingGuarantees=once, **topics, **config)
        return Called(producer, results, package.suffix == ".jar")

    def pid(self, name: str) -> int:
        wanted = f"weft instance public/default/{name}:0"
        return next(pid for pid in descendants(self.weft.pid) if wanted in command_line(pid))

    def folder(self, name: str) -> Path:
        return self.weft.data_directory / "instances" / "public" / "default" / name / "0"


def home_at(level: str, directory: Path) -> Iterator[Home]:
    (directory / "secrets" / "public" / "default").mkdir(parents=True)
    (directory / "secrets" / "public" / "default" / "one").touch(0o600)
    (directory / "secrets" / "public" / "default" / "one").write_text("of the neighbour")
    conf = directory / "functions_worker.yml"
    conf.write_text(
        "secretsProviderConfiguratorClassName: weft.FileSecrets\n"
        f"secretsProviderConfiguratorConfig:\n  folder: {directory}/secrets\n"
    )
    python = os.environ.get("WEFT_TEST_PYTHON", sys.executable)
    options = ["--python", python, "--containment", level, "--pulsar-home", str(pulsar_home())]
    options += ["--functions-worker-conf", str(conf)]
    with WeftStandalone(directory, options=options) as weft:
        home = Home(weft, directory)
        yield home
        home.topics.client.close()
        weft.check_running()


@pytest.fixture(scope="module")
def contained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    yield from home_at("basic", tmp_path_factory.mktemp("basic"))


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    if os.geteuid() != 0:
        pytest.skip("only the superuser gives others a user")
    yield from home_at("strict", tmp_path_factory.mktemp("strict"))


@pytest.fixture(scope="module")
def open_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    yield from home_at("none", tmp_path_factory.mktemp("none"))


def attempts(home: Home) -> dict[str, tuple[set[str], bool]]:
    """What is tried, what a contained function may see of it, and whether it is harmless where it succeeds."""
    neighbour, store = home.folder("neighbour"), home.weft.data_directory
    log = next(path for path in (store / "store").rglob("*") if path.is_file())
    denied, unseen = {"EACCES"}, {"EACCES", "EPERM", "EROFS", "ENOENT"}
    hidden = {"EACCES", "ENOENT"}  # with a user of its own it sees nothing of private folders
    superuser = os.geteuid() == 0
    return {
        "read /etc/shadow": (denied, superuser),
        "by_link /etc/shadow": (denied, superuser),
        "by_child /etc/shadow": (denied, superuser),
        f"read {neighbour / 'neighbour.py'}": (hidden, True),
        f"by_link {neighbour / 'neighbour.py'}": (hidden, True),
        f"list {neighbour / 'scratch'}": (hidden, True),
        f"list {store}": (hidden, True),
        f"read {home.secret}": (hidden, True),
        f"by_child {home.secret}": (hidden, True),
        f"read {log}": (hidden, True),
        f"write {log}": (unseen, True),
        f"chmod {log}": (unseen, True),
        f"list {Path.home()}": (denied, True),
        "list /tmp": (denied, True),
        f"write {SAMPLES / 'hostile.py'}": (unseen, True),
        f"signal {home.pid('neighbour')}": ({"EPERM"}, True),
        f"signal {home.weft.pid}": ({"EPERM"}, True),
        f"trace {home.pid('neighbour')}": ({"EPERM"}, False),
        f"trace {home.weft.pid}": ({"EPERM"}, False),
        f"read /proc/{home.pid('neighbour')}/environ": (denied, superuser),
        f"read /proc/{home.weft.pid}/environ": (denied, superuser),
        f"read /proc/{home.pid('neighbour')}/mem": (denied, False),  # nothing is at its beginning
        f"read /proc/{home.pid('neighbour')}/maps": (denied, superuser),
        f"read /proc/{home.pid('neighbour')}/fd/3": (denied, False),
        f"take {home.pid('neighbour')}": ({"EPERM"}, superuser),
        "listen": (denied, True),
        "unix_socket": ({"EAFNOSUPPORT"}, True),
        f"large {FILE_BYTES_MAX}": ({"EFBIG"}, True),
    }


@pytest.mark.parametrize("language", HOSTILE)
def test_what_a_function_is_kept_from(contained: Home, open_home: Home, language: str) -> None:
    seen = {what: contained.hostile[language](what) for what in attempts(contained)}
    wrong = {what: seen[what] for what, (wanted, _) in attempts(contained).items() if seen[what] not in wanted}
    assert wrong == {}
    harmless = [what for what, (_, harmless) in attempts(open_home).items() if harmless]
    assert {what: open_home.hostile[language](what) for what in harmless} == dict.fromkeys(harmless, "ok")
    for home, level in ((contained, "basic"), (open_home, "none")):
        assert home.functions.status(f"hostile-{language}")["containment"].startswith(level)
        assert home.functions.status(f"hostile-{language}")["numRestarts"] == 0


def ids_of(pid: int) -> dict[str, list[int]]:
    """Uid, Gid and Groups: real, effective, saved, of files."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = {name: value for name, _, value in (line.partition(":") for line in lines)}
    return {name: [int(word) for word in found[name].split()] for name in ("Uid", "Gid", "Groups")}


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser gives others a user")
def test_each_instance_is_a_user_of_its_own(contained: Home, open_home: Home) -> None:
    names = ["neighbour", *(f"hostile-{language}" for language in HOSTILE)]
    users = set()
    for name in names:
        assert "a user of its own" not in contained.functions.status(name)["containment"]
        ids, scratch = ids_of(contained.pid(name)), contained.folder(name) / "scratch"
        assert ids["Uid"] == ids["Gid"] and len(set(ids["Uid"])) == 1 and ids["Groups"] == [], (name, ids)
        about = scratch.stat()
        assert (about.st_uid, about.st_gid, about.st_mode & 0o7777) == (ids["Uid"][0], ids["Uid"][0], 0o700)
        users.add(ids["Uid"][0])
        assert set(ids_of(open_home.pid(name))["Uid"]) == {0}
    assert len(users) == len(names) and 0 not in users
    # Without a filter and Landlock, too: a process of one user can't signal another's.
    stranger, mine = (ids_of(contained.pid(name))["Uid"][0] for name in names[:2])
    kills = f"import os, sys\nos.setresgid({stranger}, {stranger}, {stranger})\nos.setgroups([])\n"
    kills += f"os.setresuid(*[int(sys.argv[1])] * 3)\nos.kill({contained.pid('hostile-python')}, 0)"
    done = {who: subprocess.run([sys.executable, "-c", kills, str(who)], capture_output=True, text=True, timeout=30)
            for who in (stranger, mine)}  # fmt: skip
    assert "PermissionError" in done[stranger].stderr and done[mine].returncode == 0, done


@pytest.mark.parametrize("language", HOSTILE)
def test_what_strict_keeps_it_from_besides(contained: Home, strict: Home, language: str) -> None:
    """That files and processes are there at all: chmod and list of them look first."""
    def told(home: Home) -> dict[str, str]:
        neighbour = home.pid("neighbour")
        what = {"names": "chmod /etc/shadow", "folders": "list /etc", "processes": f"list /proc/{neighbour}",
                "command lines": f"read /proc/{neighbour}/cmdline"}  # fmt: skip
        return {each: home.hostile[language](tried) for each, tried in what.items()}

    assert told(strict) == {"names": "ENOENT", "folders": "EACCES", "processes": "ENOENT", "command lines": "ENOENT"}
    assert told(contained)["processes"] == told(contained)["command lines"] == "ok"
    assert strict.functions.status(f"hostile-{language}")["containment"] == "strict"
    seen = {what: strict.hostile[language](what) for what in attempts(strict)}
    wanted = {what: kept_from | {"ENOENT"} for what, (kept_from, _) in attempts(strict).items()}
    assert {what: got for what, got in seen.items() if got not in wanted[what]} == {}
    assert strict.functions.status(f"hostile-{language}")["numRestarts"] == 0


def test_strict_runs_nothing_where_it_does_not_hold(tmp_path: Path) -> None:
    options = ["--containment", "strict", "--instance-users", "none"]
    with WeftStandalone(tmp_path, options=options) as weft:
        functions, topics = Functions(weft.address), Topics(weft)
        functions.upload("refused", NATIVE, className="Hostile", inputs=[topics("in")], output=topics("out"))
        deadline = time.monotonic() + 30
        while "--containment strict" not in (why := functions.status("refused").get("error", "")):
            assert time.monotonic() < deadline, why
            time.sleep(0.05)  # between two looks
        assert "a user of its own (--instance-users none)" in why
        topics.client.close()


@pytest.mark.parametrize("level", ["contained", "strict"])
@pytest.mark.parametrize("language", HOSTILE)
def test_what_a_function_still_may(request: pytest.FixtureRequest, level: str, language: str) -> None:
    contained: Home = request.getfixturevalue(level)
    hostile, scratch = contained.hostile[language], contained.folder(f"hostile-{language}") / "scratch"
    may = [f"write {scratch / 'mine'}", f"read {scratch / 'mine'}", "read /etc/hosts", "list /usr/lib", "write /dev/null"]
    may += [f"connect {contained.weft.address.broker_port}", f"large {FILE_BYTES_MAX - 1}"]
    assert {what: hostile(what) for what in may} == dict.fromkeys(may, "ok")
    assert (scratch / "mine").exists()


def lives(pid: int) -> bool:
    try:
        return command_line(pid) != ""  # empty: it has ended, and its parent has not asked yet
    except (FileNotFoundError, ProcessLookupError):
        return False


def instances_of(name: str) -> list[int]:
    """The instance, and what its code has forked."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in pids if lives(pid) and f"weft instance public/default/{name}:0" in command_line(pid)]


def test_a_fork_bomb_ends_its_function_alone(contained: Home) -> None:
    if "the number of processes" in contained.functions.status("hostile-native")["containment"]:
        pytest.skip("no cgroup can be written here, and the status says so")
    bomb = contained.start("bomb", NATIVE, "Hostile")
    assert bomb("fork 1000").startswith("ok 1000 "), "it may have so many, and keeps them"
    assert len(instances_of("bomb")) > 1000
    bomb.send("fork 100")
    deadline = time.monotonic() + 30
    while "processes and threads" not in (why := contained.functions.status("bomb").get("error", "")):
        assert time.monotonic() < deadline, why
        time.sleep(0.05)  # between two looks
    assert f"as many processes and threads as it may ({TASKS_MAX})" in why
    assert contained.neighbour("read /etc/hosts") == "ok"
    while len(instances_of("bomb")) > 1:
        assert time.monotonic() < deadline, "some outlived it"
        time.sleep(0.01)  # between two looks
    bomb.send("read /etc/hosts")  # it runs again
    while (answer := bomb.answer()) != "ok":
        assert answer.startswith("EAGAIN "), "what it still said before it was ended"
    assert contained.functions.status("bomb")["numRestarts"] == 1, "there was room for it when it was started"
    contained.functions.delete("bomb")
    contained.weft.check_running()


@pytest.fixture(scope="module")
def hostile_jar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("jar")
    subprocess.run(["javac", "-d", folder, SAMPLES / "Hostile.java"], check=True, timeout=60)
    with zipfile.ZipFile(folder / "hostile.jar", "w") as jar:
        jar.write(folder / "Hostile.class", "Hostile.class")
    return folder / "hostile.jar"


@pytest.mark.parametrize("level", ["contained", "strict", "open_home"])
def test_a_java_function(request: pytest.FixtureRequest, hostile_jar: Path, level: str) -> None:
    home: Home = request.getfixturevalue(level)
    function = home.start(
        "hostile-java", hostile_jar, "Hostile", runtimeFlags=JVM_FLAGS, resources={"ram": 134_217_728}
    )
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    package = home.folder("neighbour") / "neighbour.py"
    tried = [f"list {home.weft.data_directory}", f"read {package}", f"by_link {package}", f"by_child {package}", "list /tmp"]
    tried += [f"list {home.folder('neighbour') / 'scratch'}", f"read {home.secret}", "unix_socket", f"listen {port}"]
    tried += [f"large {FILE_BYTES_MAX}"]
    if os.geteuid() == 0:
        tried += ["read /etc/shadow", "by_child /etc/shadow", f"read /proc/{home.pid('neighbour')}/mem"]
    answer = "ok" if level == "open_home" else "refused"
    assert {what: function(what) for what in tried} == dict.fromkeys(tried, answer)
    may = [f"connect {home.weft.address.broker_port}", "make .txt", "read /etc/hosts", "by_child /etc/hosts"]
    assert {what: function(what) for what in may} == dict.fromkeys(may, "ok")
    if level == "strict":
        assert home.functions.status("hostile-java")["containment"] == "strict"
    if level == "contained":
        for other in (home.pid("neighbour"), home.weft.pid):
            assert function(f"end {other}") == "refused"
        (jvm,) = [pid for pid in descendants(home.weft.pid) if "JavaInstanceMain" in command_line(pid)]
        others = [ids_of(home.pid(name))["Uid"] for name in ("neighbour", "hostile-python")]
        assert os.geteuid() != 0 or ids_of(jvm)["Uid"] not in [*others, [0] * 4]
        assert list((home.folder("hostile-java") / "scratch").glob("hostile*.txt"))
    assert home.neighbour("read /etc/hosts") == "ok"
    home.functions.delete("hostile-java")
