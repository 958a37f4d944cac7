"""Snapshots are not news: a loaded key's state is published once, marked as such, and no event is said of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec

from pipeline.batch import Batch
from pipeline.cloudevents import StepFacts
from pipeline.grouping import Reread
from pipeline.state.port import Stored
from pipeline.step_facts import facts_of
from translators.aggregate import apply, seen
from translators.change import SNAPSHOT_POSITION, UNREAD, Change, Coordinate, read_at
from translators.outcome import Loaded
from translators.translator import Refused, Translation
from translators.values import Unavailable

REREAD = -1
"""In place of a command's id: the pin of a snapshot of a live partition that is complete."""


def publish_loaded(batch: Batch, feed: str, key: str, stored: Stored, newest: int) -> None:
    """Publish the state of one loaded key; rows of which no state can be made wait like a rejected step.

    `newest` is the position of the snapshot's rows. A snapshot may have been cut and begun again, or be that of another
    source epoch: rows that it did not show are gone, and nothing else tells of their deletion. Steps that still wait were
    read before it, and are overtaken by it.
    """
    batch.overtake(key)
    rows_read = {
        table: {row_key: row for row_key, row in rows.items() if _position(stored, table, row_key) >= newest}
        for table, rows in stored.rows.items()
    }
    stored = msgspec.structs.replace(stored, rows=rows_read, partial=False, unmapped=None)
    rows = snapshot_rows(feed, stored)
    if not rows:
        forget_gone(batch, key, stored)
        return
    facts = facts_of(key, stored.version + 1, rows, stored.partition, 0)
    after = msgspec.structs.replace(stored, loading=False, version=facts.version)
    try:
        state = batch.translator.state(stored.rows)
        changed = state is not None or stored.published
        batch.publish(facts, after, Translation(state=state, changed=changed), "snapshot")
    except Refused as refused:
        batch.reject_loaded(facts, stored, rows, refused.problem)


def forget_gone(batch: Batch, key: str, stored: Stored) -> None:
    """A complete snapshot showed no row of this key: nothing of it is left, and a state that was published is taken back."""
    batch.overtake(key)
    after = msgspec.structs.replace(stored, rows={}, loading=False, partial=False, unmapped=None)
    if not stored.published:
        batch.keep(key, after)
        return
    facts = StepFacts(
        key=key,
        version=stored.version + 1,
        transaction=f"snapshot.{stored.version + 1}",
        lowest=SNAPSHOT_POSITION,
        position=SNAPSHOT_POSITION,
        first_row=batch.translator.root,
        time=None,
        feed_partition=stored.partition,
        arrived=0,
    )
    after = msgspec.structs.replace(after, version=facts.version)
    batch.publish(facts, after, Translation(state=None, changed=True), "snapshot")


def _position(stored: Stored, table: str, row_key: str) -> int:
    return stored.positions.get(table, {}).get(row_key, UNREAD)


def settle_partial(batch: Batch, key: str, stored: Stored, scanned: Collection[str]) -> None:
    """A snapshot of a live partition is complete: a partial key is whole where all tables were `scanned` to their end.

    Where they were not, it stays partial, and nothing is published of it.
    """
    partial = not batch.translator.tables <= set(scanned)
    batch.keep(key, msgspec.structs.replace(stored, partial=partial, loading=not partial))


def publish_reread(batch: Batch, key: str, stored: Stored) -> None:
    """Publish the state of a key in which a snapshot found another row than was kept.

    Where a step of it waits, its release will say so; where no state can be made of its rows, its next step will.
    """
    after = msgspec.structs.replace(stored, loading=False)
    rows = snapshot_rows("", after)
    if not rows or batch.waits(key):
        batch.keep(key, after)
        return
    facts = facts_of(key, stored.version + 1, rows, stored.partition, 0)
    try:
        state = batch.translator.state(stored.rows)
        after = msgspec.structs.replace(after, version=facts.version)
        batch.publish(facts, after, Translation(state=state, changed=state is not None or stored.published), "snapshot")
    except Refused as refused:
        batch.keep(key, msgspec.structs.replace(after, unmapped=refused.problem))


def is_repeated(stored: Stored, change: Change) -> bool:
    """Whether a snapshot row says nothing new: this or a later snapshot showed it, or a change behind its reading did.

    One that does not say where it was read cannot stand against a change.
    """
    kept = _position(stored, change.table, change.row_key)
    if kept < SNAPSHOT_POSITION:
        return kept >= change.position
    return read_at(change.position) < kept


def reread(batch: Batch, key: str, rows: Sequence[Change], waiting: Reread) -> None:
    """Rows of one key that a snapshot read again on a live partition: what differs replaces what is kept.

    The key's state is published when the snapshot is complete, or by a step before that. A key that was not known is
    partial until then: what a change did to it cannot be told.
    """
    stored = batch.stored(key)
    news = _news(stored, [row for row in rows if not waiting.is_old(row)])
    batch.count_repeats(rows, news)
    if batch.waits(key):
        if news:
            batch.park(key, news, waiting.arrived)
        return
    changed = [row for row in news if stored.rows.get(row.table, {}).get(row.row_key) != row.after]
    changed += _filled(stored, [row for row in rows if row not in news])
    if not news and not changed:
        return
    known = bool(stored.rows.get(batch.translator.root)) and not stored.partial
    batch.count_outcome(news, Loaded())
    batch.keep(
        key,
        msgspec.structs.replace(
            stored,
            rows=apply(stored.rows, changed),
            positions=seen(stored.positions, news),
            loading=stored.loading or bool(changed),
            partial=not known and batch.translator.has_parts,
        ),
    )


def _news(stored: Stored, rows: Sequence[Change]) -> list[Change]:
    """The rows that say something new; a connector that was killed sends a row of its snapshot again."""
    found: dict[tuple[str, str], Change] = {}
    for row in rows:
        shown = found.get((row.table, row.row_key))
        if not is_repeated(stored, row) and (shown is None or shown.position < row.position):
            found[row.table, row.row_key] = row
    return list(found.values())


def _filled(stored: Stored, rows: Sequence[Change]) -> list[Change]:
    """Kept rows with what the source did not send of them: no change since has sent it, so an older row still shows it."""
    found = []
    for row in rows:
        kept, shown = stored.rows.get(row.table, {}).get(row.row_key, {}), row.after or {}
        lacking = {c: shown[c] for c, value in kept.items() if isinstance(value, Unavailable) and c in shown}
        if lacking:
            found.append(msgspec.structs.replace(row, after={**kept, **lacking}))
    return found


def newest_pass(loading: Iterable[Stored]) -> int:
    """The position of the last snapshot by which any of these keys was read."""
    return max((p for s in loading for rows in s.positions.values() for p in rows.values()), default=UNREAD)


def snapshot_rows(feed: str, stored: Stored) -> list[Change]:
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
