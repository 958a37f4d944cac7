"""Every kind of record that Debezium writes, told by the name of its schema or by its shape: on a captured one, or as built."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from connectors.debezium import marks
from connectors.debezium.decode import Decoder
from connectors.debezium.records import (
    Heartbeat,
    IncrementalRow,
    LogicalMessage,
    Notification,
    SchemaChanged,
    Signal,
    Tombstone,
    TransactionMark,
    Truncate,
    Unreadable,
)
from connectors.debezium.registry import KnownSchemas
from tests.connectors.debezium.captures import Raw, capture, mariadb_schema, schema, schema_texts
from translators.change import Change, read_at
from translators.schema import LegacySchema

KINDS: dict[str, tuple[str, type]] = {
    # For each row of `marks.KINDS`: the capture that has one, and what it is.
    "row change": ("pg1", Change),
    "tombstone": ("pg1", Tombstone),
    "truncate": ("v_st", Truncate),
    "signal": ("v_st", Signal),
    "log message": ("pg1", LogicalMessage),
    "heartbeat": ("v_mar", Heartbeat),
    "transaction boundary": ("v_mar", TransactionMark),
    "notification": ("pg1", Notification),
    "schema change": ("v_mar", SchemaChanged),
}


def legacy(name: str) -> LegacySchema:
    return mariadb_schema() if name == "v_mar" else schema(name)


def decoder(name: str) -> Decoder:
    return Decoder(legacy(name), "srv-notif", KnownSchemas(schema_texts()), signal_table="sig")


def first(name: str, kind: type) -> Raw:
    found = decoder(name)
    return next(one for one in capture(name) if isinstance(found.decode(*one), kind))


def bare(record: Raw) -> Raw:
    """The same record without its schemas."""

    def payload(data: bytes | None) -> bytes | None:
        found = None if data is None else json.loads(data)
        wrapped = isinstance(found, dict) and found.keys() == {"schema", "payload"}
        return json.dumps(found["payload"]).encode() if wrapped and found is not None else data

    return record._replace(key=payload(record.key), value=payload(record.value))


@pytest.mark.parametrize("kind", [form.kind for form in marks.KINDS])
def test_each_kind_with_and_without_its_schema(kind: str) -> None:
    name, expected = KINDS[kind]
    record = first(name, expected)
    found = decoder(name).decode(*record)
    assert type(found) is expected
    assert decoder(name).decode(*bare(record)) == found


def test_signals_are_never_rows() -> None:
    found = [decoder("v_st").decode(*record) for record in capture("v_st")]
    told = Counter(one.type for one in found if isinstance(one, Signal))
    assert told == {"snapshot-window-open": 4, "snapshot-window-close": 4, "execute-snapshot": 1}
    assert not [one for one in found if isinstance(one, Change) and one.table == "sig"]


def test_a_deleted_signal_is_a_signal_too() -> None:
    record = first("v_st", Signal)
    value = json.loads(record.value or b"")
    value |= {"op": "d", "before": value["after"], "after": None}
    deleted = decoder("v_st").decode(*record._replace(value=json.dumps(value).encode()))
    assert isinstance(deleted, Signal) and deleted.type is not None
    value["before"] = None
    nameless = decoder("v_st").decode(*record._replace(value=json.dumps(value).encode()))
    assert nameless == Signal(None, deleted.at)


def test_a_signal_table_that_nobody_named_is_a_table() -> None:
    found = Decoder(schema("v_st")).decode(*first("v_st", Signal))
    assert isinstance(found, Change) and found.table == "sig"


def test_a_flattened_record_is_refused_with_advice() -> None:
    record = capture("pg1")[46]
    row = json.loads(record.value or b"")["payload"]["after"]
    for extra in ({}, {"__deleted": "false"}, {"__op": "c", "__lsn": 5}):
        found = Decoder(schema("pg1")).decode(*bare(record)._replace(value=json.dumps(row | extra).encode()))
        assert isinstance(found, Unreadable) and found.problem.code == "record.flattened"
        assert found.problem.hint == "Take ExtractNewRecordState out of the connector's transforms."


def test_rows_of_an_incremental_snapshot_say_where_their_chunk_was_read() -> None:
    found = [one for one in (decoder("v_st").decode(*r) for r in capture("v_st")) if isinstance(one, IncrementalRow)]
    assert [(one.change.table, one.change.op, one.change.row_key) for one in found] == [
        ("inc", "r", str(number)) for number in (1, 2, 3, 4, 5)
    ]
    for one in found:
        assert one.change.position < 0
        assert (one.change.transaction, one.change.time, one.change.before) == (None, None, None)
        # Where its chunk was read: the window's last commit, though the row itself names no position.
        assert 29440064 <= read_at(one.change.position) <= 29441504
        assert one.change.at == one.at


def test_mariadb_truncates_with_an_op_of_their_own() -> None:
    record = bare(next(one for one in capture("v_mar") if b'"pos":8087' in (one.value or b"")))
    value = json.loads(record.value or b"") | {"op": "t", "after": None}
    found = Decoder(mariadb_schema()).decode(*record._replace(key=None, value=json.dumps(value).encode()))
    assert isinstance(found, Truncate)
    assert (found.table, found.position, found.transaction) == ("newt", 2**33 + 8087, "0-223344-24")
    assert found.committed_after == found.position


ILL_SCHEMA_CHANGES = [{"tableChanges": 5}, {"tableChanges": [5]}, {"tableChanges": [{"id": "a"}]}, {"ddl": 5}]


@pytest.mark.parametrize("fields", ILL_SCHEMA_CHANGES)
def test_an_ill_schema_change(fields: dict[str, object]) -> None:
    record = bare(first("v_mar", SchemaChanged))
    value = json.loads(record.value or b"") | fields
    found = Decoder(mariadb_schema()).decode(*record._replace(value=json.dumps(value).encode()))
    assert isinstance(found, Unreadable) and found.problem.code == "record.bad-envelope"


def test_names_in_a_schema_change_may_hold_what_separates_them() -> None:
    record = bare(first("v_mar", SchemaChanged))
    change = {"type": "ALTER", "id": '"inv"."a.""b"'}
    value = json.loads(record.value or b"") | {"tableChanges": [change]}
    found = Decoder(mariadb_schema()).decode(*record._replace(value=json.dumps(value).encode()))
    assert isinstance(found, SchemaChanged) and found.tables == (('a."b', "ALTER"),)


def test_connectors_without_captured_records_are_refused_by_name() -> None:
    for name in ("sqlserver", "oracle", "db2", "mongodb"):
        record = bare(capture("pg1")[46])
        value = json.loads(record.value or b"")
        value["source"]["connector"] = name
        found = Decoder(schema("pg1")).decode(*record._replace(value=json.dumps(value).encode()))
        assert isinstance(found, Unreadable) and found.problem.code == "record.connector-unproven"
        assert found.problem.message == f"the record was written by the {name} connector, which is not proven yet"
