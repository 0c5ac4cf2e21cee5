"""How fast `weft standalone` serves from nothing, and what it costs when nobody asks for anything."""

import itertools
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from harness.process_stats import cpu_seconds, descendants, pss_bytes
from harness.processes import free_ports
from harness.raw_client import wait_until_stored
from harness.weft_standalone import WeftStandalone

STARTS = 20
START_SECONDS_MAX = 0.3
PSS_BYTES_MAX = 40_000_000
CPU_SHARE_MAX = 0.001
# CI rests shortly; the ctest labelled `long` for the full minute.
REST_SECONDS = float(os.environ.get("WEFT_REST_SECONDS", "8"))
RESTS = 3
TOPIC = "persistent://public/default/first"


def test_receipt_of_a_synced_message_soon_after_exec(tmp_path: Path) -> None:
    """A raw client retries its connection every 5 ms from the moment of exec until it has its send receipt."""
    seconds = []
    for n in range(STARTS):
        broker_port, web_port = free_ports(2)
        begin = time.monotonic()
        broker = WeftStandalone(
            tmp_path / str(n), broker_port=broker_port, web_port=web_port, wait_until_ready=False
        )
        try:
            seconds.append(wait_until_stored("127.0.0.1", broker_port, TOPIC, begin + 10) - begin)
        finally:
            broker.stop()
    print(f"ready in ms: {sorted(round(1000 * each) for each in seconds)}")
    assert statistics.median(seconds) < START_SECONDS_MAX


def shares_of_a_core(pids: list[int]) -> Iterator[float]:
    """Of one rest after the other."""
    while True:
        before, begin = sum(map(cpu_seconds, pids)), time.monotonic()
        time.sleep(REST_SECONDS)
        yield (sum(map(cpu_seconds, pids)) - before) / (time.monotonic() - begin)


def test_rests_on_little_memory_and_no_cpu(tmp_path: Path) -> None:
    """What Weft does at rest is in each of the rests; a machine that takes its processor away for a while, which counts as used, is not."""
    with WeftStandalone(tmp_path) as broker:
        time.sleep(REST_SECONDS)  # the rest itself is what is measured
        pids = descendants(broker.pid)
        seen = []
        for share in itertools.islice(shares_of_a_core(pids), RESTS):
            seen.append(share)
            if share < CPU_SHARE_MAX:
                break
        pss = sum(map(pss_bytes, pids))
        print(f"at rest: PSS {pss / 1e6:.1f} MB, {[round(100 * each, 3) for each in seen]} % of a core")
        assert pss < PSS_BYTES_MAX
        assert min(seen) < CPU_SHARE_MAX
