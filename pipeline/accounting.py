"""Whether everything that was read has one outcome: the counts of one translator as a table whose sums have to fit.

`read` is counted when a record comes in, the outcomes when a step is over, so that a change that fell between the two is
seen. Repeats had their outcome when they were read first; late changes are counted beside their outcome.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from pipeline.state.port import Count

_IGNORED = "ignored: "
_EVENT = "event: "


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of one table, in changes. `ignored` is by reason. `in_flight` are changes of steps that are open."""

    table: str
    read: int = 0
    repeats: int = 0
    late: int = 0
    translated: int = 0
    loaded: int = 0
    ignored: Mapping[str, int] = {}
    rejected: int = 0
    parked: int = 0
    in_flight: int = 0

    @property
    def changes(self) -> int:
        """What came in and was no repeat. Changes of open steps are not in `read` yet."""
        return self.read - self.repeats + self.in_flight

    @property
    def outcomes(self) -> int:
        """What became of them."""
        return self.translated + self.loaded + sum(self.ignored.values()) + self.rejected + self.parked + self.in_flight

    @property
    def fits(self) -> bool:
        """Whether every change has one outcome, and no outcome is without a change."""
        numbers = (self.read, self.repeats, self.late, self.translated, self.loaded, self.rejected, self.parked)
        return self.changes == self.outcomes and min(*numbers, *self.ignored.values(), self.in_flight) >= 0


class Accounting(msgspec.Struct, frozen=True, kw_only=True):
    """One translator's table, by table name, and its events by type."""

    translator: str
    lines: tuple[Line, ...]
    events: Mapping[str, int]

    @property
    def fits(self) -> bool:
        """Whether the sums fit in every line."""
        return all(line.fits for line in self.lines)


def account(translator: str, counts: Mapping[Count, int], in_flight: Mapping[str, int]) -> Accounting:
    """The table of one translator: `counts` as its state keeps them, `in_flight` as its worker holds them, by table.

    An unknown label is a `ValueError`: what is counted and not shown would be lost from sight.
    """
    tables = dict.fromkeys([*(table for table, _ in counts if table), *in_flight])
    events = {label.removeprefix(_EVENT): n for (_, label), n in counts.items() if label.startswith(_EVENT)}
    lines = [_line(table, counts, in_flight.get(table, 0)) for table in sorted(tables)]
    return Accounting(translator=translator, lines=tuple(lines), events=dict(sorted(events.items())))


_FIELDS = {
    "read": "read",
    "repeat": "repeats",
    "late": "late",
    "translated": "translated",
    "loaded": "loaded",
    "rejected": "rejected",
    "parked": "parked",
}


def _line(table: str, counts: Mapping[Count, int], in_flight: int) -> Line:
    numbers: dict[str, int] = {}
    ignored: dict[str, int] = {}
    for (name, label), number in counts.items():
        if name != table or label.startswith(_EVENT):
            continue
        if label.startswith(_IGNORED):
            ignored[label.removeprefix(_IGNORED)] = number
        elif label in _FIELDS:
            numbers[_FIELDS[label]] = number
        else:
            raise ValueError(f"{label!r} is no label that accounting knows")
    reasons = {reason: number for reason, number in sorted(ignored.items()) if number}
    return msgspec.convert({"table": table, "ignored": reasons, "in_flight": in_flight, **numbers}, Line)


def total(lines: Iterable[Line]) -> Line:
    """All lines as one, called `all`."""
    numbers: Counter[str] = Counter()
    ignored: Counter[str] = Counter()
    for line in lines:
        numbers.update({name: getattr(line, name) for name in (*_FIELDS.values(), "in_flight")})
        ignored.update(line.ignored)
    return msgspec.convert({"table": "all", "ignored": dict(sorted(ignored.items())), **numbers}, Line)
