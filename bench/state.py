"""State: what a step of three tables costs with each store and at two sizes, and how fast a changelog is read back.

Steps are the real ones (`pipeline.step`), without a log: grouping, OLD and NEW, both streams' records, and the save.
"""

from __future__ import annotations

import gc
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from bench import by_hand
from bench.measure import ratio
from bench.memory import peak
from dragoman.stack import parts
from dragoman.stack.artifacts import cache_folder, fetch
from dragoman.stack.server import shared
from pipeline.batch import Batch
from pipeline.cloudevents import Producer, Records
from pipeline.grouping import Grouping
from pipeline.log.kafka.log import KafkaLog
from pipeline.log.port import TopicSpec
from pipeline.state.changelog import records_of, recover
from pipeline.state.entries import aggregate_entry, entries_of
from pipeline.state.memory import MemoryState
from pipeline.state.port import StateStore, Stored
from pipeline.state.rocks import RocksState
from pipeline.step import Settling, step
from pipeline.step_facts import facts_of
from translators.aggregate import Rows
from translators.change import Change, Coordinate
from translators.facts import UNKNOWN, Facts
from translators.translator import Said, State, translate
from translators.values import Row

FEW, MANY = 10_000, 1_000_000
CHANGES = 60_000
BATCH = 1_000
RECOVERED = 200_000
PRODUCER = Producer(
    namespace="com.example",
    context="policy",
    source="legacy",
    source_epoch=1,
    translator="policy",
    state_epoch=1,
    generation=1,
    mapping_version="m",
    producer_version="bench",
    events_topic="policy.events",
    state_topic="policy.state",
)


@dataclass
class Side:
    """One store at one size: microseconds of processor time a change, background work included; megabytes at the peak."""

    store: str
    aggregates: int
    change_us: float
    peak_mb: float


@dataclass
class Result:
    """`flat`: with the disk store, a change with many aggregates costs so many times one with few.

    `memory_times`: with memory state, a change costs so many times a step of the same root alone, without any state.
    `recovered`: keys a second of processor time, read from Kafka and put into the disk store; `recovery_times`: that
    processor time as a multiple of reading the same records bare.
    """

    sides: list[Side]
    flat: float
    single_us: float
    memory_times: float
    recovered: float
    recovery_times: float

    def said(self) -> str:
        """Some lines of the report."""
        lines = [
            f"state in {side.store:<8} {side.change_us:>10.1f} us a change of three tables, {side.aggregates:,} aggregates, "
            f"peak {side.peak_mb:.0f} MB"
            for side in self.sides
        ]
        return "\n".join(
            [
                *lines,
                f"disk state         {self.flat:>10.2f} x the time of few aggregates with many; memory "
                f"{self.memory_times:.2f} x one table without state ({self.single_us:.1f} us)",
                f"recovery           {self.recovered:>10,.0f} keys/s of one core, {self.recovery_times:.2f} x bare reading",
            ]
        )


class Policies:
    """The insurer's policies written by hand, with their payments as a third table; or the policies alone."""

    name, context, owner, version, root = "policy", "policy", "Policies", "m", "polmst"
    state_type = "Policy.v1"
    event_types: tuple[str, ...] = ()

    def __init__(self, *parts_of: str) -> None:
        self.tables = frozenset({"polmst", *parts_of})
        self.has_parts = bool(parts_of)
        self.keeps_rows, self.layout = True, "bench"

    def key_of(self, table: str, row: dict[str, Any]) -> str:
        return str(row["pol_no"]).strip(" ")

    def state(self, rows: Rows) -> State | None:
        found = by_hand.state(rows)
        if found is not None and self.has_parts:
            paid: list[Any] = list(rows.get("polpay", {}).values())
            found["payments"] = [{"sequence": row["pay_seq"], "amount": row["pay_amt"]} for row in paid]
        return found

    def events(
        self, old: State | None, new: State | None, old_rows: Rows, new_rows: Rows, facts: Facts = UNKNOWN
    ) -> Said:
        found, ignored = by_hand.events(old, new, new_rows)
        return Said(tuple(found), ignored)

    def correlation(self, rows: Rows) -> str | None:
        return None


def rows_of(number: int, salt: int = 0) -> Rows:
    """The three rows of a policy; another salt is another state of each."""
    key = f"P{number:09}"
    stamp = f"202603{1 + salt % 28:02}120000"
    master: Row = {
        "pol_no": key,
        "prd_cd": "HOME",
        "pol_sts": "A ",
        "pty_no": number % 90_000,
        "agt_cd": "AG0012",
        "eff_dt": "20260101",
        "exp_dt": "20261231",
        "cxl_dt": "00000000",
        "cxl_rsn": None,
        "prem_amt": 48_000 + salt,
        "ccy": "EUR",
        "pay_frq": "M",
        "dsc_pct": Decimal("2.50"),
        "upd_usr": "BATCH01 ",
        "upd_ts": stamp,
        "rct_ts": "20251201093000",
    }
    cover: Row = {
        "pol_no": key,
        "cov_seq": 1,
        "cov_cd": "FIRE",
        "sum_ins": 25_000_000 + salt,
        "ded_amt": Decimal("250.00"),
        "cov_prm": 31_000,
        "upd_ts": stamp,
    }
    payment: Row = {
        "pol_no": key,
        "pay_seq": 1,
        "pay_amt": Decimal(4_000 + salt) / 100,
        "pay_mth": "DD",
        "iban": "NL91ABNA0417164300",
        "iss_dt": "20260301",
    }
    return {"polmst": {key: master}, "covdtl": {f"{key}/1": cover}, "polpay": {f"{key}/1": payment}}


def stored_of(number: int) -> Stored:
    """What is kept of a policy that was published once."""
    rows = rows_of(number)
    positions = {table: dict.fromkeys(kept, 1) for table, kept in rows.items()}
    return Stored(partition=0, rows=rows, positions=positions, version=1, published=True)


def changes_of(aggregates: int, count: int) -> list[Change]:
    """Transactions of one policy each, which update all three of its rows; policies are chosen at random."""
    chance = random.Random(1)
    found: list[Change] = []
    for transaction in range(count // 3):
        number = chance.randrange(aggregates)
        before, after = rows_of(number, transaction), rows_of(number, transaction + 1)
        for table, rows in after.items():
            for row_key, row in rows.items():
                position = 1_000 + len(found)
                found.append(
                    Change(
                        table=table,
                        op="u",
                        row_key=row_key,
                        before=before[table][row_key],
                        after=row,
                        position=position,
                        transaction=str(transaction),
                        committed_after=1_000 + 3 * transaction,
                        time=None,
                        at=Coordinate("feed", 0, position),
                    )
                )
    return found


def play(store: StateStore, changes: list[Change]) -> None:
    """Take the changes batch by batch, as a worker does."""
    grouping, translator = Grouping(), Policies("covdtl", "polpay")
    settling = Settling(grouping, store.scan, False)
    waiting: set[str] = set()
    for first in range(0, len(changes), BATCH):
        batch = Batch(translator, PRODUCER, store, 0, waiting, "dead-letters", True)
        step(batch, grouping, [(change, 0) for change in changes[first : first + BATCH]], False)
        settling.fill(batch, BATCH)
        if isinstance(store, RocksState):
            store.restore(0, entries_of(batch.save, store.counts(0)), 1)  # as behind a changelog
        else:
            store.save(batch.save)


def single(changes: list[Change]) -> None:
    """The same for one table without any state: OLD is the row before."""
    translator = Policies()
    for change in changes:
        key = change.row_key
        rows: Any = {"polmst": {key: change.before}}, {"polmst": {key: change.after}}
        translation = translate(translator, *rows)
        facts = facts_of(key, 1, [change], 0, 0)
        records = Records(PRODUCER, facts)
        records.events(translation.events)
        records.state("Policy.v1", translation.state, "live")


def fill(store: StateStore, aggregates: int) -> None:
    """Keep so many policies."""
    numbers = iter(range(aggregates))
    while some := list(islice(numbers, 5_000)):
        store.restore(0, [aggregate_entry(f"P{number:09}", stored_of(number)) for number in some], 0)


def side(kind: str, aggregates: int) -> Side:
    """Measured in a process of its own."""
    command = [sys.executable, "-m", "bench.state", kind, str(aggregates)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return msgspec.json.decode(done.stdout, type=Side)


def measure(kind: str, aggregates: int) -> Side:
    """Fill a store, then time steps on it."""
    _seldom()
    with tempfile.TemporaryDirectory() as folder:
        store: StateStore = MemoryState() if kind == "memory" else RocksState(Path(folder) / "state")
        fill(store, aggregates)
        _settle()
        changes = changes_of(aggregates, CHANGES)
        play(store, changes[: CHANGES // 2])
        begun = time.process_time()
        play(store, changes[CHANGES // 2 :])
        taken = time.process_time() - begun
        store.close()
    return Side(kind, aggregates, taken / (CHANGES - CHANGES // 2) * 1e6, peak())


def _seldom() -> None:
    """Garbage is looked for as seldom as in the command."""
    gc.set_threshold(20_000, 10, 10)


def _settle() -> None:
    """Wait until nothing of the filling is done in the background any more."""
    before = -1.0
    while time.process_time() - before > 0.05:
        before = time.process_time()
        time.sleep(0.5)


def recovery() -> tuple[float, float]:
    """Keys a second of processor time, and the time as a multiple of bare reading."""
    with (
        tempfile.TemporaryDirectory() as folder,
        shared(parts.kafka(fetch(cache_folder(os.environ))), Path(folder) / "kafka") as broker,
        closing(KafkaLog(broker.at)) as log,
    ):
        log.create(TopicSpec(name="policy.changelog", kind="changelog", partitions=1, compacted=True))
        for records in _told():
            log.append(records)
        names = iter(range(100))
        ours, _, times = ratio(
            lambda: _recover(log, Path(folder) / f"state-{next(names)}"), lambda: _read(log), rounds=3
        )
    return RECOVERED / ours, times


def _told() -> Iterator[list[Any]]:
    for first in range(0, RECOVERED, BATCH):
        entries = [aggregate_entry(f"P{n:09}", stored_of(n)) for n in range(first, first + BATCH)]
        yield records_of("policy.changelog", 0, 1, entries)


def _recover(log: KafkaLog, path: Path) -> None:
    with closing(RocksState(path)) as store:
        assert recover(store, log, "policy.changelog", 0) == RECOVERED


def _read(log: KafkaLog) -> None:
    position, high = 0, log.end("policy.changelog", 0)
    while position < high:
        position = log.read("policy.changelog", 0, position, 10_000).next


def _timed(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def run() -> Result:
    """Every store at its sizes, one table without state, and recovery."""
    _seldom()
    sides = [side("memory", FEW), side("rocksdb", FEW), side("rocksdb", MANY)]
    alone = [change for change in changes_of(FEW, CHANGES) if change.table == "polmst"]
    single(alone)
    single_us = _timed(lambda: single(alone)) / len(alone) * 1e6
    recovered, times = recovery()
    return Result(
        sides=sides,
        flat=sides[2].change_us / sides[1].change_us,
        single_us=single_us,
        memory_times=sides[0].change_us / single_us,
        recovered=recovered,
        recovery_times=times,
    )


if __name__ == "__main__":
    print(json.dumps(asdict(measure(sys.argv[1], int(sys.argv[2])))))
