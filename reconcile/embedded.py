"""The sides of a check in one process's reach: a SQLite legacy captured by triggers, an embedded log, a projection."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import msgspec
from sqlalchemy import Engine

from connectors.debezium.decode import Decoder
from pipeline.decoding import decoded
from pipeline.engine.sources import POSITION_TOPIC, SNAPSHOT_PENDING, capture_group
from pipeline.feed import Curated, Feed, group_of
from pipeline.log.port import Log, Record
from pipeline.projection.spec import ProjectionSpec
from pipeline.state.port import StateStore
from reconcile.evidence import Witness
from reconcile.fence import APART, Fence, Hop, Pace, capture_hop, group_hop, translator_hop, view_hop
from reconcile.own_tables import OwnTables
from reconcile.own_view import OwnView
from reconcile.position import ChangeTable
from reconcile.run import Sides
from reconcile.sources import Layout, LegacyReader
from reconcile.stream import StreamView
from reconcile.view import ProjectionView, ViewSide
from translators.change import Change
from translators.compiled import CompiledTranslator
from translators.contract import Shape
from translators.lineage import lineage
from translators.schema import LegacySchema


class OwnDeclared(msgspec.Struct, frozen=True):
    """A view that somebody else's code keeps in `tables`, as `name`."""

    name: str
    tables: OwnTables


Declared = ProjectionSpec | OwnDeclared
"""What says how a view is built."""

_TAIL = 1_000
"""Records that are looked at for an open step; a longer one is told as lag."""


class Pipeline(msgspec.Struct, frozen=True, kw_only=True):
    """The pipeline of one translator, to be read only. `stopped` says why it does not work, `None` while it does."""

    log: Log
    store: StateStore
    feed: Feed
    schema: LegacySchema
    stopped: Callable[[], str | None]


def sides_of(
    translator: CompiledTranslator,
    spec: Declared | None,
    pipeline: Pipeline,
    pace: Pace,
    *,
    legacy: Engine,
    views: Engine | None,
    group: str | None = None,
) -> Sides:
    """The sides of the check of `translator` against the view that `spec` declares in `views`, or against its stream.

    `group` is the consumer group that builds the view, where the view has no checkpoint of its own.
    """
    bound = translator.bound
    layout = Layout.of(bound)
    topic = Curated.of(translator.name, 1).state.name
    view = view_of(pipeline.log, topic, bound.shape, spec, views)
    return Sides(
        reader=LegacyReader(legacy, pipeline.schema, translator, layout, ChangeTable()),
        view=view,
        witness=Witness(pipeline.log, topic, pipeline.store, view),
        fence=Fence(
            _hops(translator.name, topic, None if spec is None else spec.name, view, pipeline, group),
            pace,
            None if group is None else APART,
        ),
        places=places_of(translator),
        tally=view if isinstance(view, ProjectionView) else None,
    )


def places_of(translator: CompiledTranslator) -> Mapping[str, str]:
    """By field of the state where the mapping says what it means."""
    lines = (line for line in lineage(translator.bound) if line.what == "state" and line.where)
    return {line.field.replace("[]", ""): line.where for line in lines}


def view_of(log: Log, topic: str, shape: Mapping[str, Shape], spec: Declared | None, views: Engine | None) -> ViewSide:
    """The view that a projection keeps, or somebody else's code, or the state stream where there is none."""
    if spec is None or views is None:
        return StreamView(log, topic, shape)
    if isinstance(spec, OwnDeclared):
        return OwnView(views, spec.name, spec.tables, shape, topic)
    return ProjectionView(views, spec, shape, topic)


def _hops(
    translator: str, topic: str, name: str | None, view: ViewSide, pipeline: Pipeline, group: str | None
) -> tuple[Hop, ...]:
    log, feed, captured = pipeline.log, pipeline.feed, capture_group(pipeline.schema.source)
    return (
        capture_hop(lambda: log.committed(captured).get((POSITION_TOPIC, 0), SNAPSHOT_PENDING), pipeline.stopped),
        translator_hop(
            log,
            feed.topic,
            group_of(translator),
            lambda partition: feed.begins == "empty" or pipeline.store.is_live(partition),
            pipeline.stopped,
            lambda partition, offset: open_step(log, Decoder(pipeline.schema, needs={}), feed.topic, partition, offset),
        ),
        *last_hop(log, topic, name, view, pipeline.stopped, group),
    )


def last_hop(
    log: Log, topic: str, name: str | None, view: ViewSide, stopped: Callable[[], str | None], group: str | None
) -> Iterator[Hop]:
    """That of the view, by its checkpoint or a consumer group; none where the stream itself is compared."""
    if name is not None and group is not None:
        yield group_hop(log, topic, name, group)
    elif name is not None:
        # Nobody here knows whether somebody else's consumer works.
        yield view_hop(log, topic, name, view.checkpoint, _unknown if isinstance(view, OwnView) else stopped)


def _unknown() -> None:
    return None


def open_step(log: Log, decoder: Decoder, topic: str, partition: int, offset: int) -> str | None:
    """The step that holds a group at `offset`: everything from there to the end is one transaction. `None` if it is more."""
    page = log.read(topic, partition, offset, _TAIL)
    if not page.records or page.next < log.end(topic, partition):
        return None
    found = {_transaction(decoder, record) for record in page.records}
    if len(found) > 1 or None in found:
        return None
    return f"transaction {found.pop()} on partition {partition} of {topic} is not known to be over"


def _transaction(decoder: Decoder, record: Record) -> str | None:
    change = decoded(decoder, record)
    return change.transaction if isinstance(change, Change) else None
