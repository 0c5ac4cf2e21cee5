"""What builds the environment of a Python package (src/package/build_environment.py), by itself."""

import json
import os
import stat
import subprocess
import sys
import zipfile
from importlib.util import module_from_spec, spec_from_file_location
from io import BytesIO
from pathlib import Path
from unittest.mock import patch

import pytest
from archives import wheel, wheel_name, zip_of

from harness.locations import SOURCE_ROOT

BUILDER = SOURCE_ROOT / "src" / "package" / "build_environment.py"
spec = spec_from_file_location("build_environment", BUILDER)
assert spec is not None and spec.loader is not None
builder = module_from_spec(spec)
spec.loader.exec_module(builder)
LIMITS = {"entries_max": 100, "bytes_max": 10_000_000, "ratio_max": 200}


def build(folder: Path, package: bytes, kind: str = "zip", index: str | None = None, **options: object) -> str:
    """Builds `folder`/environment; gives what is wrong with the package, or ""."""
    (folder / "package").write_bytes(package)
    order = {
        "kind": kind,
        "package": str(folder / "package"),
        "shown": f"f.{kind}",
        "target": str(folder / "environment"),
        "python": sys.executable,
        **LIMITS,
        **options,
    }
    # The worker hands no more of its own environment on.
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin"} | ({"PIP_INDEX_URL": index} if index else {})
    with patch.dict(os.environ, environment, clear=True):
        try:
            builder.build(order)
        except builder.Refused as why:
            return str(why)
    return ""


def evaluate(folder: Path, expression: str) -> str:
    """As an instance sees it: the code first, then what was installed, then the interpreter's packages."""
    python = folder / "environment" / "venv" / "bin" / "python"
    program = f"import sys; sys.path.insert(0, {str(folder / 'environment' / 'code')!r}); print({expression})"
    command = [str(python) if python.exists() else sys.executable, "-I", "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def entry(name: str, content: bytes = b"x = 1\n", mode: int = 0, flags: int = 0) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("placeholder")
        info.filename = name  # as it is
        info.external_attr = mode << 16
        archive.writestr(info, content)
        archive.writestr("f.py", "")
    data = out.getvalue()
    if flags:  # in both headers
        for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            at = data.index(magic) + offset
            data = data[:at] + bytes([flags]) + data[at + 1 :]
    return data


def nested(name: str) -> bytes:
    return zip_of({"f/src/f.py": "", f"f/deps/{wheel_name('bad')}": entry(name)})


@pytest.mark.parametrize(
    ("package", "said"),
    [
        (b"", "f.zip is not a zip archive"),
        (b"def process(x): return x", "f.zip is not a zip archive"),
        (zip_of({"f.py": "x" * 1000})[:-30], "f.zip is not a zip archive"),
        (zip_of({"README": "hello"}), "f.zip holds no Python modules"),
        (entry("../evil.py"), "'../evil.py' leads out of the package"),
        (entry("a/../../evil.py"), "leads out of the package"),
        (entry("a/./b.py"), "leads out of the package"),
        (entry("a//b.py"), "leads out of the package"),
        (entry("/etc/evil.py"), "'/etc/evil.py' has an absolute path"),
        (entry("C:/evil.py"), "has an absolute path"),
        (entry("..\\evil.py"), "has an absolute path or backslashes"),
        (entry("a\nb.py"), "'a\\nb.py' has a name that can't be used"),
        (entry("a" * 201 + ".py"), "has a name that can't be used"),
        (entry("link.py", b"/etc/passwd", stat.S_IFLNK | 0o777), "'link.py' is a link"),
        (entry("pipe.py", b"", stat.S_IFIFO | 0o666), "'pipe.py' is a link or another special file"),
        (entry("secret.py", flags=1), "'secret.py' is encrypted"),
        (zip_of({f"m{n}.py": "" for n in range(101)}), "f.zip has too many entries: at most 100"),
        (zip_of({"bomb.py": b"\0" * 9_000_000}), "'bomb.py' expands from"),
        (entry("large.py", bytes(range(256)) * 40_000), "f.zip is too large unpacked: at most 10000000"),
        (zip_of({"a.py": "", "a.py/b.py": ""}), "is a file and a folder at once"),
        (nested("../evil.py"), f"f.zip: deps/{wheel_name('bad')}: the entry '../evil.py' leads out"),
        (zip_of({"f/src/f.py": "", "f/deps/a.whl": "text"}), "f.zip: deps/a.whl is not a zip archive"),
        (zip_of({"f/src/f.py": "", "f/deps/a.whl": zip_of({"a.py": ""})}), "f.zip: deps/a.whl is not a wheel"),
        (zip_of({"f/src/f.py": "", "f/requirements.txt": "--index-url http://x/"}), "requirements.txt: '--index-url"),
        (zip_of({"f/src/f.py": "", "f/requirements.txt": "x @ http://x/x.whl"}), "requirements.txt: 'x @ http"),
        (
            zip_of({"f/src/f.py": "", f"f/deps/{wheel_name('a')}": wheel("a", {"a.py": ""}, ["b @ http://x/b.whl"])}),
            "requirements by URL are not followed",
        ),
        (
            zip_of({"f/src/f.py": "", f"f/deps/{wheel_name('a', tag='cp27-none-any')}": wheel("a", {"a.py": ""})}),
            "not a supported wheel on this platform",
        ),
        (
            zip_of({"f/src/f.py": "", f"f/deps/{wheel_name('a')}": wheel("a", {"a.py": ""}, ["weft-missing>=2"])}),
            "the requirement weft-missing>=2 (from a) is neither in its deps/ nor installed in",
        ),
        (zip_of({"f/src/f.py": "", "f/requirements.txt": "weft-missing"}), "the requirement weft-missing is neither"),
    ],
)
def test_refused_packages(tmp_path: Path, package: bytes, said: str) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    answer = build(folder, package)
    assert said.replace(" (from a)", "") in answer.replace(" (from a)", "")
    assert [path.name for path in tmp_path.iterdir()] == ["inner"], "nothing outside"


def test_it_tells_by_its_exit_code(tmp_path: Path) -> None:
    (tmp_path / "package").write_bytes(b"no zip")
    order = {"kind": "zip", "package": str(tmp_path / "package"), "shown": "f.zip", "target": str(tmp_path / "e"), **LIMITS}
    command = [sys.executable, "-I", "-B", "-X", "utf8", "-", json.dumps(order)]
    done = subprocess.run(command, input=BUILDER.read_text(), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (3, "f.zip is not a zip archive: File is not a zip file\n")


def test_a_duplicate_entry_is_refused(tmp_path: Path) -> None:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("f.py", "1")
        with pytest.warns(UserWarning):
            archive.writestr("f.py", "2")
    assert "f.zip holds 'f.py' twice" in build(tmp_path, out.getvalue())


def test_a_damaged_entry_is_refused(tmp_path: Path) -> None:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("f.py", "some text")
    assert "'f.py' can't be unpacked: Bad CRC-32" in build(tmp_path, out.getvalue().replace(b"some text", b"Some text"))


@pytest.mark.parametrize(
    ("package", "said"),
    [
        (zip_of({"a.py": ""}), "f.whl is not a wheel: it must hold one folder NAME-VERSION.dist-info"),
        (zip_of({"a-1.dist-info/METADATA": "", "a-1.dist-info/WHEEL": ""}), "names no tags"),
        (wheel("a", {"a.py": ""}, ["weft-missing"]), "the requirement weft-missing is not installed in"),
        (wheel("a", {"a.py": ""}, tag="cp27-cp27m-win32"), "not a supported wheel on this platform"),
        (b"no zip", "f.whl is not a zip archive"),
    ],
)
def test_refused_wheels(tmp_path: Path, package: bytes, said: str) -> None:
    assert said in build(tmp_path, package, "whl")


def test_a_plain_zip_needs_no_virtual_environment(tmp_path: Path) -> None:
    assert build(tmp_path, zip_of({"pack/__init__.py": "", "pack/m.py": "X = 5", "src/n.py": "Y = 6"})) == ""
    assert evaluate(tmp_path, "__import__('pack.m').m.X + __import__('src.n').n.Y") == "11"
    assert not (tmp_path / "environment" / "venv").exists()


def test_pulsars_layout_with_wheels_that_need_each_other_and_the_interpreters(tmp_path: Path) -> None:
    one = wheel("dep_one", {"dep_one.py": "from dep_two import X"}, ["dep-two>=1", "pytest"])
    two = wheel("dep_two", {"dep_two.py": "X = 7"})
    package = zip_of(
        {
            "base/src/f.py": "from dep_one import X",
            "base/data.txt": "beside",
            f"base/deps/{wheel_name('dep_one')}": one,
            f"base/deps/{wheel_name('dep_two')}": two,
            "__MACOSX/base/._f.py": "",
        }
    )
    assert build(tmp_path, package) == ""
    assert evaluate(tmp_path, "__import__('f').X") == "7"
    assert (tmp_path / "environment" / "code" / ".." / "data.txt").read_text() == "beside"
    assert list((tmp_path / "environment").rglob("*.whl")) == []


def test_a_wheel_of_a_newer_version_than_the_interpreters(tmp_path: Path) -> None:
    newer = wheel("pytest", {"pytest/__init__.py": "__version__ = '99'"}, version="99.0")
    package = zip_of({"b/src/f.py": "from pytest import __version__", f"b/deps/{wheel_name('pytest', '99.0')}": newer})
    assert build(tmp_path, package) == ""
    assert evaluate(tmp_path, "__import__('f').__version__") == "99"
    assert pytest.__version__ != "99", "the interpreter's own stays"


def test_a_wheel_under_any_file_name(tmp_path: Path) -> None:
    assert build(tmp_path, wheel("app", {"app/__init__.py": "X = 8"}, ["pytest"]), "whl") == ""
    assert evaluate(tmp_path, "__import__('app').X") == "8"


def test_requirements_from_an_index_where_one_is_given(tmp_path: Path) -> None:
    index = tmp_path / "index" / "dep-two"
    index.mkdir(parents=True)
    (index / wheel_name("dep_two")).write_bytes(wheel("dep_two", {"dep_two.py": "X = 9"}))
    (index / "index.html").write_text(f'<a href="{wheel_name("dep_two")}">{wheel_name("dep_two")}</a>')
    url = (tmp_path / "index").as_uri()
    assert build(tmp_path, zip_of({"f/src/f.py": "", "f/requirements.txt": "dep-two == 1.0\n"}), index=url) == ""
    assert evaluate(tmp_path, "__import__('dep_two').X") == "9"
