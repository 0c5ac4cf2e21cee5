"""Where things are: the weft binary, the real Apache Pulsar, Java."""

import os
import shutil
from pathlib import Path

PULSAR_VERSION = "4.0.8"
SOURCE_ROOT = Path(__file__).resolve().parents[2]


def cache_directory() -> Path:
    return Path(os.environ.get("WEFT_CACHE", Path.home() / ".cache" / "weft"))


def weft_binary() -> Path:
    """The weft program under test: WEFT_BIN, or the release build of this checkout."""
    path = Path(os.environ.get("WEFT_BIN", SOURCE_ROOT / "build" / "release" / "bin" / "weft"))
    if not path.is_file():
        raise FileNotFoundError(
            f"no weft binary at {path}; build it (ninja -C build/release weft) or set WEFT_BIN"
        )
    return path


def pulsar_home() -> Path:
    """The unpacked distribution of Apache Pulsar: WEFT_PULSAR_HOME, or what tools/fetch-pulsar left in the
    cache."""
    default = cache_directory() / f"apache-pulsar-{PULSAR_VERSION}"
    path = Path(os.environ.get("WEFT_PULSAR_HOME", default))
    if not (path / "bin" / "pulsar").is_file():
        raise FileNotFoundError(f"no Apache Pulsar at {path}; run tools/fetch-pulsar or set WEFT_PULSAR_HOME")
    if shutil.which("java") is None:
        raise FileNotFoundError("Apache Pulsar needs java 17 on PATH (Debian: openjdk-17-jdk-headless)")
    return path
