"""The insurer's mapping of policies: our worker, and bare aiokafka around the identical compiled translator.

By hand there is no more than an aggregate needs: its rows in a dict, its steps by transaction, the same records. No row
survives the process, a repeat would be told twice, and what cannot be mapped ends it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Event
from typing import Any, cast

import msgspec

from bench.kafka.bare import POLL_RECORDS, clients
from bench.kafka.rung import Job, Meter
from dragoman import __version__
from dragoman.kafka_works import opened, workers
from dragoman.project import Project
from dragoman.settings import read_settings
from dragoman.wiring import identity_of, kafka_of
from pipeline.cloudevents import Producer, Records
from pipeline.engine.faust.runner import join
from pipeline.feed import Curated
from pipeline.log.kafka.log import KafkaLog
from pipeline.log.kafka.placing import partition_of
from pipeline.log.port import Log, Outgoing, TopicPartition
from pipeline.state.memory import MemoryState
from pipeline.step_facts import facts_of
from pipeline.worker import TranslatorWorker
from translators.aggregate import Rows, apply
from translators.change import Change
from translators.facts import facts_of as transaction_facts
from translators.translator import translate


class Aggregates:
    """Rows by business key, and the open transaction of each partition."""

    def __init__(self, project: Project) -> None:
        (self._translator,) = project.translators.values()
        self._decoder = project.decoder(self._translator)
        curated = Curated.of(self._translator.name, 1)
        identity = identity_of(project)
        self._producer = Producer(
            namespace=identity.namespace,
            context=self._translator.context,
            source=identity.source,
            source_epoch=1,
            translator=self._translator.name,
            state_epoch=1,
            generation=1,
            mapping_version=self._translator.version,
            producer_version=__version__,
            events_topic=curated.events.name,
            state_topic=curated.state.name,
        )
        self._rows: dict[str, Rows] = {}
        self._versions: dict[str, int] = {}
        self._open: dict[int, tuple[list[Change], int]] = {}

    def read(self, record: Any) -> list[Outgoing]:
        """What is to be written once this record was read: the steps of the transaction before it."""
        change = self._decoder.decode(
            record.topic, record.partition, record.offset, record.key, record.value, record.headers
        )
        if not isinstance(change, Change):
            return []
        key = self._translator.key_of(change.table, change.after or change.before or {})
        if change.is_snapshot:
            self._rows[key] = apply(self._rows.get(key, {}), [change])
            self._versions[key] = 1
            return []
        changes, arrived = self._open.get(record.partition, ([], 0))
        if changes and changes[0].transaction == change.transaction:
            changes.append(change)
            return []
        self._open[record.partition] = ([change], record.timestamp)
        return self._settled(record.partition, changes, arrived)

    def rest(self) -> list[Outgoing]:
        """The steps of the transactions that are open."""
        return [
            one for place, (changes, arrived) in self._open.items() for one in self._settled(place, changes, arrived)
        ]

    def _settled(self, partition: int, changes: Sequence[Change], arrived: int) -> list[Outgoing]:
        by_key: dict[str, list[Change]] = {}
        for change in changes:
            key = self._translator.key_of(change.table, change.after or change.before or {})
            by_key.setdefault(key, []).append(change)
        return [one for key, own in by_key.items() for one in self._step(key, own, partition, arrived)]

    def _step(self, key: str, changes: list[Change], partition: int, arrived: int) -> list[Outgoing]:
        translator, old = self._translator, self._rows.get(key, {})
        new = self._rows[key] = apply(old, changes)
        version = self._versions[key] = self._versions.get(key, 0) + 1
        translation = translate(translator, old, new, transaction_facts(changes))
        if not (translation.events or translation.changed):
            return []
        facts = facts_of(key, version, changes, partition, arrived)
        if translation.correlation is not None:
            facts = msgspec.structs.replace(facts, correlation=translation.correlation)
        records = Records(self._producer, facts)
        found = records.events(translation.events)
        if translation.changed:
            found.append(records.state(translator.state_type, translation.state, "live"))
        return found


def by_hand(job: Job, meter: Meter) -> None:
    """Bare aiokafka."""
    project = _project(job)
    with closing(KafkaLog(job.at)) as log:
        (name,) = project.translators
        for topic in (Curated.of(name, job.partitions).events, Curated.of(name, job.partitions).state):
            log.create(topic)
    asyncio.run(_by_hand(job, meter, Aggregates(project)))


async def _by_hand(job: Job, meter: Meter, aggregates: Aggregates) -> None:
    consumer, producer = await clients(job)
    while meter.count < job.total:
        found = await consumer.getmany(timeout_ms=200, max_records=POLL_RECORDS)
        out = [one for records in found.values() for record in records for one in aggregates.read(record)]
        taken = sum(len(records) for records in found.values())
        if meter.count + taken >= job.total:
            out += aggregates.rest()
        await _send(producer, out, job.partitions)
        if found:
            await consumer.commit({place: records[-1].offset + 1 for place, records in found.items()})
        meter.handled(taken)
    meter.end()


async def _send(producer: Any, records: Iterable[Outgoing], partitions: int) -> None:
    """Whole batches by place, acknowledged."""
    places: dict[TopicPartition, list[Outgoing]] = {}
    for record in records:
        places.setdefault((record.topic, partition_of(record.key, partitions)), []).append(record)
    sent = []
    for (topic, partition), chosen in places.items():
        batch = producer.create_batch()
        for one in chosen:
            told = {"timestamp": one.timestamp, "key": one.key, "value": one.value, "headers": list(one.headers)}
            if batch.append(**told) is None:
                sent.append(await producer.send_batch(batch, topic, partition=partition))
                batch = producer.create_batch()
                batch.append(**told)
        sent.append(await producer.send_batch(batch, topic, partition=partition))
    await asyncio.gather(*sent)


class Unfenced:
    """The log, but for its fenced writers: what they write is appended without a transaction."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def __getattr__(self, name: str) -> Any:
        """All else is the log's."""
        return getattr(self._log, name)

    def writer(self, name: str) -> Any:
        """Like the log's."""
        return _Writer(self._log)


class _Writer:
    def __init__(self, log: Log) -> None:
        self.append = log.append

    def close(self) -> None:
        """Nothing is held."""


def fenced(job: Job, meter: Meter) -> None:
    """Our worker as it is: rows on disk and in a changelog, fenced."""
    _ours(job, meter, lambda make: make)


def disk(job: Job, meter: Meter) -> None:
    """The same without the fence's transactions."""
    _ours(job, meter, lambda make: lambda log: make(_unfenced(log)))


def memory(job: Job, meter: Meter) -> None:
    """Neither the fence nor rows that outlive the process: nothing that bare aiokafka by hand has not."""

    def without(make: Callable[[Log], TranslatorWorker]) -> Callable[[Log], TranslatorWorker]:
        def made(log: Log) -> TranslatorWorker:
            worker = make(_unfenced(log))
            worker.store = MemoryState()
            worker._job = msgspec.structs.replace(worker._job, store=worker.store, changelog=False)
            return worker

        return made

    _ours(job, meter, without)


def _unfenced(log: Log) -> Log:
    return cast(Log, Unfenced(log))


Make = Callable[[Log], TranslatorWorker]


def _ours(job: Job, meter: Meter, as_wanted: Callable[[Make], Make]) -> None:
    project, wake = _project(job), Event()
    (name,) = project.translators
    origin = kafka_of(project)
    with ExitStack() as held:
        log = held.enter_context(closing(opened(origin)))
        folder = Path(job.folder)
        make = workers(project, origin, log, folder, held, lambda _, records: meter.handled(records))(name)
        runner = join(log, name, job.source, as_wanted(make), folder / "faust", wake=wake.set)
        while meter.count < job.total or runner.worker.in_flight:
            if not runner.turn():
                wake.wait(0.2)
                wake.clear()
        meter.end()


def _project(job: Job) -> Project:
    return Project(read_settings(Path(job.project), os.environ))
