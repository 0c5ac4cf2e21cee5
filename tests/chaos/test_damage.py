"""Flipped bits and cut tails in a data directory that `weft standalone` has written: each costs at most its entry, which is
named by topic and ledger:entry in the log and by `weft verify`. Every length of a tail is tried in-process in src/store/tests; this
is a sample through the program. WEFT_FLIPS and WEFT_CUTS say how many, WEFT_SEED repeats a run, WEFT_EVIDENCE names a file that
gets the figures."""

import json
import os
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pulsar
import pytest

from harness.evidence import commit, machine
from harness.functions_rest import Config, FunctionsRest
from harness.weft_standalone import WeftStandalone

from .data_directories import copy_directory, flip_bit, remove, used_bytes, weft

FLIPS = int(os.environ.get("WEFT_FLIPS", "6"))
CUTS = int(os.environ.get("WEFT_CUTS", "3"))
SEED = int(os.environ.get("WEFT_SEED", "4"))
TOPICS = [f"persistent://public/default/damage-{n}" for n in range(3)]
MESSAGES = 60
FIGURES: dict[str, object] = {}
COPY = Path(__file__).with_name("programs") / "copy_text.py"


def config_of(name: str) -> Config:
    return {
        "tenant": "public",
        "namespace": "default",
        "name": name,
        "className": "copy_text.CopyText",
        "inputs": [f"{name}-in"],
        "py": COPY.name,
    }


@dataclass(frozen=True)
class Written:
    directory: Path  # of the broker
    messages: dict[str, tuple[str, bytes]]  # "topic ledger:entry" to topic and message


def open_client(broker: WeftStandalone) -> pulsar.Client:
    return pulsar.Client(broker.address.service_url, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Written]:
    directory = tmp_path_factory.mktemp("pristine")
    size = random.Random(SEED)
    messages = {}
    with WeftStandalone(directory, options=["--no-functions-worker"]) as broker:
        client = open_client(broker)
        producers = {topic: client.create_producer(topic, batching_enabled=False) for topic in TOPICS}
        for topic in TOPICS:
            client.subscribe(topic, "keep", initial_position=pulsar.InitialPosition.Earliest).close()
        for number in range(MESSAGES):
            for topic, producer in producers.items():
                data = f"{topic} {number} ".encode() + size.randbytes(size.randrange(2000))
                id = producer.send(data)
                messages[f"{topic} {id.ledger_id()}:{id.entry_id()}"] = topic, data
        client.close()
    FIGURES.update(seed=SEED, commit=commit(), machine=machine(), messages=len(messages), flips=[], cuts=[])
    yield Written(directory, messages)
    remove(directory)
    if evidence := os.environ.get("WEFT_EVIDENCE"):
        Path(evidence).write_text(json.dumps(FIGURES, indent=1) + "\n")


def note(kind: str, **figures: object) -> None:
    noted = FIGURES[kind]
    assert isinstance(noted, list)
    noted.append(figures)


def read_all(broker: WeftStandalone) -> dict[str, tuple[str, bytes]]:
    client = open_client(broker)
    found = {}
    for topic in TOPICS:
        reader = client.create_reader(topic, pulsar.MessageId.earliest)
        while reader.has_message_available():
            message = reader.read_next(10_000)
            id = message.message_id()
            found[f"{topic} {id.ledger_id()}:{id.entry_id()}"] = topic, message.data()
    client.close()
    return found


def test_verify_finds_nothing_in_what_was_written(written: Written) -> None:
    verdict = weft("verify", written.directory / "data")
    assert verdict.returncode == 0, verdict.stdout
    assert verdict.stdout.startswith("clean: ")


@pytest.mark.parametrize("number", range(FLIPS))
def test_a_flipped_bit_costs_at_most_its_entry(written: Written, tmp_path: Path, number: int) -> None:
    copy_directory(written.directory / "data", tmp_path / "data")
    choice = random.Random(SEED * 1000 + number)
    sizes = {path: used_bytes(path) for path in sorted((tmp_path / "data" / "store").iterdir())}
    path = choice.choices(list(sizes), list(sizes.values()))[0]
    offset = choice.randrange(sizes[path])
    flip_bit(path, offset, choice.randrange(8))

    verdict = weft("verify", tmp_path / "data")
    with WeftStandalone(tmp_path, options=["--no-functions-worker"]) as broker:
        found = read_all(broker)
        log = broker.log.read_text()
    assert all(found[key] == written.messages[key] for key in found)
    lost = set(written.messages) - set(found)
    note("flips", file=path.name, offset=offset, verify=verdict.stdout.splitlines()[0], lost=sorted(lost))
    assert len(lost) <= 1, lost
    for key in lost:
        topic, entry = key.split()
        assert f"a damaged entry is left out topic={topic} entry={entry} " in log
        assert f"{topic} {entry}: a damaged entry" in verdict.stdout
        assert verdict.returncode == 1
    remove(tmp_path / "data")


@pytest.mark.parametrize("number", range(CUTS))
def test_a_cut_tail_costs_what_was_cut(written: Written, tmp_path: Path, number: int) -> None:
    copy_directory(written.directory / "data", tmp_path / "data")
    (segment,) = (tmp_path / "data" / "store").glob("segment-*.log")
    end = used_bytes(segment)
    cut = random.Random(SEED * 2000 + number).randrange(end - 4096, end)
    content = segment.read_bytes()[:cut]
    os.truncate(segment, cut)
    with WeftStandalone(tmp_path, options=["--no-functions-worker"]) as broker:
        found = read_all(broker)
    assert all(found[key] == written.messages[key] for key in found)
    note("cuts", bytes_cut=end - cut, lost=len(written.messages) - len(found))
    lost = [data for key, (_, data) in written.messages.items() if key not in found]
    assert not [data for data in lost if data in content], "whole in what is left of the log"
    remove(tmp_path / "data")


def test_a_damaged_package_costs_its_function_until_it_is_uploaded_again(tmp_path: Path) -> None:
    options = ["--python", sys.executable]
    with WeftStandalone(tmp_path, options=options) as broker:
        rest = FunctionsRest(broker.address)
        for name in ("sound", "hurt"):
            # Two packages: the bytes differ.
            (tmp_path / name).mkdir()
            program = tmp_path / name / "copy_text.py"
            program.write_text(COPY.read_text() + f"\n# {name}\n")
            rest.create(config_of(name), program)
            rest.wait_until_running(config_of(name))
    packages = list((tmp_path / "data" / "packages").iterdir())
    (hurt,) = [path for path in packages if b"# hurt" in path.read_bytes()]
    flip_bit(hurt, 20, 0)
    assert weft("verify", tmp_path / "data").stdout.startswith(f"packages/{hurt.name}: damaged; upload")
    with WeftStandalone(tmp_path, options=options) as broker:
        rest = FunctionsRest(broker.address)
        rest.wait_until_running(config_of("sound"))
        deadline = time.monotonic() + 30
        while "was changed on the disk: upload it again" not in (status := str(rest.status(config_of("hurt")))):
            assert time.monotonic() < deadline, status
            time.sleep(0.05)  # between two looks
        rest.delete(config_of("hurt"))
        rest.create(config_of("hurt"), tmp_path / "hurt" / "copy_text.py")
        rest.wait_until_running(config_of("hurt"))
    assert weft("verify", tmp_path / "data").returncode == 0
