"""A project whose feeds are on Kafka, put to work: each translator a member of its group, in any number of processes.

What a process keeps is a copy of the changelogs. It has a folder of its own for it, so that several run on one machine.
"""

from __future__ import annotations

import fcntl
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from connectors.connect import ConnectClient, ConnectorProgress
from connectors.debezium.sources import committed_position
from dragoman.kafka_source import Kafka
from dragoman.legacy_identity import identity_asker
from dragoman.source import Source, SourceFeed, check_routing
from dragoman.wiring import Progress, identity_of, readers_of, utc
from pipeline.accounting import Accounting, account
from pipeline.consume import ActionConsumer
from pipeline.control import CONTROL_TOPIC
from pipeline.engine.group import GroupEngine, Lead
from pipeline.engine.kafka import GroupRunner, join
from pipeline.engine.signals import SignalTopic
from pipeline.feed import Curated, group_of, read_again
from pipeline.log.kafka.log import KafkaLog
from pipeline.log.port import TopicSpec
from pipeline.projection.project import Projection
from pipeline.state.changelog import recover
from pipeline.state.port import Count
from pipeline.state.rocks import RocksState
from pipeline.worker import TranslatorWorker
from translators.compiled import CompiledTranslator
from translators.errors import DragomanError
from translators.parts import key_columns

if TYPE_CHECKING:
    from dragoman.project import Project

SLOTS = 64
"""How many processes of one project find a folder on one machine."""


class NoSlot(DragomanError):
    """All {slots} folders for workers in {folder} are in use."""

    code: ClassVar[str] = "state.no-slot"
    hint: ClassVar[str] = "End some of the workers on this machine, or give `state` in dragoman.yaml another folder."


class PartitionsDiffer(DragomanError):
    """{source} says that the feed {feed} has {said} partitions; its topic {topic} has {found}."""

    code: ClassVar[str] = "feed.partitions-differ"
    hint: ClassVar[str] = (
        "The number is for ever, since a key's partition depends on it. Correct the file; if the topic has grown, begin a new "
        "feed and a new state."
    )


@dataclass(slots=True)
class GroupWorks:
    """Everything of a project that runs in this process, where its feeds are on Kafka."""

    log: KafkaLog
    workers: tuple[TranslatorWorker, ...]
    projections: tuple[Projection, ...]
    actions: tuple[ActionConsumer, ...]
    engine: GroupEngine

    def accounting(self) -> list[Accounting]:
        """The accounts of all translators, for the partitions that are this process'."""
        return [account(w.translator.name, _counts(w), w.in_flight) for w in self.workers]


def _counts(worker: TranslatorWorker) -> Counter[Count]:
    return sum((Counter(worker.store.counts(partition)) for partition in worker.partitions), Counter())


@contextmanager
def works_on_kafka(
    project: Project, origin: Kafka, *, progress: Progress, from_start: bool, stop: Callable[[], bool]
) -> Iterator[GroupWorks]:
    """The project's works in this process; `stop` is asked between batches."""
    project.check_readers()
    with ExitStack() as held:
        log = held.enter_context(closing(opened(origin)))
        check_feeds(project, log.topics())
        if from_start:
            for name, translator in project.translators.items():
                read_again(log, name, project.source.feed_of(translator))
        lead = _lead(project, log, held)
        runners = _runners(project, origin, log, held, progress, stop)
        projections, actions = readers_of(project, log, log, held)
        engine = GroupEngine(runners, [*projections, *actions], lead)
        yield GroupWorks(log, tuple(runner.worker for runner in runners), projections, actions, engine)


def opened(origin: Kafka) -> KafkaLog:
    """The log behind a source; `log.unreachable`."""
    return KafkaLog(origin.bootstrap)


def members(log: KafkaLog, translator: str) -> int:
    """How many workers of a translator there are in its group."""
    return log.members(group_of(translator))


def check_feeds(project: Project, topics: Mapping[str, TopicSpec]) -> None:
    """The feeds' topics are as the source says, and every aggregate is on one partition."""
    source: Source = project.source
    homes: dict[str, SourceFeed] = {}
    for feed in source.feeds:
        if feed.topic not in topics:
            continue
        found = topics[feed.topic].partitions
        if feed.partitions not in (None, found):
            told = {"source": source.file, "feed": feed.name, "said": feed.partitions, "topic": feed.topic}
            raise PartitionsDiffer(**told, found=found, where=source.file)
        homes[feed.topic] = SourceFeed(name=feed.name, topic=feed.topic, tables=feed.tables, partitions=found)
    for translator in project.translators.values():
        topic = source.feed_of(translator).topic
        if topic in homes:
            check_routing(translator, homes[topic], source.file)


def _runners(
    project: Project,
    origin: Kafka,
    log: KafkaLog,
    held: ExitStack,
    progress: Progress,
    stop: Callable[[], bool],
) -> list[GroupRunner]:
    """A member for each translator, joined."""
    folder = held.enter_context(slot(project.settings.state))
    passed, source = _progress(origin, held), identity_asker(origin.database)
    runners = []
    for name, translator in project.translators.items():
        store = held.enter_context(closing(RocksState(folder / name)))
        worker = partial(
            TranslatorWorker,
            store=store,
            translator=translator,
            decoder=project.decoder(translator),
            feed=project.source.feed_of(translator),
            identity=identity_of(project),
            progress=progress,
            parking=project.settings.parking,
            changelog=True,
            passed=passed,
            source=source,
            reread=_reread(project, origin, log, translator),
        )
        topic = project.source.feed_of(translator).topic
        made = join(log, name, topic, lambda of, worker=worker: worker(log=of), stop=stop)  # type: ignore[misc]
        runners.append(held.enter_context(closing(made)))
    return runners


def _reread(
    project: Project, origin: Kafka, log: KafkaLog, translator: CompiledTranslator
) -> Callable[[str, str], None] | None:
    """How the connector is asked for the rows of one key; `None` where it takes no signals."""
    if origin.signal_topic is None:
        return None
    signals = SignalTopic(
        log, origin.signal_topic, project.schema.source, project.schema, lambda: int(utc().timestamp() * 1000)
    )
    bound = translator.bound
    return partial(signals.reread, key_columns(bound.mapping, bound.schema.tables))


def _lead(project: Project, log: KafkaLog, held: ExitStack) -> Lead:
    """Which process of the project builds its views and calls its consumers."""
    log.create(CONTROL_TOPIC)
    member = log.join(f"dragoman.readers.{project.settings.project}", CONTROL_TOPIC.name, lambda: None)
    return held.enter_context(closing(Lead(member)))


@contextmanager
def slot(state: Path) -> Iterator[Path]:
    """A folder for this process alone, the same again where it is free: what is kept there saves reading the changelog."""
    for number in range(SLOTS):
        folder = state / f"worker-{number}"
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / "lock", wait=False) as ours:
            if ours:
                yield folder
                return
    raise NoSlot(slots=SLOTS, folder=state)


@contextmanager
def locked(path: Path, *, wait: bool) -> Iterator[bool]:
    """Hold a lock that ends with this process, however it ends; whether we have it."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(lock)


@contextmanager
def copied(project: Project, origin: Kafka, name: str) -> Iterator[RocksState | None]:
    """What all workers of a translator keep, as of now, to be read only; `None` before its first run.

    It is a copy that stays on this machine and is brought up to date by what the changelog has got since.
    """
    folder = project.settings.state / "copy"
    with closing(opened(origin)) as log:
        topic = log.topics().get(Curated.of(name, 1).changelog.name)
        if topic is None:
            yield None
            return
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / f"{name}.lock", wait=True), closing(RocksState(folder / name)) as store:
            for partition in range(topic.partitions):
                recover(store, log, topic.name, partition)
            yield store


def _progress(origin: Kafka, held: ExitStack) -> Callable[[], int | None]:
    """How far the connector has come by its own account, if the source says which one it is."""
    connector = origin.connector
    if connector is None:
        return lambda: None
    client = held.enter_context(closing(ConnectClient(connector.url, patience=0)))
    return held.enter_context(closing(ConnectorProgress(lambda: client.offsets(connector.name), committed_position)))
