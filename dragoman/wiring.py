"""A project put to work: log, states, translators, projections and consumers, opened together and closed together."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, ClassVar

from connectors.capture import SqliteCapture
from dragoman import __version__
from dragoman.kafka_source import Kafka
from dragoman.project import Project
from dragoman.python_files import python_module
from dragoman.source import Legacy, Recording, Source
from pipeline.accounting import Accounting, account
from pipeline.engine.embedded import EmbeddedEngine, Turning
from pipeline.engine.sources import CaptureSource, RecordingSource
from pipeline.feed import Curated, Identity, read_again
from pipeline.log.embedded import EmbeddedLog
from pipeline.log.port import Log, TopicSpec
from pipeline.projection.check import check_projection
from pipeline.projection.spec import ProjectionSpec
from pipeline.state.port import StateStore
from pipeline.state.sqlite import SqliteState
from pipeline.worker import TranslatorWorker
from translators.compiled import CompiledTranslator
from translators.errors import DragomanError
from translators.findings import MappingInvalid
from translators.parts import key_columns

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from dragoman.kafka_works import GroupWorks
    from pipeline.consume import ActionConsumer, ConsumerSpec, Handler
    from pipeline.projection.project import Projection

Progress = Callable[[str, int], None]
"""Told of each batch: the translator's name and how many records it had."""


class LogMissing(DragomanError):
    """There is no log {path} yet."""

    code: ClassVar[str] = "log.missing"
    hint: ClassVar[str] = "`dragoman run` makes it. If it was there before, look at `log:` in dragoman.yaml."


class FolderMissing(DragomanError):
    """The folder {folder} cannot be made: {reason}."""

    code: ClassVar[str] = "project.folder"
    hint: ClassVar[str] = "Make it, or give this user the right to; dragoman.yaml and consumers/ say where files go."


class KafkaMissing(DragomanError):
    """{source} has its feeds on Kafka, and the package {package} is not installed."""

    code: ClassVar[str] = "kafka.package-missing"
    hint: ClassVar[str] = "Install the extra: pip install 'dragoman[kafka]'."


class FeedTopicMissing(DragomanError):
    """{source} names the topic {topic}, of which the recording has no record."""

    code: ClassVar[str] = "feed.topic-missing"
    hint: ClassVar[str] = "Its topics are: {known}."


class ProjectionInvalid(MappingInvalid):
    """{count} in {file}; the first: {first}."""

    code = "projection.invalid"


class HandlerMissing(DragomanError):
    """The handler {handler} cannot be used: {reason}."""

    code: ClassVar[str] = "consumer.handler-missing"
    hint: ClassVar[str] = "A handler is `module:Class` of consumers/<module>.py, made without arguments."


def utc() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Works:
    """Everything of a project that runs. `engine` turns the source, the workers and the readers."""

    log: EmbeddedLog
    source: Turning
    workers: tuple[TranslatorWorker, ...]
    projections: tuple[Projection, ...]
    actions: tuple[ActionConsumer, ...]
    engine: EmbeddedEngine

    @property
    def parts(self) -> tuple[()]:
        """No translator is in a group here, or in a process of its own."""
        return ()

    @property
    def loading(self) -> dict[str, list[int]]:
        """The partitions that are not loaded yet, by translator."""
        return {w.translator.name: w.loading for w in self.workers if w.loading}

    def accounting(self) -> list[Accounting]:
        """The accounts of all translators."""
        return [account(w.translator.name, w.store.counts(), w.in_flight) for w in self.workers]


@contextmanager
def running(
    project: Project, *, progress: Progress, from_start: bool, follow: bool, stop: Callable[[], bool]
) -> Iterator[Works | GroupWorks]:
    """The project's works, where its source has them run; `stop` is asked between batches.

    With `follow` none of them comes to an end by itself.
    """
    origin = project.source.origin
    if not isinstance(origin, Kafka):
        with works(project, progress=progress, from_start=from_start) as embedded:
            yield embedded
        return
    with _kafka(project).works_on_kafka(
        project, origin, progress=progress, from_start=from_start, follow=follow, stop=stop
    ) as in_groups:
        yield in_groups


def readers_of(
    project: Project, seen: Log, log: Log, held: ExitStack
) -> tuple[tuple[Projection, ...], tuple[ActionConsumer, ...]]:
    """The projections over the log as they see it, and the action consumers, prepared."""
    projections = tuple(projection_of(project, s, seen, held) for s in project.projections)
    actions = tuple(action_of(project, s, log, held) for s in project.actions)
    for projection in projections:
        projection.prepare()
    for action in actions:
        action.prepare()
    return projections, actions


@contextmanager
def works(
    project: Project,
    *,
    progress: Progress = lambda name, records: None,
    seen_by_views: Callable[[Log], Log] = lambda log: log,
    from_start: bool = False,
) -> Iterator[Works]:
    """The project's works, as the one worker of its log. The source has had its first turn, so that the feeds exist.

    `seen_by_views` may put another log before the projections. `from_start` sets all translators back to the beginning.
    """
    project.check_readers()
    translators, source = project.translators, project.source
    with ExitStack() as held:
        make_folder(project.settings.log.parent)
        make_folder(project.settings.state.parent)
        log = held.enter_context(closing(EmbeddedLog(project.settings.log, worker=True)))
        feeding = source_of(project, log, held)
        feeding.turn()
        workers = []
        for name, translator in translators.items():
            feed = source.feed_of(translator)
            if feed.topic not in log.topics():
                known = ", ".join(sorted(t.name for t in log.topics().values() if t.kind == "feed"))
                raise FeedTopicMissing(source=source.file, topic=feed.topic, known=known, where=source.file)
            if from_start:
                read_again(log, name, feed)
            store = held.enter_context(closing(SqliteState(project.settings.state, name)))
            workers.append(
                TranslatorWorker(
                    log=log,
                    store=store,
                    translator=translator,
                    decoder=project.decoder(translator),
                    feed=feed,
                    identity=identity_of(project),
                    progress=progress,
                    parking=project.settings.parking,
                    reread=_reread(feeding, translator),
                )
            )
        projections, actions = readers_of(project, seen_by_views(log), log, held)
        engine = EmbeddedEngine(source=feeding, workers=workers, readers=[*projections, *actions])
        yield Works(log, feeding, tuple(workers), projections, actions, engine)


@contextmanager
def reading(project: Project, patience: float | None = None) -> Iterator[Log]:
    """The project's log beside a running worker, for what only reads or sends control records.

    Brokers are waited for as long as a restart takes, or for `patience` seconds.
    """
    origin = project.source.origin
    if isinstance(origin, Kafka):
        with closing(_kafka(project).opened(origin, patience)) as on_kafka:
            yield on_kafka
        return
    if not project.settings.log.exists():
        raise LogMissing(path=project.settings.log)
    with closing(EmbeddedLog(project.settings.log)) as log:
        yield log


def kafka_of(project: Project) -> Kafka:
    """The source of a project whose feeds are on Kafka; for who has seen that they are."""
    origin = project.source.origin
    if not isinstance(origin, Kafka):
        raise TypeError(f"{project.source.file} has no feeds on Kafka")
    return origin


def _kafka(project: Project) -> ModuleType:
    """What is needed for feeds on Kafka alone; `KafkaMissing`."""
    try:
        from dragoman import kafka_works
    except ModuleNotFoundError as error:
        raise KafkaMissing(source=project.source.file, package=error.name, where=project.source.file) from error
    return kafka_works


def has_log(project: Project) -> bool:
    """Whether there can be something to read: brokers are always asked."""
    return isinstance(project.source.origin, Kafka) or project.settings.log.exists()


@contextmanager
def state_of(project: Project, name: str) -> Iterator[StateStore | None]:
    """A translator's state, to be read only; `None` before its first run."""
    origin = project.source.origin
    if isinstance(origin, Kafka):
        with _kafka(project).copied(project, origin, name) as copy:
            yield copy
        return
    if not project.settings.state.exists():
        yield None
        return
    with closing(SqliteState(project.settings.state, name, read_only=True)) as store:
        yield store


def running_worker(log: Path) -> int | None:
    """The process that works on a log now, `None` if there is none. Asks the lock, and gives it back at once."""
    try:
        lock = os.open(f"{os.path.realpath(log)}.lock", os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(os.pread(lock, 32, 0).decode("ascii", "replace").strip() or 0)
    finally:
        os.close(lock)
    return None


def workers_of(project: Project, log: Log) -> str:
    """Which workers run now, in a few words."""
    if isinstance(project.source.origin, Kafka):
        counts = {name: _kafka(project).members(log, name) for name in project.settings.translators}
        return ", ".join(f"{name}: {found or 'none'}" for name, found in counts.items())
    worker = running_worker(project.settings.log)
    return "none is running" if worker is None else f"process {worker} is running"


def identity_of(project: Project) -> Identity:
    """Who the project's workers publish as."""
    return Identity(
        namespace=project.settings.namespace,
        source=project.schema.source,
        source_epoch=project.source.epoch,
        version=__version__,
    )


def source_of(project: Project, log: Log, held: ExitStack) -> Turning:
    """What feeds the log."""
    source: Source = project.source
    origin = source.origin
    match origin:
        case Recording():
            return RecordingSource(origin.path, origin.encoding, log, source.notifications)
        case Legacy():
            capture = held.enter_context(closing(SqliteCapture(origin.database, origin.capture, utc)))
            return CaptureSource(capture, project.schema.source, _topics(source, origin), log)
        case Kafka():
            raise TypeError("feeds on Kafka are filled by their connector")


def _reread(feeding: Turning, translator: CompiledTranslator) -> Callable[[str, str], None] | None:
    """How the source is asked for the rows of one key; `None` where it cannot be."""
    if not isinstance(feeding, CaptureSource):
        return None
    bound = translator.bound
    return partial(feeding.reread, key_columns(bound.mapping, bound.schema.tables))


def _topics(source: Source, origin: Legacy) -> list[TopicSpec]:
    kinds = {source.transactions: "transaction", source.notifications: "notification"}
    return [
        TopicSpec(name=name, kind=kinds.get(name, "feed"), partitions=partitions)  # type: ignore[arg-type]
        for name, partitions in origin.capture.topics()
    ]


def engine_of(project: Project, name: str, database: str) -> Engine:
    """The database of a consumer."""
    # Here and below imported late: they bring the databases, for which commands about mappings would wait.
    from dragoman.databases import engine_at

    found = project.settings.database(database, f"consumers ({name})")
    if found.path is not None:
        make_folder(found.path.parent)
    return engine_at(found.url, name)


def projection_of(project: Project, spec: ProjectionSpec, log: Log, held: ExitStack) -> Projection:
    """A projection over a log; `ProjectionInvalid` if it does not fit the contract of the state that it reads."""
    from pipeline.projection.project import Projection

    shape = project.made(spec.reads).bound.shape
    if findings := check_projection(spec, shape):
        raise ProjectionInvalid(findings)
    engine = engine_of(project, spec.name, spec.database)
    held.callback(engine.dispose)
    return Projection(spec, shape, engine, log, utc, state_topic(spec.reads))


def action_of(project: Project, spec: ConsumerSpec, log: Log, held: ExitStack) -> ActionConsumer:
    """An action consumer over a log."""
    from pipeline.consume import ActionConsumer

    handler = handler_of(project, spec)
    engine = engine_of(project, spec.name, spec.database)
    held.callback(engine.dispose)
    return ActionConsumer(spec, handler, engine, log, utc)


def handler_of(project: Project, spec: ConsumerSpec) -> Handler:
    """The handler that a consumer names, made; `HandlerMissing` if there is none or it cannot be made."""
    module, _, name = spec.handler.partition(":")
    file = project.path("consumers").joinpath(*module.split(".")).with_suffix(".py")
    where = spec.places["handler"]
    if not file.is_file():
        raise HandlerMissing(handler=spec.handler, reason=f"there is no consumers/{module}.py", where=where)
    made = getattr(python_module(project.folder, file), name, None)
    if not isinstance(made, type) or not callable(getattr(made, "handle", None)):
        raise HandlerMissing(handler=spec.handler, reason=f"it has no class {name} with a method handle", where=where)
    try:
        handler: Handler = made()
    except Exception as error:
        raise HandlerMissing(handler=spec.handler, reason=f"{type(error).__name__}: {error}", where=where) from error
    return handler


def state_topic(translator: str) -> str:
    """The state stream of a translator."""
    return Curated.of(translator, 1).state.name


def events_topic(translator: str) -> str:
    """The event stream of a translator."""
    return Curated.of(translator, 1).events.name


def letters_topic(translator: str) -> str:
    """The dead letters of a translator."""
    return Curated.of(translator, 1).dead_letters.name


def make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FolderMissing(folder=folder, reason=error.strerror or str(error)) from error
