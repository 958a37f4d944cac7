"""The counts and sums of chunks of keys, which both databases work out of the same values without handing any over.

A row's hash is that of its values, each in one type on both sides, hashed once more: PostgreSQL's hash of a row adds up those
of its columns, so that in a sum of these alone two rows that swapped a value would cancel.
https://github.com/postgres/postgres/blob/REL_15_STABLE/src/backend/utils/adt/rowtypes.c (`hash_record_extended`)
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from itertools import chain
from math import ceil
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Integer,
    Numeric,
    Select,
    Text,
    any_,
    cast,
    column,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY

from reconcile.cutting import Sample, ranges_of, sampled
from reconcile.direct_lines import column_at, on_utc, strange
from reconcile.legacy_lines import key_column, legacy_order, mapping_of
from reconcile.line_reads import LineReads, Wanted
from reconcile.native_text import KeyOrder, LineShape
from reconcile.sources import LegacyReader, LegacySnapshot, table_of
from reconcile.streams import WHOLE, KeyRange, within
from reconcile.view import ProjectionView
from translators.contract import Shape
from translators.expression.bound import Column

CHUNK = 4_000
"""Keys that a chunk is to have: as many are handed over for one that differs."""

MOST = 128
"""Chunks of one range: the server looks for a key's chunk among all of them."""

MANY = 0.25
"""Of so large a share of chunks that differ all rows are handed over, without looking for each one's chunk."""

_WIDTH = 20
"""Digits of the longest whole number: with blanks before them, texts come by size."""

Sums = Mapping[bytes, tuple[bytes, ...]]
"""By chunk its count, its sum, and how many of its values nothing is the same as; texts as the server writes them."""

Asking = tuple[LineReads, Wanted]


class Chunks(msgspec.Struct, frozen=True):
    """Where chunks begin, each half-open; on both sides a row is summed up and handed over in the chunk of this number."""

    bounds: tuple[str, ...]
    by_length: bool

    def of_legacy(self, key: ColumnElement[Any]) -> ColumnElement[int]:
        """The number of a key's chunk in the legacy, where a key may be a number."""
        if not self.by_length:
            return self.of_view(key)
        bounds = cast(literal([int(one) for one in self.bounds], ARRAY(BigInteger)), ARRAY(BigInteger))
        return func.width_bucket(cast(key, BigInteger), bounds)

    def of_view(self, key: ColumnElement[Any]) -> ColumnElement[int]:
        """The number of a key's chunk in the view, where all keys are texts."""
        text = cast(key, Text)
        place = func.lpad(text, literal_column(str(_WIDTH)), " ") if self.by_length else text
        bounds = [one.rjust(_WIDTH) if self.by_length else one for one in self.bounds]
        return func.width_bucket(place.collate("C"), cast(literal(bounds, ARRAY(Text)), ARRAY(Text)))


def chunks_of(legacy: LegacySnapshot, order: KeyOrder, keys: KeyRange) -> Chunks:
    """The chunks of a range, cut at keys of a sample."""
    sample = sampled(legacy)
    inside = tuple(key for key in sample.keys if _holds(keys, order.key_of(key)))
    count = sample.count * len(inside) / max(1, len(sample.keys))
    ranges = ranges_of(Sample(inside, round(count)), order, min(MOST, ceil(count / CHUNK)))
    return Chunks(tuple(str(one.through[-1]) for one in ranges if one.through is not None), order.by_length)


def _holds(keys: KeyRange, key: tuple[int | str, ...]) -> bool:
    return (keys.after is None or key > keys.after) and (keys.through is None or key <= keys.through)


def legacy_sums(
    reader: LegacyReader, shape: LineShape, order: KeyOrder, chunks: Chunks, keys: KeyRange = WHOLE
) -> Wanted:
    """What is asked of the root's table."""
    root, fields = reader.layout.root, mapping_of(reader).bound.fields
    found = {path: column_at(fields, path) for path in shape.fields}
    values = [_value(column(of.column), of, shape.fields[path]) for path, of in found.items()]
    odd = [
        strange(column(of.column), of.type)
        for of in found.values()
        if of.type.kind in ("decimal", "date", "timestamp", "timestamptz")
    ]
    sort, bounds = legacy_order(reader, root, order, keys)
    key = key_column(reader, root, order)
    asked = _asked(table_of(root, reader), chunks.of_legacy(key), key, values, or_(false(), *odd))
    return Wanted(root, within(asked, [sort], bounds), ())


def view_sums(
    view: ProjectionView, shape: LineShape, order: KeyOrder, chunks: Chunks, keys: KeyRange = WHOLE
) -> Wanted:
    """What is asked of the view's table."""
    header = view.tables.header
    key = header.c["_key"]
    columns = {path: name for name, path in {**view.spec.key, **view.spec.columns}.items()}
    values = [_shown(header.c[columns[path]], of) for path, of in shape.fields.items()]
    sort: list[ColumnElement[Any]] = [func.char_length(key), key] if order.by_length else [key]
    return Wanted(header.name, within(_asked(header, chunks.of_view(key), key, values, false()), sort, keys), ())


def _asked(
    rows: FromClause,
    chunk: ColumnElement[int],
    key: ColumnElement[Any],
    values: list[ColumnElement[Any]],
    odd: ColumnElement[bool],
) -> Select[*tuple[Any, ...]]:
    row = func.row(cast(key, Text).collate("C"), *values)
    hashed = func.hashint8extended(func.hash_record_extended(row, literal_column("0")), literal_column("0"))
    counted, found = func.count(), func.count().filter(odd)
    return (
        select(chunk.label("chunk"), counted, func.sum(hashed), found).select_from(rows).group_by(literal_column("1"))
    )


def _value(value: ColumnElement[Any], of: Column, shape: Shape) -> ColumnElement[Any]:
    """A column of the legacy in the type of the view's, so that the same values have the same hash.

    As a text a CHAR has no blanks at its end.
    """
    return _shown(on_utc(value, of.type), shape)


def _shown(value: ColumnElement[Any], shape: Shape) -> ColumnElement[Any]:
    match shape.kind:
        case "text":
            return cast(value, Text).collate("C")
        case "decimal" if shape.digits is None or shape.places is None:
            return cast(value, Text).collate("C")
        case "decimal":
            return cast(value, Numeric)
        case "integer":
            return cast(value, BigInteger)
        case _:
            return value


def summed(ours: Asking, theirs: Asking) -> tuple[Sums, Sums]:
    """What both sides say, which work side by side."""
    with _lines(ours) as left, _lines(theirs) as right, ThreadPoolExecutor(1) as beside:
        other = beside.submit(_read, right)
        return _read(left), other.result()


def _lines(asking: Asking) -> AbstractContextManager[Iterator[list[bytes]]]:
    reads, wanted = asking
    return reads.lines(wanted)


def _read(batches: Iterator[list[bytes]]) -> Sums:
    found = {}
    for line in chain.from_iterable(batches):
        chunk, *figures = line.rstrip(b"\n").split(b"\t")
        found[chunk] = tuple(figures)
    return found


def agreeing(ours: Sums, theirs: Sums) -> tuple[int, frozenset[int] | None]:
    """How many keys are the same, and the chunks to hand over; none are, and all of them (`None`), where many differ."""
    if _NO_KEY in ours or _NO_KEY in theirs:
        return 0, None
    chunks = {*ours, *theirs}
    differ = {one for one in chunks if ours.get(one) != theirs.get(one)}
    if len(differ) > max(1, MANY * len(chunks)):
        return 0, None
    return sum(int(ours[one][0]) for one in chunks - differ), frozenset(map(int, differ))


_NO_KEY = rb"\N"


class Narrowed(msgspec.Struct, frozen=True):
    """See `reconcile.line_reads.LineReads`: the lines of some chunks."""

    reads: LineReads
    number: ColumnElement[int]
    chunks: Collection[int]

    def lines(self, wanted: Wanted) -> AbstractContextManager[Iterator[list[bytes]]]:
        """See the port."""
        inside = self.number == any_(cast(literal(sorted(self.chunks), ARRAY(Integer)), ARRAY(Integer)))
        return self.reads.lines(
            msgspec.structs.replace(wanted, statement=wanted.statement.where(inside if self.chunks else false()))
        )


def narrowed(reads: LineReads, number: ColumnElement[int], chunks: Collection[int] | None) -> LineReads:
    """The lines of these chunks, or of all."""
    return reads if chunks is None else Narrowed(reads, number, chunks)
