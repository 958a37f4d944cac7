"""The log as a member of a consumer group sees it: it commits in its own name, and for what it holds alone.

Marks (ends of transactions, notifications) are read by every worker for all partitions that it has. How far they have been
acted upon is therefore said with each partition's own offset, and a partition that is taken over brings its marks along.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol

from pipeline.log.port import Fenced, FencedWriter, Log, OffsetBeyondEnd, Outgoing, Page, TopicPartition, TopicSpec

# Seconds after which a partition that had nothing to commit says again how far the marks were acted upon.
_REFRESH = 5.0


class Standing(Protocol):
    """Where a partition was left: its offset, and how far the marks beside it were acted upon."""

    @property
    def offset(self) -> int:
        """The next offset to read."""

    @property
    def beside(self) -> Mapping[TopicPartition, int]:
        """The next offsets to read of the topics beside."""


class Offsets(Protocol):
    """Committed offsets of one group over one topic, as one of its members reads and sets them."""

    def standing(self) -> Mapping[int, Standing]:
        """Where each partition was left; those never committed are absent."""

    def commit(self, offsets: Mapping[int, int], beside: Mapping[TopicPartition, int]) -> None:
        """Commit; `log.membership-lost` if the partitions may be another member's by now."""


class MemberLog:
    """A `Log` for the worker of one translator; every other group and all records are those of the log behind it."""

    def __init__(
        self, log: Log, group: str, feed: str, offsets: Offsets, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = log
        self._group = group
        self._feed = feed
        self._offsets = offsets
        self._clock = clock
        self._held: dict[int, int] = {}
        self._noted: dict[int, Mapping[TopicPartition, int]] = {}
        self._beside: dict[TopicPartition, int] = {}
        self._refreshed = clock()

    def hold(self, partitions: Iterable[int]) -> None:
        """These are about to be taken over: their marks are read again from where the last of them stood.

        `log.offset-beyond-end` for a place that the feed never had: it was made anew, and would be waited for in vain.
        """
        standing = self._offsets.standing()
        for partition in partitions:
            found = standing.get(partition)
            if found is not None and found.offset > (end := self._log.end(self._feed, partition)):
                raise OffsetBeyondEnd(offset=found.offset, topic=self._feed, partition=partition, end=end)
            self._held[partition] = 0 if found is None else found.offset
            self._noted[partition] = {} if found is None else found.beside
        places = {place for noted in self._noted.values() for place in noted}
        self._beside = {place: min(noted.get(place, 0) for noted in self._noted.values()) for place in places}

    def let_go(self, partitions: Iterable[int]) -> None:
        """These were given back."""
        for partition in partitions:
            del self._held[partition], self._noted[partition]

    def settle(self) -> None:
        """Say of held partitions how far their marks were acted upon, where they had nothing to commit for a while."""
        late = {p: offset for p, offset in self._held.items() if self._noted[p] != self._beside}
        if late and self._clock() > self._refreshed + _REFRESH:
            self._commit(late)
            self._refreshed = self._clock()

    def _commit(self, offsets: Mapping[int, int]) -> None:
        self._offsets.commit(offsets, self._beside)
        self._held.update(offsets)
        self._noted.update({key: dict(self._beside) for key in offsets})

    def committed(self, group: str) -> Mapping[TopicPartition, int]:
        """See the port."""
        if group != self._group:
            return self._log.committed(group)
        feed = {(self._feed, partition): offset for partition, offset in self._held.items()}
        return {**feed, **self._beside}

    def commit(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """See the port. Those of the marks are kept until a partition's own is committed."""
        if group != self._group:
            self._log.commit(group, offsets)
            return
        feed = {partition: offset for (topic, partition), offset in offsets.items() if topic == self._feed}
        self._beside.update({place: offset for place, offset in offsets.items() if place[0] != self._feed})
        if feed:
            self._commit(feed)

    def create(self, topic: TopicSpec) -> None:
        """See the port."""
        self._log.create(topic)

    def topics(self) -> Mapping[str, TopicSpec]:
        """See the port."""
        return self._log.topics()

    def append(self, records: Sequence[Outgoing]) -> list[TopicPartition]:
        """See the port."""
        return self._log.append(records)

    def writer(self, name: str) -> FencedWriter:
        """See the port."""
        return self._log.writer(name)

    def append_each(self, batches: Collection[Fenced]) -> None:
        """See the port."""
        self._log.append_each(batches)

    def read(self, topic: str, partition: int, offset: int, limit: int) -> Page:
        """See the port."""
        return self._log.read(topic, partition, offset, limit)

    def end(self, topic: str, partition: int) -> int:
        """See the port."""
        return self._log.end(topic, partition)

    def ends(self, places: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """See the port."""
        return self._log.ends(places)

    def groups(self) -> list[str]:
        """See the port."""
        return self._log.groups()

    def close(self) -> None:
        """The log behind it is somebody else's."""
