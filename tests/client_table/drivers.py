"""Builds the drivers of the Java and the Go client into the cache, and says how each driver is started."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from harness import locations
from harness.built import built, go_program, run

HERE = Path(__file__).resolve().parent
COPY_JARS = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
_QUIET = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
_JVM = ("-Xmx320m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", _QUIET)


def _java() -> list[str | Path]:
    def jars_into(folder: Path) -> None:
        run(["mvn", "-q", "-B", "-f", HERE / "java" / "pom.xml", COPY_JARS, f"-DoutputDirectory={folder}"])

    jars = built("java-jars", [HERE / "java" / "pom.xml"], jars_into)
    source = HERE / "java" / "Driver.java"

    def compile_into(folder: Path) -> None:
        run(["javac", "-nowarn", "-Xlint:none", "-d", folder, "-cp", f"{jars}/*", source])

    classes = built("java-classes", [HERE / "java" / "pom.xml", source], compile_into)
    return ["java", *_JVM, "-cp", f"{classes}{os.pathsep}{jars}/*", "Driver"]


def _go() -> list[str | Path]:
    return [go_program("go", HERE / "go")]


def _ours() -> list[str | Path]:
    return [locations.weft_binary().parent / "weft_client_driver"]


COMMANDS: dict[str, Callable[[], list[str | Path]]] = {
    "python": lambda: [sys.executable, HERE / "python_driver.py"],
    "java": _java,
    "go": _go,
    "ours": _ours,
}
