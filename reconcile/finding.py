"""One key that differs, judged: what each of the three says of it, why, whose it is, and what to do."""

from __future__ import annotations

from datetime import date, datetime
from hashlib import blake2b
from typing import Literal

import msgspec

from reconcile.terms import Kind

CauseName = Literal[
    "parked",
    "dead-lettered",
    "capture-gap",
    "not-published",
    "capture-or-mapping",
    "mapping-changed",
    "consumer-missed",
    "consumer-refused",
    "consumer-misapplied",
    "applied-out-of-order",
    "deleted-not-applied",
    "edited-in-view",
    "not-sent",
    "figures-differ",
    "invariant-broken",
    "not-fresh",
    "legacy-behind",
    "sides-disagree",
    "duplicate-rows",
    "orphan-rows",
]

Changed = Literal["view", "legacy", "extract", "either"]
"""Which side a cause asks to be changed; `either` where both have to agree and neither is right by itself."""


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Why one leg of a key does not agree: legacy to stream, or stream to view.

    `pattern` tells causes of one name apart where that helps to mend them (the code that nobody mapped). `since` is when
    it began; with `bound` it is only known that it began after that. `where` is a place in the mapping, `command` can be
    pasted and `lead` says what for, `evidence` are sentences. `waits` counts the later steps that wait behind a parked one.
    `change` is the side that is wrong: the view is changed through the pipeline only.
    """

    name: CauseName
    title: str
    text: str
    owner: str
    evidence: tuple[str, ...]
    lead: str
    command: str
    pattern: str = ""
    since: datetime | None = None
    bound: bool = False
    where: str | None = None
    waits: int = 0
    change: Changed = "view"


class FieldRow(msgspec.Struct, frozen=True, kw_only=True):
    """One field on all three sides, as texts that may be shown. `element` counts from 1 in a list."""

    field: str
    element: int | None
    legacy: str
    published: str
    view: str
    differs: bool


class LegacyRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the legacy that the key is made of: each column as a text that may be shown."""

    table: str
    columns: tuple[tuple[str, str], ...]


class Moment(msgspec.Struct, frozen=True):
    """One moment in the life of a key; `time` is absent where nobody wrote it down."""

    time: datetime | None
    what: str
    text: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One confirmed difference. `fields` names the fields that differ, none if the whole thing is missing or extra.

    `legacy` are the rows that it was compared with. `first_seen` is the run that saw it first, `accepted_until` the last
    day on which it may stand: both are the ledger's.
    """

    id: str
    check: str
    key: str
    kind: Kind
    causes: tuple[Cause, ...]
    fields: tuple[str, ...]
    rows: tuple[FieldRow, ...]
    life: tuple[Moment, ...]
    legacy: tuple[LegacyRow, ...] = ()
    first_seen: datetime | None = None
    accepted_until: date | None = None

    @property
    def since(self) -> datetime | None:
        """When the first of its causes began, as far as that is known."""
        return min((cause.since for cause in self.causes if cause.since is not None), default=None)


def finding_id(check: str, key: str) -> str:
    """The name of a finding: the same in every run that finds it."""
    return "f-" + blake2b(f"{check}\x1f{key}".encode(), digest_size=5).hexdigest()
