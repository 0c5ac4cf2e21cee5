"""`weft tokens` and Pulsar's `bin/pulsar tokens` make and take the same."""

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from harness import locations


def weft(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([locations.weft_binary(), "tokens", *arguments], capture_output=True, timeout=30)


def said(*arguments: str | Path) -> str:
    done = weft(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip()


def pulsar(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith("PULSAR_")}
    env |= {"PULSAR_MEM": "-Xmx128m", "PULSAR_LOG_DIR": str(folder), "PULSAR_EXTRA_OPTS": "-XX:TieredStopAtLevel=1"}
    command = [locations.pulsar_home() / "bin" / "pulsar", "tokens", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=90)


def test_with_a_secret_key(tmp_path: Path) -> None:
    key = tmp_path / "secret.key"
    said("create-secret-key", "--output", key)
    assert key.stat().st_size == 32 and stat.S_IMODE(key.stat().st_mode) == 0o600
    token = said("create", "-sk", f"file://{key}", "-s", "ann", "-e", "1h", "-hs", "kid=7")
    taken = pulsar(tmp_path, "validate", "-sk", f"file://{key}", token)
    assert taken.returncode == 0 and "sub=ann" in taken.stdout, taken.stderr
    theirs = pulsar(tmp_path, "create", "-sk", f"file://{key}", "-s", "bob").stdout.strip()
    assert json.loads(said("validate", "-sk", f"file://{key}", theirs)) == {"sub": "bob"}
    header, claims = said("show", token).split("\n---\n")
    assert json.loads(header) == {"alg": "HS256", "kid": "7"} and json.loads(claims)["sub"] == "ann"


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_with_a_pair_of_keys(tmp_path: Path, algorithm: str) -> None:
    private, public = tmp_path / "private.key", tmp_path / "public.key"
    said("create-key-pair", "-a", algorithm, "--output-private-key", private, "--output-public-key", public)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    token = said("create", "-pk", f"file://{private}", "-s", "ann")
    taken = pulsar(tmp_path, "validate", "-a", algorithm, "-pk", f"file://{public}", token)
    assert taken.returncode == 0 and "sub=ann" in taken.stdout, taken.stderr
    theirs = pulsar(tmp_path, "create", "-a", algorithm, "-pk", f"file://{private}", "-s", "bob").stdout.strip()
    (tmp_path / "token").write_text(f"{theirs}\n")
    assert json.loads(said("validate", "-pk", f"file://{public}", "-f", tmp_path / "token")) == {"sub": "bob"}


def test_says_what_is_wrong(tmp_path: Path) -> None:
    key, other = tmp_path / "secret.key", tmp_path / "other.key"
    said("create-secret-key", "-o", key)
    said("create-secret-key", "-o", other)
    token = said("create", "-sk", f"file://{key}", "-s", "ann")
    (tmp_path / "weak.key").write_text("weak")
    for arguments, cure in {
        ("validate", "-sk", f"file://{other}", token): "not of this key",
        ("validate", token): "--secret-key and --public-key",
        ("validate", "-sk", f"file://{tmp_path}/weak.key", token): "give 32 or more",
        ("validate", "-sk", f"file://{key}", "no.token"): "three parts",
        ("validate", "-sk", f"file://{key}"): "--token-file",
        ("create", "-s", "ann", "-sk", "file:///nowhere"): "can't read the key file /nowhere",
        ("create", "-s", "ann", "-sk", f"file://{key}", "-e", "soon"): "--expiry-time soon: give a number",
        ("create", "-sk", f"file://{key}"): "--subject",
        ("create-key-pair", "-a", "HS256", "--output-private-key", "a", "--output-public-key", "b"): "RS256",
    }.items():
        done = weft(*arguments)
        assert done.returncode == 1 and cure in done.stderr.decode(), (arguments, done.stderr)
