"""A plan carried out: topics first, then the connector, then the wait until it truly works. Each step may be repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from connectors.connect import ConnectClient
from connectors.connect.database import LegacyDatabase
from connectors.connect.errors import PlanRefused, PlanStale, PlanUnreadable
from connectors.connect.plan import Live, Plan, Wanted, moved
from connectors.connect.positions import position_words
from dragoman.connecting import Declared
from dragoman.kafka_works import opened
from pipeline.log.kafka.admin import TopicAdmin

if TYPE_CHECKING:
    from connectors.connect.topics import Kind

Told = Callable[[str], None]
"""Called with each thing that was done, as a sentence."""

MOVED_BY_CONNECTORS: tuple[Kind, ...] = ("feed", "transaction", "notification", "heartbeat", "message")
AT_REST = ("PAUSED", "STOPPED")


def check_plan(named: str, now: Plan) -> None:
    """`connect.plan-stale` unless a plan, named by its file or digest, is the one that would be made now."""
    path = Path(named)
    if named == now.digest:
        return
    if not path.is_file():
        raise PlanStale(what=f"what it was made from (it is {now.digest} now)")
    try:
        before = msgspec.json.decode(path.read_bytes(), type=Plan)
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        raise PlanUnreadable(path=path, reason=str(error)) from error
    if before.digest != now.digest:
        raise PlanStale(what=", ".join(moved(before, now)))


def check_refusals(plan: Plan) -> None:
    """`connect.plan-refused` if anything in it may not be done."""
    refused = plan.lines("refused")
    if refused:
        item, line = refused[0]
        raise PlanRefused(number=len(refused), name=item.name, what=line.what, why=line.why, instead=line.instead)


def apply_plan(plan: Plan, wanted: Wanted, live: Live, project: Declared, client: ConnectClient, told: Told) -> None:
    """Make topics, set them, put the connector's configuration or start it again."""
    topics = {topic.name: topic for topic in wanted.topics}
    with TopicAdmin(project.origin.bootstrap, security=project.origin.security()) as admin:
        for item in plan.changes:
            if item.name not in topics or item.kind == "connector":
                continue
            topic = topics[item.name]
            if item.action == "create":
                admin.make(topic.name, topic.partitions, topic.replication, topic.settings)
                told(f"made the topic {topic.name}: {topic.about}")
            else:
                admin.set(topic.name, {**live.topics[topic.name].own, **topic.settings})
                told(f"set the topic {topic.name}: {', '.join(line.what for line in item.lines)}")
    for item in plan.changes:
        if item.kind == "connector" and item.action == "restart":
            client.restart(wanted.connector, only_failed=True)
            told(f"told the connector {wanted.connector} to start what has failed")
        elif item.kind == "connector":
            client.put(wanted.connector, wanted.config)
            told(f"put the connector {wanted.connector}")


def wait_until_it_works(
    wanted: Wanted, project: Declared, client: ConnectClient, seconds: float, *, changed: bool = True
) -> str:
    """Wait until the connector runs and has moved something; how far it is then. Connect's own errors otherwise."""
    name = wanted.connector
    with _mark(wanted, project, client) as mark:
        client.wait_until_moving(name, mark, seconds, changed=changed)
    return ", ".join(position_words(one.offset) for one in client.offsets(name)) or "no position yet"


@contextmanager
def _mark(wanted: Wanted, project: Declared, client: ConnectClient) -> Iterator[Callable[[], object]]:
    """What tells how far a connector is: its committed offsets, and the ends of the topics that it writes."""
    topics = [topic for topic in wanted.topics if topic.kind in MOVED_BY_CONNECTORS]
    with closing(opened(project.origin)) as log:
        there = log.topics()

        def mark() -> object:
            ends = [log.end(t.name, p) for t in topics if t.name in there for p in range(there[t.name].partitions)]
            return client.offsets(wanted.connector), ends

        yield mark


@contextmanager
def legacy_of(project: Declared) -> Iterator[LegacyDatabase | None]:
    """The legacy database, where the source says how it is reached."""
    if project.origin.database is None:
        yield None
        return
    with LegacyDatabase(project.origin.database.reveal()) as database:
        yield database
