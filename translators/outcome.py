"""What became of one change for one translator: a closed type, and the counts that must add up."""

from __future__ import annotations

import msgspec

from translators.problem import Problem


class Translated(msgspec.Struct, frozen=True):
    """The change's step published a state record, events, or both."""


class Loaded(msgspec.Struct, frozen=True):
    """The change's rows entered the state without being news (a snapshot, or history that was never seen)."""


class Ignored(msgspec.Struct, frozen=True):
    """The change's step was read and meant nothing to the business."""

    reason: str


class Rejected(msgspec.Struct, frozen=True):
    """The change's step could not be translated; it is a dead letter and its key is parked."""

    problem: Problem


class Parked(msgspec.Struct, frozen=True):
    """The change's step waits, in order, behind the dead letter of an earlier step of its key."""

    dead_letter: str


Outcome = Translated | Loaded | Ignored | Rejected | Parked
