"""Compatibility: each rule, and the whole against a validator that knows nothing of it."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Annotated, Any, Literal

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, StringConstraints

from tests.translators.lint.support import contract
from translators.compatibility import RULES, compare, published_schema
from translators.contract import personal, sensitive


class Money(BaseModel):
    """An amount."""

    amount: Annotated[Decimal, Field(max_digits=11, decimal_places=2)]
    currency: str


class MoreMoney(Money):
    """With a field more."""

    rate: str


class WiderMoney(BaseModel):
    """With more digits."""

    amount: Annotated[Decimal, Field(max_digits=15, decimal_places=2)]
    currency: str


Short = Annotated[str, StringConstraints(max_length=10)]
Long = Annotated[str, StringConstraints(max_length=20)]
Filled = Annotated[str, StringConstraints(min_length=1)]


def breaks(old: Any, new: Any, **promise: Any) -> list[tuple[str, str]]:
    """The breaks between two contracts, from a field called `x` that changes (absent: `None`)."""
    before, after = (contract("Told", {"number": str} | ({} if kind is None else {"x": kind})) for kind in (old, new))
    if promise:
        after.promise = after.promise.model_copy(update=promise)
    return [(found.rule, found.path) for found in compare(published_schema(before), published_schema(after))]


class TestRules:
    @pytest.mark.parametrize(
        ("old", "new", "rule"),
        [
            (str, None, "field-removed"),
            (None, str, "field-required"),
            ((str | None, None), (str | None, ...), "field-now-required"),
            ((str | None, ...), (str | None, None), "field-now-optional"),
            (str, int, "type-changed"),
            (int, float, "type-changed"),
            (str, Decimal, "type-changed"),
            (str, list[Money], "type-changed"),
            (str, str | None, "null-added"),
            (str | None, str, "null-removed"),
            (Literal["a", "b"], Literal["a"], "enum-removed"),
            (Literal["a", "b"], Literal["a", "c"], "enum-removed"),
            (Literal["a"], Literal["b"], "enum-removed"),
            (Literal["a", "b"], str, "enum-removed"),
            (str, Literal["a", "b"], "enum-closed"),
            (Long, Short, "limit-narrowed"),
            (Short, Long, "limit-widened"),
            (str, Filled, "limit-narrowed"),
            (Filled, str, "limit-widened"),
            (Annotated[str, Field(pattern="a")], Annotated[str, Field(pattern="b")], "limit-changed"),
            ((str, personal()), str, "class-lowered"),
            ((str, sensitive()), (str, personal()), "class-lowered"),
        ],
    )
    def test_a_break(self, old: Any, new: Any, rule: str) -> None:
        assert breaks(old, new) == [(rule, "x")]

    @pytest.mark.parametrize(
        ("old", "new", "found"),
        [
            (Money, MoreMoney, [("field-required", "x.rate")]),
            (MoreMoney, Money, [("field-removed", "x.rate")]),
            (Money, WiderMoney, [("limit-widened", "x.amount")]),
            (list[WiderMoney], list[Money], [("limit-narrowed", "x[].amount")]),
        ],
    )
    def test_a_break_within(self, old: Any, new: Any, found: list[tuple[str, str]]) -> None:
        assert breaks(old, new) == found

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (str, str),
            (None, (str | None, None)),
            (Literal["a"], Literal["a", "b"]),
            (Literal["a", "b"], Literal["b", "a"]),
            (str, (str, personal())),
            (Money, Money),
            (str, (str, Field(description="said better"))),
        ],
    )
    def test_no_break(self, old: Any, new: Any) -> None:
        assert breaks(old, new) == []

    @pytest.mark.parametrize(
        ("promise", "rule"),
        [
            ({"business_key": ("x",)}, "promise-changed"),
            ({"context": "billing"}, "promise-changed"),
            ({"folds": "delta"}, "promise-changed"),
            ({"status": "draft"}, "version-reused"),
        ],
    )
    def test_a_promise(self, promise: dict[str, Any], rule: str) -> None:
        assert breaks(str, str, **promise) == [(rule, "")]

    def test_another_owner_is_no_break(self) -> None:
        assert breaks(str, str, owner="Somebody else", status="deprecated", intent="Better said.") == []

    def test_a_draft_promised_nothing(self) -> None:
        old = published_schema(contract("Told", {"number": str, "x": str}, status="draft"))
        assert compare(old, published_schema(contract("Told", {"number": str}))) == []

    def test_a_retired_version_again(self) -> None:
        old = published_schema(contract("Told", {"number": str}, status="retired"))
        assert [b.rule for b in compare(old, published_schema(contract("Told", {"number": str})))] == ["version-reused"]

    def test_a_new_name_is_said(self) -> None:
        old, new = (published_schema(contract("Told", {"number": str, name: str})) for name in ("premium", "premiums"))
        assert [(b.path, b.message) for b in compare(old, new)] == [
            ("premium", "is gone; did you mean 'premiums'?"),
            ("premiums", "is new and required, published documents lack it"),
        ]

    def test_a_model_within_itself_ends(self) -> None:
        node = {"properties": {"next": {"$ref": "#/$defs/N"}}, "type": "object"}
        old = {"$defs": {"N": node}, "$ref": "#/$defs/N"}
        new = copy.deepcopy(old)
        assert compare(old, new) == []
        new["$defs"]["N"]["properties"]["more"] = {"type": "string"}  # type: ignore[index]
        new["$defs"]["N"]["required"] = ["more"]  # type: ignore[index]
        assert [b.rule for b in compare(old, new)] == ["field-required"]

    def test_words_that_no_rule_knows_are_refused(self) -> None:
        old, new = ({"properties": {"x": {"type": "integer", "multipleOf": n}}} for n in (2, 3))
        assert [(b.rule, b.path) for b in compare(old, new)] == [("limit-changed", "x")]

    def test_every_rule_is_explained(self) -> None:
        assert all(text.endswith(".") or text.endswith("them.") for text in RULES.values())


# Old and new schemas at random, documents of each, and a validator that is not ours. It reads as the module says that
# readers do: fields it does not know are passed over, and a reader of the old contract takes new values of an enum.

TEXTS = ["", "a", "bb", "ccc", "dddd"]
LEAVES: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("string")}, optional={"minLength": st.integers(0, 2), "maxLength": st.integers(2, 4)}
    ),
    st.fixed_dictionaries(
        {"type": st.just("string"), "enum": st.lists(st.sampled_from(TEXTS), min_size=1, unique=True)}
    ),
    st.fixed_dictionaries(
        {"type": st.just("integer")}, optional={"minimum": st.integers(0, 1), "maximum": st.integers(2, 3)}
    ),
    st.fixed_dictionaries({"type": st.sampled_from(["number", "boolean"])}),
    st.fixed_dictionaries({"const": st.sampled_from(TEXTS), "type": st.just("string")}),
)


def nullable(schema: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from([schema, {"anyOf": [schema, {"type": "null"}]}])


def objects(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    names = st.dictionaries(st.sampled_from("abc"), inner.flatmap(nullable), max_size=3)
    return st.tuples(names, st.sets(st.sampled_from("abc"))).map(
        lambda pair: {
            "type": "object",
            "properties": pair[0],
            "required": sorted(pair[1] & pair[0].keys()),
            "additionalProperties": False,
        }
    )


LISTS = objects(LEAVES).map(lambda one: {"type": "array", "items": one})
SCHEMAS = objects(st.one_of(LEAVES, LEAVES, objects(LEAVES), LISTS))
PATHS: list[tuple[str, ...]] = [(), ("a",), ("b",), ("c",)]


@st.composite
def revisions(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """A schema and what a few small edits made of it, so that compatible pairs are not rare."""
    old = draw(SCHEMAS)
    new = copy.deepcopy(old)
    for _ in range(draw(st.integers(0, 2))):
        node = new
        while draw(st.booleans()) and (inner := [v for v in children(node) if "properties" in v]):
            node = draw(st.sampled_from(inner))
        edit(draw, node)
    return old, new


def children(node: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for value in node["properties"].values():
        plain = value["anyOf"][0] if "anyOf" in value else value
        found.append(plain.get("items", plain))
    return found


def edit(draw: st.DrawFn, node: dict[str, Any]) -> None:
    name = draw(st.sampled_from("abcd"))
    what = draw(st.sampled_from(["leaf", "drop", "require", "free", "enum", "limit"]))
    fields, required = node["properties"], node["required"]
    if what == "leaf":
        fields[name] = draw(LEAVES.flatmap(nullable))
    elif what == "drop":
        fields.pop(name, None)
    elif what == "enum":
        for leaf in (leaf for leaf in children(node) if "enum" in leaf):
            leaf["enum"] = draw(st.sampled_from([sorted({*leaf["enum"], "new"}), leaf["enum"][:1]]))
    elif what == "limit":
        for leaf in (leaf for leaf in children(node) if "maxLength" in leaf):
            leaf["maxLength"] += draw(st.sampled_from([-1, 1]))
    node["required"] = sorted(
        ({*required, name} if what == "require" else {*required} - ({name} if what == "free" else set()))
        & fields.keys()
    )


def documents(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """What a writer of a contract may write: the fields that it names, and those only."""
    if "anyOf" in schema:
        return st.one_of([documents(part) for part in schema["anyOf"]])
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    match schema["type"]:
        case "object":
            must = {name: documents(schema["properties"][name]) for name in schema["required"]}
            may = {name: documents(part) for name, part in schema["properties"].items() if name not in must}
            return st.fixed_dictionaries(must, optional=may)
        case "array":
            return st.lists(documents(schema["items"]), max_size=2)
        case "string":
            fits = [t for t in TEXTS if schema.get("minLength", 0) <= len(t) <= schema.get("maxLength", 4)]
            return st.sampled_from(fits or [""])
        case "integer":
            return st.integers(schema.get("minimum", -1), schema.get("maximum", 4))
        case "number":
            return st.sampled_from([1, 0.5])
        case "boolean":
            return st.booleans()
    return st.none()


def as_read(schema: Any, open_enums: bool) -> Any:
    """The schema as a reader holds a document against it."""
    if isinstance(schema, list):
        return [as_read(part, open_enums) for part in schema]
    if not isinstance(schema, dict):
        return schema
    left_out = {"additionalProperties", *(("enum", "const") if open_enums else ())}
    return {
        key: {name: as_read(part, open_enums) for name, part in value.items()}
        if key == "properties"
        else as_read(value, open_enums)
        for key, value in schema.items()
        if key not in left_out
    }


@given(revisions(), st.data())
def test_what_is_called_compatible_can_be_read_both_ways(
    pair: tuple[dict[str, Any], dict[str, Any]], data: st.DataObject
) -> None:
    old, new = pair
    if compare(old, new):
        return
    by_new = jsonschema_rs.Draft202012Validator(as_read(new, open_enums=False))
    by_old = jsonschema_rs.Draft202012Validator(as_read(old, open_enums=True))
    for _ in range(5):
        written_before, written_after = data.draw(documents(old)), data.draw(documents(new))
        assert jsonschema_rs.Draft202012Validator(old).is_valid(written_before)
        assert jsonschema_rs.Draft202012Validator(new).is_valid(written_after)
        assert by_new.is_valid(written_before)
        assert by_old.is_valid(written_after)


@given(SCHEMAS, st.data())
def test_optional_fields_and_new_values_are_always_allowed(old: dict[str, Any], data: st.DataObject) -> None:
    new = copy.deepcopy(old)
    new["properties"]["zz"] = data.draw(LEAVES)
    for leaf in children(new):
        if "enum" in leaf:
            leaf["enum"].insert(0, "new")
    assert compare(old, new) == []
    assert compare(old, old) == []
