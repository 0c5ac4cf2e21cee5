"""The Debian package on a clean, booted Debian: first function, upgrade, remove, purge."""

import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from zipfile import ZipFile

import pytest
from debian_machine import DebianMachine
from first_function import create_and_use, use

from harness import locations

UNIT = "weft-standalone.service"
# Exposure by systemd-analyze, times ten: below 2 is its green.
EXPOSURE_MAX = 20
# Of a package that goes to Debian itself. This one doesn't.
NOT_OURS = ["initial-upload-closes-no-bugs"]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    build = locations.weft_binary().parents[1]
    made = subprocess.run([locations.SOURCE_ROOT / "tools/make-deb", build, tmp_path_factory.mktemp("deb")],
                          capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return Path(made.stdout.strip())


@pytest.fixture(scope="module")
def machine() -> Iterator[DebianMachine]:
    with DebianMachine(later=["libpython3.11", "python3"]) as booted:
        yield booted


def newer(package: Path, folder: Path) -> Path:
    """The same package with a higher version."""
    subprocess.run(["dpkg-deb", "-R", package, folder / "content"], check=True)
    control = folder / "content/DEBIAN/control"
    control.write_text(control.read_text().replace("\nVersion: ", "\nVersion: 1:"))
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", folder / "content", folder / "newer.deb"],
                   check=True, stdout=subprocess.DEVNULL)
    return folder / "newer.deb"


def install(machine: DebianMachine, package: Path) -> None:
    (machine.root / "root" / package.name).write_bytes(package.read_bytes())
    machine.run("apt-get", "install", "-qy", f"/root/{package.name}")


def main_pid(machine: DebianMachine) -> str:
    assert machine.run("systemctl", "is-active", UNIT) == "active\n"
    return machine.run("systemctl", "show", "--property=MainPID", "--value", UNIT).strip()


def check_worker(machine: DebianMachine, python: str) -> None:
    """The unit of a worker alone, on the broker that runs here; in a namespace, and so a cluster, of its own."""
    unit = "weft-worker.service"
    assert machine.run("sh", "-c", f"systemctl is-enabled {unit}; systemctl is-active {unit} || true") == "disabled\ninactive\n"
    (machine.root / "etc/weft").mkdir()
    (machine.root / "etc/weft/functions_worker.yml").write_text(
        "workerId: alone\nworkerHostname: localhost\npulsarFunctionsNamespace: public/alone\n"
        "pulsarWebServiceUrl: http://localhost:8081\n"
    )
    machine.run("systemctl", "start", unit)
    assert machine.run("systemctl", "is-active", unit) == "active\n"
    assert "ready http://127.0.0.1:6750" in machine.run("journalctl", "--unit", unit)
    machine.run("systemd-analyze", "verify", "--man=no", unit)
    machine.run("systemd-analyze", "security", f"--threshold={EXPOSURE_MAX}", unit)
    weft = partial(machine.run, "weft", "--admin-url", "http://127.0.0.1:6750")
    create_and_use(weft, "alone", "--py", python, "--classname", "exclamation.Exclamation")
    machine.run("systemctl", "stop", unit)
    machine.run("rm", "-r", "/etc/weft")


def test_lintian(package: Path) -> None:
    command = ["lintian", "--allow-root", "--fail-on", "error,warning", "--suppress-tags", ",".join(NOT_OURS), package]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_from_install_to_purge(machine: DebianMachine, package: Path, tmp_path: Path) -> None:
    weft = partial(machine.run, "weft")

    install(machine, package)
    first = main_pid(machine)
    assert machine.run("systemctl", "is-enabled", UNIT) == "enabled\n"
    assert machine.run("stat", "--format=%U %G %a", "/var/lib/weft", f"/proc/{first}") == "weft weft 750\nweft weft 555\n"
    assert "ready pulsar://127.0.0.1:6650 http://127.0.0.1:8080" in machine.run("journalctl", "--unit", UNIT)
    machine.run("systemd-analyze", "verify", "--man=no", UNIT)
    machine.run("systemd-analyze", "security", f"--threshold={EXPOSURE_MAX}", UNIT)

    compiler = ["clang++-19", "-std=c++17", "-shared", "-fPIC", "-I", machine.root / "usr/include"]
    examples = Path("usr/share/doc/weft/examples")
    subprocess.run([*compiler, machine.root / examples / "cpp/exclamation.cc", "-o", machine.root / "root/lib.so"], check=True)
    create_and_use(weft, "native", "--native", "/root/lib.so")
    python = f"/{examples}/python/exclamation.py"
    create_and_use(weft, "python", "--py", python, "--classname", "exclamation.Exclamation")
    with ZipFile(machine.root / "root/exclamation.zip", "w") as archive:  # its environment is built by the service
        archive.writestr("exclamation.py", (machine.root / python[1:]).read_bytes())
    create_and_use(weft, "zip", "--py", "/root/exclamation.zip", "--classname", "exclamation.Exclamation")
    instances = [pid for pid in machine.processes_of("weft") if pid != first]
    assert len(instances) == 3
    for pid in instances:  # what runs the functions is confined as the unit is
        confined = machine.run("grep", "-E", "^(NoNewPrivs|Seccomp|CapBnd):", f"/proc/{pid}/status").split()
        assert confined == ["CapBnd:", "0000000000000000", "NoNewPrivs:", "1", "Seccomp:", "2"]

    # What the administrator changed stays, and so does the data; the service runs the new program.
    settings = machine.root / "etc/default/weft-standalone"
    settings.write_text(settings.read_text().replace("8080", "8081"))
    install(machine, newer(package, tmp_path))
    second = main_pid(machine)
    assert second != first
    assert "8081" in settings.read_text()
    weft_8081 = partial(weft, "--admin-url", "http://127.0.0.1:8081")
    use(weft_8081, "native", "upgraded")
    use(weft_8081, "python", "upgraded")
    use(weft_8081, "zip", "upgraded")

    machine.run("apt-get", "remove", "-qy", "weft")
    assert machine.run("sh", "-c", f"systemctl is-active {UNIT} || true") == "inactive\n"
    assert not (machine.root / "usr/bin/weft").exists()
    assert (machine.root / "var/lib/weft/store").is_dir() and settings.exists()
    install(machine, package)
    use(weft_8081, "native", "again")
    use(weft_8081, "python", "again")

    killed = main_pid(machine)
    machine.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", UNIT)
    show = f"systemctl show --property=MainPID,ActiveState --value {UNIT} | tr '\\n' ' '"
    changed = f'set -- $({show}); [ "$1" != {killed} ] && [ "$2" = active ]'
    machine.run("timeout", "60", "sh", "-c", f"until {changed}; do sleep 0.1; done")  # asks systemd until it has
    create_and_use(weft_8081, "after", "--py", python, "--classname", "exclamation.Exclamation")

    check_worker(machine, python)
    machine.run("apt-get", "purge", "-qy", "weft")
    machine.run("rm", f"/root/{package.name}", "/root/newer.deb")
    assert machine.run("find", "/", "-xdev", "(", "-name", "*weft*", "-o", "-nouser", "-o", "-nogroup", ")") == ""
    assert machine.run("sh", "-c", "getent passwd weft; getent group weft; systemctl list-unit-files | grep weft || true") == ""
