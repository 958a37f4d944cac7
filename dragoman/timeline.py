"""A history as people read it: one block per step, newest last, then the state, who set it, and how far all this goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from dragoman.console import cells, count, paragraph, say
from dragoman.ending import Ending
from dragoman.histories import Chapter
from dragoman.rail import RAIL, column_change, flow, rail, shown
from dragoman.streams import leaves
from dragoman.times import moment, of_millis
from pipeline.difference import is_hidden
from pipeline.evidence import Order, Published
from pipeline.history import Step, Unlike
from pipeline.provenance import Deed, changed, flat, until
from translators.change import Change
from translators.outcome import Ignored, Loaded, Rejected

_VERBS = {"c": "inserted", "u": "updated", "d": "deleted", "r": "read by a snapshot"}
_ROWS = 12
"""How many row changes of one step are shown; a thing may have ten thousand parts."""


class Timeline:
    """Prints one chapter. `now` says which year need not be written."""

    def __init__(self, chapter: Chapter, now: datetime) -> None:
        self._chapter = chapter
        self._life = chapter.life
        self._masks = chapter.masks
        self._now = now

    def say(self) -> None:
        """The whole chapter."""
        self._say_head()
        orders = list(self._life.orders) if self._chapter.field is None and self._chapter.at is None else []
        for step in self._chapter.steps:
            while orders and _is_before(orders[0], step):
                self._say_order(orders.pop(0))
            self._say_step(step)
        for order in orders:
            self._say_order(order)
        Ending(self._chapter, self._now).say()

    def _say_head(self) -> None:
        life, chapter = self._life, self._chapter
        events = sum(len(step.events) for step in chapter.steps)
        said = f"{count(len(chapter.steps), 'step')}, {count(events, 'event')} published"
        if chapter.field is not None:
            said = f"{chapter.field} was set by {count(len(chapter.steps), 'step')}"
        if chapter.at is not None:
            said += f" until {moment(chapter.at, self._now)}"
        say(
            (f"{life.translator} {life.key}", "bold"),
            f"   {said}",
            ("".join(f"   {one}" for one in self._now_is()), "bold"),
        )
        if not life.is_whole:
            since = min((one.since for one in life.feed if one.since is not None), default=None)
            paragraph(
                f"The feed is kept since {moment(since, self._now)} only: what was before is told by the streams."
            )

    def _now_is(self) -> list[str]:
        """What has become of the thing, in a word; nothing where it simply exists."""
        steps = until(self._life.steps, self._chapter.at)
        waiting = [step for step in steps if step.standing == "waiting"]
        unread = [step for step in steps if step.standing in ("unread", "open")]
        found = [f"parked: {count(len(waiting), 'step')} {'waits' if len(waiting) == 1 else 'wait'}"] if waiting else []
        if self._life.stored is not None and self._life.stored.unmapped is not None:
            found.append("its state cannot be published")
        if self._chapter.state.picture.is_known and self._chapter.state.picture.state is None and not waiting:
            found.append("deleted" if self._chapter.state.step is not None else "not there yet")
        return found + ([f"{count(len(unread), 'step')} not settled"] if unread else [])

    # --- one step ------------------------------------------------------------------------------------------------------

    def _say_step(self, step: Step) -> None:
        sign, style, what = _outcome(step)
        parts = [
            "version -" if step.version is None else f"version {step.version}",
            moment(step.time, self._now) if step.time is not None else "",
            f"tx {step.transaction}" if step.transaction else "",
        ]
        say()
        say((f"  {sign} ", style), ("   ".join(part for part in parts if part), "bold"), f"   {what}" if what else "")
        self._say_changes(step.changes)
        if step.link is not None and step.link.renumbered_from is not None:
            rail(f"what it was before: dragoman history {step.link.renumbered_from}", style="dim")
        if step.is_cut:
            rail("its first changes may have expired", style="dim")
        self._say_waiting(step)
        self._say_fields(step)
        for event in step.events:
            self._say_published("event", event)
        if step.state is not None:
            self._say_published("state", step.state)
        if step.not_kept:
            rail("what was published of it is not kept any more, at least in part", style="dim")
        self._say_unlike(step)

    def _say_changes(self, changes: Sequence[Change]) -> None:
        if not changes:
            rail("the feed no longer tells what changed", style="dim")
        for change in changes[:_ROWS]:
            self._say_change(change)
        more = Counter(change.table for change in changes[_ROWS:])
        if more:
            said = ", ".join(f"{number:,} of {table}" for table, number in more.items())
            rail(f"and {count(more.total(), 'row')} more: {said}", style="dim")

    def _say_change(self, change: Change) -> None:
        place = "" if change.at.offset < 0 else f"   {change.at}"
        position = "" if change.is_snapshot else f"   position {change.position:,}"
        touched = changed(change)
        more = f", {count(len(touched), 'column')}" if change.op != "u" else ""
        say(
            RAIL,
            (f"{change.table} {change.row_key}", "bold"),
            f" {_VERBS[change.op]}{more}",
            (f"{position}{place}", "dim"),
        )
        if change.op == "u":
            flow([column_change(self._masks, one) for one in touched] or ["no column differs"], f"{RAIL}  ")

    def _say_fields(self, step: Step) -> None:
        found = self._chapter.of(step)
        if not found:
            return
        if all(deed.old is ... for deed in found):
            flow([f"{deed.field} {self._value(deed, deed.new)}" for deed in found], RAIL, "dim")
            return
        if all(deed.new is ... for deed in found):
            rail("nothing is left of it")
            return
        lines = [line for deed in found for line in self._differing(deed)]
        width = min(32, max(cells(path) for path, _, _ in lines))
        for path, old, new in lines:
            said = f"{old} → {new}" if old != new else f"{new} (changed)"
            rail(said, f"{RAIL}{path:<{width}}   ")

    def _differing(self, deed: Deed) -> list[tuple[str, str, str]]:
        """A field before and after as texts; of a list that keeps its length, the values that differ."""
        old, new = deed.old, deed.new
        if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
            sides = [dict(leaves(side, deed.field)) for side in (old, new)]
            paths = [path for path in sides[1] if sides[0].get(path) != sides[1][path]]
            if paths and not is_hidden(deed.field, self._masks.fields):
                return [(path, sides[0].get(path, "-"), sides[1][path]) for path in paths]
        return [(deed.field, self._value(deed, old), self._value(deed, new))]

    def _value(self, deed: Deed, value: Any) -> str:
        return shown(self._masks.value(deed.field, value))

    def _say_published(self, what: str, one: Published) -> None:
        tail = "tombstone" if what == "state" and one.data is None else one.event_class
        if what == "state" and one.data is None and one.event_class != "live":
            tail += f", {one.event_class}"
        moved = [
            f"{name.removeprefix('renumbered')} {one.attributes[name]}" for name in _MOVED if name in one.attributes
        ]
        name = f"{one.name}   {tail}" + "".join(f"   renumbered {said}" for said in moved)
        say(RAIL, (f"{what}   ", "dim"), (name, "green" if what == "event" else ""), (f"   {one.id}", "dim"))

    def _say_waiting(self, step: Step) -> None:
        for letter in step.letters:
            seen = moment(of_millis(letter.first_seen), self._now)
            settled = "" if step.standing == "waiting" else ", settled since"
            rail(f"{letter.id} of {seen}{settled}: {letter.problem.code}: {letter.problem.message}", f"{RAIL}letter  ")
        if step.waiting is None:
            return
        if step.waiting.problem is None:
            rail(f"waits behind {step.waiting.dead_letter}")
        if isinstance(step.today, Rejected):
            if step.waiting.problem is not None and step.today.problem.hint:
                rail(step.today.problem.hint, f"{RAIL}next    ")
        elif step.today is not None:
            says = ", ".join(event.type for event in step.says) or "no event"
            rail(
                f"today's mapping can translate it ({says}): dragoman parked release {self._life.key}",
                f"{RAIL}next    ",
            )

    def _say_unlike(self, step: Step) -> None:
        if not step.unlike:
            return
        then, now = step.mapping_version, self._life.mapping_version
        by = "" if then is None or then == now else f" ({then} then, {now} today)"
        say(RAIL, ("≠ ", "bold yellow"), f"today's mapping{by} says it otherwise:")
        for one in step.unlike:
            for line in self._unlike(one):
                rail(line, f"{RAIL}  ")

    def _unlike(self, one: Unlike) -> Iterable[str]:
        if one.of == "":
            yield "a state record that was not published"
        elif one.now is ...:
            yield f"{one.of} was published; it says no such event"
        elif one.then is ...:
            yield f"{one.of} was not published; it says one"
        else:
            then, now = (dict(flat(data)) if data is not None else {} for data in (one.then, one.now))
            for path in dict.fromkeys((*then, *now)):
                if then.get(path, ...) != now.get(path, ...):
                    values = [shown(self._masks.value(path, side.get(path, ...))) for side in (then, now)]
                    yield f"{one.of} {path}: published {values[0]}, today {values[1]}"

    def _say_order(self, order: Order) -> None:
        pin = order.pin
        where = "not executed yet" if pin is None or not pin.result else f"at offset {pin.at:,} of the feed"
        say()
        say(
            ("  ▸ ", "bold cyan"),
            (f"command {order.command.id}: {order.command.action}", "bold"),
            f"   sent {moment(order.sent, self._now)}   {where}",
        )
        if pin is not None and pin.result:
            rail(pin.result, RAIL)


_MOVED = ("renumberedto", "renumberedfrom")


def _outcome(step: Step) -> tuple[str, str, str]:
    """A sign, its style, and what became of a step in words."""
    match step.standing:
        case "waiting":
            return (
                "✗",
                "bold red",
                "parked" if step.waiting is not None and step.waiting.problem is None else "rejected",
            )
        case "open":
            return "◌", "bold", "open: nothing proves yet that its transaction is over"
        case "unread":
            return "◌", "bold", "not read by the translator yet"
        case "done":
            return _settled(step)


def _settled(step: Step) -> tuple[str, str, str]:
    if step.events or (step.state is not None and step.state.event_class == "live"):
        return "●", "bold green", ""
    if step.state is not None and not step.is_loaded:
        return "●", "bold", f"published again, class {step.state.event_class}" if not step.changes else "no event"
    if isinstance(step.today, Loaded):
        return "○", "bold", "loaded by a snapshot"
    if isinstance(step.today, Ignored):
        return "○", "bold", f"ignored: {step.today.reason}"
    return "○", "bold", "" if step.not_kept else "nothing was published"


def _is_before(order: Order, step: Step) -> bool:
    """Whether a command was executed before this step was read."""
    if order.pin is None or not order.pin.result or not step.changes:
        return False
    return 0 <= order.pin.at <= min(change.at.offset for change in step.changes)
