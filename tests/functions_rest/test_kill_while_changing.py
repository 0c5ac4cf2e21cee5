"""kill -9 of `weft standalone` while functions come, change and go: what was answered 204 is true afterwards."""

import os
import random
import threading
import urllib.error
from pathlib import Path

from functions_client import FunctionsClient, config_part

from harness.weft_standalone import WeftStandalone

ROUNDS = int(os.environ.get("WEFT_KILL_ROUNDS", "8"))
SEED = int(os.environ.get("WEFT_SEED", "1"))
NAMES = [f"f{n}" for n in range(6)]
PROGRAM = b"def process(input):\n    return input\n"


class Journal:
    """What the answers so far say about each function: its parallelism, or None for "not there"."""

    def __init__(self) -> None:
        self.known: dict[str, set[int | None]] = {name: {None} for name in NAMES}

    def change(self, functions: FunctionsClient, choice: random.Random) -> None:
        """One change; a lost answer leaves both, what was and what was asked for."""
        name, wanted = choice.choice(NAMES), choice.randrange(1, 4)
        (before,) = self.known[name]
        self.known[name] = {before, None if before is not None and wanted == 3 else wanted}
        if before is None:
            config = {"className": "function.process", "inputs": [f"in-{name}"], "py": "function.py"}
            answer = functions.create(name, config | {"parallelism": wanted}, PROGRAM)
        elif wanted == 3:
            wanted, answer = 0, functions.call("DELETE", name)
        elif wanted == before:
            self.known[name] = {before}
            return
        else:
            answer = functions.upload("PUT", name, [config_part({"parallelism": wanted})])
        assert answer.status == 204, f"{name} from {before} to {wanted}: {answer}"
        self.known[name] = {wanted or None}

    def compare(self, functions: FunctionsClient) -> None:
        """What is there now must be what the answers say; it is what is known from here on."""
        there = set(functions.get("").json)
        for name, possible in self.known.items():
            now = functions.get(name).json["parallelism"] if name in there else None
            assert now in possible, f"{name} is {now}, the answers allow {possible}"
            self.known[name] = {now}


def test_answered_changes_survive_kill(tmp_path: Path) -> None:
    choice = random.Random(SEED)
    print(f"seed {SEED}")
    journal = Journal()
    with WeftStandalone(tmp_path) as weft:
        for _ in range(ROUNDS):
            functions = FunctionsClient(weft.address.admin_url)
            functions.wait_until_initialized()
            journal.compare(functions)
            timer = threading.Timer(choice.uniform(0.05, 0.8), weft.kill)
            timer.start()
            try:
                while True:
                    journal.change(functions, choice)
            except (urllib.error.URLError, OSError):
                pass  # killed
            timer.join()
            weft.start_again()
        functions.wait_until_initialized()
        journal.compare(functions)
        for name, (instances,) in journal.known.items():
            if instances is not None:
                functions.wait_until_running(name, instances)
                assert functions.call("DELETE", name).status == 204
        assert functions.get("").json == []
        assert list((weft.data_directory / "packages").iterdir()) == []
