"""`schema.yaml` is read as a person wrote it, and each mistake is told at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from translators.errors import DragomanError
from translators.schema import Encoding, Type
from translators.schema_text import read_schema

TEXT = """\
source: legacy
connector: sqlite
namespace: main
encoding: {decimal: string, time: adaptive, binary: bytes}
tables:
  polmst:
    context: policy
    key: [pol_no]
    replica_identity: full
    columns:
      pol_no: char(10) not null
      prem: decimal(9,2)
      upd: TIMESTAMP(3) WITH TIME ZONE  NOT NULL
      doc: bytea
  covdtl:
    key: [pol_no, "01"]
    columns:
      pol_no: char(10) not null
      "01": smallint not null
"""


def test_a_schema_is_read() -> None:
    schema = read_schema(TEXT, "schema.yaml")
    assert (schema.source, schema.connector, schema.namespace) == ("legacy", "sqlite", "main")
    assert schema.encoding == Encoding(decimal="string", time="adaptive", binary="bytes")
    polmst = schema.tables["polmst"]
    assert (polmst.name, polmst.context, polmst.key, polmst.replica_identity) == (
        "polmst",
        "policy",
        ("pol_no",),
        "full",
    )
    assert polmst.columns == {
        "pol_no": Type("text", nullable=False, padded=True, length=10),
        "prem": Type("decimal", 9, 2),
        "upd": Type("timestamptz", nullable=False),
        "doc": Type("opaque"),
    }
    assert polmst.native == {"pol_no": "char(10)", "prem": "decimal(9,2)", "upd": "TIMESTAMPtz(3)", "doc": "bytea"}
    assert list(schema.tables["covdtl"].columns) == ["pol_no", "01"]


def test_a_source_that_does_not_say_it_sends_no_more_than_its_database_does_by_itself() -> None:
    assert read_schema(TEXT, "s").tables["covdtl"].replica_identity == "full"
    postgres = TEXT.replace("sqlite", "postgresql")
    assert read_schema(postgres, "s").tables["covdtl"].replica_identity == "default"
    assert read_schema(postgres, "s").tables["polmst"].replica_identity == "full"


def test_what_may_be_left_out() -> None:
    text = "{source: a, connector: postgresql, namespace: public, tables: {t: {columns: {x: int}}}}"
    schema = read_schema(text, "s")
    assert schema.encoding == Encoding()
    assert (schema.tables["t"].key, schema.tables["t"].context) == ((), None)


WRONG: dict[str, tuple[str, str, str, str, str]] = {
    "unknown key at the top": (
        "source: legacy",
        "sauce: legacy",
        "schema.unknown-key",
        "1:1",
        "did you mean 'source'?",
    ),
    "unknown key of a table": ("    context:", "    contxt:", "schema.unknown-key", "7:5", "did you mean 'context'?"),
    "unknown key of the encoding": ("time:", "tiem:", "schema.unknown-key", "4:29", "did you mean 'time'?"),
    "no source": ("source: legacy\n", "", "schema.missing", "1:1", "'source'"),
    "unknown connector": ("sqlite", "sqlight", "schema.unknown-value", "2:12", "did you mean 'sqlite'?"),
    "unknown mode": ("adaptive", "adaptiv", "schema.unknown-value", "4:35", "did you mean 'adaptive'?"),
    "unknown identity": ("full", "ful", "schema.unknown-value", "9:23", "did you mean 'full'?"),
    "no type": ("decimal(9,2)", "decimal(9;2)", "schema.column-type", "12:13", "'decimal(9;2)'"),
    "type is empty": ("doc: bytea", "doc:", "schema.column-type", "14:7", "''"),
    "type is a list": ("bytea", "[bytea]", "schema.wrong-shape", "14:12", "'doc'"),
    "key is a text": ("[pol_no]", "pol_no", "schema.wrong-shape", "8:10", "a list of columns"),
    "key is no column": ("[pol_no]", "[pol_nr]", "schema.key-column", "8:11", "did you mean 'pol_no'?"),
    "tables is a list": ("tables:", "tables: []\nx:", "schema.wrong-shape", "5:9", "a mapping of tables"),
    "namespace is empty": ("namespace: main", "namespace: ''", "schema.wrong-shape", "3:12", "not empty"),
    "a column twice": ('"01": smallint', "pol_no: smallint", "yaml.duplicate-key", "19:7", "line 18"),
    "no YAML": ("[pol_no]", "[pol_no", "yaml.syntax", "9:21", "flow"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_told_at_its_place(name: str) -> None:
    old, new, code, where, said = WRONG[name]
    text = TEXT.replace(old, new, 1)
    if name == "tables is a list":
        text = text.replace("x:\n", "")[: text.index("x:")]
    with pytest.raises(DragomanError) as caught:
        read_schema(text, "schema.yaml")
    assert (caught.value.code, caught.value.where) == (code, f"schema.yaml:{where}")
    assert said in caught.value.message
    assert caught.value.advice


def test_a_table_without_columns() -> None:
    with pytest.raises(DragomanError) as caught:
        read_schema("{source: a, connector: sqlite, namespace: m, tables: {t: {key: []}}}", "s")
    assert (caught.value.code, caught.value.where) == ("schema.missing", "s:1:58")
    assert caught.value.message == "t has no 'columns'."


def test_the_schemas_of_the_recorded_feeds_are_read() -> None:
    for path in (Path(__file__).parents[1] / "data").glob("*/schema.yaml"):
        assert read_schema(path.read_text(encoding="utf-8"), path.name).tables
