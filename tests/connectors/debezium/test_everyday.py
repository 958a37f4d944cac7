"""The everyday way gives what the careful way gives, and is the way of nearly all records."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.debezium import decode as module
from connectors.debezium import everyday as everyday_module
from connectors.debezium.decode import Decoder
from connectors.debezium.records import Decoded, Unreadable
from connectors.debezium.registry import KnownSchemas
from tests.connectors.debezium.captures import (
    POSTGRES,
    Raw,
    capture,
    mariadb_schema,
    orders,
    orders_schema,
    schema,
    schema_texts,
)
from tests.connectors.debezium.test_hostile import LEGACY, ROW, record
from tests.connectors.debezium.test_traps import with_table
from translators.change import Change
from translators.schema import Encoding, LegacySchema
from translators.values import OutOfRange


@contextmanager
def careful() -> Iterator[None]:
    with mock.patch.object(module, "everyday", lambda *_: None):
        yield


def decoder(legacy: LegacySchema | None) -> Decoder:
    return Decoder(legacy, "srv-notif", KnownSchemas(schema_texts()))


def both(legacy: LegacySchema | None, records: list[Raw]) -> tuple[list[Decoded], list[Decoded], int]:
    """What each way gives, and how many changes went the everyday way."""
    quick, slow = decoder(legacy), decoder(legacy)
    taken = 0
    real = everyday_module.everyday

    def counting(*arguments: Any) -> Change | None:
        nonlocal taken
        found = real(*arguments)
        taken += found is not None
        return found

    with mock.patch.object(module, "everyday", counting):
        # Twice: a table's first record is read carefully.
        found = [[quick.decode(*one) for one in records] for _ in range(2)][1]
    with careful():
        return found, [slow.decode(*one) for one in records], taken


def exact(found: list[Decoded]) -> list[str]:
    return [repr(one) for one in found]


@pytest.mark.parametrize("name", [*POSTGRES, "v_avro"])
def test_captures(name: str) -> None:
    for legacy in (schema(name), None):
        found, expected, _ = both(legacy, list(capture(name)))
        assert exact(found) == exact(expected)


def test_mariadb() -> None:
    found, expected, taken = both(mariadb_schema(), list(capture("v_mar")))
    assert exact(found) == exact(expected) and taken > 15


def test_all_of_the_orders_feed_is_everyday() -> None:
    records = list(orders())
    found, expected, taken = both(orders_schema(), records)
    assert exact(found) == exact(expected)
    changes = [one for one in expected if isinstance(one, Change)]
    # All but the first of each table, twice read.
    assert taken == 2 * len(changes) - 4


def test_bare_records_of_every_type_go_the_everyday_way_but_for_the_strange_ones() -> None:
    found, expected, taken = both(schema("v_amicro"), list(capture("v_amicro")))
    assert exact(found) == exact(expected)
    changes = [one for one in expected if isinstance(one, Change)]
    strange = [one for one in changes if one.flagged]
    tables = {one.table for one in changes}
    assert len(strange) == 2 and taken == 2 * (len(changes) - len(strange)) - len(tables) + 1


def test_what_is_not_declared_is_looked_at_before_it_is_passed_over() -> None:
    key, value = record(ROW | {"extra": "?"})
    for ill in (b'"\xff"', b"1" * 5000, b"1e99999999999999999999", b'"\x01"'):
        found, expected, _ = both(LEGACY, [Raw("t", 0, 0, key, value.replace(b'"?"', ill), ())])
        assert exact(found) == exact(expected) and isinstance(found[0], Unreadable)


def moved_key(arr: bytes) -> Raw:
    """The new half of a changed key of table d, without schema, with another value in its array."""
    moved = capture("pg1")[54]
    bare = (moved.value or b"").partition(b'"payload":')[2][:-1]
    return moved._replace(value=bare.replace(b'"arr":[1,2]', b'"arr":' + arr))


def test_a_null_that_may_hide_a_value_is_looked_at() -> None:
    legacy = with_table("d", native={**schema("pg1").tables["d"].native, "arr": "numeric[]"})
    found, expected, taken = both(legacy, [moved_key(b"null")])
    assert exact(found) == exact(expected) and taken == 0
    assert isinstance(found[0], Change) and found[0].flagged == ("big", "arr")


def test_an_old_row_under_a_default_identity_is_no_more_than_its_key() -> None:
    updated = next(one for one in capture("pg1") if one.topic.endswith(".d") and b'"op":"u"' in (one.value or b""))
    made_up = (updated.value or b"").replace(b'"before":null', b'"before":{"id":10,"v":null,"big":null,"arr":null}')
    found, expected, _ = both(schema("pg1"), [updated._replace(value=made_up)])
    assert exact(found) == exact(expected)
    assert isinstance(found[0], Change) and found[0].before == {"id": 10}


@pytest.mark.parametrize("unit", ["timestamp(3)", "timestamp(6)", "nanoseconds"])
@pytest.mark.parametrize(
    "number", [2**63 - 1, -(2**63), 9223372036825200000, 9223372036825200, 1_577_934_245_678_901, 5, -5]
)
def test_wall_clocks_and_infinities_in_each_unit(unit: str, number: int) -> None:
    mode = "nanoseconds" if unit == "nanoseconds" else "adaptive"
    native = "timestamp(6)" if unit == "nanoseconds" else unit
    pol = msgspec.structs.replace(LEGACY.tables["pol"], native={**LEGACY.tables["pol"].native, "at": native})
    legacy = msgspec.structs.replace(LEGACY, tables={"pol": pol}, encoding=Encoding(time=mode))  # type: ignore[arg-type]
    found, expected, _ = both(legacy, [Raw("t", 0, 0, *record(ROW | {"at": number}), ())])
    assert exact(found) == exact(expected) and isinstance(found[0], Change) and found[0].after
    # In microseconds what is infinity in milliseconds is a moment of the year 2262, and so is it in nanoseconds.
    told = {(2**63 - 1, "nanoseconds"), (9223372036825200000, "timestamp(6)"), (9223372036825200, "timestamp(3)")}
    assert (found[0].after["at"] == OutOfRange("infinity")) == ((number, unit) in told)


STRANGE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        ["", "x", "AeJA", "A", "a\0b", "__debezium_unavailable_value", "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="]
    ),
    st.sampled_from(
        ["Infinity", "NaN", "é/%", "  ", "\\u0000", '"', "\n", "2020-01-02T03:04:05.678901Z", [], {}, [1], {"a": 1.5}]
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(list(ROW)), STRANGE, st.sampled_from("cud"), st.booleans())
def test_any_value_in_any_column_is_the_same_on_both_ways(name: str, value: Any, op: str, in_key: bool) -> None:
    row = ROW | {name: value}
    key = {"no": row["no"]} if in_key else None
    images: dict[str, Any] = {"before": None if op == "c" else row, "after": None if op == "d" else row}
    raw = Raw("t", 0, 0, *record(key=key, op=op, **images), ())
    quick = Decoder(LEGACY)
    quick.decode("t", 0, 0, *record(), ())
    found = quick.decode(*raw)
    with careful():
        expected = Decoder(LEGACY).decode(*raw)
    assert repr(found) == repr(expected)


@pytest.mark.parametrize("text", ["é", 'say "hi"', "line\nbreak", "back\\slash"])
def test_escapes_that_hide_nothing_are_everyday(text: str) -> None:
    key, value = record(ROW | {"txt": text})
    raw = Raw("t", 0, 0, key, json.dumps(json.loads(value), ensure_ascii=False).encode(), ())
    found, expected, taken = both(LEGACY, [raw])
    assert exact(found) == exact(expected) and taken == 1


def test_an_escaped_character_is_looked_at() -> None:
    key, value = record(ROW | {"txt": "a"})
    hidden = value.replace(b'"txt": "a"', rb'"txt": "\u005f_debezium_unavailable_value"')
    found, expected, taken = both(LEGACY, [Raw("t", 0, 0, key, hidden, ())])
    assert exact(found) == exact(expected) and taken == 0
    assert isinstance(found[0], Change) and found[0].flagged == ("txt",)
