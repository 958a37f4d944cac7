"""What Faust's consumer has fetched and the worker has not read yet, by partition.

Two threads meet here. The consumer's puts whole polls in, each in the same breath in which its position moves, so that no
poll can be lost between them. The worker's reads from where it wants: another place than the next one is sought first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Condition
from typing import Any, NamedTuple

ROOM = 2_000
"""Records that a partition may hold and still be fetched."""


class Reach(NamedTuple):
    """How far a partition was fetched: the next offset, and as the broker last said it, the ends of what is over and of all."""

    following: int
    stable: int | None
    high: int | None


class Taken(NamedTuple):
    """Records at hand and the offset behind them; how far the partition was fetched. `sought`: reading begins only now."""

    records: Sequence[Any]
    following: int
    reach: Reach
    sought: bool


@dataclass(slots=True)
class _Held:
    position: int
    reach: Reach
    records: list[Any] = field(default_factory=list)
    at: int = 0

    @property
    def pending(self) -> int:
        return len(self.records) - self.at


class Inbox:
    """Records of one topic. `changed` is called, on the consumer's thread, when something came in."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._held: dict[int, _Held] = {}
        self._wanted: dict[int, int] = {}
        self._outside: set[int] = set()
        self._news = Condition()

    def take(self, partition: int, offset: int, limit: int) -> Taken:
        """The records from `offset` on that are at hand. What is before it is let go of."""
        with self._news:
            held = self._held.get(partition)
            if held is None or offset < held.position:
                if self._wanted.get(partition) != offset:
                    self._forget(partition)
                    self._wanted[partition] = offset
                return Taken((), offset, Reach(offset, None, None), sought=True)
            held.position = offset
            while held.pending and held.records[held.at].offset < offset:
                held.at += 1
            found = held.records[held.at : held.at + limit]
            if not found:
                held.records, held.at = [], 0
                return Taken((), max(held.reach.following, offset), held.reach, sought=False)
            is_all = len(found) == held.pending
            following = held.reach.following if is_all else held.records[held.at + limit].offset
            return Taken(found, following, held.reach, sought=False)

    def is_outside(self, partition: int) -> bool:
        """Whether the broker does not keep the place that was asked for."""
        return partition in self._outside

    def wait(self, seconds: float) -> None:
        """Until something comes in, for at most so long."""
        with self._news:
            self._news.wait(seconds)

    def sought(self) -> Mapping[int, int]:
        """Places to seek, each told once."""
        with self._news:
            wanted, self._wanted = self._wanted, {}
            for partition, offset in wanted.items():
                self._held[partition] = _Held(offset, Reach(offset, None, None))
            return wanted

    def hungry(self) -> tuple[set[int], bool]:
        """The partitions to be fetched, and whether there are others that have to be read first."""
        with self._news:
            hungry = {p for p, held in self._held.items() if held.pending < ROOM} - self._outside
            return hungry, len(hungry) < len(self._held)

    def put(self, partition: int, records: Sequence[Any], reach: Reach) -> None:
        """A poll of a partition. Nothing for one that was dropped meanwhile."""
        with self._news:
            held = self._held.get(partition)
            if held is None or (not records and held.reach == reach):
                return
            if held.at:
                held.records, held.at = held.records[held.at :], 0
            held.records += records
            held.reach = reach
            self._news.notify_all()
        if records:
            self._changed()

    def outside(self, partition: int) -> None:
        """The place that was sought is not kept."""
        with self._news:
            self._outside.add(partition)
            self._news.notify_all()

    def drop(self, partitions: Collection[int]) -> None:
        """These are another's now, or read anew."""
        with self._news:
            for partition in partitions:
                self._forget(partition)

    def _forget(self, partition: int) -> None:
        self._held.pop(partition, None)
        self._wanted.pop(partition, None)
        self._outside.discard(partition)
