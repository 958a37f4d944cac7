"""A connector's configuration, derived from what a project declares: pure, text out.

The rows of an aggregate come to one partition in the order of their commits: each group of tables that is routed by the same
columns gets its partition from their values (`PartitionRouting`), then all tables of a feed go into its topic
(`ByLogicalTableRouter`). The partition is chosen first, while the topic still says which table the row is from, so that a
column that routes one table cannot route another one that happens to have it too.

https://debezium.io/documentation/reference/stable/connectors/postgresql.html#postgresql-connector-properties
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from connectors.connect.errors import FeedsUnroutable
from connectors.feeds import NOTIFICATION, TRANSACTION, Feed
from translators.schema import Encoding

HISTORY = "schema-history"
MESSAGE = "message"
HEARTBEAT = "__debezium-heartbeat"
EMITS = "pg_logical_emit_message"
"""What writes a message into PostgreSQL's log, and no row."""
DAY_MS = 86_400_000
_TRANSFORMS = "io.debezium.transforms"
_MATCHES = "org.apache.kafka.connect.transforms.predicates.TopicNameMatches"
JSON_CONVERTER = "org.apache.kafka.connect.json.JsonConverter"
_NOT_IN_TOPICS = re.compile(r"[^A-Za-z0-9._-]")
_PREFIX = re.compile(r"[A-Za-z0-9._-]+")
_SLOT = re.compile(r"[a-z0-9_]{1,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSource:
    """A PostgreSQL database. `password` is a reference such as `${env:LEGACY_PASSWORD}`, which the worker fills in.

    The publication holds the captured tables: made by whoever owns them, or (`makes_publication`) by the connector's user.
    """

    host: str
    port: int
    user: str
    password: str
    database: str
    slot: str
    publication: str
    makes_publication: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MariaDBSource:
    """A MariaDB server. `server_id` is the connector's own among all replicas; `bootstrap` is where its DDL is kept."""

    host: str
    port: int
    user: str
    password: str
    server_id: int
    bootstrap: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalChannel:
    """The topic in which a connector takes signals, and the brokers that have it."""

    topic: str
    bootstrap: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorSpec:
    """What one connector is to do. Tables are named as the source does: `schema.table`, in MariaDB `database.table`.

    `signals` is the table through which it is told to take snapshots, `channel` the topic, `beat` a statement that it
    executes with each heartbeat: in a database that is idle, nothing else moves its position. `exactly_once` needs a worker
    that has it. `retention_ms` is how long its topics keep a record. `overrides` wins over everything else.
    """

    prefix: str
    source: PostgresSource | MariaDBSource
    feeds: tuple[Feed, ...]
    encoding: Encoding = field(default_factory=Encoding)
    signals: str | None = None
    channel: SignalChannel | None = None
    beat: str | None = None
    heartbeat_ms: int = 1000
    exactly_once: bool = True
    replication: int = 1
    retention_ms: int = 14 * DAY_MS
    overrides: Mapping[str, str] = field(default_factory=dict)

    def topic(self, feed: Feed) -> str:
        """The topic of a feed."""
        return f"{self.prefix}.{feed.name}"

    @property
    def transactions(self) -> str:
        """The topic with the beginning and the end of every transaction."""
        return f"{self.prefix}.{TRANSACTION}"

    @property
    def notifications(self) -> str:
        """The topic that tells how snapshots go."""
        return f"{self.prefix}.{NOTIFICATION}"

    @property
    def messages(self) -> str:
        """The topic of the messages that are written into PostgreSQL's log."""
        return f"{self.prefix}.{MESSAGE}"

    @property
    def heartbeats(self) -> str:
        """The topic of its heartbeats."""
        return f"{HEARTBEAT}.{self.prefix}"


def connector_config(spec: ConnectorSpec) -> dict[str, str]:
    """Every setting of the connector. `FeedsUnroutable` if no connector can serve these feeds."""
    _check(spec)
    return {
        **_of_source(spec),
        **values_config(spec.encoding, "adaptive_time_microseconds" if _is_mariadb(spec) else "adaptive"),
        **_of_feed(spec),
        **_of_topics(spec),
        **_of_routing(spec),
        **spec.overrides,
    }


def _is_mariadb(spec: ConnectorSpec) -> bool:
    return isinstance(spec.source, MariaDBSource)


def _of_source(spec: ConnectorSpec) -> dict[str, str]:
    source = spec.source
    login = {
        "tasks.max": "1",
        "database.hostname": source.host,
        "database.port": str(source.port),
        "database.user": source.user,
        "database.password": source.password,
        "topic.prefix": spec.prefix,
        # The list is of patterns that have to match a whole name.
        "table.include.list": ",".join(re.escape(table) for table in _tables(spec)),
        "snapshot.mode": "initial",
    }
    if isinstance(source, PostgresSource):
        return {
            "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
            **login,
            "database.dbname": source.database,
            "plugin.name": "pgoutput",
            "slot.name": source.slot,
            "publication.name": source.publication,
            # Never all tables: the database would refuse the application's changes of tables that have no key.
            "publication.autocreate.mode": "filtered" if source.makes_publication else "disabled",
            "interval.handling.mode": "string",
            "hstore.handling.mode": "json",
        }
    databases = sorted({table.partition(".")[0] for table in _tables(spec)})
    return {
        "connector.class": "io.debezium.connector.mariadb.MariaDbConnector",
        **login,
        "database.server.id": str(source.server_id),
        "database.include.list": ",".join(re.escape(name) for name in databases),
        "schema.history.internal.kafka.bootstrap.servers": source.bootstrap,
        "schema.history.internal.kafka.topic": f"{spec.prefix}.{HISTORY}",
        "schema.history.internal.store.only.captured.tables.ddl": "true",
        "bigint.unsigned.handling.mode": spec.encoding.bigint_unsigned,
        # Only when an idle server says that it is there does the connector write down how far it is: all 10 s.
        "connect.keep.alive.interval.ms": "12500",
    }


def values_config(encoding: Encoding, adaptive: str) -> dict[str, str]:
    """How values are written: losing nothing, and as schema.yaml says that they are read. `adaptive` is what the database's
    connector calls times that are as fine as their column."""
    numeric = encoding.decimal == "numeric"
    converters: dict[str, str] = {}
    for part in ("key", "value"):
        converters |= {
            f"{part}.converter": JSON_CONVERTER,
            f"{part}.converter.schemas.enable": "false",
            f"{part}.converter.decimal.format": "NUMERIC" if numeric else "BASE64",
            # NULL in a column that has a default is NULL.
            f"{part}.converter.replace.null.with.default": "false",
        }
    return {
        **converters,
        "decimal.handling.mode": "precise" if numeric else encoding.decimal,
        "time.precision.mode": adaptive if encoding.time == "adaptive" else encoding.time,
        "binary.handling.mode": encoding.binary,
        "unavailable.value.placeholder": encoding.unavailable,
        "event.converting.failure.handling.mode": "fail",
        "errors.tolerance": "none",
    }


def _of_feed(spec: ConnectorSpec) -> dict[str, str]:
    """Transactions, heartbeats, snapshots, deletions, repeats."""
    beat = {"heartbeat.action.query": spec.beat} if spec.beat else {}
    return {
        "provide.transaction.metadata": "true",
        "topic.transaction": TRANSACTION,
        "heartbeat.interval.ms": str(spec.heartbeat_ms),
        **beat,
        **_of_signals(spec),
        "notification.enabled.channels": "sink",
        "notification.sink.topic.name": spec.notifications,
        # A tombstone has no row to be routed by: it would come to another partition than its aggregate.
        "tombstones.on.delete": "false",
        # Truncates are not skipped.
        "skipped.operations": "none",
        "exactly.once.support": "required" if spec.exactly_once else "requested",
        "transaction.boundary": "poll",
    }


def _of_signals(spec: ConnectorSpec) -> dict[str, str]:
    settings = {"signal.enabled.channels": "source,kafka" if spec.channel else "source"}
    if spec.signals:
        settings["signal.data.collection"] = spec.signals
    if spec.channel:
        settings["signal.kafka.topic"] = spec.channel.topic
        settings["signal.kafka.bootstrap.servers"] = spec.channel.bootstrap
    return settings


def _of_topics(spec: ConnectorSpec) -> dict[str, str]:
    """Topics as the connector makes them: one partition each but for the feeds; a feed is never compacted."""
    settings = {
        "topic.creation.default.replication.factor": str(spec.replication),
        "topic.creation.default.partitions": "1",
        "topic.creation.default.cleanup.policy": "delete",
        "topic.creation.groups": ",".join(f"feed{at}" for at, _ in enumerate(spec.feeds)),
    }
    for at, feed in enumerate(spec.feeds):
        settings[f"topic.creation.feed{at}.include"] = re.escape(spec.topic(feed))
        settings[f"topic.creation.feed{at}.partitions"] = str(feed.partitions)
    return settings


def _of_routing(spec: ConnectorSpec) -> dict[str, str]:
    """The transforms, first those that choose partitions, then those that choose topics, and the predicates of the former."""
    transforms: list[str] = []
    predicates: list[str] = []
    settings: dict[str, str] = {}
    for columns, tables, partitions in _groups(spec):
        name = f"partition{len(predicates)}"
        transforms.append(name)
        predicates.append(f"of_{name}")
        settings |= {
            f"transforms.{name}.type": f"{_TRANSFORMS}.partitions.PartitionRouting",
            f"transforms.{name}.partition.payload.fields": ",".join(f"change.{column}" for column in columns),
            f"transforms.{name}.partition.topic.num": str(partitions),
            f"transforms.{name}.partition.hash.function": "murmur",
            f"transforms.{name}.predicate": f"of_{name}",
            f"predicates.of_{name}.type": _MATCHES,
            f"predicates.of_{name}.pattern": topics_pattern(spec.prefix, tables),
        }
    for at, feed in enumerate(spec.feeds):
        transforms.append(f"feed{at}")
        settings |= {
            f"transforms.feed{at}.type": f"{_TRANSFORMS}.ByLogicalTableRouter",
            f"transforms.feed{at}.topic.regex": topics_pattern(spec.prefix, feed.tables),
            f"transforms.feed{at}.topic.replacement": spec.topic(feed),
            # The key stays the row's own; the partition comes from above.
            f"transforms.feed{at}.key.enforce.uniqueness": "false",
        }
    listed = {"predicates": ",".join(predicates)} if predicates else {}
    return {"transforms": ",".join(transforms), **listed, **settings}


def _groups(spec: ConnectorSpec) -> Iterator[tuple[tuple[str, ...], tuple[str, ...], int]]:
    """(routing columns, tables that are routed by them, partitions), for the feeds that have several partitions."""
    for feed in spec.feeds:
        if feed.partitions == 1:
            continue
        for columns in dict.fromkeys(feed.tables.values()):
            yield columns, tuple(table for table in feed.tables if feed.tables[table] == columns), feed.partitions


def topic_of(prefix: str, table: str) -> str:
    """The topic that Debezium gives a table, before any routing."""
    return _NOT_IN_TOPICS.sub("_", f"{prefix}.{table}")


def topics_pattern(prefix: str, tables: Mapping[str, object] | tuple[str, ...]) -> str:
    """A pattern of the topics of exactly these tables. Anchored, and the longest first: the router replaces what the pattern
    finds first, which without that is a part of a longer name."""
    topics = sorted((topic_of(prefix, table) for table in tables), key=lambda topic: (-len(topic), topic))
    return f"^(?:{'|'.join(re.escape(topic) for topic in topics)})$"


def _tables(spec: ConnectorSpec) -> list[str]:
    return [table for feed in spec.feeds for table in feed.tables]


def _check(spec: ConnectorSpec) -> None:
    """`FeedsUnroutable` with the first reason."""
    source = spec.source
    if not _PREFIX.fullmatch(spec.prefix):
        raise _unroutable(spec, "a prefix consists of letters, digits, `.`, `_` and `-`")
    if isinstance(source, PostgresSource) and not _SLOT.fullmatch(source.slot):
        raise _unroutable(spec, f"{source.slot!r} cannot name a slot: small letters, digits and `_`, at most 63")
    taken: dict[str, str] = {}
    for table in _tables(spec):
        topic = topic_of(spec.prefix, table)
        if "." not in table or "," in table:
            raise _unroutable(spec, f"{table!r} does not name a schema and a table in it, or has a comma")
        if topic in taken:
            raise _unroutable(spec, f"{taken[topic]} and {table} are one topic to Debezium, or stand in two feeds")
        taken[topic] = table
    reserved = {TRANSACTION, NOTIFICATION, HISTORY, MESSAGE}
    topics = set(taken)
    for feed in spec.feeds:
        if spec.topic(feed) in topics or feed.name in reserved or _NOT_IN_TOPICS.search(feed.name):
            raise _unroutable(spec, f"no feed can be called {feed.name}")
        topics.add(spec.topic(feed))
        widths = {len(columns) for columns in feed.tables.values()}
        if not feed.tables or feed.partitions < 1 or (feed.partitions > 1 and (len(widths) > 1 or 0 in widths)):
            raise _unroutable(
                spec, f"feed {feed.name} needs partitions, tables, and as many routing columns for each table"
            )


def _unroutable(spec: ConnectorSpec, reason: str) -> FeedsUnroutable:
    return FeedsUnroutable(prefix=spec.prefix, reason=reason)
