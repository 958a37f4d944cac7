"""Writes what a batch came to: whole rows, children, and the versions of deleted keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, and_, bindparam, delete, insert, select, update
from sqlalchemy.sql.dml import Delete

from pipeline.cloudevents import CloudEvent
from pipeline.projection.content import Children, Header, row_hash
from pipeline.projection.fold import Slot
from pipeline.projection.rows import KEYS_AT_ONCE, ViewReader
from pipeline.projection.tables import ORDINAL, Tables

_Rows = list[dict[str, Any]]


class ViewWriter:
    """Reads and writes slots of one projection within a transaction of the caller. Portable: no upserts."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._reader = ViewReader(tables)
        self._key_columns = list(tables.spec.key)
        header, gone = tables.header, tables.gone
        values: dict[str, Any] = {
            column.name: bindparam(f"new_{column.name}") for column in header.columns if column.name != "_key"
        }
        self._update = update(header).where(header.c["_key"] == bindparam("at_key")).values(values)
        self._delete = delete(header).where(header.c["_key"] == bindparam("at_key"))
        self._delete_gone = delete(gone).where(gone.c["_key"] == bindparam("at_key"))

    def slots(self, connection: Connection, keys: list[str]) -> dict[str, Slot]:
        """The slots of these keys as the view has them; their rows are locked."""
        rows = self._reader.read_keys(connection, keys, locked=True)
        gone: dict[str, str] = {}
        table = self._tables.gone
        for start in range(0, len(keys), KEYS_AT_ONCE):
            wanted = select(table.c["_key"], table.c["_version"])
            chosen = table.c["_key"].in_(keys[start : start + KEYS_AT_ONCE])
            gone.update({key: version for key, version in connection.execute(wanted.where(chosen))})
        return {key: Slot.of(rows.get(key), gone.get(key)) for key in keys}

    def write(self, connection: Connection, slots: Mapping[str, Slot], now: datetime) -> None:
        """Write the slots that changed. What has to go goes first, so that a key's children can come anew."""
        changed = {key: slot for key, slot in slots.items() if slot.latest is not None}
        self._delete_rows(connection, changed)
        new: _Rows = []
        kept: _Rows = []
        for key, slot in changed.items():
            if slot.header is not None and slot.latest is not None:
                row = self._row(key, slot.header, slot.children, slot.latest, now)
                (new if slot.stored is None else kept).append(row)
        _many(connection, insert(self._tables.header), new)
        renamed = [{f"new_{name}": value for name, value in row.items() if name != "_key"} for row in kept]
        _many(
            connection, self._update, [{**row, "at_key": old["_key"]} for row, old in zip(renamed, kept, strict=True)]
        )
        for path, table in self._tables.children.items():
            _many(connection, insert(table), self._new_children(path, changed))
        absent = [{"_key": key, "_version": slot.version} for key, slot in changed.items() if slot.header is None]
        _many(connection, insert(self._tables.gone), absent)

    def _delete_rows(self, connection: Connection, changed: Mapping[str, Slot]) -> None:
        for path, table in self._tables.children.items():
            _many(connection, self._delete_children(table), self._old_children(path, changed))
        deleted = [key for key, slot in changed.items() if slot.header is None and slot.stored is not None]
        _many(connection, self._delete, [{"at_key": key} for key in deleted])
        buried = [key for key, slot in changed.items() if slot.stored_gone is not None]
        _many(connection, self._delete_gone, [{"at_key": key} for key in buried])

    @staticmethod
    def _row(key: str, header: Header, children: Children, latest: CloudEvent, now: datetime) -> dict[str, Any]:
        return {
            **header,
            "_key": key,
            "_version": latest.sequence,
            "_commit_time": latest.time,
            "_applied_time": now,
            "_source_position": latest.attributes.get("dragoman_position"),
            "_event_id": latest.id,
            "_row_hash": row_hash(header, children),
        }

    def _new_children(self, path: str, changed: Mapping[str, Slot]) -> _Rows:
        rows = []
        for slot in changed.values():
            if slot.header is not None and self._children_differ(path, slot):
                key = self._key_of(slot.header)
                rows += [{**key, ORDINAL: n, **element} for n, element in enumerate(slot.children[path])]
        return rows

    def _old_children(self, path: str, changed: Mapping[str, Slot]) -> _Rows:
        """The keys below which rows may be: of a new header too, since somebody may have deleted the old one by hand."""
        rows = []
        for slot in changed.values():
            if self._children_differ(path, slot):
                headers = [slot.header, None if slot.stored is None else slot.stored.header]
                keys = [self._key_of(header) for header in headers if header is not None]
                rows += [{f"at_{name}": value for name, value in key.items()} for key in keys]
        return rows

    def _children_differ(self, path: str, slot: Slot) -> bool:
        stored = slot.stored
        if stored is None or slot.header is None:
            return True
        return slot.children[path] != stored.children[path] or self._key_of(slot.header) != self._key_of(stored.header)

    def _delete_children(self, table: Table) -> Delete:
        same = (table.c[name] == bindparam(f"at_{name}") for name in self._key_columns)
        return delete(table).where(and_(*same))

    def _key_of(self, header: Mapping[str, Any]) -> dict[str, Any]:
        return {name: header[name] for name in self._key_columns}


def _many(connection: Connection, statement: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        connection.execute(statement, rows)
