"""Records that are no row changes, told by the name of their schema, or by their shape where they carry none."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from connectors.debezium.records import Heartbeat, Notification, SchemaChanged, TransactionMark
from connectors.debezium.refusal import Refusal
from connectors.debezium.sources import source_form
from translators.change import Coordinate
from translators.schema import LegacySchema

Mark = Heartbeat | TransactionMark | Notification | SchemaChanged


class Told(NamedTuple):
    """What a mark is told by and made from: its payload, where it was read, the legacy schema, the notification topic."""

    data: dict[str, Any]
    at: Coordinate
    schema: LegacySchema | None
    notifications: str | None


class KindForm(NamedTuple):
    """One kind of record: where it is read by default, its key, and what tells it.

    `name` ends the name of its schema, where it carries one; else it has the fields `shape` and, where that is not
    enough, passes `like`. `make` is `None` for what the envelope and its op tell.
    """

    kind: str
    topic: str
    key: str
    name: str
    shape: frozenset[str]
    like: Callable[[Told], bool] | None = None
    make: Callable[[Told], Mark] | None = None


def mark(
    data: Any, name: str, at: Coordinate, schema: LegacySchema | None, notification_topic: str | None
) -> Mark | None:
    """The mark that a payload is, by the `name` of its schema if it has one; `None` if it is none."""
    if not isinstance(data, dict):
        return None
    told = Told(data, at, schema, notification_topic)
    for form in KINDS:
        if form.make is not None and (name.endswith(form.name) if name else _has_shape(form, told)):
            return form.make(told)
    return None


def _has_shape(form: KindForm, told: Told) -> bool:
    return form.shape <= told.data.keys() and (form.like is None or form.like(told))


_FLATTENED = ("__op", "__deleted", "__table", "__lsn", "__source_", "__ts_")
_POSITIONED = re.compile(r"([0-9]+):([0-9]{1,20})")
_QUOTED = re.compile(r'"((?:[^"]|"")*)"')


def refuse(data: Any, key: Any) -> Refusal:
    """Why a payload that is neither a change nor a mark cannot be read."""
    if not isinstance(data, dict):
        return Refusal("record.unknown-shape")
    source = data.get("source")
    if "op" in data and isinstance(source, dict):
        source_form(source.get("connector"))
        return Refusal("record.bad-envelope", "form")
    row = isinstance(key, dict) and key and key.keys() <= data.keys()
    if row or any(name.startswith(_FLATTENED) for name in data):
        return Refusal("record.flattened")
    return Refusal("record.unknown-shape")


def bare_table(name: str, schema: LegacySchema | None) -> str:
    """`public.orders` as `schema.yaml` names it."""
    return name if schema is None else name.removeprefix(f"{schema.namespace}.")


def _boundary(told: Told) -> TransactionMark:
    data, schema = told.data, told.schema
    status, identity, count = data.get("status"), data.get("id"), data.get("event_count")
    if status not in ("BEGIN", "END") or not isinstance(identity, str) or not isinstance(count, int | None):
        raise Refusal("record.bad-envelope", "transaction mark")
    transaction, position = _transaction(identity, schema)
    word: Literal["BEGIN", "END"] = "BEGIN" if status == "BEGIN" else "END"
    return TransactionMark(
        status=word,
        transaction=transaction,
        position=position,
        counts=_counts(data.get("data_collections"), schema),
        event_count=count,
        at=told.at,
    )


def _transaction(identity: str, schema: LegacySchema | None) -> tuple[str, int | None]:
    """PostgreSQL's mark says `<txid>:<lsn of the mark>`: only the first part is the transaction's."""
    match = _POSITIONED.fullmatch(identity)
    if match is not None:
        return match[1], int(match[2])
    head, colon, tail = identity.rpartition(":")
    if schema is not None and schema.connector == "sqlite" and colon and tail.isascii() and tail.isdigit():
        return head, int(tail[:20])
    return identity, None


def _counts(collections: Any, schema: LegacySchema | None) -> Mapping[str, int]:
    if collections is None:
        return {}
    counts: dict[str, int] = {}
    for entry in collections if isinstance(collections, list) else [None]:
        name = entry.get("data_collection") if isinstance(entry, dict) else None
        count = entry.get("event_count") if isinstance(entry, dict) else None
        if not isinstance(name, str) or type(count) is not int:
            raise Refusal("record.bad-envelope", "transaction mark")
        counts[bare_table(name, schema)] = count
    return counts


def _notification(told: Told) -> Notification:
    data = told.data
    details = data.get("additional_data") or {}
    texts: list[Any] = [data.get("id"), data.get("aggregate_type"), data.get("type")]
    if not isinstance(details, dict) or not all(isinstance(text, str) for text in texts):
        raise Refusal("record.bad-envelope", "notification")
    if not all(isinstance(value, str | None) for value in details.values()):
        raise Refusal("record.bad-envelope", "notification")
    scanned = details.get("scanned_collection")
    table = None if scanned is None else bare_table(scanned, told.schema)
    return Notification(id=texts[0], aggregate_type=texts[1], type=texts[2], data=details, at=told.at, table=table)


def _schema_changed(told: Told) -> SchemaChanged:
    source, ddl, changes = told.data.get("source"), told.data.get("ddl"), told.data.get("tableChanges")
    source_form(source.get("connector") if isinstance(source, dict) else None)
    if not isinstance(ddl, str | None) or not isinstance(changes, list | None):
        raise Refusal("record.bad-envelope", "schema change")
    return SchemaChanged(ddl, tuple([_changed_table(change, told.schema) for change in changes or ()]), told.at)


def _changed_table(change: Any, schema: LegacySchema | None) -> tuple[str, str]:
    """The table, whose id is quoted by part as `"inv"."orders"`, and what was done to it."""
    name = change.get("id") if isinstance(change, dict) else None
    kind = change.get("type") if isinstance(change, dict) else None
    if not isinstance(name, str) or not isinstance(kind, str):
        raise Refusal("record.bad-envelope", "schema change")
    return bare_table(".".join(part.replace('""', '"') for part in _QUOTED.findall(name)) or name, schema), kind


_ENVELOPE = frozenset({"op", "source"})
KINDS = (
    KindForm("row change", "<prefix>.<schema, or db>.<table>", "the row's key, or none", ".Envelope", _ENVELOPE),
    KindForm("tombstone", "as the row", "as the row", "", frozenset()),
    KindForm("truncate", "as a row", "none", ".Envelope", _ENVELOPE),
    KindForm("signal", "as a row of the signal table", "the row's key", ".Envelope", _ENVELOPE),
    KindForm("log message", "<prefix>.message", "prefix", ".Envelope", _ENVELOPE | {"message"}),
    KindForm(
        "heartbeat",
        "__debezium-heartbeat.<prefix>",
        "serverName",
        "io.debezium.connector.common.Heartbeat",
        frozenset({"ts_ms"}),
        lambda told: len(told.data) == 1,
        lambda told: Heartbeat(told.at),
    ),
    KindForm(
        "transaction boundary",
        "<prefix>.transaction",
        "id",
        "io.debezium.connector.common.TransactionMetadataValue",
        frozenset({"status", "id", "event_count", "data_collections"}),
        lambda told: told.data["status"] in ("BEGIN", "END"),
        _boundary,
    ),
    KindForm(
        "notification",
        "notification.sink.topic.name",
        "id",
        "io.debezium.connector.common.Notification",
        frozenset({"id", "type", "aggregate_type"}),
        lambda told: told.notifications in (None, told.at.topic),
        _notification,
    ),
    KindForm(
        "schema change",
        "<prefix>",
        "databaseName",
        ".SchemaChangeValue",
        frozenset({"source", "ddl", "databaseName"}),
        None,
        _schema_changed,
    ),
)
"""Every kind of record, in the order in which they are told apart: first the envelope, then the marks."""
