"""Builds the drivers of the Java and the Go client into the cache (once for each state of their sources), and
says how each driver is started."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from harness import locations

HERE = Path(__file__).resolve().parent
# Debian 12 ships Go 1.19; the client needs 1.24. Where `go` is older, this one comes from the module proxy.
GO_MINOR, GO_TOOLCHAIN = 24, "v0.0.1-go1.27.3.linux-amd64"
COPY_JARS = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
_QUIET = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
_JVM = ("-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", _QUIET)


def run(command: Sequence[str | Path], cwd: Path | None = None, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if done.returncode != 0:
        text = " ".join(map(str, command))
        raise RuntimeError(f"{text} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def cached(name: str, sources: Sequence[Path], build: Callable[[Path], None]) -> Path:
    """The folder that `build` filled for these sources; built beside and renamed."""
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    folder = locations.cache_directory() / "client-table" / f"{name}-{digest}"
    if not folder.is_dir():
        beside = folder.with_name(f"{folder.name}.{os.getpid()}")
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        try:
            build(beside)
            beside.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another run was faster
                raise
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    return folder


def _java() -> list[str | Path]:
    def jars_into(folder: Path) -> None:
        run(["mvn", "-q", "-B", "-f", HERE / "java" / "pom.xml", COPY_JARS, f"-DoutputDirectory={folder}"])

    jars = cached("java-jars", [HERE / "java" / "pom.xml"], jars_into)
    source = HERE / "java" / "Driver.java"

    def compile_into(folder: Path) -> None:
        run(["javac", "-nowarn", "-Xlint:none", "-d", folder, "-cp", f"{jars}/*", source])

    classes = cached("java-classes", [HERE / "java" / "pom.xml", source], compile_into)
    return ["java", *_JVM, "-cp", f"{classes}{os.pathsep}{jars}/*", "Driver"]


def go_command(folder: Path) -> Path:
    """The `go` on the PATH if it is new enough, else one of the module proxy's. `folder` is no module: an old go
    can't read ours."""
    found = shutil.which("go")
    if found is None:
        raise FileNotFoundError("no go on PATH (Debian: golang-go)")
    version = run([found, "env", "GOVERSION"], GOTOOLCHAIN="local").strip()  # go1.26.8
    if int(version.removeprefix("go").split(".")[1]) >= GO_MINOR:
        return Path(found)
    run([found, "mod", "download", f"golang.org/toolchain@{GO_TOOLCHAIN}"], cwd=folder)
    modules = Path(run([found, "env", "GOMODCACHE"]).strip())
    home = modules / "golang.org" / f"toolchain@{GO_TOOLCHAIN}"
    for program in [*(home / "bin").iterdir(), *(home / "pkg" / "tool").rglob("*")]:
        if program.is_file() and not os.access(program, os.X_OK):
            program.chmod(0o755)  # a module's files are not executable
    return home / "bin" / "go"


def _go() -> list[str | Path]:
    sources = [HERE / "go" / name for name in ("main.go", "go.mod", "go.sum")]

    def build_into(folder: Path) -> None:
        go = go_command(folder)
        build = [go, "build", "-buildvcs=false", "-o", folder / "driver", "."]
        # Without cgo the client takes its zstd in Go: else C is compiled, a minute more.
        run(build, cwd=HERE / "go", GOTOOLCHAIN="local", CGO_ENABLED="0")

    return [cached("go", sources, build_into) / "driver"]


def _ours() -> list[str | Path]:
    return [locations.weft_binary().parent / "weft_client_driver"]


COMMANDS: dict[str, Callable[[], list[str | Path]]] = {
    "python": lambda: [sys.executable, HERE / "python_driver.py"],
    "java": _java,
    "go": _go,
    "ours": _ours,
}
