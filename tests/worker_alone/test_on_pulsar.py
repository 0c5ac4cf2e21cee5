"""What only the real Apache Pulsar has: clusters that are not its own."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

from harness.locations import weft_binary
from harness.pulsar_standalone import PulsarStandalone
from harness.weft_standalone import WeftWorker


def send(method: str, url: str, body: object) -> None:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method)
    urllib.request.urlopen(request, timeout=30).close()


def test_a_namespace_of_another_cluster_is_told_and_cured(tmp_path: Path) -> None:
    """The troubleshooting case of Pulsar's page on the functions worker."""
    with PulsarStandalone(tmp_path / "pulsar") as broker:
        admin = f"{broker.address.admin_url}/admin/v2"
        send("PUT", f"{admin}/clusters/other", {"serviceUrl": "http://127.0.0.1:1", "brokerServiceUrl": "pulsar://127.0.0.1:1"})
        send("POST", f"{admin}/tenants/public", {"adminRoles": [], "allowedClusters": ["standalone", "other"]})
        send("PUT", f"{admin}/namespaces/public/foreign", {"replication_clusters": ["other"]})
        send("POST", f"{admin}/namespaces/public/foreign/allowedClusters", ["other"])  # which had the local one
        conf = tmp_path / "functions_worker.yml"
        conf.write_text(
            f"pulsarFunctionsNamespace: public/foreign\nworkerPort: 0\ndownloadDirectory: {tmp_path}/data\n"
            f"pulsarServiceUrl: {broker.address.service_url}\npulsarWebServiceUrl: {broker.address.admin_url}\n"
        )
        options: list[str | Path] = ["-c", conf, "--python", sys.executable]
        with WeftWorker(tmp_path / "worker", options, wait_until_ready=False) as worker:
            worker.wait_for_log("namespaces set-clusters --clusters other,standalone public/foreign")
            # One that an older Pulsar made has none of these, and needs the second step only.
            send("POST", f"{admin}/namespaces/public/foreign/allowedClusters", ["other", "standalone"])
            cure = ["namespaces", "set-clusters", "--clusters", "other,standalone", "public/foreign"]
            subprocess.run([weft_binary(), "--admin-url", broker.address.admin_url, *cure], check=True, timeout=30)
            worker.wait_until_ready()
