"""kill -9 of `weft standalone` at random moments under load: no message is lost whose receipt was given, and no input of a
function is left out.

WEFT_KILLS says how often (5), WEFT_TOPICS how many topics there are besides (1,000), WEFT_SEED repeats the moments of an
earlier run, WEFT_EVIDENCE names a file that gets the figures.
"""

import json
import os
import random
import statistics
import sys
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pulsar
import pytest

from harness.evidence import commit, machine
from harness.functions_rest import Config, FunctionsRest
from harness.locations import weft_binary
from harness.weft_standalone import WeftStandalone

from .journal import ReadBack, ReceiptJournal, Receipts
from .receipts import ALL_LOADS, FUNCTION_LOADS, LOADS

KILLS = int(os.environ.get("WEFT_KILLS", "5"))
TOPICS = int(os.environ.get("WEFT_TOPICS", "1000"))
READY_SECONDS_MAX = 1.0
OUTPUT_SECONDS_MAX = 180
PROGRAMS = [
    (Path(__file__).with_name("programs") / "copy_text.py", "copy_text.CopyText"),
    (weft_binary().parents[1] / "lib" / "libweft_copy_text.so", "CopyText"),
]


@dataclass
class Run:
    ready_seconds: list[float] = field(default_factory=list)
    receipts_between: list[int] = field(default_factory=list)
    receipts: Receipts = field(default_factory=dict)
    found: ReadBack = field(default_factory=ReadBack)
    outputs: ReadBack = field(default_factory=ReadBack)
    seconds_until_all_outputs: float = 0


def output_of(topic: str) -> str:
    return topic.removesuffix("-in") + "-out"


def make_topics(broker: WeftStandalone) -> None:
    for number in range(TOPICS):
        url = f"{broker.address.admin_url}/admin/v2/persistent/public/default/besides-{number}"
        with urllib.request.urlopen(urllib.request.Request(url, method="PUT"), timeout=30) as answer:
            assert answer.status == 204


def create_functions(broker: WeftStandalone) -> None:
    rest = FunctionsRest(broker.address)
    for load, (program, class_name) in zip(FUNCTION_LOADS, PROGRAMS, strict=True):
        config: Config = {
            "tenant": "public",
            "namespace": "default",
            "name": load.name,
            "className": class_name,
            "inputs": [load.topic],
            "output": output_of(load.topic),
            "subscriptionPosition": "Earliest",
            ("py" if program.suffix == ".py" else "native"): program.name,
        }
        rest.create(config, program)
        rest.wait_until_running(config)


def read_outputs(client: pulsar.Client, receipts: Receipts) -> ReadBack:
    """Until each input that has a receipt has come out, or the time is over."""
    outputs = ReadBack()
    missing = {key for key in receipts if key[0] in {load.name for load in FUNCTION_LOADS}}
    readers = [
        client.create_reader(output_of(load.topic), pulsar.MessageId.earliest, receiver_queue_size=5000)
        for load in FUNCTION_LOADS
    ]
    deadline = time.monotonic() + OUTPUT_SECONDS_MAX
    while missing and time.monotonic() < deadline:
        for reader in readers:
            while reader.has_message_available():
                data = reader.read_next(10_000).data()
                outputs.add(data, "output")
                name, number, _ = data.split(b":", 2)
                missing.discard((name.decode(), int(number)))
        time.sleep(0.05)  # between two looks
    return outputs


def run(directory: Path, seed: int) -> Run:
    moments = random.Random(seed)
    result = Run()
    (directory / "broker").mkdir()
    with WeftStandalone(directory / "broker", options=["--python", sys.executable]) as broker:
        make_topics(broker)
        create_functions(broker)
        journal = ReceiptJournal(broker.address.service_url, directory, functions=True)
        try:
            for _ in range(KILLS):
                before, size = journal.count(), journal.size()
                deadline = time.monotonic() + 30
                while journal.size() == size:  # under load: the producers are back
                    assert time.monotonic() < deadline, f"no receipts; log:\n{broker.log.read_text()[-3000:]}"
                    time.sleep(0.01)
                time.sleep(moments.uniform(0.05, 1.5))  # the random moment
                broker.kill()
                result.receipts_between.append(journal.count() - before)
                broker.start_again()
                result.ready_seconds.append(broker.ready_seconds)
            result.receipts = journal.finish()
        finally:
            journal.kill()
        client = pulsar.Client(
            broker.address.service_url, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error)
        )
        begin = time.monotonic()
        result.outputs = read_outputs(client, result.receipts)
        result.seconds_until_all_outputs = time.monotonic() - begin
        for topic in sorted({load.topic for load in ALL_LOADS}):
            result.found.read_topic(client, topic)
        client.close()
    return result


def evidence_of(seed: int, done: Run) -> dict[str, object]:
    inputs = {key: id for key, id in done.receipts.items() if key[0] in {load.name for load in FUNCTION_LOADS}}
    return {
        "what": "kill -9 of weft standalone at random moments under load; receipts journaled by another process, read back "
        "at the end; a Python and a C++ function copy their inputs",
        "commit": commit(),
        "machine": machine(),
        "seed": seed,
        "kills": KILLS,
        "topics_besides": TOPICS,
        "producers": [vars(load) for load in ALL_LOADS],
        "receipts": len(done.receipts),
        "receipts_by_producer": Counter(name for name, _ in done.receipts),
        "receipts_before_each_kill": done.receipts_between,
        "lost": len(done.found.lost(done.receipts)),
        "not_at_their_message_id": len(done.found.moved(done.receipts)),
        "damaged": len(done.found.damaged) + len(done.outputs.damaged),
        "stored_again_without_receipt": done.found.messages - len(done.found.ids),
        "inputs_with_receipt": len(inputs),
        "inputs_without_output": len(done.outputs.lost(inputs)),
        "seconds_until_all_outputs": round(done.seconds_until_all_outputs, 1),
        "ready_ms_after_kill": [round(1000 * seconds) for seconds in done.ready_seconds],
        "ready_ms_median": round(1000 * statistics.median(done.ready_seconds)),
        "ready_ms_max": round(1000 * max(done.ready_seconds)),
    }


def test_nothing_with_a_receipt_is_lost_and_no_input_left_out(tmp_path: Path) -> None:
    seed = int(os.environ.get("WEFT_SEED", random.randrange(2**32)))
    print(f"WEFT_SEED={seed}")
    done = run(tmp_path, seed)

    figures = evidence_of(seed, done)
    print(json.dumps(figures))
    if evidence := os.environ.get("WEFT_EVIDENCE"):
        Path(evidence).parent.mkdir(parents=True, exist_ok=True)
        Path(evidence).write_text(json.dumps(figures, indent=2) + "\n")
    assert not done.found.lost(done.receipts), done.found.lost(done.receipts)[:10]
    assert not done.found.moved(done.receipts), done.found.moved(done.receipts)[:10]
    assert not done.found.damaged + done.outputs.damaged
    assert figures["inputs_with_receipt"]
    assert figures["inputs_without_output"] == 0
    assert all(done.receipts_between), "every kill came under load"
    assert max(done.ready_seconds) < READY_SECONDS_MAX


def test_the_checker_notices_what_is_lost_moved_or_damaged() -> None:
    load = LOADS[0]
    receipts = {(load.name, number): f"7:{number}:0" for number in range(4)}
    found = ReadBack()
    found.add(load.payload(0), "7:0:0")
    found.add(load.payload(1), "7:9:0")
    found.add(load.payload(2)[:-1] + b"!", "7:2:0")
    assert found.lost(receipts) == [(load.name, 3)]
    assert found.moved(receipts) == [(load.name, 1), (load.name, 3)]
    assert found.damaged == ["7:2:0"]


if __name__ == "__main__":
    sys.exit(pytest.main([__file__, "-s"]))
