"""Many functions: how fast they are registered, how soon a worker that starts knows them, however long their history
is, and how soon all workers know of a thousand assignments. They are registered as stopped: what one worker that has
checked a request hands to the one that leads, with one package for all. With WEFT_PEER, the Java worker does the same in its
standalone, at a size that it can do.
"""

import http.client
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pulsar
import pytest
from cluster import FUNCTION, Cluster, config_of, until
from function_metadata import package_path, stopped_function, update_request

from harness import evidence
from harness.broker import get_json
from harness.functions_rest import FunctionsRest
from harness.process_stats import cpu_seconds
from harness.pulsar_standalone import SHIPPED, PulsarStandalone
from harness.weft_standalone import WeftStandalone

FUNCTIONS = int(os.environ.get("WEFT_FUNCTIONS", "400"))
UPDATES = int(os.environ.get("WEFT_UPDATES", "20000"))
INSTANCES = int(os.environ.get("WEFT_INSTANCES", "300"))
FUNCTIONS_PEER, INSTANCES_PEER = 1000, 300
CLIENTS = 8
READY_SECONDS_MAX = 2.0
SEEN_SECONDS_MAX = 0.5
METADATA = "persistent://public/functions/metadata"
BOUNDARY = "of-a-worker"

found: dict[str, Any] = {}  # by both tests


@pytest.fixture(scope="module", autouse=True)
def _evidence() -> Any:
    yield
    if path := os.environ.get("WEFT_EVIDENCE"):
        told = {"commit": evidence.commit(), "machine": evidence.machine(), **found}
        Path(path).write_text(json.dumps(told, indent=2) + "\n")


class Registrar:
    """One REST client, over one connection."""

    def __init__(self, admin_url: str) -> None:
        url = urlparse(admin_url)
        assert url.hostname and url.port
        self._connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)

    def register(self, meta: Any) -> None:
        details = meta.functionDetails
        parts = {"functionMetaData": meta.SerializeToString(), "delete": b"false"}
        body = b"".join(
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + content + b"\r\n"
            for name, content in parts.items()
        )
        path = f"/admin/v3/functions/leader/{details.tenant}/{details.namespace}/{details.name}"
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        self._connection.request("PUT", path, body + f"--{BOUNDARY}--\r\n".encode(), headers)
        answer = self._connection.getresponse()
        said = answer.read()
        assert answer.status == 204, f"{details.name}: {answer.status} {said!r}"

    def close(self) -> None:
        self._connection.close()


def on_the_clock(wall: float, cpu: float) -> float:
    """What the bounds are for. The sample runs on machines that others use too: there it is the processor's time."""
    return wall if "WEFT_EVIDENCE" in os.environ else cpu


def upload_package(worker: Any, folder: Path) -> str:
    """By a function that is stopped then; gives the path under which it is kept."""
    program = folder / "exclaim.py"
    program.write_text(FUNCTION)
    FunctionsRest(worker).create(config_of("base"), program)
    url = urlparse(worker.admin_url)
    connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=60)
    connection.request("POST", "/admin/v3/functions/public/default/base/stop")
    assert connection.getresponse().status == 204
    connection.close()
    return package_path(program.read_bytes())


def register_all(admin_url: str, package: str, functions: int = FUNCTIONS) -> None:
    def one_client(first: int) -> None:
        registrar = Registrar(admin_url)
        for number in range(first, functions, CLIENTS):
            registrar.register(stopped_function(f"f{number:05}", package))
        registrar.close()

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(one_client, range(CLIENTS)))


def knows(
    broker: WeftStandalone | PulsarStandalone, functions: int, version: int = 0, instances: int | None = None
) -> bool:
    """Whether the worker serves, and has all functions (of one instance each, unless said otherwise) and the last version
    of the first."""
    if version_of(broker, "f00000") != version:
        return False
    names = get_json(f"{broker.address.admin_url}/admin/v3/functions/public/default")
    assert isinstance(names, list)
    assignments = get_json(f"{broker.address.admin_url}/admin/v2/worker/assignments")
    assert isinstance(assignments, dict)
    assigned = sum(len(owned) for owned in assignments.values())
    return len(names) == functions and assigned == (functions if instances is None else instances)


def version_of(broker: WeftStandalone | PulsarStandalone, name: str) -> int:
    """By the class name, in which the versions that are written here stand."""
    config = get_json(f"{broker.address.admin_url}/admin/v3/functions/public/default/{name}")
    assert isinstance(config, dict)
    return int(str(config["className"]).rpartition("v")[2]) if "v" in str(config["className"]) else 0


def seconds_to_start(start: Callable[[], WeftStandalone], version: int) -> tuple[float, float]:
    """From the start of the program until the worker answers for all functions; and how long it was on a processor,
    which other programs on the machine don't change."""
    begin = time.monotonic()
    broker = start()
    until("the worker knows all functions", lambda: knows(broker, FUNCTIONS + 1, version))
    return time.monotonic() - begin, cpu_seconds(broker.pid)


def write_history(broker: WeftStandalone, package: str) -> int:
    """Versions of the functions in turn, as a leader writes them; gives the last version of the first function."""
    client = pulsar.Client(broker.address.service_url, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error))
    producer = client.create_producer(METADATA, batching_enabled=False, block_if_queue_full=True)
    last = 0
    for number in range(UPDATES):
        function, version = number % FUNCTIONS, 1 + number // FUNCTIONS
        meta = stopped_function(f"f{function:05}", package, version)
        meta.functionDetails.className = f"exclaim.v{version}"
        if function == 0:
            last = version
        producer.send_async(
            update_request(meta, str(number)), lambda *_: None, properties={"version": str(version)}
        )
    producer.flush()
    client.close()
    return last


def topic_stats(broker: WeftStandalone, what: str) -> dict[str, Any]:
    stats = get_json(f"{broker.address.admin_url}/admin/v2/persistent/public/functions/metadata/{what}")
    assert isinstance(stats, dict)
    return stats


def test_a_start_does_not_depend_on_the_history(tmp_path: Path) -> None:
    folder = tmp_path / "weft"
    with ExitStack() as stack:
        broker = stack.enter_context(WeftStandalone(folder))
        until("it leads", lambda: get_json(f"{broker.address.admin_url}/admin/v2/worker/cluster/leader/ready") is True)
        package = upload_package(broker.address, tmp_path)
        begin = time.monotonic()
        register_all(broker.address.admin_url, package)
        took = time.monotonic() - begin
        print(f"\n{FUNCTIONS} functions registered by {CLIENTS} clients in {took:.1f} s, {FUNCTIONS / took:.0f}/s")
        broker.kill()

        def again() -> WeftStandalone:
            broker.start_again()
            return broker

        first, first_cpu = seconds_to_start(again, 0)
        print(f"start after kill -9 with {FUNCTIONS} functions: {first:.3f} s ({first_cpu:.3f} s of processor)")
        broker.stop()

    with WeftStandalone(folder, options=["--no-functions-worker"]) as alone:
        begin = time.monotonic()
        last = write_history(alone, package)
        wrote = time.monotonic() - begin
        bytes_in = topic_stats(alone, "stats")["bytesInCounter"]
        until("it was compacted", lambda: topic_stats(alone, "internalStats")["compactedLedger"]["entries"] > 0)
        until("nothing is compacted now", lambda: topic_stats(alone, "compaction")["status"] == "SUCCESS")
        compacted = topic_stats(alone, "internalStats")["compactedLedger"]
        stored = topic_stats(alone, "stats")["storageSize"]
        print(
            f"{UPDATES} updates written in {wrote:.1f} s, {bytes_in / 1e6:.1f} MB; left {compacted['entries']} entries,"
            f" {compacted['size'] / 1e6:.1f} MB, and {stored / 1e6:.1f} MB of log"
        )
        assert compacted["entries"] <= FUNCTIONS + 1
    with ExitStack() as stack:
        second, second_cpu = seconds_to_start(lambda: stack.enter_context(WeftStandalone(folder)), last)
    print(f"start with a history of {UPDATES} updates: {second:.3f} s ({second_cpu:.3f} s of processor)")
    found["registered"] = {"functions": FUNCTIONS, "clients": CLIENTS, "seconds": round(took, 2)}
    found["start_seconds"] = {"after_registration": round(first, 3), "after_the_history": round(second, 3)}
    found["start_cpu_seconds"] = {"after_registration": round(first_cpu, 3), "after_the_history": round(second_cpu, 3)}
    found["history"] = {
        "updates": UPDATES, "bytes": bytes_in, "compacted_entries": compacted["entries"],
        "compacted_bytes": compacted["size"], "log_bytes": stored,
    }  # fmt: skip
    assert on_the_clock(first, first_cpu) < READY_SECONDS_MAX
    assert on_the_clock(second, second_cpu) < READY_SECONDS_MAX


def test_all_workers_know_of_a_thousand_assignments(tmp_path: Path) -> None:
    with ExitStack() as stack:
        broker = stack.enter_context(WeftStandalone(tmp_path / "broker", options=["--no-functions-worker"]))
        cluster = Cluster(tmp_path, broker, stack)
        until("one leads", lambda: len({cluster.leader(name) for name in cluster.workers}) == 1)
        leader = cluster.workers[cluster.leader("one")]
        package = upload_package(leader, tmp_path)
        registrar = Registrar(leader.admin_url)
        meta = stopped_function("wide", package, instances=INSTANCES)

        def all_there(name: str) -> None:
            def there() -> bool:
                owned = cluster.assignments(name).values()
                return sum(each.startswith("public/default/wide:") for some in owned for each in some) == INSTANCES

            until(f"{name} knows", there)

        processes = [broker.pid, *(worker.pid for worker in cluster.workers.values())]
        cpu_before = sum(map(cpu_seconds, processes))
        begin = time.monotonic()
        with ThreadPoolExecutor(len(cluster.workers)) as pool:
            seen = [pool.submit(all_there, name) for name in cluster.workers]
            registrar.register(meta)
            durable = time.monotonic() - begin
            for each in seen:
                each.result()
        known = time.monotonic() - begin
        cpu = sum(map(cpu_seconds, processes)) - cpu_before
        registrar.close()
        print(f"\n{INSTANCES} assignments: durable after {durable:.3f} s, known to all after {known:.3f} s ({cpu:.3f} s of processor)")
        assert cluster.agree(list(cluster.workers), INSTANCES + 1)
        found["assignments"] = {
            "instances": INSTANCES, "workers": 3, "durable_seconds": round(durable, 3),
            "known_to_all_seconds": round(known, 3), "cpu_seconds_of_all": round(cpu, 3),
        }  # fmt: skip
        assert on_the_clock(known, cpu) < SEEN_SECONDS_MAX


@pytest.mark.skipif("WEFT_PEER" not in os.environ, reason="the Java worker's figures are wanted with WEFT_PEER")
def test_the_java_worker_does_the_same(tmp_path: Path) -> None:
    with PulsarStandalone(tmp_path, functions=True, jvm=SHIPPED) as peer:
        package = "function://public/default/none@v1"
        begin = time.monotonic()
        register_all(peer.address.admin_url, package, FUNCTIONS_PEER)
        took = time.monotonic() - begin
        until("it knows them", lambda: knows(peer, FUNCTIONS_PEER))
        begin = time.monotonic()
        peer.restart()
        until("it knows them again", lambda: knows(peer, FUNCTIONS_PEER))
        started = time.monotonic() - begin
        begin = time.monotonic()
        registrar = Registrar(peer.address.admin_url)
        registrar.register(stopped_function("wide", package, instances=INSTANCES_PEER))
        until("it knows the assignments", lambda: knows(peer, FUNCTIONS_PEER + 1, instances=FUNCTIONS_PEER + INSTANCES_PEER))
        known = time.monotonic() - begin
        registrar.close()
        found["java worker"] = {
            "registered": {"functions": FUNCTIONS_PEER, "clients": CLIENTS, "seconds": round(took, 2)},
            "start_seconds": round(started, 3),
            "assignments": {"instances": INSTANCES_PEER, "workers": 1, "known_seconds": round(known, 3)},
        }
        print(f"\nJava: {found['java worker']}")
