"""What was never proven here: connectors whose records are read by another one's decoder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

from connectors.debezium.sources import UNPROVEN
from dragoman.project import Project
from pipeline.log.port import Log
from translators.errors import DragomanError


class ConnectorUnproven(DragomanError):
    """The connector {connector} is not proven yet: its records are read as MariaDB's, and none was ever captured here."""

    code: ClassVar[str] = "connector.unproven"
    hint: ClassVar[str] = (
        "Record some hours of its feed, and look at the values with `dragoman map`, before anybody relies on them."
    )


def connectors_of(project: Project, log: Log | None) -> list[str]:
    """The connector that schema.yaml names, and those that the last record of each feed partition names."""
    named = [str(project.schema.connector), *(() if log is None else _in_log(project, log))]
    return list(dict.fromkeys(named))


def _in_log(project: Project, log: Log) -> Iterator[str]:
    decoder, topics = project.decoder(), log.topics()
    for topic in (feed.topic for feed in project.source.feeds if feed.topic in topics):
        for partition in range(topics[topic].partitions):
            last = max(0, log.end(topic, partition) - 1)
            for record in log.read(topic, partition, last, 1).records:
                name = None if record.value is None else decoder.connector_of(topic, record.value)
                if name is not None:
                    yield name


def unproven(connectors: Iterable[str]) -> list[ConnectorUnproven]:
    """The warning for each of them that is not proven."""
    return [ConnectorUnproven(connector=name) for name in connectors if name in UNPROVEN]
