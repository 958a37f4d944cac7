"""`Log` on a Kafka cluster.

What the port promises is kept with the broker's own means: acknowledged by all replicas in sync, numbered by an
idempotent producer, read committed. A log object belongs to one thread; aiokafka lives on another that it owns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import cast

from pipeline.log.kafka import groups, topics
from pipeline.log.kafka.connection import Connection
from pipeline.log.kafka.fetch import watermarks
from pipeline.log.kafka.loop import LoopThread
from pipeline.log.kafka.member import GroupMember
from pipeline.log.kafka.placing import partition_of
from pipeline.log.kafka.produce import Appender, all_ended
from pipeline.log.kafka.reader import Reader
from pipeline.log.kafka.security import OPEN, Security
from pipeline.log.kafka.writer import KafkaWriter, Placed
from pipeline.log.memory import RecordRefused, check_committed, check_partition, place_of
from pipeline.log.port import Fenced, FencedWriter, LogError, Outgoing, Page, TopicPartition, TopicSpec, TopicUnknown

# Seconds that a call waits for brokers that do not answer: a restart of one takes less.
PATIENCE = 60.0


class KafkaLog:
    """The topics of the cluster behind `bootstrap` (host:port, or several with commas); `log.unreachable`.

    Topics are never made by naming them. An append is acknowledged as a whole or raises; if it raises for a broker's
    sake, some of its records may be there, and the caller repeats it.
    """

    def __init__(self, bootstrap: str, *, security: Security = OPEN, patience: float = PATIENCE) -> None:
        self._connection = Connection(bootstrap, patience, security)
        self.path = self._connection.path
        self._known: dict[str, TopicSpec] = {}
        self._loop = LoopThread()
        self._writers: list[KafkaWriter] = []
        try:
            self._appender = self._loop.call(self._start())
        except BaseException:
            self._loop.call(self._connection.close())
            self._loop.close()
            raise
        self._reader = Reader(self._connection, self._loop)

    def create(self, topic: TopicSpec) -> None:
        """See the port; `log.topic-conflict` also if the topic's name says another kind."""
        self._check_open()
        self._loop.call(topics.make(self._connection, topic, self.topics()))
        self.topics()

    def topics(self) -> Mapping[str, TopicSpec]:
        """See the port; the broker's own are left out."""
        self._check_open()
        self._known = self._loop.call(topics.find(self._connection, self._known))
        return dict(self._known)

    def append(self, records: Sequence[Outgoing]) -> list[TopicPartition]:
        """See the port; `log.record-refused` for a record that no broker could take."""
        self._check_open()
        order, places = self._place(records)
        if places:
            self._loop.call(self._appender.append(places))
        return order

    def writer(self, name: str) -> FencedWriter:
        """See the port. The name is the transactional id; a process that was paused for long is given up by the broker."""
        self._check_open()
        made = KafkaWriter(self._connection, self._loop, name, self._place)
        self._writers.append(made)
        return made

    def append_each(self, batches: Collection[Fenced]) -> None:
        """See the port; nothing is sent if one of the records can go nowhere."""
        self._check_open()
        placed = [(cast(KafkaWriter, writer), records) for writer, records in batches]
        sending = [(writer, writer.placed(records)[1]) for writer, records in placed]
        self._loop.call(all_ended([writer.send(places) for writer, places in sending if places]))

    def read(self, topic: str, partition: int, offset: int, limit: int) -> Page:
        """See the port."""
        return self._reader.page(self._spec(topic, partition), partition, offset, limit)

    def end(self, topic: str, partition: int) -> int:
        """See the port."""
        return self.ends([(topic, partition)])[topic, partition]

    def ends(self, places: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """See the port."""
        for topic, partition in places:
            self._spec(topic, partition)
        return self._loop.call(watermarks(self._connection, places))

    def committed(self, group: str) -> Mapping[TopicPartition, int]:
        """See the port."""
        self._check_open()
        return self._loop.call(groups.committed(self._connection, group))

    def standing(self, group: str) -> Mapping[TopicPartition, groups.Standing]:
        """Where a group stands in each partition, and of topics beside what holds for that partition alone."""
        self._check_open()
        return self._loop.call(groups.standing(self._connection, group))

    def members(self, group: str) -> int:
        """How many members a group has now."""
        self._check_open()
        return self._loop.call(groups.members(self._connection, group))

    @property
    def connection(self) -> Connection:
        """Which cluster it is and for how long its calls wait, for members that are made elsewhere."""
        return self._connection

    def join(self, group: str, topic: str, changed: Callable[[], None]) -> GroupMember:
        """Become a member of a group over the partitions of a topic. It has to be closed before the log is."""
        self._spec(topic)
        return GroupMember(self._connection, group, topic, changed)

    def commit(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """See the port; `log.group-in-use` if the group has members, `ValueError` for a negative offset."""
        self._check_open()
        for (topic, partition), offset in offsets.items():
            self._spec(topic, partition)
            check_committed(offset)
        if offsets:
            self._loop.call(groups.commit(self._connection, group, offsets))

    def groups(self) -> list[str]:
        """See the port; in alphabetical order. Groups of others are among them."""
        self._check_open()
        return self._loop.call(groups.names(self._connection))

    def close(self) -> None:
        """See the port; its writers are closed, and a closed log refuses everything else."""
        if not self._loop.is_closed:
            for writer in self._writers:
                writer.close()
            self._loop.call(self._stop())
            self._loop.close()

    async def _start(self) -> Appender:
        await self._connection.start()
        return Appender(self._connection)

    async def _stop(self) -> None:
        await asyncio.gather(self._appender.close(), self._connection.close())

    def _check_open(self) -> None:
        if self._loop.is_closed:
            raise LogError(path=self.path, reason="it is closed")

    def _spec(self, topic: str, partition: int = 0) -> TopicSpec:
        """The topic that has this partition; asked for anew only if it is not known, since a topic's shape only grows."""
        self._check_open()
        known = self._known.get(topic)
        if known is None or partition >= known.partitions:
            known = self.topics().get(topic)
        if known is None:
            raise TopicUnknown(path=self.path, topic=topic)
        check_partition(known, partition, self.path)
        return known

    def _place(self, records: Sequence[Outgoing]) -> Placed:
        """The place of each record, and the records by place; nothing is sent if one of them can go nowhere."""
        order: list[TopicPartition] = []
        places: dict[TopicPartition, list[Outgoing]] = {}
        for record in records:
            spec = self._known.get(record.topic) or self._spec(record.topic)
            if record.offset is not None:
                raise RecordRefused(path=self.path, topic=spec.name, reason="a broker gives the offsets itself")
            if record.timestamp < 0:
                raise RecordRefused(path=self.path, topic=spec.name, reason="its timestamp is before 1970")
            place = (record.topic, place_of(record, spec, self.path, partition_of))
            order.append(place)
            places.setdefault(place, []).append(record)
        return order, places
