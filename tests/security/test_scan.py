"""What a scanner finds on both ports of a secured standalone: protocol versions, ciphers, and requests made of its own document."""

import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from secure_weft import SecureWeft, write_conf

from harness.locations import weft_binary

EXAMPLES = int(os.environ.get("WEFT_EXAMPLES", "1"))  # for each operation
STRONG = {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"}
PAGES = {"/metrics", "/initialized", "/version"}  # open, unless authenticateMetricsEndpoint says otherwise
STRONG_13 = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}


@pytest.fixture(scope="module")
def weft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureWeft]:
    with SecureWeft(tmp_path_factory.mktemp("scanned"), options=["--log-level", "warn"]) as weft:
        yield weft
        weft.check_running()
        assert "handler failed" not in weft.log.read_text()


def ports(weft: SecureWeft) -> dict[str, int]:
    return {"broker": weft.address.broker_port, "web": weft.address.web_port}


def ciphers_of_the_library() -> list[str]:
    """All that it has for TLS 1.2 and before, weak ones, too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    return [each["name"] for each in context.get_ciphers() if each["protocol"] != "TLSv1.3"]


def chosen(weft: SecureWeft, port: int, cipher: str) -> str | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(weft.authority.certificate)
    context.set_ciphers(f"{cipher}:@SECLEVEL=0")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    try:
        with socket.create_connection(("127.0.0.1", port), 10) as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as tls:
            used = tls.cipher()
            assert used is not None and tls.compression() is None
            return used[0]
    except (ssl.SSLError, ConnectionError):
        return None


def test_only_strong_ciphers_are_spoken(weft: SecureWeft) -> None:
    there = ciphers_of_the_library()
    assert len(there) > 50 and set(there) > STRONG, "a library without weak ciphers finds nothing"
    for name, port in ports(weft).items():
        assert {cipher for cipher in there if chosen(weft, port, cipher)} == STRONG, name


def test_less_is_spoken_where_the_file_says_so(tmp_path: Path) -> None:
    more = {"tlsProtocols": "TLSv1.3", "webServiceTlsCiphers": "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,ECDHE-RSA-AES128-GCM-SHA256",
            "functionsWorkerEnabled": "false"}  # fmt: skip
    with SecureWeft(tmp_path, more) as weft:
        assert "TLSv1.3" in s_client(weft, weft.address.broker_port).stderr
        assert s_client(weft, weft.address.broker_port, "-tls1_2").returncode != 0
        assert s_client(weft, weft.address.web_port, "-tls1_3").returncode != 0, "none of its ciphers is named"
        spoken = {cipher for cipher in STRONG if chosen(weft, weft.address.web_port, cipher)}
        assert spoken == {"ECDHE-ECDSA-AES256-GCM-SHA384"}


def test_weak_ones_are_refused_by_name(weft: SecureWeft, tmp_path: Path) -> None:
    for key, value, why in (
        ("tlsProtocols", "TLSv1.2,TLSv1.1", "protocol TLSv1.1 is not spoken"),
        ("tlsCiphers", "TLS_RSA_WITH_AES_128_CBC_SHA", "cipher TLS_RSA_WITH_AES_128_CBC_SHA is weak or unknown"),
        ("webServiceTlsProtocols", "SSLv3", "protocol SSLv3 is not spoken"),
        ("webServiceTlsCiphers", "nonsense", "cipher nonsense is weak or unknown"),
    ):
        conf = tmp_path / "broker.conf"
        write_conf(conf, weft.settings | {key: value})
        command = [weft_binary(), "standalone", "--data-dir", tmp_path / "data", "--conf", conf]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 1 and f"{key} = {value}: {why}" in done.stderr, (key, done.stderr)


def s_client(weft: SecureWeft, port: int, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", str(weft.authority.certificate), "-brief", *options]
    return subprocess.run(command, input="", capture_output=True, text=True, timeout=30, check=False)


def test_only_tls_1_2_and_newer_are_spoken(weft: SecureWeft) -> None:
    """By openssl's own program, which may speak all that it knows."""
    lax = ["-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]
    for name, port in ports(weft).items():
        for version in ("-tls1", "-tls1_1"):
            done = s_client(weft, port, version, *lax)
            assert done.returncode != 0 and "alert protocol version" in done.stderr, (name, version, done.stderr)
        done = s_client(weft, port, "-tls1_2", *lax)
        assert done.returncode == 0 and "Protocol version: TLSv1.2" in done.stderr, (name, done.stderr)
        suites = {}
        for suite in (*STRONG_13, "TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256"):
            done = s_client(weft, port, "-tls1_3", "-ciphersuites", suite)
            suites[suite] = done.returncode == 0 and f"Ciphersuite: {suite}" in done.stderr
        assert {suite for suite, spoken in suites.items() if spoken} == STRONG_13, (name, suites)
        done = s_client(weft, port, "-groups", "X25519:P-256", "-tls1_2")
        assert "Verification: OK" in done.stderr, (name, done.stderr)


def test_requests_made_of_the_document_with_a_token_and_without(weft: SecureWeft) -> None:
    """With a token of one who may do everything there is no 5xx but 501; without one it is always 401."""
    ca, headers = str(weft.authority.certificate), {"Authorization": f"Bearer {weft.issuer.token('admin')}"}
    document = schemathesis.openapi.from_url(f"{weft.web_url}/admin/openapi.json", headers=headers, verify=ca)

    def check(case: schemathesis.Case) -> None:
        if case.operation.path not in PAGES and not any(name.lower() == "authorization" for name in case.headers or {}):
            answer = case.call(timeout=30, verify=ca)
            assert answer.status_code == 401, (case.as_curl_command(), answer.status_code, answer.text)
        answer = case.call(timeout=30, verify=ca, headers=headers)
        if answer.status_code == 501:
            assert "not supported by Weft yet" in answer.json()["reason"]
            return
        assert answer.status_code < 500 and answer.status_code != 401, (case.as_curl_command(), answer.status_code, answer.text)

    limited = settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None,
                       phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))  # fmt: skip
    asked = 0
    for found in document.get_all_operations():
        operation = found.ok()
        limited(given(operation.as_strategy())(check))()
        asked += 1
    assert asked > 100


def test_frames_that_make_no_sense_get_no_further(weft: SecureWeft) -> None:
    """Before anybody is known: cut, changed and foreign frames end their connection, and nothing else."""
    frames = [b"\0\0\0\0", b"\0\0\0\4\xff\xff\xff\xff", b"\0\0\0\x08\0\0\0\4\x08\2\x12\0", b"GET / HTTP/1.1\r\n\r\n", bytes(4096),
              b"\0\0\0\x08\0\0\0\x04\x08\x12\x92\x01", b"\xff" * 64]  # fmt: skip
    for frame in frames:
        with socket.create_connection(("127.0.0.1", weft.address.broker_port), 10) as plain:
            tls = weft.trust().wrap_socket(plain, server_hostname="127.0.0.1")
            tls.sendall(frame)
            try:
                while tls.recv(4096):
                    pass
            except ConnectionError:
                pass
    assert weft.ask("GET", "/admin/v2/clusters", token=weft.issuer.token("admin")) == (200, '["standalone"]')
