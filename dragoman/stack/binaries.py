"""Where this machine keeps PostgreSQL, MariaDB and Java, and which user may run them: the databases never start as root."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path

from dragoman.stack.errors import JavaMissing, ServerMissing

JAVA_VERSION = 17
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


def postgres_folder() -> Path | None:
    """The folder with `initdb` and `postgres`, of the newest version that is installed."""
    debian = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    found = sorted(debian, key=lambda path: float(path.parts[-3]), reverse=True)
    on_path = shutil.which("initdb")
    if on_path is not None:
        found.append(Path(on_path).resolve())
    return next((path.parent for path in found if (path.parent / "postgres").exists()), None)


def mariadb_commands() -> tuple[str, str] | None:
    """`mariadbd` and `mariadb-install-db`."""
    folders = os.pathsep.join((os.defpath, "/usr/sbin", "/usr/local/sbin"))
    server = shutil.which("mariadbd") or shutil.which("mariadbd", path=folders)
    install = shutil.which("mariadb-install-db") or shutil.which("mariadb-install-db", path=folders)
    return None if server is None or install is None else (server, install)


def runner(name: str | None) -> str | None:
    """The user that a server is run as: `name` where we are root, else ourselves (None). KeyError if root has no `name`."""
    if os.geteuid() != 0 or name is None:
        return None
    return pwd.getpwnam(name).pw_name


def _has_runner(name: str) -> bool:
    try:
        runner(name)
    except KeyError:
        return False
    return True


def has_postgres() -> bool:
    """Whether a PostgreSQL can be started here."""
    return postgres_folder() is not None and _has_runner("postgres")


def has_mariadb() -> bool:
    """Whether a MariaDB can be started here."""
    return mariadb_commands() is not None and _has_runner("mysql")


def need_postgres() -> Path:
    """The folder with PostgreSQL's programs; `ServerMissing`."""
    folder = postgres_folder()
    if folder is None:
        raise ServerMissing(server="PostgreSQL", package="postgresql", reason="`initdb` and `postgres` are not found")
    _need_runner("PostgreSQL", "postgresql", "postgres")
    return folder


def need_mariadb() -> tuple[str, str]:
    """`mariadbd` and `mariadb-install-db`; `ServerMissing`."""
    commands = mariadb_commands()
    if commands is None:
        reason = "`mariadbd` and `mariadb-install-db` are not found"
        raise ServerMissing(server="MariaDB", package="mariadb-server", reason=reason)
    _need_runner("MariaDB", "mariadb-server", "mysql")
    return commands


def _need_runner(server: str, package: str, user: str) -> None:
    if not _has_runner(user):
        raise ServerMissing(server=server, package=package, reason=f"it does not run as root, and has no user {user!r}")


def java_version(java: str) -> int | None:
    """The feature version of a Java, such as 17; None if it cannot be run."""
    try:
        told = subprocess.run([java, "-version"], capture_output=True, text=True, check=True).stderr  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return None
    version = _VERSION.search(told)
    return int(version[1]) if version else None


def has_java() -> bool:
    """Whether there is a Java here that is new enough."""
    return (java_version(shutil.which("java") or "java") or 0) >= JAVA_VERSION


def need_java() -> str:
    """The `java` to run; `JavaMissing`."""
    java = shutil.which("java")
    version = None if java is None else java_version(java)
    if java is None or version is None:
        raise JavaMissing(found="there is none here")
    if version < JAVA_VERSION:
        raise JavaMissing(found=f"{java} is Java {version}")
    return java
