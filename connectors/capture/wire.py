"""From what SQLite holds to what Debezium would write: JSON without schema, decimals as text, times adaptive.

Shapes after the PostgreSQL connector 3.6 (https://debezium.io/documentation/reference/connectors/postgresql.html).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Literal, cast

import msgspec

from translators.schema import Table, Type
from translators.values import key_text

Stored = str | int | float | bytes | None
"""A value as SQLite's storage classes have it."""

Wire = str | int | float | bool | None

VERSION = "1.0"
"""The version of the record form, in `source.version`."""

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MILLISECOND_PRECISIONS = re.compile(r"\(\s*[0-3]\s*\)")


def image(data: bytes) -> dict[str, Stored]:
    """The row of an image that a trigger wrote. `ValueError` if the text in it is not UTF-8."""
    kinds, *objects = cast("tuple[str, ...]", msgspec.json.decode(data))
    values = {name: value for part in cast("list[dict[str, Stored]]", objects) for name, value in part.items()}
    for kind, (name, value) in zip(kinds, values.items(), strict=True):
        if kind == "b":
            values[name] = bytes.fromhex(str(value))
        elif kind == "r":
            values[name] = float(str(value))
    return values


def wire_row(table: Table, row: Mapping[str, Stored]) -> dict[str, Wire]:
    """The row as it goes on the wire. What does not fit its declared type goes as it is: the decoder judges it."""
    columns, native = table.columns, table.native
    return {name: wire_value(columns[name], native.get(name, ""), value) for name, value in row.items()}


def wire_value(type_: Type, native: str, value: Stored) -> Wire:
    """One value in Debezium's encoding: dates are days, timestamps milli- or microseconds, blobs base64."""
    if value is None:
        return None
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    kind = type_.kind
    if kind in ("decimal", "wide"):
        return value if isinstance(value, str) else format(Decimal(repr(value)), "f")
    if kind == "float":
        return _number(value)
    if kind == "boolean":
        return bool(value) if value in (0, 1) else value
    if isinstance(value, str) and kind in ("date", "timestamp", "timestamptz"):
        return _time(kind, native, value)
    return value


def _number(value: str | int | float) -> Wire:
    """JSON has no infinity: Debezium writes it as a text."""
    if isinstance(value, str):
        return value
    number = float(value)
    return number if number not in (float("inf"), float("-inf")) else ("Infinity" if number > 0 else "-Infinity")


def _time(kind: str, native: str, text: str) -> Wire:
    try:
        if kind == "date":
            return date.fromisoformat(text).toordinal() - _EPOCH_DAY
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    if kind == "timestamptz":
        return text if moment.tzinfo is None else instant(moment)
    if moment.tzinfo is not None:
        return text
    micros = microseconds(moment.replace(tzinfo=UTC))
    return micros // 1000 if _MILLISECOND_PRECISIONS.search(native) else micros


def instant(moment: datetime) -> str:
    """A moment as Debezium's ZonedTimestamp: UTC, six digits."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def microseconds(moment: datetime) -> int:
    """Microseconds since the epoch."""
    return (moment - _EPOCH) // _MICROSECOND


def canonical(table: Table, columns: Sequence[str], row: Mapping[str, Stored]) -> str:
    """The canonical text of some columns, by which rows are routed and told apart. `ValueError` for a null."""
    return key_text(tuple(_part(table.columns[c], row[c]) for c in columns))


def _part(type_: Type, value: Stored) -> str | int | Decimal:
    if type_.kind == "integer" and isinstance(value, int):
        return value
    if type_.kind == "decimal" and isinstance(value, str | int):
        return Decimal(value)
    if isinstance(value, str):
        return value.rstrip(" ") if type_.padded else value
    raise ValueError(f"{value!r} cannot be part of a key")


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """The source block of one record."""

    name: str
    database: str
    namespace: str
    table: str
    txid: int | None
    position: int
    committed_after: int | None
    micros: int
    snapshot: str = "false"

    def block(self) -> dict[str, object]:
        """As Debezium writes it; `sequence` is a JSON text: the last commit before, and the position."""
        committed = "null" if self.committed_after is None else f'"{self.committed_after}"'
        return {
            "version": VERSION,
            "connector": "sqlite",
            "name": self.name,
            "ts_ms": self.micros // 1000,
            "snapshot": self.snapshot,
            "db": self.database,
            "sequence": f'[{committed},"{self.position}"]',
            "ts_us": self.micros,
            "ts_ns": self.micros * 1000,
            "schema": self.namespace,
            "table": self.table,
            "txId": self.txid,
            "lsn": self.position,
        }


def envelope(
    *,
    op: Literal["c", "u", "d", "r"],
    before: Mapping[str, Wire] | None,
    after: Mapping[str, Wire] | None,
    source: Source,
    orders: tuple[int, int] | None,
    now: int,
) -> bytes:
    """The value of a row's record. `orders` counts in the transaction and in its table; `now` is microseconds."""
    transaction = None
    if orders is not None:
        transaction = {
            "id": f"{source.txid}:{source.position}",
            "total_order": orders[0],
            "data_collection_order": orders[1],
        }
    return msgspec.json.encode(
        {
            "before": before,
            "after": after,
            "source": source.block(),
            "transaction": transaction,
            "op": op,
            "ts_ms": now // 1000,
            "ts_us": now,
            "ts_ns": now * 1000,
        }
    )


def boundary(
    status: Literal["BEGIN", "END"], id_: str, micros: int, counts: Mapping[str, int] | None
) -> tuple[bytes, bytes]:
    """Key and value of a transaction marker; `counts` are the rows by data collection, for END."""
    value = {
        "status": status,
        "id": id_,
        "event_count": None if counts is None else sum(counts.values()),
        "data_collections": None
        if counts is None
        else [{"data_collection": name, "event_count": n} for name, n in counts.items()],
        "ts_ms": micros // 1000,
    }
    return msgspec.json.encode({"id": id_}), msgspec.json.encode(value)


def notification(
    id_: str,
    kind: Literal["Initial Snapshot", "Incremental Snapshot"],
    type_: str,
    data: Mapping[str, str],
    millis: int,
) -> tuple[bytes, bytes]:
    """Key and value of a notification about a snapshot."""
    value = {
        "id": id_,
        "type": type_,
        "aggregate_type": kind,
        "additional_data": data,
        "timestamp": millis,
    }
    return msgspec.json.encode({"id": id_}), msgspec.json.encode(value)
