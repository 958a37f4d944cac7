"""Parts, parts of parts, and fields that are never a business change."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from tests.translators.test_mapping import promise
from translators.compiled import CompiledTranslator, compile_mapping
from translators.contract import Contract, Promise
from translators.findings import MappingInvalid
from translators.lineage import lineage, of_field
from translators.mapping import read_mapping
from translators.schema_text import read_schema
from translators.translator import translate
from translators.values import Row

SCHEMA = """\
source: legacy
connector: sqlite
namespace: main
tables:
  pol:
    key: [no]
    columns: {no: integer not null, ver: integer not null}
  cov:
    key: [no, seq]
    columns: {no: integer not null, seq: integer not null}
  lim:
    key: [pno, cseq, n]
    columns: {pno: integer not null, cseq: integer not null, n: integer not null, amt: integer not null}
"""

MAPPING = """\
translator: policy
context: policy
root: {table: pol, key: no}
parts:
  cov: {parent: no, order: seq}
  lim:
    of: cov
    parent: [pno, cseq]
    order: n
state:
  contract: Policy.v1
  technical: version
  fields:
    number: no
    version: ver
    limits: COUNT(lim)
    covers:
      each: cov
      fields:
        number: seq
        total: SUM(lim.amt)
        limits:
          each: lim
          fields:
            amount: amt
            cover: cov.seq
events:
  - type: Changed.v1
    when: CHANGED(*) AND NOT CREATED
ignore:
  - when: NOT CHANGED(*)
    reason: only the version
"""


class Limit(BaseModel):
    amount: int
    cover: int


class Cover(BaseModel):
    number: int
    total: int | None
    limits: list[Limit]


class Policy(Contract):
    promise: ClassVar[Promise] = promise("Policy", "state")
    number: int
    version: int
    limits: int
    covers: list[Cover]


class Changed(Contract):
    promise: ClassVar[Promise] = promise("Changed")
    number: int


CONTRACTS: dict[str, type[Contract]] = {"Policy.v1": Policy, "Changed.v1": Changed}


def compiled(text: str = MAPPING) -> CompiledTranslator:
    return compile_mapping(read_mapping(text, "p.yaml"), text, read_schema(SCHEMA, "schema.yaml"), CONTRACTS)


def rows(limits: list[tuple[int, int, int]], covers: tuple[int, ...] = (1, 2), version: int = 1) -> Any:
    return {
        "pol": {"7": {"no": 7, "ver": version}},
        "cov": {f"7/{seq}": {"no": 7, "seq": seq} for seq in covers},
        "lim": {f"7/{c}/{n}": {"pno": 7, "cseq": c, "n": n, "amt": amt} for c, n, amt in limits},
    }


def test_parts_of_parts_stand_with_the_row_that_they_belong_to() -> None:
    state = compiled().state(rows([(2, 2, 30), (1, 1, 10), (2, 1, 20)]))
    assert state == {
        "number": 7,
        "version": 1,
        "limits": 3,
        "covers": [
            {"number": 1, "total": 10, "limits": [{"amount": 10, "cover": 1}]},
            {"number": 2, "total": 50, "limits": [{"amount": 20, "cover": 2}, {"amount": 30, "cover": 2}]},
        ],
    }


def test_a_row_of_an_inner_part_names_the_business_key_through_its_parent() -> None:
    made = compiled()
    row: Row = {"pno": 7, "cseq": 2, "n": 1, "amt": 5}
    assert made.key_of("lim", row) == made.key_of("pol", {"no": 7}) == "7"


def test_a_technical_field_is_published_and_is_no_business_change() -> None:
    translation = translate(compiled(), rows([]), rows([], version=2))
    assert translation.changed
    assert translation.events == ()
    assert translate(compiled(), rows([]), rows([(1, 1, 5)])).events[0].type == "Changed.v1"


def test_rows_are_summed_up_under_a_condition_where_they_are_listed_and_above() -> None:
    limits = "SUM(lim.amt * 2) FILTER (WHERE lim.n > 1)"
    total = "FIRST(lim.amt) FILTER (WHERE lim.amt > 10)"
    text = MAPPING.replace("limits: COUNT(lim)", f"limits: COALESCE({limits}, 0)").replace(
        "total: SUM(lim.amt)", f"total: {total}"
    )
    state = compiled(text).state(rows([(2, 2, 30), (1, 1, 10), (2, 1, 20)]))
    assert state is not None
    assert (state["limits"], [cover["total"] for cover in state["covers"]]) == (60, [None, 20])


def test_a_condition_of_an_event_asks_the_rows_of_a_part() -> None:
    made = compiled(MAPPING.replace("CHANGED(*) AND NOT CREATED", "CHANGED(limits) AND ANY(lim.amt > 100)"))
    assert translate(made, rows([]), rows([(1, 1, 101)])).events
    assert not translate(made, rows([]), rows([(1, 1, 100)])).events


def test_lineage_names_every_column_behind_a_sum() -> None:
    text = MAPPING.replace("limits: COUNT(lim)", "limits: COALESCE(LAST(lim.amt) FILTER (WHERE lim.cseq = 1), 0)")
    (line,) = of_field(lineage(compiled(text).bound), "Policy.v1 limits")
    assert line.columns == ("lim.amt", "lim.cseq", "lim.n")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("of: cov", "of: cvo", "part.unknown"),
        ("    order: n\n", "", "function.arguments"),
        ("of: cov", "of: lim", "part.circular"),
        ("parent: [pno, cseq]", "parent: [pno]", "part.key-type"),
        ("context:", "store: none\ncontext:", "store.parts"),
        ("technical: version", "technical: versio", "contract.field-unknown"),
        ("        limits:\n          each: lim", "        limits:\n          each: cov", "part.unknown"),
        ("    covers:\n      each: cov", "    covers:\n      each: lim", "part.unknown"),
    ],
)
def test_what_does_not_hang_together_is_found(old: str, new: str, code: str) -> None:
    text = MAPPING.replace("total: SUM(lim.amt)", "total: FIRST(lim.amt)")
    assert text.count(old) == 1
    with pytest.raises(MappingInvalid) as caught:
        compiled(text.replace(old, new))
    assert code in [f.code for f in caught.value.findings]
