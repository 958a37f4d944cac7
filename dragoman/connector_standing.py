"""How the connector of a source stands: asked of Kafka Connect, of its database and of its topics, and judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from connectors.connect.config import PostgresSource
from connectors.connect.positions import furthest_lsn, read_lsn
from connectors.connect.truth import Seen, SlotSeen, Symptom, lost, sharing, symptoms
from connectors.legacy.binary_log import binary_log, binlog_place
from dragoman.kafka_source import Connector, Kafka
from dragoman.preflighting import LegacyUnreachable, asked
from translators.errors import DragomanError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from dragoman.project import Project
    from pipeline.log.port import Log

# The last offsets of a partition may be marks of transactions and hold no record.
_MARKS = 10


class ConnectorStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A connector as it was seen, and what is wrong with it."""

    connector: str
    states: str
    seen: Seen
    symptoms: tuple[Symptom, ...]


def connector_standing(project: Project, log: Log, now: int) -> ConnectorStanding | None:
    """The connector that the source names (`connect:`); None where it names none. `now` is milliseconds since the epoch."""
    origin = project.source.origin
    if not isinstance(origin, Kafka) or origin.connector is None:
        return None
    seen = _in_topics(project, log, now, _in_database(project, origin, _at_worker(origin.connector)))
    states = "unknown" if seen.status is None else seen.status.words
    return ConnectorStanding(connector=seen.name, states=states, seen=seen, symptoms=tuple(symptoms(seen)))


class SlotLost(DragomanError):
    """The connector {connector} may not be started: {reason}"""

    code: ClassVar[str] = "connectors.slot-lost"
    hint: ClassVar[str] = "{fix}"


def loss_of(project: Project) -> Symptom | None:
    """Why the connector cannot go on where it was; None where it can, or nobody could look."""
    origin = project.source.origin
    if not isinstance(origin, Kafka) or origin.connector is None:
        return None
    return lost(_in_database(project, origin, _at_worker(origin.connector)))


def check_slot(project: Project, connector: str) -> None:
    """`SlotLost` if the connector, once started, would go on after changes that nobody has captured."""
    loss = loss_of(project)
    if loss is not None and loss.severity == "error":
        raise SlotLost(connector=connector, reason=loss.message, fix=loss.fix)


def is_running(project: Project) -> bool | None:
    """Whether the connector that the source names runs now; None where nobody can tell."""
    origin = project.source.origin
    if not isinstance(origin, Kafka) or origin.connector is None:
        return None
    seen = _at_worker(origin.connector)
    return None if seen.unreachable else seen.status is not None and seen.status.is_running


def _at_worker(connector: Connector) -> Seen:
    from dragoman.access import connect_client

    try:
        with connect_client(connector, patience=0) as client:
            status, configs = client.status(connector.name), client.configs()
            return Seen(
                name=connector.name,
                status=status,
                sharing=sharing(connector.name, configs),
                has_offsets=status is not None and bool(client.offsets(connector.name)),
                exact=configs.get(connector.name, {}).get("exactly.once.support") == "required",
            )
    except DragomanError as error:
        return Seen(name=connector.name, status=None, unreachable=error.message)


def _in_database(project: Project, origin: Kafka, seen: Seen) -> Seen:
    spec = project.source.capture
    if spec is None:
        return seen
    name = spec.source.slot if isinstance(spec.source, PostgresSource) else None
    seen = msgspec.structs.replace(seen, slot_name=name, beat_every=spec.heartbeat_ms / 1000)
    if origin.database is None:
        return seen
    try:
        with asked(origin.database.reveal()) as connection:
            return _in_log(connection, origin, seen) if name is None else _in_slot(connection, origin, seen, name)
    except LegacyUnreachable:
        return seen  # nobody could look: nothing is said of it


def _in_log(connection: Connection, origin: Kafka, seen: Seen) -> Seen:
    log = binary_log(connection)
    return msgspec.structs.replace(seen, log=log, place=binlog_place(_committed(origin, seen)))


def _in_slot(connection: Connection, origin: Kafka, seen: Seen, name: str) -> Seen:
    from connectors.legacy.preflight_postgres import slot_of

    found, slot = slot_of(connection, name), None
    if found is not None:
        gone = bool(found.conflicting or found.invalidation_reason)
        slot = SlotSeen(
            active_pid=found.active_pid,
            wal_status="lost" if gone else found.wal_status,
            retained=found.retained or 0,
            behind=found.behind or 0,
            confirmed=None if found.confirmed_flush_lsn is None else read_lsn(found.confirmed_flush_lsn),
        )
    committed = furthest_lsn(_committed(origin, seen))
    return msgspec.structs.replace(seen, slot_asked=True, slot=slot, committed=committed)


def _committed(origin: Kafka, seen: Seen) -> Mapping[str, Any] | None:
    """How far the connector is by its own account: asked after the database, where it is no further by then."""
    from dragoman.access import connect_client

    if origin.connector is None or not seen.has_offsets:
        return None
    try:
        with connect_client(origin.connector, patience=0) as client:
            told = [one.offset for one in client.offsets(seen.name)]
    except DragomanError:
        return None
    return told[0] if len(told) == 1 else None


def _in_topics(project: Project, log: Log, now: int, seen: Seen) -> Seen:
    feeds = [feed.topic for feed in project.source.feeds]
    beats = f"__debezium-heartbeat.{project.schema.source}"
    last, beat = (
        max(filter(None, (_last(log, topic) for topic in topics)), default=None) for topics in (feeds, [beats])
    )
    return msgspec.structs.replace(
        seen,
        record_seconds=None if last is None else max(0, now - last) / 1000,
        beat_seconds=None if beat is None else max(0, now - beat) / 1000,
    )


def _last(log: Log, topic: str) -> int | None:
    """When the last record of a topic was written, in milliseconds."""
    spec = log.topics().get(topic)
    times = []
    for partition in range(0 if spec is None else spec.partitions):
        end = log.end(topic, partition)
        times += [record.timestamp for record in log.read(topic, partition, max(0, end - _MARKS), _MARKS).records]
    return max(times, default=None)
