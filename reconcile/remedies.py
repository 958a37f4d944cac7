"""What mends which cause: the order that goes through the pipeline, and what a person has to do where none helps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

Action = Literal["reload", "republish"]


class Remedy(msgspec.Struct, frozen=True):
    """The order that mends a cause, why it does, and what to do if the difference is there again."""

    action: Action
    why: str
    then: str


_READ = "Its rows were read again, so the mapping or the projection says otherwise than this check: compare them."
_APPLY = (
    "It was published again: see in `dragoman status` whether the view goes on, and what else writes to its tables."
)

REMEDIES: dict[str, Remedy] = {
    "capture-or-mapping": Remedy(
        "reload", "legacy to stream: the rows that the pipeline knows are not those of the legacy", _READ
    ),
    "capture-gap": Remedy("reload", "legacy to stream: a change of its rows was never captured", _READ),
    "not-published": Remedy(
        "republish",
        "legacy to stream: the rows are known, and the last record is not what they mean",
        "It was published again: find out what loses records of the state stream, or who else writes to it.",
    ),
    "not-sent": Remedy("reload", "legacy to stream: the source did not send all of the rows", _READ),
    "mapping-changed": Remedy(
        "republish", "legacy to stream: the rows are known, and another mapping published them", _READ
    ),
    "consumer-missed": Remedy("republish", "stream to view: the view has not taken what was published", _APPLY),
    "consumer-misapplied": Remedy(
        "republish",
        "stream to view: the view shows otherwise what was published",
        "The projection itself builds it otherwise: compare its declaration with these fields.",
    ),
    "applied-out-of-order": Remedy(
        "republish",
        "stream to view: the view took an older state over a newer one",
        "It happens again: what builds the view has to apply only what is newer.",
    ),
    "deleted-not-applied": Remedy("republish", "stream to view: the view has not taken the deletion", _APPLY),
    "edited-in-view": Remedy(
        "republish",
        "stream to view: the row was written by somebody else",
        "Somebody writes it again: find out who, and take the right to write into the view away.",
    ),
}
UNMENDED = {
    "parked": "Its steps wait: mend the mapping, then release them (`dragoman parked release`).",
    "dead-lettered": "Its rows cannot be mapped: mend the mapping, then `dragoman reload` it.",
    "consumer-refused": "The view sets aside what it is sent: mend the projection, and repair it then.",
    "legacy-behind": "The legacy is to be changed: what is published again says what the legacy says.",
    "duplicate-rows": (
        "The view has it more than once, and publishing takes no row away: delete what is too much as the view's owner, and "
        "make its key unique."
    ),
    "orphan-rows": "Nothing that is published reaches these rows: delete them as the view's owner.",
    "sides-disagree": "Decide which side holds, and change the other one at its own system.",
}
REFUSED = "The mapping refuses its rows as they are now: mend the mapping, or the rows in the legacy."
INVENTED = "Nobody ever published this row, so nobody can take it back: delete it as who put it there, or build the view again."
UNASKED = (
    "Its rows have to be read again, and the connector takes no signals for single keys: name its `signal_topic` in the "
    "source, or have the tables read again (`dragoman snapshot`)."
)
AGAIN = (
    "It was repaired twice within a week and differs again: find out what breaks it before it is repaired once more."
)


def mends(causes: Sequence[str]) -> Action | None:
    """The order that mends all of these causes; `None` if one of them has none. Reading again publishes as well."""
    if not all(cause in REMEDIES for cause in causes):
        return None
    return "reload" if any(REMEDIES[cause].action == "reload" for cause in causes) else "republish"


def unmended(causes: Sequence[str]) -> str:
    """What a person has to do first; for causes that nothing here mends."""
    return " ".join(UNMENDED.get(c, f"No order mends it ({c}): see the report.") for c in causes if c not in REMEDIES)


def reasons(causes: Sequence[str]) -> str:
    """Why the order helps."""
    return "; ".join(dict.fromkeys(REMEDIES[cause].why for cause in causes))


def what_then(causes: Sequence[str]) -> str:
    """What to do where a repair did not help."""
    known = (REMEDIES[cause].then for cause in causes if cause in REMEDIES)
    return " ".join(filter(None, (*dict.fromkeys(known), unmended(causes))))
