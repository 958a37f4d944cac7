"""A raised source epoch: the partition loads anew, and what the feed still says of the log before is passed over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import ClassVar

import msgspec

from connectors.debezium.records import Decoded, Tombstone, Truncate
from pipeline.batch import Batch
from pipeline.job import Job
from pipeline.log.port import Record
from pipeline.state.port import Pin, Save
from translators.change import Change
from translators.errors import DragomanError

EPOCH, SINCE = -2, -3
"""In place of a command's id: the pin of a raised epoch, and that of the feed position at which it was raised."""


def load_anew(job: Job, partition: int, position: int) -> Save:
    """The source epoch was raised: the partition, read to `position`, is loading again, once this is saved.

    What stands in the feed now and was not read is of the epoch before; the pin says how far that goes.
    """
    if job.feed.begins == "empty":
        raise EpochWithoutSnapshot(translator=job.translator.name)
    high = job.log.end(job.feed.topic, partition)
    pins = [Pin(command=EPOCH, partition=partition, at=high), Pin(command=SINCE, partition=partition, at=position)]
    return Save(partition=partition, live=False, pins=pins)


class EpochBefore:
    """What a partition that is loading in a raised epoch has to tell apart: the log before, and that of today."""

    def __init__(self, job: Job, partition: int) -> None:
        self._tables = job.translator.tables
        pins = {pin.command: pin for pin in job.store.pins(partition) if not pin.result}
        self._until, self._since = pins.get(EPOCH), pins.get(SINCE)
        self._passed: Counter[str] = Counter()

    @property
    def is_open(self) -> bool:
        """Whether the epoch was raised and its snapshot is not complete."""
        return self._until is not None

    @property
    def since(self) -> int:
        """The feed position at which the epoch was raised; 0 if none was."""
        return 0 if self._since is None else self._since.at

    def without(self, decoded: list[tuple[Decoded, Record]], begun: bool) -> list[tuple[Decoded, Record]]:
        """Changes that stood in the feed before the epoch was raised, and before the first row of its snapshot, are nothing.

        The snapshot has what became of them. `begun`: a row of it was read before.
        """
        if self._until is None:
            return decoded
        until = 0 if begun else self._until.at
        kept: list[tuple[Decoded, Record]] = []
        for one, record in decoded:
            match one:
                case Change() if one.is_snapshot:
                    until = 0
                case Change() | Truncate() if record.offset < until:
                    self._passed[one.table] += one.table in self._tables
                    kept.append((Tombstone(one.at), record))
                    continue
            kept.append((one, record))
        return kept

    def begin(self, save: Save, decoded: Sequence[object]) -> None:
        """Keep that a row of the epoch's snapshot was read, where nothing that is kept tells the next owner."""
        if self._until is not None and any(isinstance(one, Change) and one.is_snapshot for one in decoded):
            self._until = msgspec.structs.replace(self._until, at=0)
            save.pins.append(self._until)

    def count(self, batch: Batch, epoch: int) -> None:
        """Count what was passed over."""
        for table, number in (+self._passed).items():
            batch.count(table, "read", number)
            batch.count(table, f"ignored: before source epoch {epoch}", number)
        self._passed.clear()

    def loaded(self) -> Iterator[Pin]:
        """The pins, done: the snapshot is complete."""
        yield from (msgspec.structs.replace(p, result="loaded") for p in (self._until, self._since) if p is not None)
        self._until = self._since = None


class EpochWithoutSnapshot(DragomanError):
    """The source epoch was raised, but the feed of {translator} does not begin with a snapshot."""

    code: ClassVar[str] = "source.epoch-without-snapshot"
    hint: ClassVar[str] = (
        "Nothing tells what the source holds now. Say `begins: snapshot` in the source's file, and start a connector that "
        "takes one."
    )
