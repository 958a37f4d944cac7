"""The tests beside a mapping, as `mappings/<name>.test.yaml` has them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, cast

from dragoman.forms import Environment, Section
from dragoman.project import Project
from pipeline.testing import OUTCOMES, Expected, MappingTest
from translators.change import Change, Coordinate, Op
from translators.errors import DragomanError
from translators.schema import LegacySchema, Table, Type
from translators.values import Opaque, Row, Value, key_text
from translators.yaml_text import YamlList, YamlMap, YamlNode, YamlScalar, did_you_mean, place

_NULLS = ("", "~", "null")


class TestMalformed(DragomanError):
    """{problem}."""

    code: ClassVar[str] = "test.malformed"
    hint: ClassVar[str] = "{fix}"


def file_of(translator: str) -> str:
    """The file of a translator's tests, in the project's folder."""
    return f"mappings/{translator}.test.yaml"


def read_tests(project: Project, translator: str) -> list[MappingTest]:
    """The tests of a translator; none if it has no test file. A `DragomanError` with its place if they are malformed."""
    file = file_of(translator)
    if not project.path(file).exists():
        return []
    return tests_of(project.text(file), file, project.schema)


def tests_of(text: str, file: str, schema: LegacySchema) -> list[MappingTest]:
    """The tests that a YAML text says; a `DragomanError` with its place if they are malformed."""
    environment = Environment({})
    form = Section.of(text, file, environment, TestMalformed).only(("tests",))
    reader = _Reader(file, schema, environment)
    return [reader.test(node) for node in form.items("tests")]


class _Reader:
    def __init__(self, file: str, schema: LegacySchema, environment: Environment) -> None:
        self._file = file
        self._schema = schema
        self._environment = environment
        self._position = 0

    def test(self, node: YamlNode) -> MappingTest:
        form = self._form(node, "a test").only(("name", "given", "expect"))
        given = form.section("given").only(("transactions",))
        transactions = tuple(self._transaction(n, number) for number, n in enumerate(given.items("transactions"), 1))
        expected = tuple(self._expected(n) for n in form.items("expect"))
        if len(transactions) != len(expected):
            problem = f"{len(transactions)} transactions are given, but {len(expected)} steps are expected"
            raise self._wrong(problem, "Say one expectation for each transaction.", form.node("expect"))
        return MappingTest(
            name=form.text("name"), where=form.where("name"), transactions=transactions, expected=expected
        )

    def _transaction(self, node: YamlNode, number: int) -> tuple[Change, ...]:
        if not isinstance(node, YamlList) or not node.items:
            raise self._wrong("a transaction is no list of changes", "Begin each change with `- `.", node)
        return tuple(self._change(item, number) for item in node.items)

    def _change(self, node: YamlNode, number: int) -> Change:
        form = self._form(node, "a change").only(("table", "op"), ("before", "after", "origin"))
        name = form.text("table")
        table = self._schema.tables.get(name)
        if table is None:
            known = did_you_mean(name, self._schema.tables)
            raise self._wrong(f"schema.yaml has no table {name}{known}", "Correct the name.", form.node("table"))
        op = cast(Op, form.one_of("op", ("c", "u", "d", "r")))
        before = self._row(table, form.node("before")) if "before" in form else None
        after = self._row(table, form.node("after")) if "after" in form else None
        row = before if op == "d" else after
        if row is None or (op == "d" and after is not None):
            raise self._wrong(f"a change with op {op} lacks its row", "c, u and r have `after`, d has `before`.", node)
        self._position += 1
        return Change(
            table=name,
            op=op,
            row_key=key_text(tuple(row[column] for column in table.key)),
            before=before,
            after=after,
            position=self._position,
            transaction=str(number),
            committed_after=number,
            time=datetime.fromtimestamp(number, UTC),
            at=Coordinate(self._file, 0, self._position),
            origin=form.text("origin") if "origin" in form else None,
        )

    def _row(self, table: Table, node: YamlNode) -> Row:
        if not isinstance(node, YamlMap):
            raise self._wrong("a row is no set of columns", "Write {column: value, ...}.", node)
        for column in node.items:
            if column not in table.columns:
                known = did_you_mean(column, table.columns)
                raise self._wrong(
                    f"{table.name} has no column {column}{known}", "Correct the name.", node.items[column]
                )
        return {column: self._value(node, column, of) for column, of in table.columns.items()}

    def _value(self, row: YamlMap, column: str, of: Type) -> Value:
        node = row.items.get(column)
        if node is None:
            if of.nullable or (of.kind == "text" and of.padded):
                # A CHAR column that a test does not name is blank, which is what such columns hold when nobody fills them.
                return None if of.nullable else ""
            raise self._wrong(f"the row lacks {column}, which is never null", f"Add `{column}:`.", row)
        if not isinstance(node, YamlScalar):
            raise self._wrong(f"{column} is no text", "Write its value as a text.", node)
        if not node.style and node.text in _NULLS:
            return None
        try:
            return _typed(node.text, of)
        except (ValueError, InvalidOperation) as error:
            raise self._wrong(f"{column} is {of}, which {node.text!r} is not", "Correct the value.", node) from error

    def _expected(self, node: YamlNode) -> Expected:
        form = self._form(node, "an expectation").only(("outcome",), ("events", "state", "code", "field", "reason"))
        events = None
        if "events" in form:
            rules = [self._form(n, "an event").only(("type",), ("data",)) for n in form.items("events")]
            events = tuple((r.text("type"), _plain(r.node("data")) if "data" in r else {}) for r in rules)
        return Expected(
            outcome=form.one_of("outcome", OUTCOMES),
            events=events,
            state=_plain(form.node("state")) if "state" in form else None,
            code=form.optional("code"),
            field=form.optional("field"),
            reason=form.optional("reason"),
            where=form.where("outcome"),
        )

    def _form(self, node: YamlNode, what: str) -> Section:
        return Section(node, self._file, what, self._environment, TestMalformed)

    def _wrong(self, problem: str, fix: str, node: YamlNode) -> TestMalformed:
        return TestMalformed(problem=problem, fix=fix, where=place(self._file, node.mark))


def _plain(node: YamlNode) -> Any:
    match node:
        case YamlMap(items):
            return {name: _plain(value) for name, value in items.items()}
        case YamlList(items):
            return [_plain(item) for item in items]
        case YamlScalar(text, _, style):
            return None if not style and text in _NULLS else text


def _typed(text: str, of: Type) -> Value:
    """A text as the decoder would give a value of this type; CHAR without its padding."""
    match of.kind:
        case "integer":
            return int(text)
        case "decimal":
            number = Decimal(text)
            fitted = number.quantize(Decimal(1).scaleb(-of.scale))
            if fitted != number:
                raise ValueError(text)
            return fitted
        case "wide":
            return Decimal(text)
        case "float":
            return float(text)
        case "date":
            return date.fromisoformat(text)
        case "timestamp" | "timestamptz":
            moment = datetime.fromisoformat(text)
            if (moment.tzinfo is None) != (of.kind == "timestamp"):
                raise ValueError(text)
            return moment if moment.tzinfo is None else moment.astimezone(UTC)
        case "boolean":
            return {"true": True, "false": False}[text]
        case "text":
            return text.rstrip(" ") if of.padded else text
        case _:
            return Opaque(text)
