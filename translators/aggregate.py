"""The legacy rows of one business key, and what the changes of one step make of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from translators.change import UNREAD, Change
from translators.values import Row, Unavailable

Rows = dict[str, dict[str, Row]]
"""table -> row key -> row. A table without rows may be absent."""

Positions = dict[str, dict[str, int]]
"""table -> row key -> the highest position read for that row, deleted and waiting rows included."""


def fresh(positions: Positions, changes: Iterable[Change]) -> list[Change]:
    """The changes that were not read before, in the order in which the source made them.

    A change is a repeat if its position is not above the one kept for its row. The order is by position, not by
    arrival: passes of a restarted connector overlap. A delete comes before an insert at the same position.
    """
    news = [c for c in changes if c.position > positions.get(c.table, {}).get(c.row_key, UNREAD)]
    if len(news) > 1:
        news.sort(key=_order)
    return news


def _order(change: Change) -> tuple[int, bool]:
    return (change.position, change.op != "d")


def seen(positions: Positions, changes: Sequence[Change]) -> Positions:
    """The positions after reading `changes` (in order), whether or not their rows were applied."""
    after = dict(positions)
    copied: set[str] = set()
    for change in changes:
        table, row_key, position = change.table, change.row_key, change.position
        if table not in copied:
            after[table] = dict(after.get(table, {}))
            copied.add(table)
        rows = after[table]
        # A snapshot row that was read again stands below the change that gave the row its position.
        if position >= rows.get(row_key, UNREAD):
            rows[row_key] = position
    return after


def apply(rows: Rows, changes: Sequence[Change]) -> Rows:
    """The rows after `changes`, which are fresh and in order. `rows` itself is left alone.

    A value that the source did not send is taken from the row it changes; where there is none it stays unavailable.
    """
    after = dict(rows)
    copied: set[str] = set()
    for change in changes:
        if change.table not in copied:
            after[change.table] = dict(after.get(change.table, {}))
            copied.add(change.table)
        table = after[change.table]
        if change.after is None:
            table.pop(change.row_key, None)
        else:
            table[change.row_key] = _repaired(change, table.get(change.row_key))
    return after


def _repaired(change: Change, before: Row | None) -> Row:
    row = change.after or {}
    if not change.flagged or before is None:
        return row
    known = {c: before[c] for c in change.flagged if isinstance(row[c], Unavailable) and c in before}
    return {**row, **known}


def touches_unseen(rows: Rows, changes: Sequence[Change]) -> bool:
    """Whether a change (fresh, in order) updates or deletes a row that was never read, so that history is missing."""
    inserted: set[tuple[str, str]] = set()
    for change in changes:
        row = (change.table, change.row_key)
        if change.op in ("c", "r"):
            inserted.add(row)
        elif row not in inserted and change.row_key not in rows.get(change.table, {}):
            return True
    return False
