"""A project with its feeds on Kafka, and the same embedded and run: what the one publishes is what the other did."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from pipeline.log.embedded import EmbeddedLog
from pipeline.log.kafka.log import KafkaLog
from pipeline.log.port import Log, Outgoing, TopicSpec
from pipeline.log.reading import read_through
from tests.dragoman.support import make_shop, replace, succeeds, write

Said = tuple[bytes | None, bytes | None, tuple[tuple[str, bytes | None], ...]]


def said(log: Log, topic: str) -> dict[bytes | None, list[Said]]:
    """The records of a topic by key, in order."""
    found: dict[bytes | None, list[Said]] = {}
    for partition in range(log.topics()[topic].partitions):
        for records in read_through(log, topic, partition):
            for record in records:
                headers = tuple(h for h in record.headers if h[0] != "dragoman_feed_partition")
                found.setdefault(record.key, []).append((record.key, record.value, headers))
    return found


@contextmanager
def shop_at(at: str, name: str, folder: Path) -> Iterator[tuple[Path, Path, KafkaLog]]:
    """One project, embedded and run, and the same on Kafka with the same feed in its topics."""
    folders = [make_shop(folder / "embedded"), make_shop(folder / "kafka")]
    for one in folders:
        replace(one / "dragoman.yaml", "translators: order", f"translators: {name}")
        (one / "mappings" / "order.yaml").rename(one / "mappings" / f"{name}.yaml")
        replace(one / "mappings" / f"{name}.yaml", "translator: order", f"translator: {name}")
    embedded, on_kafka = folders
    succeeds("run", cwd=embedded)
    with closing(EmbeddedLog(embedded / "var" / "log.db")) as log, closing(KafkaLog(at)) as brokers:
        spec = log.topics()["legacy.order"]
        write(
            on_kafka / "sources" / "shop.yaml",
            f"kind: kafka\nbootstrap: {at}\nbegins: empty\ntransactions: {name}.transaction\nexactly_once: true\n"
            f"feeds:\n  order:\n    topic: {name}.order\n    partitions: {spec.partitions}\n"
            "    tables: {orders: o_id, order_line: ol_o_id}\n",
        )
        for topic in ("order", "transaction"):
            of = log.topics()[f"legacy.{topic}"]
            brokers.create(TopicSpec(name=f"{name}.{topic}", kind=of.kind, partitions=of.partitions))
            for partition in range(of.partitions):
                for records in read_through(log, of.name, partition):
                    brokers.append([_again(r, f"{name}.{topic}", partition) for r in records])
        yield embedded, on_kafka, brokers


def _again(record: Any, topic: str, partition: int) -> Outgoing:
    return Outgoing(
        topic=topic,
        partition=partition,
        timestamp=record.timestamp,
        key=record.key,
        value=record.value,
        headers=record.headers,
    )
