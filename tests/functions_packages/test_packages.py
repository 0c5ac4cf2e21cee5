"""Python functions of more than one file: zips and wheels, their dependencies, and what is kept of them."""

from pathlib import Path

import pulsar
import pytest
from archives import wheel, wheel_name, zip_of

from functions_rest.functions_client import FunctionsClient
from harness.weft_standalone import WeftStandalone

DEPENDENCY = wheel("weft_shout", {"weft_shout.py": "def shout(text):\n    return text.upper() + '!'\n"})
FUNCTION = """
from pulsar import Function
from weft_shout import shout
from .words import WORDS

class Shout(Function):
    def process(self, input, context):
        return shout(f"{input} {WORDS}")
"""
ZIP = zip_of(
    {
        "shouter/src/shouter/__init__.py": "",
        "shouter/src/shouter/function.py": FUNCTION,
        "shouter/src/shouter/words.py": "WORDS = 'from a zip'\n",
        f"shouter/deps/{wheel_name('weft_shout')}": DEPENDENCY,
    }
)


def config(name: str, class_name: str) -> dict[str, object]:
    return {
        "className": class_name,
        "inputs": [f"{name}-in"],
        "output": f"{name}-out",
        "py": "given",
        "subscriptionPosition": "Earliest",
    }


def one_result(weft: WeftStandalone, name: str, sent: str) -> str:
    """What the function makes of one message."""
    client = pulsar.Client(weft.address.service_url, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error))
    try:
        results = client.subscribe(f"{name}-out", "test", initial_position=pulsar.InitialPosition.Earliest)
        client.create_producer(f"{name}-in").send(sent.encode())
        message = results.receive(20_000)
        results.acknowledge(message)
        return message.data().decode()
    finally:
        client.close()


def environments(weft: WeftStandalone) -> dict[str, int]:
    """Their names, and when each was made."""
    folder = weft.data_directory / "environments"
    return {path.name: path.stat().st_ctime_ns for path in folder.iterdir()}


def test_a_zip_with_a_dependency(weft: WeftStandalone, functions: FunctionsClient) -> None:
    assert functions.create("shout", config("shout", "shouter.function.Shout"), ZIP, "shouter.zip").status == 204
    assert one_result(weft, "shout", "hello") == "HELLO FROM A ZIP!"
    assert "a user of its own" not in functions.get("shout/0/status").json["containment"], "others can't read its environment"
    before = environments(weft)
    assert len(before) == 1

    # Two functions of one digest share it, and so do the instances after a restart.
    twice = config("twice", "shouter.function.Shout") | {"parallelism": 2}
    assert functions.create("twice", twice, ZIP, "renamed.zip").status == 204
    functions.wait_until_running("twice", 2)
    assert environments(weft) == before
    weft.restart()
    again = FunctionsClient(weft.address.admin_url)
    again.wait_until_initialized()
    again.wait_until_running("shout")
    assert one_result(weft, "shout", "again") == "AGAIN FROM A ZIP!"
    assert environments(weft) == before

    # It goes with the last function that uses it.
    assert again.call("DELETE", "shout").status == 204
    assert environments(weft) == before
    assert again.call("DELETE", "twice").status == 204
    again.wait_until(lambda: environments(weft) == {}, "the environment is deleted")


def test_a_plain_zip_of_modules(weft: WeftStandalone, functions: FunctionsClient) -> None:
    package = zip_of({"main.py": "from other import END\n\ndef process(input):\n    return input + END\n", "other.py": "END = '?'"})
    assert functions.create("plain", config("plain", "main.process"), package, "any.zip").status == 204
    assert one_result(weft, "plain", "why") == "why?"
    assert functions.create("bare", config("bare", "main"), package, "any.zip").status == 204
    assert one_result(weft, "bare", "how") == "how?"


def test_a_wheel(weft: WeftStandalone, functions: FunctionsClient) -> None:
    code = "import pytest\n\nclass Count:\n    def process(self, input, context):\n        return len(input)\n"
    package = wheel("counter", {"counter/__init__.py": code}, ["pytest"])
    made = functions.create("counter", config("counter", "counter.Count"), package, wheel_name("counter"))
    assert (made.status, made.body) == (204, "")
    assert one_result(weft, "counter", "abc") == "3"


@pytest.mark.parametrize(
    ("package", "file_name", "said"),
    [
        (wheel("needy", {"needy.py": ""}, ["weft-missing>=2"]), wheel_name("needy"), "the requirement weft-missing>=2"),
        (zip_of({"f/src/f.py": "", "f/requirements.txt": "weft-missing"}), "f.zip", "the requirement weft-missing is"),
        (zip_of({"../f.py": ""}), "f.zip", "the entry '../f.py' leads out of the package"),
        (b"text", "f.zip", "f.zip is not a zip archive"),
        (b"text", "f.egg", "upload a .py file, a .zip or a wheel (.whl)"),
    ],
)
def test_what_can_not_be_used_is_refused_at_once(
    weft: WeftStandalone, functions: FunctionsClient, package: bytes, file_name: str, said: str
) -> None:
    before = environments(weft)
    refused = functions.create("refused", config("refused", "f.process"), package, file_name)
    assert refused.status == 400 and said in refused.reason
    assert functions.get("refused").status == 404
    assert environments(weft) == before


def test_an_environment_that_can_not_be_built_any_more_is_told_by_status(
    weft: WeftStandalone, functions: FunctionsClient, tmp_path: Path
) -> None:
    """The interpreter that the function's requirement was installed in is replaced by one without it."""
    package = zip_of({"f/src/f.py": "def process(x):\n    return x\n", "f/requirements.txt": "pytest\n"})
    assert functions.create("told", config("told", "f.process"), package, "f.zip").status == 204
    functions.wait_until_running("told")
    weft.stop()
    bare = tmp_path / "bare"
    import venv

    venv.EnvBuilder(symlinks=True, with_pip=False).create(bare)
    with WeftStandalone(weft.data_directory.parent, options=["--python", str(bare / "bin" / "python")]) as other:
        client = FunctionsClient(other.address.admin_url)
        client.wait_until_initialized()
        cause = "f.zip: its wheels can't be installed"

        def told() -> bool:
            return cause in str(client.get("told/0/status").json.get("error"))

        client.wait_until(told, "the status tells the cause")
    weft.start_again()
    client = FunctionsClient(weft.address.admin_url)
    client.wait_until_initialized()
    client.wait_until_running("told")
