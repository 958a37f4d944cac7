"""A translator's workers over a routed feed of a real PostgreSQL, beside the connector that fills it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import msgspec

from connectors.connect import ConnectClient, ConnectorProgress, ConnectorSpec
from connectors.debezium.decode import Decoder
from connectors.debezium.sources import committed_position
from pipeline.cloudevents import CloudEvent
from pipeline.engine.kafka import join
from pipeline.feed import Feed, Identity
from pipeline.log.kafka.log import KafkaLog
from pipeline.log.port import Log
from pipeline.state.rocks import RocksState
from pipeline.worker import TranslatorWorker
from tests.pipeline.harness import Orders, published
from translators.aggregate import Rows
from translators.facts import UNKNOWN, Facts
from translators.schema import Encoding, LegacySchema, Table, column_type
from translators.translator import Event as Fact
from translators.translator import Said, State
from translators.values import Row


class Sold(Orders):
    """Orders of the legacy in `tests.connectors.connect.world`: placed with all their lines, sold, gone."""

    tables = frozenset({"ord", "ordlin"})
    root = "ord"
    event_types: tuple[str, ...] = ("OrderPlaced.v1", "OrderChanged.v1", "OrderDropped.v1")

    def key_of(self, table: str, row: Row) -> str:
        return str(row["o_id"] if table == "ord" else row["l_ord"])

    def state(self, rows: Rows) -> State | None:
        if not rows.get("ord"):
            return None
        (order,) = rows["ord"].values()
        lines = sorted(int(str(line["l_no"])) for line in rows.get("ordlin", {}).values())
        return {"number": order["o_id"], "status": order["o_sts"], "lines": lines}

    def events(
        self, old: State | None, new: State | None, old_rows: Rows, new_rows: Rows, facts: Facts = UNKNOWN
    ) -> Said:
        if old == new:
            return Said(ignored="nothing")
        name = "OrderPlaced.v1" if old is None else "OrderDropped.v1" if new is None else "OrderChanged.v1"
        return Said((Fact(name, new or old or {}),))


def _table(name: str, key: tuple[str, ...], columns: dict[str, str]) -> Table:
    native = {column: text.removesuffix(" not null") for column, text in columns.items()}
    return Table(name=name, columns={c: column_type(t) for c, t in columns.items()}, native=native, key=key)


TABLES = {
    "ord": msgspec.structs.replace(
        _table("ord", ("o_id",), {"o_id": "integer not null", "o_sts": "varchar(10) not null"}),
        replica_identity="default",
    ),
    "ordlin": _table(
        "ordlin",
        ("l_ord", "l_no"),
        {
            "l_ord": "integer not null",
            "l_no": "integer not null",
            "qty": "integer not null",
            "o_id": "integer not null",
        },
    ),
}


class Worker:
    """One worker in a thread. `published` is what the group has published."""

    def __init__(self, at: str, name: str, spec: ConnectorSpec, connect: ConnectClient, folder: Path) -> None:
        self.log = KafkaLog(at)
        self._ended = Event()
        self._failed: list[BaseException] = []
        self._name = name
        self._thread = Thread(target=self._run, args=(at, spec, connect, folder))
        self._thread.start()

    def published(self, kind: str) -> list[CloudEvent]:
        """The events, or states, so far."""
        self.check()
        return published(self.log, f"{self._name}.{kind}")

    def check(self) -> None:
        """Raise what it failed with."""
        if self._failed:
            raise self._failed[0]

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        self.log.close()

    def _run(self, at: str, spec: ConnectorSpec, connect: ConnectClient, folder: Path) -> None:
        try:
            with ExitStack() as held:
                log = held.enter_context(closing(KafkaLog(at)))
                # The connector makes it with its first record.
                until(lambda: f"{spec.prefix}.order" in log.topics())
                offsets = ConnectorProgress(lambda: connect.offsets(spec.prefix), committed_position)
                held.callback(offsets.close)
                store = held.enter_context(closing(RocksState(folder)))

                def worker(of: Log) -> TranslatorWorker:
                    return _worker(of, self._name, spec, offsets, store)

                runner = held.enter_context(closing(join(log, self._name, f"{spec.prefix}.order", worker)))
                while not self._ended.is_set():
                    if not runner.turn():
                        self._ended.wait(0.1)
        except BaseException as error:  # noqa: BLE001 - raised in the test's thread
            self._failed.append(error)


def _worker(
    log: Log, name: str, spec: ConnectorSpec, passed: Callable[[], int | None], store: RocksState
) -> TranslatorWorker:
    translator = Sold()
    translator.name = name
    schema = LegacySchema(
        source=spec.prefix,
        connector="postgresql",
        namespace="public",
        encoding=Encoding(decimal="string"),
        tables=TABLES,
    )
    feed = Feed(
        topic=f"{spec.prefix}.order",
        transactions=spec.transactions,
        notifications=spec.notifications,
        begins="snapshot",
        exactly_once=spec.exactly_once,
    )
    return TranslatorWorker(
        log=log,
        store=store,
        translator=translator,
        decoder=Decoder(schema, spec.notifications),
        feed=feed,
        identity=Identity(namespace="com.example", source=spec.prefix, source_epoch=1, version="test"),
        changelog=True,
        passed=passed,
    )


@contextmanager
def worker_of(at: str, name: str, spec: ConnectorSpec, connect: ConnectClient, folder: Path) -> Iterator[Worker]:
    """A worker at work."""
    with closing(Worker(at, name, spec, connect, folder)) as made:
        yield made


def until(holds: Callable[[], Any], seconds: float = 90) -> float:
    """Wait until something holds; when it did, by the clock of records."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return time.time()


def names(events: Sequence[CloudEvent]) -> list[tuple[str, str, int]]:
    """Order, event and how many lines it tells of."""
    return sorted((event.subject, event.name, len((event.data or {})["lines"])) for event in events)
