"""What a translator is: the anti-corruption layer for one aggregate, as a set of pure functions over legacy rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Protocol

import msgspec

from translators.aggregate import Rows
from translators.change import Change
from translators.facts import UNKNOWN, Facts
from translators.problem import Problem
from translators.values import Row

State = dict[str, Any]
"""The thing in the target language: contract field -> value, in the contract's order; nested for objects and lists."""


class Partial(State):
    """A state, or an event's data, without fields that depend on values which the source did not send.

    `absent` says of each path (`remark`, `lines[].note`) why: for example `toast`.
    """

    __slots__ = ("absent",)

    def __init__(self, data: State, absent: Mapping[str, str]) -> None:
        super().__init__(data)
        self.absent = absent


class Event(msgspec.Struct, frozen=True):
    """One business event: its contract (`PolicyBound.v1`) and the data that the contract names.

    `occurred` is when it happened in business time, where a column says it. `deprecated`: its contract is on the way out.
    """

    type: str
    data: Mapping[str, Any]
    occurred: date | datetime | None = None
    deprecated: bool = False


class Said(msgspec.Struct, frozen=True):
    """What a step said: its events, or why it said nothing although rows changed (`ignored`)."""

    events: tuple[Event, ...] = ()
    ignored: str | None = None


class Refused(Exception):
    """Raised by a translator's functions: the rows cannot be translated, and `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.message)


class Translator(Protocol):
    """One translator. All methods are pure and may be repeated; `Refused` is the only exception they raise."""

    name: str
    context: str
    version: str
    """A hash of everything that decides the output: mapping, code tables, contracts, schema."""
    owner: str
    tables: frozenset[str]
    root: str
    has_parts: bool
    keeps_rows: bool
    """Whether the rows of its things are kept between steps. Without, each change is a step that speaks for itself."""
    layout: str
    """What decides which rows are kept under which key: root, key, parts, and whether they are kept at all."""
    state_type: str
    """The state's contract, as the mapping writes it: `Policy.v1`."""
    event_types: tuple[str, ...]

    def key_of(self, table: str, row: Row) -> str:
        """The business key of the aggregate that a row of `table` belongs to, in canonical text."""

    def state(self, rows: Rows) -> State | None:
        """The state of an aggregate; `None` if it does not exist (no root row)."""

    def events(
        self, old: State | None, new: State | None, old_rows: Rows, new_rows: Rows, facts: Facts = UNKNOWN
    ) -> Said:
        """What happened between two known states of one aggregate; `facts` are those of the transaction."""

    def correlation(self, rows: Rows) -> str | None:
        """What ties this step to others, where a column of the root says it."""


class Translation(msgspec.Struct, frozen=True, kw_only=True):
    """What one step of one aggregate means.

    `changed` says whether the state differs from before; then `state` is published (`None`: a tombstone). Nothing
    changed and nothing was said: `ignored` gives the reason.
    """

    state: State | None
    changed: bool
    events: tuple[Event, ...] = ()
    ignored: str | None = None
    correlation: str | None = None


NO_BUSINESS_CHANGE = "no business change"


def translate(translator: Translator, old_rows: Rows, new_rows: Rows, facts: Facts = UNKNOWN) -> Translation:
    """One step of an aggregate whose rows before are all known (none: it did not exist). Raises `Refused`."""
    old = translator.state(old_rows)
    new = translator.state(new_rows)
    if old is None and new is None:
        return Translation(state=None, changed=False, ignored="no root row yet")
    said = translator.events(old, new, old_rows, new_rows, facts)
    changed = old != new
    quiet = not changed and not said.events
    return Translation(
        state=new,
        changed=changed,
        events=said.events,
        ignored=(said.ignored or NO_BUSINESS_CHANGE) if quiet else None,
        correlation=None if quiet else translator.correlation(old_rows if new is None else new_rows),
    )


def keys_of(translator: Translator, change: Change) -> Sequence[str]:
    """The business keys that a change touches: one, or two if the row moved from one aggregate to another."""
    row = change.after if change.after is not None else change.before
    key = translator.key_of(change.table, row or {})
    if change.op != "u" or change.before is None:
        return (key,)
    before = translator.key_of(change.table, change.before)
    return (key,) if before == key else (before, key)
