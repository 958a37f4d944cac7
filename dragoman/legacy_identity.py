"""Who a legacy database is: what tells one life of its log from another, after a restore or a failover to another lineage."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from dragoman.preflighting import LegacyUnreachable, asked

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
    from sqlalchemy import text

    try:
        with asked(url) as connection:
            name = connection.dialect.name
            question = _ASK["mariadb" if getattr(connection.dialect, "is_mariadb", False) else name]
            return f"{name}:{connection.execute(text(question)).scalar_one()}"
    except (LegacyUnreachable, KeyError) as error:
        reason = error.fields["reason"] if isinstance(error, LegacyUnreachable) else f"{error} is not known here"
        _log.warning("The legacy database cannot be asked who it is: %s", reason, extra={"action": "source.identity"})
        return None
