"""The watch of one check, look by look: what just changed, what has not been seen for long, and a few at random.

A look compares some keys by the same code and the same rule as a run, and the same ledger keeps what it finds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from random import Random, SystemRandom

import msgspec

from reconcile.check import CheckSpec
from reconcile.incomplete import Incomplete
from reconcile.ledger.entries import Entry
from reconcile.ledger.ledger import Ledger
from reconcile.ledger.watches import WatchBook, WatchEntry
from reconcile.run import RunResult, Sides, reconcile
from reconcile.watch.audit import DRAWN
from reconcile.watch.bucket import Bucket
from reconcile.watch.changed import Changed, FeedTail
from reconcile.watch.coverage import Coverage, cut
from reconcile.watch.rationed import rationed, walks_of
from reconcile.watch.walk import SideName

CHANGED = 500
"""About so many keys that just changed are looked at together."""

LATE = 2_000
"""Changed keys that could not be judged yet; while there are more, the feed is not read on."""

OPEN_AGAIN = timedelta(minutes=10)
"""How often findings that are not closed are looked at again: a repair is seen soon, whenever the turn of its key is."""

OPEN = 200
"""Findings that are looked at again together, the longest known first."""


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """What a watch promises: each key `within` a time. It looks for changes `every` so often."""

    within: timedelta
    every: timedelta = timedelta(seconds=5)


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What one look did. `found` are the findings that it opened, `closed` those that it ended.

    `ended` is the turn that it completed. Without a `result` there was nothing to look at. `due` is when to look next.
    """

    entry: WatchEntry
    due: datetime
    result: RunResult | None = None
    found: Sequence[Entry] = ()
    closed: Sequence[Entry] = ()
    ended: WatchEntry | None = None


class Watcher:
    """The watch of one check, over sides that are open as long as they work: `Watcher` is made anew with them.

    All that has to outlive it is in the ledger after each look. Its methods raise what a side raises.
    """

    def __init__(
        self,
        check: CheckSpec,
        promise: Promise,
        sides: Sides,
        tail: FeedTail,
        book: WatchBook,
        ledger: Ledger,
        buckets: Mapping[SideName, Bucket],
        clock: Callable[[], datetime],
        dice: Random | None = None,
    ) -> None:
        self._dice = dice or SystemRandom()
        self._check = check
        self._promise = promise
        self._sides = rationed(sides, buckets)
        self._tail = tail
        self._book = book
        self._ledger = ledger
        self._buckets = buckets
        self._clock = clock
        self._late: set[str] = set()
        self._open_at = clock()
        self._walks = walks_of(sides, buckets)
        self._entry = book.last(check.check) or self._first()
        self._read_to = {int(part): offset for part, offset in self._entry.feed.items()}
        spans = book.spans(check.check)
        self._coverage = Coverage(self._walks, spans, began=self._entry.began, within=promise.within)

    def look(self) -> Look:
        """Look at what is due, and write down how far that has come."""
        now = self._clock()
        changed = self._changed()
        page = self._coverage.page(now)
        drawn = {key for _ in range(DRAWN) if (key := self._coverage.drawn(self._dice)) is not None}
        keys = sorted({*changed.keys, *self._late, *page, *self._coverage.again, *self._open_findings(now), *drawn})
        counts = Counter(skipped=changed.skipped)
        if not keys:
            self._read_to = changed.offsets
            return self._written(counts)
        result = self._looked(keys, now)
        left = set(result.left)
        self._read_to = changed.offsets
        self._late = (self._late | changed.keys) & left
        if result.ended:
            self._coverage.looked(key for key in keys if key not in left)
            counts.update(compared=len(set(page) - left), changed=len(changed.keys - left))
            wrong = {finding.key for finding in result.findings}
            counts.update(drawn=len(drawn - left), drawn_wrong=len(drawn & wrong))
        found, closed = self._ledger.looked(result, keys)
        counts.update(found=len(found), closed=len(closed), in_flight=result.in_flight, left=len(left))
        return self._written(counts, result, found, closed)

    def _changed(self) -> Changed:
        if len(self._late) > LATE:
            return Changed.none(self._read_to)
        return self._tail.read(self._read_to, CHANGED)

    def _open_findings(self, now: datetime) -> list[str]:
        if now < self._open_at:
            return []
        self._open_at = now + OPEN_AGAIN
        return [entry.key for entry in self._ledger.findings(self._check.check)[:OPEN]]

    def _looked(self, keys: Sequence[str], now: datetime) -> RunResult:
        # Before a snapshot is open, so that none is held while tokens are waited for.
        for bucket in self._buckets.values():
            bucket.await_room(len(keys))
        run = f"w-{now:%Y-%m-%d-%H%M%S}"
        return reconcile(self._check, self._sides, run=run, clock=self._clock, keys=keys)

    def _written(
        self,
        counts: Counter[str],
        result: RunResult | None = None,
        found: Sequence[Entry] = (),
        closed: Sequence[Entry] = (),
    ) -> Look:
        entry, ended = self._entry_after(counts, None if result is None else result.incomplete), None
        entries = [entry]
        if entry.seen == 1:
            ended = msgspec.structs.replace(entry, ended=entry.looked)
            entry = self._next_turn(entry)
            entries = [ended, entry]
        seen, recut = self._coverage.news()
        self._book.write(entries, seen, self._coverage.spans if recut else None)
        self._entry = entry
        later = entry.looked + self._promise.every
        rests = result is not None and (result.left or result.incomplete is not None)
        due = later if rests else min(later, self._coverage.next_due())
        return Look(entry=entry, due=due, result=result, found=found, closed=closed, ended=ended)

    def _entry_after(self, counts: Counter[str], trouble: Incomplete | None) -> WatchEntry:
        before, coverage = self._entry, self._coverage
        feed = before.feed if self._late else {str(part): offset for part, offset in self._read_to.items()}
        return msgspec.structs.replace(
            before,
            looked=self._clock(),
            within=self._promise.within.total_seconds(),
            oldest=coverage.oldest(),
            seen=coverage.seen_since(before.started),
            keys=coverage.keys("legacy"),
            shares={side: bucket.share for side, bucket in self._buckets.items()},
            feed=feed,
            trouble=None if trouble is None else trouble.code,
            said=None if trouble is None else trouble.message,
            **{name: getattr(before, name) + number for name, number in counts.items()},
        )

    def _next_turn(self, entry: WatchEntry) -> WatchEntry:
        return WatchEntry(
            check=entry.check,
            turn=entry.turn + 1,
            began=entry.began,
            started=entry.looked,
            looked=entry.looked,
            within=entry.within,
            oldest=entry.oldest,
            keys=entry.keys,
            shares=entry.shares,
            feed=entry.feed,
            trouble=entry.trouble,
            said=entry.said,
        )

    def _first(self) -> WatchEntry:
        """The check was never watched: its keys are cut into spans, and changes are followed from now on."""
        feed = {str(part): offset for part, offset in self._tail.now().items()}
        spans, now = list(cut(self._walks)), self._clock()
        entry = WatchEntry(
            check=self._check.check,
            turn=1,
            began=now,
            started=now,
            looked=now,
            within=self._promise.within.total_seconds(),
            oldest=now,
            feed=feed,
        )
        self._book.begin(entry, spans)
        return entry
