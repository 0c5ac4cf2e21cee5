"""The real Apache Pulsar with TLS on both ports, tokens, and authorization."""

import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path

from harness.credentials import Authority, TokenIssuer
from harness.processes import free_ports
from harness.pulsar_standalone import PulsarStandalone

PROVIDERS = "org.apache.pulsar.broker.authentication.AuthenticationProvider"
TOKEN_PLUGIN = "org.apache.pulsar.client.impl.auth.AuthenticationToken"


class SecurePulsar(PulsarStandalone):
    """Who has a token or a certificate of the role `admin` may do everything. Its certificate is for localhost, if `hosts` says nothing else."""

    def __init__(
        self, folder: Path, more: dict[str, str] | None = None, hosts: str = "DNS:localhost", *, functions: bool = False
    ) -> None:
        self.authority = Authority(folder / "certificates")
        self.issuer = TokenIssuer(folder)
        self.admin_token = folder / "admin.token"
        self.admin_token.write_text(self.issuer.token("admin") + "\n")
        certificate, key = self.authority.issue("broker", hosts)
        self._broker_port_tls, self._web_port_tls = free_ports(2)
        settings = {
            "brokerServicePortTls": str(self._broker_port_tls),
            "webServicePortTls": str(self._web_port_tls),
            "tlsCertificateFilePath": str(certificate),
            "tlsKeyFilePath": str(key),
            "tlsTrustCertsFilePath": str(self.authority.certificate),
            "advertisedAddress": "localhost",
            "authenticationEnabled": "true",
            "authenticationProviders": f"{PROVIDERS}Token,{PROVIDERS}Tls",
            "authenticationRefreshCheckSeconds": "1",
            "tokenSecretKey": f"file://{self.issuer.key_file}",
            "authorizationEnabled": "true",
            "superUserRoles": "admin",
            "brokerClientTlsEnabled": "true",
            "brokerClientTrustCertsFilePath": str(self.authority.certificate),
            "brokerClientAuthenticationPlugin": TOKEN_PLUGIN,
            "brokerClientAuthenticationParameters": f"file://{self.admin_token}",
        }
        super().__init__(folder / "pulsar", functions=functions, settings=settings | (more or {}))

    @property
    def service_url(self) -> str:
        return f"pulsar+ssl://localhost:{self._broker_port_tls}"

    @property
    def web_url(self) -> str:
        return f"https://localhost:{self._web_port_tls}"

    def _wait_until_ready(self, deadline: float) -> float:
        """Everything that the base class looks at is closed to strangers."""
        context = ssl.create_default_context(cafile=str(self.authority.certificate))
        headers = {"Authorization": f"Bearer {self.admin_token.read_text().strip()}"}
        request = urllib.request.Request(f"{self.web_url}/admin/v2/namespaces/public/default", headers=headers)
        while True:
            self._child.check_running()
            try:
                urllib.request.urlopen(request, timeout=5, context=context).close()
                return time.monotonic()
            except (urllib.error.URLError, OSError) as error:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"not ready: {error}; {self._child.log_tail()}") from error
                time.sleep(0.1)  # between two questions to a foreign program
