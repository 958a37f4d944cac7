"""Records that are no row changes, told by the name of their schema, or by their shape where they carry none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from connectors.debezium.envelope import check_connector
from connectors.debezium.records import Heartbeat, Notification, SchemaChanged, TransactionMark
from connectors.debezium.refusal import Refusal
from translators.change import Coordinate
from translators.schema import LegacySchema

_COMMON = "io.debezium.connector.common."
_FLATTENED = ("__op", "__deleted", "__table", "__lsn", "__source_", "__ts_")
_POSITIONED = re.compile(r"([0-9]+):([0-9]{1,20})")


def mark(
    data: Any, name: str, at: Coordinate, schema: LegacySchema | None, notification_topic: str | None
) -> Heartbeat | TransactionMark | Notification | SchemaChanged | None:
    """The mark that a payload is, by the `name` of its schema if it has one; `None` if it is none."""
    if not isinstance(data, dict):
        return None
    if name == f"{_COMMON}Heartbeat" or (not name and data.keys() == {"ts_ms"}):
        return Heartbeat(at)
    if name == f"{_COMMON}TransactionMetadataValue" or (not name and _is_boundary(data)):
        return _boundary(data, at, schema)
    if name == f"{_COMMON}Notification" or (not name and _is_notification(data, at, notification_topic)):
        return _notification(data, at)
    if name.endswith(".SchemaChangeValue") or (not name and {"source", "ddl", "databaseName"} <= data.keys()):
        return _schema_changed(data, at)
    return None


def refuse(data: Any, key: Any) -> Refusal:
    """Why a payload that is neither a change nor a mark cannot be read."""
    if not isinstance(data, dict):
        return Refusal("record.unknown-shape")
    source = data.get("source")
    if "op" in data and isinstance(source, dict):
        check_connector(source.get("connector"))
        return Refusal("record.bad-envelope", "form")
    row = isinstance(key, dict) and key and key.keys() <= data.keys()
    if row or any(name.startswith(_FLATTENED) for name in data):
        return Refusal("record.flattened")
    return Refusal("record.unknown-shape")


def bare_table(name: str, schema: LegacySchema | None) -> str:
    """`public.orders` as `schema.yaml` names it."""
    return name if schema is None else name.removeprefix(f"{schema.namespace}.")


def _is_boundary(data: dict[str, Any]) -> bool:
    return data.get("status") in ("BEGIN", "END") and {"id", "event_count", "data_collections"} <= data.keys()


def _boundary(data: dict[str, Any], at: Coordinate, schema: LegacySchema | None) -> TransactionMark:
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
        at=at,
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


def _is_notification(data: dict[str, Any], at: Coordinate, topic: str | None) -> bool:
    return {"id", "type", "aggregate_type"} <= data.keys() and topic in (None, at.topic)


def _notification(data: dict[str, Any], at: Coordinate) -> Notification:
    details = data.get("additional_data") or {}
    texts = [data.get("id"), data.get("aggregate_type"), data.get("type")]
    if not isinstance(details, dict) or not all(isinstance(text, str) for text in texts):
        raise Refusal("record.bad-envelope", "notification")
    if not all(isinstance(value, str | None) for value in details.values()):
        raise Refusal("record.bad-envelope", "notification")
    return Notification(id=texts[0], aggregate_type=texts[1], type=texts[2], data=details, at=at)  # type: ignore[arg-type]


def _schema_changed(data: dict[str, Any], at: Coordinate) -> SchemaChanged:
    source, ddl = data.get("source"), data.get("ddl")
    check_connector(source.get("connector") if isinstance(source, dict) else None)
    if not isinstance(ddl, str | None):
        raise Refusal("record.bad-envelope", "schema change")
    return SchemaChanged(ddl=ddl, at=at)
