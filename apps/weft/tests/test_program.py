"""The weft program from outside: what it prints, its exit codes, how it starts and stops. WEFT_BIN names the program."""

import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

WEFT = os.environ["WEFT_BIN"]


def run(*words):
    return subprocess.run([WEFT, *words], capture_output=True, text=True, timeout=60)


class Standalone:
    def __init__(self, data_dir, *words, env=None):
        self.process = subprocess.Popen(
            [WEFT, "standalone", "--data-dir", data_dir, "--broker-port", "0", "--web-port", "0", *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
        self.ready = self.process.stdout.readline().rstrip("\n")
        _, self.service_url, self.admin_url = self.ready.split()

    def run(self, *words):
        return run("--service-url", self.service_url, "--admin-url", self.admin_url, *words)

    def stop(self, signal_number=signal.SIGTERM):
        self.process.send_signal(signal_number)
        rest, self.log = self.process.communicate(timeout=30)
        return self.process.returncode, rest

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class Terminal:
    """A program with a terminal for its standard error, and, if wanted, for the rest."""

    def __init__(self, words, all_of_it=False, **options):
        self.ours, theirs = pty.openpty()
        rest = {"stdin": theirs, "stdout": theirs} if all_of_it else {"stdout": subprocess.PIPE}
        self.process = subprocess.Popen(words, stderr=theirs, **rest, **options)
        os.close(theirs)
        self.shown = ""

    def type(self, text):
        os.write(self.ours, text.encode())

    def read(self, deadline):
        """Takes what the terminal shows; False when nothing comes any more."""
        if not select.select([self.ours], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise TimeoutError(f"nothing more comes behind {self.shown!r}")
        try:
            some = os.read(self.ours, 65536)
        except OSError:  # the other side is closed
            some = b""
        self.shown += some.decode(errors="replace")
        return some != b""

    def wait_for(self, text, seconds=60):
        deadline = time.monotonic() + seconds
        while text not in self.shown:
            if not self.read(deadline):
                raise EOFError(f"ended without {text!r}: {self.shown!r}")

    def read_to_the_end(self, seconds=60):
        deadline = time.monotonic() + seconds
        while self.read(deadline):
            pass
        return self.process.communicate(timeout=seconds)[0]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        os.close(self.ours)


class ProgramTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="weft-program-")
        self.addCleanup(self.directory.cleanup)
        self.data_dir = os.path.join(self.directory.name, "data")

    def assert_refused(self, result, code, *parts):
        self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
        for part in parts:
            self.assertIn(part, result.stderr)

    def test_serves_and_ends_cleanly(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with Standalone(self.data_dir) as weft:
                self.assertRegex(weft.ready, r"^ready pulsar://127\.0\.0\.1:\d+ http://127\.0\.0\.1:\d+$")
                self.assertEqual(weft.stop(number), (0, ""))

    def test_tells_the_service_manager_how_far_it_is(self):
        for name in (os.path.join(self.directory.name, "notify"), f"@weft-program-{os.getpid()}"):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
                manager.bind(name.replace("@", "\0"))
                manager.settimeout(30)
                with Standalone(self.data_dir, env=os.environ | {"NOTIFY_SOCKET": name}) as weft:
                    self.assertEqual(manager.recv(100), b"READY=1")
                    self.assertEqual(weft.stop()[0], 0)
                    self.assertEqual(manager.recv(100), b"STOPPING=1")

    def test_what_was_produced_is_consumed_after_a_restart(self):
        with Standalone(self.data_dir) as weft:
            made = weft.run("produce", "t", "-m", "a,b", "-m", "c;d", "-k", "key", "-p", "x=1,y=2", "-n", "2")
            self.assertEqual((made.returncode, made.stdout), (0, "6 messages successfully produced\n"), made.stderr)
            self.assertEqual(weft.run("produce", "t", "-m", "a,b", "-s", ";").stdout, "1 messages successfully produced\n")
            self.assertEqual(weft.stop()[0], 0)
        with Standalone(self.data_dir) as weft:
            got = weft.run("consume", "t", "-s", "s", "-p", "Earliest", "-n", "7", "-t", "Shared")
            self.assertEqual(got.returncode, 0, got.stderr)
            lines = got.stdout.splitlines()
            self.assertEqual(lines[0], "----- got message -----")
            self.assertRegex(lines[1], r"^publishTime:\[\d{13}\], eventTime:\[0\], key:\[key\], properties:\[x=1, y=2\], content:a$")
            self.assertEqual([line.split("content:")[1] for line in lines[1:14:2]], ["a", "b", "c;d", "a", "b", "c;d", "a,b"])
            self.assertRegex(lines[13], r"key:\[null\], properties:\[\], content:a,b$")
            self.assertEqual(lines[14:], ["7 messages successfully consumed"])

    def test_a_file_is_one_message(self):
        path = os.path.join(self.directory.name, "file")
        with open(path, "wb") as file:
            file.write(b"one,\ntwo")
        with Standalone(self.data_dir, "--no-functions-worker") as weft:
            self.assertEqual(weft.run("produce", "t", "-f", path).returncode, 0)
            got = weft.run("consume", "t", "-s", "s", "-p", "Earliest", "--hex", "-mp")
            self.assertIn("content:6f6e652c0a74776f, event-time:1970-01-01T00:00:00Z, message-id:", got.stdout)

    def test_reads_from_a_place_without_a_subscription(self):
        with Standalone(self.data_dir, "--no-functions-worker") as weft:
            self.assertEqual(weft.run("produce", "t", "-m", "a,b,c", "-db").returncode, 0)
            got = weft.run("read", "t", "-m", "earliest", "-n", "3", "-mp")
            self.assertEqual(got.returncode, 0, got.stderr)
            self.assertEqual(re.findall(r"content:(.)", got.stdout), ["a", "b", "c"])
            self.assertTrue(got.stdout.endswith("\n3 messages successfully read\n"), got.stdout)
            second = ":".join(re.findall(r"message-id:(\d+):(\d+):", got.stdout)[1])
            for words, expected in ((["-m", second, "-n", "1"], ["c"]), (["-m", second, "-i", "-n", "2"], ["b", "c"]),
                                    (["-m", "latest", "-i"], ["c"])):
                got = weft.run("read", "t", *words)
                self.assertEqual(re.findall(r"content:(.)", got.stdout), expected, got.stderr)
            hidden = weft.run("read", "t", "-m", "earliest", "-n", "2", "--hide-content", "-q", "1")
            self.assertEqual(hidden.stdout, "2 messages successfully read\n")
            self.assertEqual(weft.run("topics", "subscriptions", "t").stdout, "", "nothing stays at the broker")
        for words, parts in ((["-m", "first"], ["--start-message-id", "'first'", "earliest"]),
                             (["-m", "1:"], ["--start-message-id", "'1:'", "<ledgerId>:<entryId>"]),
                             (["-n", "-1"], ["--num-messages", "-1", "use 0"]),
                             (["-q", "0"], ["--queue-size", "'0'", "use 1 to"]),
                             (["-st", "auto_consume"], ["--schema-type", "'auto_consume'", "expected one of [bytes]"]),
                             (["-r", "5"], ["--rate", "not supported by Weft yet"])):
            self.assert_refused(run("read", "t", *words), 2, *parts)

    def test_produces_with_a_schema(self):
        definition = '{"type":"record","name":"r","fields":[{"name":"a","type":"int"}]}'
        with Standalone(self.data_dir, "--no-functions-worker") as weft:
            self.assertEqual(weft.run("produce", "text", "-m", "x", "-vs", "string").returncode, 0)
            self.assertIn('"type": "STRING"', weft.run("schemas", "get", "text").stdout)
            made = weft.run("produce", "json", "-m", '{"a":1}', "-vs", "json:" + definition)
            self.assertEqual(made.returncode, 0, made.stderr)
            kept = weft.run("schemas", "get", "json").stdout
            self.assertIn('"type": "JSON"', kept)
            self.assertIn("fields", kept)
            other = weft.run("produce", "json", "-m", "x", "-vs", "string")
            self.assert_refused(other, 1, "Error while producing messages")
            for words, parts in ((["-vs", "avro:" + definition], ["--value-schema", "avro:", "use json:"]),
                                 (["-vs", "text"], ["--value-schema", "'text'", "expected one of [bytes, string"]),
                                 (["-vs", "json:x"], ["--value-schema", "json:x", "as JSON"]),
                                 (["-vs", "json:{}", "-s", ";"], ["the message", "hello", "correct it"])):
                self.assert_refused(weft.run("produce", "json", "-m", "hello", *words), 1, *parts)

    def test_long_work_shows_how_far_it_is_on_a_terminal_only(self):
        with Standalone(self.data_dir, "--no-functions-worker") as weft:
            at = ["--service-url", weft.service_url]
            for words, shown, printed in (
                    (["produce", "t", "-m", "a,b,c"], "\r\x1b[K0 of 3 messages", b"3 messages successfully produced\n"),
                    (["consume", "t", "-s", "s", "-p", "Earliest", "-n", "2"], "\r\x1b[K1 of 2 messages",
                     b"2 messages successfully consumed\n"),
                    (["read", "t", "-m", "earliest", "-n", "0"], "\r\x1b[K1 messages", None)):
                with Terminal([WEFT, *at, *words]) as terminal:
                    terminal.wait_for(shown)
                    if printed is None:  # it goes on for ever
                        continue
                    self.assertTrue(terminal.read_to_the_end().endswith(printed))
                    self.assertTrue(terminal.shown.endswith("\r\x1b[K"), repr(terminal.shown))
            quiet = weft.run("produce", "t", "-m", "a")
            self.assertEqual((quiet.returncode, quiet.stderr), (0, ""))
            with Terminal([WEFT, *at, "consume", "t", "-s", "s", "-n", "1"], all_of_it=True) as terminal:
                terminal.wait_for("1 messages successfully consumed")
                self.assertNotIn("\x1b", terminal.shown, "the messages themselves are on that terminal")
        backup = [WEFT, "backup", self.data_dir, os.path.join(self.directory.name, "copy")]
        with Terminal(backup) as terminal:
            self.assertIn(b"backed up", terminal.read_to_the_end())
            self.assertIn(" MB  store/segment-", terminal.shown)

    def test_functions_are_created_listed_and_deleted(self):
        path = os.path.join(self.directory.name, "f.py")
        with open(path, "w") as file:
            file.write("def f(x):\n    return x + '!'\n")
        create = ["functions", "create", "--py", path, "--classname", "f.f", "--inputs", "in", "--output", "out", "--name", "fn"]
        with Standalone(self.data_dir) as weft:
            made = weft.run(*create)
            self.assertEqual((made.returncode, made.stdout), (0, "Created successfully\n"), made.stderr)
            self.assert_refused(weft.run(*create), 1, "Function fn already exists\n\nReason: Function fn already exists\n")
            self.assertEqual(weft.run("functions", "list").stdout, "fn\n")
            self.assertIn('"className": "f.f"', weft.run("functions", "get", "--name", "fn").stdout)
            status = weft.run("functions", "getstatus", "--fqfn", "public/default/fn")
            self.assertTrue(status.stdout.startswith('{\n  "numInstances" : 1,\n'), status.stdout)
            self.assertIn('"receivedTotal" : 0', weft.run("functions", "stats", "--name", "fn").stdout)
            updated = weft.run("functions", "update", "--name", "fn", "--parallelism", "2")
            self.assertEqual((updated.returncode, updated.stdout), (0, "Updated successfully\n"), updated.stderr)
            self.assertIn('"numInstances" : 2', weft.run("functions", "status", "--name", "fn").stdout)
            for action, text in (("stop", "Stopped"), ("start", "Started"), ("restart", "Restarted")):
                operated = weft.run("functions", action, "--name", "fn")
                self.assertEqual(operated.stdout, text + " successfully\n", operated.stderr)
            self.assertEqual(weft.run("functions", "delete", "--name", "fn").stdout, "Deleted successfully\n")
            self.assert_refused(weft.run("functions", "get", "--name", "fn"), 1, "Reason: Function fn doesn't exist")
            self.assertEqual(weft.run("functions", "list").stdout, "")
            self.assertEqual(weft.stop()[0], 0)

    def test_start_errors_name_option_value_and_cure(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            for option, other in (("--broker-port", "--web-port"), ("--web-port", "--broker-port")):
                result = run("standalone", "--data-dir", self.data_dir, option, port, other, "0")
                self.assert_refused(result, 1, option + " " + port, "choose another port")
        with Standalone(self.data_dir):
            result = run("standalone", "--data-dir", self.data_dir, "--broker-port", "0", "--web-port", "0")
            self.assert_refused(result, 1, "--data-dir " + self.data_dir, "another process")
        self.assert_refused(run("standalone", "--data-dir", "/proc/nothing"), 1, "--data-dir /proc/nothing")
        self.assert_refused(run("standalone", "--web-port", "70000", "--data-dir", self.data_dir), 1, "--web-port 70000")

    def test_mistakes_on_the_command_line(self):
        self.assert_refused(run("standalone", "--brocker-port", "1"), 2, "did you mean --broker-port?")
        self.assert_refused(run("standalone", "--durability", "none"), 2, "expected one of [sync, page_cache]")
        self.assert_refused(run("stndalone"), 2, "did you mean standalone?")
        self.assert_refused(run(), 2, "Usage: weft")
        self.assert_refused(run("produce", "t"), 2, "Please supply message content")
        self.assert_refused(run("produce", "t", "-m", "x", "-n", "0"), 2, "positive number")
        self.assert_refused(run("produce", "t", "-m", "x", "-n", "1001"), 1, "Please do not send more than 1000 messages")
        self.assert_refused(run("produce", "t", "-f", "/no/such"), 1, "/no/such")
        self.assert_refused(run("consume", "t"), 2, "Missing required option: '--subscription-name=<subscriptionName>'")
        self.assert_refused(run("consume", "t", "-s", "x", "--regex"), 2, "--regex is not supported by Weft yet")
        self.assert_refused(run("functions", "get"), 1, "You must specify a name for the function")
        self.assert_refused(run("functions", "localrun"), 1, "functions localrun is not supported by Weft yet")
        self.assert_refused(run("functions", "trigger", "--name", "f"), 1, "Either a trigger value or a trigger filepath")
        refused = run("--admin-url", "http://127.0.0.1:1", "functions", "list")
        self.assert_refused(refused, 1, "can't connect to 127.0.0.1:1")

    def test_help_and_version(self):
        self.assertRegex(run("version").stdout, r"^weft \d+\.\d+\.\d+\n$")
        self.assertRegex(run("version", "--json").stdout, r'^\{"name":"weft","version":"[\d.]+","pulsar":"4\.0\.8"\}\n$')
        for words in ([], ["standalone"], ["functions"], ["functions", "create"], ["produce"], ["consume"]):
            result = run(*words, "--help")
            self.assertEqual(result.returncode, 0)
            self.assertTrue(result.stdout.startswith("Usage: weft"), words)
            self.assertIsNone(re.search(r"^.{111,}$", result.stdout, re.M), words)

    def completed(self, line):
        """What a real bash offers for a line when the completion script is sourced."""
        script = """
            source <("$1" completion bash) || exit 1
            weft() { "$PROGRAM" "$@"; }
            COMP_LINE=$2 COMP_POINT=${#2}
            read -ra COMP_WORDS <<< "$2"
            [[ $2 == *' ' ]] && COMP_WORDS+=("")
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            complete -p weft > /dev/null || exit 1
            _weft_complete
            printf '%s\\n' "${COMPREPLY[@]}"
        """
        done = subprocess.run(["bash", "--norc", "-c", script, "bash", WEFT, line], capture_output=True, text=True,
                              timeout=60, env={**os.environ, "PROGRAM": WEFT})
        self.assertEqual((done.returncode, done.stderr), (0, ""), line)
        return done.stdout.split()

    def test_bash_completes_commands_options_and_choices(self):
        self.assertEqual(self.completed("weft sta"), ["standalone"])
        self.assertEqual(self.completed("weft functions sta"), ["start", "status", "stats"])
        self.assertEqual(self.completed("weft functions create --retain-"),
                         ["--retain-key-ordering", "--retain-ordering"])
        self.assertEqual(self.completed("weft consume t -p "), ["Latest", "Earliest"])
        self.assertEqual(self.completed("weft standalone --durability p"), ["page_cache"])
        self.assertEqual(self.completed("weft completion "), ["bash", "zsh"])
        self.assertNotIn("--chunking", self.completed("weft produce --"))  # refused, so not offered

    def test_the_zsh_script_is_whole(self):
        script = run("completion", "zsh").stdout
        self.assertTrue(script.startswith("#compdef weft\n"), script)
        described = run("complete", "zsh", "functions", "sta").stdout.splitlines()
        self.assertEqual(described[0], "start:Starts a stopped function instance")
        self.assert_refused(run("completion", "fish"), 2, "expected one of [bash, zsh] but was 'fish'")

    def test_a_real_zsh_completes(self):
        self.assertIsNotNone(shutil.which("zsh"), "tools/packages.txt names it")
        path = os.path.dirname(WEFT) + os.pathsep + os.environ["PATH"]
        environment = {"PATH": path, "TERM": "dumb", "HOME": self.directory.name, "LC_ALL": "C.UTF-8"}
        with Terminal(["zsh", "-f", "-i"], all_of_it=True, env=environment, cwd=self.directory.name,
                      start_new_session=True) as zsh:
            zsh.type("PS1='>'; autoload -Uz compinit; compinit -u -D\n")
            zsh.type("source <(weft completion zsh); print so''urced\n")
            zsh.wait_for("sourced")
            zsh.type("weft stand\t")
            zsh.wait_for("standalone")
            zsh.type("\x15weft functions star\t--ten\tx\x01print -r -- '\x05'\n")
            zsh.wait_for("weft functions start --tenant x\r\n")
            zsh.type("weft functions sta\t\t")
            zsh.wait_for("Starts a stopped function instance")

    def test_manual_pages_are_sound(self):
        pages = os.path.join(self.directory.name, "man")
        self.assertEqual(run("man", pages).returncode, 0)
        names = sorted(os.listdir(pages))
        self.assertIn("weft.1", names)
        self.assertIn("weft-standalone.1", names)
        self.assertIn("weft-functions.1", names)
        for name in names:
            with open(os.path.join(pages, name)) as file:
                text = file.read()
            self.assertTrue(text.startswith(".TH WEFT"), name)
            for section in ("NAME", "SYNOPSIS", "EXIT STATUS"):
                self.assertIn(f".SH {section}\n", text, name)
        if shutil.which("groff"):
            checked = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", *(os.path.join(pages, n) for n in names)],
                                     capture_output=True, text=True, timeout=60)
            self.assertEqual((checked.returncode, checked.stderr), (0, ""))
        self.assert_refused(run("man", "/proc/nothing"), 1, "/proc/nothing")

    def test_the_command_reference_is_not_stale(self):
        self.assertEqual(run("man", "--markdown", self.directory.name).returncode, 0)
        with open(os.path.join(self.directory.name, "command-line.md")) as file:
            made = file.read()
        root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
        with open(os.path.join(root, "docs", "command-line.md")) as file:
            self.assertEqual(file.read(), made, "stale: run `build/release/bin/weft man --markdown docs`")


if __name__ == "__main__":
    unittest.main()
