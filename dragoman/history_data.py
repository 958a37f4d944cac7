"""A history as data: one object for the key, one for each step and command, one for the state and who set it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from dragoman.histories import Chapter, Masks
from pipeline.batch import label_of
from pipeline.evidence import Order, Published
from pipeline.history import Picture, Step, Unlike
from pipeline.provenance import ColumnChange, Deed, changed, flat
from translators.change import Change


def lines_of(chapter: Chapter) -> Iterator[dict[str, Any]]:
    """The chapter's objects, each with what it `is`."""
    life = chapter.life
    yield {
        "is": "history",
        "translator": life.translator,
        "key": life.key,
        "mapping_version": life.mapping_version,
        "whole": life.is_whole,
        "kept": [msgspec.to_builtins(one) for one in (*life.feed, *life.events)],
        "states_from_version": life.states_from,
        "left_out": [{"at": str(one.at), "what": one.what} for one in life.untold],
    }
    for step in chapter.steps:
        yield {"is": "step", "translator": life.translator, "key": life.key, **_step(chapter, step)}
    for order in life.orders:
        yield {"is": "command", "translator": life.translator, "key": life.key, **_order(order)}
    yield {"is": "state", "translator": life.translator, "key": life.key, **_state(chapter)}


def _step(chapter: Chapter, step: Step) -> dict[str, Any]:
    masks = chapter.masks
    return {
        "version": step.version,
        "transaction": step.transaction,
        "time": step.time,
        "standing": step.standing,
        "changes": [_change(change, masks) for change in step.changes],
        "perhaps_cut": step.is_cut,
        "fields": [_deed(deed, masks) for deed in chapter.of(step)],
        "events": [_published(event, masks) for event in step.events],
        "state": None if step.state is None else _published(step.state, masks),
        "dead_letters": [
            {"id": one.id, "first_seen": one.first_seen, "code": one.problem.code, "message": one.problem.message}
            for one in step.letters
        ],
        "waits_behind": None if step.waiting is None else step.waiting.dead_letter,
        "today": {
            "outcome": None if step.today is None else label_of(step.today),
            "events": [event.type for event in step.says],
            "old": _picture(step.before, masks),
            "new": _picture(step.after, masks),
        },
        "differences": [_unlike(one, masks) for one in step.unlike],
        "perhaps_not_kept": step.not_kept,
    }


def _change(change: Change, masks: Masks) -> dict[str, Any]:
    return {
        "table": change.table,
        "row_key": change.row_key,
        "op": change.op,
        "position": None if change.is_snapshot else change.position,
        "at": str(change.at),
        "columns": [_column(one, masks) for one in changed(change)],
    }


def _column(one: ColumnChange, masks: Masks) -> dict[str, Any]:
    return {"column": one.column, "old": masks.column(one, one.old), "new": masks.column(one, one.new)}


def _deed(deed: Deed, masks: Masks) -> dict[str, Any]:
    old, new = (None if value is ... else masks.value(deed.field, value) for value in (deed.old, deed.new))
    columns = [
        {"table": one.table, "row_key": one.row_key, "op": one.op, **_column(one, masks)} for one in deed.columns
    ]
    return {"field": deed.field, "old": old, "new": new, "events": [e.name for e in deed.events], "columns": columns}


def _published(one: Published, masks: Masks) -> dict[str, Any]:
    return {
        "id": one.id,
        "type": one.name,
        "class": one.event_class,
        "version": one.version,
        "mapping_version": one.mapping_version,
        "at": str(one.at),
        "data": _fields(one.data, masks),
    }


def _fields(data: Mapping[str, Any] | None, masks: Masks) -> dict[str, Any] | None:
    return None if data is None else {path: masks.value(path, value) for path, value in flat(data)}


def _picture(picture: Picture, masks: Masks) -> dict[str, Any]:
    problem = None if picture.problem is None else picture.problem.code
    return {"known": picture.is_known, "state": _fields(picture.state, masks), "problem": problem}


def _unlike(one: Unlike, masks: Masks) -> dict[str, Any]:
    sides = {name: _fields(data, masks) for name, data in (("then", one.then), ("today", one.now)) if data is not ...}
    return {"of": one.of or "state", **sides}


def _order(order: Order) -> dict[str, Any]:
    pin = order.pin
    return {
        "command": order.command.id,
        "action": order.command.action,
        "sent": order.sent,
        "offset": None if pin is None else pin.at,
        "result": None if pin is None else pin.result or None,
    }


def _state(chapter: Chapter) -> dict[str, Any]:
    state, masks = chapter.state, chapter.masks
    found = _fields(state.picture.state, masks)
    setters = {path: _setter(chapter.last[path], masks) for path in found or {} if path in chapter.last}
    return {
        "at": chapter.at,
        "told_by": state.teller,
        "version": None if state.step is None else state.step.version,
        "mapping_version": state.mapping_version,
        "state": found,
        "set_by": setters,
    }


def _setter(deed: Deed, masks: Masks) -> dict[str, Any]:
    step = deed.step
    events = [{"id": event.id, "type": event.name} for event in deed.events]
    place = {"version": step.version, "transaction": step.transaction, "time": step.time}
    return {**place, "events": events, "columns": _deed(deed, masks)["columns"]}
