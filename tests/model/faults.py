"""A log and a store in memory that a schedule may disturb, and that tell what the worker did when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import NoReturn
from unittest.mock import patch

import pipeline.failpoint
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Outgoing, Page, TopicPartition
from pipeline.state.memory import MemoryState
from pipeline.state.port import Save, Stored
from tests.model.oracle import Moment

APART = ("read", "repeat", "late")
SEAMS = (
    "batch.middle",
    "publish.after-events",
    "publish.after-state-stream",
    "state.after-commit",
    "offsets.after-commit",
    "loading.after-publish",
    "control.after-pin",
)


class Killed(BaseException):
    """The worker's process ended here; what it held in its hands is gone."""


@contextmanager
def in_process() -> Iterator[None]:
    """Failpoints raise `Killed` instead of ending this process; none stays armed."""

    def kill(*_: object) -> NoReturn:
        raise Killed

    with patch.object(pipeline.failpoint, "os", SimpleNamespace(kill=kill, getpid=lambda: 0)):
        try:
            yield
        finally:
            disarm()


def disarm() -> None:
    """No failpoint is armed any longer."""
    pipeline.failpoint._remaining.clear()


class GrowingLog(MemoryLog):
    """Records arrive while a worker is in the middle of its turn; the worker may die halfway through publishing.

    `arriving`: what comes, each with the number of questions that the worker asks before, and with the position that the
    connector writes down then; the last one is `passed`. `hidden`: from this offset on
    records count in the high watermark and are not readable yet, since the mark of their transaction is still on its way.
    `tear`: so many records of the next appended batch of several are written, and the writer dies.
    """

    def __init__(self) -> None:
        super().__init__()
        self.arriving: list[tuple[int, list[Outgoing], int | None]] = []
        self.passed: int | None = None
        self.hidden: dict[TopicPartition, int] = {}
        self.tear: int | None = None
        self._questions = 0

    def end(self, topic: str, partition: int) -> int:
        """See the port."""
        self._arrive()
        return super().end(topic, partition)

    def read(self, topic: str, partition: int, offset: int, limit: int) -> Page:
        """See the port."""
        self._arrive()
        page = super().read(topic, partition, offset, limit)
        hidden = self.hidden.get((topic, partition), page.next)
        if hidden >= page.next:
            return page
        return Page([record for record in page.records if record.offset < hidden], max(offset, hidden))

    def hide(self, records: Sequence[Outgoing]) -> None:
        """Append records whose transaction is committed, but not seen to be."""
        for record in records:
            at = record.topic, record.partition or 0
            self.hidden.setdefault(at, super().end(*at))
        super().append(records)

    def append(self, records: Sequence[Outgoing]) -> list[TopicPartition]:
        """See the port."""
        tear = self.tear
        if tear is None or len(records) < 2 or not records[0].topic.endswith((".events", ".dead-letters")):
            return super().append(records)
        self.tear = None
        super().append(records[: tear % len(records)])
        raise Killed

    def all_arrived(self) -> None:
        """Whatever is still on its way is here now."""
        for _, records, passed in self.arriving:
            super().append(records)
            self.flushed(passed)
        self.arriving = []

    def flushed(self, passed: int | None) -> None:
        """The connector wrote down its position, if it is one."""
        self.passed = self.passed if passed is None else passed

    def _arrive(self) -> None:
        self._questions += 1
        while self.arriving and self.arriving[0][0] < self._questions:
            _, records, passed = self.arriving.pop(0)
            super().append(records)
            self.flushed(passed)
            self._questions = 0


class WatchedState(MemoryState):
    """Writes down the moments of the oracle, and sees to it that the counts fit whenever something is kept.

    `begins_live`: the feed begins empty, so that every row of a snapshot is one that is shown again.
    """

    def __init__(self) -> None:
        super().__init__()
        self.moments: list[Moment] = []
        self.codes: Mapping[str, str] = {}
        self.commands: dict[int, tuple[str, str]] = {}
        self.begins_live = True
        self._kept: dict[str, Stored] = {}
        self._batch = 0

    def save(self, save: Save) -> None:
        """See the port."""
        super().save(save)
        self._batch += 1
        for pin in save.pins:
            if pin.result and pin.command >= 0:
                action, key = self.commands[pin.command]
                self.moments.append(Moment(key, action, self.codes, self._batch))  # type: ignore[arg-type]
        for key, stored in save.aggregates.items():
            self._observe(key, self._kept.get(key, Stored(partition=save.partition)), stored, save)
            self._kept[key] = stored
        self.assert_balanced()

    def _observe(self, key: str, before: Stored, stored: Stored, save: Save) -> None:
        """What one batch did to one key: its steps, and rows of it that a snapshot showed again."""
        moment = Moment(key, "read", self.codes, self._batch)
        grown = stored.version - before.version
        assert grown >= 0, f"{key}: version {stored.version} after {before.version}"
        live = self.begins_live or self.is_live(save.partition)
        if live and before.loading and not stored.loading and not (save.counts and not save.pins):
            self.moments.append(replace(moment, what="complete"))
            return
        parked = [w for w in save.waiting if w.key == key and w.version > before.version and w.changes[0].is_snapshot]
        for step in parked if live else ():
            rows = tuple((change.table, change.row_key) for change in step.changes)
            self.moments.append(replace(moment, what="waits", rows=rows))
            grown -= 1
        self.moments += [moment] * grown
        if (
            live
            and not (grown or parked or save.pins)
            and (stored.rows, stored.partial) != (before.rows, before.partial)
        ):
            rows = tuple(
                (table, row_key)
                for table, found in stored.rows.items()
                for row_key, row in found.items()
                if row != before.rows.get(table, {}).get(row_key)
            )
            self.moments.append(replace(moment, what="reread", rows=rows))

    def assert_balanced(self) -> None:
        """Every change that was read has one outcome, also halfway."""
        balance: dict[str, int] = {}
        for (table, label), number in self.counts().items():
            assert number >= 0, f"{table} {label}: {number}"
            sign = {"read": 1, "late": 0}.get(label, -1)
            if table:
                balance[table] = balance.get(table, 0) + sign * number
        assert not any(balance.values()), f"{balance} changes have no outcome, or two"
