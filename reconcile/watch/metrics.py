"""How the watch of each check stands, as metrics. Counts of keys are of all turns, and so go on when a process starts anew.

Ages are told as of the moment of asking: a watch that does nothing any more is seen by them. No key and no value is in them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

import msgspec

from reconcile.check import CheckSpec
from reconcile.exposition import Family, Sample, exposed
from reconcile.fence import Passage
from reconcile.ledger.entries import Entry, RunEntry
from reconcile.ledger.watches import WatchEntry
from reconcile.outputs import names_of
from reconcile.watch.audit import most_wrong
from reconcile.watch.bucket import Bucket
from reconcile.watch.walk import SideName

Samples = Iterator[Sample]
Told = Callable[["Standing", datetime], Samples]

COUNTED = ("compared", "changed", "drawn", "drawn_wrong", "found", "closed", "in_flight", "left", "skipped")
"""What is summed over all turns of a watch."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """The watch of one check, as it was after its last look. `turn` is the one that goes on; `before` sums those that ended.

    `turn` is absent before the first look, and of a check that is run whole. `last` is the turn that ended last. `hops` are
    of the fence that was waited for last, at `fenced`. `full` is the last run of the whole check: of rows, the last gate.
    `failed` looks could not be begun or proved too little; `trouble` is the code of the last look's, if it did.
    """

    check: CheckSpec
    within: float
    before: Mapping[str, int] = {}
    turn: WatchEntry | None = None
    last: WatchEntry | None = None
    open: Sequence[Entry] = ()
    full: RunEntry | None = None
    hops: Sequence[Passage] = ()
    fenced: datetime | None = None
    looks: int = 0
    failed: int = 0
    trouble: str | None = None

    def total(self, name: str) -> int:
        """One of `COUNTED`, over all turns."""
        return self.before.get(name, 0) + (0 if self.turn is None else int(getattr(self.turn, name)))


def summed(turns: Iterable[WatchEntry]) -> dict[str, int]:
    """What these turns counted."""
    all_turns = list(turns)
    return {name: sum(int(getattr(turn, name)) for turn in all_turns) for name in COUNTED}


def openmetrics(standings: Sequence[Standing], buckets: Sequence[tuple[SideName, Bucket]], now: datetime) -> str:
    """All of it, in the text format of OpenMetrics 1.0."""
    of_checks = [
        (
            family,
            [({**names_of(one.check), **labels}, value) for one in standings for labels, value in told(one, now)],
        )
        for family, told in _CHECKS.items()
    ]
    of_databases = [
        (family, [({"side": side, "database": bucket.database}, getattr(bucket, name)) for side, bucket in buckets])
        for family, name in _DATABASES.items()
    ]
    return exposed([*of_checks, *of_databases])


def _checked(one: Standing, now: datetime) -> Samples:
    for reason, name in (("rolling", "compared"), ("changed", "changed"), ("audit", "drawn")):
        yield {"reason": reason}, one.total(name)


def _count(name: str) -> Told:
    def told(one: Standing, now: datetime) -> Samples:
        yield {}, one.total(name)

    return told


def _looks(one: Standing, now: datetime) -> Samples:
    yield {"outcome": "proved"}, one.looks - one.failed
    yield {"outcome": "failed"}, one.failed


def _within(one: Standing, now: datetime) -> Samples:
    yield {}, one.within


def _of_turn(told: Callable[[WatchEntry, datetime], float]) -> Told:
    def samples(one: Standing, now: datetime) -> Samples:
        if one.turn is not None:
            yield {}, told(one.turn, now)

    return samples


def _bound(one: Standing, now: datetime) -> Samples:
    turns = [turn for turn in (one.last, one.turn) if turn is not None]
    if turns:
        yield {}, float(most_wrong(sum(turn.drawn for turn in turns), sum(turn.drawn_wrong for turn in turns)))


def _open(names: Callable[[Entry], Iterable[str]], label: str) -> Told:
    def told(one: Standing, now: datetime) -> Samples:
        counts = Counter((name, entry.state) for entry in one.open for name in names(entry))
        for (name, state), number in sorted(counts.items()):
            yield {label: name, "state": state}, number

    return told


def _trouble(one: Standing, now: datetime) -> Samples:
    if one.trouble is not None:
        yield {"code": one.trouble}, 1


def _hops(told: Callable[[Passage], float]) -> Told:
    return lambda one, now: (({"hop": hop.name}, told(hop)) for hop in one.hops)


def _fenced(one: Standing, now: datetime) -> Samples:
    if one.fenced is not None:
        yield {}, _age(one.fenced, now)


def _full(told: Callable[[RunEntry, datetime], float]) -> Told:
    return lambda one, now: iter([] if one.full is None else [({}, told(one.full, now))])


def _age(time: datetime, now: datetime) -> float:
    return max(0.0, (now - time).total_seconds())


def _counter(name: str, said: str, unit: str = "") -> Family:
    return Family(f"dragoman_watch_{name}", said, unit, "counter")


def _gauge(name: str, said: str, unit: str = "") -> Family:
    return Family(f"dragoman_watch_{name}", said, unit)


_CHECKS: dict[Family, Told] = {
    _counter("checked_keys", "Keys that were judged, by why they were looked at."): _checked,
    _counter("audit_differing_keys", "Of those drawn at random, how many differed."): _count("drawn_wrong"),
    _counter("opened_findings", "Findings that looks opened."): _count("found"),
    _counter("closed_findings", "Findings that looks closed."): _count("closed"),
    _counter("in_flight_keys", "Keys that differed and agreed behind the fence."): _count("in_flight"),
    _counter("unjudged_keys", "Keys of which a look could say nothing; they are looked at again."): _count("left"),
    _counter("skipped_changes", "Changes that were too many to follow."): _count("skipped"),
    _counter("looks", "Looks of this process, by whether they proved what they looked at."): _looks,
    _gauge("within_seconds", "The promise: each key is looked at within it.", "seconds"): _within,
    _gauge("oldest_seconds", "How long ago the key was looked at that waits longest.", "seconds"): _of_turn(
        lambda turn, now: _age(turn.oldest, now)
    ),
    _gauge("overdue", "1 while the promise is broken."): _of_turn(lambda turn, now: int(turn.is_overdue(now))),
    _gauge("last_look_seconds", "How long ago a look ended.", "seconds"): _of_turn(
        lambda turn, now: _age(turn.looked, now)
    ),
    _gauge("turn", "The number of the turn that goes on."): _of_turn(lambda turn, now: turn.turn),
    _gauge("turn_seen_ratio", "Share of the spans of keys that this turn has seen.", "ratio"): _of_turn(
        lambda turn, now: float(turn.seen)
    ),
    _gauge("legacy_keys", "Keys of the legacy, as last seen."): _of_turn(lambda turn, now: turn.keys),
    _gauge(
        "audit_bound_ratio", "So many keys differ at most, at 95 % confidence, by this turn and the last.", "ratio"
    ): (_bound),
    _gauge("cause_findings", "Findings that are not closed, by cause."): _open(lambda entry: entry.causes, "cause"),
    _gauge("class_findings", "Findings that are not closed, by class."): _open(lambda entry: [entry.kind], "class"),
    _gauge("trouble", "1 while looks prove too little, with the code of why."): _trouble,
    _gauge("hop_seconds", "How long the last fence waited for each hop.", "seconds"): _hops(lambda hop: hop.seconds),
    _gauge("hop_passed", "0 for the hop that the last fence could not pass."): _hops(lambda hop: int(hop.passed)),
    _gauge("fence_age_seconds", "How long ago that fence was.", "seconds"): _fenced,
    _gauge("full_run_age_seconds", "How long ago the last full run began: of rows, the last gate.", "seconds"): _full(
        lambda run, now: _age(run.started, now)
    ),
    _gauge("full_run_exit_code", "Of that run: 0 clean, 1 over the limit, 2 incomplete."): _full(
        lambda run, now: run.exit_code
    ),
    _gauge("full_run_coverage_ratio", "Share of the keys that it compared and judged.", "ratio"): _full(
        lambda run, now: float(run.coverage)
    ),
}

_DATABASES: dict[Family, str] = {
    _gauge("database_share_ratio", "Share of its rate that a database is asked for; below 1 it was slow.", "ratio"): (
        "share"
    ),
    _gauge("database_rate", "Keys a second that a database is asked for at most."): "rate",
    _counter("database_keys", "Keys that a database was asked for, as its rate counts them."): "taken",
    _counter("database_waited_seconds", "How long was waited for its rate.", "seconds"): "waited",
    _counter("database_backed_off_seconds", "How long it was asked for less than its rate.", "seconds"): "backed_off",
    _counter("database_slow_readings", "Readings that took longer than half a second."): "slow_readings",
    _counter("database_timeouts", "Statements that it ended since they took too long."): "timeouts",
}
