"""One aggregate's life: its steps as the feed tells them, beside what was published of them, as far back as both are kept.

    feed -> steps with their rows (replay) -> what today's mapping makes of them
    state stream, events, dead letters, commands, waiting steps -> what was really said and done

Nothing is written, and nothing that one side says is taken for what the other one said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
import orjson

from connectors.debezium.decode import Decoder
from pipeline.cloudevents import encode
from pipeline.evidence import Evidence, Letter, Order, Published, gather
from pipeline.feed import Feed
from pipeline.kept import Reach, reaches
from pipeline.log.port import Log
from pipeline.moves import Link
from pipeline.replay import Traced, Untold, ended, trace, with_rows
from pipeline.state.port import StateStore, Stored, Waiting
from translators.aggregate import Rows, fresh, touches_unseen
from translators.change import Change
from translators.facts import facts_of
from translators.outcome import Ignored, Loaded, Outcome, Rejected, Translated
from translators.problem import Problem
from translators.translator import Event, Refused, Translator, translate

Standing = Literal["done", "waiting", "unread", "open"]
"""What became of a step: settled; waiting behind a dead letter; not read by the translator yet; its transaction not
known to be over."""


class Streams(msgspec.Struct, frozen=True, kw_only=True):
    """Where a history is read from. `store` is `None` before the translator's first run."""

    log: Log
    store: StateStore | None
    translator: Translator
    decoder: Decoder
    feed: Feed


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """What the thing is at one moment, by the mapping in force: `state` as JSON has it, `None` where it does not exist.

    Not `is_known`: its rows are no longer told by anything. `problem`: there are rows, but no mapping of them.
    """

    is_known: bool
    state: Mapping[str, Any] | None = None
    problem: Problem | None = None


UNKNOWN = Picture(is_known=False)


class Unlike(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that today's mapping says of a step otherwise than was published, as JSON has both.

    `of` is the contract; `then` or `now` is absent (`...`) where only the other side says it.
    """

    of: str
    then: Any = ...
    now: Any = ...


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the aggregate's life.

    `changes` is empty where the feed no longer tells it and only what was published is known; `is_cut`: the feed may have
    lost its first ones; `link`: it gave the thing another key. `before`, `after`, `today`
    and `says` are what the mapping in force makes of its rows, `events` and `state` what was published; `not_kept` says
    that more may have been published than the streams still hold.
    """

    version: int | None
    transaction: str | None
    time: datetime | None
    standing: Standing
    changes: tuple[Change, ...] = ()
    is_cut: bool = False
    link: Link | None = None
    before: Picture = UNKNOWN
    after: Picture = UNKNOWN
    today: Outcome | None = None
    says: tuple[Event, ...] = ()
    events: tuple[Published, ...] = ()
    state: Published | None = None
    letters: tuple[Letter, ...] = ()
    waiting: Waiting | None = None
    unlike: tuple[Unlike, ...] = ()
    not_kept: bool = False

    @property
    def is_loaded(self) -> bool:
        """Whether a snapshot brought it: no news."""
        return bool(self.changes) and self.changes[0].is_snapshot

    @property
    def mapping_version(self) -> str | None:
        """The mapping that published it, where that is known."""
        return next((one.mapping_version for one in (*self.events, self.state) if one is not None), None)


class History(msgspec.Struct, frozen=True, kw_only=True):
    """The life of one key in one translator, oldest step first, and how far back its streams are kept.

    `stored` is what the state holds of it now, `None` if nothing. `events` and `states` are the reaches of the partitions
    that hold its records, all of them where none does. `untold` are records of its feed that had to be left out.
    """

    translator: str
    key: str
    mapping_version: str
    feed: tuple[Reach, ...]
    events: tuple[Reach, ...]
    states: tuple[Reach, ...]
    steps: tuple[Step, ...]
    orders: tuple[Order, ...]
    stored: Stored | None
    untold: tuple[Untold, ...]

    @property
    def is_whole(self) -> bool:
        """Whether the feed of this key is kept from its beginning."""
        return all(one.is_whole for one in self.feed)

    @property
    def states_from(self) -> int | None:
        """The version from which on the state stream still has this key's records, if older ones were compacted away."""
        kept = [step.version for step in self.steps if step.state is not None]
        lost = any(step.state is None and step.not_kept for step in self.steps)
        return next((version for version in kept if version is not None), None) if lost else None


def history(streams: Streams, key: str) -> History | None:
    """The life of a key; `None` if neither the streams nor the state know it."""
    translator, store = streams.translator, streams.store
    stored = None if store is None else store.load([key]).get(key)
    found = gather(streams.log, store, translator.name, key)
    feed = [one for one in reaches(streams.log, streams.feed.topic)]
    partition = found.partition if stored is None else stored.partition
    if partition is not None:
        feed = [one for one in feed if one.partition == partition]
    begins_empty = streams.feed.begins == "empty"
    traced = trace(streams.log, feed, streams.decoder, translator, key, begins_empty)
    if stored is None and not traced.steps and not found.by_version:
        return None
    told = _Telling(streams, found, stored, all(one.is_whole for one in feed))
    return History(
        translator=translator.name,
        key=key,
        mapping_version=translator.version,
        feed=tuple(feed),
        events=found.events,
        states=found.states,
        steps=tuple(told.steps(traced.steps)),
        orders=found.orders,
        stored=stored,
        untold=traced.untold,
    )


class _Telling:
    """Puts together what the feed and the streams say of one key."""

    def __init__(self, streams: Streams, found: Evidence, stored: Stored | None, is_whole: bool) -> None:
        self._streams = streams
        self._translator = streams.translator
        self._found = found
        self._stored = stored
        self._is_whole = is_whole

    def steps(self, fed: Sequence[Traced]) -> list[Step]:
        traced = self._with_waiting(fed)
        standings = self._standings(traced)
        applied = sum(1 for standing in standings if standing == "done")
        stored = self._stored
        kept = None if stored is None or stored.partial else stored.rows
        versions = self._versions(traced, applied)
        known = [self._cut(*one) for one in zip(traced, versions, strict=True)]
        rows = with_rows(known, self._translator, self._is_whole, kept, applied)
        steps = [self._step(*one) for one in zip(rows, standings, versions, strict=True)]
        told = {step.version for step in steps}
        steps += [self._published(v) for v in self._found.by_version if v not in told]
        last = max((step.version for step in steps if step.version is not None), default=0) + 1
        return sorted(steps, key=lambda step: last if step.version is None else step.version)

    def _with_waiting(self, traced: Sequence[Traced]) -> list[Traced]:
        """The steps of the feed; those that wait are whole in the state, whatever of them has expired in the feed."""
        waiting = {said.position: said.waiting for said in self._found.by_version.values() if said.waiting is not None}
        told = {step.position for step in traced if not step.is_cut}
        steps = [step for step in traced if not (step.is_cut and step.position in waiting)]
        for position, step in waiting.items():
            if position not in told:
                one = step.changes[0].transaction
                steps.append(Traced(transaction=one, changes=step.changes, partition=step.partition, is_over=True))
        positions = {} if self._stored is None else self._stored.positions
        versions = {position: step.version for position, step in waiting.items()}
        return sorted(steps, key=lambda step: (bool(fresh(positions, step.changes)), versions.get(step.position, 0)))

    def _standings(self, traced: Sequence[Traced]) -> list[Standing]:
        positions = {} if self._stored is None else self._stored.positions
        waiting = {one.position for one in self._found.by_version.values() if one.waiting is not None}
        unread = [step for step in traced if self._stored is None or fresh(positions, step.changes)]
        is_open = {step.transaction for step in unread if not step.is_over and step.transaction is not None}
        if self._streams.feed.exactly_once:
            is_open -= ended(self._streams.log, self._streams.feed.transactions, self._streams.decoder, is_open)
        return [
            "waiting"
            if step.position in waiting
            else "done"
            if step not in unread
            else "open"
            if step.transaction in is_open
            else "unread"
            for step in traced
        ]

    def _versions(self, traced: Sequence[Traced], applied: int) -> list[int | None]:
        """The version of each step that was read: as its records say, the others counted on from those, and back."""
        found: dict[int, list[int]] = {}
        for version, one in self._found.by_version.items():
            if not one.is_again:
                found.setdefault(one.position, []).append(version)
        versions = [found[step.position].pop(0) if found.get(step.position) else None for step in traced]
        settled = max((at + 1 for at, version in enumerate(versions) if version is not None), default=0)
        settled = max(settled, applied)
        if settled and versions[settled - 1] is None and not any(versions) and self._stored is not None:
            versions[settled - 1] = self._stored.version
        taken = set(self._found.by_version)
        for order, by in ((range(1, settled), 1), (range(settled - 2, -1, -1), -1)):
            for at in order:
                near = versions[at - by]
                if versions[at] is None and near is not None:
                    versions[at] = _free(near + by, by, taken)
        return versions

    def _cut(self, step: Traced, version: int | None) -> Traced:
        """What was published of a step knows where it began."""
        found = None if version is None else self._found.by_version.get(version)
        return step if found is None else msgspec.structs.replace(step, is_cut=found.lowest < step.lowest)

    def _step(self, traced: Traced, standing: Standing, version: int | None) -> Step:
        reading = _read(self._translator, traced)
        found = None if version is None else self._found.by_version.get(version)
        step = Step(
            version=version,
            transaction=traced.transaction,
            time=traced.changes[0].time,
            standing=standing,
            changes=traced.changes,
            is_cut=traced.is_cut,
            link=traced.link,
            before=reading.before,
            after=reading.after,
            today=reading.outcome,
            says=reading.events,
            events=() if found is None else tuple(found.events),
            state=None if found is None else found.state,
            letters=() if found is None else tuple(found.letters),
            waiting=None if found is None else found.waiting,
        )
        if standing != "done" or version is None:
            return step
        lost = self._lost(step, version)
        return msgspec.structs.replace(step, unlike=tuple(_unlike(step, lost)), not_kept=any(lost))

    def _lost(self, step: Step, version: int) -> tuple[bool, bool]:
        """Whether events of a step, and its state record, may have been published and be kept no longer.

        Streams lose what is oldest: what is older than something that is kept of this key was kept as well.
        """
        events = [v for v, one in self._found.by_version.items() if one.events]
        states = [v for v, one in self._found.by_version.items() if one.state is not None]
        expired = not all(one.is_whole for one in self._found.events)
        changed = step.before != step.after
        lost_events = expired and len(step.says) > len(step.events) and version <= min(events, default=version)
        return lost_events, changed and step.state is None and version < min(states, default=version + 1)

    def _published(self, version: int) -> Step:
        """A step of which the feed no longer tells anything."""
        found = self._found.by_version[version]
        return Step(
            version=version,
            transaction=found.transaction,
            time=next((one.time for one in (*found.events, found.state) if one is not None), None),
            standing="done",
            events=tuple(found.events),
            state=found.state,
            letters=tuple(found.letters),
        )


def _free(version: int, by: int, taken: set[int]) -> int:
    while version in taken:
        version += by
    return version


class _Reading(msgspec.Struct, frozen=True, kw_only=True):
    before: Picture
    after: Picture
    outcome: Outcome | None
    events: tuple[Event, ...] = ()


def _read(translator: Translator, step: Traced) -> _Reading:
    """What the mapping in force makes of a step."""
    before, after = _picture(translator, step.old), _picture(translator, step.new)
    if step.link is not None:
        return _Reading(before=UNKNOWN, after=after, outcome=None)  # what it was before is told under its other key
    if step.is_loaded or step.old is None or step.new is None or touches_unseen(step.old, step.changes):
        problem = after.problem
        outcome = Rejected(problem) if problem else Loaded() if step.is_loaded else None
        return _Reading(before=before, after=after, outcome=outcome)
    try:
        found = translate(translator, step.old, step.new, facts_of(step.changes))
    except Refused as refused:
        return _Reading(before=before, after=after, outcome=Rejected(refused.problem))
    said = Ignored(found.ignored) if found.ignored else Translated()
    return _Reading(before=before, after=after, outcome=said, events=found.events)


def _picture(translator: Translator, rows: Rows | None) -> Picture:
    if rows is None:
        return UNKNOWN
    try:
        state = translator.state(rows)
        return Picture(is_known=True, state=None if state is None else orjson.loads(encode(state)))
    except Refused as refused:
        return Picture(is_known=True, problem=refused.problem)
    except (TypeError, ValueError) as error:
        return Picture(is_known=True, problem=Problem(code="value.not-json", cause="semantic", message=str(error)))


def _unlike(step: Step, lost: tuple[bool, bool]) -> list[Unlike]:
    """What was published of a settled step and what today's mapping says of it, where they differ."""
    if step.today is None:
        return []
    found: list[Unlike] = []
    kept = {event.name for event in step.events}
    said = [event for event in step.says if not lost[0] or event.type in kept]
    now = [(event.type, orjson.loads(encode(event.data))) for event in said]
    for one in step.events:
        same = next((event for event in now if event[0] == one.name), None)
        if same is None:
            found.append(Unlike(of=one.name, then=one.data))
            continue
        now.remove(same)
        if same[1] != one.data:
            found.append(Unlike(of=one.name, then=one.data, now=same[1]))
    found += [Unlike(of=name, now=data) for name, data in now]
    return found + ([] if lost[1] else _unlike_state(step))


def _unlike_state(step: Step) -> list[Unlike]:
    if step.after.problem is not None or not step.after.is_known:
        return []
    if step.state is not None:
        then, now = step.state.data, step.after.state
        return [] if then == now else [Unlike(of=step.state.name, then=then, now=now)]
    known = step.before.is_known and step.before.problem is None
    return [Unlike(of="", now=step.after.state)] if known and step.before.state != step.after.state else []
