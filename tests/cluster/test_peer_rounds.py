"""What kill -9 of a worker and its instances costs with three Java workers, as shipped, on the real Pulsar: how long each instance of the killed
one had no output, and how long a subscription had two consumers. The figures beside those of test_rounds.py; nothing is
demanded of them but that no message is lost.

WEFT_ROUNDS says how many rounds (5), WEFT_INSTANCES how many instances (6, a JVM each), WEFT_SEED repeats an earlier run,
WEFT_EVIDENCE names a file that gets the figures.
"""

import json
import os
import random
import statistics
import sys
import time
from pathlib import Path

import pytest
from cluster import until
from probe import ConsumerWatch, Probe
from test_swap import JAR, java_config

from harness.broker import get_json
from harness.evidence import commit, machine
from harness.functions_rest import FunctionsRest
from harness.java_worker import JavaWorker
from harness.pulsar_standalone import PulsarStandalone

ROUNDS = int(os.environ.get("WEFT_ROUNDS", "5"))
INSTANCES = int(os.environ.get("WEFT_INSTANCES", "6"))
PER_SECOND = 200
NAMES = ("one", "two", "three")
OUTPUT = "persistent://public/default/swap-out"
PATIENCE_SECONDS = 300  # a dead worker is missed after 60 to 90 s, and its instances are JVMs
LOOK_SECONDS = 0.2  # the broker is a JVM on the same cores


def owners(worker: JavaWorker) -> dict[str, list[str]]:
    told: dict[str, list[str]] = get_json(f"{worker.admin_url}/admin/v2/worker/assignments")
    return told


def all_run(workers: dict[str, JavaWorker], without: str = "") -> bool:
    """Whether who is left has each instance, as all of them tell it."""
    told = [owners(worker) for name, worker in workers.items() if name != without]
    there = {name: owned for name, owned in told[0].items() if owned}
    return without not in there and sum(map(len, there.values())) == INSTANCES and all(t == told[0] for t in told)


def test_kill_of_java_workers(tmp_path: Path) -> None:
    seed = int(os.environ.get("WEFT_SEED", random.randrange(2**32)))
    print(f"\nWEFT_SEED={seed}")
    chance = random.Random(seed)
    configs = [{**java_config(f"r{number}"), "output": OUTPUT} for number in range(INSTANCES)]
    with PulsarStandalone(tmp_path / "pulsar", zookeeper=True) as broker:
        workers = {name: JavaWorker(tmp_path / name, broker, name, {}, start=False) for name in NAMES}
        try:
            for worker in workers.values():
                worker.start(wait_until_ready=False)
            for worker in workers.values():
                worker.wait_until_ready()
            for config in configs:
                FunctionsRest(workers["one"]).create(config, JAR)
            until("all agree", lambda: all_run(workers))
            with (
                Probe(broker.address, configs, OUTPUT, PER_SECOND, strings=True) as probe,
                ConsumerWatch(broker.address, configs, set(), LOOK_SECONDS) as watch,
            ):
                probe.wait_until_all_are_served(PATIENCE_SECONDS)
                gaps = []
                for _ in range(ROUNDS):
                    busy = {each: owned for each, owned in owners(workers["one"]).items() if owned}
                    name = chance.choice(sorted(busy))
                    hit = {int(each.split("/")[2][1:].split(":")[0]) for each in busy[name]}
                    probe.begin_round()
                    workers[name].kill()
                    begin = time.monotonic()
                    while not all_run(workers, without=name):
                        assert time.monotonic() < begin + PATIENCE_SECONDS, "nobody took its instances"
                        time.sleep(0.5)  # between two questions to a foreign program
                    moved = time.monotonic() - begin
                    probe.wait_until_all_are_served(PATIENCE_SECONDS)
                    found = [gap for number, gap in probe.end_round().items() if number in hit]
                    gaps += found
                    print(json.dumps({"who": name, "assigned_anew_s": round(moved, 1), "gaps_s": [round(g, 1) for g in found]}))
                    workers[name].start()
                probe.finish()
                watch.finish()
        finally:
            for worker in workers.values():
                worker.kill()
    figures = {
        "what": "three Java workers as shipped on Apache Pulsar 4.0.8; each round one is killed with its instances; gaps are "
        "between outputs",
        "commit": commit(),
        "seed": seed,
        "machine": machine(),
        "rounds": ROUNDS,
        "instances": INSTANCES,
        "gap_s_median": round(statistics.median(gaps), 2),
        "gap_s_max": round(max(gaps), 2),
        "sent": probe.sent,
        "without_output": len(probe.lost()),
        "outputs_more_than_once": probe.repeated,
        "times_with_two_consumers": len(watch.twice),
        "longest_with_two_consumers_s": round(watch.longest_twice, 1),
    }
    print(json.dumps(figures))
    if target := os.environ.get("WEFT_EVIDENCE"):
        Path(target).write_text(json.dumps(figures, indent=2) + "\n")
    assert probe.lost() == []


if __name__ == "__main__":
    sys.exit(pytest.main([__file__, "-s"]))
