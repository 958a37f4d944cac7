"""Who a legacy database is: what tells one life of its log from another, after a restore or a failover to another lineage."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from dragoman.settings import masked

if TYPE_CHECKING:
    from dragoman.forms import Secret

_log = logging.getLogger(__name__)

_ASK = {
    "postgresql": "SELECT system_identifier FROM pg_control_system()",
    "mysql": "SELECT @@server_uuid",
    "mariadb": "SELECT @@gtid_domain_id",
}


def identity_asker(database: Secret | None) -> Callable[[], str | None]:
    """What asks the database who it is; it answers `None`, with a warning, where that cannot be asked."""
    if database is None:
        return lambda: None
    url = database.reveal()
    return lambda: _identity(url)


def _identity(url: str) -> str | None:
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

    try:
        engine = create_engine(url)
        try:
            with engine.connect() as connection:
                is_mariadb = bool(getattr(engine.dialect, "is_mariadb", False))
                question = _ASK["mariadb" if is_mariadb else engine.dialect.name]
                return f"{engine.dialect.name}:{connection.execute(text(question)).scalar_one()}"
        finally:
            engine.dispose()
    except (SQLAlchemyError, ArgumentError, NoSuchModuleError, ImportError, KeyError) as error:
        _log.warning(
            "The legacy database cannot be asked who it is: %s",
            masked(str(error).splitlines()[0]),
            extra={"action": "source.identity"},
        )
        return None
