"""Without exactly-once an END is readable before the last rows of its transaction: it closes nothing, the offset does.

The producer is made to send one record a request to each partition. So the END, alone on its own, overtakes rows that wait.
"""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from dragoman.stack.server import Server
from pipeline.cloudevents import CloudEvent
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Log, Page, TopicPartition
from pipeline.worker import TranslatorWorker
from tests.connectors.connect.world import until
from tests.killed.legacy import PostgresLegacy
from tests.killed.product import Beside, Names, Product
from tests.killed.stack import Connector, connector
from tests.model.judge import published

LINES = 4000
ONE_BY_ONE = {
    "producer.override.batch.size": "1",
    "producer.override.max.in.flight.requests.per.connection": "1",
    "max.batch.size": "2048",
    "max.queue.size": "8192",
}


class Held(Beside):
    """A feed as it was at one moment, for who comes late and has to see what stood there then."""

    def __init__(self, feeds: Log, prefix: str) -> None:
        super().__init__(feeds, prefix)
        self.held: dict[TopicPartition, int] = {}

    def hold(self, topic: str) -> None:
        """Let nothing more be seen of a topic."""
        ends = {(topic, number): self.end(topic, number) for number in range(self.topics()[topic].partitions)}
        self.held = ends

    def read(self, topic: str, partition: int, offset: int, limit: int) -> Page:
        """See the port."""
        page, end = super().read(topic, partition, offset, limit), self.end(topic, partition)
        return msgspec.structs.replace(
            page, records=[one for one in page.records if one.offset < end], next=min(page.next, max(end, offset))
        )

    def end(self, topic: str, partition: int) -> int:
        """See the port."""
        return self.held.get((topic, partition), super().end(topic, partition))


def test_end_is_readable_before_the_last_rows(
    postgres_server: Server, kafka: Server, unused_name: str, tmp_path: Path
) -> None:
    legacy = PostgresLegacy(postgres_server, unused_name, 4)
    session = legacy.session()
    session.execute("INSERT INTO orders VALUES ('A', 1, 'N', NULL, 0)")
    session.commit()
    with connector(kafka, legacy, tmp_path, **ONE_BY_ONE) as made:
        names = Names(legacy.connector, legacy.namespace, legacy.spec.prefix, legacy.partitions)
        product = Product(names, Beside(made.log, names.prefix), made.passed)
        held = Held(made.log, names.prefix)
        trusting = Product(names, held, lambda: None, msgspec.structs.replace(names.feed, exactly_once=True))
        until(lambda: made.size() == 1)
        worker, other = product.worker(), trusting.worker()
        until(lambda: is_loaded(worker) and is_loaded(other))
        session.load("order_line", [("A", 1, number, 1) for number in range(LINES)])
        session.commit()
        until(lambda: is_ended(made))
        held.hold(made.feed)
        assert 1 < sum(held.held.values()) < LINES + 1
        for one in (worker, other):
            one.turn()
        assert versions(product) == [1]
        assert worker.in_flight.total() < LINES
        held.held.clear()
        until(lambda: made.size() == LINES + 1)
        until(lambda: worker.turn() == 0 and not worker.in_flight and other.turn() == 0)
        session.close()
        assert lines(product) == [0, LINES]
        assert product.store.counts()["", "closed: passed"] == 1
        assert lines(trusting)[:2] != [0, LINES], "what trusts an END tears the transaction"


def is_loaded(worker: TranslatorWorker) -> bool:
    """Whether all partitions are live."""
    worker.turn()
    return not worker.loading


def is_ended(made: Connector) -> bool:
    """Whether the END of the large transaction can be read."""
    topic = made.topics[1]
    if topic not in made.log.topics():
        return False
    marks = [json.loads(one.value or b"{}") for one in made.log.read(topic, 0, 0, 1000).records]
    return any(mark["status"] == "END" and mark["event_count"] == LINES for mark in marks)


def states(product: Product) -> list[CloudEvent]:
    """What was said of the order."""
    log = product.log
    assert isinstance(log, MemoryLog)
    return published(log, "order.state", once=True).get("A/1", [])


def versions(product: Product) -> list[int]:
    """Its versions."""
    return [int(state.sequence.split(".")[1]) for state in states(product)]


def lines(product: Product) -> list[int]:
    """How many lines it had."""
    return [len((state.data or {})["lines"]) for state in states(product)]
