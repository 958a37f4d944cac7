"""Engines for the databases that a project names."""

from __future__ import annotations

from typing import ClassVar

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from dragoman.settings import masked
from translators.errors import DragomanError


class DatabaseUrl(DragomanError):
    """{name} has a database that cannot be used: {reason}."""

    code: ClassVar[str] = "view.database-url"
    hint: ClassVar[str] = "Write a path for SQLite, or a URL such as postgresql+psycopg://user@host/name."


def engine_at(url: str, name: str, *, where: str | None = None, lives_long: bool = False) -> Engine:
    """The database of what is called `name`, not reached yet; `DatabaseUrl` if nothing here can speak to it.

    Connections that live long may be gone when they are wanted again: they are tried first.
    """
    try:
        return create_engine(url, pool_pre_ping=lives_long)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise DatabaseUrl(name=name, reason=masked(str(error)), where=where) from error
