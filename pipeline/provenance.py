"""What a key's state was at a time, and which step, event and legacy change set each of its fields last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from pipeline.evidence import Published
from pipeline.history import History, Picture, Step
from translators.change import Change
from translators.lineage import Line
from translators.values import Value

Teller = Literal["stream", "rows", "state", "nothing"]
"""Who says what the state was: the state stream, as it said it then; the rows of that time, by today's mapping; the rows
that the translator keeps now, by today's mapping; nobody any longer."""


class AsOf(msgspec.Struct, frozen=True, kw_only=True):
    """The state at a time, by the source's commit times; `picture.state` `None` where the thing did not exist then.

    `step` is the one that said it, `mapping_version` the mapping by which it is said.
    """

    picture: Picture
    teller: Teller
    step: Step | None = None
    mapping_version: str | None = None


class ColumnChange(msgspec.Struct, frozen=True, kw_only=True):
    """One legacy column that a step changed; `old` is `None` for an inserted row, `new` for a deleted one, see `op`.

    `column` is `*` where it is the row that came or went.
    """

    table: str
    row_key: str
    op: str
    column: str
    old: Value
    new: Value


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """One step that set one field: `events` are those of the step that say it, `columns` the legacy changes behind it.

    `old` is absent (`...`) where the field did not exist before, `new` where it does not exist any more.
    """

    field: str
    old: Any
    new: Any
    step: Step
    events: tuple[Published, ...]
    columns: tuple[ColumnChange, ...]


def until(steps: Iterable[Step], at: datetime | None) -> list[Step]:
    """The steps up to a time; what a snapshot brought has no time of its own and stands before all."""
    return [step for step in steps if at is None or step.time is None or step.time <= at]


def as_of(life: History, at: datetime | None) -> AsOf:
    """The state at a time, `None`: now. As the stream said it if that is still kept, else by the rows of that time."""
    steps = [step for step in until(life.steps, at) if step.standing == "done"]
    for step in reversed(steps):
        if step.state is not None:
            picture = Picture(is_known=True, state=step.state.data)
            return AsOf(picture=picture, teller="stream", step=step, mapping_version=step.state.mapping_version)
    for step in reversed(steps):
        if step.after.is_known:
            return AsOf(picture=step.after, teller="rows", step=step, mapping_version=life.mapping_version)
    if not steps and (life.is_whole or _begins(life)):
        return AsOf(picture=Picture(is_known=True), teller="rows")
    return AsOf(picture=Picture(is_known=False), teller="nothing")


def _begins(life: History) -> bool:
    """Whether the first step that is kept made the thing."""
    first = life.steps[0] if life.steps else None
    return first is not None and first.before.is_known and first.before.state is None and first.before.problem is None


def flat(data: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The fields of a state with their values: members of objects each, a list as one."""
    if isinstance(data, Mapping) and (data or not path):
        for name, value in data.items():
            yield from flat(value, f"{path}.{name}" if path else name)
    else:
        yield path, data


def deeds(steps: Sequence[Step], lines: Sequence[Line]) -> list[Deed]:
    """Everything that was ever set, oldest first. `lines` is the mapping's lineage; without it no column is named."""
    found: list[Deed] = []
    said: Mapping[str, Any] | None = None
    is_said = False
    for step in steps:
        pair = _pair(step, said, is_said)
        if pair is not None:
            old, new = (dict(flat(state)) if state is not None else {} for state in pair)
            names = [*new, *(name for name in old if name not in new)]
            found += [
                _deed(step, name, old.get(name, ...), new.get(name, ...), lines)
                for name in names
                if old.get(name, ...) != new.get(name, ...)
            ]
        if step.state is not None:
            said, is_said = step.state.data, True
    return found


def last_deeds(found: Iterable[Deed]) -> dict[str, Deed]:
    """The last deed of each field."""
    return {deed.field: deed for deed in found}


def is_at(field: str, wanted: str) -> bool:
    """Whether a field is the wanted one or below it, or a list that has it in its elements."""
    return (
        field == wanted
        or field.startswith((f"{wanted}.", f"{wanted}["))
        or wanted.startswith((f"{field}[", f"{field}."))
    )


def _pair(step: Step, said: Any, is_said: bool) -> tuple[Any, Any] | None:
    """The states before and after a step: by its rows, else as the stream says them one after the other."""
    if step.before.is_known and step.after.is_known and not (step.before.problem or step.after.problem):
        return step.before.state, step.after.state
    if step.is_loaded and step.after.is_known and step.after.problem is None:
        return None, step.after.state
    if step.state is not None and is_said:
        return said, step.state.data
    return None


def _deed(step: Step, name: str, old: Any, new: Any, lines: Sequence[Line]) -> Deed:
    columns = {column for line in lines if line.what == "state" and is_at(line.field, name) for column in line.columns}
    return Deed(
        field=name,
        old=old,
        new=new,
        step=step,
        events=tuple(event for event in step.events if any(is_at(path, name) for path, _ in flat(event.data or {}))),
        columns=tuple(one for change in step.changes for one in _behind(change, columns)),
    )


def _behind(change: Change, columns: set[str]) -> list[ColumnChange]:
    """What a change did to these columns. A field that is made of the rows themselves asks only whether one came or went."""
    if change.op != "u" and f"{change.table}.*" in columns:
        row = ColumnChange(table=change.table, row_key=change.row_key, op=change.op, column="*", old=None, new=None)
        return [row]
    return [one for one in changed(change) if f"{one.table}.{one.column}" in columns]


def changed(change: Change) -> list[ColumnChange]:
    """The columns that a change touched: those that differ, all of an inserted or deleted row."""
    before, after = change.before or {}, change.after or {}
    names = after or before
    return [
        ColumnChange(
            table=change.table,
            row_key=change.row_key,
            op=change.op,
            column=name,
            old=before.get(name),
            new=after.get(name),
        )
        for name in names
        if change.op != "u" or name not in before or before[name] != after[name]
    ]
