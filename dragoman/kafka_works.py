"""A project whose feeds are on Kafka, put to work: each translator a member of its group, in any number of processes.

What a process keeps is a copy of the changelogs. It has a folder of its own for it, so that several run on one machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from dragoman import probes
from dragoman.kafka_source import Kafka
from dragoman.legacy_capture import progress_of
from dragoman.legacy_identity import identity_asker
from dragoman.locks import locked
from dragoman.source import Source, SourceFeed, check_routing
from dragoman.wiring import Progress, identity_of, readers_of, utc
from pipeline.accounting import Accounting, account
from pipeline.consume import ActionConsumer
from pipeline.control import CONTROL_TOPIC
from pipeline.engine.group import GroupEngine, Lead, Turner
from pipeline.engine.kafka import GroupRunner, join
from pipeline.engine.signals import SignalTopic
from pipeline.feed import Curated, group_of, read_again
from pipeline.log.kafka.log import PATIENCE, KafkaLog
from pipeline.log.port import Log, TopicSpec
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


class Part(probes.Part, Protocol):
    """One translator at work for this process, inside it or as a process of its own."""

    @property
    def loading(self) -> list[int]:
        """Its partitions here that are not loaded yet."""

    def accounting(self) -> Accounting:
        """Its account, for the partitions that it has here."""


class Inside:
    """A translator whose worker is in this process."""

    seen = None

    def __init__(self, runner: GroupRunner) -> None:
        self._runner = runner
        self._worker = runner.worker

    @property
    def name(self) -> str:
        """See `Part`."""
        return self._worker.translator.name

    @property
    def joined(self) -> bool:
        """See `Part`."""
        return self._runner.has_joined

    @property
    def loading(self) -> list[int]:
        """See `Part`."""
        return self._worker.loading

    def accounting(self) -> Accounting:
        """See `Part`."""
        worker = self._worker
        counts: Counter[Count] = sum((Counter(worker.store.counts(p)) for p in worker.partitions), Counter())
        return account(self.name, counts, worker.in_flight)


@dataclass(slots=True)
class GroupWorks:
    """Everything of a project that this process has at work, where its feeds are on Kafka."""

    log: KafkaLog
    parts: Sequence[Part]
    projections: tuple[Projection, ...]
    actions: tuple[ActionConsumer, ...]
    engine: GroupEngine

    @property
    def loading(self) -> dict[str, list[int]]:
        """The partitions that are not loaded yet, by translator."""
        return {part.name: part.loading for part in self.parts if part.loading}

    def accounting(self) -> list[Accounting]:
        """The accounts of all translators, for the partitions that are this process'."""
        return [part.accounting() for part in self.parts]


@contextmanager
def works_on_kafka(
    project: Project, origin: Kafka, *, progress: Progress, from_start: bool, follow: bool, stop: Callable[[], bool]
) -> Iterator[GroupWorks]:
    """The project's works, the translators under the engine that the source names; `stop` is asked between batches."""
    project.check_readers()
    with ExitStack() as held:
        log = held.enter_context(closing(opened(origin)))
        check_feeds(project, log.topics())
        if from_start:
            for name, translator in project.translators.items():
                read_again(log, name, project.source.feed_of(translator))
        lead = _lead(project, log, held)
        runners: Sequence[Turner]
        parts: Sequence[Part]
        if origin.engine == "faust":
            from dragoman.faust_works import processes_of

            runners = parts = processes_of(project, held, follow=follow, progress=progress)
        else:
            runners = _runners(project, origin, log, held, progress, stop)
            parts = [Inside(runner) for runner in runners]
        projections, actions = readers_of(project, log, log, held)
        engine = GroupEngine(runners, [*projections, *actions], lead)
        yield GroupWorks(log, parts, projections, actions, engine)


def opened(origin: Kafka, patience: float | None = None) -> KafkaLog:
    """The log behind a source, whose calls wait for `patience` seconds, else as long as a restart takes; `log.unreachable`."""
    return KafkaLog(origin.bootstrap, security=origin.security(), patience=PATIENCE if patience is None else patience)


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
    worker_of = workers(project, origin, log, folder, held, progress)
    runners = []
    for name, translator in project.translators.items():
        made = join(log, name, project.source.feed_of(translator).topic, worker_of(name), stop=stop)
        runners.append(held.enter_context(closing(made)))
    return runners


def workers(
    project: Project, origin: Kafka, log: KafkaLog, folder: Path, held: ExitStack, progress: Progress
) -> Callable[[str], Callable[[Log], TranslatorWorker]]:
    """By a translator's name, what makes its worker over the log of a member; state is kept in `folder`.

    All of them share what asks the connector and the database.
    """
    passed, source = _progress(origin, held), identity_asker(origin.database)

    def worker_of(name: str) -> Callable[[Log], TranslatorWorker]:
        translator = project.translators[name]
        worker = partial(
            TranslatorWorker,
            store=held.enter_context(closing(RocksState(folder / name))),
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
        return lambda of: worker(log=of)

    return worker_of


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
def copied(project: Project, origin: Kafka, name: str) -> Iterator[RocksState | None]:
    """What all workers of a translator keep, as of now, to be read only; `None` before its first run.

    It is a copy that stays on this machine and is brought up to date by what the changelog has got since.
    """
    with followed(project, origin, name, "copy") as found:
        yield None if found is None else found[0]


@contextmanager
def followed(
    project: Project, origin: Kafka, name: str, place: str
) -> Iterator[tuple[RocksState, Callable[[], None]] | None]:
    """A copy as `copied` has it, for one process at a time, in a folder of this name; and what brings it up to date again."""
    folder = project.settings.state / place
    with closing(opened(origin)) as log:
        topic = log.topics().get(Curated.of(name, 1).changelog.name)
        if topic is None:
            yield None
            return
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / f"{name}.lock", wait=True), closing(RocksState(folder / name)) as store:

            def catch_up() -> None:
                for partition in range(topic.partitions):
                    recover(store, log, topic.name, partition)

            catch_up()
            yield store, catch_up


def _progress(origin: Kafka, held: ExitStack) -> Callable[[], int | None]:
    """How far the connector has come by its own account, if the source says which one it is."""
    return (lambda: None) if origin.connector is None else progress_of(origin.connector, held)
