"""A log on a broker that others share: every name it is given stands behind a name of its own, which nobody sees."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import cast

import msgspec

from pipeline.log.kafka.log import KafkaLog
from pipeline.log.port import Fenced, FencedWriter, Outgoing, Page, TopicPartition, TopicSpec


class Apart:
    """A `Log` on `log` whose topics, groups and writers are called `name.` and what they are called here."""

    def __init__(self, log: KafkaLog, name: str) -> None:
        self.log = log
        self.path = log.path
        self._before = f"{name}."

    def create(self, topic: TopicSpec) -> None:
        self.log.create(msgspec.structs.replace(topic, name=self._before + topic.name))

    def topics(self) -> Mapping[str, TopicSpec]:
        mine = [spec for name, spec in self.log.topics().items() if name.startswith(self._before)]
        return {self._own(spec.name): msgspec.structs.replace(spec, name=self._own(spec.name)) for spec in mine}

    def append(self, records: Sequence[Outgoing]) -> list[TopicPartition]:
        return [(self._own(topic), number) for topic, number in self.log.append(self._sent(records))]

    def writer(self, name: str) -> FencedWriter:
        return _Writer(self, self.log.writer(self._before + name))

    def append_each(self, batches: Collection[Fenced]) -> None:
        self.log.append_each([(cast(_Writer, one).writer, self._sent(records)) for one, records in batches])

    def read(self, topic: str, partition: int, offset: int, limit: int) -> Page:
        page = self.log.read(self._before + topic, partition, offset, limit)
        return Page([msgspec.structs.replace(record, topic=topic) for record in page.records], page.next)

    def end(self, topic: str, partition: int) -> int:
        return self.log.end(self._before + topic, partition)

    def ends(self, places: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        found = self.log.ends([(self._before + topic, number) for topic, number in places])
        return {(self._own(topic), number): end for (topic, number), end in found.items()}

    def committed(self, group: str) -> Mapping[TopicPartition, int]:
        found = self.log.committed(self._before + group)
        return {(self._own(topic), number): offset for (topic, number), offset in found.items()}

    def commit(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        self.log.commit(
            self._before + group,
            {(self._before + topic, number): offset for (topic, number), offset in offsets.items()},
        )

    def groups(self) -> list[str]:
        return [self._own(group) for group in self.log.groups() if group.startswith(self._before)]

    def close(self) -> None:
        self.log.close()

    def _own(self, name: str) -> str:
        return name.removeprefix(self._before)

    def _sent(self, records: Sequence[Outgoing]) -> list[Outgoing]:
        return [msgspec.structs.replace(record, topic=self._before + record.topic) for record in records]


class _Writer:
    def __init__(self, log: Apart, writer: FencedWriter) -> None:
        self._log = log
        self.writer = writer

    def append(self, records: Sequence[Outgoing]) -> list[TopicPartition]:
        return [(self._log._own(topic), number) for topic, number in self.writer.append(self._log._sent(records))]

    def close(self) -> None:
        self.writer.close()
