"""What is kept, as bytes: a format version (1 byte), a CRC-32 (4 bytes, big-endian), one MessagePack array.

Values that MessagePack has no type for are extensions, one code per type, so that what is read back has the very type
that was written. Everything keeps its order: rows and columns come back as they were, and equal values in equal order
are equal bytes. The checksum is over the business key and the array: SQLite notices a damaged page, but not a flipped
bit in a value or a row found under another key, and a wrong OLD would be published as news.

A number or a `Decimal` of any size fits, and so does text with lone surrogates. An offset is kept, its zone's name
and `fold` are not: at a fixed offset they say nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from zlib import crc32

import msgspec
from msgspec.msgpack import Decoder, Encoder, Ext

from pipeline.state.port import StateCorrupt, StateFormat, Stored, Waiting
from translators.change import Change, Coordinate
from translators.problem import Problem
from translators.values import Opaque, OutOfRange, Row, Unavailable

FORMAT = 1
"""The format that is written. Every change of what the bytes mean raises it, and those before stay readable."""

_HEADER = 5

# Extension codes of format 1. A code is never given another meaning.
_DECIMAL, _DATE, _DATETIME, _TIME, _TIMEDELTA, _OPAQUE, _UNAVAILABLE, _OUT_OF_RANGE, _INT, _TEXT, _PAIRS = range(1, 12)

_pack = Encoder().encode
_unpack: Callable[[bytes], Any] = Decoder(ext_hook=lambda code, body: _FROM_EXTENSION[code](bytes(body))).decode
_MICROSECOND = timedelta(microseconds=1)


def to_text(text: str) -> bytes:
    """A text as bytes in the same order, lone surrogates too."""
    return text.encode("utf-8", "surrogatepass")


def from_text(body: bytes) -> str:
    """What `to_text` was given."""
    return body.decode("utf-8", "surrogatepass")


def _from_iso(kind: type[datetime] | type[time], text: str) -> datetime | time:
    """`fromisoformat`, which takes an offset of less than a second for UTC where it is written `+HH:MM:SS.ffffff`."""
    if text[-16:-15] not in ("+", "-") or text[-7] != ".":
        return kind.fromisoformat(text)
    hours, minutes, seconds = text[-15:].split(":")
    offset = timedelta(hours=int(hours), minutes=int(minutes), microseconds=int(seconds.replace(".", "")))
    return kind.fromisoformat(text[:-16]).replace(tzinfo=timezone(-offset if text[-16] == "-" else offset))


_TO_EXTENSION: dict[type, Callable[[Any], Ext]] = {
    Decimal: lambda value: Ext(_DECIMAL, str(value).encode()),
    date: lambda value: Ext(_DATE, value.isoformat().encode()),
    datetime: lambda value: Ext(_DATETIME, value.isoformat().encode()),
    time: lambda value: Ext(_TIME, value.isoformat().encode()),
    timedelta: lambda value: Ext(_TIMEDELTA, str(value // _MICROSECOND).encode()),
    Opaque: lambda value: Ext(_OPAQUE, to_text(value.text)),
    Unavailable: lambda value: Ext(_UNAVAILABLE, to_text(value.reason)),
    OutOfRange: lambda value: Ext(_OUT_OF_RANGE, to_text(value.text)),
}

_FROM_EXTENSION: dict[int, Callable[[bytes], object]] = {
    _DECIMAL: lambda body: Decimal(body.decode()),
    _DATE: lambda body: date.fromisoformat(body.decode()),
    _DATETIME: lambda body: _from_iso(datetime, body.decode()),
    _TIME: lambda body: _from_iso(time, body.decode()),
    _TIMEDELTA: lambda body: timedelta(microseconds=int(body)),
    _OPAQUE: lambda body: Opaque(from_text(body)),
    _UNAVAILABLE: lambda body: Unavailable(from_text(body)),
    _OUT_OF_RANGE: lambda body: OutOfRange(from_text(body)),
    _INT: lambda body: int.from_bytes(body, "big", signed=True),
    _TEXT: from_text,
    _PAIRS: lambda body: dict(_unpack(body)),
}

_NATIVE = frozenset({str, int, float, bool, bytes, type(None)})


def encode_stored(key: str, stored: Stored) -> bytes:
    """The bytes of what is kept of `key`. `TypeError` if a row holds anything that is no `Value`."""
    rows = {table: {row_key: _to_row(row) for row_key, row in rows.items()} for table, rows in stored.rows.items()}
    flags = (stored.loading, stored.partial, stored.published)
    parts = [stored.partition, stored.version, flags, rows, stored.positions, _to_problem(stored.unmapped)]
    return seal(parts if stored.epoch == 1 else [*parts, stored.epoch], key)


def decode_stored(key: str, data: bytes, path: object) -> Stored:
    """What `encode_stored` was given with this key. `path` names the store in `StateFormat` and `StateCorrupt`."""
    partition, version, (loading, partial, published), rows, positions, unmapped, *epoch = unseal(data, path, key)
    return Stored(
        partition=partition,
        rows=rows,
        positions=positions,
        version=version,
        loading=loading,
        partial=partial,
        published=published,
        unmapped=_from_problem(unmapped),
        epoch=epoch[0] if epoch else 1,
    )


def encode_waiting(waiting: Waiting) -> bytes:
    """The bytes of a waiting step. `TypeError` if a row holds anything that is no `Value`."""
    return seal(
        [
            waiting.key,
            waiting.partition,
            waiting.version,
            [_to_change(change) for change in waiting.changes],
            waiting.dead_letter,
            _to_problem(waiting.problem),
            waiting.first_seen,
            waiting.mapping_version,
            *([True] if waiting.discarded else []),
        ],
        "",
    )


def decode_waiting(data: bytes, path: object) -> Waiting:
    """What `encode_waiting` was given. `path` names the store in `StateFormat` and `StateCorrupt`."""
    parts = unseal(data, path, "")
    key, partition, version, changes, dead_letter, problem, first_seen, mapping_version, *discarded = parts
    return Waiting(
        key=key,
        partition=partition,
        version=version,
        changes=tuple(_from_change(change) for change in changes),
        dead_letter=dead_letter,
        problem=_from_problem(problem),
        first_seen=first_seen,
        mapping_version=mapping_version,
        discarded=bool(discarded),
    )


def encode_change(change: Change) -> bytes:
    """The bytes of one change. `TypeError` if its rows hold anything that is no `Value`."""
    return seal(_to_change(change), "")


def decode_change(data: bytes) -> Change:
    """What `encode_change` was given."""
    return _from_change(unseal(data, "spill", ""))


def seal(body: Sequence[Any], key: str = "") -> bytes:
    """The bytes of something else that is kept (numbers and texts); `key` is what it is found under."""
    try:
        packed = _pack(body)
    except (OverflowError, UnicodeEncodeError):
        packed = _pack(_beyond(body))
    return b"%c%b%b" % (FORMAT, crc32(packed, crc32(to_text(key))).to_bytes(4, "big"), packed)


def unseal(data: bytes, path: object, key: str = "") -> Any:
    """What `seal` was given. `path` names the store in `StateFormat` and `StateCorrupt`."""
    if type(data) is not bytes or len(data) < _HEADER or data[0] == 0:  # a damaged file may give a number
        raise StateCorrupt(path=path, reason="a record has no header")
    if data[0] > FORMAT:
        raise StateFormat(path=path, found=data[0], known=FORMAT)
    packed = data[_HEADER:]
    if crc32(packed, crc32(to_text(key))) != int.from_bytes(data[1:_HEADER], "big"):
        raise StateCorrupt(path=path, reason="a record is not what was written (its checksum is wrong)")
    return _unpack(packed)


def _to_row(row: Row) -> dict[str, Any]:
    """The row itself if MessagePack has a type for each of its values, else a copy with the others as extensions."""
    if _NATIVE.issuperset(map(type, row.values())):
        return row
    packable: dict[str, Any] = row.copy()
    for column, value in row.items():
        if type(value) not in _NATIVE:
            packable[column] = _to_extension(value)
    return packable


def _to_extension(value: object) -> Ext:
    extend = _TO_EXTENSION.get(type(value))
    if extend is None:
        raise TypeError(f"a {type(value).__name__} cannot be kept in a row")
    return extend(value)


def _beyond(part: Any) -> Any:
    """The same with integers over 64 bits and text that is no UTF-8 as extensions; rare, so it may be slow."""
    if isinstance(part, dict):
        return _beyond_dict(part)
    if isinstance(part, (list, tuple)):
        return [_beyond(item) for item in part]
    if type(part) is int and not -(2**63) <= part < 2**64:
        return Ext(_INT, part.to_bytes(part.bit_length() // 8 + 1, "big", signed=True))
    if type(part) is str and not _is_utf8(part):
        return Ext(_TEXT, to_text(part))
    return part


def _beyond_dict(part: dict[str, Any]) -> Any:
    """An extension cannot be a key: a mapping with such a key becomes an array of pairs."""
    if all(_is_utf8(key) for key in part):
        return {key: _beyond(value) for key, value in part.items()}
    return Ext(_PAIRS, _pack([(_beyond(key), _beyond(value)) for key, value in part.items()]))


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _to_change(change: Change) -> list[Any]:
    parts = [
        change.table,
        change.op,
        change.row_key,
        None if change.before is None else _to_row(change.before),
        None if change.after is None else _to_row(change.after),
        change.position,
        change.transaction,
        change.committed_after,
        None if change.time is None else _to_extension(change.time),
        (change.at.topic, change.at.partition, change.at.offset),
        change.flagged,
    ]
    if change.moved is not None or not change.counted or change.origin is not None:
        parts += [None if change.moved is None else _to_row(change.moved), change.counted]
    if change.origin is not None:
        parts.append(change.origin)
    return parts


def _from_change(parts: list[Any]) -> Change:
    table, op, row_key, before, after, position, transaction, committed_after, moment, at, flagged, *more = parts
    moved, counted = more[:2] or (None, True)
    return Change(
        table=table,
        op=op,
        row_key=row_key,
        before=before,
        after=after,
        position=position,
        transaction=transaction,
        committed_after=committed_after,
        time=moment,
        at=Coordinate(*at),
        flagged=tuple(flagged),
        moved=moved,
        counted=counted,
        origin=more[2] if len(more) > 2 else None,
    )


def _to_problem(problem: Problem | None) -> Any:
    return None if problem is None else msgspec.to_builtins(problem)


def _from_problem(parts: Any) -> Problem | None:
    return None if parts is None else msgspec.convert(parts, Problem)
