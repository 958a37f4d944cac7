"""Values that the source did not send: fields that depend on them are absent with the reason, or refused where demanded."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import pytest
from pydantic import BaseModel

from translators.compiled import CompiledTranslator, compile_mapping
from translators.contract import Contract, Promise
from translators.mapping import read_mapping
from translators.schema_text import read_schema
from translators.translator import Partial, Refused, translate
from translators.values import OutOfRange, Row, Unavailable

SCHEMA = """\
source: legacy
connector: postgresql
namespace: public
tables:
  doc:
    key: [id]
    columns: {id: integer not null, sts: varchar(1), body: text, memo: text, size: integer}
  page:
    key: [id, no]
    columns: {id: integer not null, no: integer not null, txt: text, lang: varchar(2)}
"""
MAPPING = """\
translator: doc
context: docs
root: {table: doc, key: id}
parts:
  page: {parent: id, order: no}
state:
  contract: Doc.v1
  fields:
    id: id
    status: sts
    body: TRIM(body)
    inner:
      memo: UPPER(memo)
      size: size
    title: sts || memo
    words: SUM(LENGTH(page.txt))
    pages:
      each: page
      fields:
        number: no
        text: txt
        language: lang
events:
  - {type: DocMade.v1, when: CREATED}
  - type: DocSent.v1
    when: NEW.status = 'S' AND OLD.status IS DISTINCT FROM 'S'
    fields:
      said: COALESCE(memo, 'nothing')
  - {type: DocWritten.v1, when: 'OLD.status IS NOT NULL AND CHANGED(body)'}
ignore:
  - {when: NOT CHANGED(*), reason: nothing}
"""


def promise(name: str, kind: Literal["event", "state"] = "event") -> Promise:
    return Promise(
        name=name, version=1, kind=kind, context="docs", owner="Docs", intent="Decide.",
        business_key=("id",), retention="1 day", lag_objective="1 s",
    )  # fmt: skip


class Page(BaseModel):
    number: int
    text: str | None = None
    language: str | None


class Inner(BaseModel):
    memo: str | None = None
    size: int | None


class Doc(Contract):
    promise: ClassVar[Promise] = promise("Doc", "state")
    id: int
    status: str | None
    body: str | None = None
    inner: Inner
    title: str | None = None
    words: int | None = None
    pages: list[Page]


class DocMade(Contract):
    promise: ClassVar[Promise] = promise("DocMade")
    id: int
    body: str | None = None
    inner: Inner
    pages: list[Page]


class DocSent(Contract):
    promise: ClassVar[Promise] = promise("DocSent")
    id: int
    body: str | None
    said: str | None = None


class DocWritten(Contract):
    promise: ClassVar[Promise] = promise("DocWritten")
    id: int


CONTRACTS = {one.promise.type: one for one in (Doc, DocMade, DocSent, DocWritten)}
TOAST = Unavailable("toast")


def compiled() -> CompiledTranslator:
    return compile_mapping(read_mapping(MAPPING, "doc.yaml"), MAPPING, read_schema(SCHEMA, "s"), CONTRACTS)


def rows(*pages: Any, **values: Any) -> dict[str, dict[str, Row]]:
    doc: Row = {"id": 1, "sts": "A", "body": " b ", "memo": "m", "size": 3, **values}
    found: dict[str, Row] = {f"1/{n}": {"id": 1, "no": n, "txt": txt, "lang": "en"} for n, txt in enumerate(pages)}
    return {"doc": {"1": doc}, "page": found}


def absent(state: Any) -> dict[str, str]:
    assert isinstance(state, Partial)
    return dict(state.absent)


def test_fields_that_depend_on_such_a_value_are_left_out_with_the_reason() -> None:
    whole = compiled().state(rows("ab", "c"))
    assert type(whole) is dict
    state = compiled().state(rows("ab", TOAST, memo=TOAST))
    assert absent(state) == {
        "inner.memo": "toast", "title": "toast", "words": "toast", "pages[].text": "toast",
    }  # fmt: skip
    assert state == {
        "id": 1, "status": "A", "body": "b", "inner": {"size": 3},
        "pages": [{"number": 0, "text": "ab", "language": "en"}, {"number": 1, "language": "en"}],
    }  # fmt: skip


@pytest.mark.parametrize(("column", "field"), [("sts", "status"), ("size", "inner.size")])
def test_a_field_that_its_contract_demands_is_refused(column: str, field: str) -> None:
    with pytest.raises(Refused) as caught:
        compiled().state(rows(**{column: TOAST}, body=TOAST))
    problem = caught.value.problem
    assert (problem.code, problem.field) == ("value.unavailable", field)
    assert problem.columns == (f"doc.{column}",)


def test_what_is_wrong_beside_it_is_still_refused() -> None:
    with pytest.raises(Refused) as caught:
        compiled().state(rows(body=TOAST, size=OutOfRange("infinity")))
    assert caught.value.problem.code == "value.out_of_range"


def test_a_column_that_a_kept_row_does_not_have_counts_as_not_sent() -> None:
    old = rows("ab")
    del old["doc"]["1"]["body"], old["page"]["1/0"]["txt"]
    state = compiled().state(old)
    assert absent(state) == {"body": "not read yet", "words": "not read yet", "pages[].text": "not read yet"}
    del old["doc"]["1"]["sts"]
    with pytest.raises(Refused) as caught:
        compiled().state(old)
    assert (caught.value.problem.code, caught.value.problem.field) == ("value.unavailable", "status")


def test_events_leave_such_fields_out_or_are_refused_where_they_demand_them() -> None:
    made = translate(compiled(), {}, rows(TOAST, body=TOAST, memo=TOAST)).events
    assert [(event.type, event.data) for event in made] == [
        ("DocMade.v1", {"id": 1, "inner": {"size": 3}, "pages": [{"number": 0, "language": "en"}]})
    ]
    assert absent(made[0].data) == {"body": "toast", "inner.memo": "toast", "pages[].text": "toast"}
    (sent,) = translate(compiled(), rows(memo=TOAST), rows(memo=TOAST, sts="S")).events
    assert (sent.data, absent(sent.data)) == ({"id": 1, "body": "b"}, {"said": "toast"})
    with pytest.raises(Refused) as caught:
        translate(compiled(), rows(body=TOAST), rows(body=TOAST, sts="S"))
    assert (caught.value.problem.code, caught.value.problem.field) == ("value.unavailable", "body")


def test_a_condition_on_such_a_field_is_told_where_it_can_be() -> None:
    # Absent before and after: the source does not send again what did not change.
    same = translate(compiled(), rows(body=TOAST), rows(body=TOAST, size=4))
    assert (same.changed, same.events) == (True, ())
    with pytest.raises(Refused) as caught:
        translate(compiled(), rows(body=TOAST), rows())
    assert caught.value.problem.code == "value.unavailable"
    assert "what happened depends on it" in caught.value.problem.message


def test_null_is_a_value_and_no_absence() -> None:
    state = compiled().state(rows(None, body=None, memo=None))
    assert type(state) is dict
    assert (state["body"], state["inner"]["memo"], state["pages"][0]["text"]) == (None, None, None)
