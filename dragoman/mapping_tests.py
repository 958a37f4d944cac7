"""The tests beside a mapping: `mappings/<name>.test.yaml`, read and run through the pipeline's own step, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, cast

import msgspec
import orjson

from dragoman.forms import Environment, Section
from dragoman.project import Project
from dragoman.streams import word
from pipeline.batch import Batch, label_of
from pipeline.cloudevents import Producer
from pipeline.state.memory import MemoryState
from translators.change import Change, Coordinate, Op
from translators.compiled import CompiledTranslator
from translators.errors import DragomanError
from translators.outcome import Ignored, Outcome, Rejected
from translators.schema import LegacySchema, Table, Type
from translators.translator import Refused, keys_of
from translators.values import Opaque, Row, Value, key_text
from translators.yaml_text import YamlList, YamlMap, YamlNode, YamlScalar, did_you_mean, place

OUTCOMES = ("translated", "loaded", "ignored", "rejected", "parked")
_NULLS = ("", "~", "null")


class TestMalformed(DragomanError):
    """{problem}."""

    code: ClassVar[str] = "test.malformed"
    hint: ClassVar[str] = "{fix}"


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What one step has to say. Trees are as YAML has them: every value a text, null for nothing."""

    outcome: str
    events: tuple[tuple[str, Any], ...] | None
    state: Any
    code: str | None
    field: str | None
    reason: str | None
    where: str


class MappingTest(msgspec.Struct, frozen=True, kw_only=True):
    """One test: transactions of changes, and what is expected of each."""

    name: str
    where: str
    transactions: tuple[tuple[Change, ...], ...]
    expected: tuple[Expected, ...]


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What one step did say, as JSON has it."""

    outcome: Outcome
    events: tuple[tuple[str, Any], ...]
    state: Any


class Mismatch(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was expected otherwise; `step` counts from 1."""

    step: int
    what: str
    expected: str
    got: str
    where: str


def read_tests(project: Project, translator: str) -> list[MappingTest]:
    """The tests of a translator; none if it has no test file. A `DragomanError` with its place if they are malformed."""
    file = f"mappings/{translator}.test.yaml"
    if not project.path(file).exists():
        return []
    environment = Environment({})
    form = Section.of(project.text(file), file, environment, TestMalformed).only(("tests",))
    reader = _Reader(file, project.schema, environment)
    return [reader.test(node) for node in form.items("tests")]


def run_test(translator: CompiledTranslator, test: MappingTest) -> list[Mismatch]:
    """Run a test; what was otherwise than expected, nothing if it holds."""
    store = MemoryState()
    waiting: set[str] = set()
    found: list[Mismatch] = []
    for number, (changes, expected) in enumerate(zip(test.transactions, test.expected, strict=True), start=1):
        said = _step(translator, store, waiting, changes)
        found += _compared(number, expected, said)
    return found


class _Observed(Batch):
    """A batch that remembers the outcome of its last step."""

    outcome: Outcome | None = None

    def count_outcome(self, changes: Sequence[Change], outcome: Outcome, by: int = 1) -> None:
        """See `Batch`."""
        self.outcome = outcome
        super().count_outcome(changes, outcome, by)


def _step(translator: CompiledTranslator, store: MemoryState, waiting: set[str], changes: Sequence[Change]) -> Said:
    batch = _Observed(translator, _producer(translator), store, 0, waiting, "dead-letters")
    key = keys_of(translator, changes[0])[0]
    batch.step(key, changes, 0)
    store.save(batch.save)
    if batch.outcome is None:
        raise RuntimeError("positions rise, so no change of a test is a repeat")
    events = tuple((_type(dict(record.headers)), orjson.loads(record.value or b"null")) for record in batch.events)
    return Said(outcome=batch.outcome, events=events, state=_state(translator, store, key))


def _type(headers: dict[str, bytes | None]) -> str:
    return ".".join((headers["ce_type"] or b"").decode().rsplit(".", 2)[1:])


def _state(translator: CompiledTranslator, store: MemoryState, key: str) -> Any:
    stored = store.load([key]).get(key)
    if stored is None:
        return None
    try:
        state = translator.state(stored.rows)
    except Refused:
        return None
    return None if state is None else orjson.loads(orjson.dumps(state, default=str))


def _producer(translator: CompiledTranslator) -> Producer:
    return Producer(
        namespace="test",
        context=translator.context,
        source="test",
        source_epoch=1,
        translator=translator.name,
        state_epoch=1,
        generation=1,
        mapping_version=translator.version,
        producer_version="",
        events_topic="events",
        state_topic="state",
    )


def _compared(step: int, expected: Expected, said: Said) -> list[Mismatch]:
    found: list[tuple[str, str, str]] = []
    outcome = label_of(said.outcome)
    problem = said.outcome.problem if isinstance(said.outcome, Rejected) else None
    if outcome.partition(":")[0] != expected.outcome:
        why = f" ({problem.code}: {problem.message})" if problem else ""
        found.append(("outcome", expected.outcome, f"{outcome}{why}"))
    if expected.reason is not None:
        got = said.outcome.reason if isinstance(said.outcome, Ignored) else "-"
        found += _differs("reason", expected.reason, got)
    if expected.code is not None:
        found += _differs("code", expected.code, problem.code if problem else "-")
    if expected.field is not None:
        found += _differs("field", expected.field, (problem.field if problem else None) or "-")
    if expected.events is not None:
        found += _events(expected.events, said.events)
    if expected.state is not None:
        found += _subset("state", expected.state, said.state)
    return [Mismatch(step=step, what=what, expected=e, got=g, where=expected.where) for what, e, g in found]


def _differs(what: str, expected: str, got: str) -> list[tuple[str, str, str]]:
    return [] if expected == got else [(what, expected, got)]


def _events(expected: tuple[tuple[str, Any], ...], got: tuple[tuple[str, Any], ...]) -> list[tuple[str, str, str]]:
    types = [kind for kind, _ in expected], [kind for kind, _ in got]
    if types[0] != types[1]:
        return [("events", ", ".join(types[0]) or "none", ", ".join(types[1]) or "none")]
    found = []
    for (kind, wanted), (_, data) in zip(expected, got, strict=True):
        found += _subset(kind, wanted, data)
    return found


def _subset(path: str, expected: Any, got: Any) -> list[tuple[str, str, str]]:
    """What is expected and not there; members that are not expected may be anything."""
    if isinstance(expected, dict):
        if not isinstance(got, dict):
            return [(path, "an object", word(got))]
        found = []
        for name, value in expected.items():
            if name not in got:
                found.append((f"{path}.{name}", word(value), "there is no such field"))
            else:
                found += _subset(f"{path}.{name}", value, got[name])
        return found
    if isinstance(expected, list):
        if not isinstance(got, list) or len(expected) != len(got):
            length = f"{len(got)} elements" if isinstance(got, list) else word(got)
            return [(path, f"{len(expected)} elements", length)]
        return [
            m for at, (e, g) in enumerate(zip(expected, got, strict=True), 1) for m in _subset(f"{path}[{at}]", e, g)
        ]
    return [] if word(expected) == word(got) else [(path, word(expected), word(got))]


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
        form = self._form(node, "a change").only(("table", "op"), ("before", "after"))
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
