"""Programs that tests build into the cache, once for each state of their sources."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from . import locations

# Debian 12 ships Go 1.19; the client needs 1.24. Where `go` is older, this one comes from the module proxy.
GO_MINOR, GO_TOOLCHAIN = 24, "v0.0.1-go1.27.3.linux-amd64"


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


def built(name: str, sources: Sequence[Path], build: Callable[[Path], None]) -> Path:
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


def _go_command(folder: Path) -> Path:
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


def go_program(name: str, module: Path) -> Path:
    """Built of main.go, go.mod and go.sum in `module`."""
    sources = [module / file for file in ("main.go", "go.mod", "go.sum")]

    def build_into(folder: Path) -> None:
        go = _go_command(folder)
        build = [go, "build", "-buildvcs=false", "-o", folder / "driver", "."]
        # Without cgo the client takes its zstd in Go: else C is compiled, a minute more.
        run(build, cwd=module, GOTOOLCHAIN="local", CGO_ENABLED="0")

    return built(name, sources, build_into) / "driver"
