"""Where the changes come from, as `sources/<source>.yaml` says it: feeds on Kafka, a SQLite legacy, or a recorded feed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Protocol

from connectors.capture import CaptureSpec, Feed
from connectors.connect.config import ConnectorSpec
from connectors.feeds import NOTIFICATION, TRANSACTION
from dragoman.capturing import read_capture
from dragoman.forms import Section, read_text
from dragoman.kafka_source import FIX, KEYS, Kafka, read_kafka, tables_of
from dragoman.registries import Registry, read_registry
from dragoman.settings import Settings
from pipeline.feed import Feed as WorkerFeed
from translators.binding import BoundMapping
from translators.errors import DragomanError
from translators.parts import key_columns
from translators.schema import LegacySchema

Begins = Literal["snapshot", "empty"]
Unreadable = Literal["stop", "dead-letter"]
Encoding = Literal["text", "base64"]


class TableWithoutFeed(DragomanError):
    """The translator {translator} reads {table}, which {source} has in no feed."""

    code: ClassVar[str] = "feed.table-missing"
    hint: ClassVar[str] = "Add {table} to the `tables:` of a feed there, or take it out of the mapping."


class TableElsewhere(DragomanError):
    """The translator {translator} reads {root} from the feed {feed}, but {table} is in the feed {other}."""

    code: ClassVar[str] = "feed.split-aggregate"
    hint: ClassVar[str] = (
        "All tables of one aggregate have to be in one feed, or nobody knows their order: move {table}."
    )


class NoProof(DragomanError):
    """The translator {translator} has parts, but nothing in {source} proves that a transaction is over."""

    code: ClassVar[str] = "feed.no-proof"
    hint: ClassVar[str] = "{fix}"


class RoutedApart(DragomanError):
    """The feed {feed} routes {table} by {routing}, which is not part of the key that {translator} gives it ({key})."""

    code: ClassVar[str] = "feed.routed-apart"
    hint: ClassVar[str] = (
        "Rows of one aggregate would be on several partitions. Route every table by the same columns of the key, or "
        "give the feed one partition."
    )


class SignalTableRead(DragomanError):
    """{reader} reads {table}, which {source} declares as the connector's signal table."""

    code: ClassVar[str] = "feed.signal-table"
    hint: ClassVar[str] = "Its rows are commands to the connector and no business data: take it out."


class TextWithRegistry(DragomanError):
    """{source} declares a schema registry, but its recording holds text, which Avro is not."""

    code: ClassVar[str] = "feed.registry-text"
    hint: ClassVar[str] = "Record the feed as base64 and say `encoding: base64`, or take `registry:` out."


class Reader(Protocol):
    """What has to be known of a translator to find its feed; it need not be compiled."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def root(self) -> str:
        """The table whose row makes its thing exist."""

    @property
    def tables(self) -> frozenset[str]:
        """All tables that it reads."""

    @property
    def has_parts(self) -> bool:
        """Whether it reads more than the root."""

    @property
    def bound(self) -> BoundMapping:
        """Its mapping, bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFeed:
    """One topic of changes and the tables in it, each with the columns that route it (none where nobody says)."""

    name: str
    topic: str
    tables: Mapping[str, tuple[str, ...]]
    partitions: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A recorded feed: JSON Lines, plain or gzip."""

    path: Path
    encoding: Encoding


@dataclass(frozen=True, slots=True, kw_only=True)
class Legacy:
    """A SQLite legacy database captured by triggers."""

    database: Path
    capture: CaptureSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One source. `proof` says whether the end of a transaction is ever known; `fix` what to do where it is not.

    `signals` is the table of the connector's signals, as schema.yaml names it; `registry` has the schemas of Avro records;
    `capture` is the connector that the source declares.
    """

    file: str
    epoch: int
    origin: Recording | Legacy | Kafka
    feeds: tuple[SourceFeed, ...]
    begins: Begins
    transactions: str | None
    notifications: str | None
    exactly_once: bool
    proof: bool
    fix: str
    unreadable: Unreadable = "stop"
    signals: str | None = None
    registry: Registry | None = None
    capture: ConnectorSpec | None = None

    def feed_of(self, translator: Reader) -> WorkerFeed:
        """The one feed that holds all tables of a translator; a coded `feed.` error if none can serve it."""
        homes = {table: feed for feed in self.feeds for table in feed.tables}
        if self.signals in translator.tables:
            raise SignalTableRead(
                reader=f"The translator {translator.name}", table=self.signals, source=self.file, where=self.file
            )
        for table in (translator.root, *sorted(translator.tables)):
            if table not in homes:
                raise TableWithoutFeed(translator=translator.name, table=table, source=self.file, where=self.file)
        feed = homes[translator.root]
        for table in sorted(translator.tables):
            if homes[table] is not feed:
                raise TableElsewhere(
                    translator=translator.name,
                    root=translator.root,
                    feed=feed.name,
                    table=table,
                    other=homes[table].name,
                    where=self.file,
                )
        if translator.has_parts and not self.proof:
            raise NoProof(translator=translator.name, source=self.file, fix=self.fix, where=self.file)
        check_routing(translator, feed, self.file)
        return WorkerFeed(
            topic=feed.topic,
            transactions=self.transactions,
            notifications=self.notifications,
            begins=self.begins,
            exactly_once=self.exactly_once,
            unreadable=self.unreadable,
        )


def check_routing(translator: Reader, feed: SourceFeed, file: str) -> None:
    """`RoutedApart` unless each table of a translator is routed by the same columns of the business key."""
    routed = any(feed.tables[table] for table in translator.tables)
    if feed.partitions == 1 or not (routed or (feed.partitions and translator.has_parts)):
        return
    bound = translator.bound
    wanted: tuple[int, ...] | None = None
    for table, key in key_columns(bound.mapping, bound.schema.tables).items():
        routing = feed.tables[table]
        places = tuple(key.index(column) for column in routing if column in key)
        if not routing or len(places) != len(routing) or wanted not in (None, places):
            raise RoutedApart(
                feed=feed.name,
                table=table,
                routing=", ".join(routing) or "no column",
                translator=translator.name,
                key=", ".join(key),
                where=file,
            )
        wanted = places


def read_source(settings: Settings, schema: LegacySchema) -> Source:
    """The project's source; any `DragomanError` of its file, with its place."""
    file = f"sources/{settings.source}.yaml"
    fix = f"dragoman.yaml names the source {settings.source!r}: make the file, or correct the name."
    form = Section.of(read_text(settings.folder / file, file, fix), file, settings.environment)
    kind = form.one_of("kind", ("sqlite", "recording", "kafka")) if "kind" in form else ""
    if kind == "sqlite":
        return _legacy(form, file, settings, schema)
    if kind == "kafka":
        return _kafka(form, file, settings, schema)
    form.only(
        ("kind", "path", "encoding", "begins", "feeds"),
        ("transactions", "exactly_once", "notifications", "epoch", "signals", "registry", "unreadable"),
    )
    return _recording(form, file, settings, schema)


def signals_of(form: Section, file: str, feeds: Iterable[SourceFeed], schema: LegacySchema) -> str | None:
    """The signal table that a source declares, as schema.yaml names tables; `SignalTableRead` if a feed has it."""
    if "signals" not in form:
        return None
    table = form.text("signals").removeprefix(f"{schema.namespace}.")
    for feed in feeds:
        if table in feed.tables:
            raise SignalTableRead(reader=f"The feed {feed.name}", table=table, source=file, where=form.where("signals"))
    return table


def _recording(form: Section, file: str, settings: Settings, schema: LegacySchema) -> Source:
    feeds = []
    for name, feed in form.sections("feeds").items():
        feed.only(("topic", "tables"))
        tables: dict[str, tuple[str, ...]] = dict.fromkeys(feed.names("tables"), ())
        feeds.append(SourceFeed(name=name, topic=feed.text("topic"), tables=tables, partitions=None))
    transactions = form.optional("transactions")
    exactly_once = form.flag("exactly_once", False)
    encoding: Encoding = "text" if form.one_of("encoding", ("text", "base64")) == "text" else "base64"
    registry = read_registry(form, settings.folder)
    if registry is not None and encoding == "text":
        raise TextWithRegistry(source=file, where=form.where("encoding"))
    return Source(
        file=file,
        epoch=form.number("epoch") if "epoch" in form else 1,
        origin=Recording(path=settings.folder / form.text("path"), encoding=encoding),
        feeds=tuple(feeds),
        begins=_begins(form),
        transactions=transactions,
        notifications=form.optional("notifications"),
        exactly_once=exactly_once,
        proof=transactions is not None and exactly_once,
        fix="Record the transaction topic of a connector with exactly-once support, and say `transactions: <topic>` and "
        "`exactly_once: true`.",
        unreadable=unreadable_of(form),
        signals=signals_of(form, file, feeds, schema),
        registry=registry,
    )


def _kafka(form: Section, file: str, settings: Settings, schema: LegacySchema) -> Source:
    form.only(*KEYS)
    feeds = []
    for name, feed in form.sections("feeds").items():
        feed.only(("topic", "tables"), ("partitions",))
        partitions = feed.number("partitions") if "partitions" in feed else None
        feeds.append(SourceFeed(name=name, topic=feed.text("topic"), tables=tables_of(feed), partitions=partitions))
    origin = read_kafka(form, settings.folder)
    transactions = form.optional("transactions")
    exactly_once = form.flag("exactly_once", False)
    return Source(
        file=file,
        epoch=form.number("epoch") if "epoch" in form else 1,
        origin=origin,
        feeds=tuple(feeds),
        begins=_begins(form),
        transactions=transactions,
        notifications=form.optional("notifications"),
        exactly_once=exactly_once,
        proof=(transactions is not None and exactly_once) or origin.connector is not None,
        fix=FIX,
        unreadable=unreadable_of(form),
        signals=signals_of(form, file, feeds, schema),
        registry=read_registry(form, settings.folder),
        capture=read_capture(form, schema, feeds),
    )


def _legacy(form: Section, file: str, settings: Settings, schema: LegacySchema) -> Source:
    form.only(("kind", "database", "begins", "feeds"), ("marker", "epoch", "unreadable"))
    feeds = []
    for name, feed in form.sections("feeds").items():
        feed.only(("partitions", "tables"))
        tables = feed.section("tables")
        routes = {table: tables.names(table) for table in tables.keys}
        feeds.append(Feed(name=name, tables=routes, partitions=feed.number("partitions")))
    capture = CaptureSpec(schema=schema, feeds=tuple(feeds), marker=form.optional("marker"))
    return Source(
        file=file,
        epoch=form.number("epoch") if "epoch" in form else 1,
        origin=Legacy(database=settings.folder / form.text("database"), capture=capture),
        feeds=tuple(
            SourceFeed(name=f.name, topic=f"{capture.source}.{f.name}", tables=f.tables, partitions=f.partitions)
            for f in feeds
        ),
        unreadable=unreadable_of(form),
        begins=_begins(form),
        transactions=f"{capture.source}.{TRANSACTION}",
        notifications=f"{capture.source}.{NOTIFICATION}",
        exactly_once=True,
        proof=capture.marker is not None,
        fix="SQLite has no transaction id of its own: name the table that the application writes first in each "
        "transaction with `marker: <table>`.",
    )


def unreadable_of(form: Section) -> Unreadable:
    """What a record does that cannot be read: it stops its partition unless the source says otherwise."""
    said = form.one_of("unreadable", ("stop", "dead-letter")) if "unreadable" in form else "stop"
    return "dead-letter" if said == "dead-letter" else "stop"


def _begins(form: Section) -> Begins:
    return "snapshot" if form.one_of("begins", ("snapshot", "empty")) == "snapshot" else "empty"
