"""The connector of a source, as the fence asks it: by Kafka Connect, or else by what the database says of its slot."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import Engine, text
from sqlalchemy.exc import SQLAlchemyError

from connectors.connect import ConnectorProgress
from connectors.connect.config import PostgresSource
from connectors.connect.errors import ConnectorUnknown
from connectors.debezium.sources import committed_position
from dragoman.access import connect_client
from reconcile.errors import SideUnreadable
from translators.errors import DragomanError

if TYPE_CHECKING:
    from dragoman.kafka_source import Connector, Kafka
    from dragoman.source import Source

_TICK = text("SELECT pg_logical_emit_message(true, 'dragoman', 'tick')")
_SLOTS = text(
    "SELECT slot_name, active, (confirmed_flush_lsn - '0/0'::pg_lsn)::bigint FROM pg_replication_slots"
    " WHERE database = current_database() AND slot_type = 'logical'"
)
_KEEP_ALIVE = "on an idle server it is told after the connector's `connect.keep.alive.interval.ms`, a minute by default"
_NO_WRITE = "the source's own traffic has to move it, since it is not written to: "


class CaptureUnseen(DragomanError):
    """Nothing says how far the connector of {source} has come{why}."""

    code: ClassVar[str] = "check.capture-unseen"
    hint: ClassVar[str] = (
        "Say `connect:` there, with `url` (Connect's REST) and `connector` (its name). Without it PostgreSQL's slot is "
        "asked: the one that `capture:` names, or the only logical one of the database."
    )


class LiveCapture:
    """A connector: `asked` says how far it is, `ill` what is wrong. Ticks go to `legacy` unless `quiet` says why not."""

    def __init__(
        self, asked: Callable[[], int | None], ill: Callable[[], str | None], legacy: Engine, quiet: str | None
    ) -> None:
        self._asked = asked
        self._ill = ill
        self._legacy = legacy
        self._quiet = quiet

    def passed(self) -> int | None:
        """See the port."""
        return self._asked()

    def stopped(self) -> str | None:
        """See the port."""
        return self._ill()

    def tick(self) -> str | None:
        """See the port: a message in PostgreSQL's log, which changes no row. MariaDB has nothing like it, and needs it less."""
        if self._quiet == "":
            return None
        if self._legacy.dialect.name != "postgresql":
            return _KEEP_ALIVE
        if self._quiet is not None:
            return self._quiet
        try:
            with self._legacy.begin() as connection:
                connection.execute(_TICK)
        except SQLAlchemyError as error:
            return f"{_NO_WRITE}{getattr(error, 'orig', None) or type(error).__name__}"
        return None


def capture_of(source: Source, origin: Kafka, legacy: Engine, has_messages: bool, held: ExitStack) -> LiveCapture:
    """The connector of a source; `CaptureUnseen`. `has_messages`: there is a topic for what PostgreSQL's messages say."""
    declared, quiet = source.capture, None
    if declared is not None and declared.beat is not None:
        quiet = ""  # it moves the source by itself
    elif declared is None and not has_messages:
        quiet = f"{_NO_WRITE}its connector would need a topic for messages, and there is none"
    if origin.connector is not None:
        return LiveCapture(progress_of(origin.connector, held), _ill(origin.connector, held), legacy, quiet)
    named = declared.source.slot if declared is not None and isinstance(declared.source, PostgresSource) else None
    slot = _slot_of(source, legacy, named)
    return LiveCapture(lambda: _flushed(legacy, slot), lambda: _inactive(legacy, slot), legacy, quiet)


def progress_of(connector: Connector, held: ExitStack) -> ConnectorProgress:
    """How far a connector has come by its own account."""
    client = held.enter_context(closing(connect_client(connector, patience=0)))
    return held.enter_context(closing(ConnectorProgress(lambda: client.offsets(connector.name), committed_position)))


def _ill(connector: Connector, held: ExitStack) -> Callable[[], str | None]:
    """What Connect says of a connector that does not run."""
    client = held.enter_context(closing(connect_client(connector, patience=0)))

    def asked() -> str | None:
        try:
            status = client.status(connector.name)
        except ConnectorUnknown:
            status = None
        except DragomanError as error:
            return error.message
        if status is None:
            return f"Kafka Connect has no connector {connector.name}"
        return None if status.is_running else f"the connector {connector.name} is {status.words}"

    return asked


def _slot_of(source: Source, legacy: Engine, named: str | None) -> str:
    """The slot that the connector reads: the one that is named, else the only one."""
    slots = _slots(legacy)
    if named in slots:
        return str(named)
    if named is None and len(slots) == 1:
        return next(iter(slots))
    found = ", ".join(sorted(slots)) or "none"
    why = f": its slots are {found}" if legacy.dialect.name == "postgresql" else ""
    raise CaptureUnseen(source=source.file, why=why, where=source.file)


def _slots(legacy: Engine) -> dict[str, tuple[bool, int | None]]:
    """The logical slots of the database: whether somebody reads it, and what the reader has confirmed."""
    if legacy.dialect.name != "postgresql":
        return {}
    try:
        with legacy.connect() as connection:
            return {name: (active, lsn) for name, active, lsn in connection.execute(_SLOTS)}
    except SQLAlchemyError as error:
        raise SideUnreadable(side="legacy", reason=getattr(error, "orig", None) or type(error).__name__) from error


def _flushed(legacy: Engine, slot: str) -> int | None:
    return _slots(legacy).get(slot, (False, None))[1]


def _inactive(legacy: Engine, slot: str) -> str | None:
    active, _ = _slots(legacy).get(slot, (False, None))
    return None if active else f"nobody reads the replication slot {slot}"
