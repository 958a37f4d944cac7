"""A project begun from a live legacy database: read as it is, guessed at, written into a folder of its own."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

from sqlalchemy import URL, Connection, create_engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from connectors.legacy.guess import Guess, guess
from connectors.legacy.names import snake, words_of
from connectors.legacy.reading import sqlite_file
from connectors.legacy.reflect import Reflection, reflect
from connectors.legacy.sample import codes
from connectors.legacy.scaffold import Login, Scaffold
from dragoman.settings import masked
from translators.errors import DragomanError

PASSWORD = "LEGACY_PASSWORD"  # noqa: S105 - a variable's name
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg", "mariadb": "mariadb+pymysql",
            "mysql": "mariadb+pymysql"}  # fmt: skip
_PORTS = {"postgresql": 5432, "mariadb": 3306}
_SCHEMAS = ("project", "schema", "source", "mapping", "test", "consumer", "check")


class FolderTaken(DragomanError):
    """{path} is there already: nothing was written."""

    code: ClassVar[str] = "init.folder-taken"
    hint: ClassVar[str] = "A project begins in an empty folder: name another one."


class LegacyUnreadable(DragomanError):
    """The legacy database cannot be read: {reason}."""

    code: ClassVar[str] = "init.unreadable"
    hint: ClassVar[str] = (
        "Write postgresql://user@host/database, mariadb://user@host/database or the path of a SQLite file; the password "
        "is taken from LEGACY_PASSWORD."
    )


class NothingToMap(DragomanError):
    """No table of {namespace} can be mapped: {reasons}."""

    code: ClassVar[str] = "init.nothing"
    hint: ClassVar[str] = "A thing needs a table with a primary key whose changes can be captured."


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What was written: the guess, the files, and what was left out with the reason."""

    folder: Path
    guess: Guess
    reflection: Reflection
    files: tuple[str, ...]
    left_out: Mapping[str, str]


def begin(
    target: str, folder: Path, variables: Mapping[str, str], *, namespace: str | None, tables: Sequence[str]
) -> Begun:
    """Write a project for the database at `target` into `folder`; any `DragomanError` leaves nothing behind."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FolderTaken(path=folder)
    url = _url(target, variables)
    with ExitStack() as held:
        try:
            connection = _connected(url, held)
            reflection = reflect(connection, namespace, tables)
            seen = {name: codes(connection, reflection, table) for name, table in reflection.tables.items()}
        except (SQLAlchemyError, NoSuchModuleError, ImportError, ArgumentError) as error:
            raise LegacyUnreadable(reason=masked(str(error).splitlines()[0])) from error
    found = guess(reflection, seen, has_transactions=reflection.connector != "sqlite", named=bool(tables))
    left_out = {**reflection.left_out, **found.left_out}
    if not found.things:
        asked = {name: reason for name, reason in left_out.items() if not tables or name in tables}
        reasons = "; ".join(f"{name}: {reason}" for name, reason in list(asked.items())[:3])
        raise NothingToMap(namespace=reflection.namespace, reasons=reasons)
    project = snake(words_of(folder.resolve().name))
    scaffold = Scaffold(
        project=project,
        namespace=f"com.example.{re.sub('[^a-z0-9]', '', project)}",
        reflection=reflection,
        things=found.things,
        login=_login(url, folder),
    )
    texts = {**scaffold.files(), **_editor_schemas()}
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (folder / "var").mkdir(exist_ok=True)
    return Begun(folder=folder, guess=found, reflection=reflection, files=tuple(texts), left_out=left_out)


def _url(target: str, variables: Mapping[str, str]) -> URL:
    """What is connected to; a path is a SQLite file, and a password that is not said comes from the environment."""
    if "://" not in target:
        path = Path(target)
        if not path.is_file():
            raise LegacyUnreadable(reason=f"there is no file {target}")
        return URL.create("sqlite", database=str(path.resolve()))
    try:
        url = make_url(target)
    except ArgumentError as error:
        raise LegacyUnreadable(reason=f"{masked(target)} is no address of a database") from error
    if url.drivername.startswith("sqlite"):
        return _url(url.database or "", variables)
    url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
    if url.password is None and variables.get(PASSWORD):
        url = url.set(password=variables[PASSWORD])
    return url


def _connected(url: URL, held: ExitStack) -> Connection:
    if url.drivername == "sqlite":
        url = sqlite_file(url.database or "")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    held.callback(engine.dispose)
    return held.enter_context(engine.connect())


def _login(url: URL, folder: Path) -> Login:
    backend = "mariadb" if url.drivername.startswith(("mariadb", "mysql")) else url.get_backend_name()
    if backend == "sqlite":
        return Login(path=os.path.relpath(url.database or "", folder.resolve()))
    return Login(
        host=url.host or "localhost",
        port=url.port or _PORTS[backend],
        user=url.username or "",
        database=url.database or "",
    )


def _editor_schemas() -> dict[str, str]:
    return {
        f"schemas/{name}.json": files("dragoman").joinpath("schemas", f"{name}.json").read_text(encoding="utf-8")
        for name in _SCHEMAS
    }
