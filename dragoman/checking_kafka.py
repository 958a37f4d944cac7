"""The sides of a check whose feeds are on Kafka, wired."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from dragoman.databases import engine_at
from dragoman.kafka_works import followed, members
from dragoman.legacy_capture import capture_of
from pipeline.log.kafka.log import KafkaLog
from reconcile.kafka_sides import LivePipeline, live_sides

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from dragoman.kafka_source import Kafka
    from dragoman.project import Project
    from pipeline.log.port import Log
    from reconcile.check import CheckSpec
    from reconcile.embedded import Declared
    from reconcile.fence import Pace
    from reconcile.run import Sides
    from translators.compiled import CompiledTranslator


def sides_on_kafka(
    project: Project,
    origin: Kafka,
    spec: CheckSpec,
    translator: CompiledTranslator,
    projection: Declared | None,
    log: Log,
    views: Engine | None,
    pace: Pace,
    held: ExitStack,
    copy: str,
) -> Sides:
    """What is compared, and the fence of the live pipeline; `copy` is the folder of what it reads of the workers' state."""
    from dragoman.checking import NeverRun

    if not isinstance(log, KafkaLog):
        raise TypeError(f"{project.source.file} has its feeds on Kafka")
    legacy = legacy_engine(project, origin)
    held.callback(legacy.dispose)
    found = held.enter_context(followed(project, origin, translator.name, copy))
    if found is None:
        raise NeverRun(check=spec.check, what=f"the changelog of {translator.name}")
    store, catch_up = found
    has_messages = f"{project.schema.source}.message" in log.topics()

    def stopped() -> str | None:
        return None if has_worker(log, translator.name) else f"no worker of {translator.name} is running"

    pipeline = LivePipeline(
        log=log,
        store=store,
        catch_up=catch_up,
        feed=project.source.feed_of(translator),
        schema=project.schema,
        decoder=project.decoder(translator),
        capture=capture_of(project.source, origin, legacy, has_messages, held),
        stopped=stopped,
    )
    return live_sides(translator, projection, pipeline, pace, legacy=legacy, views=views, group=spec.group)


def has_worker(log: Log, translator: str) -> bool:
    """Whether anybody is in the group of a translator now."""
    return isinstance(log, KafkaLog) and members(log, translator) > 0


def legacy_engine(project: Project, origin: Kafka) -> Engine:
    """The legacy database of a source that names one; `DatabaseUrl`."""
    if origin.database is None:
        raise TypeError(f"{project.source.file} names no database")
    file = project.source.file
    return engine_at(origin.database.reveal(), file, where=file, lives_long=True)
