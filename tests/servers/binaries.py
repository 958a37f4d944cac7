"""Where this machine keeps PostgreSQL and MariaDB, and which user may run them: neither server starts as root."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path


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
    folders = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    server = shutil.which("mariadbd", path=folders)
    install = shutil.which("mariadb-install-db", path=folders)
    return None if server is None or install is None else (server, install)


def runner(name: str) -> str | None:
    """The user that a server is run as: `name` where we are root, else ourselves (None). KeyError if root has no `name`."""
    if os.geteuid() != 0:
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
