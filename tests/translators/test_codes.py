"""Code tables in CSV files: what they say, on which day, and every mistake at its place."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, ClassVar, Literal

import pytest
from pydantic import BaseModel

from tests.translators.test_mapping import promise
from translators.codes import CodesMalformed, read_codes
from translators.compiled import CompiledTranslator, compile_mapping
from translators.contract import Contract, Promise
from translators.errors import DragomanError
from translators.expression.bind import sources
from translators.findings import MappingInvalid
from translators.mapping import MappingMalformed, read_mapping
from translators.schema_text import read_schema
from translators.translator import Refused

SCHEMA = """\
source: legacy
connector: postgresql
namespace: public
tables:
  pol:
    key: [no]
    columns: {no: integer not null, sts: char(2) not null, rate: varchar(2), eff: date, txt: char(8)}
  cov:
    key: [no, seq]
    columns: {no: integer not null, seq: integer not null, rate: varchar(2)}
"""

MAPPING = """\
translator: policy
context: policy
root: {table: pol, key: no}
parts:
  cov: {parent: no, order: seq}
codes:
  status: {file: codes/status.csv}
  rate:
    file: codes/rate.csv
    as_of: COALESCE(pol.eff, TO_DATE(pol.txt, 'YYYYMMDD'))
state:
  contract: Policy.v1
  fields:
    status: CODE('status', sts)
    rate: CODE('rate', rate)
    rates:
      each: cov
      fields:
        rate: CODE('rate', TRIM(rate), 'none')
"""

STATUS = """\
code,meaning
A,active
"B", "active"
C,"ended, for good"
"""

RATE = """\
meaning,code,from,to
low,L,,
old,R,2020-01-01,2020-12-31
new,R,2021-01-01,
early,E,,2019-12-31
low,T,,2022-06-30
early,D,2024-05-05,2024-05-05
"""

FILES = {"codes/status.csv": STATUS, "codes/rate.csv": RATE}


class Rate(BaseModel):
    rate: str | None


class Policy(Contract):
    promise: ClassVar[Promise] = promise("Policy", "state")
    status: Literal["active", "ended, for good"]
    rate: Literal["low", "old", "new", "early"] | None
    rates: list[Rate]


def include(files: Mapping[str, str]) -> Any:
    def text(path: str) -> str:
        if path not in files:
            raise DragomanError(where=path)
        return files[path]

    return text


def compiled(text: str = MAPPING, files: Mapping[str, str] = FILES) -> CompiledTranslator:
    mapping = read_mapping(text, "mappings/policy.yaml", include(files))
    return compile_mapping(mapping, text, read_schema(SCHEMA, "schema.yaml"), {"Policy.v1": Policy})


def rows(sts: str = "A", rate: str | None = "R", eff: date | None = date(2020, 6, 1), txt: str | None = None) -> Any:
    row = {"no": 7, "sts": sts, "rate": rate, "eff": eff, "txt": txt}
    return {"pol": {"7": row}, "cov": {"7/1": {"no": 7, "seq": 1, "rate": rate}}}


@pytest.mark.parametrize(("code", "meaning"), [("A", "active"), ("B", "active"), ("C", "ended, for good")])
def test_a_table_may_stand_in_a_file(code: str, meaning: str) -> None:
    state = compiled().state(rows(code))
    assert state is not None and state["status"] == meaning


@pytest.mark.parametrize(
    ("code", "day", "meaning"),
    [
        ("R", date(2020, 1, 1), "old"),
        ("R", date(2020, 12, 31), "old"),
        ("R", date(2021, 1, 1), "new"),
        ("R", date(9999, 12, 31), "new"),
        ("R", date(2019, 12, 31), None),
        ("E", date(2019, 12, 31), "early"),
        ("E", date(1, 1, 1), "early"),
        ("E", date(2020, 1, 1), None),
        ("L", date(1950, 1, 1), "low"),
        ("L", date(2050, 1, 1), "low"),
        ("T", date(2022, 6, 30), "low"),
        ("T", date(2022, 7, 1), None),
        ("D", date(2024, 5, 4), None),
        ("D", date(2024, 5, 5), "early"),
        ("D", date(2024, 5, 6), None),
        (None, date(2050, 1, 1), ""),
    ],
)
def test_a_code_means_what_it_meant_on_its_day(code: str | None, day: date, meaning: str | None) -> None:
    made = compiled()
    if meaning is None:
        with pytest.raises(Refused) as caught:
            made.state(rows(rate=code, eff=day))
        problem = caught.value.problem
        assert (problem.code, problem.field) == ("code.unmapped", "rate")
        assert problem.message == f"rate: {code!r} is not in the code table rate"
        assert problem.hint is not None and "on the day that `as_of` gives" in problem.hint
        return
    state = made.state(rows(rate=code, eff=day))
    assert state is not None
    assert (state["rate"], state["rates"]) == (meaning or None, [{"rate": meaning or None}])


def test_a_default_holds_on_each_day() -> None:
    text = MAPPING.replace("rate: CODE('rate', rate)", "rate: CODE('rate', rate, 'low')")
    state = compiled(text).state(rows(rate="R", eff=date(2019, 1, 1)))
    assert state is not None
    assert (state["rate"], state["rates"]) == ("low", [{"rate": "none"}])


def test_a_day_that_is_not_known_counts_as_the_last() -> None:
    text = MAPPING.replace("COALESCE(pol.eff, TO_DATE(pol.txt, 'YYYYMMDD'))", "pol.eff")
    state = compiled(text).state(rows(eff=None))
    assert state is not None and state["rate"] == "new"


def test_the_day_is_an_expression_and_its_columns_are_lineage() -> None:
    made = compiled()
    state = made.state(rows(eff=None, txt="20200229"))
    assert state is not None and state["rate"] == "old"
    with pytest.raises(Refused) as caught:
        made.state(rows(eff=None, txt="20190229"))
    assert (caught.value.problem.code, caught.value.problem.field) == ("value.not_a_date", "rate")
    (field,) = [f for f in made.fields if getattr(f, "path", "") == "rate"]
    assert sources(field.bound) == {"pol.rate", "pol.eff", "pol.txt"}


def test_the_version_follows_the_files() -> None:
    assert compiled(files={**FILES, "codes/status.csv": STATUS + "D,active\n"}).version != compiled().version


@pytest.mark.parametrize(
    ("old", "new", "code", "place"),
    [
        ("'YYYYMMDD'))", "'YYYYMMDD')", "expression.syntax", (10, 58)),
        ("pol.eff,", "pol.ef,", "column.unknown", (10, 21)),
        ("COALESCE(pol.eff, TO_DATE(pol.txt, 'YYYYMMDD'))", "pol.txt", "type.mismatch", (10, 12)),
        ("CODE('rate', rate)", "CODE('rate', 'R')", "code.constant", (15, 11)),
    ],
)
def test_what_is_wrong_with_a_day_is_found_once_at_its_place(
    old: str, new: str, code: str, place: tuple[int, int]
) -> None:
    assert MAPPING.count(old) == 1
    with pytest.raises(MappingInvalid) as caught:
        compiled(MAPPING.replace(old, new))
    assert [(f.code, f.line, f.column) for f in caught.value.findings] == [(code, *place)]


def test_a_day_that_the_rows_of_an_aggregate_do_not_know_is_told_at_the_aggregate() -> None:
    asked = "CODE('rate', rate)"
    with pytest.raises(MappingInvalid) as caught:
        compiled(MAPPING.replace(asked, "FIRST(CODE('rate', cov.rate))"))
    (found,) = caught.value.findings
    assert (found.code, found.line, found.column) == ("column.unknown", 15, 11)
    assert "the day of the code table rate reads pol.eff, which the rows of cov do not have" in found.message


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("    as_of: COALESCE(pol.eff, TO_DATE(pol.txt, 'YYYYMMDD'))\n", "", 9),
        ("{file: codes/status.csv}", "{file: ../status.csv}", 7),
        ("{file: codes/status.csv}", "{file: /etc/passwd}", 7),
        ("{file: codes/status.csv}", "{file: codes/../../status.csv}", 7),
        ("{file: codes/status.csv}", "{file: codes/status.csv, A: active}", 7),
    ],
)
def test_a_table_that_names_its_file_wrongly_is_refused(old: str, new: str, line: int) -> None:
    assert MAPPING.count(old) == 1
    with pytest.raises(MappingMalformed) as caught:
        compiled(MAPPING.replace(old, new))
    assert (caught.value.where or "").startswith(f"mappings/policy.yaml:{line}:")


def test_a_mapping_that_stands_alone_has_no_files() -> None:
    with pytest.raises(MappingMalformed):
        read_mapping(MAPPING, "mappings/policy.yaml")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "1:1"),
        ("\ufeffcode,meaning", "1:1"),
        ("code,meanin\nA,b", "1:6"),
        ("code,meaning,code\nA,b,c", "1:1"),
        ("code\nA", "1:1"),
        ("code;meaning\nA;b", "1:1"),
        ("code,meaning\nA,b\nB\n", "3:1"),
        ("code,meaning\nA,b\nB,c,d\n", "3:1"),
        ('code,meaning\nA,"b\n', "2:3"),
        ('code,meaning\nA,b"c\n', "2:3"),
        ('code,meaning\n"A"B,c\n', "2:1"),
        ("code,meaning\nA,b\nA,c", "3:1"),
        ("code,meaning,from\nA,b,2020", "2:5"),
        ("code,meaning,from\nA,b,2020-02-30", "2:5"),
        ("code,meaning,from,to\r\nA,b,2020-01-02, 2020-01-01", "2:17"),
        ("code,meaning,from,to\nA,b,2020-01-01,\nB,x,,\nA,c,,2020-01-01", "4:1"),
        ("code,meaning,from,to\nA,b,2020-01-01,\nA,c,,", "3:1"),
        ("code,meaning,from,to\nA,b,,\nA,c,2020-01-01,", "3:1"),
        ('code,meaning\n"A\nB",b\n"A\nB",c', "4:1"),
    ],
)
def test_every_mistake_in_a_file_has_its_place(text: str, place: str) -> None:
    with pytest.raises(CodesMalformed) as caught:
        read_codes(text, "codes/x.csv")
    assert caught.value.where == f"codes/x.csv:{place}"
    assert caught.value.advice


def test_cells_keep_what_quotes_keep() -> None:
    text = 'code,meaning\r\n " A " , "say ""no"""\r\n\r\nB b,\n"",nothing\n'
    assert read_codes(text, "x").entries == {" A ": 'say "no"', "B b": "", "": "nothing"}


def test_a_large_file_is_read_in_no_time() -> None:
    text = "code,meaning,from,to\n" + "".join(
        f"{n % 9000},m{n},{2000 + n // 9000}-01-01,{2000 + n // 9000}-12-31\n" for n in range(27_000)
    )
    assert len(read_codes(text, "x").dated) == 27_000
