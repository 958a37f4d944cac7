"""The jars of Kafka, Kafka Connect and Debezium: pinned, fetched once with Maven, in a cache that all stacks share.

`jars.sha256` lists every file that is run, those that come along included, as `sha256sum` writes it: what a mirror answers
is checked against it before any of it is run. `make lock-stack` writes it anew after a version here was changed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dragoman.stack.errors import FetchFailed, JarsDiffer, MavenMissing

CACHE = "DRAGOMAN_CACHE"
PINS = Path(__file__).with_name("jars.sha256")

_KAFKA = "4.3.0"
_LOG4J = "2.25.3"
_LIBRARIES = (
    ("org.apache.kafka", "kafka_2.13", _KAFKA),
    ("org.apache.kafka", "kafka-tools", _KAFKA),
    ("org.apache.kafka", "connect-runtime", _KAFKA),
    ("org.apache.kafka", "connect-json", _KAFKA),
    ("org.apache.kafka", "connect-transforms", _KAFKA),
    ("org.apache.logging.log4j", "log4j-slf4j-impl", _LOG4J),
    ("org.apache.logging.log4j", "log4j-core", _LOG4J),
)
_PLUGINS = (
    ("io.debezium", "debezium-connector-postgres", "3.6.3.Final"),
    ("io.debezium", "debezium-connector-mariadb", "3.5.0.Final"),  # the newest on Maven Central
)
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


@dataclass(frozen=True, slots=True)
class Jars:
    """Where the libraries are, and the folder of Connect's plugins."""

    libs: Path
    plugins: Path


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where fetched files are kept: `DRAGOMAN_CACHE`, else the user's cache."""
    if CACHE in environment:
        return Path(environment[CACHE])
    home = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME", "~")).expanduser() / ".cache"
    return Path(home) / "dragoman"


def fetched(cache: Path) -> Jars | None:
    """The jars, if they are in the cache."""
    folder = _folder(cache)
    return Jars(libs=folder / "libs", plugins=folder / "plugins") if folder.is_dir() else None


def fetch(cache: Path) -> Jars:
    """The jars, fetched if they are not in the cache yet. `MavenMissing`, `FetchFailed`, `JarsDiffer`."""
    if (jars := fetched(cache)) is not None:
        return jars
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "stack.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (jars := fetched(cache)) is not None:
            return jars
        with tempfile.TemporaryDirectory(dir=cache, prefix="fetching-") as name:
            folder = Path(name) / "stack"
            _copy(folder / "libs", cache)
            _check(folder / "libs")
            _unpack(folder / "libs", folder / "plugins")
            folder.rename(_folder(cache))
    return Jars(libs=_folder(cache) / "libs", plugins=_folder(cache) / "plugins")


def _folder(cache: Path) -> Path:
    return cache / f"stack-{hashlib.sha256(PINS.read_bytes()).hexdigest()[:12]}"


def _copy(libs: Path, cache: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise MavenMissing(folder=_folder(cache))
    libs.mkdir(parents=True)
    pom = libs.parent / "pom.xml"
    pom.write_text(_pom(), encoding="utf-8")
    command = [maven, "--batch-mode", "--quiet", "-f", str(pom), _COPY, f"-DoutputDirectory={libs}"]
    done = subprocess.run(command, cwd=libs.parent, capture_output=True, text=True, check=False)  # noqa: S603
    pom.unlink()
    if done.returncode != 0:
        errors = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
        raise FetchFailed(reason=errors[0] if errors else f"it ended with {done.returncode}")


def _pom() -> str:
    libraries = "".join(_dependency(*one) for one in _LIBRARIES)
    # A plugin's archive holds all that it needs: nothing comes along.
    alone = "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>"
    archive = f"<type>tar.gz</type><classifier>plugin</classifier>{alone}"
    plugins = "".join(_dependency(*one, archive) for one in _PLUGINS)
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>dragoman</groupId><artifactId>stack</artifactId><version>1</version><packaging>pom</packaging>"
        f"<dependencies>{libraries}{plugins}</dependencies></project>"
    )


def _dependency(group: str, artifact: str, version: str, more: str = "") -> str:
    named = f"<groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>"
    return f"<dependency>{named}{more}</dependency>"


def _digests(libs: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(libs.iterdir())}


def _check(libs: Path) -> None:
    lines = PINS.read_text(encoding="ascii").splitlines()
    pinned = {name: digest for digest, name in (line.split() for line in lines)}
    found = _digests(libs)
    differing = [name for name in sorted(pinned | found) if pinned.get(name) != found.get(name)]
    if differing:
        more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        raise JarsDiffer(files=", ".join(differing[:3]) + more)


def _unpack(libs: Path, plugins: Path) -> None:
    for archive in libs.glob("*.tar.gz"):
        with tarfile.open(archive) as tar:
            tar.extractall(plugins, filter="data")
        archive.unlink()


def _pin() -> None:
    """Write `jars.sha256` from what Maven answers now."""
    with tempfile.TemporaryDirectory() as name:
        libs = Path(name) / "libs"
        _copy(libs, Path(name))
        lines = [f"{digest}  {file}\n" for file, digest in _digests(libs).items()]
    PINS.write_text("".join(lines), encoding="ascii")


if __name__ == "__main__":
    if sys.argv[1:] == ["--pin"]:
        _pin()
    else:
        print(fetch(cache_folder(os.environ)).libs)
