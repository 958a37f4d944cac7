"""An example made out of a real change: the rows before it, the change itself, and what they say, classified fields masked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import orjson

from dragoman.mapping_tests import file_of, read_tests
from dragoman.one_change import Case, KeyUnknown, cases_of_file, cases_of_key
from dragoman.project import Project
from dragoman.rows import classified
from dragoman.updating import scalar, write_whole
from dragoman.wiring import reading
from pipeline.rehearse import LogFeed
from pipeline.testing import Said, run_test, say, shown
from translators.aggregate import Rows, apply, fresh, seen
from translators.change import Change
from translators.compiled import CompiledTranslator
from translators.errors import DragomanError
from translators.facts import Facts, facts_of
from translators.outcome import Ignored, Rejected
from translators.translator import Refused, keys_of, translate
from translators.values import Opaque, OutOfRange, Row, Unavailable, Value
from translators.yaml_text import YamlMap, load

_DAY = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_EPOCH = date(2000, 1, 1)


class NotRecordable(DragomanError):
    """No example can be made of {what}: {reason}."""

    code: ClassVar[str] = "test.not-recordable"
    hint: ClassVar[str] = "Take another change, or write the example by hand."


class NameTaken(DragomanError):
    """{file} has a test called {name!r} already."""

    code: ClassVar[str] = "test.name-taken"
    hint: ClassVar[str] = "Say in --name what this one shows."


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """What was written: `outcome` of the change; `masked` columns; `otherwise` is what it said before they were masked,
    if that was something else."""

    file: str
    translator: str
    key: str
    outcome: str
    events: tuple[str, ...]
    masked: tuple[str, ...]
    otherwise: str | None


def record(project: Project, name: str, only: str | None, file: Path | None, key: str | None) -> Recorded:
    """Add one example, called `name`, to the tests of the translator that the change is for."""
    case = _case(project, only, file, key)
    translator = project.translator(case.translator)
    tests = read_tests(project, case.translator)
    if name in {test.name for test in tests}:
        raise NameTaken(file=file_of(case.translator), name=name, where=file_of(case.translator))
    real = _transactions(case, translator.root)
    masks = _Masks(classified(project, case.translator))
    masked = [[masks.change(change) for change in transaction] for transaction in real]
    was, now = _summary(say(translator, real)[-1]), say(translator, masked)
    _append(project, case.translator, _test(name, masked, now))
    _prove(project, translator, name)
    outcome, events = _summary(now[-1])
    return Recorded(
        file=file_of(case.translator),
        translator=case.translator,
        key=case.key,
        outcome=outcome,
        events=events,
        masked=tuple(sorted(masks.used)),
        otherwise=None if was == (outcome, events) else ", ".join((was[0], *was[1])),
    )


def _case(project: Project, only: str | None, file: Path | None, key: str | None) -> Case:
    """The change: that of a record; or the first that waits of a key, else the last of it that was news."""
    cases = cases_of_file(project, file, only) if file is not None else cases_of_key(project, str(key), only)
    if len(cases) > 1:
        names = ", ".join(case.translator for case in cases)
        raise NotRecordable(what=file or key, reason=f"several translators read it ({names}): name one")
    case = cases[0]
    if case.changes:
        return case
    return last_in_log(project, case.translator, case.key)


def last_in_log(project: Project, name: str, key: str) -> Case:
    """The last change of a key in the log that was news, and its rows before. `KeyUnknown` if the log has none."""
    translator = project.translator(name)
    found: tuple[Rows, tuple[Change, ...]] | None = None
    rows: Rows = {}
    for changes in _transactions_of(project, translator, key):
        after = apply(rows, changes)
        if found is None or _is_news(translator, rows, after, facts_of(changes)):
            found = rows, changes
        rows = after
    if found is None:
        raise KeyUnknown(key=key)
    return Case(translator=name, key=key, rows=found[0], changes=found[1])


def _is_news(translator: CompiledTranslator, old: Rows, new: Rows, facts: Facts) -> bool:
    try:
        return translate(translator, old, new, facts).ignored is None
    except Refused:
        return True


def _transactions_of(project: Project, translator: CompiledTranslator, key: str) -> Iterator[tuple[Change, ...]]:
    """The changes of a key that the log holds, each transaction together, repeats left out."""
    decoder = project.decoder(translator)
    by_transaction: dict[str | None, list[Change]] = {}
    with reading(project) as log:
        for _, records in LogFeed(log, project.source.feed_of(translator)).changes():
            for r in records:
                decoded = decoder.decode(r.topic, r.partition or 0, r.offset or 0, r.key, r.value, r.headers)
                if (
                    isinstance(decoded, Change)
                    and decoded.table in translator.tables
                    and _is_of(translator, decoded, key)
                ):
                    by_transaction.setdefault(decoded.transaction, []).append(decoded)
    positions: dict[str, dict[str, int]] = {}
    for changes in by_transaction.values():
        if news := fresh(positions, list({change.identity: change for change in changes}.values())):
            positions = seen(positions, news)
            yield tuple(news)


def _is_of(translator: CompiledTranslator, change: Change, key: str) -> bool:
    try:
        return key in keys_of(translator, change)
    except Refused:
        return False


def _transactions(case: Case, root: str) -> list[list[Change]]:
    """The example's transactions: one that brings about the rows before, if there are any, and the change."""
    first = case.changes[0]
    rows = [(table, row_key, row) for table, found in case.rows.items() for row_key, row in found.items()]
    rows.sort(key=lambda item: (item[0] != root, item[0], item[1]))
    before = [
        msgspec.structs.replace(first, table=table, op="c", row_key=row_key, before=None, after=row, flagged=())
        for table, row_key, row in rows
    ]
    transactions = [before, list(case.changes)] if before else [list(case.changes)]
    position = 0
    for number, transaction in enumerate(transactions, start=1):
        for at, change in enumerate(transaction):
            position += 1
            transaction[at] = msgspec.structs.replace(
                change, position=position, transaction=str(number), committed_after=number
            )
    return transactions


class _Masks:
    """Stand-ins for classified values: the same for the same value, another for another, of the same form."""

    def __init__(self, hidden: frozenset[str] | None) -> None:
        self.used: set[str] = set()
        self._hidden = hidden
        self._given: dict[str, Value] = {}
        self._taken: set[Value] = set()

    def change(self, change: Change) -> Change:
        """A change with its classified columns masked."""
        before, after = (self._row(change.table, row) for row in (change.before, change.after))
        return msgspec.structs.replace(change, before=before, after=after)

    def _row(self, table: str, row: Row | None) -> Row | None:
        if row is None:
            return None
        return {column: self._value(f"{table}.{column}", value) for column, value in row.items()}

    def _value(self, column: str, value: Value) -> Value:
        if (self._hidden is not None and column not in self._hidden) or value is None or value == "":
            return value
        self.used.add(column)
        known = repr(value)
        if known not in self._given:
            number = 0
            while ((masked := _masked(value, number)) in self._taken or masked == value) and number < 1_000:
                number += 1
            self._taken.add(masked)
            self._given[known] = masked
        return self._given[known]


def _masked(value: Value, number: int) -> Value:
    """The stand-in of a value, the `number`th of its form."""
    match value:
        case bool():
            return value
        case datetime():
            return value.replace(2000, 1, 1, 0, 0, 0, 0) + timedelta(days=number)
        case date():
            return _EPOCH + timedelta(days=number)
        case int():
            return int(10 ** (len(str(abs(value))) - 1)) + number
        case Decimal():
            return Decimal(1 + number).quantize(value)
        case str() if _DAY.fullmatch(value.strip()):
            return (_EPOCH + timedelta(days=number)).strftime("%Y%m%d")
        case str():
            return _lettered(value, number)
        case _:
            return value


def _lettered(text: str, number: int) -> str:
    """Letters become X, digits 0; the number is written over the end."""
    form = "".join("0" if c.isdigit() else "X" if c.isupper() else "x" if c.isalpha() else c for c in text)
    tail = str(number) if number else ""
    return form[: max(0, len(form) - len(tail))] + tail


def _summary(said: Said) -> tuple[str, tuple[str, ...]]:
    return said.label, tuple(kind for kind, _ in said.events)


def _test(name: str, transactions: Sequence[Sequence[Change]], said: Sequence[Said]) -> list[str]:
    """The lines of a test, as an item of `tests:`."""
    lines = [f"- name: {_word(name)}", "  given:", "    transactions:"]
    for changes in transactions:
        for number, change in enumerate(changes):
            lines.append(f"      {'- -' if number == 0 else '  -'} table: {change.table}")
            lines.append(f"          op: {change.op}")
            for image, row in (("before", change.before), ("after", change.after)):
                if row is not None:
                    lines.append(f"          {image}: {_row(change.table, row)}")
    lines.append("  expect:")
    *before, last = said
    lines += [f"    - outcome: {one.label}" for one in before]
    return lines + _expectation(last, before[-1].state if before else None)


def _expectation(said: Said, before: Any) -> list[str]:
    """What the change says: its events whole; without any, what of the state is not what it was."""
    lines = [f"    - outcome: {said.label}"]
    match said.outcome:
        case Rejected(problem):
            lines.append(f"      code: {_word(problem.code)}")
            if problem.field:
                lines.append(f"      field: {_word(problem.field)}")
        case Ignored(reason):
            lines.append(f"      reason: {_word(reason)}")
        case _:
            lines.append("      events:" + ("" if said.events else " []"))
    for kind, data in said.events:
        lines += [f"        - type: {_word(kind)}", "          data:", *_members(data, " " * 12)]
    changed = {name: value for name, value in (said.state or {}).items() if value != (before or {}).get(name)}
    if said.label == "translated" and not said.events and changed:
        lines += ["      state:", *_members(changed, " " * 8)]
    return lines


def _members(data: dict[str, Any], indent: str) -> Iterator[str]:
    for name, value in data.items():
        if isinstance(value, dict):
            yield f"{indent}{name}:"
            yield from _members(value, indent + "  ")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield f"{indent}{name}:"
            for element in value:
                first, *rest = _members(element, indent + "    ")
                yield f"{indent}  - {first.lstrip()}"
                yield from rest
        else:
            yield f"{indent}{name}: {_word(shown(value), value is None) if value != [] else '[]'}"


def _row(table: str, row: Row) -> str:
    """A row in one line; what is null is left out, as the reader takes it."""
    cells = []
    for column, value in row.items():
        if isinstance(value, Unavailable | OutOfRange):
            raise NotRecordable(what=f"{table}.{column}", reason="its value was not sent, or has no text")
        if value is not None:
            cells.append(f"{column}: {_word(_text(value))}")
    return "{" + ", ".join(cells) + "}"


def _text(value: Value) -> str:
    match value:
        case bool():
            return str(value).lower()
        case Decimal():
            return format(value, "f")
        case date() | datetime():
            return value.isoformat()
        case Opaque(text):
            return text
        case _:
            return str(value)


def _word(text: str, is_null: bool = False) -> str:
    """A text as one scalar of YAML; in double quotes YAML reads what JSON writes."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    found = scalar(text, is_null)
    return orjson.dumps(str(text)).decode() if isinstance(found, DoubleQuotedScalarString) else str(found)


def _append(project: Project, translator: str, lines: Iterable[str]) -> None:
    """Put a test behind the last one of the file, indented like it; a file that is not there is made."""
    file = file_of(translator)
    text, indent = "tests:\n", "  "
    if project.path(file).exists():
        text = project.text(file)
        top = load(text, file)
        listed = top.items["tests"] if isinstance(top, YamlMap) else top
        last = getattr(listed, "items", None)
        indent = " " * (last[-1].mark.column - 3) if isinstance(last, list) and last else indent
        text = text.rstrip("\n") + "\n\n"
    write_whole(project, file, text + "".join(f"{indent}{line}\n" for line in lines))


def _prove(project: Project, translator: CompiledTranslator, name: str) -> None:
    """The example, read back from its file, has to hold: what was written is what was meant."""
    test = next(test for test in read_tests(project, translator.name) if test.name == name)
    if not all(step.holds for step in run_test(translator, test)):
        reason = "what was written does not hold when it is read again; it is in the file, correct it there"
        raise NotRecordable(what=name, reason=reason, where=test.where)
