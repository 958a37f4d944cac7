"""The worker of Kafka Connect of a source, and the connector as it holds it, looked at; nothing is changed there.

And what follows from all that was seen: the mode in which Dragoman works beside this cluster and this database.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from dragoman.ailments import Ailment
from dragoman.kafka_source import Connector, Kafka
from dragoman.modes import Around, Mode, modes_of
from dragoman.wiring import kafka_of
from translators.errors import DragomanError

if TYPE_CHECKING:
    from connectors.connect.preflight import ConnectFacts, Relied
    from connectors.legacy.preflight_findings import Finding
    from dragoman.project import Project

WHAT = "Kafka Connect"
OLDER, FULL = "connect.plugin-older", "postgres.no-second-slot"
"""The findings on which a mode depends."""
_KINDS = {
    "postgresql": "io.debezium.connector.postgresql.PostgresConnector",
    "mariadb": "io.debezium.connector.mariadb.MariaDbConnector",
    "mysql": "io.debezium.connector.mysql.MySqlConnector",
}
_TRIES = 20.0
"""Seconds for which a worker may try the declared configuration on the database."""


def connect_ailments(project: Project) -> Iterator[Ailment]:
    """What stands in the way at the worker that the source names; nothing for one that names none."""
    origin = project.source.origin
    if not isinstance(origin, Kafka) or origin.connector is None:
        return
    try:
        facts = facts_of(project, origin.connector)
    except DragomanError as error:
        yield Ailment(what=WHAT, severity="error", code=error.code, message=error.message, fix=error.advice)
        return
    from connectors.connect.preflight import of_connect
    from dragoman.connector_standing import loss_of

    found = list(of_connect(facts, relied_of(project, origin.connector)))
    if (loss := loss_of(project)) is not None:
        yield Ailment(what=WHAT, severity=loss.severity, code=loss.code, message=loss.message, fix=loss.fix)
    elif all(one.severity == "info" for one in found):
        version = facts.plugins[_KINDS[project.schema.connector]]
        yield Ailment(
            what=WHAT, severity="ok", message=f"Kafka Connect {facts.version}, Debezium {version}: it can serve"
        )
    order = ("error", "warning", "info")
    yield from map(_ailment, sorted(found, key=lambda one: order.index(one.severity)))


def facts_of(project: Project, connector: Connector) -> ConnectFacts:
    """What the worker says, asked once: who is busy or away is not waited for. Connect's own errors."""
    from connectors.connect.config import connector_config
    from connectors.connect.preflight import ConnectFacts
    from dragoman.access import connect_client

    with connect_client(connector, patience=0) as client:
        version, plugins, others = str(client.worker().get("version", "")), client.plugins(), client.configs()
        wrong: tuple[tuple[str, str], ...] = ()
        if (spec := project.source.capture) is not None:
            config = connector_config(spec)
            if config["connector.class"] in plugins:
                wrong = client.validate(connector.name, config, wait=_TRIES)
    config_held = others.pop(connector.name, None)
    return ConnectFacts(version=version, plugins=plugins, config=config_held, others=others, wrong=wrong)


def relied_of(project: Project, connector: Connector) -> Relied:
    """What the source relies upon at its connector."""
    from connectors.connect.config import connector_config
    from connectors.connect.preflight import Relied

    source, schema = project.source, project.schema
    origin, spec = source.origin, source.capture
    tables = [table for feed in source.feeds for table in feed.tables]
    return Relied(
        connector=connector.name,
        kind=_KINDS[schema.connector],
        prefix=schema.source,
        encoding=schema.encoding,
        tables=tuple(table if "." in table else f"{schema.namespace}.{table}" for table in tables),
        exactly_once=source.exactly_once,
        begins=source.begins,
        transactions=source.transactions,
        notifications=source.notifications,
        signals=None if source.signals is None else f"{schema.namespace}.{source.signals}",
        signal_topic=origin.signal_topic if isinstance(origin, Kafka) else None,
        routed=any(feed.partitions != 1 and any(feed.tables.values()) for feed in source.feeds),
        declared=None if spec is None else connector_config(spec),
    )


def around(project: Project, codes: set[str]) -> Around:
    """What is known of the source, and of what it stands on by the codes of what was found there."""
    from connectors.legacy.preflight_findings import wanted_of

    source, origin = project.source, kafka_of(project)
    spec = source.capture
    reads_only = spec is not None and not wanted_of(spec, project.schema).written
    return Around(
        ends=source.exactly_once and source.transactions is not None,
        rest=origin.connector is not None,
        captures=spec is not None,
        single=all(len(feed.tables) == 1 for feed in source.feeds),
        older=OLDER in codes,
        writes=not reads_only,
        full=FULL in codes,
    )


def mode_ailments(project: Project, found: Iterable[Ailment]) -> Iterator[Ailment]:
    """The mode that results from the project and from all that was found, and what it costs; none for a source not on Kafka."""
    if isinstance(project.source.origin, Kafka):
        for mode in modes_of(around(project, {one.code for one in found})):
            yield _of_mode(mode)


def _of_mode(mode: Mode) -> Ailment:
    costs = {"latency": mode.latency, "promises": mode.promises}
    message = f"{mode.given}. {mode.works}"
    return Ailment(what="mode", severity="info", code=mode.code, message=message, fix=mode.way_out, costs=costs)


def _ailment(one: Finding) -> Ailment:
    return Ailment(what=WHAT, severity=one.severity, code=one.code, message=one.message, fix=one.advice)
