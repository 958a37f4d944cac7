"""What is kept comes back as the very same thing, and what is damaged does not come back at all."""

from __future__ import annotations

from datetime import datetime, time, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.state.codec import FORMAT, decode_stored, decode_waiting, encode_stored, encode_waiting
from pipeline.state.port import StateCorrupt, StateError, StateFormat, Stored, Waiting
from tests.pipeline.state.strategies import stored, waiting


def one(value: Any) -> Stored:
    """A row of one column."""
    return Stored(partition=0, rows={"t": {"1": {"c": value}}})


@given(stored())
def test_what_is_kept_comes_back_in_type_value_and_order(kept: Stored) -> None:
    # repr tells types, scales, offsets and the order of every dict apart, and NaN is the same as NaN.
    assert repr(decode_stored("k", encode_stored("k", kept), "s")) == repr(kept)


@given(waiting())
def test_a_waiting_step_comes_back_in_type_value_and_order(kept: Waiting) -> None:
    assert repr(decode_waiting(encode_waiting(kept), "s")) == repr(kept)


@given(stored())
def test_the_bytes_depend_on_the_value_alone(kept: Stored) -> None:
    data = encode_stored("k", kept)
    assert encode_stored("k", decode_stored("k", data, "s")) == data


@given(stored(), st.data())
def test_a_flipped_bit_is_found(kept: Stored, data: st.DataObject) -> None:
    body = bytearray(encode_stored("k", kept))
    body[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(StateError):
        decode_stored("k", bytes(body), "s")


@given(stored(), st.data())
def test_a_cut_is_found(kept: Stored, data: st.DataObject) -> None:
    body = encode_stored("k", kept)
    with pytest.raises(StateCorrupt):
        decode_stored("k", body[: data.draw(st.integers(0, len(body) - 1))], "s")


def test_a_row_under_another_key_is_found() -> None:
    with pytest.raises(StateCorrupt):
        decode_stored("P2", encode_stored("P1", one(1)), "s")


def test_what_is_no_bytes_is_damage() -> None:
    body: Any = 7
    with pytest.raises(StateCorrupt):
        decode_stored("k", body, "s")


def test_damage_names_the_store() -> None:
    with pytest.raises(StateCorrupt, match=r"The state var/state\.db is damaged: .*checksum"):
        decode_stored("k", encode_stored("k", one(1)) + b"\0", "var/state.db")


def test_a_newer_format_is_refused_by_its_number() -> None:
    body = bytes([FORMAT + 1]) + encode_stored("k", one(1))[1:]
    for decode in (lambda: decode_stored("k", body, "s"), lambda: decode_waiting(body, "s")):
        with pytest.raises(StateFormat) as refused:
            decode()
        assert refused.value.fields == {"path": "s", "found": FORMAT + 1, "known": FORMAT}


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize("value", [["a"], {"a": 1}, Colour.RED, 1j, type("Sub", (int,), {})(1)])
def test_what_is_no_value_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="cannot be kept"):
        encode_stored("k", one(value))


@pytest.mark.parametrize("offset", [1, -1, 999_999, -500_000, 1_500_000, -86_399_999_999, 20_700_000_000, 0])
@pytest.mark.parametrize("fraction", [0, 1])
def test_any_offset_is_kept(offset: int, fraction: int) -> None:
    zone = timezone(timedelta(microseconds=offset))
    for moment in (datetime(2024, 2, 29, 1, 2, 3, fraction, zone), time(1, 2, 3, fraction, zone)):
        back = decode_stored("k", encode_stored("k", one(moment)), "s")
        assert back.rows["t"]["1"]["c"] == moment
        assert repr(back) == repr(one(moment))


def test_text_that_is_no_utf_8_is_kept_wherever_it_is() -> None:
    odd = "a\ud800"
    kept = Stored(partition=0, rows={odd: {odd: {"b": 1, odd: odd, "c": None}}}, positions={odd: {odd: 2**64}})
    assert repr(decode_stored(odd, encode_stored(odd, kept), "s")) == repr(kept)


def test_a_named_zone_becomes_its_offset() -> None:
    moment = datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1)
    back = decode_stored("k", encode_stored("k", one(moment)), "s").rows["t"]["1"]["c"]
    assert isinstance(back, datetime)
    assert back.isoformat() == moment.isoformat() == "2024-10-27T02:30:00+01:00"


def test_encoding_leaves_the_row_alone() -> None:
    row: dict[str, Any] = {"a": Decimal("1.50"), "b": 2**70}
    encode_stored("k", Stored(partition=0, rows={"t": {"1": row}}))
    assert repr(row) == f"{{'a': Decimal('1.50'), 'b': {2**70}}}"
