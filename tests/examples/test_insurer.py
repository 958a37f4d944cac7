"""The insurer's project: contracts that their examples keep, mappings that say what their tests say, and a working day."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from itertools import groupby
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from connectors.capture import SqliteCapture
from examples.insurer.consumers.documents import Documents
from tests.examples.support import (
    CONTEXTS,
    a_legacy,
    captured,
    changes,
    contracts,
    legacy_schema,
    spec,
    translator,
    yaml,
)
from translators.aggregate import Rows, apply
from translators.change import Change
from translators.schema import Table
from translators.translator import Refused, translate
from translators.values import Row, Value, key_text


@pytest.mark.parametrize("name", sorted(contracts()))
def test_the_examples_of_a_contract_keep_it(name: str) -> None:
    contract = contracts()[name]
    promise = contract.promise
    assert promise.examples
    for example in promise.examples:
        made = contract.model_validate(example)
        assert made.model_dump(mode="json") == example
    assert set(promise.business_key) <= contract.model_fields.keys()
    assert set(promise.times) - {"time"} <= contract.model_fields.keys()


@pytest.mark.parametrize("context", CONTEXTS)
def test_every_contract_of_a_context_is_mapped(context: str) -> None:
    made = translator(context)
    assert made.bound.findings == ()
    mapped = {made.state_type, *made.event_types}
    assert mapped == {name for name, contract in contracts().items() if contract.promise.context == context}


def test_names_in_the_project_agree() -> None:
    project = yaml("dragoman.yaml")
    assert project["translators"] == list(CONTEXTS)
    assert project["source"] == legacy_schema().source
    view, check = yaml("consumers/policy_view.yaml"), yaml("checks/policy.yaml")
    assert (view["projection"], view["reads"]) == (check["view"], check["mapping"])
    policy = contracts()["Policy.v1"].model_fields
    paths = [*view["key"].values(), *view["columns"].values(), *view["children"]]
    assert {path.split(".")[0] for path in paths} <= policy.keys()
    assert yaml("consumers/documents.yaml")["reads"] == list(Documents.reads)
    for context in CONTEXTS:
        assert translator(context).tables <= {table.name for table in spec().tables}


def typed(table: Table, given: Mapping[str, Any]) -> Row:
    """A row of a mapping's test: a column that is left out is null."""
    assert given.keys() <= table.columns.keys()
    row: Row = {}
    for column, type_ in table.columns.items():
        value = given.get(column)
        row[column] = value if value is None else {"integer": int, "decimal": Decimal}.get(type_.kind, str)(value)
    return row


def includes(found: Any, expected: Any) -> bool:
    """Whether the expected part is there; values are compared as texts."""
    if isinstance(expected, dict):
        return all(includes(found[name], value) for name, value in expected.items())
    return str(found) == str(expected)


TESTS = [
    pytest.param(context, test, id=f"{context}: {test['name']}")
    for context in CONTEXTS
    for test in yaml(f"mappings/{context}.test.yaml")["tests"]
]


@pytest.mark.parametrize(("context", "test"), TESTS)
def test_a_mapping_says_what_its_test_says(context: str, test: Mapping[str, Any]) -> None:
    made = translator(context)
    rows: Rows = {}
    assert len(test["given"]["transactions"]) == len(test["expect"])
    for transaction, expected in zip(test["given"]["transactions"], test["expect"], strict=True):
        after = {table: dict(held) for table, held in rows.items()}
        for change in transaction:
            table = legacy_schema().tables[change["table"]]
            old, new = (typed(table, change[i]) if i in change else None for i in ("before", "after"))
            key = key_text(tuple((new or old or {})[column] for column in table.key))
            held = after.setdefault(table.name, {})
            assert held.get(key) == old
            if new is None:
                del held[key]
            else:
                held[key] = new
        try:
            found = translate(made, rows, after)
        except Refused as refused:
            assert (expected["outcome"], expected["code"], expected["field"]) == (
                "rejected",
                refused.problem.code,
                refused.problem.field,
            )
            continue
        rows = after
        assert expected["outcome"] == ("translated" if found.changed or found.events else "ignored")
        assert expected.get("reason") == found.ignored
        if "events" in expected:
            assert [e.type for e in found.events] == [e["type"] for e in expected["events"]]
            for event, wanted in zip(found.events, expected["events"], strict=True):
                assert includes(event.data, wanted.get("data", {}))
        assert includes(found.state, expected.get("state", {}))


class Day:
    """A day of the insurer through capture, decoder and translators: what was said of each step."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Rows] = {}
        self.events: Counter[str] = Counter()
        self.steps: list[tuple[str, ...]] = []
        self.ignored: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.said: list[tuple[str, Mapping[str, Any]]] = []

    def read(self, capture: SqliteCapture) -> None:
        """A snapshot, then nothing else: no news."""
        for change in changes(record for batch in capture.snapshot() for record in batch):
            self._load(change)

    def _load(self, change: Change) -> None:
        for name in CONTEXTS:
            made = translator(name)
            if change.table in made.tables:
                key = (name, made.key_of(change.table, change.after or {}))
                self.rows[key] = apply(self.rows.get(key, {}), [change])

    def work(self, found: list[Change]) -> None:
        """The changes in order; a step is what one transaction did to one key."""
        for _, transaction in groupby(found, key=lambda change: change.transaction):
            together = list(transaction)
            for name in CONTEXTS:
                steps: dict[str, list[Change]] = {}
                for change in together:
                    if change.table in translator(name).tables:
                        row = change.after or change.before or {}
                        steps.setdefault(translator(name).key_of(change.table, row), []).append(change)
                for key, step in steps.items():
                    self._step(name, key, step)

    def _step(self, name: str, key: str, step: list[Change]) -> None:
        old = self.rows.get((name, key), {})
        new = apply(old, step)
        self.rows[name, key] = new
        try:
            said = translate(translator(name), old, new)
        except Refused as refused:
            self.refused[refused.problem.code] += 1
            return
        self.steps.append(tuple(event.type for event in said.events))
        self.events.update(event.type for event in said.events)
        self.said += [(event.type, event.data) for event in said.events]
        if said.ignored:
            self.ignored[said.ignored] += 1


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> tuple[Day, dict[tuple[str, str], Row]]:
    """A working day with a nightly job and an unmapped code; and all rows that the legacy holds at its end."""
    path = tmp_path_factory.mktemp("day") / "legacy.db"
    connection, application = a_legacy(path, 21)
    capture = captured(path, connection)
    made = Day()
    made.read(capture)
    position = capture.position()
    application.run(500)
    application.nightly_job()
    suspended = application.unmapped_code(3)
    application.run(300)
    while True:
        records, reached = capture.changes(position, 200)
        if reached == position:
            break
        position = reached
        made.work(changes(records))
    held = _rows(connection)
    capture.close()
    connection.close()
    assert len(suspended) == 3
    return made, held


def _rows(connection: sqlite3.Connection) -> dict[tuple[str, str], Row]:
    """All rows of the feeds' tables by plain SQL, CHAR without its padding, decimals exact."""
    found: dict[tuple[str, str], Row] = {}
    for table in spec().tables:
        for values in connection.execute(f"SELECT {', '.join(table.columns)} FROM {table.name}"):
            row = {c: _value(table, c, v) for c, v in zip(table.columns, values, strict=True)}
            found[table.name, "/".join(str(row[column]) for column in table.key)] = row
    return found


def _value(table: Table, column: str, value: Any) -> Value:
    type_ = table.columns[column]
    if value is None or type_.kind == "integer":
        return int(value) if value is not None else None
    return Decimal(value) if type_.kind == "decimal" else str(value).rstrip(" ") if type_.padded else str(value)


def test_the_rows_of_a_day_end_as_the_legacy_holds_them(day: tuple[Day, dict[tuple[str, str], Row]]) -> None:
    worked, held = day
    found: dict[tuple[str, str], Row] = {}
    for rows in worked.rows.values():
        for table, of_table in rows.items():
            found |= {(table, key): row for key, row in of_table.items()}
    assert found == held


def test_every_event_happens_and_keeps_its_contract(day: tuple[Day, dict[tuple[str, str], Row]]) -> None:
    worked, _ = day
    assert set(worked.events) == {name for name, c in contracts().items() if c.promise.kind == "event"}
    for type_, data in worked.said:
        contracts()[type_].model_validate(data, strict=True)


def test_what_happens_together_makes_sense(day: tuple[Day, dict[tuple[str, str], Row]]) -> None:
    worked, _ = day
    together = {step for step in worked.steps if len(step) > 1}
    assert together == {("ClaimRegistered.v1", "ClaimAccepted.v1")}


def test_only_the_unmapped_code_is_refused(day: tuple[Day, dict[tuple[str, str], Row]]) -> None:
    worked, _ = day
    assert worked.refused.keys() == {"code.unmapped"}
    assert worked.ignored["nightly recalculation touches every row"] > 60


class Event:
    """What the document service needs of an event."""

    def __init__(self, number: int, type_: str, data: Mapping[str, Any]) -> None:
        self.id = str(number)
        self.type = f"com.example.insurer.{contracts()[type_].promise.context}.{type_}"
        self.subject = "the key"
        self.time = None
        self.data = data


def test_letters_are_written_for_what_customers_should_hear(day: tuple[Day, dict[tuple[str, str], Row]]) -> None:
    worked, _ = day
    said = [(type_, data) for type_, data in worked.said if not type_.startswith("ClaimPayment")]
    engine = create_engine("sqlite://")
    documents = Documents()
    with engine.begin() as connection:
        documents.prepare(connection)
        for number, (type_, data) in enumerate(said):
            documents.handle(Event(number, type_, data), connection)
        letters = connection.execute(text("SELECT event_id, template, body FROM letter")).fetchall()
    engine.dispose()
    wanted = [(str(n), type_.removesuffix(".v1")) for n, (type_, _) in enumerate(said) if type_ != "PolicyQuoted.v1"]
    assert [(id_, template) for id_, template, _ in letters] == wanted
    assert all("{" not in body for *_, body in letters)
