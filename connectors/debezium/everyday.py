"""The everyday change in one go: a row with its key, its place and its images, where nothing about it is unusual.

It gives what the careful way gives, or nothing. What is unusual is not told apart here.
"""

from __future__ import annotations

from typing import Any, cast

from connectors.debezium.avro import AvroEnvelope
from connectors.debezium.envelope import Envelope
from connectors.debezium.fast import EXPECTED, FastRows, is_plain
from connectors.debezium.images import TableReader
from connectors.debezium.refusal import Refusal
from connectors.debezium.sources import INITIAL_MARKS, Source, moment, origin, snapshot_place, transaction
from translators.change import Change, Coordinate, Op

_STREAMED = (None, "false")


def everyday(
    at: Coordinate, reader: TableReader, fast: FastRows, key: Any, payload: bytes, found: Envelope | AvroEnvelope
) -> Change | None:
    """The change, or `None` where the careful way has to look; `key` is of the reader's form."""
    if key is None or (reader.form == "json" and not is_plain(payload, reader.hidden)):
        return None
    old, new = found.images()
    source = found.source
    snapshot = source.snapshot not in _STREAMED
    if not _is_everyday(reader, found.op, source, old is not None, new is not None):
        return None
    try:
        place, committed = (snapshot_place(reader.source, source), None) if snapshot else reader.source.place(source)
        return Change(
            table=reader.table,
            op=cast("Op", found.op),
            row_key=fast.key(key),
            before=None if old is None else fast.row(old),
            after=None if new is None else fast.row(new),
            position=place,
            transaction=None if snapshot else transaction(source, found),
            committed_after=committed,
            time=None if snapshot else moment(source),
            at=at,
            drift=reader.plan.drift,
            origin=None if snapshot else origin(source),
        )
    except (*EXPECTED, Refusal):
        return None


def _is_everyday(reader: TableReader, op: str, source: Source, old: bool, new: bool) -> bool:
    """Whether op, mark and images belong together, and no null may stand for a value that was not sent."""
    if op == "r":
        return source.snapshot in INITIAL_MARKS and new and not old
    if source.snapshot not in _STREAMED:
        return False
    full = reader.plan.full
    if op == "u":
        return new and old == full and not reader.hides
    if op == "c":
        return new and not old and not reader.hides
    return op == "d" and old and full and not new
