"""Our worker under Faust: its engine with no more than the small transform in it, and the whole of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from bench.kafka.rung import Job, Meter
from bench.kafka.small import data, transform
from connectors.debezium.decode import Decoder
from pipeline.engine.faust.runner import join
from pipeline.feed import Feed, Identity, group_of
from pipeline.log.kafka.log import KafkaLog
from pipeline.log.port import Log, Outgoing
from pipeline.state.rocks import RocksState
from pipeline.worker import TranslatorWorker
from translators.aggregate import Rows
from translators.facts import UNKNOWN, Facts
from translators.schema import Encoding, LegacySchema, Table, column_type
from translators.translator import Event, Said, State
from translators.values import Row

_BATCH = 1_000
_COLUMNS = {
    "o_id": "bigint not null",
    "status": "varchar(1) not null",
    "customer": "varchar(9) not null",
    "currency": "varchar(3) not null",
    "total_cents": "bigint not null",
    "discount_cents": "bigint not null",
    "lines": "integer not null",
    "channel": "varchar(1) not null",
    "placed_ms": "bigint not null",
    "street": "varchar(40) not null",
    "city": "varchar(40) not null",
    "remark": "text not null",
    "upd_user": "varchar(10) not null",
}


class Plain:
    """As much of a worker as the engine asks for: batch by batch, output acknowledged, then the offset."""

    def __init__(self, log: Log, job: Job, meter: Meter) -> None:
        self._log = log
        self._job = job
        self._meter = meter
        self._places: dict[int, int] = {}

    @property
    def partitions(self) -> frozenset[int]:
        """See `TranslatorWorker`."""
        return frozenset(self._places)

    def prepare(self) -> None:
        """See `TranslatorWorker`."""

    def take(self, partitions: Iterable[int]) -> None:
        """See `TranslatorWorker`."""
        committed = self._log.committed(group_of(self._job.group))
        self._places.update({p: committed.get((self._job.source, p), 0) for p in partitions})

    def give_back(self, partitions: Iterable[int]) -> None:
        """See `TranslatorWorker`."""
        for partition in partitions:
            del self._places[partition]

    def turn(self, stop: Callable[[], bool]) -> int:
        """See `TranslatorWorker`."""
        return sum(self._batch(partition) for partition in self._places if not stop())

    def _batch(self, partition: int) -> int:
        job, log = self._job, self._log
        page = log.read(job.source, partition, self._places[partition], _BATCH)
        if page.records:
            log.append(
                [
                    Outgoing(
                        topic=job.target,
                        timestamp=record.timestamp,
                        key=record.key,
                        value=transform(record.value or b""),
                        partition=partition,
                    )
                    for record in page.records
                ]
            )
            log.commit(group_of(job.group), {(job.source, partition): page.next})
            self._places[partition] = page.next
            self._meter.handled(len(page.records))
        return len(page.records)


class Orders:
    """The small transform as a translator: the same data, as the state and as an event of each change of it."""

    context = "sales"
    owner = "Sales"
    version = "m"
    root = "orders"
    tables = frozenset({"orders"})
    has_parts = False
    layout = "orders"
    state_type = "Order.v1"
    event_types: tuple[str, ...] = ("OrderChanged.v1",)

    def __init__(self, name: str, *, keeps_rows: bool) -> None:
        self.name = name
        self.keeps_rows = keeps_rows

    def key_of(self, table: str, row: Row) -> str:
        """See `Translator`."""
        return str(row["o_id"])

    def state(self, rows: Rows) -> State | None:
        """See `Translator`."""
        return next((data(row, row) for row in rows.get("orders", {}).values()), None)

    def events(
        self, old: State | None, new: State | None, old_rows: Rows, new_rows: Rows, facts: Facts = UNKNOWN
    ) -> Said:
        """One for each change."""
        (before,), (after,) = old_rows["orders"].values(), new_rows["orders"].values()
        return Said((Event("OrderChanged.v1", data(before, after)),))

    def correlation(self, rows: Rows) -> str | None:
        """See `Translator`."""
        return None


SCHEMA = LegacySchema(
    source="legacy",
    connector="postgresql",
    namespace="public",
    encoding=Encoding(),
    tables={
        "orders": Table(
            name="orders",
            columns={name: column_type(text) for name, text in _COLUMNS.items()},
            native={name: text.removesuffix(" not null") for name, text in _COLUMNS.items()},
            key=("o_id",),
        )
    },
)


def stateless(job: Job, meter: Meter) -> None:
    """The whole worker, for a translator that keeps no rows."""
    _whole(job, meter, keeps_rows=False)


def disk(job: Job, meter: Meter) -> None:
    """The whole worker: rows on disk and in a changelog."""
    _whole(job, meter, keeps_rows=True)


def _whole(job: Job, meter: Meter, *, keeps_rows: bool) -> None:
    """Fenced, as it is; the connector's offset has passed all of the feed."""
    with closing(RocksState(Path(job.folder) / "state")) as store:
        worker = partial(
            TranslatorWorker,
            store=store,
            translator=Orders(job.group, keeps_rows=keeps_rows),
            decoder=Decoder(SCHEMA, None),
            feed=Feed(topic=job.source, transactions=None, notifications=None, begins="empty", exactly_once=False),
            identity=Identity(namespace="com.example", source="legacy", source_epoch=1, version="bench"),
            progress=lambda _, records: meter.handled(records),
            changelog=True,
            passed=lambda: 1 << 62,
        )
        _turned(job, meter, lambda log: worker(log=log))


def engine(job: Job, meter: Meter) -> None:
    """Faust's group and our polls; nothing of the pipeline."""
    _turned(job, meter, lambda log: Plain(log, job, meter))


def _turned(job: Job, meter: Meter, worker: Callable[[Log], Any]) -> None:
    wake = threading.Event()
    with closing(KafkaLog(job.at)) as log:
        enough = partial(meter.has, job.total)
        runner = join(log, job.group, job.source, worker, Path(job.folder), wake=wake.set, stop=enough)
        while not enough():
            if not runner.turn():
                wake.wait(0.2)
                wake.clear()
        meter.end()
