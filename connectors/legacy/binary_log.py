"""The binary log of a MariaDB: what of it is kept, and whether who was at some place in it can go on from there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from sqlalchemy import Connection


class BinaryLog(msgspec.Struct, frozen=True, kw_only=True):
    """The files that are kept, oldest first, and the GTIDs up to which all was purged: the last one of each domain."""

    files: tuple[str, ...]
    purged: str


class BinlogPlace(msgspec.Struct, frozen=True, kw_only=True):
    """How far somebody has read: a file and a position in it, and the last GTID of each domain, empty where none is known."""

    file: str
    position: int
    gtids: str = ""


def binary_log(connection: Connection) -> BinaryLog | None:
    """What the server keeps; None where it keeps nothing, knows no such GTIDs (MySQL), or does not tell this user."""
    from sqlalchemy import text
    from sqlalchemy.exc import SQLAlchemyError

    try:
        files = tuple(str(row[0]) for row in connection.execute(text("SHOW BINARY LOGS")))
        before = text("SELECT BINLOG_GTID_POS(:file, 4)")
        purged = connection.execute(before, {"file": files[0]}).scalar_one() if files else None
    except SQLAlchemyError:
        return None
    return None if purged is None else BinaryLog(files=files, purged=str(purged))


def binlog_place(offset: Mapping[str, Any] | None) -> BinlogPlace | None:
    """The place of a connector's committed offset; None in a snapshot, which is begun again."""
    if offset is None or offset.get("snapshot") or not isinstance(offset.get("file"), str):
        return None
    return BinlogPlace(file=offset["file"], position=int(offset.get("pos") or 0), gtids=str(offset.get("gtids") or ""))


def is_kept(log: BinaryLog, place: BinlogPlace) -> bool:
    """Whether all that follows a place is in the log. Where GTIDs are known they decide, as they do for the connector: files of
    a server that took over have other names."""
    if not place.gtids:
        return place.file in log.files
    read = _numbers(place.gtids)
    return all(read.get(domain, 0) >= number for domain, number in _numbers(log.purged).items())


def _numbers(gtids: str) -> dict[str, int]:
    """The last number of each domain. https://mariadb.com/kb/en/gtid/: `domain-server-number`, with commas between."""
    parts = (one.strip().split("-") for one in gtids.split(",") if one.strip())
    return {domain: int(number) for domain, _, number in parts}
