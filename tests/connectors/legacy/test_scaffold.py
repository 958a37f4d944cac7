"""Whatever a legacy schema looks like, the project that is guessed from it has no finding."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from connectors.legacy.guess import guess
from connectors.legacy.names import field_names, pascal, snake, thing_words
from connectors.legacy.reflect import LegacyColumn, LegacyTable, Reference, Reflectable, Reflection
from connectors.legacy.scaffold import Login, Scaffold
from dragoman.linting import Lint
from dragoman.project import Project
from dragoman.settings import read_settings

_TYPES: Mapping[Reflectable, tuple[str, ...]] = {
    "postgresql": ("char(2)", "varchar(4)", "text", "numeric", "numeric(9,2)", "double precision", "date", "bytea", "uuid",
                   "timestamp(3) without time zone", "timestamp with time zone", "boolean", "jsonb", "integer[]", "interval",
                   "enum('a','b: c','d''e')"),
    "mariadb": ("char(2)", "varchar(4)", "longtext", "decimal(10,0)", "double", "date", "blob", "datetime(6)", "timestamp",
                "tinyint(1)", "bigint(20) unsigned", "enum('x','y z')", "set('a','b')", "year(4)", "bit(3)", "time"),
    "sqlite": ("CHAR(2)", "VARCHAR(4)", "TEXT", "NUMERIC", "DECIMAL(9,2)", "REAL", "DATE", "BLOB", "DATETIME", "BOOLEAN",
               "bigint", "bytea"),
}  # fmt: skip
_PHASES = (Phase.explicit, Phase.generate, Phase.shrink)
_KEYS = ("integer", "char(10)", "varchar(20)", "bigint", "numeric(9,0)", "date")
_ODD = st.sampled_from((
    "order", "Select", "unit price", "polSts", "pol_sts", "pol_typ", "POL_NO", "class", "copy", "date", "time", "9lives",
    "größe", "顧客", "a:b", "#x", "it's", 'sa"id', "yes", "null", "model_config", "promise", "birth_dt", "password", "iban",
    "cust_nm",
    "transaction", "old", "new", "created", "deleted", "count", "common_row", "GenericThing", "list", "-", "_id", "xyz",
    "Xyz",
    "self", "cd", "ind", "x" * 60, "owner", "version", "json", "str", "notification",
))  # fmt: skip
_NAMES = _ODD | st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=12).filter(
    lambda name: not {".", ",", "$", "\ufeff"} & set(name)
)
_CODES = st.lists(
    st.sampled_from(
        ("A", "a", "01", "1", "yes", "Y", "N", "shipped", "SHIPPED", "in work", "it's", "a: b", "#", "created")
    ),
    max_size=6,
    unique=True,
)


@st.composite
def _tables(draw: st.DrawFn, connector: Reflectable) -> LegacyTable:
    key = draw(st.lists(_NAMES, min_size=1, max_size=3, unique_by=str.casefold))
    rest = [
        n
        for n in draw(st.lists(_NAMES, max_size=7, unique_by=str.casefold))
        if n.casefold() not in map(str.casefold, key)
    ]
    columns = [LegacyColumn(name=name, type=draw(st.sampled_from(_KEYS)), nullable=draw(st.booleans())) for name in key]
    columns += [
        LegacyColumn(name=name, type=draw(st.sampled_from(_TYPES[connector])), nullable=draw(st.booleans()))
        for name in rest
    ]
    return LegacyTable(
        name=draw(_NAMES),
        columns=tuple(columns),
        key=tuple(key),
        replica_identity=draw(st.sampled_from(("default", "full"))) if connector == "postgresql" else "full",
        unsent=draw(st.sampled_from(({}, {"x\ty": "is\nunknown"}))),
    )


@st.composite
def _reflections(draw: st.DrawFn) -> tuple[Reflection, dict[str, dict[str, tuple[str, ...]]]]:
    connector = draw(st.sampled_from(tuple(_TYPES)))
    tables = {table.name: table for table in draw(st.lists(_tables(connector), min_size=1, max_size=4))}
    if draw(st.booleans()):
        above = next(iter(tables.values()))
        lines = LegacyTable(
            name=f"{above.name[:40]} lines",
            columns=(*above.columns, LegacyColumn(name="lin_no#", type="integer", nullable=False)),
            key=(*above.key, "lin_no#"),
            references=(Reference(columns=above.key, target=above.name, target_columns=above.key),)
            if draw(st.booleans())
            else (),
            unsent={},
        )
        tables[lines.name] = lines
    codes = {
        table.name: {
            column.name: tuple(sorted(draw(_CODES))) for column in table.columns if _may_be_a_code(table, column)
        }
        for table in tables.values()
    }
    return Reflection(
        connector=connector, namespace=draw(st.sampled_from(("public", "Old ERP"))), tables=tables, left_out={}
    ), codes


def _may_be_a_code(table: LegacyTable, column: LegacyColumn) -> bool:
    return column.name not in table.key and column.type.lower().startswith(("char", "varchar"))


def _findings(reflection: Reflection, codes: Mapping[str, Mapping[str, tuple[str, ...]]], folder: Path) -> list[str]:
    found = guess(reflection, codes, has_transactions=reflection.connector != "sqlite", named=True)
    scaffold = Scaffold(
        project="erp",
        namespace="com.example.erp",
        reflection=reflection,
        things=found.things,
        login=Login(host="db", port=5432, user="reader", database="erp", path="../erp.db"),
    )
    for name, text in scaffold.files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    lint = Lint(Project(read_settings(folder, {})), date(2026, 3, 2))
    lint.run()
    assert lint.looked_at["mapping"] == len(found.things) > 0
    return [f"{one.where} {one.code} {one.message}" for one in lint.findings]


@settings(
    phases=_PHASES,
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(made=_reflections())
def test_a_guessed_project_has_no_finding(made: tuple[Reflection, dict[str, dict[str, tuple[str, ...]]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert _findings(*made, Path(folder)) == []


@pytest.mark.parametrize(
    ("table", "thing"),
    [
        ("polmst", "Policy"),
        ("clm_hdr", "Claim"),
        ("tblCustomers", "Customer"),
        ("ordlin", "OrderLine"),
        ("order status", "OrderStatus"),
        ("addresses", "Address"),
        ("common_rates", "RateCommon"),
    ],
)
def test_a_table_is_called_by_what_it_is_about(table: str, thing: str) -> None:
    assert pascal(thing_words(table)) == thing
    assert snake(thing_words("2nd thing")).isidentifier()


def test_a_field_never_keeps_a_cryptic_name() -> None:
    assert field_names([("pol_no", "text"), ("xqz", "text"), ("order_id", "integer"), ("date", "date")]) == {
        "pol_no": "policyNumber",
        "xqz": "xqzText",
        "order_id": "orderId",
        "date": "dateValue",
    }
    assert field_names([("ol_no", "integer"), ("ol_qty", "integer"), ("ol_amt", "integer")]) == {
        "ol_no": "number",
        "ol_qty": "quantity",
        "ol_amt": "amount",
    }


def test_only_twenty_things_are_guessed_unless_tables_are_named() -> None:
    tables = {
        f"thing{at:03}": LegacyTable(
            name=f"thing{at:03}",
            columns=(LegacyColumn(name=f"id{at}", type="integer", nullable=False),),
            key=(f"id{at}",),
            unsent={},
        )
        for at in range(300)
    }
    reflection = Reflection(connector="postgresql", namespace="public", tables=tables, left_out={})
    found = guess(reflection, {}, has_transactions=True, named=False)
    assert len(found.things) == 20
    assert len(found.left_out) == 280
    assert "--table" in found.left_out["thing299"]
    assert len(guess(reflection, {}, has_transactions=True, named=True).things) == 300
