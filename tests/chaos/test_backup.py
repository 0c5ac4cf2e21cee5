"""`weft backup`, `restore` and `verify`, of a data directory in use and of one at rest."""

import sys
from pathlib import Path

import pulsar
import pytest

from harness.functions_rest import FunctionsRest
from harness.weft_standalone import WeftStandalone

from .copy_function import COPY, FUNCTION
from .data_directories import flip_bit, weft
from .journal import ReadBack, ReceiptJournal
from .receipts import FUNCTION_LOADS, LOADS

OPTIONS = ["--python", sys.executable]


def open_client(broker: WeftStandalone) -> pulsar.Client:
    return pulsar.Client(broker.address.service_url, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error))


@pytest.fixture(scope="module")
def backup(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[tuple[str, int]]]:
    """Made under load; with what had its receipt before."""
    directory = tmp_path_factory.mktemp("backup")
    with WeftStandalone(directory / "broker", options=OPTIONS) as broker:
        rest = FunctionsRest(broker.address)
        rest.create(FUNCTION, COPY)
        rest.wait_until_running(FUNCTION)
        journal = ReceiptJournal(broker.address.service_url, directory)
        try:
            while journal.count() < 3000:
                broker.check_running()
            before = journal.receipts_so_far()
            made = weft("backup", broker.data_directory, directory / "copy")
            assert made.returncode == 0, made.stderr
            in_use = weft("verify", broker.data_directory)
            assert in_use.returncode == 0, in_use.stdout + in_use.stderr
        finally:
            journal.kill()
    return directory / "copy", set(before)


def test_a_backup_under_load_holds_all_that_was_confirmed(
    backup: tuple[Path, set[tuple[str, int]]], tmp_path: Path
) -> None:
    copy, receipts = backup
    verdict = weft("verify", copy)
    assert (verdict.returncode, verdict.stdout.split(":")[0]) == (0, "clean")
    restored = weft("restore", copy, tmp_path / "data")
    assert restored.returncode == 0, restored.stderr
    assert weft("verify", tmp_path / "data").returncode == 0
    with WeftStandalone(tmp_path, options=OPTIONS) as broker:
        client = open_client(broker)
        found = ReadBack()
        for topic in sorted({load.topic for load in LOADS}):
            found.read_topic(client, topic)
        assert not [key for key in receipts if key not in found.ids]
        assert not found.damaged
        FunctionsRest(broker.address).wait_until_running(FUNCTION)
        outputs = client.subscribe("copy-out", "test", initial_position=pulsar.InitialPosition.Earliest)
        client.create_producer("copy-in").send(FUNCTION_LOADS[0].payload(1))
        assert outputs.receive(20_000).data() == FUNCTION_LOADS[0].payload(1)
        client.close()


def test_a_restore_goes_only_where_nothing_is(backup: tuple[Path, set[tuple[str, int]]], tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "something").touch()
    (tmp_path / "file").touch()
    for target, words in (("full", "is not empty"), ("file", "is a file")):
        refused = weft("restore", backup[0], tmp_path / target)
        assert refused.returncode == 1
        assert f"{tmp_path / target} {words}: a backup is restored into a directory that is not there yet" in refused.stderr
    assert weft("restore", tmp_path / "full", tmp_path / "new").stderr.count("is not a whole backup") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "full"]


def test_a_damaged_backup_is_not_restored(backup: tuple[Path, set[tuple[str, int]]], tmp_path: Path) -> None:
    copy = backup[0]
    segment = sorted((copy / "store").glob("segment-*.log"))[0]
    (package,) = (copy / "packages").iterdir()
    for path in (segment, package, copy / "manifest"):
        flip_bit(path, path.stat().st_size // 2, 3)
        verdict = weft("verify", copy)
        refused = weft("restore", copy, tmp_path / "data")
        flip_bit(path, path.stat().st_size // 2, 3)
        assert verdict.returncode == 1
        assert path.name in verdict.stdout, verdict.stdout
        assert refused.returncode == 1
        assert "damaged" in refused.stderr
        assert not list(tmp_path.iterdir()), "nothing is left behind"
    assert weft("verify", copy).returncode == 0


def test_what_is_no_data_directory_is_not_verified_or_backed_up(tmp_path: Path) -> None:
    assert weft("verify", tmp_path).returncode == 2
    assert "is not a data directory" in weft("backup", tmp_path, tmp_path / "copy").stderr
    assert "is a URL" in weft("backup", "http://localhost:8080", tmp_path / "copy").stderr


def test_a_data_directory_in_which_nothing_was_written_yet(tmp_path: Path) -> None:
    """As a start leaves it that was cut off before its first record was on the disk."""
    (tmp_path / "data" / "store").mkdir(parents=True)
    (tmp_path / "data" / "store" / "lock").touch()
    for command in (["backup", tmp_path / "data", tmp_path / "copy"], ["verify", tmp_path / "copy"],
                    ["restore", tmp_path / "copy", tmp_path / "again" / "data"], ["verify", tmp_path / "again" / "data"]):
        done = weft(*command)
        assert (done.returncode, done.stderr) == (0, ""), done
    with WeftStandalone(tmp_path / "again") as broker:
        backup_at_once = weft("backup", broker.data_directory, tmp_path / "at-once")
        assert backup_at_once.returncode == 0, backup_at_once.stderr
