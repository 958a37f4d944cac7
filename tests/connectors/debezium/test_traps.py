"""What bites whoever reads Debezium's records for the first time, each on a record that shows it."""

from __future__ import annotations

import hashlib
import json
import uuid

import msgspec
import pytest

from connectors.debezium.decode import Decoder
from connectors.debezium.records import (
    Decoded,
    IncrementalRow,
    LogicalMessage,
    Tombstone,
    TransactionMark,
    Truncate,
    Unreadable,
)
from tests.connectors.debezium.captures import Raw, capture, decoded, schema
from translators.change import Change
from translators.schema import LegacySchema, Table
from translators.values import Opaque, OutOfRange, Unavailable

TOAST = Unavailable("toast")


def changes(name: str, table: str, legacy: LegacySchema | None = None) -> list[Change]:
    found = decoded(name, legacy or schema(name))
    return [record for record in found if isinstance(record, Change) and record.table == table]


def refused(record: Decoded) -> str:
    assert isinstance(record, Unreadable)
    return record.problem.code


def with_table(name: str, **fields: object) -> LegacySchema:
    legacy = schema("pg1")
    table: Table = msgspec.structs.replace(legacy.tables[name], **fields)
    return msgspec.structs.replace(legacy, tables={**legacy.tables, name: table})


def test_begin_rows_and_end_of_one_transaction_carry_different_ids_and_are_one() -> None:
    found = decoded("pg1", schema("pg1"))
    of_755 = [one for one in found if isinstance(one, Change | TransactionMark) and one.transaction == "755"]
    assert [type(one).__name__ for one in of_755] == [
        "TransactionMark",
        "Change",
        "Change",
        "Change",
        "TransactionMark",
    ]
    sent = [json.loads(capture("pg1")[one.at.offset].value or b"")["payload"] for one in of_755]
    ids = [payload["transaction"]["id"] if "op" in payload else payload["id"] for payload in sent]
    assert {text.partition(":")[0] for text in ids} == {"755"} and len(set(ids)) == 4


def test_the_old_row_of_a_default_identity_is_its_key_and_nothing_made_up() -> None:
    deleted = [change for change in changes("pg1", "d") if change.op == "d"]
    assert [change.before for change in deleted] == [{"id": 10}, {"id": 11}]
    assert [change.row_key for change in deleted] == ["10", "11"]
    assert '"before":{"id":11,"v":null' in (capture("pg1")[57].value or b"").decode()


def test_without_a_declared_identity_the_old_row_is_not_trusted_either() -> None:
    found = [record for record in decoded("pg1", None) if isinstance(record, Change) and record.op == "d"]
    assert [change.before for change in found if change.table == "public.k"] == [{"a": 3, "b": b} for b in (1, 2, 3, 4)]


@pytest.mark.parametrize("identity", ["index", "nothing"])
def test_the_key_of_a_delete_under_an_index_identity_is_refused(identity: str) -> None:
    decoder = Decoder(with_table("d", replica_identity=identity))
    assert refused(decoder.decode(*capture("pg1")[57])) == "record.key-unproven"


def test_a_full_identity_that_the_source_does_not_have_is_noticed() -> None:
    decoder = Decoder(with_table("d", replica_identity="full"))
    assert refused(decoder.decode(*capture("pg1")[46])) == "record.before-missing"


def test_a_snapshot_mark_of_null_means_streaming() -> None:
    assert b'"snapshot":null' in (capture("v_st")[48].value or b"")
    (change,) = changes("v_st", "inc")
    assert (change.op, change.transaction, change.position) == ("u", "816", 29442640)


def test_rows_of_one_copy_share_a_position_and_are_told_apart_by_their_keys() -> None:
    copied = [change for change in changes("pg1", "k") if change.transaction == "756"]
    assert [change.row_key for change in copied] == ["3/1", "3/2", "3/3", "3/4"]
    assert len({change.position for change in copied}) == 1
    assert len({change.identity for change in copied}) == 4


def test_positions_do_not_rise_with_arrival() -> None:
    found = [record.position for record in decoded("pg1", schema("pg1")) if isinstance(record, LogicalMessage)]
    assert found == [28784032, 28783952]


def test_a_truncate_has_no_key_and_no_rows() -> None:
    record = capture("v_st")[11]
    assert record.key is None
    assert isinstance(Decoder(schema("v_st")).decode(*record), Truncate)


def test_a_log_message_has_no_rows_at_all() -> None:
    record = capture("pg1")[107]
    assert b'"before"' not in (record.value or b"").partition(b'"payload":')[2]
    assert isinstance(Decoder(schema("pg1")).decode(*record), LogicalMessage)


def test_a_tombstone_may_have_no_key() -> None:
    (record,) = [one for one in capture("pg1") if one.value is None and one.key is None]
    assert isinstance(Decoder(schema("pg1")).decode(*record), Tombstone)


def test_a_change_of_the_key_is_a_delete_a_tombstone_and_an_insert() -> None:
    first = next(index for index, one in enumerate(capture("pg1")) if dict(one.headers).get("__debezium.newkey"))
    found = decoded("pg1", schema("pg1"))[first : first + 3]
    gone, tombstone, new = found
    assert isinstance(gone, Change) and isinstance(tombstone, Tombstone) and isinstance(new, Change)
    assert (gone.op, gone.row_key, new.op, new.row_key) == ("d", "10", "c", "11")
    assert (gone.position, gone.transaction) == (new.position, new.transaction)
    # The new half repeats a row that was there before, its placeholder included.
    assert new.after == {"id": 11, "v": "b", "big": TOAST, "arr": Opaque("[1,2]")}
    assert new.flagged == ("big",)


def test_a_null_array_beside_a_new_key_may_be_a_value_that_was_not_sent() -> None:
    columns = {**schema("pg1").tables["d"].columns}
    native = {**schema("pg1").tables["d"].native, "arr": "numeric[]"}
    legacy = with_table("d", columns=columns, native=native)
    record = capture("pg1")[54]
    bare = (record.value or b"").partition(b'"payload":')[2][:-1].replace(b'"arr":[1,2]', b'"arr":null')
    moved = Decoder(legacy).decode(*record._replace(value=bare))
    inserted = Decoder(legacy).decode(*record._replace(value=bare, headers=()))
    assert isinstance(moved, Change) and isinstance(inserted, Change) and moved.after and inserted.after
    assert (moved.after["arr"], inserted.after["arr"]) == (TOAST, None)


def test_every_disguise_of_a_value_that_was_not_sent() -> None:
    for legacy in (schema("v_toa"), None):
        (updated,) = [record for record in decoded("v_toa", legacy) if isinstance(record, Change) and record.op == "u"]
        assert updated.after is not None
        unavailable = [name for name, value in updated.after.items() if value == TOAST]
        assert unavailable == ["t", "b", "j", "ia", "ba", "na", "ta", "fa", "tsa", "ua", "h", "sa"]
        assert updated.flagged == tuple(unavailable)


def test_the_disguise_of_uuids_is_that_of_java() -> None:
    digest = hashlib.md5(b"__debezium_unavailable_value", usedforsecurity=False).digest()
    assert str(uuid.UUID(bytes=digest, version=3)) == "b68a35a7-17ad-35b3-af2a-ae46edb4545a"


def test_an_inserted_row_has_all_its_values_and_its_nulls_are_nulls() -> None:
    inserted = next(change for change in changes("pg1", "d") if change.op == "c" and change.row_key == "10")
    assert inserted.after == {"id": 10, "v": "a", "big": "xxxxxxxxxx", "arr": Opaque("[1,2]")}
    row_2 = next(change for change in changes("pg1", "t") if change.row_key == "2")
    assert row_2.after is not None and row_2.after["na"] is None


def test_nan_is_lost_by_precise_decimals_and_kept_as_text() -> None:
    precise = next(change for change in changes("pg1", "t") if change.row_key == "2")
    text = next(change for change in changes("v_iso", "t") if change.row_key == "2")
    assert precise.after is not None and text.after is not None
    assert (precise.after["n"], text.after["n"]) == (None, OutOfRange("NAN"))


def test_a_table_of_one_row_is_marked_as_its_last() -> None:
    (change,) = changes("v_micro", "Odd Näme-x")
    assert b'"snapshot":"first"' in (capture("v_micro")[0].value or b"")
    (last,) = changes("v_gen", "gen")[:1]
    assert b'"snapshot":"last"' in (capture("v_gen")[0].value or b"")
    assert change.is_snapshot and last.is_snapshot and max(change.position, last.position) < 0


def test_rows_of_an_incremental_snapshot_are_told_apart_from_those_of_an_initial_one() -> None:
    found = [one for one in decoded("v_st", schema("v_st")) if isinstance(one, IncrementalRow)]
    assert {one.change.table for one in found} == {"inc"}
    assert not [one for one in decoded("pg1", schema("pg1")) if isinstance(one, IncrementalRow)]


def test_a_generated_column_is_missing_from_streamed_rows() -> None:
    legacy = schema("v_gen")
    columns = {**legacy.tables["gen"].columns, "b": legacy.tables["gen"].columns["a"]}
    native = {**legacy.tables["gen"].native, "b": "int"}
    table = msgspec.structs.replace(legacy.tables["gen"], columns=columns, native=native)
    decoder = Decoder(msgspec.structs.replace(legacy, tables={"gen": table}))
    snapshot, _, streamed, _ = [decoder.decode(*record) for record in capture("v_gen")]
    assert isinstance(snapshot, Change) and snapshot.after == {"id": 1, "a": 5, "b": 10}
    assert refused(streamed) == "record.column-missing"
    assert isinstance(streamed, Unreadable) and streamed.problem.columns == ("gen.b",)


def test_columns_come_and_go() -> None:
    rows = [change.after for change in changes("pg1", "uq")]
    assert rows == [{"id": 1, "v": "x"}, {"id": 3, "v": "n", "z": 7}, {"id": 4, "z": 7}]


def test_names_of_tables_are_taken_from_the_source_and_not_from_the_topic() -> None:
    record = capture("v_micro")[0]
    assert record.topic == "srv.public.Odd_N_me-x"
    change = Decoder(schema("v_micro")).decode(*record)
    assert isinstance(change, Change) and change.table == "Odd Näme-x"


def test_the_same_record_twice_has_the_same_identity_whatever_the_restart_changed() -> None:
    record = capture("pg1")[46]
    value = (record.value or b"").replace(b'"total_order":1', b'"total_order":507')
    value = value.replace(rb"[\"28762480\",\"28776384\"]", rb"[null,\"28776384\"]")
    decoder = Decoder(schema("pg1"))
    first, second = decoder.decode(*record), decoder.decode(*record._replace(value=value, offset=999))
    assert isinstance(first, Change) and isinstance(second, Change)
    assert first.identity == second.identity
    assert (first.committed_after, second.committed_after) == (28762480, None)


def test_key_and_value_may_differ_in_whether_they_carry_a_schema() -> None:
    wrapped = capture("pg1")[46]
    bare_key = wrapped._replace(key=b'{"id":10}')
    bare_value = wrapped._replace(value=(wrapped.value or b"").partition(b'"payload":')[2][:-1])
    legacy = schema("pg1")
    expected = Decoder(legacy).decode(*wrapped)
    assert isinstance(expected, Change)
    assert [Decoder(legacy).decode(*one) for one in (bare_key, bare_value)] == [expected, expected]


def test_a_record_that_begins_like_another_is_read_by_that_ones_schema_only_if_it_is_the_same() -> None:
    decoder, legacy = Decoder(schema("pg1")), schema("pg1")
    for record in (*capture("pg1"), *capture("v_micro"), *capture("v_dfmt"), *reversed(capture("pg1"))):
        assert decoder.decode(*record) == Decoder(legacy).decode(*record)


def test_a_table_with_columns_named_schema_and_payload() -> None:
    legacy = with_table(
        "d", columns=schema("pg1").tables["k"].columns, native=schema("pg1").tables["k"].native, key=("a", "b")
    )
    source = json.loads(capture("pg1")[46].value or b"{}")["payload"]["source"]
    row = {"a": 1, "b": 2, "v": "x", "schema": {"type": "struct"}, "payload": {}}
    value = json.dumps({"op": "c", "source": source, "after": row}).encode()
    change = Decoder(legacy).decode("t", 0, 0, b'{"a":1,"b":2}', value, ())
    assert isinstance(change, Change) and change.after == {"a": 1, "b": 2, "v": "x"}
    flat = Raw("t", 0, 0, b'{"a":1}', b'{"schema":"x","payload":"y"}', ())
    assert refused(Decoder(legacy).decode(*flat)) == "record.unknown-shape"
