"""What is installed for the ladder alone, kept in the cache beside the stack's jars: Quix Streams and Kafka Streams."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import venv
from collections.abc import Callable
from pathlib import Path

from dragoman.stack.artifacts import cache_folder

QUIX = ("quixstreams==3.28.1", "orjson==3.13.0")
STREAMS = "4.3.0"
PASSES = 3
"""How often Kafka Streams reads everything before it is measured: longer makes it no faster."""

_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_POM = (
    '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>bench</groupId>'
    "<artifactId>streams</artifactId><version>1</version><packaging>pom</packaging><dependencies><dependency>"
    f"<groupId>org.apache.kafka</groupId><artifactId>kafka-streams</artifactId><version>{STREAMS}</version>"
    "</dependency></dependencies></project>"
)


class Missing(Exception):
    """It cannot be had here; the text says why."""


def quix() -> list[str]:
    """The command of the rung, in an environment of its own."""
    folder = _kept(f"quix-{QUIX[0].rpartition('=')[2]}", _install_quix)
    return [str(folder / "bin" / "python"), "-m", "bench.kafka.rung", "quix"]


def streams() -> list[str]:
    """The command of the rung, compiled anew each time: it takes a second."""
    java, javac = shutil.which("java"), shutil.which("javac")
    if java is None or javac is None:
        raise Missing("there is no Java compiler")
    jars = _kept(f"streams-{STREAMS}", _fetch_streams)
    classes = _kept("streams-classes", lambda folder: folder.mkdir())
    path = f"{classes}{os.pathsep}{jars}/*"
    _done([javac, "-cp", path, "-d", str(classes), str(Path(__file__).with_name("Streams.java"))])
    return [java, "-Xmx512m", "-cp", path, "Streams", str(PASSES)]


def _install_quix(folder: Path) -> None:
    venv.create(folder, with_pip=True)
    _done([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *QUIX])


def _fetch_streams(folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise Missing("there is no Maven")
    with tempfile.TemporaryDirectory() as name:
        pom = Path(name) / "pom.xml"
        pom.write_text(_POM)
        _done([maven, "--batch-mode", "--quiet", "-f", str(pom), _COPY, f"-DoutputDirectory={folder}"])


def _kept(name: str, make: Callable[[Path], None]) -> Path:
    """A folder of the cache, made if it is not there; what was begun and not ended is no such folder."""
    folder = cache_folder(os.environ) / "bench" / name
    if not (folder / "made").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        make(folder)
        (folder / "made").touch()
    return folder


def _done(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines() or ["it said nothing"]
        raise Missing(f"{Path(command[0]).name} ended with {done.returncode}: {lines[-1]}")
