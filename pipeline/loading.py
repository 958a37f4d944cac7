"""Snapshots are not news: a loaded key's state is published once, marked as such, and no event is said of it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pipeline.batch import Batch, facts_of
from pipeline.state.port import Stored
from translators.change import SNAPSHOT_POSITION, UNREAD, Change, Coordinate
from translators.translator import Refused, Translation


def publish_loaded(batch: Batch, feed: str, key: str, stored: Stored, newest: int) -> None:
    """Publish the state of one loaded key; rows of which no state can be made wait like a rejected step.

    `newest` is the position of the snapshot's rows. A snapshot may have been cut and begun again: rows that only an
    earlier pass showed are gone, and nothing else tells of their deletion.
    """
    rows_read = {
        table: {row_key: row for row_key, row in rows.items() if stored.positions[table][row_key] >= newest}
        for table, rows in stored.rows.items()
    }
    stored = msgspec.structs.replace(stored, rows=rows_read)
    rows = _snapshot_rows(feed, stored)
    if not rows:
        batch.keep(key, msgspec.structs.replace(stored, loading=False))
        return
    facts = facts_of(key, stored.version + 1, rows, stored.partition, 0)
    after = msgspec.structs.replace(stored, loading=False, version=facts.version)
    try:
        state = batch.translator.state(stored.rows)
        batch.publish(facts, after, Translation(state=state, changed=state is not None), "snapshot")
    except Refused as refused:
        batch.reject_loaded(facts, stored, rows, refused.problem)


def newest_pass(loading: Iterable[Stored]) -> int:
    """The position of the last snapshot by which any of these keys was read."""
    return max((p for s in loading for rows in s.positions.values() for p in rows.values()), default=UNREAD)


def _snapshot_rows(feed: str, stored: Stored) -> list[Change]:
    """The loaded rows as the changes that brought them; their offsets are not kept, hence -1."""
    return [
        Change(
            table=table,
            op="r",
            row_key=row_key,
            before=None,
            after=row,
            position=SNAPSHOT_POSITION,
            transaction=None,
            committed_after=None,
            time=None,
            at=Coordinate(feed, stored.partition, -1),
        )
        for table, rows in sorted(stored.rows.items())
        for row_key, row in sorted(rows.items())
    ]
