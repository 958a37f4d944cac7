"""Translators that are Python classes: the same outcomes, checks, lineage and findings as a mapping."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import BaseModel, Field

from tests.translators.test_mapping import promise
from translators.compiled import CompiledTranslator, compile_mapping
from translators.contract import Contract, Promise, personal
from translators.findings import MappingInvalid
from translators.functions import Reject
from translators.lineage import lineage
from translators.mapping import MappingMalformed
from translators.python_class import PythonTranslator, read_python
from translators.schema_text import read_schema
from translators.translator import Event, Refused, Translation, translate
from translators.values import Row, Unavailable

SCHEMA = """\
source: legacy
connector: postgresql
namespace: public
tables:
  pol:
    key: [no]
    replica_identity: default
    columns: {no: integer not null, sts: varchar(2), prem: integer, name: varchar(9), junk: varchar(9), at: date}
  cov:
    key: [no, seq]
    columns: {no: integer not null, seq: integer not null, amt: integer, junk: varchar(9)}
"""

Amount = Annotated[Decimal, Field(max_digits=5, decimal_places=2)]


class Premium(BaseModel):
    amount: Amount
    note: str | None = None


class Cover(BaseModel):
    amount: Amount
    owner: str | None = personal()


class Policy(Contract):
    promise: ClassVar[Promise] = promise("Policy", "state").model_copy(
        update={"invariants": ("premium.amount >= 0", "COUNT(covers) < 3", "premium.note <> 'no'")}
    )
    number: int
    status: Literal["active", "ended"]
    name: Annotated[str, Field(max_length=5)] | None = personal()
    premium: Premium | None
    covers: list[Cover]
    extra: str | None = None


class Small(BaseModel):
    amount: Amount


class Ended(Contract):
    promise: ClassVar[Promise] = promise("Ended").model_copy(update={"invariants": ("reason <> 'none'",)})
    number: int
    reason: Annotated[str, Field(max_length=6)]
    covers: list[Small]


class Changed(Contract):
    promise: ClassVar[Promise] = promise("Changed").model_copy(update={"style": "delta"})
    number: int
    status: Literal["active", "ended"] | None = None
    premium: Premium | None = None


CONTRACTS: dict[str, type[Contract]] = {c.promise.type: c for c in (Policy, Ended, Changed)}

TEXT = """\
class PolicyTranslator(PythonTranslator):
    name = "policy"
    context = "policy"
    root = "pol"
    key = "no"
    parts = {"cov": {"parent": "no", "order": "seq"}}
    codes = {"status": {"A": "active", "E": "ended"}}
    contract = "Policy.v1"
    publishes = ("Ended.v1", "Changed.v1")
    inputs = {
        "status": ["sts"],
        "premium": ["prem"],
        "covers": ["cov.amt", "name"],
        "*": ["no", "name"],
        "events": ["at"],
    }
    correlation = "name"

    def state(self, root, parts):
        made = {
            "number": root["no"],
            "status": self.code("status", root["sts"]),
            "name": root["name"],
            "premium": None if root["prem"] is None else {"amount": Decimal(root["prem"]) / 100},
            "covers": [{"amount": Decimal(c["amt"]), "owner": root["name"]} for c in parts["cov"]],
        }
        return change(made, root)

    def ignored(self, old, new):
        return "nothing new" if old == new else None

    def events(self, old, new, before, after):
        if new is not None and new["status"] == "ended" and (old is None or old["status"] != "ended"):
            yield Event("Ended.v1", {"reason": str(after.root["at"])[:6]}, occurred=after.root["at"])
        elif old is not None and new is not None:
            yield Event("Changed.v1", {})
        yield from more(self, old, new)
"""


def made(text: str = TEXT, change: Any = None, more: Any = None) -> type[PythonTranslator]:
    """The class that a text defines; `change` may change what `state` gives, `more` adds events."""
    namespace: dict[str, Any] = {
        "PythonTranslator": PythonTranslator,
        "Decimal": Decimal,
        "Event": Event,
        "change": change or (lambda state, root: state),
        "more": more or (lambda *given: ()),
        "__name__": __name__,
    }
    exec(compile(text, "policy.py", "exec"), namespace)  # noqa: S102 - the text above
    kind: type[PythonTranslator] = namespace["PolicyTranslator"]
    return kind


def compiled(text: str = TEXT, **how: Any) -> CompiledTranslator:
    mapping = read_python(made(text, **how), text, "mappings/policy.py")
    return compile_mapping(mapping, text, read_schema(SCHEMA, "schema.yaml"), CONTRACTS)


def rows(*amounts: int, **values: Any) -> Any:
    row: Row = {"no": 7, "sts": "A", "prem": 150, "name": "Ann", "junk": Unavailable("toast"), "at": date(2026, 1, 2)}
    covers: dict[str, Row] = {
        f"7/{n}": {"no": 7, "seq": n, "amt": amount, "junk": None} for n, amount in enumerate(amounts)
    }
    return {"pol": {"7": {**row, **values}}, "cov": dict(reversed(covers.items()))}


def test_a_state_is_what_the_class_says_brought_to_its_types() -> None:
    assert compiled().state(rows(2, 3)) == {
        "number": 7,
        "status": "active",
        "name": "Ann",
        "premium": {"amount": Decimal("1.50")},
        "covers": [{"amount": Decimal("2.00"), "owner": "Ann"}, {"amount": Decimal("3.00"), "owner": "Ann"}],
    }
    state = compiled().state(rows(2, prem=None))
    assert state is not None and state["premium"] is None and str(state["covers"][0]["amount"]) == "2.00"
    assert compiled().state({"cov": {}}) is None


def test_a_class_is_a_translator_like_any_other() -> None:
    translator = compiled()
    assert (translator.name, translator.context, translator.root, translator.state_type, translator.has_parts) == (
        "policy", "policy", "pol", "Policy.v1", True,
    )  # fmt: skip
    assert translator.tables == {"pol", "cov"}
    assert translator.event_types == ("Ended.v1", "Changed.v1")
    assert translator.key_of("cov", {"no": 7, "seq": 1}) == "7"
    assert "def state(rows):" in translator.source


def test_events_take_from_the_state_what_they_do_not_say() -> None:
    said = translate(compiled(), rows(2), rows(2, 3, sts="E"))
    data = {"number": 7, "reason": "2026-0", "covers": [{"amount": Decimal("2.00")}, {"amount": Decimal("3.00")}]}
    assert said.events == (Event("Ended.v1", data, occurred=date(2026, 1, 2)),)
    assert said.correlation == "Ann"


def test_a_delta_carries_what_changed() -> None:
    said = translate(compiled(), rows(prem=100), rows(prem=200))
    assert [event.data for event in said.events] == [{"number": 7, "premium": {"amount": Decimal("2.00")}}]
    said = translate(compiled(), rows(prem=100), rows(prem=100, name="Bob"))
    assert [event.data for event in said.events] == [{"number": 7}]


def test_what_says_nothing_says_why() -> None:
    assert translate(compiled(), rows(), rows(at=None)) == Translation(
        state=compiled().state(rows()), changed=False, ignored="nothing new"
    )


def test_a_thing_may_be_deleted() -> None:
    translation = translate(compiled(), rows(), {})
    assert (translation.state, translation.changed, translation.events) == (None, True, ())


def raising(error: Exception) -> Any:
    def change(state: Any, root: Any) -> Any:
        raise error

    return change


REFUSALS = [
    ({"sts": "X"}, None, "code.unmapped", None),
    ({"sts": Unavailable("toast")}, None, "value.unavailable", None),
    ({"name": "too long"}, None, "contract.too-long", "name"),
    ({"prem": -100}, None, "contract.invariant", None),
    ({"prem": 10**6}, None, "py.type", "premium.amount"),
    ({}, lambda state, root: {**state, "status": "open"}, "contract.choice", "status"),
    ({}, lambda state, root: {**state, "status": None}, "py.type", "status"),
    ({}, lambda state, root: {**state, "number": "7"}, "py.type", "number"),
    ({}, lambda state, root: {**state, "premium": 5}, "py.type", "premium"),
    ({}, lambda state, root: {**state, "premium": {}}, "py.field-missing", "premium"),
    ({}, lambda state, root: {**state, "premium": {"amount": Decimal(1), "note": "no"}}, "contract.invariant", None),
    ({}, lambda state, root: {**state, "premium": {"amount": Decimal(1), "not": ""}}, "py.field-unknown", "premium"),
    ({}, lambda state, root: {**state, "covers": {"amount": 1}}, "py.type", "covers"),
    ({}, lambda state, root: {**state, "covers": [{"amount": "1", "owner": None}]}, "py.type", "covers[].amount"),
    ({}, lambda state, root: {**state, "covers": state["covers"] * 4}, "contract.invariant", None),
    ({}, lambda state, root: {**state, "other": 1}, "py.field-unknown", None),
    ({}, lambda state, root: {"number": 7}, "py.field-missing", None),
    ({}, lambda state, root: None, "py.type", None),
    ({}, lambda state, root: root["junk"], "py.failed", None),
    ({}, raising(ZeroDivisionError("secret")), "py.failed", None),
    ({}, raising(Reject("policy.odd", "it is odd")), "policy.odd", None),
]


@pytest.mark.parametrize(("values", "change", "code", "field"), REFUSALS)
def test_what_cannot_be_published_is_refused(values: Any, change: Any, code: str, field: str | None) -> None:
    with pytest.raises(Refused) as caught:
        compiled(change=change).state(rows(1, **values))
    problem = caught.value.problem
    assert (problem.code, problem.field) == (code, field)
    assert "secret" not in problem.message
    if code not in ("contract.invariant", "value.unavailable"):
        assert problem.where == "mappings/policy.py:19:9"


EVENTS = [
    ([Event("Ended.v1", {"reason": "too long"})], "contract.too-long", "reason"),
    ([Event("Ended.v1", {"reason": 5})], "py.type", "reason"),
    ([Event("Ended.v1", {"reason": "none"})], "contract.invariant", None),
    ([Event("Ended.v1", {})], "py.field-missing", None),
    ([Event("Ended.v1", {"reason": "", "rason": ""})], "py.field-unknown", None),
    ([Event("Ended.v1", {"reason": "", "number": "7"})], "py.type", "number"),
    ([Event("Other.v1", {})], "py.event-unknown", None),
    (["Ended.v1"], "py.type", None),
    ([1 // 1, *[]], "py.type", None),
]


@pytest.mark.parametrize(("more", "code", "field"), EVENTS)
def test_an_event_that_breaks_its_contract_is_refused(more: Any, code: str, field: str | None) -> None:
    with pytest.raises(Refused) as caught:
        translate(compiled(more=lambda *given: more), {}, rows())
    assert (caught.value.problem.code, caught.value.problem.field) == (code, field)


def test_an_exception_while_events_are_told_is_a_refusal() -> None:
    def more(*given: Any) -> Iterable[Event]:
        yield Event("Ended.v1", {"reason": ""})
        raise KeyError("secret")

    with pytest.raises(Refused) as caught:
        translate(compiled(more=more), {}, rows())
    assert caught.value.problem.code == "py.failed"
    assert "KeyError" in caught.value.problem.message and "secret" not in caught.value.problem.message


def test_a_class_cannot_change_what_is_published_or_kept() -> None:
    def more(self: Any, old: Any, new: Any) -> Iterable[Event]:
        new["covers"].clear()
        new["premium"]["amount"] = Decimal(9)
        return ()

    def change(state: Any, root: Any) -> Any:
        root["prem"] = 99
        return state

    held = rows(1)
    translation = translate(compiled(more=more, change=change), {}, held)
    assert held == rows(1)
    assert translation.state is not None
    assert translation.state["premium"] == {"amount": Decimal("1.50")} and len(translation.state["covers"]) == 1


def test_lineage_is_what_the_class_declares() -> None:
    lines = {(line.what, line.of, line.field): line for line in lineage(compiled().bound)}
    assert lines["state", "Policy.v1", "status"].columns == ("pol.sts",)
    assert lines["state", "Policy.v1", "premium.amount"].columns == ("pol.prem",)
    assert lines["state", "Policy.v1", "covers"].columns == ("cov.amt", "pol.name")
    assert lines["state", "Policy.v1", "number"].columns == ("pol.name", "pol.no")
    assert lines["field", "Ended.v1", "reason"].columns == ("pol.at",)
    assert {"pol.prem", "pol.sts", "cov.amt", "pol.at"} <= set(lines["when", "Ended.v1", ""].columns)
    assert lines["state", "Policy.v1", "status"].where == "mappings/policy.py:19:9"


def test_a_list_is_as_delicate_as_what_is_in_it() -> None:
    field: Any = compiled().bound.fields["covers"]
    assert field.shape.data_class == "personal"


def test_the_version_follows_the_text() -> None:
    assert compiled(TEXT + "\n# new\n").version != compiled().version


def test_a_mapping_test_may_try_other_codes() -> None:
    mapping = read_python(made(), TEXT, "mappings/policy.py")
    codes: Mapping[str, Mapping[str, str]] = {"status": {"X": "ended"}}
    other = replace(mapping, codes=codes)
    state = compile_mapping(other, TEXT, read_schema(SCHEMA, "schema.yaml"), CONTRACTS).state(rows(sts="X"))
    assert state is not None and state["status"] == "ended"


FINDINGS = [
    ('"status": ["sts"]', '"status": ["stz"]', "column.unknown", (11, 9)),
    ('"covers": ["cov.amt", "name"]', '"covers": ["cov.amd"]', "column.unknown", (13, 9)),
    ('"premium": ["prem"]', '"premum": ["prem"]', "contract.field-unknown", (12, 9)),
    ('"*": ["no", "name"],\n', "\n", "py.inputs", (8, 16)),
    ('contract = "Policy.v1"', 'contract = "Police.v1"', "contract.unknown", (8, 16)),
    ('root = "pol"', 'root = "poll"', "table.unknown", (4, 12)),
    ('key = "no"', 'key = "sts"', "root.key", (5, 11)),
    ('"Ended.v1", "Changed.v1"', '"Endet.v1", "Changed.v1"', "contract.unknown", (9, 18)),
    ('"Ended.v1", "Changed.v1"', '"Policy.v1", "Changed.v1"', "contract.kind", (9, 18)),
    ('"parent": "no"', '"parent": "seqq"', "column.unknown", (6, 14)),
    ('correlation = "name"', 'correlation = "nam"', "column.unknown", (17, 20)),
    ('correlation = "name"', 'correlation = "prem"', "type.mismatch", (17, 20)),
    ('context = "policy"', 'context = "claims"', "contract.context", (8, 16)),
]


@pytest.mark.parametrize(("old", "new", "code", "place"), FINDINGS)
def test_what_is_declared_wrongly_is_found_at_its_place(old: str, new: str, code: str, place: tuple[int, int]) -> None:
    assert TEXT.count(old) == 1
    with pytest.raises(MappingInvalid) as caught:
        compiled(TEXT.replace(old, new))
    assert (code, "mappings/policy.py", *place) in [(f.code, f.file, f.line, f.column) for f in caught.value.findings]


FORMS = [
    ('    name = "policy"\n', "", "1:1"),
    ('name = "policy"', "name = 5", "2:12"),
    ("def state(", "def stat(", "2:12"),
    ('parts = {"cov": {"parent": "no", "order": "seq"}}', 'parts = {"cov": {"order": "seq"}}', "6:14"),
    ('"order": "seq"', '"ordre": "seq"', "6:14"),
    ('"parent": "no"', '"of": 5, "parent": "no"', "6:14"),
    ('codes = {"status": {"A": "active", "E": "ended"}}', 'codes = {"status": {"A": 1}}', "7:14"),
    ('publishes = ("Ended.v1", "Changed.v1")', 'publishes = ("Ended.v1", "Ended.v1")', "9:17"),
    ('key = "no"', "key = []", "5:11"),
    ('"premium": ["prem"]', '"premium": [5]', "12:9"),
    ("parts = {", "parts = [] and {", "6:13"),
]


@pytest.mark.parametrize(("old", "new", "place"), FORMS)
def test_a_malformed_class_is_refused_with_its_place(old: str, new: str, place: str) -> None:
    assert TEXT.count(old) == 1
    with pytest.raises(MappingMalformed) as caught:
        compiled(TEXT.replace(old, new))
    assert caught.value.where == f"mappings/policy.py:{place}"
    assert caught.value.advice


def test_the_base_class_says_nothing_by_itself() -> None:
    base = PythonTranslator({})
    assert (list(base.events(None, None, None, None)), base.ignored(None, None)) == ([], None)
    with pytest.raises(NotImplementedError):
        base.state({}, {})


def test_rows_are_the_declared_columns_in_the_parts_order() -> None:
    seen: list[Any] = []

    def change(state: Any, root: Any) -> Any:
        seen.append(root)
        return state

    compiled(change=change).state(rows(2))
    assert set(seen[0]) == {"no", "sts", "prem", "name", "at"}
    assert re.fullmatch(r"[0-9a-f]{12}", compiled().version)
