"""A Docker engine of our own, and the images for it: for machines that have no engine at work and reach no registry.

    with engine(folder) as at:              # DOCKER_HOST
        images = make_images(at, cache, folder)

`python -m tests.docker.engine` only makes the base of the images ready.

The engine is Debian's, on a socket and in folders of its own; it ends with the block, with all that it ran. The base of the
images is bootstrapped out of Debian's packages once and kept in the cache.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dragoman.stack.artifacts import cache_folder, fetch

ROOT = Path(__file__).parents[2]
STANDINS = Path(__file__).with_name("images")
NEEDED = ("dockerd", "docker", "debootstrap", "docker-compose")
PACKAGES = ("ca-certificates", "python3", "python3-venv", "openjdk-17-jre-headless", "maven", "postgresql", "wget")
SUITE = "bookworm"
TRUSTED = "etc/ssl/certs/ca-certificates.crt"
READY_SECONDS = 30


class NoEngine(Exception):
    """Why no engine can be had here."""


@dataclass(frozen=True)
class Images:
    """The images by which a Compose file and tests of containers work here, by the variable that names each."""

    postgres: str = "dragoman-standin-postgres:15"
    kafka: str = "dragoman-standin-kafka:4.3.0"
    connect: str = "dragoman-connect:local"
    insurer: str = "dragoman-insurer:local"

    @property
    def variables(self) -> dict[str, str]:
        """What docker-compose.yml takes from the environment."""
        return {
            "DRAGOMAN_POSTGRES_IMAGE": self.postgres,
            "DRAGOMAN_KAFKA_IMAGE": self.kafka,
            "DRAGOMAN_CONNECT_IMAGE": self.connect,
            "DRAGOMAN_IMAGE": self.insurer,
        }


@contextmanager
def engine(folder: Path) -> Iterator[str]:
    """A running engine, and what clients call DOCKER_HOST. `NoEngine` with the reason."""
    if os.geteuid() != 0:
        raise NoEngine("an engine needs root")
    if missing := [name for name in NEEDED if shutil.which(name, path=_path()) is None]:
        raise NoEngine(f"{', '.join(missing)} missing")
    if subprocess.run(["pgrep", "-x", "dockerd"], capture_output=True, check=False).returncode == 0:
        raise NoEngine("another engine is at work here, whose networks ours would disturb")
    at, log = f"unix://{folder}/socket", folder / "dockerd.log"
    folders = [
        "--data-root",
        str(folder / "data"),
        "--exec-root",
        str(folder / "exec"),
        "--pidfile",
        str(folder / "pid"),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["dockerd", *folders, "--host", at, "--default-ulimit", "nofile=1024:1024"],
            stdout=output,
            stderr=output,
            env={**os.environ, "PATH": _path()},
        )
    try:
        _wait(process, at, log)
        yield at
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        if process.poll() is None:
            process.kill()
            process.wait()
        # It leaves a mount and a bridge.
        for command in (["umount", str(folder / "exec/netns/default")], ["ip", "link", "delete", "docker0"]):
            if shutil.which(command[0], path=_path()) is not None:
                _run(command, check=False)


def _wait(process: subprocess.Popen[bytes], at: str, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while docker(at, "info", check=False).returncode != 0:
        if process.poll() is not None or time.monotonic() > deadline:
            said = [line for line in log.read_text(errors="replace").splitlines() if "level=info" not in line]
            raise NoEngine(f"dockerd does not start: {said[-1] if said else 'it says nothing'}")
        time.sleep(0.2)


def docker(at: str, *words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """The command of the engine's client. `AssertionError` with what it said, if it has to succeed and does not."""
    return _run(["docker", *map(str, words)], {"DOCKER_HOST": at, "DOCKER_BUILDKIT": "0"}, check=check)


def _run(
    command: list[str], variables: Mapping[str, str] | None = None, *, check: bool = True
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, env={**os.environ, **(variables or {})}, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done


def _path() -> str:
    """Where commands are looked for: those of an engine are root's, and not on every PATH."""
    return os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


def base(cache: Path) -> Path:
    """The base of all images as an archive, bootstrapped if it is not in the cache."""
    name = hashlib.sha256(" ".join((SUITE, *PACKAGES)).encode()).hexdigest()[:12]
    archive = cache / f"docker-base-{name}.tar"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "docker-base.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if archive.exists():
            return archive
        folder = cache / f"docker-base-{os.getpid()}"
        try:
            _run(["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(folder / "root")])
            for path in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc", "usr/share/man"):
                shutil.rmtree(folder / "root" / path, ignore_errors=True)
            # Whom this machine trusts, its containers trust too, whichever program asks.
            for trusted in (TRUSTED, "etc/ssl/certs/java/cacerts"):
                if (Path("/") / trusted).exists():
                    shutil.copyfile(Path("/") / trusted, folder / "root" / trusted)
            _run(["tar", "-C", str(folder / "root"), "-cf", str(folder / "tar"), "."])
            (folder / "tar").rename(archive)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return archive


def make_images(at: str, cache: Path, folder: Path) -> Images:
    """Import the base and build everything on it: what stands in for others' images, and what is ours."""
    images, bottom = Images(), "dragoman-base:local"
    certificates = f"ENV PIP_CERT=/{TRUSTED}"
    docker(at, "import", "--change", certificates, base(cache), bottom)
    context = folder / "kafka"
    shutil.copytree(STANDINS / "kafka", context)
    shutil.copytree(fetch(cache).libs, context / "libs")
    _build(at, images.kafka, context, BASE=bottom)
    _build(at, images.postgres, STANDINS / "postgres", BASE=bottom)
    _build(at, images.connect, ROOT / "deploy" / "connect", KAFKA_IMAGE=images.kafka, MAVEN_IMAGE=bottom)
    _build(at, images.insurer, ROOT, "--target", "insurer", PYTHON_IMAGE=bottom)
    return images


def _build(at: str, image: str, context: Path, *more: str, **arguments: str) -> None:
    named = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
    docker(at, "build", "--quiet", "--network", "host", "--tag", image, *more, *named, context)


if __name__ == "__main__" and os.geteuid() == 0 and shutil.which("debootstrap", path=_path()):
    base(cache_folder(os.environ))
