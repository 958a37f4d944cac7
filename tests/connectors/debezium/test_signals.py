"""The signal that asks a connector for the rows of one key, compared with what its documentation shows."""

from __future__ import annotations

import json

import pytest

from connectors.debezium.signals import condition, reread
from tests.pipeline.harness import SCHEMA


def test_a_key_is_asked_for_in_every_table() -> None:
    key, value = reread(SCHEMA, "legacy", "r-1", {"orders": ("o_id",), "order_line": ("ol_o_id",)}, "17")
    assert key == b"legacy"
    assert json.loads(value) == {
        "id": "r-1",
        "type": "execute-snapshot",
        "data": {
            "data-collections": ["public\\.orders", "public\\.order_line"],
            "type": "INCREMENTAL",
            "additional-conditions": [
                {"data-collection": "public.orders", "filter": "o_id = 17"},
                {"data-collection": "public.order_line", "filter": "ol_o_id = 17"},
            ],
        },
    }


def test_texts_are_quoted_and_keys_are_taken_apart() -> None:
    assert (
        condition(SCHEMA, "orders", ("status", "o_id"), "O'Neill%2FSons/4") == "status = 'O''Neill/Sons' AND o_id = 4"
    )


@pytest.mark.parametrize("key", ["1 OR 1=1", "", "1/2", "1;"])
def test_what_is_no_key_never_becomes_sql(key: str) -> None:
    with pytest.raises(ValueError, match=r"is no number|has \d parts"):
        condition(SCHEMA, "orders", ("o_id",), key)
