"""What a connector leaves in its database, and what the database says of positions: asked, and taken away on request."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import msgspec

from connectors.connect.errors import PositionUnusable, SlotBusy, SourceUnreachable
from connectors.connect.positions import lsn_text
from connectors.connect.secrets import redacted

if TYPE_CHECKING:
    from sqlalchemy import Connection

_SLOT = """
    SELECT active_pid, confirmed_flush_lsn - '0/0'::pg_lsn AS confirmed,
           pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) AS retained
    FROM pg_replication_slots WHERE slot_name = :name"""
_LOOK_SECONDS = 0.2
_NO_SUCH_EVENT = 1220
"""ER_ERROR_WHEN_EXECUTING_COMMAND: where SHOW BINLOG EVENTS begins, no event does."""


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """A replication slot: who reads it, how far its reader has confirmed, and how many bytes of log it holds back."""

    pid: int | None
    confirmed: int
    retained: int


class LegacyDatabase:
    """The legacy database by its SQLAlchemy URL; `connect.source-unreachable`. To be closed."""

    def __init__(self, url: str) -> None:
        from sqlalchemy import create_engine
        from sqlalchemy.exc import ArgumentError, NoSuchModuleError

        try:
            self._engine = create_engine(url, isolation_level="AUTOCOMMIT")
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise SourceUnreachable(what="anything", reason=redacted(str(error), {})) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.dispose()

    def slot(self, name: str) -> Slot | None:
        """A slot of PostgreSQL; None if there is none."""
        with self._asked(f"the slot {name}") as ask:
            row = ask(_SLOT, name=name).one_or_none()
        return None if row is None else Slot(pid=row[0], confirmed=int(row[1] or 0), retained=int(row[2] or 0))

    def drop_slot(self, name: str, seconds: float = 60, pause: Callable[[float], None] = time.sleep) -> bool:
        """Give up a slot once nobody reads it: whether it was there. `connect.slot-busy`."""
        for _ in range(int(seconds / _LOOK_SECONDS)):
            slot = self.slot(name)
            if slot is None:
                return False
            if slot.pid is None:
                break
            pause(_LOOK_SECONDS)
        else:
            raise SlotBusy(slot=name)
        with self._asked(f"the slot {name}") as ask:
            ask("SELECT pg_drop_replication_slot(:name)", name=name)
        return True

    def drop_publication(self, name: str) -> bool:
        """Take a publication away: whether it was there."""
        with self._asked(f"the publication {name}") as ask:
            if ask("SELECT 1 FROM pg_publication WHERE pubname = :name", name=name).one_or_none() is None:
                return False
            quoted = name.replace('"', '""')
            ask(f'DROP PUBLICATION "{quoted}"')
            return True

    def check_lsn(self, slot: str, lsn: int) -> None:
        """`connect.position-unusable` unless PostgreSQL can send what comes after an LSN."""
        held = self.slot(slot)
        with self._asked("its position") as ask:
            now = int(ask("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn").scalar_one())
        text = lsn_text(lsn)
        if held is None:
            raise PositionUnusable(position=text, reason=f"there is no slot {slot}", fix="Forget the offsets instead.")
        first, last = lsn_text(held.confirmed), lsn_text(now)
        fix = f"Choose one from {first} to {last}."
        if lsn < held.confirmed:
            reason = f"the slot {slot} has given up what is before {first}, and would go on there without a word"
            raise PositionUnusable(position=text, reason=reason, fix=fix)
        if lsn > now:
            reason = f"the log ends at {last}, and what comes until then would be passed over without a word"
            raise PositionUnusable(position=text, reason=reason, fix=fix)

    def gtids_at(self, file: str, position: int) -> str:
        """The GTIDs before a place in MariaDB's binary log; `connect.position-unusable`.

        The server counts them from the file's beginning, and not past an event larger than its `max_allowed_packet`: then
        it answers NULL, as where no event begins.
        """
        place = f"{file}:{position}"
        with self._asked("its binary log") as ask:
            sizes = {row[0]: int(row[1]) for row in ask("SHOW BINARY LOGS")}
            gtids = ask("SELECT BINLOG_GTID_POS(:file, :position)", file=file, position=position).scalar_one()
        if file not in sizes:
            fix = f"The files are {', '.join(sizes) or 'none'}."
            raise PositionUnusable(position=place, reason="the server has no such file, or no longer", fix=fix)
        if position > sizes[file] or (gtids is None and not self._begins_event(file, position)):
            fix = f"The file ends at {sizes[file]}; a position is the end of an event."
            raise PositionUnusable(position=place, reason="no event of the file begins there", fix=fix)
        if gtids is None:
            reason = (
                "an event before it is larger than the server's max_allowed_packet, so that it cannot count the GTIDs"
            )
            fix = "Let max_allowed_packet be larger (SET GLOBAL) until this is done, or choose a place in a later file."
            raise PositionUnusable(position=place, reason=reason, fix=fix)
        return str(gtids)

    def _begins_event(self, file: str, position: int) -> bool:
        """Whether an event of the file, which is there, begins at a position, or the file ends at it."""
        from sqlalchemy.exc import DBAPIError

        with self._asked("its binary log") as ask:
            try:
                ask("SHOW BINLOG EVENTS IN :file FROM :position LIMIT 1", file=file, position=position)
            except DBAPIError as error:
                if error.orig is None or error.orig.args[:1] != (_NO_SUCH_EVENT,):
                    raise
                return False
            return True

    @contextmanager
    def _asked(self, what: str) -> Iterator[Callable[..., Any]]:
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with self._engine.connect() as connection:
                yield lambda statement, **values: _execute(connection, statement, values)
        except (SQLAlchemyError, ImportError) as error:
            raise SourceUnreachable(what=what, reason=redacted(str(error).splitlines()[0], {})) from error


def _execute(connection: Connection, statement: str, values: dict[str, object]) -> Any:
    from sqlalchemy import text

    # `::` is a cast of PostgreSQL, and would otherwise be taken for a parameter's name.
    return connection.execute(text(statement.replace("::", r"\:\:")), values)
