"""What the ledger remembers of a watch: how far it has come, turn by turn, and when each span of keys was seen."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, Engine, delete, insert, select

from reconcile.ledger.opening import told
from reconcile.ledger.tables import SPANS, WATCHES
from reconcile.watch.spans import Span


class WatchEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of the watch of one check: each key of both sides seen once, and what was seen beside.

    `began` is when the check was first watched, `looked` when a look last ended. `oldest` is since when each key has been
    looked at, which is promised to be less than `within` seconds ago; `seen` the share of the spans that this turn has seen.
    `keys` are the legacy's. The counts are of looks: `compared` at spans, `changed` at keys that had just changed, `drawn` at
    keys at random, of which `drawn_wrong` differed; `found` and `closed` are the findings that all of them opened and ended.
    `left` of all these could not be judged when they were looked at, and are looked at again. `skipped` are changes that were
    too many to follow. `shares` says by database which share of its rate is read: below 1 while it is slow. `feed` are the
    feed's offsets by partition up to which all changed keys were judged. `trouble` is the code of why the last look proved
    too little, `said` the same in words.
    """

    check: str
    turn: int
    began: datetime
    started: datetime
    looked: datetime
    within: float
    oldest: datetime
    ended: datetime | None = None
    seen: float = 0.0
    keys: int = 0
    compared: int = 0
    found: int = 0
    closed: int = 0
    in_flight: int = 0
    left: int = 0
    changed: int = 0
    skipped: int = 0
    drawn: int = 0
    drawn_wrong: int = 0
    shares: Mapping[str, float] = {}
    feed: Mapping[str, int] = {}
    trouble: str | None = None
    said: str | None = None

    def is_overdue(self, now: datetime) -> bool:
        """Whether a key was not looked at within the time that was promised."""
        return (now - self.oldest).total_seconds() > self.within


class WatchBook:
    """The part of the ledger that watches write. Each method is one transaction; `LedgerUnusable` if that fails."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def turns(self, check: str | None = None) -> list[WatchEntry]:
        """All turns, oldest first."""
        query = select(WATCHES).order_by(WATCHES.c.check, WATCHES.c.turn)
        if check is not None:
            query = query.where(WATCHES.c.check == check)
        with told(), self._engine.begin() as connection:
            return [WatchEntry(**row) for row in connection.execute(query).mappings()]

    def last(self, check: str) -> WatchEntry | None:
        """The turn that goes on, if the check was ever watched."""
        turns = self.turns(check)
        return turns[-1] if turns else None

    def spans(self, check: str) -> list[Span]:
        """The spans of a check, in the order of their keys."""
        columns = [SPANS.c[name] for name in Span.__struct_fields__]
        query = select(*columns).where(SPANS.c.check == check).order_by(SPANS.c.number)
        with told(), self._engine.begin() as connection:
            return [Span(**row) for row in connection.execute(query).mappings()]

    def begin(self, entry: WatchEntry, spans: Sequence[Span]) -> None:
        """A check is watched for the first time, or its keys are cut anew."""
        with told(), self._engine.begin() as connection:
            write_turn(connection, entry)
            write_spans(connection, entry.check, dict(enumerate(spans)), anew=True)

    def write(self, entries: Collection[WatchEntry], seen: Mapping[int, Span], spans: Sequence[Span] | None) -> None:
        """How far it has come by now: `seen` are the spans that changed, or `spans` all of them."""
        with told(), self._engine.begin() as connection:
            for entry in entries:
                write_turn(connection, entry)
            changed = seen if spans is None else dict(enumerate(spans))
            for check in {entry.check for entry in entries}:
                write_spans(connection, check, changed, anew=spans is not None)


def write_turn(connection: Connection, entry: WatchEntry) -> None:
    """The row of a turn."""
    connection.execute(delete(WATCHES).where(WATCHES.c.check == entry.check, WATCHES.c.turn == entry.turn))
    connection.execute(insert(WATCHES), [msgspec.structs.asdict(entry)])


def write_spans(connection: Connection, check: str, spans: Mapping[int, Span], *, anew: bool) -> None:
    """The rows of these spans, by their numbers; `anew`: there are no others."""
    old = delete(SPANS).where(SPANS.c.check == check)
    if anew:
        connection.execute(old)
    elif spans:
        connection.execute(old.where(SPANS.c.number.in_(list(spans))))
    if spans:
        rows = [{"check": check, "number": at, **msgspec.structs.asdict(span)} for at, span in spans.items()]
        connection.execute(insert(SPANS), rows)
