"""Zips and wheels, made by hand: no network, no build tool."""

import io
import zipfile
from collections.abc import Mapping, Sequence

Files = Mapping[str, str | bytes]


def zip_of(files: Files) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def wheel_name(name: str, version: str = "1.0", tag: str = "py3-none-any") -> str:
    return f"{name}-{version}-{tag}.whl"


def wheel(name: str, files: Files, requires: Sequence[str] = (), version: str = "1.0", tag: str = "py3-none-any") -> bytes:
    info = f"{name}-{version}.dist-info"
    requirements = "".join(f"Requires-Dist: {one}\n" for one in requires)
    own = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requirements}",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, *own, f"{info}/RECORD"])
    return zip_of({**files, **own, f"{info}/RECORD": record})
