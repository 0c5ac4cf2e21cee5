"""Makes the environment of a Python function's package: checks the archive, unpacks it, installs its wheels.

Run by the interpreter whose packages functions see, as `python -I - JSON`, with this text as standard input. What is wrong
with the package is written to standard output, and the exit code is then 3. Where an index may be asked, PIP_INDEX_URL and
PIP_EXTRA_INDEX_URL name it: in the environment, because they may hold a password. The result, in the folder `target`:

    unpacked/   what was in a zip
    code        what goes to the front of sys.path
    venv/       a virtual environment on top of the interpreter's own packages; only if something had to be installed
"""
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile

REFUSED = 3
ERROR_BYTES_MAX = 2000


class Refused(Exception):
    """The package can't be used; the text says why and what to do."""


def die_with_parent():
    try:
        import ctypes
        ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
    except (ImportError, AttributeError):
        pass  # then only the deadline ends us


class Limits:
    """How much all archives of a package may hold together."""

    def __init__(self, given):
        self.entries, self.bytes, self.ratio = given["entries_max"], given["bytes_max"], given["ratio_max"]
        self.entries_left, self.bytes_left = self.entries, self.bytes

    def take(self, archive, infos):
        self.entries_left -= len(infos)
        if self.entries_left < 0:
            raise Refused(f"{archive} has too many entries: at most {self.entries} are taken")
        for info in infos:
            if info.file_size > self.ratio * info.compress_size + (1 << 20):
                raise Refused(f"{archive}: '{info.filename}' expands from {info.compress_size} to {info.file_size} bytes: "
                              f"at most {self.ratio} times is taken")
            self.bytes_left -= info.file_size
        if self.bytes_left < 0:
            raise Refused(f"{archive} is too large unpacked: at most {self.bytes} bytes are taken")


def check_entry(archive, info):
    name = info.orig_filename
    shown = name.encode("unicode_escape").decode()
    parts = name.rstrip("/").split("/")
    if name.startswith("/") or "\\" in name or re.match("[A-Za-z]:", name):
        raise Refused(f"{archive}: the entry '{shown}' has an absolute path or backslashes: use relative paths with '/'")
    if any(part in ("", ".", "..") for part in parts):
        raise Refused(f"{archive}: the entry '{shown}' leads out of the package: use plain relative paths")
    if any(ord(char) < 32 or ord(char) == 127 for char in name) or len(max(parts, key=len).encode("utf-8", "replace")) > 200:
        raise Refused(f"{archive}: the entry '{shown[:100]}' has a name that can't be used: no control characters, "
                      "at most 200 bytes between slashes")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise Refused(f"{archive}: the entry '{shown}' is a link or another special file: pack the file itself")
    if info.flag_bits & 1:
        raise Refused(f"{archive}: the entry '{shown}' is encrypted: pack it without a password")


def open_archive(path, shown, limits):
    """The archive, with every entry checked."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise Refused(f"{shown} is not a zip archive: {error}")
    infos = archive.infolist()
    limits.take(shown, infos)
    seen = set()
    for info in infos:
        check_entry(shown, info)
        name = info.filename.rstrip("/")
        if name in seen:
            raise Refused(f"{shown} holds '{name}' twice")
        seen.add(name)
    return archive


def unpack(archive, shown, target):
    os.makedirs(target)
    for info in archive.infolist():
        path = os.path.join(target, *info.filename.rstrip("/").split("/"))
        try:
            if info.is_dir():
                os.makedirs(path, exist_ok=True)
                continue
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with archive.open(info) as source, open(path, "xb") as out:
                shutil.copyfileobj(source, out, 1 << 20)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise Refused(f"{shown}: '{info.filename}' is a file and a folder at once")
        except Exception as error:
            if isinstance(error, OSError):
                raise  # ours, not the package's
            raise Refused(f"{shown}: '{info.filename}' can't be unpacked: {error}")


def check_wheel(path, shown, limits):
    """Checks a wheel; gives the name that says what it is and where it fits, made of what it holds."""
    with open_archive(path, shown, limits) as archive:
        names = archive.namelist()
        stems = {name.split("/")[0] for name in names if re.fullmatch(r"[^/]+\.dist-info/(METADATA|WHEEL)", name)}
        if len(stems) != 1:
            raise Refused(f"{shown} is not a wheel: it must hold one folder NAME-VERSION.dist-info with METADATA and WHEEL")
        stem = stems.pop()
        try:
            metadata = archive.read(f"{stem}/METADATA").decode("utf-8", "replace")
            tags = re.findall(r"^Tag:\s*(\S+)\s*$", archive.read(f"{stem}/WHEEL").decode("utf-8", "replace"), re.MULTILINE)
        except Exception as error:
            raise Refused(f"{shown} is not a wheel: {error}")
    for line in metadata.split("\n\n")[0].splitlines():
        if line.lower().startswith("requires-dist:") and "@" in line.partition(";")[0]:
            raise Refused(f"{shown}: {line.strip()}: requirements by URL are not followed: put its wheel into deps/")
    parts = [tag.split("-") for tag in tags]
    if not parts or any(len(part) != 3 for part in parts):
        raise Refused(f"{shown} is not a wheel: {stem}/WHEEL names no tags")
    return "-".join([stem.removesuffix(".dist-info"), *(".".join(dict.fromkeys(column)) for column in zip(*parts))]) + ".whl"


def layout_of(names):
    """(folder that everything stands in, folder of the modules): Pulsar's BASE/src, or a plain zip of modules."""
    tops = {name.split("/")[0] for name in names} - {"__MACOSX"}
    folders = {tuple(name.split("/")[:2]) for name in names if name.count("/") >= 2}
    if len(tops) == 1 and (top := next(iter(tops)), "src") in folders:
        return top, os.path.join(top, "src")
    if "src" in tops and tops & {"deps", "requirements.txt"}:
        return "", "src"
    return "", ""


def check_requirements(path):
    for line in open(path, encoding="utf-8", errors="replace"):
        text = line.split("#")[0].strip()
        if text.startswith("-") or "@" in text or "://" in text or text.endswith("\\"):
            raise Refused(f"requirements.txt: '{line.strip()[:100]}': only NAME and NAME with versions are taken")


def unpack_zip(package, shown, target, limits):
    """Unpacks; gives the wheels to install and the file of requirements, or None."""
    unpacked = os.path.join(target, "unpacked")
    with open_archive(package, shown, limits) as archive:
        names = archive.namelist()
        if not any(name.endswith(".py") or name.endswith(".so") or name.endswith(".whl") for name in names):
            raise Refused(f"{shown} holds no Python modules: it must hold BASE/src with the code (and BASE/deps with "
                          "wheels), or the modules themselves")
        base, code = layout_of(names)
        unpack(archive, shown, unpacked)
    os.symlink(os.path.join("unpacked", code), os.path.join(target, "code"))
    deps = os.path.join(unpacked, base, "deps")
    wheels = []
    for name in sorted(os.listdir(deps)) if os.path.isdir(deps) else []:
        if name.endswith(".whl"):
            path = os.path.join(deps, name)
            check_wheel(path, f"{shown}: deps/{name}", limits)
            wheels.append(path)
    requirements = os.path.join(unpacked, base, "requirements.txt")
    if not os.path.isfile(requirements):
        return wheels, None
    check_requirements(requirements)
    return wheels, requirements


def make_virtual_environment(path):
    """On top of this interpreter's own packages: they are seen, and never changed."""
    import venv
    venv.EnvBuilder(symlinks=True, with_pip=False).create(path)
    packages = os.path.join(path, "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages")
    with open(os.path.join(packages, "weft-interpreter.pth"), "w") as out:
        for folder in sys.path:
            if os.path.basename(folder) in ("site-packages", "dist-packages"):
                out.write(f"import site; site.addsitedir({folder!r})\n")


def pip_error(output, options):
    errors = [line.partition("ERROR: ")[2].strip() for line in output.splitlines() if line.startswith("ERROR: ")]
    missing = re.findall(r"No matching distribution found for (.+)", "\n".join(errors))
    shown = options["shown"]
    if missing:
        where = "in its deps/ nor installed in" if options["kind"] == "zip" else "installed in"
        deps = "put its wheel into deps/ of the zip" if options["kind"] == "zip" else \
            "pack the wheel into a zip (BASE/src, BASE/deps/*.whl) together with that one's"
        word = "neither " if options["kind"] == "zip" else "not "
        index = "" if "PIP_INDEX_URL" in os.environ else ", or start Weft with --python-dependency-repository URL"
        return f"{shown}: the requirement {missing[0]} is {word}{where} {options['python']}: {deps}, install it there{index}"
    text = "\n".join(errors) or output.strip()
    return f"{shown}: its wheels can't be installed: {text[-ERROR_BYTES_MAX:]}"


def install(options, wheels, requirements, deps):
    from importlib.util import find_spec
    if find_spec("pip") is None:
        raise Refused(f"{options['shown']}: its wheels can't be installed: {options['python']} has no pip: install it "
                      "(Debian: python3-pip), or start Weft with --python naming the interpreter of a virtual environment")
    environment = os.path.join(options["target"], "venv")
    make_virtual_environment(environment)
    # Not --isolated, which would leave the index out as well. The worker's environment does not come here, and HOME is empty.
    command = [os.path.join(environment, "bin", "python"), "-I", "-X", "utf8", "-m", "pip", "--no-input",
               "--disable-pip-version-check", "--no-color", "--no-cache-dir", "install", "--only-binary=:all:",
               "--no-warn-script-location", "--progress-bar=off"]
    if "PIP_INDEX_URL" not in os.environ:
        command.append("--no-index")
    if deps:
        command += ["--find-links", deps]
    if requirements:
        command += ["--requirement", requirements]
    done = subprocess.run(command + wheels, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", preexec_fn=die_with_parent)
    if done.returncode != 0:
        raise Refused(pip_error(done.stdout, options))


def build(options):
    target, shown = options["target"], options["shown"]
    os.makedirs(target)
    limits = Limits(options)
    if options["kind"] == "whl":
        os.mkdir(os.path.join(target, "code"))
        wheel = os.path.join(os.path.dirname(target), os.path.basename(check_wheel(options["package"], shown, limits)))
        os.link(options["package"], wheel)
        return install(options, [wheel], None, None)
    wheels, requirements = unpack_zip(options["package"], shown, target, limits)
    deps = os.path.dirname(wheels[0]) if wheels else None
    if wheels or requirements:
        install(options, wheels, requirements, deps)
    if deps:
        shutil.rmtree(deps)
    import compileall
    compileall.compile_dir(os.path.join(target, "unpacked"), quiet=2)  # what doesn't compile is told when it is imported


def main():
    die_with_parent()
    options = json.loads(sys.argv[1])
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (options["bytes_max"], options["bytes_max"]))
    try:
        build(options)
    except Refused as why:
        print(why)
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
