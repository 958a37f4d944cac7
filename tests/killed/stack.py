"""A connector that is killed: a worker of Connect of its own, with exactly-once off and offsets written down often."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from connectors.connect import ConnectClient, connector_config
from connectors.connect.errors import ConnectorUnknown, ConnectUnreachable
from connectors.debezium.sources import committed_position
from dragoman.stack import parts
from dragoman.stack.server import Server, shared
from pipeline.log.kafka.log import KafkaLog
from tests.killed.legacy import Legacy
from tests.servers.shared import jars

_SETTINGS = {
    "offset.flush.interval.ms": "100",
    # Who comes back after a kill waits for nobody.
    "session.timeout.ms": "6000",
    "heartbeat.interval.ms": "1500",
    "scheduled.rebalance.max.delay.ms": "0",
}
_OVERRIDES = {
    "max.batch.size": "256",
    "max.queue.size": "1024",
    "poll.interval.ms": "50",
    # A few records a request: large transactions take a while, and partitions are not equally far.
    "producer.override.batch.size": "2000",
    "producer.override.max.in.flight.requests.per.connection": "1",
}
_LOOK_SECONDS = 0.01


class Connector:
    """The connector of a legacy database. `kills` were survived."""

    def __init__(self, worker: Server, client: ConnectClient, bootstrap: str, legacy: Legacy) -> None:
        self.worker = worker
        self.legacy = legacy
        self.kills = 0
        self.log = KafkaLog(bootstrap)
        self._client = client
        self._url = f"http://{worker.at}"

    @property
    def feed(self) -> str:
        """The topic of its rows."""
        return self.legacy.spec.topic(self.legacy.spec.feeds[0])

    @property
    def topics(self) -> tuple[str, str, str]:
        """Its topics: rows, transactions, notifications."""
        return self.feed, self.legacy.spec.transactions, self.legacy.spec.notifications

    def size(self, topic: str | None = None) -> int:
        """How many records stand in a topic, as far as anybody can tell; by default in the feed."""
        spec = self.log.topics().get(topic or self.feed)
        return 0 if spec is None else sum(self.log.end(spec.name, number) for number in range(spec.partitions))

    def offset(self) -> dict[str, Any] | None:
        """How far it has committed its source, in its own words; None while nobody can tell."""
        try:
            with ConnectClient(self._url, patience=0) as client:
                offsets = client.offsets(self.legacy.spec.prefix)
        except (ConnectUnreachable, ConnectorUnknown):
            return None
        return dict(offsets[0].offset or {}) if offsets else None

    def passed(self) -> int | None:
        """The commit position that its committed offset has passed."""
        return committed_position(self.offset())

    def kill_within(self, records: int, chance: random.Random, meanwhile: Callable[[], object]) -> None:
        """SIGKILL it once it has sent a few of the next so many records, and start it again; `meanwhile` until it is back."""
        goal = self.size() + chance.randint(records // 8, records)
        deadline = time.monotonic() + 60
        while self.size() < goal and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
        self.worker.kill()
        self.kills += 1
        starting = threading.Thread(target=self.worker.restart)
        starting.start()
        while starting.is_alive():
            meanwhile()
            starting.join(0.2)
        self._client.wait_until_working(self.legacy.spec.prefix, 180)


def binlog_position(file: str, pos: int) -> int:
    """A place in the binary log as one number, as the product counts them."""
    return (int(file.rpartition(".")[2]) << 33) + pos


@contextmanager
def connector(kafka: Server, legacy: Legacy, folder: Path, **overrides: str) -> Iterator[Connector]:
    """A connector that works on an own worker of Connect, without exactly-once; gone afterwards, with the database."""
    group = f"{legacy.spec.prefix}_connect"
    part = parts.connect(jars(), kafka.at, exactly_once=False, group=group, settings=_SETTINGS)
    with (
        shared(part, folder / "connect") as worker,
        declared(worker, kafka, legacy, {**connector_config(legacy.spec), **_OVERRIDES, **overrides}) as made,
    ):
        yield made


@contextmanager
def declared(worker: Server, kafka: Server, legacy: Legacy, config: Mapping[str, str]) -> Iterator[Connector]:
    """A connector that works on this worker; gone afterwards, with the database."""
    name = legacy.spec.prefix
    with ConnectClient(f"http://{worker.at}") as client:
        made = Connector(worker, client, kafka.at, legacy)
        try:
            client.put(name, config)
            client.wait_until_working(name, 180)
            yield made
        finally:
            made.log.close()
            client.delete(name)
            legacy.close()
