"""Records that cannot be read, set aside as dead letters where the project says that they do not stop their partition.

Such a record may be a change of any aggregate, which then lacks it until its rows are read again: the project says so aloud.
Markers of transactions are never set aside, since what they prove would be missing without a word.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec
import orjson

from connectors.debezium.records import Decoded, Unreadable
from pipeline.log.port import Outgoing, Record
from translators.change import Change
from translators.problem import Problem
from translators.translator import Refused, Translator, keys_of

if TYPE_CHECKING:
    from pipeline.batch import Batch

NO_TABLE = "(unreadable)"
"""What accounting calls the table of a record that does not say it."""


class Aside(msgspec.Struct, frozen=True):
    """A record that cannot be read, or placed for want of a business key; `table` is named where the record said it."""

    record: Record
    problem: Problem
    table: str | None


def aside(decoded: Decoded, record: Record, translator: Translator) -> Decoded | Aside:
    """What a record was decoded to, unless it has to be set aside."""
    match decoded:
        case Unreadable(problem=problem, table=table) if not is_schema_changed(decoded):
            return Aside(record, problem, table)
        case Change(table=table) as change if table in translator.tables:
            try:
                keys_of(translator, change)
            except Refused as refused:
                return Aside(record, refused.problem, table)
    return decoded


def is_schema_changed(record: Unreadable) -> bool:
    """Whether a record cannot be read for a column that is gone or has another type, and so will those behind it."""
    return record.problem.code in ("record.column-missing", "record.type-mismatch") and bool(record.problem.columns)


def set_aside(batch: Batch, one: Aside) -> None:
    """Put the dead letter into the batch and count it, once however often the record is read."""
    if one.table is not None and one.table not in batch.translator.tables:
        return
    table, at = one.table or NO_TABLE, one.record
    batch.count(table, "read")
    done = ("", f"aside: {at.topic} {at.partition}")
    behind = batch.counted(*done)
    if at.offset < behind:
        batch.count(table, "repeat")
        return
    batch.count(*done, by=at.offset + 1 - behind)
    batch.count(table, "rejected")
    batch.dead_letters.append(_letter(batch, one))


def _letter(batch: Batch, one: Aside) -> Outgoing:
    """The record as it was, in base64, with its problem. Headers hold coordinates and codes, never what was in it."""
    record, producer = one.record, batch.producer
    place = orjson.dumps([producer.source, producer.translator, record.topic, record.partition, record.offset])
    letter = f"dl-{blake2b(place, digest_size=6).hexdigest()}"
    body = {
        "id": letter,
        "translator": batch.translator.name,
        "owner": batch.translator.owner,
        "table": one.table,
        "first_seen": record.timestamp,
        "mapping_version": producer.mapping_version,
        "problem": msgspec.to_builtins(one.problem),
        "record": {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "key": _base64(record.key),
            "value": _base64(record.value),
            "headers": [[name, _base64(value)] for name, value in record.headers],
        },
    }
    headers = {
        "dragoman_error_id": letter,
        "dragoman_error_code": one.problem.code,
        "dragoman_error_cause": one.problem.cause,
        "dragoman_error_field": one.problem.field or "",
        "dragoman_error_owner": batch.translator.owner,
        "dragoman_error_first_seen": str(record.timestamp),
        "dragoman_error_topic": record.topic,
        "dragoman_error_partition": str(record.partition),
        "dragoman_error_offset": str(record.offset),
        "dragoman_mapping_version": producer.mapping_version,
        "dragoman_feed_partition": str(record.partition),
    }
    return Outgoing(
        topic=batch.letters_topic,
        timestamp=record.timestamp,
        key=None,
        value=orjson.dumps(body),
        headers=tuple((name, text.encode()) for name, text in headers.items()),
    )


def _base64(data: bytes | None) -> str | None:
    return None if data is None else b64encode(data).decode("ascii")
