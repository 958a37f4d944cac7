"""The end of a history: the state, which step set each field of it last, and how far all this goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dragoman.console import cells, clean, console, paragraph, say, say_table
from dragoman.histories import Chapter
from dragoman.rail import column_change, flow, plain, shown
from dragoman.times import moment
from pipeline.kept import Reach
from pipeline.provenance import ColumnChange, Deed, flat

_SHOWN = 3
"""How many legacy columns are named behind one field."""
_OF_A_ROW = {"c": "inserted", "d": "deleted", "r": "read"}


class Ending:
    """Prints the end of one chapter. `now` says which year need not be written."""

    def __init__(self, chapter: Chapter, now: datetime) -> None:
        self._chapter = chapter
        self._life = chapter.life
        self._masks = chapter.masks
        self._now = now

    def say(self) -> None:
        """The state, then the reaches."""
        self._say_state()
        self._say_kept()

    def _say_state(self) -> None:
        as_of = self._chapter.state
        say()
        say((f"  {self._title()}", "bold"))
        if as_of.picture.problem is not None:
            paragraph(f"{as_of.picture.problem.code}: {as_of.picture.problem.message}", "    ")
        if as_of.picture.state is None:
            return
        values = dict(flat(as_of.picture.state))
        if self._chapter.field is not None:
            values = {path: value for path, value in values.items() if path in self._chapter.last}
        groups: dict[tuple[int, str], list[str]] = {}
        for path in values:
            groups.setdefault(self._setter(path), []).append(path)
        width = min(24, max((cells(path) for path in values), default=0))
        for (_, setter), paths in sorted(groups.items(), key=lambda group: group[0][0]):
            say()
            say(f"    {setter}")
            for path in paths:
                self._say_field(path, values[path], width)

    def _title(self) -> str:
        as_of, at = self._chapter.state, self._chapter.at
        when = "now" if at is None else f"at {moment(at, self._now)}"
        version = "" if as_of.step is None or as_of.step.version is None else f", version {as_of.step.version}"
        if not as_of.picture.is_known:
            return f"state {when}: no longer known; nothing that is kept goes back so far"
        if as_of.picture.state is None and as_of.picture.problem is None:
            return f"state {when}: it does not exist" + (f" (deleted{version})" if as_of.step is not None else " yet")
        if as_of.teller == "stream":
            other = "" if as_of.mapping_version == self._life.mapping_version else f", mapping {as_of.mapping_version}"
            return f"state {when}, as the state stream said it{version}{other}"
        return f"state {when}, computed from the rows by today's mapping (the stream keeps no record){version}"

    def _setter(self, path: str) -> tuple[int, str]:
        """Which step set a field last, by its place, and what is said of it: the events of that step that name the field."""
        deed = self._chapter.last.get(path)
        if deed is None:
            return -1, "set before what is kept"
        step = deed.step
        version = "" if step.version is None else f", version {step.version}"
        at = next(at for at, one in enumerate(self._chapter.steps) if one is step)
        if step.is_loaded:
            return at, f"set by a snapshot{version}"
        time = "" if step.time is None else f", {moment(step.time, self._now)}"
        return at, f"set {_said_by(deed)}{time}{version}"

    def _say_field(self, path: str, value: Any, width: int) -> None:
        deed = self._chapter.last.get(path)
        columns = [] if deed is None else self._columns(deed)
        first = f"      {path:<{width}}   {clean(shown(self._masks.value(path, value)))}"
        behind = ", ".join(columns)
        tab = cells(first) + 3 if cells(first) > width + 28 else width + 31
        if not behind:
            say(first)
        elif tab + cells(behind) <= console().width:
            say(first, " " * (tab - cells(first)), (behind, "dim"))
        else:
            say(first)
            flow(columns, " " * (width + 11), "dim")

    def _columns(self, deed: Deed) -> list[str]:
        """The legacy changes behind a field, the first few; a column of several rows is said once."""
        rows = Counter(_key(one) for one in deed.columns)
        found = [self._behind(one, rows.pop(_key(one))) for one in deed.columns if _key(one) in rows]
        return found[:_SHOWN] + ([f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else [])

    def _behind(self, one: ColumnChange, rows: int) -> str:
        if one.column == "*":
            what = f"{one.table} {one.row_key}" if rows == 1 else f"{rows:,} of {one.table}"
            return f"{what} {_OF_A_ROW[one.op]}"
        if rows > 1:
            return f"{one.table}.{one.column} of {rows:,} rows"
        if one.op == "u":
            return f"{one.table}.{column_change(self._masks, one)}"
        return f"{one.table}.{one.column} {plain(self._masks.column(one, one.new))}"

    def _say_kept(self) -> None:
        life = self._life
        say()
        say(("  how far this goes", "bold"))
        rows = self._reaches(life.feed) + self._reaches(life.events)
        rows += [(one.topic, self._states()) for one in life.states[:1]]
        say_table(rows, "<<", header=False, indent="    ")
        for one in life.untold:
            paragraph(f"left out: {one.at}: {one.what}", "      ", "    ")

    def _reaches(self, kept: Sequence[Reach]) -> list[tuple[str, str]]:
        """Where all partitions are kept whole, one line says it."""
        if len(kept) > 1 and all(one.is_whole and one.end for one in kept):
            return [(kept[0].topic, "from its beginning")]
        return [(f"{one.topic} {one.partition}", self._reach(one)) for one in kept]

    def _reach(self, one: Reach) -> str:
        if one.first >= one.end:
            return "nothing is kept" if one.end else "empty"
        if one.is_whole:
            return "from its beginning"
        return f"from offset {one.first:,} on, {moment(one.since, self._now)}; before that it has expired"

    def _states(self) -> str:
        """Compaction is per key: what is kept of this one."""
        kept = [step.version for step in self._life.steps if step.state is not None]
        if not kept:
            return "no record of this key is kept"
        first = self._life.states_from
        return (
            "every record of this key"
            if first is None
            else f"this key from version {first} on, older ones compacted away"
        )


def _said_by(deed: Deed) -> str:
    names = [", ".join(dict.fromkeys(event.name for event in events)) for events in (deed.events, deed.step.events)]
    if names[0]:
        return f"by {names[0]}"
    return f"beside {names[1]}, which does not say it" if names[1] else "without an event"


def _key(one: ColumnChange) -> tuple[str, str, str]:
    return one.table, one.column, one.op
