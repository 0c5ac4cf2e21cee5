"""`weft standalone` on Pulsar's own files, and the namespaces of another cluster."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from harness import locations
from harness.broker import get_json
from harness.processes import free_ports
from harness.weft_standalone import WeftStandalone, WeftWorker

SHIPPED = locations.pulsar_home() / "conf"
NOT_ENABLED = "Pulsar Function Worker is not enabled, probably functionsWorkerEnabled is set to false"


def answer_of(url: str, method: str = "GET") -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())["reason"]


def test_the_shipped_files_start_as_they_are(tmp_path: Path) -> None:
    """But for the ports, and the address: the shipped one is open to everybody."""
    options = ["--conf", str(SHIPPED / "standalone.conf"), "--functions-worker-conf", str(SHIPPED / "functions_worker.yml")]
    with WeftStandalone(tmp_path, options=options) as weft:
        assert get_json(f"{weft.address.admin_url}/admin/v2/clusters") == ["standalone"]
        members = get_json(f"{weft.address.admin_url}/admin/v2/worker/cluster")
        assert isinstance(members, list) and len(members) == 1
        assert "refused" not in weft.log.read_text()


def test_what_the_file_says_is_done(tmp_path: Path) -> None:
    broker_port, web_port = free_ports(2)
    conf = tmp_path / "standalone.conf"
    conf.write_text(
        f"brokerServicePort={broker_port}\nwebServicePort={web_port}\nbindAddress=127.0.0.1\nclusterName=east\n"
        "advertisedAddress=localhost\nmaxTopicsPerNamespce=1\n"
    )
    worker_conf = tmp_path / "functions_worker.yml"
    worker_conf.write_text("pulsarFunctionsNamespace: public/elsewhere\nnumFunctionPackageReplicas: 2\n")
    child = subprocess.Popen(
        [locations.weft_binary(), "standalone", "--data-dir", tmp_path / "data", "--conf", conf,
         "--functions-worker-conf", worker_conf],
        stdout=subprocess.PIPE, stderr=open(tmp_path / "log", "w"), text=True,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == f"ready pulsar://localhost:{broker_port} http://localhost:{web_port}\n"
        url = f"http://localhost:{web_port}/admin/v2"
        assert get_json(f"{url}/clusters") == ["east"]
        (member,) = get_json(f"{url}/worker/cluster")  # type: ignore[misc]
        assert member["workerId"] == f"c-east-fw-localhost-{web_port}"
        assert "public/elsewhere" in str(get_json(f"{url}/namespaces/public"))
        log = (tmp_path / "log").read_text()
        assert "did you mean maxTopicsPerNamespace?" in log
        assert "numFunctionPackageReplicas = 2: has no effect here" in log
    finally:
        child.terminate()
        assert child.wait(20) == 0


@pytest.mark.parametrize("how", ["functionsWorkerEnabled=false", "--no-functions-worker"])
def test_without_a_worker_its_paths_say_so(how: str, tmp_path: Path) -> None:
    conf = tmp_path / "broker.conf"
    conf.write_text(how if "=" in how else "")
    options = ["--conf", str(conf), *([] if "=" in how else [how])]
    with WeftStandalone(tmp_path, options=options) as weft:
        root = f"{weft.address.admin_url}/admin"
        for method, path in [
            ("GET", "v3/functions/public/default"), ("POST", "v3/functions/public/default/f"),
            ("GET", "v3/sources/public/default"), ("DELETE", "v3/sink/public/default/s"),
            ("GET", "v2/functions/public/default"), ("GET", "v2/worker/cluster"), ("PUT", "v2/worker/rebalance"),
            ("GET", "v2/worker-stats/metrics"), ("GET", "worker/cluster"),
        ]:  # fmt: skip
            assert answer_of(f"{root}/{path}", method) == (409, NOT_ENABLED)
        assert answer_of(f"{root}/v3/packages/function/public/default")[0] == 503


def test_a_namespace_of_another_cluster_is_told_and_cured(tmp_path: Path) -> None:
    """The troubleshooting case of Pulsar's page on the functions worker."""
    conf = tmp_path / "standalone.conf"
    conf.write_text("clusterName=old\n")
    options = ["--no-functions-worker", "--conf", str(conf)]
    with WeftStandalone(tmp_path, options=options) as weft:
        namespaces = f"{weft.address.admin_url}/admin/v2/namespaces/public"
        assert get_json(f"{namespaces}/functions/replication") == ["old"]
        weft.stop()
        conf.write_text("clusterName=xyz\n")
        weft.start_again()
        urls = ["--service-url", weft.address.service_url, "--admin-url", weft.address.admin_url]
        with WeftWorker(tmp_path / "worker", [*urls, "--python", sys.executable], wait_until_ready=False) as worker:
            worker.wait_for_log(
                "Namespace missing local cluster name in clusters list: local_cluster=xyz ns=public/functions clusters=[old]"
            )
            worker.wait_for_log("namespaces set-clusters --clusters old,xyz public/functions")
            cure = ["namespaces", "set-clusters", "--clusters", "old,xyz", "public/functions"]
            command = [locations.weft_binary(), "--admin-url", weft.address.admin_url, *cure]
            subprocess.run(command, check=True, timeout=20)
            worker.wait_until_ready()
            until = time.monotonic() + 20
            while answer_of(f"{worker.admin_url}/admin/v2/worker/cluster/leader/ready")[0] != 200:
                assert time.monotonic() < until, worker.log.read_text()[-3000:]
                time.sleep(0.05)  # between two questions
