"""`weft standalone` with TLS on both ports and nothing else open, tokens, certificates, and authorization."""

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import ParseResult

from harness import locations
from harness.broker import Address
from harness.credentials import Authority, TokenIssuer
from harness.processes import ChildProcess
from harness.weft_standalone import WeftStandalone, read_ready_line

PROVIDERS = "org.apache.pulsar.broker.authentication.AuthenticationProvider"
FUNCTION_TOKENS = "org.apache.pulsar.functions.auth.ClearTextFunctionTokenAuthProvider"


class SecureWeft(WeftStandalone):
    """Who has a token or a certificate of the role `admin` may do everything."""

    service_url: str
    web_url: str

    def __init__(self, folder: Path, more: dict[str, str] | None = None, options: list[str] | None = None, key_kind: str = "ec") -> None:
        self.authority = Authority(folder / "certificates")
        self.issuer = TokenIssuer(folder)
        certificate, key = self.authority.issue("broker", "DNS:localhost,IP:127.0.0.1", key_kind=key_kind)
        self.settings = {
            "bindAddress": "127.0.0.1",
            "brokerServicePort": "",
            "webServicePort": "",
            "brokerServicePortTls": "0",
            "webServicePortTls": "0",
            "tlsCertificateFilePath": str(certificate),
            "tlsKeyFilePath": str(key),
            "tlsTrustCertsFilePath": str(self.authority.certificate),
            "authenticationEnabled": "true",
            "authenticationProviders": f"{PROVIDERS}Token,{PROVIDERS}Tls",
            "authenticationRefreshCheckSeconds": "1",
            "tokenSecretKey": f"file://{self.issuer.key_file}",
            "authorizationEnabled": "true",
            "superUserRoles": "admin",
        } | (more or {})
        self.conf = folder / "broker.conf"
        write_conf(self.conf, self.settings)
        super().__init__(folder / "weft", options=options or [])

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority.certificate))

    def ask(self, method: str, path: str, body: object = None, *, token: str = "",
            certificate: tuple[Path, Path] | None = None, headers: dict[str, str] | None = None) -> tuple[int, str]:  # fmt: skip
        """Status and body; status 0: no connection."""
        context = self.trust()
        if certificate:
            context.load_cert_chain(*certificate)
        sent = dict(headers or {})
        if token:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None:
            sent["Content-Type"] = "application/json"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.web_url + path, data, sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20, context=context) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def _spawn(self) -> None:
        command: list[str | Path] = [locations.weft_binary(), "standalone", "--data-dir", self.data_directory, "--conf",
                                     self.conf, *self._options]  # fmt: skip
        self._child = ChildProcess(command, self._directory / "weft.log", stdout_pipe=True)

    def _read_ready_line(self, deadline: float) -> Address:
        broker, web = read_ready_line(self._child, 2, deadline)
        self.service_url, self.web_url = broker.geturl(), web.geturl()
        return Address(_port(broker), _port(web), "127.0.0.1")


def _port(url: ParseResult) -> int:
    assert url.port is not None
    return url.port


def write_conf(path: Path, settings: dict[str, str]) -> None:
    path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
