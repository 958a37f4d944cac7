"""One run: programs write, a worker translates, the connector is killed in the middle of large transactions."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.log.port import Outgoing, TopicPartition
from tests.killed.look import Look, look
from tests.killed.product import Beside, Names, Product, everything
from tests.killed.stack import Connector
from tests.killed.witness import Witness
from tests.killed.writers import Writers
from tests.model.journal import Row, RowChange, Transaction
from tests.model.legacy import TABLES

PATIENCE = 120
"""Seconds without any progress that are too many."""
_APART = ("read", "repeat", "late")
LARGE, PROGRAMS, PAUSE = 3000, 4, 0.06
MORE = 5
"""How many kills more than wanted are tried until all traps of a killed connector were seen."""


@dataclass(frozen=True)
class Passed:
    """That the connector's committed offset had reached a position, and the watermarks that were asked for after that."""

    position: int
    highs: Mapping[TopicPartition, int]


@dataclass
class Run:
    """What happened: the journal, what the connector made of it, and what it said of its offset."""

    names: Names
    loaded: Mapping[str, Sequence[Row]]
    kills: int = 0
    journal: Sequence[Transaction] = ()
    records: list[Outgoing] = field(default_factory=list)
    passed: list[Passed] = field(default_factory=list)

    @property
    def look(self) -> Look:
        """What its records look like."""
        return look(self.names.connector, self.records)


class Live:
    """A run that goes on. `product` is the translator at it, straight on the connector's topics; it is not killed itself."""

    def __init__(self, connector: Connector, writers: Writers, witness: Witness, seed: int) -> None:
        legacy = connector.legacy
        self._connector, self._writers, self._witness = connector, writers, witness
        self._chance = random.Random(seed)
        names = Names(legacy.connector, legacy.namespace, legacy.spec.prefix, legacy.partitions)
        self.run = Run(names, legacy.rows())
        self.product = Product(names, Beside(connector.log, legacy.spec.prefix), self._ask)

    def go(self, kills: int, large: int = LARGE) -> Run:
        """Let the programs write, kill the connector as often as wanted, and wait until everything has been read."""
        _until(lambda: self._connector.size() > 0)
        worker = self.product.worker()
        self._writers.start()
        while self._connector.kills < kills or not self._has_shown_all(kills):
            self._writers.write_much()
            self._connector.kill_within(2 * large, self._chance, worker.turn)
            worker = self.product.worker()
        self._writers.stop()
        self.run.journal = self._witness.journal()
        self.run.kills = self._connector.kills
        assert sorted_rows(self._witness.rows.shown) == sorted_rows(self._connector.legacy.rows())
        wanted = sum(halves(change) for one in self.run.journal for change in one.changes)
        wanted += sum(map(len, self.run.loaded.values()))
        _until(
            lambda: worker.turn() == 0 and not worker.in_flight and self._outcomes() >= wanted,
            self._outcomes,
            lambda: f"{wanted:,} wanted, in flight {worker.in_flight}, offset {self._connector.offset()}",
        )
        self.run.records = list(everything(self._connector.log, self._connector.topics))
        return self.run

    def _has_shown_all(self, kills: int) -> bool:
        """Whether the kills have brought about what they are for; a few more are tried.

        Rows are looked at last: those of each END that was seen are there by then, however much is still written.
        """
        if self._connector.kills >= kills + MORE:
            return True
        topics = self._connector.topics[::-1]
        return look(self.run.names.connector, everything(self._connector.log, topics)).has_all

    def _outcomes(self) -> int:
        counts = self.product.store.counts().items()
        return sum(number for (table, label), number in counts if table and label not in _APART)

    def _ask(self) -> int | None:
        position = self._connector.passed()
        if position is not None:
            log, feed = self._connector.log, self._connector.feed
            highs = {(feed, number): log.end(feed, number) for number in range(self.run.names.partitions)}
            self.run.passed.append(Passed(position, highs))
        return position


def halves(change: RowChange) -> int:
    """How many records a connector makes of a change: a primary key that changes is a delete and an insert."""
    before, after = change.before, change.after
    return 2 if before and after and any(before[c] != after[c] for c in TABLES[change.table]) else 1


def sorted_rows(tables: Mapping[str, Sequence[Row]]) -> dict[str, list[str]]:
    """Rows in an order that two readings share."""
    return {table: sorted(map(repr, rows)) for table, rows in tables.items()}


def _until(
    holds: Callable[[], bool], progress: Callable[[], int] = lambda: 0, why: Callable[[], str] = lambda: ""
) -> None:
    """Wait until something holds, as long as there is progress; else `why` says what there is."""
    last, deadline = progress(), time.monotonic() + PATIENCE
    while not holds():
        if progress() != last:
            last, deadline = progress(), time.monotonic() + PATIENCE
        assert time.monotonic() < deadline, f"{last:,} and no more for {PATIENCE} s; {why()}"
        time.sleep(0.1)


def assert_shown(run: Run) -> None:
    """The run contained what it is for, and its records are as the product takes them to be."""
    seen = run.look
    assert seen.has_all, seen.figures
    assert {one.name for one in run.journal} == set(seen.transactions) - seen.empty
    seen.assert_places(run.journal)
    for told in run.passed:
        seen.assert_passed(told.position, {partition: high for (_, partition), high in told.highs.items()})
