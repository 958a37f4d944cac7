"""All keys of a side in an order that its indexes have, in half-open ranges: what is walked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec
from sqlalchemy import ColumnElement, and_, column, literal, or_, select
from sqlalchemy.types import NullType

from reconcile.errors import SideUnreadable
from reconcile.sources import SIDE, LegacyReader, table_of
from translators.translator import Refused

SideName = Literal["legacy", "view"]


class Place(msgspec.Struct, frozen=True):
    """A key of a side. `cursor` says where it stands in the side's own order; nobody else understands it."""

    key: str
    cursor: str


class Walk(Protocol):
    """The keys of one side, in its own order. Each method may raise a `DragomanError`."""

    def places(self, after: str | None, until: str | None, limit: int, skip: int = 0) -> list[Place]:
        """The first `limit` keys beyond `after` up to `until` (cursors; `None`: without a bound), but for `skip` of them."""


@runtime_checkable
class Listed(Protocol):
    """A view whose keys can be listed without its rows: a projection's."""

    def keys_after(self, after: str | None, until: str | None, limit: int, skip: int = 0) -> list[str]:
        """The first `limit` keys of a half-open range, but for the first `skip`, in order."""


class ViewWalk:
    """The rows of a view, by their key."""

    def __init__(self, view: Listed) -> None:
        self._view = view

    def places(self, after: str | None, until: str | None, limit: int, skip: int = 0) -> list[Place]:
        """See the port."""
        return [Place(key, key) for key in self._view.keys_after(after, until, limit, skip)]


class LegacyWalk:
    """The rows of a root table, in the order of its key columns as its own index has them.

    That is not the order of canonical keys, by which both sides are merged: a database could only sort by that.
    """

    def __init__(self, reader: LegacyReader) -> None:
        self._reader = reader
        self._root = reader.layout.root
        self._names = reader.layout.key

    def places(self, after: str | None, until: str | None, limit: int, skip: int = 0) -> list[Place]:
        """See the port."""
        statement = self.statement(after, until, limit, skip)
        with self._reader.connected() as connection:
            rows = connection.execute(statement).all()
        return [self._place(tuple(row)) for row in rows]

    def statement(self, after: str | None, until: str | None, limit: int, skip: int = 0) -> Any:
        """What the database is asked."""
        columns: list[ColumnElement[Any]] = [column(name) for name in self._names]
        shown = [self._reader.rows[self._root].selected(name).label(f"k{at}") for at, name in enumerate(self._names)]
        bounds = [
            *([] if after is None else [_lexical(columns, _values(after), beyond=True)]),
            *([] if until is None else [_lexical(columns, _values(until), beyond=False)]),
            *[one.is_not(None) for one in columns],
        ]
        wanted = select(*shown).select_from(table_of(self._root, self._reader)).where(*bounds)
        return wanted.order_by(*columns).limit(limit).offset(skip)

    def _place(self, values: tuple[Any, ...]) -> Place:
        raw = dict(zip(self._names, values, strict=True))
        try:
            key = self._reader.translator.key_of(self._root, self._reader.rows[self._root].some(raw))
        except Refused as refused:
            raise SideUnreadable(side=SIDE, reason=f"a row of {self._root}: {refused.problem.message}") from refused
        plain = [value if isinstance(value, int | str) else str(value) for value in values]
        return Place(key, msgspec.json.encode(plain).decode())


def _values(cursor: str) -> list[int | str]:
    return msgspec.json.decode(cursor, type=list[int | str])


def _lexical(
    columns: Sequence[ColumnElement[Any]], values: Sequence[int | str], *, beyond: bool
) -> ColumnElement[bool]:
    """Whether a row stands beyond these values, or not beyond them: in a form of which indexes are used everywhere.

    MariaDB looks through all of an index for `(a, b) > (1, 2)`.
    """
    first, *rest = columns
    bound = _bound(values[0])
    strictly = first > bound if beyond else first < bound
    if not rest:
        return strictly if beyond else first <= bound
    loosely = first >= bound if beyond else first <= bound
    return and_(loosely, or_(strictly, _lexical(rest, values[1:], beyond=beyond)))


def _bound(value: int | str) -> ColumnElement[Any]:
    # A text without a type, so that the server reads it as one of the column's.
    return literal(value) if isinstance(value, int) else literal(value, NullType())
