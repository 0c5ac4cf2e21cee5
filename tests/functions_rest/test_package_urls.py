"""Packages by URL: what functions_worker.yml allows is fetched once and kept, everything else is refused."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from functions_client import Answer, FunctionsClient, Part, config_part

from harness.weft_standalone import WeftStandalone, WeftWorker

PROGRAM = "def process(input):\n    return input + '!'\n"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "exclaim.py").write_text(PROGRAM)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_the_settings_allow(tmp_path: Path, site: str) -> None:
    functions_folder = tmp_path / "functions"
    functions_folder.mkdir()
    (functions_folder / "near.py").write_text(PROGRAM)
    (tmp_path / "outside.py").write_text(PROGRAM)
    conf = tmp_path / "functions_worker.yml"
    with WeftStandalone(tmp_path / "broker", options=["--no-functions-worker"]) as broker:
        conf.write_text(
            f"workerId: urls\nworkerHostname: localhost\nworkerPort: 0\n"
            f"pulsarServiceUrl: {broker.address.service_url}\npulsarWebServiceUrl: {broker.address.admin_url}/\n"
            f"downloadDirectory: {tmp_path}/packages\nfunctionsDirectory: {functions_folder}\n"
            f"additionalEnabledFunctionsUrlPatterns: ['{site}/ex.*']\n"
        )
        with WeftWorker(tmp_path / "worker", ["-c", conf]) as worker:
            functions = FunctionsClient(worker.admin_url)
            functions.wait_until_initialized()

            def create(name: str, url: str) -> Answer:
                config = {"className": "x.process", "inputs": [f"{name}-in"], "runtime": "PYTHON"}
                config["className"] = f"{url.rsplit('/', 1)[1].removesuffix('.py')}.process"
                return functions.upload("POST", name, [config_part(config), Part("url", url.encode(), "text/plain")])

            for name, url in (("far", f"{site}/exclaim.py"), ("near", f"file://{functions_folder}/near.py")):
                assert create(name, url).status == 204
                functions.wait_until_running(name)
                assert functions.get(f"{name}/download").body == PROGRAM
            for url in (f"{site}/other.py", f"file://{tmp_path}/outside.py", f"file://{functions_folder}/../outside.py"):
                refused = create("bad", url)
                assert refused.status == 400 and "no pattern of additionalEnabledFunctionsUrlPatterns" in refused.reason
            gone = create("bad", f"{site}/ex-nothing.py")
            assert gone.status == 400 and "the server answered 404" in gone.reason
            assert functions.get("/admin/v3/functions/public/default").json == ["far", "near"]


def test_a_pattern_that_is_none_stops_the_start(tmp_path: Path) -> None:
    conf = tmp_path / "functions_worker.yml"
    conf.write_text(f"workerPort: 0\ndownloadDirectory: {tmp_path}/data\nadditionalEnabledFunctionsUrlPatterns: ['(']\n")
    worker = WeftWorker(tmp_path / "worker", ["-c", conf], wait_until_ready=False)
    assert worker.wait() != 0
    assert "additionalEnabledFunctionsUrlPatterns = ( is not a regular expression" in worker.log.read_text()
