"""Rows that change their aggregate, roots that are renumbered, tables that are emptied: what they mean for each key.

With one partition all rows are here, and such a change is seen whole. With several, the other half may be on another
partition: what cannot be seen whole is told as what it is (`renumberedTo`, `renumberedFrom`), or stops the partition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import ClassVar, NamedTuple

import msgspec

from connectors.debezium.records import Truncate
from pipeline.grouping import Placed, Transaction
from pipeline.state.port import Stored
from translators.aggregate import Rows, apply
from translators.change import Change, Coordinate
from translators.errors import DragomanError
from translators.translator import Refused, Translator, keys_of
from translators.values import Row, Unavailable, key_text

Kept = Callable[[str], Stored]
"""What is kept of a key, as it will be once all that waits of it is applied."""


class Link(NamedTuple):
    """A renumbering as one of its two keys sees it. `old` are the rows before, under the other key, where they are known.

    They are none where the number was given to something new at once.
    """

    renumbered_from: str | None
    renumbered_to: str | None
    old: Rows | None = None


Work = tuple[str, list[Change], Link | None]
"""One step to be made: the business key, its changes, and the renumbering that it is half of."""


def place(translator: Translator, change: Change, alone: bool) -> tuple[Placed, ...]:
    """The business key of a change, or two where its row moved: it leaves one aggregate and comes to another.

    `alone`: the feed has one partition, so both are here.
    """
    try:
        keys = keys_of(translator, change)
    except Refused as refused:
        raise RowWithoutKey(where=change.at, table=change.table, problem=refused.problem.message) from refused
    if len(keys) == 1:
        return (Placed(keys[0], change),)
    if not alone:
        raise RowMoved(where=change.at, table=change.table, row=change.row_key, old=keys[0], new=keys[1])
    root = change.table == translator.root
    left, came = (change.after, change.before) if root else (None, None)
    gone = msgspec.structs.replace(change, op="d", after=None, flagged=(), counted=False, moved=left)
    return (Placed(keys[0], gone), Placed(keys[1], msgspec.structs.replace(change, op="c", before=None, moved=came)))


def link_of(translator: Translator, key: str, changes: Iterable[Change]) -> Link | None:
    """The renumbering that these changes of one key, in order, tell by themselves; `None` if they tell none."""
    came = gone = None
    made = False
    for change in changes:
        if change.table != translator.root or change.op not in ("c", "d"):
            continue
        other = None if change.moved is None else translator.key_of(change.table, change.moved)
        if other == key:
            continue
        if change.op == "c":
            came, made = other, other is None
        elif other is None:
            came, made = None, False
        else:
            gone, made = other, False
    if came is None and gone is None:
        return None
    return Link(came, gone, {} if made and gone is not None else None)


def linked(
    translator: Translator, steps: Mapping[str, list[Change]], kept: Kept, waits: Callable[[str], bool], alone: bool
) -> list[Work]:
    """The steps of a transaction in which keys of rows were changed, each with its renumbering and its values repaired.

    What a key was is not known where an earlier step of it `waits`. Those that belong together come first, so that they
    are written together.
    """
    steps = _repaired(translator, steps, kept)
    origins = _origins(translator, steps) if alone else {}
    became = {old: new for new, old in origins.items() if old is not None}
    works: list[Work] = []
    for key, changes in steps.items():
        link = link_of(translator, key, sorted(changes, key=_order))
        if link is not None and alone:
            link = _whole(key, origins, became)
            if link is not None and link.renumbered_from is not None and not waits(link.renumbered_from):
                link = link._replace(old=_known(translator, kept(link.renumbered_from)))
        works.append((key, changes, link))
    return sorted(works, key=lambda work: work[2] is None)


def _whole(key: str, origins: Mapping[str, str | None], became: Mapping[str, str]) -> Link | None:
    """Where what stands under this key came from, and where what stood there went."""
    origin, went = origins.get(key), became.get(key)
    if origin is None and went is None:
        return None
    return Link(origin, went, {} if origin is None and key in origins else None)


def _known(translator: Translator, stored: Stored) -> Rows | None:
    return stored.rows if stored.rows.get(translator.root) and not stored.partial else None


def _origins(translator: Translator, steps: Mapping[str, list[Change]]) -> dict[str, str | None]:
    """Under which key each root that another key was given to stood before the transaction; `None` if it was made in it.

    One may be renumbered several times. A root that is deleted and inserted again is the same one.
    """
    roots = [(key, c) for key, changes in steps.items() for c in changes if c.table == translator.root]
    where: dict[str, str | None] = {}
    leaving: dict[str, str | None] = {}
    deleted: set[str | None] = set()
    for key, change in sorted(roots, key=lambda root: _order(root[1])):
        moved = None if change.moved is None else translator.key_of(change.table, change.moved)
        if change.op == "d":
            origin = where.pop(key, key)
            if moved is None:
                deleted.add(origin)
            else:
                leaving[moved] = origin
        elif change.op == "c" and moved is None:
            where[key] = key if key in deleted else None
            deleted.discard(key)
        elif change.op == "c" and key in leaving:
            where[key] = leaving.pop(key)
    return {new: old for new, old in where.items() if new != old}


def _order(change: Change) -> tuple[int, bool]:
    return (change.position, change.op != "d")


def _repaired(translator: Translator, steps: Mapping[str, list[Change]], kept: Kept) -> dict[str, list[Change]]:
    """Values that the source did not send again with a changed key are those of the row under its old key."""
    repaired = {key: list(changes) for key, changes in steps.items()}
    lacking = [
        (change.position, key, at)
        for key, changes in steps.items()
        for at, change in enumerate(changes)
        if change.moved is not None and change.op == "c" and change.flagged
    ]
    for _, key, at in sorted(lacking):
        repaired[key][at] = _completed(translator, repaired[key][at], repaired, kept)
    return repaired


def _completed(translator: Translator, change: Change, steps: Mapping[str, list[Change]], kept: Kept) -> Change:
    """One changed key, with what this transaction made of the row under its old key before."""
    row, moved = change.after or {}, change.moved or {}
    try:
        old = translator.key_of(change.table, moved)
        before = sorted((c for c in steps.get(old, ()) if c.position < change.position), key=lambda c: c.position)
        known = apply(kept(old).rows, before).get(change.table, {}).get(key_text(tuple(moved.values())), {})
    except (Refused, ValueError):
        return change
    known = {c: known[c] for c in change.flagged if isinstance(row[c], Unavailable) and c in known}
    left = tuple(c for c in change.flagged if c not in known)
    return msgspec.structs.replace(change, after={**row, **known}, flagged=left)


def emptied(
    transaction: Transaction, kept: Kept, scan: Iterable[tuple[str, Stored]]
) -> Iterator[tuple[str, list[Change]]]:
    """What a transaction that emptied tables did to each key: all that have rows of them lose these, at that position."""
    own: set[str] = set()
    truncates = list(transaction.truncates.values())
    for key, changes in transaction.held.by_key():
        own.add(key)
        yield key, [*changes, *_lost(truncates, kept(key), changes)]
    for key, _ in scan:
        if key not in own and (changes := _lost(truncates, kept(key), ())):
            yield key, changes


def _lost(truncates: Iterable[Truncate], stored: Stored, changes: Iterable[Change]) -> list[Change]:
    lost = []
    for truncate in truncates:
        rows = stored.rows.get(truncate.table, {})
        mine = [c for c in changes if c.table == truncate.table and c.position < truncate.position]
        for row_key in dict.fromkeys([*rows, *(c.row_key for c in mine)]):
            lost.append(_delete(truncate, row_key, rows.get(row_key)))
    return lost


def _delete(truncate: Truncate, row_key: str, before: Row | None) -> Change:
    return Change(
        table=truncate.table,
        op="d",
        row_key=row_key,
        before=before,
        after=None,
        position=truncate.position,
        transaction=truncate.transaction,
        committed_after=truncate.committed_after,
        time=truncate.time,
        at=truncate.at,
        counted=False,
        origin=truncate.origin,
    )


class Stopped(DragomanError):
    """The partition stopped before a record."""

    code: ClassVar[str] = "feed.stopped"
    hint: ClassVar[str] = "The partition stopped before it, nothing is lost."

    def __init__(self, *, where: Coordinate, **fields: object) -> None:
        self.at = where
        super().__init__(where=where, **fields)


class RowWithoutKey(Stopped):
    """A row of {table} has no readable business key: {problem}."""

    code = "feed.row-without-key"
    hint = "The partition stopped before it. A key column is null or was not sent: check the mapping's root and parts."


class RowMoved(Stopped):
    """Row {row} of {table} moved from {old} to {new}, which may be on another partition."""

    code = "feed.row-moved"
    hint = (
        "The partition stopped before it, nothing is lost. Where rows move between aggregates the feed needs one "
        "partition (a new feed and a new state epoch), or the parent's key has to be part of the row's primary key."
    )


class TableTruncated(Stopped):
    """The table {table} was truncated, and the feed has several partitions."""

    code = "feed.table-truncated"
    hint = (
        "The record stands on one partition and says nothing of its place on the others. The partition stopped before "
        "it, nothing is lost: raise the source epoch and load the source again, or use a feed of one partition."
    )
