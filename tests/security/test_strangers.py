"""What slow and flooding clients that nobody knows cost those that are known, on both ports of a secured standalone."""

import http.client
import json
import os
import resource
import signal
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from secure_weft import SecureWeft

from harness import evidence
from harness.locations import SOURCE_ROOT
from harness.processes import ChildProcess
from harness.raw_client import RawClient, connect_frame

LONG = os.environ.get("WEFT_STRANGERS") == "long"
ROUNDS, ROUND_SECONDS = (30, 2.0) if LONG else (6, 1.0)
# 25 % is what they may cost. On a machine that does other things, too, a run of seconds can't say that: what it finds is one who waits
# in a line with them.
WORST, SLACK_MS = (1.25, 0) if LONG else (4, 25)
# Who comes anew has to have his hands shaken by those who shake theirs: that costs him more, and does not keep him out.
ARRIVALS, ARRIVAL_MS = 5, 1000  # of a round; p50
NEWCOMER = "127.0.0.3"  # no stranger's address
WITHIN_SECONDS = 10  # a client has to connect


@pytest.fixture(scope="module")
def weft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureWeft]:
    """With a key of the kind that costs a handshake the most."""
    with SecureWeft(tmp_path_factory.mktemp("besieged"), options=["--log-level", "error"], key_kind="rsa") as weft:
        assert weft.ask("PUT", "/admin/v2/persistent/public/default/steady", token=weft.issuer.token("admin"))[0] == 204
        yield weft


class Honest:
    """One who produces and one who asks, each on a connection that is kept."""

    def __init__(self, weft: SecureWeft) -> None:
        token = weft.issuer.token("admin")
        self._client = RawClient("127.0.0.1", weft.address.broker_port, 20, weft.trust())
        self._client.connect("token", token)
        self._client.create_producer("persistent://public/default/steady")
        self._trust, self._ports = weft.trust(), (weft.address.broker_port, weft.address.web_port)
        self._web = http.client.HTTPSConnection("127.0.0.1", weft.address.web_port, timeout=20, context=self._trust)
        self._headers = {"Authorization": f"Bearer {token}"}

    def send(self) -> None:
        self._client.send(b"x" * 100)

    def ask(self) -> None:
        self._web.request("GET", "/admin/v2/clusters", headers=self._headers)
        answer = self._web.getresponse()
        assert answer.status == 200 and answer.read() == b'["standalone"]'

    def arrive(self) -> None:
        """At both ports, from elsewhere."""
        for port in self._ports:
            with socket.create_connection(("127.0.0.1", port), 20, (NEWCOMER, 0)) as plain:
                self._trust.wrap_socket(plain, server_hostname="127.0.0.1").close()

    def times(self, seconds: float) -> dict[str, list[float]]:
        """In milliseconds, taken in turns; the arrivals last."""
        found: dict[str, list[float]] = {"send": [], "ask": [], "arrive": []}

        def take(name: str, operation: Callable[[], None]) -> None:
            begin = time.perf_counter()
            operation()
            found[name].append((time.perf_counter() - begin) * 1000)

        end = time.monotonic() + seconds
        while time.monotonic() < end:
            take("send", self.send)
            take("ask", self.ask)
        for _ in range(ARRIVALS):
            take("arrive", self.arrive)
        return found


def besiege(weft: SecureWeft, folder: Path) -> ChildProcess:
    where = {"host": "127.0.0.1", "broker_port": weft.address.broker_port, "web_port": weft.address.web_port,
             "connect": connect_frame("token", "x.y.z").hex()}  # fmt: skip
    program = Path(__file__).with_name("strangers.py")
    return ChildProcess([sys.executable, program, json.dumps(where)], folder / "strangers.log")


def test_they_cost_others_little(weft: SecureWeft, tmp_path: Path) -> None:
    """Rounds with them and without are taken in turns: what else the machine does is in both."""
    honest = Honest(weft)
    honest.times(ROUND_SECONDS)
    calm: dict[str, list[float]] = {"send": [], "ask": [], "arrive": []}
    besieged: dict[str, list[float]] = {"send": [], "ask": [], "arrive": []}
    strangers = besiege(weft, tmp_path)
    try:
        for number in range(2 * ROUNDS):
            strangers.check_running()
            quiet = number % 2 == 0
            os.kill(strangers.pid, signal.SIGSTOP if quiet else signal.SIGCONT)
            for name, times in honest.times(ROUND_SECONDS).items():
                (calm if quiet else besieged)[name] += times
        assert strangers.stop() == 0, strangers.log_tail()
    finally:
        os.kill(strangers.pid, signal.SIGCONT) if strangers.running() else None
        strangers.kill()
    came = json.loads(strangers.log.read_text().splitlines()[-1])
    assert len(came) == 12 and min(came.values()) > 0, came
    medians = {name: (statistics.median(calm[name]), statistics.median(besieged[name])) for name in calm}
    told = {name: f"p50 {before:.3f} ms without, {after:.3f} ms with them ({after / before:.2f})" for name, (before, after) in medians.items()}
    print(told, came)
    assert medians.pop("arrive")[1] <= ARRIVAL_MS, (told, came)
    assert all(after <= WORST * before + SLACK_MS for before, after in medians.values()), (told, came)
    if LONG:
        found = {"commit": evidence.commit(), "machine": evidence.machine(), "rounds": ROUNDS, "p50": told,
                 "samples": {name: [len(calm[name]), len(besieged[name])] for name in calm}, "strangers": came}  # fmt: skip
        (SOURCE_ROOT / "docs" / "evidence" / "strangers.json").write_text(json.dumps(found, indent=1) + "\n")


def ended(connection: socket.socket, keep_alive: Callable[[], None], within: float) -> bool:
    """Whether the other side ends it by then, though we go on."""
    connection.settimeout(0.2)
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            if connection.recv(4096) == b"":
                return True
        except TimeoutError:
            keep_alive()
        except ConnectionError:
            return True
    return False


def test_who_does_not_connect_is_let_go(weft: SecureWeft) -> None:
    with socket.create_connection(("127.0.0.1", weft.address.broker_port)) as plain:
        wrapped = weft.trust().wrap_socket(plain, server_hostname="127.0.0.1")
        begin = time.monotonic()
        wrapped.sendall(b"\0\0\1\0")

        def drip() -> None:
            wrapped.sendall(b"\0")

        assert ended(wrapped, drip, 2 * WITHIN_SECONDS)  # a keep-alive interval would be 30 s
        assert time.monotonic() - begin > WITHIN_SECONDS / 2


@pytest.mark.parametrize("port", ["broker", "web"])
def test_who_says_nothing_of_tls_keeps_nobody_out(weft: SecureWeft, port: str) -> None:
    """More of them than may be at their handshake (1,000)."""
    number = weft.address.broker_port if port == "broker" else weft.address.web_port
    files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files[1], files[1]))
    silent = [socket.create_connection(("127.0.0.1", number)) for _ in range(1100)]
    try:
        if port == "web":
            assert weft.ask("GET", "/admin/v2/clusters", token=weft.issuer.token("admin"))[0] == 200
        else:
            with RawClient("127.0.0.1", number, 20, weft.trust()) as client:
                client.connect("token", weft.issuer.token("admin"))
        assert silent[0].recv(1) == b""  # the oldest has given way
    finally:
        for each in silent:
            each.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, files)


def test_a_frame_of_a_stranger_is_small(weft: SecureWeft) -> None:
    big = connect_frame("token", weft.issuer.token("admin") + "x" * 70_000)
    for data in (b"\0\x50\0\0", big[:8]):  # refused as it begins, though it would not be too large later
        with socket.create_connection(("127.0.0.1", weft.address.broker_port)) as plain:
            wrapped = weft.trust().wrap_socket(plain, server_hostname="127.0.0.1")
            begin = time.monotonic()
            wrapped.sendall(data)
            assert ended(wrapped, lambda: None, WITHIN_SECONDS / 2), time.monotonic() - begin


def test_limits_are_those_of_the_files(tmp_path: Path) -> None:
    more = {"httpRequestsLimitEnabled": "true", "httpRequestsMaxPerSecond": "5", "httpMaxRequestHeaderSize": "2048",
            "brokerMaxConnectionsPerIp": "2", "functionsWorkerEnabled": "false"}  # fmt: skip
    with SecureWeft(tmp_path, more) as weft:
        web = http.client.HTTPSConnection("127.0.0.1", weft.address.web_port, timeout=20, context=weft.trust())
        headers = {"Authorization": f"Bearer {weft.issuer.token('admin')}"}
        web.request("GET", "/admin/v2/clusters", headers=headers | {"X-Long": "x" * 3000})
        assert web.getresponse().status == 431
        statuses = []
        for _ in range(20):
            web.request("GET", "/admin/v2/clusters", headers=headers)
            answer = web.getresponse()
            answer.read()
            statuses.append(answer.status)
            if answer.status == 429:
                assert answer.headers["Retry-After"] == "1"
        assert 4 <= statuses.count(200) <= 18 and statuses[0] == 200 and 429 in statuses, statuses
        clients = [RawClient("127.0.0.1", weft.address.broker_port, 20, weft.trust()) for _ in range(3)]
        for client in clients[:2]:
            client.connect("token", weft.issuer.token("admin"))
        with pytest.raises((RuntimeError, ConnectionError)):
            clients[2].connect("token", weft.issuer.token("admin"))
        for client in clients:
            client.close()


def test_who_comes_again_and_again_fills_no_log(tmp_path: Path) -> None:
    with SecureWeft(tmp_path, options=["--no-functions-worker"]) as weft:
        for _ in range(20):
            with RawClient("127.0.0.1", weft.address.broker_port, 20, weft.trust()) as client, pytest.raises(RuntimeError, match="authenticate"):
                client.connect("token", "x.y.z")
        for _ in range(20):
            assert weft.ask("GET", "/admin/v2/tenants", token="x.y.z")[0] == 401
        for what in ("a client is sent away", "not authenticated"):
            told = [line for line in weft.log.read_text().splitlines() if what in line]
            assert len(told) == 1 and "127.0.0.1" in told[0], told
