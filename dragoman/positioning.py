"""How far a connector is, and how that is set otherwise: after the source was asked, since Connect believes everything."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from connectors.connect import ConnectClient, PostgresSource, SourceOffset
from connectors.connect.database import LegacyDatabase
from connectors.connect.positions import at_binlog, at_lsn, position_words, read_binlog, read_lsn
from dragoman.applying import Told
from dragoman.connecting import Declared
from translators.errors import DragomanError


class NothingCommitted(DragomanError):
    """The connector {name} has committed {number} positions, and exactly one can be set otherwise."""

    code: ClassVar[str] = "connectors.nothing-committed"
    hint: ClassVar[str] = "Without one it begins with a snapshot. Wait until it has committed one."


class DatabaseUnsaid(DragomanError):
    """A position is only set after the database was asked for it, and the source {source} does not say how it is reached."""

    code: ClassVar[str] = "connectors.database-unsaid"
    hint: ClassVar[str] = "Name the variable that holds its URL under `database:` there."


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """One committed position, as people read it, and Connect's own words."""

    source: str
    position: str
    offset: Any


def positions(client: ConnectClient, name: str) -> list[Position]:
    """How far a connector's source is committed."""
    return [
        Position(
            source=str(one.partition.get("server", one.partition)),
            position=position_words(one.offset),
            offset=one.offset,
        )
        for one in client.offsets(name)
    ]


def position_at(project: Declared, client: ConnectClient, database: LegacyDatabase, text: str) -> SourceOffset:
    """The offset of a place in the database's log, which the database has; `connect.position-unusable`."""
    held = client.offsets(project.worker.name)
    if len(held) != 1 or held[0].offset is None:
        raise NothingCommitted(name=project.worker.name, number=len(held))
    before, source = held[0], project.spec.source
    if isinstance(source, PostgresSource):
        lsn = read_lsn(text)
        database.check_lsn(source.slot, lsn)
        return SourceOffset(partition=before.partition, offset=at_lsn(held[0].offset, lsn))
    file, position = read_binlog(text)
    gtids = database.gtids_at(file, position)
    return SourceOffset(partition=before.partition, offset=at_binlog(held[0].offset, file, position, gtids))


def set_position(client: ConnectClient, name: str, wanted: SourceOffset | None, told: Told) -> None:
    """Stop the connector, set its position (None: forget it), and let it go on if it was running."""
    status = client.status(name)
    client.stop(name)
    client.wait_until_state(name, "STOPPED")
    told(f"stopped the connector {name}")
    if wanted is None:
        client.reset_offsets(name)
        told("forgot its position: it begins with a snapshot")
    else:
        client.alter_offsets(name, [wanted])
        (found,) = positions(client, name)
        told(f"set its position: {found.position}")
    if status is not None and status.state == "STOPPED":
        told(f"the connector {name} stays STOPPED")
    else:
        client.resume(name)
        told(f"let the connector {name} go on")
