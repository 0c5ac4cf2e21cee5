"""The real Pulsar proxy with TLS and tokens, in front of a broker and a functions worker that ask who one is."""

import os
import re
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path

from secure_pulsar import PROVIDERS

from harness import locations
from harness.credentials import Authority, TokenIssuer
from harness.processes import ChildProcess, free_ports
from harness.pulsar_standalone import MODEST, READY_SECONDS

ROLE = "proxy"


class SecureProxy:
    """To broker and worker it shows a certificate of the role `proxy`. It takes tokens and certificates."""

    def __init__(
        self, folder: Path, authority: Authority, issuer: TokenIssuer, *, service_url: str, web_url: str, worker_url: str
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._authority, self._issuer = authority, issuer
        port, web_port = free_ports(2)
        self.service_url, self.admin_url = f"pulsar+ssl://localhost:{port}", f"https://localhost:{web_port}"
        certificate, key = authority.issue("of-the-proxy", "DNS:localhost")
        own, own_key = authority.issue("proxy", role=ROLE)
        settings = {
            "bindAddress": "127.0.0.1",
            "advertisedAddress": "localhost",
            "clusterName": "standalone",
            "servicePort": "",
            "webServicePort": "",
            "servicePortTls": str(port),
            "webServicePortTls": str(web_port),
            "brokerServiceURLTLS": service_url,
            "brokerWebServiceURLTLS": web_url,
            "functionWorkerWebServiceURLTLS": worker_url,
            "tlsEnabledWithBroker": "true",
            "tlsHostnameVerificationEnabled": "true",
            "brokerClientTrustCertsFilePath": str(authority.certificate),
            "brokerClientAuthenticationPlugin": "org.apache.pulsar.client.impl.auth.AuthenticationTls",
            "brokerClientAuthenticationParameters": f"tlsCertFile:{own},tlsKeyFile:{own_key}",
            "tlsCertificateFilePath": str(certificate),
            "tlsKeyFilePath": str(key),
            "tlsTrustCertsFilePath": str(authority.certificate),
            "authenticationEnabled": "true",
            "authenticationProviders": f"{PROVIDERS}Token,{PROVIDERS}Tls",
            "tokenSecretKey": f"file://{issuer.key_file}",
            "brokerProxyAllowedTargetPorts": "*",
            "brokerProxyAllowedHostNames": "*",
            "brokerProxyAllowedIPAddresses": "*",
        }
        shipped = (locations.pulsar_home() / "conf" / "proxy.conf").read_text()
        for name, value in settings.items():
            shipped = re.sub(rf"^{name} *=.*$", "", shipped, flags=re.MULTILINE) + f"\n{name}={value}\n"
        conf = folder / "proxy.conf"
        conf.write_text(shipped)
        env = {name: value for name, value in os.environ.items() if not name.startswith("PULSAR_")} | MODEST
        env |= {"PULSAR_PROXY_CONF": str(conf), "PULSAR_LOG_DIR": str(folder / "logs"), "PULSAR_LOG_APPENDER": "Console"}
        env["PULSAR_MEM"] = "-Xms64m -Xmx256m -XX:MaxDirectMemorySize=128m"
        command = [locations.pulsar_home() / "bin" / "pulsar", "proxy"]
        self._child = ChildProcess(command, folder / "proxy.log", env, folder)
        try:
            self._wait_until_ready()
        except BaseException:
            self._child.kill()
            raise

    def __enter__(self) -> "SecureProxy":
        return self

    def __exit__(self, *_: object) -> None:
        self._child.stop()

    def log_tail(self) -> str:
        return self._child.log_tail()

    def _wait_until_ready(self) -> None:
        context = ssl.create_default_context(cafile=str(self._authority.certificate))
        headers = {"Authorization": f"Bearer {self._issuer.token('admin')}"}
        request = urllib.request.Request(f"{self.admin_url}/admin/v2/clusters", headers=headers)
        deadline = time.monotonic() + READY_SECONDS
        while True:
            self._child.check_running()
            try:
                return urllib.request.urlopen(request, timeout=5, context=context).close()
            except (urllib.error.URLError, OSError) as error:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"the proxy is not ready: {error}; {self._child.log_tail()}") from error
                time.sleep(0.1)  # between two questions to a foreign program
