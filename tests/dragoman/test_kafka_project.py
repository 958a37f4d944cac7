"""A project whose feeds are on Kafka, by its commands: what it publishes is what the embedded run of the same feed does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dragoman.stack.server import Server
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


@pytest.fixture
def shop(kafka: Server, unused_name: str, tmp_path: Path) -> Iterator[tuple[Path, Path, KafkaLog]]:
    """One project, embedded and run, and the same on Kafka with the same feed in its topics."""
    name = unused_name
    folders = [make_shop(tmp_path / "embedded"), make_shop(tmp_path / "kafka")]
    for folder in folders:
        replace(folder / "dragoman.yaml", "translators: order", f"translators: {name}")
        (folder / "mappings" / "order.yaml").rename(folder / "mappings" / f"{name}.yaml")
        replace(folder / "mappings" / f"{name}.yaml", "translator: order", f"translator: {name}")
    embedded, on_kafka = folders
    succeeds("run", cwd=embedded)
    with closing(EmbeddedLog(embedded / "var" / "log.db")) as log, closing(KafkaLog(kafka.at)) as brokers:
        spec = log.topics()["legacy.order"]
        write(
            on_kafka / "sources" / "shop.yaml",
            f"kind: kafka\nbootstrap: {kafka.at}\nbegins: empty\ntransactions: {name}.transaction\nexactly_once: true\n"
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


def test_it_publishes_what_the_embedded_run_does_and_tells_how_it_stands(
    shop: tuple[Path, Path, KafkaLog], unused_name: str
) -> None:
    embedded, on_kafka, brokers = shop
    ran = [json.loads(line) for line in succeeds("run", "--json", cwd=on_kafka).out.splitlines()]
    assert ran[0]["fits"] is True
    with closing(EmbeddedLog(embedded / "var" / "log.db")) as log:
        assert said(brokers, f"{unused_name}.events") == said(log, f"{unused_name}.events") != {}
        states, kept = said(brokers, f"{unused_name}.state"), said(log, f"{unused_name}.state")
        assert {key: found[-1] for key, found in states.items()} == {key: found[-1] for key, found in kept.items()}
    succeeds("run", cwd=on_kafka)
    status = [json.loads(line) for line in succeeds("status", "--json", cwd=on_kafka).out.splitlines()]
    (standing,) = [one for one in status if "translator" in one]
    assert [(p["behind"], p["loading"], p["open_step"]) for p in standing["partitions"]] == [(0, False, False)] * len(
        standing["partitions"]
    )
    assert standing["generation"] == 1
    assert "the brokers answer, 1 feeds are there" in succeeds("doctor", cwd=on_kafka).out
    for command in (("status",), ("parked", "list"), ("dlq", "list"), ("events", unused_name)):
        assert succeeds(*command, cwd=on_kafka).out
    assert (on_kafka / "var" / "state.db" / "worker-0").is_dir()
