"""The raw rows of a legacy's tables as lines, in the order of business keys: cut where a window ends."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Double, Integer, Select, cast, column, func, literal_column, select

from reconcile.line_reads import Wanted
from reconcile.mysql_rows import sends_texts
from reconcile.mysql_text import csv_writer, quoted
from reconcile.native_text import KeyOrder
from reconcile.sources import LegacyReader, canonical_key, table_of
from reconcile.streams import WHOLE, KeyRange, within
from translators.compiled import CompiledTranslator
from translators.schema import Table, Type

KeyReader = Callable[[bytes], Any]
"""Reads a number or a text, always the same of both."""


class RawRows:
    """The lines of one table, in CSV between tabs, its business key first; `read` counts those that were handed out."""

    def __init__(self, batches: Iterator[list[bytes]], key: KeyReader) -> None:
        self._batches = batches
        self._key = key
        self._lines: list[bytes] = []
        self.read = 0

    def first(self, count: int) -> tuple[list[bytes], Any]:
        """So many lines, or all that are left, and the key of the last one."""
        while len(self._lines) < count and (batch := next(self._batches, None)) is not None:
            self._lines += batch
        found, self._lines = self._lines[:count], self._lines[count:]
        self.read += len(found)
        return found, self._key(found[-1]) if found else None

    def through(self, key: Any) -> list[bytes]:
        """All lines up to a key."""
        found: list[bytes] = []
        while self._lines or self._fetched():
            if self._key(self._lines[-1]) > key:
                count = bisect_right(self._lines, key, key=self._key)
                found, self._lines = found + self._lines[:count], self._lines[count:]
                break
            found += self._lines
            self._lines = []
        self.read += len(found)
        return found

    def rest(self) -> None:
        """Count what is left: parts above the last root, which belong to nothing."""
        while self._lines or self._fetched():
            self._key(self._lines[-1])
            self.read += len(self._lines)
            self._lines = []

    def _fetched(self) -> bool:
        """Have the next lines; whether there are any."""
        self._lines = next((batch for batch in self._batches if batch), [])
        return bool(self._lines)


def raw_statement(
    reader: LegacyReader, name: str, columns: Mapping[str, Type], order: KeyOrder, keys: KeyRange = WHOLE
) -> Wanted:
    """What is asked of a table, in the order of the keys: these columns, and before them the key where it is none of them."""
    sort, bounds = legacy_order(reader, name, order, keys)
    texts = sends_texts(reader.engine)
    chosen = [
        # Its text of a single-precision number is a rounded one.
        (cast(column(c), Double) if texts and kind.kind == "float" else column(c)).label(f"c{number}")
        for number, (c, kind) in enumerate(columns.items())
    ]
    writers = [csv_writer(kind) for kind in columns.values()]
    if not order.by_length:
        chosen.insert(0, key_column(reader, name, order).label("k"))
        writers.insert(0, quoted)
    asked = select(*chosen).select_from(table_of(name, reader))
    return Wanted(name, within(asked.order_by(sort), [sort], bounds, as_bytes=texts), writers, csv=True)


def key_column(reader: LegacyReader, name: str, order: KeyOrder) -> ColumnElement[Any]:
    """The business key of a table's rows."""
    columns = reader.layout.columns(name)
    if not order.by_length:
        return canonical_key(reader.tables[name], columns, reader.dialect)
    # The sum leaves out what MariaDB's ZEROFILL puts before a number.
    return column(columns[0], Integer) + literal_column("0") if sends_texts(reader.engine) else column(columns[0])


def legacy_order(
    reader: LegacyReader, name: str, order: KeyOrder, keys: KeyRange
) -> tuple[ColumnElement[Any], KeyRange]:
    """What rows are sorted by, and a range of lines' keys in its terms."""
    columns = reader.layout.columns(name)

    def bound(key: tuple[int | str, ...] | None) -> tuple[int | str, ...] | None:
        if key is None:
            return None
        return (int(key[-1]) if order.by_length else key[-1],)

    range_ = KeyRange(bound(keys.after), bound(keys.through))
    if order.by_length:
        return column(columns[0]), range_
    return canonical_key(reader.tables[name], columns, reader.dialect), range_


def number_key(row: bytes) -> int:
    """The key of a line whose keys are numbers; `ValueError` if it has none."""
    return int(row[: row.index(b"\t")])


def text_key(row: bytes) -> str:
    """The key of a line whose keys are texts; `ValueError` if it has none."""
    if not row.startswith(b'"'):
        if row.startswith(b"\t"):
            raise ValueError("no key")
        return row[: row.index(b"\t")].decode()
    end = row.index(b'"', 1)
    while row[end + 1 : end + 2] == b'"':
        end = row.index(b'"', end + 2)
    return row[1:end].replace(b'""', b'"').decode()


def keys_are_numbers(reader: LegacyReader) -> bool:
    """Whether business keys are single whole numbers in every table: an index sorts those."""
    for name, declared in reader.tables.items():
        columns = reader.layout.columns(name)
        if len(columns) != 1 or declared.columns[columns[0]].kind != "integer":
            return False
    return True


def lowest_key(reader: LegacyReader) -> Select[*tuple[Any, ...]]:
    """The lowest number among the roots' keys: below zero, length is no order."""
    (name,) = reader.layout.key
    return select(func.min(column(name))).select_from(table_of(reader.layout.root, reader))


def mapping_of(reader: LegacyReader) -> CompiledTranslator:
    """The translator, which is a mapping: others have no such plan."""
    if not isinstance(reader.translator, CompiledTranslator):
        raise TypeError(f"{reader.translator.name} is no mapping")
    return reader.translator


def needed_tables(reader: LegacyReader, translator: CompiledTranslator) -> dict[str, Table]:
    """The tables with the columns that the mapping needs, and those of their keys: the business key's come first."""
    found = {}
    for name, table in reader.tables.items():
        business = reader.layout.columns(name)
        needed = {*translator.columns.get(name, ()), *business, *table.key}
        ordered = [*business, *(column for column in table.columns if column in needed and column not in business)]
        columns = {column: table.columns[column] for column in ordered}
        found[name] = Table(name=name, columns=columns, native=table.native, key=table.key)
    return found
