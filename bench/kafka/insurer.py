"""The insurer's policies on Kafka: the feed of its example as a connector would have sent it, and projects that read it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.corpus import EXAMPLE, insurer, live
from dragoman.wiring import works
from pipeline.log.kafka.log import KafkaLog
from pipeline.log.port import Kind, Log, Outgoing, Record, TopicSpec
from pipeline.log.reading import read_through

FEED, TRANSACTIONS, NOTIFICATIONS = "insurer.policy", "insurer.transaction", "insurer.notification"
_OF = {FEED: "legacy.policy", TRANSACTIONS: "legacy.transaction", NOTIFICATIONS: "legacy.notification"}
_KINDS: dict[str, Kind] = {FEED: "feed", TRANSACTIONS: "transaction", NOTIFICATIONS: "notification"}
_AT_ONCE = 1_000


@dataclass(frozen=True)
class Corpus:
    """Records of the three topics, each partition's in order: of the initial snapshot, and what came behind it."""

    loaded: dict[str, list[Record]]
    live: dict[str, list[Record]]
    partitions: int

    @property
    def changes(self) -> int:
        """How many records of the feed there are, rows of the snapshot and changes."""
        return len(self.loaded[FEED]) + len(self.live[FEED])


def corpus(transactions: int) -> Corpus:
    """A day of so many transactions, and the nightly job."""
    with insurer(0) as (project, connection), works(project) as running:
        log = running.log
        while running.source.turn():
            pass
        loaded = {name: _records(log, of, {}) for name, of in _OF.items()}
        ends = {of: [log.end(of, p) for p in range(spec.partitions)] for of, spec in log.topics().items()}
        live(connection, transactions)
        while running.source.turn():
            pass
        later = {name: _records(log, of, dict(enumerate(ends[of]))) for name, of in _OF.items()}
        return Corpus(loaded, later, log.topics()[_OF[FEED]].partitions)


def _records(log: Log, topic: str, since: Mapping[int, int]) -> list[Record]:
    return [
        record
        for partition in range(log.topics()[topic].partitions)
        for page in read_through(log, topic, partition)
        for record in page
        if record.offset >= since.get(partition, 0)
    ]


def fill(log: KafkaLog, found: Corpus, prefix: str, *, live: bool = True) -> None:
    """Topics with what was loaded, and with what came `live`: rows first, no END is readable before its rows."""
    for name, records in found.loaded.items():
        partitions = found.partitions if name == FEED else 1
        topic = f"{prefix}.{name}"
        log.create(TopicSpec(name=topic, kind=_KINDS[name], partitions=partitions))
        chosen = [*records, *(found.live[name] if live else ())]
        for first in range(0, len(chosen), _AT_ONCE):
            log.append([again(record, topic) for record in chosen[first : first + _AT_ONCE]])


def again(record: Record, topic: str) -> Outgoing:
    """The record for another topic."""
    return Outgoing(
        topic=topic,
        partition=record.partition,
        timestamp=record.timestamp,
        key=record.key,
        value=record.value,
        headers=record.headers,
    )


def project(folder: Path, at: str, prefix: str, translator: str, partitions: int) -> Path:
    """The example's project with its policies alone, under another name, over the topics of that prefix."""
    leave = shutil.ignore_patterns("var", "__pycache__", "consumers", "checks", "variants", "claim*", "payment*")
    shutil.copytree(EXAMPLE, folder, ignore=leave)
    mapping = (folder / "mappings" / "policy.yaml").read_text()
    mapping = mapping.replace("translator: policy\n", f"translator: {translator}\n", 1)
    (folder / "mappings" / "policy.yaml").unlink()
    (folder / "mappings" / f"{translator}.yaml").write_text(mapping)
    (folder / "dragoman.yaml").write_text(
        f"project: insurer\nnamespace: com.example.insurer\ntranslators:\n  - {translator}\nsource: legacy\n"
        "log: var/log.db\nstate: var/state.db\n"
    )
    (folder / "sources" / "legacy.yaml").write_text(
        f"kind: kafka\nengine: faust\nbootstrap: {at}\nbegins: snapshot\nexactly_once: true\n"
        f"transactions: {prefix}.{TRANSACTIONS}\nnotifications: {prefix}.{NOTIFICATIONS}\n"
        f"feeds:\n  policy:\n    topic: {prefix}.{FEED}\n    partitions: {partitions}\n"
        "    tables:\n      polmst: pol_no\n      covdtl: pol_no\n"
    )
    return folder
