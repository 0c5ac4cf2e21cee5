"""An OpenID provider in miniature: discovery, client credentials, keys (JWKS), and tokens signed with RS256."""

import base64
import json
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from harness.json_server import JsonServer, Question

DISCOVERY = "/.well-known/openid-configuration"
PLUGIN = "org.apache.pulsar.client.impl.auth.oauth2.AuthenticationOAuth2"


class Issuer:
    """Serves on 127.0.0.1 until stop(); start() takes the same port again. Its key and key files are in the folder.

    A broker with AuthenticationProviderToken knows its tokens by `tokenPublicKey=file://{issuer.public_key}`.
    What it does next may be changed at any time: `expires_in_seconds` and `valid_in_seconds` of tokens (below and over 0: not valid),
    `says_expires_in` (the answer's expires_in, where that shall differ), `fails_with` (a status for every request).
    """

    def __init__(self, folder: Path, *, certificate: tuple[Path, Path] | None = None, expires_in_seconds: float = 3600) -> None:
        """`certificate`: its own and the key (Authority.issue(name, "IP:127.0.0.1")), for https."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.expires_in_seconds = expires_in_seconds
        self.valid_in_seconds = 0.0
        self.says_expires_in: int | None = None
        self.fails_with: int | None = None
        self.issued: list[str] = []  # every token that was given to a client, in order
        self.refused = 0  # requests for one that were not granted
        self._clients: dict[str, tuple[str, str]] = {}
        self._keys: list[_Key] = []  # the last one signs
        self.rotate_key()
        self._server = JsonServer(self._answer, certificate)

    @property
    def url(self) -> str:
        """The issuer's URL, and the claim `iss`."""
        return self._server.url

    @property
    def public_key(self) -> Path:
        """Of the key that signs now: DER, as Pulsar takes it."""
        return self._keys[-1].public

    def rotate_key(self, *, keep_old: bool = True) -> None:
        """Signs with a new key. Without `keep_old` the JWKS has no other."""
        number = len(list(self._folder.glob("*.public.der")))
        self._keys = [*(self._keys if keep_old else []), _Key(self._folder, f"issuer-{number}")]

    def add_client(self, client_id: str, secret: str, role: str = "") -> None:
        """Or a new secret of one. Its tokens' `sub` is `role`, or the id."""
        self._clients[client_id] = (secret, role or client_id)

    def remove_client(self, client_id: str) -> None:
        del self._clients[client_id]

    def key_file(self, client_id: str, secret: str = "", name: str = "") -> Path:
        """What the clients of Pulsar call a private key; without `secret` the right one."""
        path = self._folder / f"{name or client_id}.json"
        secret = secret or self._clients[client_id][0]
        content = {"type": "client_credentials", "client_id": client_id, "client_secret": secret, "issuer_url": self.url}
        path.write_text(json.dumps(content))
        path.chmod(0o600)
        return path

    def parameters(self, key_file: Path, **more: str) -> str:
        """The authentication parameters of Pulsar's Java client (and of Weft): JSON."""
        return json.dumps({"type": "client_credentials", "issuerUrl": self.url, "privateKey": f"file://{key_file}"} | more)

    def parameters_of_python(self, key_file: Path, **more: str) -> str:
        """Those of Pulsar's C++ and Python clients."""
        return json.dumps({"issuer_url": self.url, "private_key": f"file://{key_file}"} | more)

    def token(self, role: str, expires_in_seconds: float | None = None, valid_in_seconds: float | None = None, **claims: object) -> str:
        """One without the asking. What isn't said is as for clients."""
        now = time.time()
        ends = now + (self.expires_in_seconds if expires_in_seconds is None else expires_in_seconds)
        begins = now + (self.valid_in_seconds if valid_in_seconds is None else valid_in_seconds)
        own = {"iss": self.url, "sub": role, "iat": int(now), "nbf": int(begins), "exp": int(ends), "jti": os.urandom(8).hex()}
        return self._keys[-1].sign(own | claims)

    def start(self) -> None:
        """Again, after stop()."""
        self._server.start()

    def stop(self) -> None:
        """Nobody listens on its port any more."""
        self._server.stop()

    def __enter__(self) -> "Issuer":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _answer(self, question: Question) -> tuple[int, object]:
        """Status and JSON."""
        method, path, body = question.method, question.path, question.body
        if self.fails_with is not None:
            return self.fails_with, {"error": "server_error"}
        if method == "GET" and path == DISCOVERY:
            return 200, {
                "issuer": self.url, "token_endpoint": f"{self.url}/token", "jwks_uri": f"{self.url}/keys",
                "authorization_endpoint": f"{self.url}/authorize", "response_types_supported": ["token"],
                "grant_types_supported": ["client_credentials"], "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
            }  # fmt: skip
        if method == "GET" and path == "/keys":
            return 200, {"keys": [key.jwk() for key in self._keys]}
        if method == "POST" and path == "/token":
            return self._grant(body)
        return 404, {"error": "not_found"}

    def _grant(self, body: Mapping[str, str]) -> tuple[int, object]:
        secret, role = self._clients.get(body.get("client_id", ""), ("", ""))
        if body.get("grant_type") != "client_credentials" or not secret or body.get("client_secret") != secret:
            self.refused += 1
            kind = "invalid_client" if body.get("grant_type") == "client_credentials" else "unsupported_grant_type"
            return 401 if kind == "invalid_client" else 400, {"error": kind, "error_description": "not one of the clients"}
        claims: dict[str, object] = {"aud": body["audience"]} if "audience" in body else {}
        if "scope" in body:
            claims["scope"] = body["scope"]
        token = self.token(role, **claims)  # type: ignore[arg-type]
        self.issued.append(token)
        says = self.says_expires_in if self.says_expires_in is not None else max(1, int(self.expires_in_seconds))
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": says}


class _Key:
    """RSA, by openssl."""

    def __init__(self, folder: Path, name: str) -> None:
        self._name = name
        self._private = folder / f"{name}.key.pem"
        self.public = folder / f"{name}.public.der"
        _openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", self._private)
        _openssl("pkey", "-in", self._private, "-pubout", "-outform", "DER", "-out", self.public)
        modulus = _openssl("rsa", "-in", self._private, "-noout", "-modulus").decode().strip().removeprefix("Modulus=")
        self._modulus = _base64(bytes.fromhex(modulus)).decode()

    def jwk(self) -> dict[str, str]:
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self._name, "n": self._modulus, "e": "AQAB"}

    def sign(self, claims: Mapping[str, object]) -> str:
        header = {"alg": "RS256", "typ": "JWT", "kid": self._name}
        signed = b".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
        signature = _openssl("dgst", "-sha256", "-sign", self._private, given=signed)
        return b".".join((signed, _base64(signature))).decode()


def _openssl(*arguments: str | Path, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *map(str, arguments)], input=given, check=True, capture_output=True).stdout


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
