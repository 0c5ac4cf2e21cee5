"""Certificates and tokens of the tests' own authority."""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import time
from pathlib import Path


class Authority:
    """A certificate authority in a folder; what it signs are PEM files there."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.certificate = folder / "ca.pem"
        self._key = folder / "ca.key.pem"
        self._openssl(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", f"/CN=the tests' authority {os.urandom(4).hex()}", "-keyout", self._key, "-out", self.certificate,
        )  # fmt: skip

    def issue(self, name: str, hosts: str = "", role: str = "", key_kind: str = "ec") -> tuple[Path, Path]:
        """Certificate and key (PKCS 8). `hosts`: "DNS:localhost,IP:127.0.0.1". `key_kind`: "ec" or "rsa"."""
        made = ["rsa:2048"] if key_kind == "rsa" else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        certificate, key = self._folder / f"{name}.pem", self._folder / f"{name}.key.pem"
        request, extensions = self._folder / f"{name}.csr", self._folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={hosts}\n" if hosts else "basicConstraints=CA:FALSE\n")
        self._openssl(
            "req", "-new", "-newkey", *made, "-nodes",
            "-subj", f"/CN={role or name}", "-keyout", key, "-out", request,
        )  # fmt: skip
        self._openssl(
            "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial",
            "-days", "2", "-extfile", extensions, "-out", certificate,
        )  # fmt: skip
        return certificate, key

    def issue_for(self, name: str, role: str, begins: float, ends: float) -> tuple[Path, Path]:
        """One of a client, valid from and to so many seconds from now."""
        certificate, key = self.issue(name, role=role)
        settings = self._folder / f"{name}.cnf"
        (self._folder / "index.txt").write_text("")
        settings.write_text(
            f"[ca]\ndefault_ca=own\n[own]\ndatabase={self._folder}/index.txt\nnew_certs_dir={self._folder}\n"
            "rand_serial=yes\ndefault_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n"
        )
        times = [time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + at)) for at in (begins, ends)]
        self._openssl(
            "ca", "-batch", "-notext", "-config", settings, "-in", self._folder / f"{name}.csr", "-out", certificate,
            "-cert", self.certificate, "-keyfile", self._key, "-startdate", times[0], "-enddate", times[1],
        )  # fmt: skip
        return certificate, key

    @staticmethod
    def _openssl(*arguments: str | Path) -> None:
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class TokenIssuer:
    """JSON Web Tokens signed with a secret key (HS256)."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._secret = os.urandom(32)
        self.key_file = folder / "secret.key"
        self.key_file.write_bytes(self._secret)

    def token(self, role: str, expires_in_seconds: float | None = None, valid_in_seconds: float | None = None) -> str:
        claims: dict[str, object] = {"sub": role}
        if valid_in_seconds is not None:
            claims["nbf"] = int(time.time() + valid_in_seconds)
        if expires_in_seconds is not None:
            claims["exp"] = int(time.time() + expires_in_seconds)
        signed = b".".join(_base64(json.dumps(part).encode()) for part in ({"alg": "HS256"}, claims))
        return b".".join((signed, _base64(hmac.digest(self._secret, signed, hashlib.sha256)))).decode()


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
