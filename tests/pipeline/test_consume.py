"""Action consumers: each event is handled once, in order per subject, in one transaction with the record of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, text

from pipeline.cloudevents import CloudEvent
from pipeline.consume import ActionConsumer, ConsumerMalformed, read_consumer
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Outgoing, TopicSpec
from pipeline.projection.errors import ViewAhead, ViewReadOnly
from tests.pipeline.projection.support import NOW, coverage, database, edit, record, rows, state
from translators.errors import DragomanError

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "insurer" / "consumers" / "documents.yaml"
DECLARED = """\
consumer: letters
reads:
  - policy
  - claim
handler: letters:Letters
database: var/letters.db
"""


class Letters:
    """Writes a letter for each event, unless it cannot."""

    def __init__(self) -> None:
        self.broken: set[str] = set()
        self.statement = "INSERT INTO letter (event_id) VALUES (:id)"

    def handle(self, event: CloudEvent, connection: Connection) -> None:
        connection.execute(text("CREATE TABLE IF NOT EXISTS letter (no INTEGER PRIMARY KEY, event_id TEXT)"))
        connection.execute(text(self.statement), {"id": event.id})
        if event.id in self.broken:
            raise LookupError("no template\nfor this")


def said(key: str, number: int, topic: str = "policy.events", data: object = None) -> Outgoing:
    return record(key, number, state(key) if data is None else data, topic=topic, partition=0)


def log_of(*records: Outgoing) -> MemoryLog:
    log = MemoryLog()
    for topic in ("policy.events", "claim.events"):
        log.create(TopicSpec(name=topic, kind="events", partitions=2))
    log.append(records)
    return log


def consumer(engine: Engine, log: MemoryLog, handler: Letters) -> ActionConsumer:
    made = ActionConsumer(read_consumer(DECLARED, "letters.yaml"), handler, engine, log, lambda: NOW)
    made.prepare()
    return made


def drain(reader: ActionConsumer, limit: int = 500) -> None:
    while reader.turn(limit):
        pass


def letters(folder: Path) -> list[str]:
    return [event for (event,) in rows(folder, "SELECT event_id FROM letter ORDER BY no")]


@pytest.mark.parametrize("limit", [1, 500])
def test_every_event_of_all_streams_is_handled_once_and_in_order(tmp_path: Path, limit: int) -> None:
    log = log_of(said("P1", 1), said("P2", 1), said("P1", 2), said("C1", 1, "claim.events"))
    reader = consumer(database(tmp_path), log, Letters())
    assert reader.behind() == 4
    drain(reader, limit)
    assert sorted(letters(tmp_path)) == ["C1-1", "P1-1", "P1-2", "P2-1"]
    assert [event for event in letters(tmp_path) if event.startswith("P1")] == ["P1-1", "P1-2"]
    assert (reader.handled, reader.repeats, reader.parked, reader.behind()) == (4, 0, 0, 0)
    assert reader.position("policy.events") == {0: 3, 1: 0}
    handled = rows(tmp_path, "SELECT consumer, subject, handled_at FROM _dragoman_handled WHERE event_id = 'P1-1'")
    assert handled == [("letters", "P1", NOW.isoformat())]


@pytest.mark.parametrize("limit", [1, 500])
def test_repeats_are_told_by_id_in_a_batch_and_across_runs(tmp_path: Path, limit: int) -> None:
    log = log_of(said("P1", 1), said("P1", 1), said("P1", 2))
    drain(consumer(database(tmp_path), log, Letters()), limit)
    log.append([said("P1", 1), said("P1", 2), said("P1", 3), said("P1", 1)])
    reader = consumer(database(tmp_path), log, Letters())
    drain(reader, limit)
    assert letters(tmp_path) == ["P1-1", "P1-2", "P1-3"]
    assert (reader.handled, reader.repeats, reader.behind()) == (1, 3, 0)


def test_reading_all_again_sends_nothing(tmp_path: Path) -> None:
    log = log_of(*[said(f"P{n}", 1) for n in range(20)])
    drain(consumer(database(tmp_path), log, Letters()))
    edit(tmp_path, "DELETE FROM _dragoman_consumer_checkpoint")
    reader = consumer(database(tmp_path), log, Letters())
    drain(reader)
    assert len(letters(tmp_path)) == 20
    assert (reader.handled, reader.repeats, reader.behind()) == (0, 20, 0)


@pytest.mark.parametrize("limit", [1, 500])
def test_what_the_handler_fails_on_is_rolled_back_and_its_subject_waits(tmp_path: Path, limit: int) -> None:
    log = log_of(said("P1", 1), said("P2", 1), said("P1", 2), said("P1", 1, "claim.events"), said("P1", 3))
    handler = Letters()
    handler.broken = {"P1-2"}
    reader = consumer(database(tmp_path), log, handler)
    log.append([said("P1", 2), said("P1", 3), said("P2", 2)])
    drain(reader, limit)
    assert sorted(letters(tmp_path)) == ["P1-1", "P2-1", "P2-2"]
    parked = reader.parked_events()
    assert [(event.event_id, event.subject, event.code, event.first_seen) for event in parked] == [
        ("P1-2", "P1", "consumer.handler-failed", NOW),
        ("P1-3", "P1", "consumer.waiting", NOW),
    ]
    assert parked[0].message == "The handler of letters failed: LookupError: no template for this."
    assert (reader.handled, reader.repeats, reader.parked, reader.behind()) == (3, 3, 2, 0)


def test_a_subject_of_one_stream_does_not_wait_for_its_namesake_of_another(tmp_path: Path) -> None:
    handler = Letters()
    handler.broken = {"X-1"}
    reader = consumer(database(tmp_path), log_of(said("X", 1), said("X", 2, "claim.events")), handler)
    drain(reader)
    assert letters(tmp_path) == ["X-2"]


def test_retry_handles_what_is_parked_in_order(tmp_path: Path) -> None:
    handler = Letters()
    handler.broken = {"P1-1", "P2-1", "P2-2"}
    log = log_of(said("P1", 1), said("P2", 1), said("P1", 2), said("P2", 2), said("P1", 3))
    reader = consumer(database(tmp_path), log, handler)
    drain(reader)
    assert reader.parked == 5
    assert reader.retry() == 0
    handler.broken = {"P2-2"}
    assert reader.retry() == 4
    assert letters(tmp_path) == ["P1-1", "P2-1", "P1-2", "P1-3"]
    assert [(event.event_id, event.code) for event in reader.parked_events()] == [("P2-2", "consumer.handler-failed")]
    handler.broken = set()
    assert (reader.retry(), reader.parked, reader.handled) == (1, 0, 5)
    log.append([said("P2", 2), said("P2", 3)])
    drain(reader)
    assert letters(tmp_path)[4:] == ["P2-2", "P2-3"]
    assert reader.repeats == 1


def test_retry_tells_the_new_reason(tmp_path: Path) -> None:
    handler = Letters()
    handler.statement = "INSERT INTO letters (event_id) VALUES (:id)"
    reader = consumer(database(tmp_path), log_of(said("P1", 1)), handler)
    drain(reader)
    assert "no such table: letters" in reader.parked_events()[0].message
    handler.statement, handler.broken = "INSERT INTO letter (event_id) VALUES (:id)", {"P1-1"}
    assert reader.retry() == 0
    assert "LookupError" in reader.parked_events()[0].message


@pytest.mark.parametrize("data", [b"{", [1]])
def test_an_event_that_cannot_be_read_is_parked_and_its_subject_waits(tmp_path: Path, data: object) -> None:
    reader = consumer(database(tmp_path), log_of(said("P1", 1, data=data), said("P1", 2), said("P2", 1)), Letters())
    drain(reader)
    assert letters(tmp_path) == ["P2-1"]
    assert [event.code for event in reader.parked_events()] == ["consumer.event-unreadable", "consumer.waiting"]
    assert reader.parked_events()[0].record.headers == said("P1", 1).headers


def test_a_database_in_trouble_parks_nothing_and_nothing_is_lost(tmp_path: Path) -> None:
    log = log_of(said("P1", 1), said("P2", 1))
    consumer(database(tmp_path), log, Letters())
    engine = create_engine(f"sqlite:///file:{tmp_path / 'views.db'}?mode=ro&uri=true")
    with pytest.raises(ViewReadOnly):
        consumer(engine, log, Letters()).turn()
    reader = consumer(database(tmp_path), log, Letters())
    drain(reader)
    assert (reader.handled, reader.repeats, reader.parked) == (2, 0, 0)


class ReadOnlyForAWhile(Letters):
    """The database cannot be written while the handler is at work, and can again afterwards."""

    def handle(self, event: CloudEvent, connection: Connection) -> None:
        connection.execute(text("PRAGMA query_only = 1"))
        try:
            super().handle(event, connection)
        finally:
            connection.execute(text("PRAGMA query_only = 0"))


def test_trouble_of_the_database_inside_of_a_handler_is_not_its_failure(tmp_path: Path) -> None:
    log = log_of(said("P1", 1))
    with pytest.raises(DragomanError) as caught:
        consumer(database(tmp_path), log, ReadOnlyForAWhile()).turn()
    assert caught.value.code == "view.read-only"
    reader = consumer(database(tmp_path), log, Letters())
    drain(reader)
    assert (reader.handled, reader.parked) == (1, 0)


def test_a_handler_sees_the_decoded_event(tmp_path: Path) -> None:
    seen: list[CloudEvent] = []

    class Sees(Letters):
        def handle(self, event: CloudEvent, connection: Connection) -> None:
            seen.append(event)

    drain(consumer(database(tmp_path), log_of(said("P1", 1, data=state(coverages=[coverage("fire")]))), Sees()))
    (event,) = seen
    assert (event.id, event.subject, event.name) == ("P1-1", "P1", "Policy.v1")
    assert event.data is not None
    assert event.data["premium"] == {"amount": "412.50", "frequency": "annual"}


def test_two_consumers_share_a_database(tmp_path: Path) -> None:
    log = log_of(said("P1", 1))
    drain(consumer(database(tmp_path), log, Letters()))
    other = read_consumer(DECLARED.replace("letters", "copies", 1), "copies.yaml")
    reader = ActionConsumer(other, Letters(), database(tmp_path), log, lambda: NOW)
    reader.prepare()
    drain(reader)
    assert letters(tmp_path) == ["P1-1", "P1-1"]


def test_another_log_is_refused(tmp_path: Path) -> None:
    drain(consumer(database(tmp_path), log_of(said("P1", 1)), Letters()))
    with pytest.raises(ViewAhead):
        consumer(database(tmp_path), log_of(), Letters()).turn()


def test_an_event_that_another_process_has_handled_meanwhile_is_left_alone(tmp_path: Path) -> None:
    log = log_of(said("P1", 1))
    slow, fast = (consumer(database(tmp_path), log, Letters()) for _ in range(2))
    stands = {topic: slow.position(topic) for topic in ("policy.events", "claim.events")}
    drain(fast)
    edit(tmp_path, "DELETE FROM _dragoman_handled")
    slow.position = lambda topic: stands[topic]  # type: ignore[method-assign]  # it has asked before the other one wrote
    assert slow.turn() == 0
    assert letters(tmp_path) == ["P1-1"]


def test_the_example_is_read() -> None:
    spec = read_consumer(EXAMPLE.read_text("utf-8"), EXAMPLE.name)
    assert (spec.name, spec.reads, spec.handler, spec.database) == (
        "documents",
        ("policy", "claim"),
        "documents:Documents",
        "var/letters.db",
    )
    assert spec.topics == ("policy.events", "claim.events")
    assert spec.places == {"reads": "documents.yaml:5:3", "handler": "documents.yaml:7:10"}


@pytest.mark.parametrize(
    ("old", "new", "where", "problem"),
    [
        ("handler: letters:Letters\n", "", "1:1", "lacks the key 'handler'"),
        ("letters:Letters", "letters.py", "5:10", "'letters.py' is no handler"),
        ("  - claim", "  - policy", "4:5", "names 'policy' twice"),
        ("reads:\n  - policy\n  - claim", "reads: []", "2:8", "reads is empty"),
        ("database:", "databse:", "6:1", "unknown key 'databse'"),
        ("consumer: letters", "consumer: [letters]", "1:11", "consumer is no text"),
    ],
)
def test_a_mistake_in_its_form_is_told_with_its_place(old: str, new: str, where: str, problem: str) -> None:
    assert old in DECLARED
    with pytest.raises(ConsumerMalformed) as caught:
        read_consumer(DECLARED.replace(old, new, 1), "letters.yaml")
    assert (caught.value.code, caught.value.where) == ("consumer.malformed", f"letters.yaml:{where}")
    assert problem in caught.value.message
