"""How far everything has come, told from the log, the states and the views, beside a running worker."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property

import msgspec

from dragoman.access import connect_client
from dragoman.kafka_source import Kafka
from dragoman.project import Project
from dragoman.schema_news import SchemaNews, told
from dragoman.waiting import parked_keys
from dragoman.wiring import action_of, projection_of, state_of
from pipeline.feed import Feed, group_of
from pipeline.grouping import CLOSED
from pipeline.log.port import Log
from pipeline.news import news_of
from pipeline.state.port import StateStore
from translators.change import Change
from translators.compiled import CompiledTranslator
from translators.errors import DragomanError

# The last offsets of a partition may be marks of transactions and hold no record.
_MARKS = 10


class PartitionStanding(msgspec.Struct, frozen=True, kw_only=True):
    """One feed partition of a translator.

    `behind` counts offsets up to the high watermark, `seconds` is the time between the first record that is not done
    and the last one. `open_step`: everything was read, and the end of a transaction is still missing; `connector_behind`:
    the connector's own offset, which would prove it, has not passed the transaction.
    """

    partition: int
    offset: int
    end: int
    behind: int
    seconds: float
    loading: bool
    open_step: bool
    connector_behind: bool = False


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a mapping that cannot be used."""

    code: str
    message: str
    where: str | None


class TranslatorStanding(msgspec.Struct, frozen=True, kw_only=True):
    """One translator. `mapping_version` is what its last worker ran with, `None` before the first; `pending` whether
    the files say another one now. With a `trouble` nobody knows its feed, and so not how far it has come. `proofs` counts the
    transactions by what closed them, `late` the changes that came after theirs was closed."""

    translator: str
    feed: str
    partitions: tuple[PartitionStanding, ...]
    parked_keys: int
    unmapped_keys: int
    generation: int | None
    mapping_version: str | None
    pending: bool
    trouble: Trouble | None = None
    proofs: Mapping[str, int] = {}
    late: int = 0
    news: tuple[SchemaNews, ...] = ()


class ReaderStanding(msgspec.Struct, frozen=True, kw_only=True):
    """One projection or action consumer: how many records behind its streams, how many parked on its side.

    `behind` is `None` where its database does not exist yet. Where the mapping that it reads has a `trouble`, nobody knows.
    """

    consumer: str
    reads: tuple[str, ...]
    behind: int | None
    parked: int | None
    trouble: Trouble | None = None


def translator_standings(project: Project, log: Log) -> list[TranslatorStanding]:
    """All translators."""
    return [_translator(project, log, name) for name in project.settings.translators]


def _translator(project: Project, log: Log, name: str) -> TranslatorStanding:
    translator, trouble = _made(project, name)
    feed = None if translator is None else project.source.feed_of(translator)
    parked = parked_keys(project, name)
    with state_of(project, name) as store:
        lives = [] if store is None else list(store.lives().values())
        partitions = () if feed is None else _partitions(log, feed, group_of(name), store, _Connector(project))
        counts = {} if store is None else store.counts()
    newest = max(lives, key=lambda life: life.generation, default=None)
    return TranslatorStanding(
        translator=name,
        feed="" if feed is None else feed.topic,
        partitions=partitions,
        parked_keys=sum(1 for key in parked if key.steps),
        unmapped_keys=sum(1 for key in parked if not key.steps),
        generation=None if newest is None else newest.generation,
        mapping_version=None if newest is None else newest.mapping_version,
        pending=translator is not None and any(life.mapping_version != translator.version for life in lives),
        trouble=trouble,
        proofs={label.removeprefix(CLOSED): n for (_, label), n in counts.items() if label.startswith(CLOSED)},
        late=sum(n for (_, label), n in counts.items() if label == "late"),
        news=tuple(told(project, one) for one in news_of(counts)),
    )


def _made(project: Project, name: str) -> tuple[CompiledTranslator | None, Trouble | None]:
    """The translator, or why there is none."""
    try:
        return project.made(name), None
    except DragomanError as error:
        return None, Trouble(code=error.code, message=error.message, where=error.where)


class _Connector:
    """How far the connector has come by its own account, asked once; behind nothing where nobody can tell."""

    def __init__(self, project: Project) -> None:
        self._project = project

    @cached_property
    def _passed(self) -> int | None:
        origin = self._project.source.origin
        if not isinstance(origin, Kafka) or origin.connector is None or self._project.source.exactly_once:
            return None
        from connectors.debezium.sources import committed_position

        try:
            with connect_client(origin.connector, patience=0) as client:
                told = [committed_position(one.offset) for one in client.offsets(origin.connector.name)]
        except DragomanError:
            return 0
        return min((position or 0 for position in told), default=0)

    def is_behind(self, log: Log, topic: str, partition: int, offset: int) -> bool:
        """Whether it has not passed the transaction of the first record that is not done."""
        if self._passed is None:
            return False
        decoder = self._project.decoder()
        for record in log.read(topic, partition, offset, 1).records:
            change = decoder.decode(topic, partition, record.offset, record.key, record.value, record.headers)
            if isinstance(change, Change) and not change.is_snapshot:
                return change.committed_after is None or self._passed <= change.committed_after
        return False


def _partitions(
    log: Log, feed: Feed, group: str, store: StateStore | None, connector: _Connector
) -> tuple[PartitionStanding, ...]:
    topics = log.topics()
    committed = log.committed(group)
    marks = feed.transactions if feed.exactly_once and feed.transactions in topics else None
    every_end_read = marks is not None and all(
        committed.get((marks, p), 0) >= log.end(marks, p) for p in range(topics[marks].partitions)
    )
    found = []
    for partition in range(topics[feed.topic].partitions if feed.topic in topics else 0):
        offset, end = committed.get((feed.topic, partition), 0), log.end(feed.topic, partition)
        begun = offset < end and (feed.topic, partition) in committed
        behind = begun and connector.is_behind(log, feed.topic, partition, offset)
        loading = feed.begins == "snapshot" and (store is None or not store.is_live(partition))
        found.append(
            PartitionStanding(
                partition=partition,
                offset=offset,
                end=end,
                behind=max(0, end - offset),
                seconds=_seconds(log, feed.topic, partition, offset, end),
                loading=loading,
                open_step=behind or (every_end_read and begun),
                connector_behind=behind,
            )
        )
    return tuple(found)


def _seconds(log: Log, topic: str, partition: int, offset: int, end: int) -> float:
    if offset >= end:
        return 0.0
    first = log.read(topic, partition, offset, 1).records
    last = log.read(topic, partition, max(offset, end - _MARKS), _MARKS).records
    return max(0.0, (last[-1].timestamp - first[0].timestamp) / 1000) if first and last else 0.0


def reader_standings(project: Project, log: Log) -> list[ReaderStanding]:
    """All projections, then all action consumers."""
    found = []
    with ExitStack() as held:
        for spec in project.projections:
            behind: int | None = None
            parked: int | None = 0
            _, trouble = _made(project, spec.reads)
            if trouble is None and _exists(project, spec.database):
                projection = projection_of(project, spec, log, held)
                projection.prepare()
                behind, parked = projection.behind(), len(projection.parked())
            if trouble is not None:
                parked = None
            found.append(
                ReaderStanding(consumer=spec.name, reads=(spec.reads,), behind=behind, parked=parked, trouble=trouble)
            )
        for action in project.actions:
            behind, parked = None, 0
            if _exists(project, action.database):
                consumer = action_of(project, action, log, held)
                consumer.prepare()
                behind, parked = consumer.behind(), consumer.parked
            found.append(ReaderStanding(consumer=action.name, reads=action.reads, behind=behind, parked=parked))
    return found


def _exists(project: Project, database: str) -> bool:
    """Whether a consumer's database can be asked: a SQLite file that is not there would be made by asking."""
    path = project.settings.database(database, "consumers").path
    return path is None or path.exists()
