"""A life of the source, and what a connector that is killed now and then makes arrive of it, in what order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from pipeline.log.port import Outgoing, TopicPartition
from tests.model.dice import Dice
from tests.model.journal import Row, RowChange, Transaction
from tests.model.legacy import BEFORE, EVERYWHERE, TABLES, WHOLE, Commit, Database, Place, place
from tests.model.wire import Rereading, RereadRow, Sent, Wire

CLOSER = "Z  "
"""The branch of orders that are only there to prove that what came before is over."""

Shown = list[tuple[str, Row]]
"""The rows of a snapshot, with their tables."""

Proof = Literal["end", "later", "passed"]
"""What closes the last steps: an END, since Connect enforces exactly-once; a later transaction; the connector's offset."""


@dataclass(frozen=True, slots=True)
class Life:
    """What a source showed and did: the rows of a snapshot that was cut, those of a whole one, what was committed after.

    The last `closers` commits are no part of the story: each proves to one partition that what came before is over.
    `unseen` are rows that were there before, and that nothing showed; `rereading` is a snapshot in the midst of the story.
    """

    cut: Shown
    loaded: Shown | None
    commits: Sequence[Commit]
    closers: int
    unseen: Shown = field(default_factory=list)
    rereading: Rereading | None = None

    def journal(self, wire: Wire) -> list[Transaction]:
        """What the oracle is told."""
        return [replace(commit.transaction, time=wire.time(commit.time)) for commit in self.story]

    @property
    def story(self) -> Sequence[Commit]:
        """The commits without closers."""
        return self.commits[: len(self.commits) - self.closers]


def life(dice: Dice, wire: Wire, proof: Proof) -> Life:
    """A life drawn from dice: perhaps with a past of which a snapshot tells, perhaps one that was cut and begun again."""
    past = dice.pick(("none", "none", "shown", "shown", "unseen"))
    features = WHOLE if wire.partitions == 1 else EVERYWHERE
    database = Database(dice, features - {"truncates", "big values move"} if past == "unseen" else features)
    cut: Shown = []
    loaded = None
    unseen: Shown = []
    if past == "unseen":
        database.run(1 + dice.below(4))
        unseen = rows_of(database)
    if past == "shown":
        database.run(dice.below(6))
        if dice.chance(20):
            cut = rows_of(database)
            cut = cut[: dice.below(len(cut) + 1)]
            database.run(1)
            if cut and dice.chance(50):
                _take_away(database, dice.pick(cut)[1])
        loaded = rows_of(database)
    begin = len(database.commits)
    database.run(1 + dice.below(12))
    database.finish()
    closers = wire.partitions if proof == "later" else 0
    for number in range(closers):
        row = {"br": CLOSER, "no": number, "sts": "N", "note": None, "touched": 0}
        database.commit(RowChange("orders", None, row))
    story = database.commits[begin : len(database.commits) - closers]
    reread = wire.rereads and past != "shown" and dice.chance(60 if past == "unseen" else 20)
    run = rereading(dice, unseen or loaded or [], story) if reread else None
    return Life(cut, loaded, database.commits[begin:], closers, unseen, run)


def scans(rows: Shown, namespace: str) -> Iterator[tuple[str, dict[str, str]]]:
    """What the connector says of an initial snapshot in the end."""
    for table in TABLES:
        status = "SUCCEEDED" if any(name == table for name, _ in rows) else "EMPTY"
        yield "TABLE_SCAN_COMPLETED", {"scanned_collection": f"{namespace}.{table}", "status": status}
    yield "COMPLETED", {}


def _take_away(database: Database, one: Row) -> None:
    """Delete all rows of an order, as far as nobody else holds them."""
    rows = [item for item in rows_of(database) if (item[1]["br"], item[1]["no"]) == (one["br"], one["no"])]
    database.commit(*(RowChange(table, row, None) for table, row in rows))


def rows_of(database: Database) -> Shown:
    """All rows, table by table, as a snapshot reads them."""
    found = [(where[0], row) for where, row in database.rows.items()]
    return sorted(found, key=lambda item: (list(TABLES).index(item[0]), repr(item[1])))


def rereading(dice: Dice, rows: Shown, story: Sequence[Commit]) -> Rereading:
    """A snapshot of everything in the midst of a story; table by table if it is incremental, else at one place for all.

    A blocking one may speak of a place that the stream has not reached yet.
    """
    kind: Literal["incremental", "blocking"] = "blocking" if dice.chance(50) else "incremental"
    places = sorted(dice.below(len(story) + 1) for _ in TABLES)
    if kind == "blocking":
        places = places[-1:] * len(TABLES)
    sent_before = dice.below(places[0] + 1) if kind == "blocking" else places[0]
    found: list[RereadRow] = []
    for table, at in zip(TABLES, places, strict=True):
        known = {place(name, row): row for name, row in rows}
        for change in (logged.change for commit in story[:at] for logged in commit.logged):
            changed(known, change)
        lsn = story[at - 1].lsn if at else BEFORE
        emitted = sent_before if kind == "blocking" else at
        found += [RereadRow(emitted, at, lsn, table, row) for (name, _), row in known.items() if name == table]
    failed = dice.pick(tuple(TABLES)) if dice.chance(25) else None
    if failed is not None:
        shown = dice.below(4)
        of_it = [one for one in found if one.table == failed]
        found = [one for one in found if one.table != failed or one in of_it[:shown]]
    return Rereading(kind, tuple(sorted(found, key=lambda one: one.emitted)), failed)


def changed(rows: dict[Place, Row], change: RowChange) -> None:
    """Apply one change."""
    if change.truncated:
        for where in [where for where in rows if where[0] == change.table]:
            del rows[where]
    if change.before is not None:
        rows.pop(place(change.table, change.before), None)
    if change.after is not None:
        rows[place(change.table, change.after)] = change.after


def passes(dice: Dice, wire: Wire, life: Life, *, exactly_once: bool) -> Iterator[tuple[list[Sent], int]]:
    """What arrives of each pass of a connector that is killed up to three times, before the closers.

    It goes on where it last wrote down its position: in the commit whose number comes with the records. What it sent behind
    that has arrived, partition by partition, up to some place; but where Connect enforces exactly-once, nothing of it has.
    """
    begin, skipped, blind, story = 0, 0, dice.chance(50), len(life.story)
    for _ in range(dice.below(4)):
        sent = list(wire.one_pass(life.commits, begin, skipped, blind=blind, rereading=life.rereading))
        end = next((i for i, s in enumerate(sent) if s.commit >= story), len(sent))
        kept = dice.below(min(end, 255))
        reached = {
            lane: kept if exactly_once else min(end, kept + dice.below(8)) for lane in sorted(map(lane_of, sent))
        }
        at = sent[kept].commit
        yield [s for i, s in enumerate(sent) if i < reached[lane_of(s)]], at
        rows = sum(1 for s in sent[:kept] if s.commit == at and s.is_row)
        begin, skipped, blind = at, rows + (skipped if at == begin else 0), dice.chance(50)
    yield list(wire.one_pass(life.commits, begin, skipped, blind=blind, rereading=life.rereading)), len(life.commits)


def lane_of(sent: Sent) -> TopicPartition:
    """Where a record goes."""
    return sent.record.topic, sent.record.partition or 0


@dataclass(frozen=True, slots=True)
class Slice:
    """Records that arrive together, and what the connector's offset may say from then on: a position in the log."""

    records: list[Outgoing]
    passed: int | None


@dataclass(slots=True)
class Lanes:
    """What is on its way to each partition, in order; a record may have to wait for what was sent elsewhere before it.

    `flushes`: once the first so many records have arrived, the connector may write down a position.
    """

    lanes: dict[TopicPartition, list[tuple[int, int, Outgoing]]] = field(default_factory=dict)
    sent: int = 0
    flushes: list[tuple[int, int]] = field(default_factory=list)

    def send(self, record: Outgoing, *, after: int = 0) -> None:
        """The record is not readable before the first so many that were sent."""
        self.sent += 1
        self.lanes.setdefault((record.topic, record.partition or 0), []).append((self.sent, after, record))

    def slices(self, dice: Dice) -> Iterator[Slice]:
        """All of it, in any interleaving that these promises allow."""
        while lanes := [lane for lane in self.lanes.values() if lane]:
            lane = dice.pick([lane for lane in lanes if self._may_go(lane)])
            wanted = dice.pick((12, 1, 2, 4))
            taken: list[Outgoing] = []
            while lane and len(taken) < wanted and self._may_go(lane):
                taken.append(lane.pop(0)[2])
            missing = min((lane[0][0] for lane in lanes if lane), default=self.sent + 1)
            yield Slice(taken, max((position for sent, position in self.flushes if sent < missing), default=None))

    def _may_go(self, lane: list[tuple[int, int, Outgoing]]) -> bool:
        _, after, _ = lane[0]
        return all(other[0][0] > after for other in self.lanes.values() if other and other is not lane)


def arriving(dice: Dice, wire: Wire, life: Life, *, exactly_once: bool) -> Lanes:
    """Everything that the connector sends of a life. An END waits for the rows only where Connect enforces exactly-once.

    That a snapshot is begun again is told before anything is streamed, that it is complete behind its rows.
    """
    lanes = Lanes()
    begun = 0
    for rows, lsn in ((life.cut, 900), (life.loaded, 950)):
        if rows is not None and (lsn == 950 or rows):
            lanes.send(wire.notification("STARTED"))
            begun = lanes.sent
        for record in wire.snapshot(rows or [], lsn):
            lanes.send(record)
    for kind, details in () if life.loaded is None else scans(life.loaded, wire.namespace):
        lanes.send(wire.notification(kind, **details), after=lanes.sent)
    run = life.rereading
    for one, flushed in passes(dice, wire, life, exactly_once=exactly_once):
        for sent in one:
            lanes.send(sent.record, after=lanes.sent if exactly_once and not sent.is_row else begun)
            if sent.is_end and sent.commit < flushed:
                lanes.flushes.append((lanes.sent, wire.offset(life.commits[sent.commit])))
    for kind, details in [] if run is None else run.notes():
        lanes.send(wire.notification(kind, "" if run is None else run.name, **details), after=lanes.sent)
    return lanes
