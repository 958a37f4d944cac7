"""The product over the feed of a real connector: its rows are read from Kafka, what it publishes is kept in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from connectors.debezium.decode import Decoder
from pipeline.engine.signals import SignalTopic
from pipeline.feed import Feed, Identity
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Log, Outgoing, Page, TopicPartition, TopicSpec
from pipeline.worker import TranslatorWorker
from tests.model.faults import WatchedState
from tests.model.journal import Row, Transaction
from tests.model.judge import judge
from tests.model.legacy import TABLES
from tests.model.meaning import KNOWN
from tests.model.oracle import Oracle
from tests.model.product import CONTRACTS, MAPPING, SCHEMA
from translators.compiled import compile_mapping
from translators.mapping import read_mapping
from translators.parts import key_columns
from translators.schema_text import read_schema


@dataclass(frozen=True)
class Names:
    """What a recording, or a connector that runs, is known by."""

    connector: str
    namespace: str
    prefix: str
    partitions: int

    @property
    def feed(self) -> Feed:
        """Where the changes come from: exactly-once is off."""
        return Feed(
            topic=f"{self.prefix}.order",
            transactions=f"{self.prefix}.transaction",
            notifications=f"{self.prefix}.notification",
            begins="snapshot",
            exactly_once=False,
        )


class Product:
    """One translator over a log, with a store that the oracle may ask; workers come and go."""

    def __init__(self, names: Names, log: Log, passed: Callable[[], int | None], feed: Feed | None = None) -> None:
        self.names, self.log, self.store = names, log, WatchedState()
        self.store.codes = KNOWN
        self._passed = passed
        self._feed = feed or names.feed
        self.store.begins_live = self._feed.begins == "empty"
        identity = "default" if names.connector == "postgresql" else "full"
        text = SCHEMA.format(connector=names.connector, namespace=names.namespace, identity=identity)
        self._schema = read_schema(text, "schema.yaml")
        mapping = MAPPING.format(codes="{N: new, S: shipped, C: cancelled}")
        self._translator = compile_mapping(read_mapping(mapping, "mapping.yaml"), mapping, self._schema, CONTRACTS)
        self._reread: Callable[[str, str], None] | None = None

    def asks_by(self, log: Log, topic: str) -> None:
        """From now on workers ask for the rows of single keys, by signals in this topic of the connector's log."""
        signals = SignalTopic(log, topic, self.names.prefix, self._schema, lambda: 1_795_166_836_000)
        bound = self._translator.bound
        self._reread = partial(signals.reread, key_columns(bound.mapping, bound.schema.tables))

    def worker(self, batch_size: int = 1000) -> TranslatorWorker:
        """A worker that has taken over."""
        made = TranslatorWorker(
            log=self.log,
            store=self.store,
            translator=self._translator,
            decoder=Decoder(self._schema, self._feed.notifications),
            feed=self._feed,
            identity=Identity(namespace="com.example", source="legacy", source_epoch=1, version="test"),
            batch_size=batch_size,
            passed=self._passed,
            reread=self._reread,
        )
        made.begin()
        return made

    def judge(self, journal: Sequence[Transaction], loaded: Mapping[str, Sequence[Row]]) -> None:
        """Compare all that was published with the oracle."""
        shown = [(table, row) for table, rows in loaded.items() for row in rows]
        oracle = Oracle(journal, TABLES, shown, alone=self.names.partitions == 1)
        oracle.replay(self.store.moments)
        judge(self.log, self.store, oracle, once=True)

    def said(self) -> dict[str, list[tuple[bytes | None, ...]]]:
        """All that was published, byte by byte, by topic and key."""
        found: dict[str, list[tuple[bytes | None, ...]]] = {}
        for topic in ("order.events", "order.state"):
            for partition in range(self.names.partitions):
                for record in self.log.read(topic, partition, 0, 10_000_000).records:
                    headers = (part for name, value in record.headers for part in (name.encode(), value))
                    found.setdefault(f"{topic} {record.key!r}", []).append((record.value, *headers))
        return found


class Beside(MemoryLog):
    """Topics of `prefix` in another log, which is only read; all that is written and committed stays in memory."""

    def __init__(self, feeds: Log, prefix: str) -> None:
        super().__init__()
        self._feeds, self._prefix = feeds, f"{prefix}."

    def topics(self) -> Mapping[str, TopicSpec]:
        """See the port."""
        feeds = {name: spec for name, spec in self._feeds.topics().items() if name.startswith(self._prefix)}
        return {**feeds, **super().topics()}

    def read(self, topic: str, partition: int, offset: int, limit: int) -> Page:
        """See the port."""
        if topic.startswith(self._prefix):
            return self._feeds.read(topic, partition, offset, limit)
        return super().read(topic, partition, offset, limit)

    def end(self, topic: str, partition: int) -> int:
        """See the port."""
        if topic.startswith(self._prefix):
            return self._feeds.end(topic, partition)
        return super().end(topic, partition)

    def commit(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """See the port."""
        self._committed.setdefault(group, {}).update(offsets)


def everything(log: Log, topics: Sequence[str]) -> Iterator[Outgoing]:
    """All records of some topics, as they could be appended again: partition by partition."""
    specs = log.topics()
    for topic in topics:
        for partition in range(specs[topic].partitions):
            offset, end = 0, log.end(topic, partition)
            while offset < end:
                page = log.read(topic, partition, offset, 10_000)
                for one in page.records:
                    yield Outgoing(
                        topic=topic,
                        partition=partition,
                        timestamp=one.timestamp,
                        key=one.key,
                        value=one.value,
                        headers=one.headers,
                    )
                offset = max(page.next, offset + 1)
