"""Broken command lines, each with its exit code and the words that the message must have: the field, its value (or
what stands for it), and the cure."""

from dataclasses import dataclass
from pathlib import Path

PULSAR_ADMIN_CODE, WRONG_USE, FAILED = 1, 2, 1


@dataclass(frozen=True)
class Case:
    name: str
    words: list[str | bytes]
    code: int
    field: str
    value: str
    cure: str


def create(*words: str | bytes) -> list[str | bytes]:
    return ["functions", "create", "--py", "good.py", "--classname", "good.F", "--inputs", "in", *words]


def make_files(folder: Path) -> None:
    (folder / "good.py").write_text("class F:\n    def process(self, input, context):\n        return input\n")
    (folder / "folder").mkdir()
    (folder / "bad.yml").write_text("className: [a\n")
    (folder / "list.yml").write_text("- className\n")
    (folder / "binary.yml").write_bytes(b"className: \xff\xfe\n")
    (folder / "deep.yml").write_text("[" * 5000 + "]" * 5000)
    (folder / "large.yml").write_text("# " + "x" * (2 << 20))
    bomb = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    bomb += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    (folder / "bomb.yml").write_text("\n".join(bomb))
    (folder / "file").write_text("")


STANDALONE = [
    Case("an unknown command", ["stndalone"], WRONG_USE, "command", "stndalone", "did you mean standalone"),
    Case("an unknown option", ["standalone", "--brocker-port", "1"], WRONG_USE, "option", "--brocker-port",
         "did you mean --broker-port"),
    Case("a port that is a word", ["standalone", "--broker-port", "many"], WRONG_USE, "--broker-port", "'many'",
         "an int"),
    Case("a port beyond all ports", ["standalone", "--web-port", "70000"], FAILED, "--web-port", "70000",
         "1 to 65535"),
    Case("a negative port", ["standalone", "--broker-port", "-1"], FAILED, "--broker-port", "-1", "1 to 65535"),
    Case("an unknown durability", ["standalone", "--durability", "none"], WRONG_USE, "--durability", "'none'",
         "expected one of [sync, page_cache]"),
    Case("an unknown log level", ["standalone", "--log-level", "loud"], WRONG_USE, "--log-level", "'loud'",
         "expected one of [debug"),
    Case("a file for a data directory", ["standalone", "--data-dir", "file"], FAILED, "--data-dir", "file",
         "directory"),
    Case("an address that isn't one", ["standalone", "--data-dir", "d", "--bind", "999.1.1.1"], FAILED, "bind",
         "999.1.1.1", "address"),
    Case("an option without its value", ["standalone", "--data-dir"], WRONG_USE, "--data-dir", "<directory>",
         "Missing required parameter"),
    Case("a word too many", ["standalone", "now"], WRONG_USE, "argument", "'now'", "standalone --help"),
]

FUNCTIONS = [
    Case("an unknown verb", ["functions", "crate"], PULSAR_ADMIN_CODE, "argument", "'crate'", "functions create"),
    Case("a program that isn't there", ["functions", "create", "--py", "none.py", "--classname", "a.B"],
         PULSAR_ADMIN_CODE, "--py", "none.py", "give the path of a file"),
    Case("a folder for a program", ["functions", "create", "--py", "folder", "--classname", "a.B"],
         PULSAR_ADMIN_CODE, "--py", "folder", "give the path of a file"),
    Case("a program that can't be read", ["functions", "create", "--py", "/proc/self/mem", "--classname", "a.B"],
         PULSAR_ADMIN_CODE, "package", "/proc/self/mem", "name another file"),
    Case("two programs", create("--native", "b.so"), PULSAR_ADMIN_CODE, "--native", "b.so", "leave one out"),
    Case("no program", ["functions", "create", "--name", "f"], PULSAR_ADMIN_CODE, "Python file", "jar",
         "Please specify one"),
    Case("no class", ["functions", "create", "--py", "good.py"], PULSAR_ADMIN_CODE, "--classname", "nothing",
         "give module.Class"),
    Case("a configuration that isn't there", create("--function-config-file", "none.yml"), PULSAR_ADMIN_CODE,
         "--function-config-file", "none.yml", "give the path of a YAML file"),
    Case("a folder for a configuration", create("--function-config-file", "folder"), PULSAR_ADMIN_CODE,
         "--function-config-file", "folder", "give the path of a YAML file"),
    Case("a configuration that can't be read", create("--function-config-file", "/proc/self/mem"),
         PULSAR_ADMIN_CODE, "--function-config-file", "/proc/self/mem", "permissions"),
    Case("bad YAML", create("--function-config-file", "bad.yml"), PULSAR_ADMIN_CODE, "--function-config-file",
         "line", "correct the YAML"),
    Case("a list of YAML", create("--function-config-file", "list.yml"), PULSAR_ADMIN_CODE,
         "--function-config-file", "list.yml", "write lines like"),
    Case("binary YAML", create("--function-config-file", "binary.yml"), PULSAR_ADMIN_CODE,
         "--function-config-file", "binary.yml", "save it as UTF-8"),
    Case("deep YAML", create("--function-config-file", "deep.yml"), PULSAR_ADMIN_CODE, "--function-config-file",
         "deep.yml", "correct the YAML"),
    Case("a bomb of YAML", create("--function-config-file", "bomb.yml"), PULSAR_ADMIN_CODE,
         "--function-config-file", "bomb.yml", "100000 values"),
    Case("much YAML", create("--function-config-file", "large.yml"), PULSAR_ADMIN_CODE, "--function-config-file",
         "large.yml", "give a smaller one"),
    Case("a class that isn't UTF-8", ["functions", "create", "--py", "good.py", "--classname", b"a.\xff"],
         PULSAR_ADMIN_CODE, "className", "0xFF", "write it as UTF-8"),
    Case("parallelism of a word", create("--parallelism", "two"), PULSAR_ADMIN_CODE, "--parallelism", "'two'",
         "an int"),
    Case("parallelism beyond all numbers", create("--parallelism", "9" * 30), PULSAR_ADMIN_CODE, "--parallelism",
         "9" * 30, "an int"),
    Case("a core of a word", create("--cpu", "lots"), PULSAR_ADMIN_CODE, "--cpu", "'lots'", "a number"),
    Case("a yes that isn't one", create("--auto-ack", "maybe"), PULSAR_ADMIN_CODE, "--auto-ack", "'maybe'",
         "a boolean"),
    Case("a configuration that isn't JSON", create("--user-config", "{"), PULSAR_ADMIN_CODE, "--user-config", "'{'",
         "a JSON object"),
    Case("a configuration that nests deep", create("--user-config", '{"a":' + "[" * 40_000 + "]" * 40_000 + "}"),
         PULSAR_ADMIN_CODE, "--user-config", "[[[", "at most 32 levels"),
    Case("an unknown guarantee", create("--processing-guarantees", "ONCE"), PULSAR_ADMIN_CODE,
         "--processing-guarantees", "'ONCE'", "expected one of [ATLEAST_ONCE"),
    Case("an unknown position", create("--subs-position", "earliest"), PULSAR_ADMIN_CODE, "--subs-position",
         "'earliest'", "expected one of [Latest, Earliest]"),
    Case("half a full name", create("--fqfn", "a/b"), PULSAR_ADMIN_CODE, "--fqfn", "a/b", "tenant/namespace/name"),
    Case("two names", create("--fqfn", "a/b/c", "--name", "d"), PULSAR_ADMIN_CODE, "--fqfn", "a/b/c",
         "leave it out"),
    Case("a name given twice", create("--name", "a", "--name", "b"), PULSAR_ADMIN_CODE, "--name", "functionName",
         "only once"),
    Case("no name", ["functions", "get"], PULSAR_ADMIN_CODE, "--name", "nothing", "give it"),
    Case("an instance of a word", ["functions", "status", "--name", "f", "--instance-id", "zero"],
         PULSAR_ADMIN_CODE, "--instance-id", "'zero'", "an int"),
    Case("a package by URL", ["functions", "create", "--py", "http://x/f.py", "--classname", "f.F"],
         PULSAR_ADMIN_CODE, "package", "http://x/f.py", "give the file's path"),
    Case("an address of another scheme", ["--admin-url", "ftp://x", "functions", "list"], FAILED, "http://host:port",
         "ftp://x", "address"),
    Case("nobody there", ["--admin-url", "http://127.0.0.1:1", "functions", "list"], FAILED, "connect",
         "127.0.0.1:1", "refused"),
    # These reach the worker, which refuses them.
    Case("a name that climbs", create("--name", "../../etc"), FAILED, "Function name", "../../etc",
         "slashes and control characters can't be used"),
    Case("an overlong name", create("--name", "n" * 3000), FAILED, "Function name", "3000", "at most 80"),
    Case("a bad topic", create("--output", "a//b"), FAILED, "output", "a//b", "letters, digits"),
    Case("no instances", create("--parallelism", "0"), FAILED, "parallelism", "0", "use 1 or more"),
]

CLIENTS = [
    Case("no topic", ["produce", "-m", "x"], WRONG_USE, "parameter", "<topic>", "produce --help"),
    Case("no message", ["produce", "t"], WRONG_USE, "--messages", "nothing was given", "Please supply"),
    Case("a file that isn't there", ["produce", "t", "-f", "none"], FAILED, "--files", "none", "name a file"),
    Case("a folder for a file", ["produce", "t", "-f", "folder"], FAILED, "--files", "folder", "name a file"),
    Case("a file that can't be read", ["produce", "t", "-f", "/proc/self/mem"], FAILED, "--files",
         "/proc/self/mem", "name another file"),
    Case("no times", ["produce", "t", "-m", "x", "-n", "0"], WRONG_USE, "--num-produce", "0", "use 1 to 1000"),
    Case("too many times", ["produce", "t", "-m", "x", "-n", "1001"], FAILED, "Attempting to send", "1001",
         "not send more than 1000"),
    Case("a property without a value", ["produce", "t", "-m", "x", "-p", "key"], FAILED, "--properties", "'key'",
         "key=value"),
    Case("a negative rate", ["produce", "t", "-m", "x", "-r", "-5"], WRONG_USE, "--rate", "'-5'", "messages per second"),
    Case("a bad topic to produce to", ["produce", "a//b", "-m", "x"], FAILED, "topic name", "a//b",
         "letters, digits"),
    Case("an address that isn't the broker's", ["produce", "t", "-m", "x", "--url", "http://x:1"], FAILED,
         "pulsar://", "http://x:1", "pulsar://"),
    Case("no subscription", ["consume", "t"], WRONG_USE, "option", "--subscription-name", "Missing required"),
    Case("an empty subscription", ["consume", "t", "-s", ""], WRONG_USE, "--subscription-name", "nothing",
         "give a name"),
    Case("a type of subscription that isn't one", ["consume", "t", "-s", "s", "-t", "Sharde"], WRONG_USE,
         "--subscription-type", "'Sharde'", "expected one of [Exclusive"),
    Case("fewer than no messages", ["consume", "t", "-s", "s", "-n", "-1"], WRONG_USE, "--num-messages", "-1",
         "use 0 for all"),
    Case("a queue of nothing", ["consume", "t", "-s", "s", "-q", "0"], WRONG_USE, "--queue-size", "'0'",
         "use 1 to 1000000"),
    Case("a time before all times", ["consume", "t", "-s", "s", "-stp", "-5"], WRONG_USE, "--start-timestamp", "-5",
         "milliseconds since 1970"),
    Case("what isn't served", ["consume", "t", "-s", "s", "--regex"], WRONG_USE, "--regex", "not supported",
         "name each topic"),
]

CASES = STANDALONE + FUNCTIONS + CLIENTS
