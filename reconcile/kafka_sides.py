"""The sides of a check of a live pipeline: a PostgreSQL or MariaDB that a connector follows, feeds and streams on Kafka.

The chain of the fence has a hop more than in one process: how far the connector is by its own account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

import msgspec
from sqlalchemy import Engine

from connectors.debezium.decode import Decoder
from connectors.debezium.records import Truncate
from pipeline.feed import Curated, Feed, group_of
from pipeline.log.port import Log, OffsetExpired, TopicPartition
from pipeline.state.port import StateStore
from reconcile.embedded import Declared, last_hop, open_step, places_of, view_of
from reconcile.evidence import Witness
from reconcile.fence import APART, Fence, Halted, Hop, Pace, Waiting, translator_hop, watermarks
from reconcile.moments import Moments
from reconcile.position import Moment, Touched
from reconcile.run import Sides
from reconcile.sources import Layout, LegacyReader
from reconcile.view import ProjectionView, ViewSide
from translators.change import Change
from translators.compiled import CompiledTranslator
from translators.schema import LegacySchema
from translators.translator import Refused, Translator, keys_of

_FETCH = 1_000

_MOMENTS = 1_000
"""Moments whose marks are kept: of older ones nobody asks, and a watch goes on for weeks."""


class Capture(Protocol):
    """A connector, as the fence asks it."""

    def passed(self) -> int | None:
        """The source position that its own committed offset has passed; `None` where that cannot be told now."""

    def tick(self) -> str | None:
        """Have the source commit something that the connector sees. Why that cannot be done, where it cannot."""

    def stopped(self) -> str | None:
        """Why it does not work; `None` while it does, or where nobody can tell."""


class LivePipeline(msgspec.Struct, frozen=True, kw_only=True):
    """The pipeline of one translator, to be read only.

    `store` is a copy of what its workers keep; `catch_up` brings it up to what they have written by now. `stopped` says why
    no worker works, `None` while one does.
    """

    log: Log
    store: StateStore
    catch_up: Callable[[], None]
    feed: Feed
    schema: LegacySchema
    decoder: Decoder
    capture: Capture
    stopped: Callable[[], str | None]


def live_sides(
    translator: CompiledTranslator,
    spec: Declared | None,
    pipeline: LivePipeline,
    pace: Pace,
    *,
    legacy: Engine,
    views: Engine | None,
    group: str | None = None,
) -> Sides:
    """The sides of the check of `translator` against the view that `spec` declares in `views`, or against its stream.

    `group` is the consumer group that builds the view, where the view has no checkpoint of its own.
    """
    topic = Curated.of(translator.name, 1).state.name
    view = view_of(pipeline.log, topic, translator.bound.shape, spec, views)
    name = None if spec is None else spec.name
    position = FeedPosition(pipeline.log, pipeline.feed.topic, pipeline.decoder, translator, pipeline.schema.connector)
    return Sides(
        reader=LegacyReader(legacy, pipeline.schema, translator, Layout.of(translator.bound), position),
        view=view,
        witness=Witness(pipeline.log, topic, pipeline.store, view, pipeline.catch_up),
        fence=Fence(_hops(translator.name, topic, name, view, pipeline, group), pace, None if group is None else APART),
        places=places_of(translator),
        tally=view if isinstance(view, ProjectionView) else None,
    )


class FeedPosition:
    """Positions are those of the database's own log, of whose moments the feed tells what came between."""

    def __init__(self, log: Log, feed: str, decoder: Decoder, translator: Translator, connector: str) -> None:
        self._log = log
        self._feed = feed
        self._decoder = decoder
        self._translator = translator
        self._moments = Moments(connector)
        self._marks: dict[int, Mapping[TopicPartition, int]] = {}

    @contextmanager
    def moment(self, engine: Engine, streams: int) -> Iterator[Moment]:
        """See the port."""
        # Asked first: no record of what is committed after the moment stands below these.
        marks = watermarks(self._log, self._feed)
        with self._moments.moment(engine, streams) as moment:
            # Of several moments with one position the last counts: nothing was committed between them.
            self._marks[moment.position] = marks
            while len(self._marks) > _MOMENTS:
                del self._marks[next(iter(self._marks))]
            yield moment

    def touched(self, moment: Moment, after: int) -> Iterator[Touched | str] | None:
        """See the port: the keys of all records that came to the feed since `after`.

        A change that a view showed in between came through the feed; `None` where a record does not say whose it is.
        """
        found: set[str] = set()
        try:
            for place, mark in self._marks[after].items():
                if not self._read(place, mark, found):
                    return None
        except OffsetExpired:
            return None
        return iter(found)

    def _read(self, place: TopicPartition, offset: int, found: set[str]) -> bool:
        topic, partition = place
        end = self._log.end(topic, partition)
        while offset < end:
            page = self._log.read(topic, partition, offset, _FETCH)
            if page.next <= offset:
                break  # what stands behind this is not committed to the feed yet: nobody has read it
            for one in page.records:
                change = self._decoder.decode(topic, partition, one.offset, one.key, one.value, one.headers)
                if isinstance(change, Truncate) or (isinstance(change, Change) and not self._take(change, found)):
                    return False
            offset = page.next
        return True

    def _take(self, change: Change, found: set[str]) -> bool:
        if change.table not in self._translator.tables:
            return True
        try:
            found.update(keys_of(self._translator, change))
        except (KeyError, Refused):
            return False
        return True


def connector_hop(capture: Capture) -> Hop:
    """The connector's committed offset has passed the source position. On an idle source only a tick moves it."""
    unticked: list[str] = []

    def begin(position: int) -> Waiting:
        unticked[:] = [said for said in (capture.tick(),) if said is not None]

        def waiting() -> str | None:
            reached = capture.passed()
            if reached is not None and reached >= position:
                return None
            where = (
                "nobody says how far it has come" if reached is None else f"it has passed {reached:,} of {position:,}"
            )
            return ". ".join([where, *unticked])

        return waiting

    def stuck() -> None:
        if (said := capture.stopped()) is not None:
            raise Halted("stopped", said)
        if capture.passed() is None:
            raise Halted("unknown", "nobody says how far the connector has come")

    return Hop("Connector", begin, lambda: f"its committed offset has passed {capture.passed() or 0:,}", stuck)


def _hops(
    translator: str, topic: str, name: str | None, view: ViewSide, pipeline: LivePipeline, group: str | None
) -> tuple[Hop, ...]:
    log, feed = pipeline.log, pipeline.feed

    def is_loaded(partition: int) -> bool:
        if feed.begins == "empty" or pipeline.store.is_live(partition):
            return True
        pipeline.catch_up()
        return pipeline.store.is_live(partition)

    return (
        connector_hop(pipeline.capture),
        translator_hop(
            log,
            feed.topic,
            group_of(translator),
            is_loaded,
            pipeline.stopped,
            lambda partition, offset: open_step(log, pipeline.decoder, feed.topic, partition, offset),
        ),
        *last_hop(log, topic, name, view, pipeline.stopped, group),
    )
