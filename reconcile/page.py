"""The texts of the report as values: what the template is given, with nothing left to decide."""

from __future__ import annotations

import msgspec

from reconcile.charts import HistoryText
from reconcile.incomplete import Incomplete


class Time(msgspec.Struct, frozen=True):
    """An instant, for machines and for people."""

    machine: str
    text: str


class Fact(msgspec.Struct, frozen=True):
    """One fact of the run: a value with words before or behind it."""

    before: str
    value: str
    after: str = ""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """One of the five counts."""

    name: str
    symbol: str
    tone: str
    count: str
    remark: str
    loud: bool = False


class CauseText(msgspec.Struct, frozen=True, kw_only=True):
    """One cause of a group. A command that the cause before has named is left out."""

    name: str
    title: str
    text: str
    lead: str
    command: str


class CommandText(msgspec.Struct, frozen=True):
    """A command that can be pasted, and what it is for."""

    lead: str
    command: str


class GroupText(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the causes."""

    count: str
    unit: str
    causes: tuple[CauseText, ...]
    evidence: tuple[str, ...]
    shown_keys: tuple[str, ...]
    more_keys: str
    kinds: str
    fields: str
    since: Time | None
    bound: bool
    waits: str
    places: tuple[str, ...]
    owners: tuple[str, ...]
    steps: tuple[CommandText, ...]
    accept: str
    change: str
    seen: str
    accepted: str
    new: bool


class FieldText(msgspec.Struct, frozen=True, kw_only=True):
    """One field, how many keys differ in it, by how much in sum and at most, and the commonest pairs of values."""

    name: str
    count: str
    share: str
    total: str
    largest: str
    view: str
    legacy: str
    of: str


class SliceText(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of one value of a field. `sign` says without colour how it came out."""

    value: str
    sign: str
    compared: str
    agree: str
    confirmed: str
    share: str
    beside: str


class SlicesText(msgspec.Struct, frozen=True, kw_only=True):
    """The counts by the values of one field."""

    field: str
    rows: tuple[SliceText, ...]
    more: str


class RowText(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a sample, side by side."""

    name: str
    legacy: str
    published: str
    view: str
    differs: bool


class LifeText(msgspec.Struct, frozen=True):
    """One moment in the life of a key."""

    time: Time | None
    what: str
    text: str


class TableText(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of one legacy table that a key is made of."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    wide: bool
    """Side by side its columns would be too narrow to read, so each is written with its name."""


class SampleText(msgspec.Struct, frozen=True, kw_only=True):
    """One key, field by field."""

    key: str
    title: str
    kind: str
    rows: tuple[RowText, ...]
    life: tuple[LifeText, ...]
    id: str
    tables: tuple[TableText, ...]


class HopText(msgspec.Struct, frozen=True):
    """One hop of the fence."""

    name: str
    passed: bool
    detail: str


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One check of the report. `tone` is good, bad or unsure; `symbol` says the same without colour.

    `sides` has what a sample shows of each field: the name in `RowText`, and what it is called.
    """

    name: str
    anchor: str
    mapping: str
    view: str
    tone: str
    symbol: str
    answer: str
    reasons: str
    sub: str
    facts: tuple[Fact, ...]
    incomplete: Incomplete | None
    compared: str
    confirmed: str
    coverage: str
    states: tuple[State, ...]
    sides: tuple[tuple[str, str], ...]
    groups: tuple[GroupText, ...]
    fields: tuple[FieldText, ...]
    slices: tuple[SlicesText, ...]
    samples: tuple[SampleText, ...]
    masked: str
    hops: tuple[HopText, ...]
    notes: tuple[str, ...]
    history: HistoryText | None
