"""Reads view rows back: for the projection before it changes them, for checks as somebody may have left them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, select

from pipeline.projection.content import Children, Header
from pipeline.projection.tables import ORDINAL, Tables

KEYS_AT_ONCE = 500
"""Bound parameters of one statement; some databases take no more than 999."""


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """What a view row is known by. `version` is the `sequence` of the record that it holds, `row_hash` what
    `content.row_hash` gave when it was written."""

    version: str
    commit_time: datetime | None
    applied_time: datetime
    source_position: int | None
    event_id: str
    row_hash: str


class ViewRow(msgspec.Struct, frozen=True, kw_only=True):
    """One key of a view as it is stored. `key` is the business key's text."""

    key: str
    header: Header
    children: Children
    meta: Meta


class ViewReader:
    """Reads the rows of one projection, with their children. Errors of the database are SQLAlchemy's own."""

    def __init__(self, tables: Tables) -> None:
        header = tables.header
        self._key = header.c["_key"]
        self._columns = [*tables.spec.key, *tables.spec.columns]
        self._header = select(*header.columns).order_by(self._key)
        self._tables = tables
        self._children: dict[str, tuple[list[str], Select[Any]]] = {}
        for path, table in tables.children.items():
            columns = list(tables.spec.children[path].columns)
            same = and_(*(table.c[name] == header.c[name] for name in tables.spec.key))
            wanted = select(self._key, *(table.c[name] for name in columns)).join_from(header, table, same)
            self._children[path] = (columns, wanted.order_by(self._key, table.c[ORDINAL]))

    def statements(self) -> Iterator[tuple[str, Select[Any]]]:
        """What is asked of each table, all of it."""
        yield self._tables.header.name, self._header
        for path, (_, wanted) in self._children.items():
            yield self._tables.children[path].name, wanted

    def read_rows(self, connection: Connection, after_key: str | None = None, limit: int = 1_000) -> list[ViewRow]:
        """Up to `limit` rows whose key comes after `after_key`, in the order of keys by code points."""
        beyond = [] if after_key is None else [self._key > after_key]
        headers = connection.execute(self._header.where(*beyond).limit(limit)).all()
        if not headers:
            return []
        return self._rows(connection, headers, and_(self._key <= headers[-1]._mapping["_key"], *beyond))

    def keys_after(
        self, connection: Connection, after: str | None, until: str | None, limit: int, skip: int = 0
    ) -> list[str]:
        """The first `limit` keys of a half-open range, but for the first `skip`, in the order of keys by code points."""
        bounds = [*([] if after is None else [self._key > after]), *([] if until is None else [self._key <= until])]
        wanted = select(self._key).where(*bounds).order_by(self._key).limit(limit).offset(skip)
        return list(connection.execute(wanted).scalars())

    def read_keys(self, connection: Connection, keys: Sequence[str], *, locked: bool = False) -> dict[str, ViewRow]:
        """The rows of these keys that are there. With `locked`, nobody else may change them until the transaction ends
        (where the database locks rows at all)."""
        found: dict[str, ViewRow] = {}
        for start in range(0, len(keys), KEYS_AT_ONCE):
            chosen = self._key.in_(keys[start : start + KEYS_AT_ONCE])
            wanted = self._header.where(chosen)
            headers = connection.execute(wanted.with_for_update() if locked else wanted).all()
            if headers:
                found.update((row.key, row) for row in self._rows(connection, headers, chosen))
        return found

    def _rows(self, connection: Connection, headers: Sequence[Any], chosen: ColumnElement[bool]) -> list[ViewRow]:
        lists = {}
        for path, (columns, wanted) in self._children.items():
            rows: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
            for key, *values in connection.execute(wanted.where(chosen)):
                rows[key].append(dict(zip(columns, values, strict=True)))
            lists[path] = rows
        return [self._row(header._mapping, lists) for header in headers]

    def _row(self, stored: Mapping[str, Any], lists: Mapping[str, Mapping[str, list[dict[str, Any]]]]) -> ViewRow:
        key, position = stored["_key"], stored["_source_position"]
        return ViewRow(
            key=key,
            header={name: stored[name] for name in self._columns},
            children={path: rows.get(key, []) for path, rows in lists.items()},
            meta=Meta(
                version=stored["_version"],
                commit_time=stored["_commit_time"],
                applied_time=stored["_applied_time"],
                source_position=None if position is None else int(position),
                event_id=stored["_event_id"],
                row_hash=stored["_row_hash"],
            ),
        )
