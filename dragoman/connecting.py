"""The connector that a project declares and everything that goes with it, against what there is: read for a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, ClassVar

import msgspec

from connectors.connect import ConnectClient, ConnectorSpec, connector_config
from connectors.connect.plan import Live, Wanted
from connectors.connect.topics import FOREVER, Kind, LiveTopic, WantedTopic, duration, milliseconds, topics_of
from dragoman.kafka_source import Connector, Kafka
from dragoman.kafka_works import opened
from pipeline.control import CONTROL_TOPIC
from pipeline.feed import Curated
from pipeline.log.kafka.admin import TopicAdmin
from pipeline.log.kafka.topics import settings_of
from pipeline.log.port import Log, TopicSpec
from translators.errors import DragomanError

if TYPE_CHECKING:
    from dragoman.project import Project
    from translators.compiled import CompiledTranslator


class NothingDeclared(DragomanError):
    """The source {source} declares no connector."""

    code: ClassVar[str] = "connectors.none-declared"
    hint: ClassVar[str] = "Describe the database under `capture:` there; docs/connectors.md shows how."


class WorkerUnsaid(DragomanError):
    """The source {source} does not say which worker of Kafka Connect runs its connector, and under what name."""

    code: ClassVar[str] = "connectors.worker-unsaid"
    hint: ClassVar[str] = (
        "Write it there under `connect:`, as `url:` (http://connect:8083) and `connector:` (a name that stays for ever). Where "
        "others run it, `dragoman connectors explain --config` prints what to hand over to them."
    )


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """The connector of a project: what it is to do, where the feeds are, and who runs it."""

    spec: ConnectorSpec
    origin: Kafka
    worker: Connector


def spec_of(project: Project) -> ConnectorSpec:
    """The connector that the project declares; `connectors.none-declared`."""
    source = project.source
    if source.capture is None:
        raise NothingDeclared(source=source.file, where=source.file)
    return source.capture


def declared(project: Project) -> Declared:
    """The same with the worker that is to run it; `connectors.worker-unsaid`."""
    spec, origin = spec_of(project), project.source.origin
    if not isinstance(origin, Kafka) or origin.connector is None:
        raise WorkerUnsaid(source=project.source.file, where=project.source.file)
    return Declared(spec=spec, origin=origin, worker=origin.connector)


def wanted_of(project: Project) -> Wanted:
    """What there is to be: the connector, its topics, and those of the translators."""
    told = declared(project)
    topics = (*topics_of(told.spec, told.worker.name), *_curated(project, told.spec))
    return Wanted(connector=told.worker.name, config=connector_config(told.spec), topics=topics)


def live_of(project: Project, wanted: Wanted, client: ConnectClient) -> Live:
    """What there is. The worker tries the declared configuration, and with it the database, if that would change."""
    told = declared(project)
    others = client.configs()
    config, plugins = others.pop(wanted.connector, None), client.plugins()
    changes = config != {**wanted.config, "name": wanted.connector}
    tried = changes and wanted.config["connector.class"] in plugins
    return Live(
        config=config,
        status=client.status(wanted.connector),
        others=others,
        plugins=plugins,
        wrong=client.validate(wanted.connector, wanted.config) if tried else (),
        topics=_live_topics(told.origin, {topic.name for topic in wanted.topics}),
    )


def _live_topics(origin: Kafka, named: set[str]) -> dict[str, LiveTopic]:
    with TopicAdmin(origin.bootstrap, security=origin.security()) as admin, closing(opened(origin)) as log:
        return {
            name: LiveTopic(
                name=name,
                partitions=one.partitions,
                replication=one.replication,
                settings=one.settings,
                own=one.own,
                empty=name in named and records_of(log, name, one.partitions) == 0,
            )
            for name, one in admin.describe().items()
        }


def records_of(log: Log, topic: str, partitions: int) -> int:
    """How many records were ever written to a topic, the marks of transactions among them."""
    return sum(log.end(topic, partition) for partition in range(partitions))


def _curated(project: Project, spec: ConnectorSpec) -> Iterator[WantedTopic]:
    """The topics that the translators write, and the one by which they are commanded."""
    partitions = {spec.topic(feed): feed.partitions for feed in spec.feeds}
    for name, translator in project.translators.items():
        feed = project.source.feed_of(translator).topic
        yield from _of_translator(project, spec, name, translator, partitions[feed])
    why = "A command is executed once, at the place that was pinned for it: it has to be there for as long."
    yield _topic(CONTROL_TOPIC, "control", spec, why, "dragoman")


def _of_translator(
    project: Project, spec: ConnectorSpec, name: str, translator: CompiledTranslator, partitions: int
) -> Iterator[WantedTopic]:
    topics, mapping = Curated.of(name, partitions), translator.bound.mapping
    types = [event.type for event in mapping.events]
    owners = sorted({project.contracts[type].promise.owner for type in (mapping.contract, *types)})
    who = f"translator {name}"
    public = f"{', '.join(owners)} ({who})"
    keeps, why = _retention({type: project.contracts[type].promise.retention for type in types})
    events = _topic(topics.events, "events", spec, why, public)
    yield msgspec.structs.replace(events, settings={**events.settings, "retention.ms": str(keeps)})
    yield _topic(
        topics.state, "state", spec, "The last state of each key is there for every reader that begins.", public
    )
    why = "The translator's own memory: whoever takes over a partition builds its state from it."
    yield _topic(topics.changelog, "changelog", spec, why, who)
    yield _topic(topics.dead_letters, "dead letters", spec, "Kept until somebody has dealt with it.", who)


def _retention(said: Mapping[str, str]) -> tuple[int, str]:
    """How long events are kept, and why: for as long as the contract says that promises the longest."""
    known = {type: milliseconds(text) for type, text in said.items()}
    for type, value in known.items():
        if value is None:
            return FOREVER, f"The contract of {type} says {said[type]!r}, which is no number of days."
    if not known:
        return FOREVER, "No event is declared."
    longest = max(known, key=lambda type: known[type] or 0)
    keeps = known[longest] or FOREVER
    return keeps, f"The longest that a contract promises: {duration(keeps)}, of {longest}."


def _topic(topic: TopicSpec, kind: Kind, spec: ConnectorSpec, why: str, owner: str) -> WantedTopic:
    return WantedTopic(
        name=topic.name,
        kind=kind,
        partitions=topic.partitions,
        replication=spec.replication,
        settings=settings_of(topic),
        why=why,
        owner=owner,
    )
