"""packaging/Containerfile, read and not built: what it says is there, pinned, and not root's."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser

from harness import locations
from harness.weft_standalone import WeftStandalone

ROOT = locations.SOURCE_ROOT
Instruction = dict[str, str]


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> list[list[Instruction]]:
    """The instructions from each FROM to the next."""
    path = tmp_path_factory.mktemp("containerfile") / "Dockerfile"  # the parser may write where it reads
    path.write_bytes((ROOT / "packaging/Containerfile").read_bytes())
    parsed: list[list[Instruction]] = []
    for step in DockerfileParser(str(path)).structure:
        if step["instruction"] == "FROM":
            parsed.append([])
        if step["instruction"] != "COMMENT":
            parsed[-1].append(step)
    return parsed


def values(stage: list[Instruction], instruction: str) -> list[str]:
    return [step["value"] for step in stage if step["instruction"] == instruction]


def test_only_known_instructions(stages: list[list[Instruction]]) -> None:
    known = {"FROM", "RUN", "COPY", "WORKDIR", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
    assert {step["instruction"] for stage in stages for step in stage} <= known


def test_images_are_pinned(stages: list[list[Instruction]]) -> None:
    assert len(stages) == 2
    for stage in stages:
        (image,) = values(stage, "FROM")
        assert re.fullmatch(r"debian:bookworm-\d{8}-slim( AS \w+)?", image), image


def test_what_is_copied_is_in_the_repository(stages: list[list[Instruction]]) -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for value in values(stages[0], "COPY"):
        for source in value.split()[:-1]:
            assert any(Path(file).is_relative_to(source) for file in tracked), f"COPY {value}: no {source} in git"
    assert [value.split()[:2] for value in values(stages[1], "COPY")] == [["--from=build", "/staging"]]


def test_everything_that_the_build_reads_is_copied(stages: list[list[Instruction]]) -> None:
    copied = {source for value in values(stages[0], "COPY") for source in value.split()[:-1]}
    read = set(re.findall(r"^add_subdirectory\((\w+)", (ROOT / "CMakeLists.txt").read_text(), re.M))
    installed = re.findall(r"\$\{CMAKE_SOURCE_DIR\}/(\w+)", (ROOT / "packaging/CMakeLists.txt").read_text())
    read |= {name for name in installed if (ROOT / name).is_dir()} | {"cmake", "CMakeLists.txt", "CMakePresets.json"}
    assert read <= copied | {"src"}


def test_the_build_installs_what_the_list_says(stages: list[list[Instruction]]) -> None:
    (install,) = [run for run in values(stages[0], "RUN") if "apt-get" in run]
    names = subprocess.run(
        ["sh", "-c", re.search(r"awk .*?packages\.txt", install)[0]], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    listed = [line.split() for line in (ROOT / "tools/packages.txt").read_text().splitlines() if not line.startswith("#")]
    assert names == [name for group, name in listed if group == "build"]


def test_it_runs_as_a_user_who_owns_its_data(stages: list[list[Instruction]]) -> None:
    (user,) = values(stages[1], "USER")
    (volume,) = values(stages[1], "VOLUME")
    command = json.loads(values(stages[1], "CMD")[0])
    assert user.split(":")[0] not in ("0", "root")
    assert command[command.index("--data-dir") + 1] == volume
    assert values(stages[1], "EXPOSE") == ["6650 8080"]
    assert values(stages[1], "HEALTHCHECK") and values(stages[1], "ENTRYPOINT") == ['["/usr/local/bin/weft"]']


def test_the_shell_commands_parse(stages: list[list[Instruction]]) -> None:
    for stage in stages:
        for run in values(stage, "RUN"):
            subprocess.run(["sh", "-n", "-c", run], check=True)


def test_the_health_check_knows_alive_from_dead(stages: list[list[Instruction]], tmp_path: Path) -> None:
    check = values(stages[1], "HEALTHCHECK")[0]
    command = json.loads(check[check.index("[") :])
    with WeftStandalone(tmp_path) as standalone:
        here = [word.replace(":8080/", f":{standalone.address.web_port}/") for word in command]
        assert here != command
        assert subprocess.run(here, capture_output=True, timeout=60).returncode == 0
    assert subprocess.run(here, capture_output=True, timeout=60).returncode == 1


def test_the_program_takes_its_command(stages: list[list[Instruction]], tmp_path: Path) -> None:
    """The options of CMD are options of this weft: it gets as far as the data directory, which is no directory."""
    (tmp_path / "file").write_text("")
    command = [str(tmp_path / "file") if word == "/var/lib/weft" else word for word in json.loads(values(stages[1], "CMD")[0])]
    result = subprocess.run([locations.weft_binary(), *command], capture_output=True, text=True, timeout=60)
    assert result.returncode == 1 and f"--data-dir {tmp_path}/file" in result.stderr, result.stderr
