"""Reload: the rows of one key, read again by the source, replace those in state; rows changed after the reading win.

The source is asked once the command is pinned, and shows the rows in the feed as an incremental snapshot does. Its
notification ends the reading: once the partition was read to the watermark asked after it, all that is needed stands in
the feed between the pin and there, so that a repeat finds the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from connectors.debezium.records import Decoded, IncrementalRow, Truncate
from pipeline.batch import Batch
from pipeline.commands import END, Commands
from pipeline.control import ANYWHERE, Command, reload_of
from pipeline.failpoint import failpoint
from pipeline.grouping import Row
from pipeline.job import Job
from pipeline.marks import Completed
from pipeline.parking import release
from pipeline.publish import Publisher
from pipeline.repair import next_version, repair_facts
from pipeline.state.port import Pin, Save, Stored, Waiting
from pipeline.stateless import RowBatch, reload_row
from translators.aggregate import Rows, seen
from translators.change import UNREAD, Change, read_at
from translators.outcome import Ignored
from translators.translator import Refused, Translation, keys_of

OVERTAKEN = Ignored("discarded by a reload")
NOT_HERE = "the key is not on this partition"
"""The result of a reload of a key that nobody has seen, on the partitions that have nothing of it."""


class Reloads:
    """The reloads of one feed partition whose reading is over."""

    def __init__(self, job: Job, out: Publisher, commands: Commands, partition: int) -> None:
        self._job = job
        self._out = out
        self._commands = commands
        self._partition = partition
        self._told: deque[tuple[int, frozenset[str]]] = deque()
        self.pinned = next((p for p in job.store.pins(partition) if p.command <= END and not p.result), None)
        """The end of a reading up to which the partition was read: to be executed before anything else is read."""

    @property
    def waits(self) -> bool:
        """Whether a reading is over that was not acted upon."""
        return bool(self._told)

    def tell(self, done: Completed) -> bool:
        """Take note of a snapshot that is complete; whether it is one of single keys."""
        asked = reload_of(done.run)
        if asked is not None and asked[0] == self._job.translator.name:
            self._told.append((asked[1], done.tables))
        over = {number for number, _ in self._told}
        self._commands.ask_again(but=over if self.pinned is None else {END - self.pinned.command, *over})
        return asked is not None

    def pin(self, position: int, live: bool) -> None:
        """Write down that the partition was read behind the end of a reading; one that failed says so and changes nothing."""
        while self._told and self.pinned is None:
            number, tables = self._told.popleft()
            pin = self._commands.pin_of(number)
            if pin is None or pin.result:
                continue
            missing = self._job.translator.tables - tables
            if missing or not live:
                self._refuse(pin, missing)
                continue
            end = Pin(command=END - number, partition=self._partition, at=position)
            self._out.save(Save(partition=self._partition, pins=[end]))
            failpoint("reload.after-pin")
            self.pinned = end

    def _refuse(self, pin: Pin, missing: frozenset[str]) -> None:
        why = f"the source could not read {', '.join(sorted(missing))}" if missing else "its partition is still loading"
        done = msgspec.structs.replace(pin, result=f"{why}: nothing was replaced")
        self._out.save(Save(partition=self._partition, pins=[done]))
        self._commands.done(done)

    def execute(self, end: Pin, batch: Batch, first_open: int) -> Pin:
        """Replace the rows of the key, into `batch`; the command's pin, to be `done` once that is written.

        `first_open` is the offset from which the feed would be read again after a crash.
        """
        number = END - end.command
        pin = self._commands.pin_of(number)
        if pin is None:
            raise RuntimeError("the end of a reading is pinned only for a command that is")
        command = self._commands.command(number)
        told = _told(self._job, self._partition, range(min(pin.at, first_open), end.at), command.key, pin.at)
        waiting = self._job.store.waiting(command.key, self._partition)
        if isinstance(batch, RowBatch):
            result = reload_without_rows(batch, command, told, waiting, end.at - 1)
        else:
            result = reload(batch, command, told, waiting)
        done = msgspec.structs.replace(pin, result=result)
        batch.save.pins += [done, msgspec.structs.replace(end, result="done")]
        return done

    def done(self, pin: Pin) -> None:
        """The batch of a reload was written."""
        self._commands.done(pin)
        self.pinned = None


@dataclass(slots=True)
class Told:
    """What the feed told of one key since its reload was pinned at offset `begun`.

    `shown` are the rows that were read again, each as it was shown last; `changed` the streamed changes of each row, also
    those of transactions that are still open; `emptied` the offsets at which tables were truncated.
    """

    begun: int
    shown: dict[Row, Change] = field(default_factory=dict)
    changed: dict[Row, list[Change]] = field(default_factory=dict)
    emptied: dict[str, int] = field(default_factory=dict)

    def overtakes(self, change: Change) -> bool:
        """Whether a change stands before the reading of its row. What the reading did not show was gone when it began."""
        shown = self.shown.get((change.table, change.row_key))
        if shown is None:
            return change.at.offset < self.begun
        return change.at.offset <= shown.at.offset and not 0 < read_at(shown.position) < change.position


def reload(batch: Batch, command: Command, told: Told, waiting: Sequence[Waiting]) -> str:
    """Replace the rows of a key by those that were read again, and publish its state; says what came of it.

    Steps that the reading overtakes are given up, the others stay in order and are applied behind it.
    """
    stored = batch.stored(command.key)
    if not (stored.rows or stored.version or told.shown):
        return (
            NOT_HERE
            if command.partition == ANYWHERE
            else "nothing is known of this key, and the source has no row of it"
        )
    rows, removed = _replaced(stored, told, waiting)
    lost = _of_lost_rows(told, waiting, rows)
    gone, left = _overtaken(batch, waiting, lambda change: told.overtakes(change) or change.identity in lost)
    said = f"{len(told.shown)} rows read, {removed} removed"
    if gone:
        said += f"; {len(gone)} waiting {'step' if len(gone) == 1 else 'steps'} given up"
    after = msgspec.structs.replace(
        stored,
        rows=rows,
        positions=seen(stored.positions, list(told.shown.values())),
        partial=False,
        unmapped=None,
        loading=False,
    )
    if waiting and not left:
        batch.unpark(command.key)
    return f"{said}; {_published(batch, command, after, gone, left)}"


def reload_without_rows(batch: RowBatch, command: Command, told: Told, waiting: Sequence[Waiting], offset: int) -> str:
    """Say what the feed told of a key last since the command; what was not shown is gone. The feed was read to `offset`.

    Steps that the reading overtakes are given up, the others are applied behind it.
    """
    if command.partition == ANYWHERE and not (told.shown or told.changed or waiting):
        return NOT_HERE
    gone, left = _overtaken(batch, waiting, told.overtakes)
    if waiting and not left:
        batch.unpark(command.key)
    later = {change.identity for step in left for change in step.changes}
    seen = [*told.shown.values(), *(change for changes in told.changed.values() for change in changes)]
    latest = max((c for c in seen if c.identity not in later), key=lambda c: c.at.offset, default=None)
    said = f"{len(told.shown)} rows read"
    if gone:
        said += f"; {len(gone)} waiting {'step' if len(gone) == 1 else 'steps'} given up"
    said += f"; {reload_row(batch, command, latest, offset)}"
    return f"{said}; {release(batch, left)}" if left else said


def _published(batch: Batch, command: Command, after: Stored, gone: Sequence[Waiting], left: Sequence[Waiting]) -> str:
    """Publish the state, below the versions of the steps that still wait; where none is free there, behind them."""
    version = (
        next_version(command, after)
        if not left
        else max((s.version for s in gone if s.version < left[0].version), default=0)
    )
    later = msgspec.structs.replace(after, loading=True)
    try:
        state = batch.translator.state(after.rows)
        changed = state is not None or after.published
        if version:
            facts = repair_facts(command, after, version)
            first = after.version == 0
            kept = msgspec.structs.replace(after, version=max(after.version, version))
            batch.publish(facts, kept, Translation(state=state, changed=changed), "snapshot" if first else "repair")
        else:
            batch.keep(command.key, later)
    except Refused as refused:
        problem = refused.problem
        parked = bool(left or gone)
        batch.keep(command.key, later if parked else msgspec.structs.replace(after, unmapped=problem))
        if left:
            batch.still_waits(left[0], problem, left[0].discarded)
        elif gone:
            batch.keep_parked(gone[-1], problem)
        return f"its state cannot be published: {problem.code}: {problem.message}"
    if left:
        return str(release(batch, left))
    return "its state is published" if changed else "there is no state of it to publish"


def _replaced(stored: Stored, told: Told, waiting: Sequence[Waiting]) -> tuple[Rows, int]:
    """The rows as they were read, or as a change behind the reading left them; and how many are gone."""
    parked = {change.identity for step in waiting if not step.discarded for change in step.changes}
    rows: Rows = {}
    known = {(table, row_key) for table, found in stored.rows.items() for row_key in found}
    removed = 0
    for table, row_key in (*sorted(known), *sorted(told.shown.keys() - known)):
        kept = stored.rows.get(table, {}).get(row_key)
        shown = told.shown.get((table, row_key))
        position = stored.positions.get(table, {}).get(row_key, UNREAD)
        changes = [
            c for c in told.changed.get((table, row_key), ()) if c.identity not in parked or not told.overtakes(c)
        ]
        applied = [c for c in changes if c.position <= position and c.identity not in parked and not told.overtakes(c)]
        if shown is not None and not applied and not told.emptied.get(table, -1) > shown.at.offset:
            kept = shown.after
        elif shown is None and not any(c.position > position or not told.overtakes(c) for c in changes):
            kept = None
        if kept is not None:
            rows.setdefault(table, {})[row_key] = kept
        removed += kept is None and (table, row_key) in known
    return rows, removed


def _of_lost_rows(told: Told, waiting: Sequence[Waiting], rows: Rows) -> set[Hashable]:
    """The last changes of rows that state had lost and that were gone again when the key was read.

    Nothing depends on them, and as changes of rows that were never seen they would make the key one of which not all is known.
    """
    there = {(table, row_key) for table, found in rows.items() for row_key in found}
    lost: set[Hashable] = set()
    for change in (c for step in waiting if not step.discarded for c in step.changes if not told.overtakes(c)):
        row = change.table, change.row_key
        if change.op in ("c", "r"):
            there.add(row)
        elif row not in there and change.moved is None:
            lost.add(change.identity)
    return lost


def _overtaken(
    batch: Batch, waiting: Sequence[Waiting], given_up: Callable[[Change], bool]
) -> tuple[list[Waiting], list[Waiting]]:
    """The waiting steps of which all changes are given up, and what is left of the others."""
    gone, left = [], []
    for step in waiting:
        newer = [change for change in step.changes if not given_up(change)]
        if not newer:
            batch.settle_waiting(step, OVERTAKEN)
            gone.append(step)
        elif len(newer) < len(step.changes):
            left.append(batch.shorten(step, newer, OVERTAKEN))
        else:
            left.append(step)
    return gone, left


def _told(job: Job, partition: int, offsets: range, key: str, begun: int) -> Told:
    """Read the feed again for what it tells of one key."""
    told = Told(begun)
    for decoded in _records(job, partition, offsets):
        match decoded:
            case Truncate(table=table) if table in job.translator.tables:
                told.emptied[table] = decoded.at.offset
            case IncrementalRow(change):
                if change.at.offset >= begun and key in _keys(job, change):
                    told.shown[change.table, change.row_key] = change
            case Change() if not decoded.is_snapshot and key in _keys(job, decoded):
                told.changed.setdefault((decoded.table, decoded.row_key), []).append(decoded)
    return told


def _keys(job: Job, change: Change) -> Iterable[str]:
    if change.table not in job.translator.tables:
        return ()
    try:
        return keys_of(job.translator, change)
    except Refused:
        return ()  # set aside when it was read, or the partition would have stopped before it


def _records(job: Job, partition: int, offsets: range) -> Iterator[Decoded]:
    at = offsets.start
    while at < offsets.stop:
        page = job.log.read(job.feed.topic, partition, at, min(job.batch_size, offsets.stop - at))
        yield from (job.decode(record) for record in page.records if record.offset < offsets.stop)
        if page.next <= at:
            return
        at = page.next
