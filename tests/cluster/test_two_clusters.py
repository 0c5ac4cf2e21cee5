"""Two clusters of three workers on one broker, apart by their functions_worker.yml: who leads dies in one of them."""

import os
import signal
from contextlib import ExitStack
from pathlib import Path

import pulsar
from cluster import FUNCTION, Cluster, Traffic, config_of, until

from harness.broker import Broker, get_json
from harness.functions_rest import FunctionsRest

OTHERS_WORDS = (
    "pulsarFunctionsNamespace: public/others-functions\nfunctionMetadataTopicName: others-metadata\n"
    "clusterCoordinationTopicName: others-coordinate\nfunctionAssignmentTopicName: others-assignments\n"
)


def functions_of(cluster: Cluster, name: str) -> object:
    return get_json(f"{cluster.workers[name].admin_url}/admin/v3/functions/public/default")


def test_the_active_worker_of_one_dies_and_the_other_knows_nothing_of_it(
    watchful_broker: Broker, tmp_path: Path
) -> None:
    program = tmp_path / "exclaim.py"
    program.write_text(FUNCTION)
    conf = tmp_path / "functions_worker.yml"
    conf.write_text(OTHERS_WORDS)
    with ExitStack() as stack:
        ours = Cluster(tmp_path / "ours", watchful_broker, stack)
        theirs = Cluster(tmp_path / "theirs", watchful_broker, stack, ("four", "five", "six"), ["-c", conf])
        url, logger = watchful_broker.address.service_url, pulsar.ConsoleLogger(pulsar.LoggerLevel.Error)
        client = pulsar.Client(url, logger=logger)
        stack.callback(client.close)
        for cluster, prefix in ((ours, "f"), (theirs, "g")):
            for number, worker in enumerate(cluster.workers.values()):  # through any
                FunctionsRest(worker).create(config_of(f"{prefix}{number}"), program)
            names = list(cluster.workers)
            until("all agree", lambda cluster=cluster, names=names: cluster.agree(names, 3))
            for name in names:
                assert functions_of(cluster, name) == [f"{prefix}0", f"{prefix}1", f"{prefix}2"]
                assert {member["workerId"] for member in cluster.members(name)} == set(names)
        traffics = [Traffic(client, config_of(name)) for name in ("f0", "f1", "f2", "g0", "g1", "g2")]
        for traffic in traffics:
            traffic.seconds_until_served()
        before = theirs.leader("four"), theirs.assignments("four")

        first = ours.leader("one")
        left = [name for name in ours.workers if name != first]
        os.kill(ours.workers[first].pid, signal.SIGKILL)
        until("the next leads, and both agree", lambda: ours.leader(left[0]) != first and ours.agree(left, 3))
        seconds = [traffic.seconds_until_served() for traffic in traffics]
        print(f"\nsent to served when all agree: {max(seconds[:3]):.3f} s; in the other cluster {max(seconds[3:]):.3f} s")
        ours.workers[first].start()
        until("it is back, and all agree", lambda: len(ours.members(first)) == 3 and ours.agree(list(ours.workers), 3))
        for name in theirs.workers:
            assert (theirs.leader(name), theirs.assignments(name)) == before
