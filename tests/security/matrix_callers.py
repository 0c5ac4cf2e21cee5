"""Who asks in the matrix: (none, token, certificate, OAuth2) x (right, wrong, expired, not yet valid, rotated, revoked role)."""

import json
import os
import shutil
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from harness.credentials import Authority
from harness.issuer import Issuer

ROLES = ("admin", "tadmin", "prod", "cons", "subr", "fun", "src", "snk", "pkg", "other")
# What each was granted on the namespace. `admin` is super user, `tadmin` the tenant's admin; `subr` alone may use the subscription.
GRANTED = {"prod": "produce", "cons": "consume", "subr": "consume", "fun": "functions", "src": "sources", "snk": "sinks", "pkg": "packages"}
REVOKED = "gone"  # had all of these
SECRET = "the-clients-secret"
HOUR = 3600


@dataclass(frozen=True)
class Caller:
    name: str
    role: str = ""  # whose rights it has; empty: it is not known
    token: str = ""
    certificate: tuple[Path, Path] | None = None
    connects: bool = True  # else its certificate is refused before it can say anything

    @property
    def method(self) -> str:
        return "token" if self.token else "tls" if self.certificate else "none"


class Credentials:
    """An issuer of tokens and an authority of clients; what a server has to know of them stands in two files."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self.public_key = folder / "public.der"
        self.trusted = folder / "trusted.pem"
        self._issuer = Issuer(folder / "issuer")
        self._strangers_issuer = Issuer(folder / "strangers-issuer")
        self._clients = Authority(folder / "clients")
        self._strangers = Authority(folder / "strangers")
        for role in (*ROLES, REVOKED):
            self._issuer.add_client(role, SECRET)
        self._tell()

    def stop(self) -> None:
        self._issuer.stop()
        self._strangers_issuer.stop()

    def token(self, role: str) -> str:
        return self._issuer.token(role)

    def callers(self) -> list[Caller]:
        """All but `rotated`."""
        made = [Caller("nobody")]
        for role in ROLES:
            made.append(Caller(f"token: {role}", role, self.token(role)))
            made.append(Caller(f"certificate: {role}", role, certificate=self._clients.issue(f"of-{role}", role=role)))
            made.append(Caller(f"OAuth2: {role}", role, self._by_client(role)))
        return [*made, *self._wrong(), *self._out_of_time(), *self._revoked()]

    def rotate(self) -> list[Caller]:
        """The servers are told of another key and another authority, and of the old ones no more. Callers with the old and the new."""
        old = (self.token("admin"), self._clients.issue("old", role="admin"), self._by_client("admin"))
        self._issuer.rotate_key(keep_old=False)
        self._clients = Authority(self._folder / "clients-anew")
        self._tell()
        new = (self.token("admin"), self._clients.issue("new", role="admin"), self._by_client("admin"))
        return [
            Caller("token: of the old key", token=old[0]),
            Caller("certificate: of the old authority", certificate=old[1], connects=False),
            Caller("OAuth2: of the old key", token=old[2]),
            Caller("token: of the new key", "admin", new[0]),
            Caller("certificate: of the new authority", "admin", certificate=new[1]),
            Caller("OAuth2: of the new key", "admin", new[2]),
        ]

    def _tell(self) -> None:
        for file, content in ((self.public_key, self._issuer.public_key), (self.trusted, self._clients.certificate)):
            shutil.copy(content, file.with_suffix(".new"))
            os.replace(file.with_suffix(".new"), file)

    def _wrong(self) -> list[Caller]:
        assert self._by_client("admin", "not-the-secret") == "", "the issuer knows no such client"
        return [
            Caller("token: of another key", token=self._strangers_issuer.token("admin")),
            Caller("token: not one", token="x.y.z"),
            Caller("certificate: of another authority", certificate=self._strangers.issue("admin"), connects=False),
            # By the same claims, the issuer's name among them, signed by somebody else.
            Caller("OAuth2: of another issuer", token=self._strangers_issuer.token("admin", iss=self._issuer.url)),
        ]

    def _out_of_time(self) -> list[Caller]:
        made = []
        for name, begins, ends in (("expired", -2 * HOUR, -HOUR), ("not yet valid", HOUR, 2 * HOUR)):
            self._issuer.valid_in_seconds, self._issuer.expires_in_seconds = begins, ends
            made.append(Caller(f"token: {name}", token=self.token("admin")))
            made.append(Caller(f"OAuth2: {name}", token=self._by_client("admin")))
            certificate = self._clients.issue_for(name.replace(" ", "-"), "admin", begins, ends)
            made.append(Caller(f"certificate: {name}", certificate=certificate, connects=False))
        self._issuer.valid_in_seconds, self._issuer.expires_in_seconds = 0, 2 * HOUR
        return made

    def _revoked(self) -> list[Caller]:
        """Known, and with no right any more."""
        return [
            Caller("token: revoked", "other", self.token(REVOKED)),
            Caller("certificate: revoked", "other", certificate=self._clients.issue(REVOKED)),
            Caller("OAuth2: revoked", "other", self._by_client(REVOKED)),
        ]

    def _by_client(self, role: str, secret: str = SECRET) -> str:
        """The token that the issuer gives for id and secret; empty: none."""
        form = {"grant_type": "client_credentials", "client_id": role, "client_secret": secret}
        try:
            with urllib.request.urlopen(f"{self._issuer.url}/token", urlencode(form).encode(), timeout=20) as answer:
                return str(json.load(answer)["access_token"])
        except urllib.error.HTTPError as error:
            assert error.code == 401, error
            return ""
