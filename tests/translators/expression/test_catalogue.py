"""Every entry's examples, and what its NULL rule promises."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import cast

import pytest

from tests.translators.expression.worlds import NOTHING, SCOPE, row, typed
from translators.expression import evaluate
from translators.expression.bound import Column, walk
from translators.expression.catalogue import CATALOGUE, EXAMPLE_COLUMNS, Entry, Example
from translators.expression.runtime import ValueProblem
from translators.schema import Type

EXAMPLES = [(entry, example) for entry in CATALOGUE.values() for example in entry.examples]
PYTHON = {
    "integer": int,
    "decimal": Decimal,
    "float": float,
    "text": str,
    "boolean": bool,
    "date": date,
    "timestamp": datetime,
    "timestamptz": datetime,
}


def run(example: Example, **instead: object) -> object:
    """The value of an example, some of its columns replaced."""
    given = {**example.given, **instead}
    old, new, meta = (cast("Mapping[str, object] | None", given.pop(side, None)) for side in ("OLD", "NEW", "META"))
    return evaluate(example.text, SCOPE, row(**given), old=old, new=new, meta=meta)


def has_type(value: object, kind: Type) -> bool:
    """Whether a value is what its static type says, down to the scale of a decimal and the zone of a timestamp."""
    if value is None:
        return kind.nullable
    if type(value) is not PYTHON[kind.kind]:
        return False
    if isinstance(value, Decimal):
        _, digits, exponent = value.as_tuple()
        return -int(exponent) == kind.scale and len(digits) <= 38 and not (value == 0 and value.is_signed())
    if isinstance(value, datetime):
        return (value.tzinfo is None) == (kind.kind == "timestamp")
    return not (isinstance(value, str) and kind.length) or len(str(value)) <= kind.length


@pytest.mark.parametrize(("entry", "example"), EXAMPLES, ids=[example.text for _, example in EXAMPLES])
def test_an_example_has_the_value_that_it_says(entry: Entry, example: Example) -> None:
    value = run(example)
    assert (value, type(value), str(value)) == (example.value, type(example.value), str(example.value))
    assert has_type(value, typed(example.text).type)


@pytest.mark.parametrize(("entry", "example"), EXAMPLES, ids=[example.text for _, example in EXAMPLES])
def test_what_is_strict_is_null_if_one_of_its_columns_is(entry: Entry, example: Example) -> None:
    columns = {part.column for part in walk(typed(example.text)) if isinstance(part, Column)}
    for column in columns if entry.nulls == "strict" else ():
        assert run(example, **{column: None}) is None


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=list(CATALOGUE))
def test_an_entry_says_what_it_is(entry: Entry) -> None:
    assert entry.examples
    assert entry.meaning.endswith(".")
    assert entry.signature
    assert entry.arity[0] <= entry.arity[1]


FAILURES: dict[str, tuple[str, dict[str, object]]] = {
    "value.not_a_date": ("TO_DATE(s, 'YYYYMMDD')", {"s": "20230229"}),
    "value.not_a_number": ("CAST(s AS DECIMAL(9, 2))", {"s": "1e3"}),
    "value.not_an_integer": ("CAST(s AS INTEGER)", {"s": "1.5"}),
    "value.overflow": ("n + 1", {"n": 2**63 - 1}),
    "value.division_by_zero": ("n % m", {"n": 1, "m": 0}),
    "value.date_out_of_range": ("day + INTERVAL '1 day'", {"day": date.max}),
    "value.out_of_range": ("CAST(f AS DECIMAL(9, 2))", {"f": float("inf")}),
    "code.unmapped": ("CODE('status', s)", {"s": "B"}),
}


def test_every_code_of_the_catalogue_is_met_by_some_row() -> None:
    assert set(FAILURES) == {code for entry in CATALOGUE.values() for code in entry.errors}


@pytest.mark.parametrize("code", FAILURES)
def test_a_value_that_cannot_be_used_is_told_by_its_code(code: str) -> None:
    text, given = FAILURES[code]
    with pytest.raises(ValueProblem) as caught:
        evaluate(text, SCOPE, row(**given))
    assert caught.value.code == code


def test_an_unmapped_code_names_set_value_and_the_nearest_code() -> None:
    with pytest.raises(ValueProblem) as caught:
        evaluate("CODE('status', s)", SCOPE, row(s="a"))
    assert caught.value.detail == {"set": "status", "value": "a", "nearest": "A"}


def test_examples_use_columns_that_exist() -> None:
    known = {*EXAMPLE_COLUMNS, "part", "OLD", "NEW", "META"}
    assert all(set(example.given) <= known for _, example in EXAMPLES)
    assert set(NOTHING) == set(EXAMPLE_COLUMNS)
