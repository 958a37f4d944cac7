"""A projection at work: reads a state stream, keeps a view, and knows where it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, Engine

from pipeline.failpoint import failpoint
from pipeline.log.port import Log, Record
from pipeline.projection.checkpoint import Checkpoint, partitions, read_on
from pipeline.projection.content import Projector
from pipeline.projection.database import savepoint, translated, writing
from pipeline.projection.errors import RowRefused
from pipeline.projection.fold import Folded, Refusal, fold
from pipeline.projection.parked import ParkedRecord, Parking
from pipeline.projection.spec import ProjectionSpec
from pipeline.projection.tables import Tables, make_tables
from pipeline.projection.write import ViewWriter
from translators.contract import Shape

BATCH = 500

Clock = Callable[[], datetime]
"""Gives the time, with its zone."""


class Projection:
    """Keeps the view that `spec` declares, from the state stream `topic`. `prepare` once, then `turn` as often as wanted.

    `shape` is the state contract's, against which the spec was checked. A record is applied only if its sequence is
    greater than what the view has for its key, deleted keys included, so records may be repeated and reordered.
    Both methods raise `ViewError`s, `DiskFull` and what the log raises; nothing of a batch is then committed.

    `applied`, `older` (skipped: the view has that version or a newer one) and `refused` (parked) count records since
    this object was made.
    """

    def __init__(
        self, spec: ProjectionSpec, shape: Mapping[str, Shape], engine: Engine, log: Log, clock: Clock, topic: str
    ) -> None:
        self.spec = spec
        self.topic = topic
        self.applied = self.older = self.refused = 0
        self._engine = engine
        self._log = log
        self._clock = clock
        self._tables = Tables.of(spec, shape)
        self._projector = Projector(spec, shape)
        self._writer = ViewWriter(self._tables)
        self._parking = Parking(self._tables, topic)
        self._checkpoint = Checkpoint(self._tables.checkpoint, spec.name)

    def prepare(self) -> None:
        """Make the tables that are missing; `view.table-conflict` if one exists with other columns."""
        make_tables(self._engine, self._tables.metadata.sorted_tables)

    def turn(self, limit: int = BATCH) -> int:
        """Apply up to `limit` records of each partition, each partition's in one transaction; how many were read."""
        return sum(self._partition(partition, offset, limit) for partition, offset in self.position().items())

    def position(self) -> dict[int, int]:
        """Partition -> the next offset to read; committed with the rows, so the view has everything before it."""
        with translated(self._engine), self._engine.connect() as connection:
            found = self._checkpoint.positions(connection, self.topic)
        return {partition: found.get(partition, 0) for partition in partitions(self._log, self.topic)}

    def behind(self) -> int:
        """How many offsets the view is behind the stream; 0 means that it has everything that is there."""
        return sum(self._log.end(self.topic, partition) - offset for partition, offset in self.position().items())

    def parked(self) -> list[ParkedRecord]:
        """The records that wait for a newer one of their key, because they could not be applied."""
        with translated(self._engine), self._engine.connect() as connection:
            return self._parking.records(connection)

    def _partition(self, partition: int, offset: int, limit: int) -> int:
        records, following = read_on(self._log, self._engine, self.topic, partition, offset, limit)
        if following == offset:
            return 0
        with translated(self._engine), writing(self._engine) as connection:
            if not self._checkpoint.advance(connection, self.topic, partition, offset, following):
                return 0
            folded, parked = self._apply(connection, records)
            failpoint("projection.before-commit")
        failpoint("projection.after-commit")
        self.applied += folded.applied
        self.older += folded.older
        self.refused += parked
        return len(records)

    def _apply(self, connection: Connection, records: Sequence[Record]) -> tuple[Folded, int]:
        """All at once, or one by one if the database refuses a row: then that one is parked and the others are not."""
        now = self._clock()
        try:
            with savepoint(connection):
                folded = self._write(connection, records, now)
        except RowRefused as problem:
            if len(records) > 1:
                total = Folded({})
                counts = [self._add(total, self._apply(connection, [record])) for record in records]
                return total, sum(counts)
            folded = self._refused(records[0], problem)
        return folded, self._parking.settle(connection, folded.slots, folded.refusals, now)

    def _write(self, connection: Connection, records: Sequence[Record], now: datetime) -> Folded:
        folded = fold(records, lambda keys: self._writer.slots(connection, keys), self._projector)
        self._writer.write(connection, folded.slots, now)
        return folded

    @staticmethod
    def _refused(record: Record, problem: RowRefused) -> Folded:
        # The database refused its row, so it was readable.
        headers = dict(record.headers)
        key, version = ((headers[name] or b"").decode() for name in ("ce_subject", "ce_sequence"))
        return Folded({}, refusals=[Refusal(record, key, version, problem)])

    @staticmethod
    def _add(total: Folded, part: tuple[Folded, int]) -> int:
        total.applied += part[0].applied
        total.older += part[0].older
        return part[1]
