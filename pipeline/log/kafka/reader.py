"""Reading partitions in pages, with the next fetch under way while a page is being worked on."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field

from pipeline.log.kafka.connection import Connection
from pipeline.log.kafka.fetch import Fetched, decode, fetch, first_offset
from pipeline.log.kafka.loop import LoopThread
from pipeline.log.port import OffsetExpired, Page, Record, TopicPartition, TopicSpec

# Offsets are 63 bits; above them there is nothing, and nothing that a request could hold.
_MAX_OFFSET = (1 << 63) - 1


@dataclass(slots=True)
class _Window:
    """What of a partition is at hand: `records` from `at` on, all of them below `following`, where the next fetch begins.

    `position` is the offset that a reader who goes on will ask for.
    """

    position: int
    following: int
    records: list[Record] = field(default_factory=list)
    at: int = 0
    ahead: Future[Fetched | None] | None = None


class Reader:
    """Pages of any partition; a window per partition makes reading on cheap. Belongs to one thread, beside the loop's."""

    def __init__(self, connection: Connection, loop: LoopThread) -> None:
        self._connection = connection
        self._loop = loop
        self._windows: dict[TopicPartition, _Window] = {}

    def page(self, spec: TopicSpec, partition: int, offset: int, limit: int) -> Page:
        """See `Log.read`."""
        if offset > _MAX_OFFSET or limit <= 0:
            return Page([], offset)
        window = self._windows.get((spec.name, partition))
        if window is None or window.position != offset:
            self._forget(window)
            window = self._windows[spec.name, partition] = _Window(offset, offset)
        while window.at == len(window.records):
            if not self._fill(spec, partition, window):
                window.position = window.following
                return Page([], window.following)
        found = window.records[window.at : window.at + limit]
        window.at += len(found)
        is_done = window.at == len(window.records)
        window.position = window.following if is_done else found[-1].offset + 1
        if is_done:
            window.records, window.at = [], 0
        return Page(found, window.position)

    def _fill(self, spec: TopicSpec, partition: int, window: _Window) -> bool:
        """Put into the window what stands behind it; `False` if there is nothing now."""
        before = window.following
        fetched = self._take_ahead(window) or self._loop.call(self._fetch(spec, partition, before))
        if fetched is None:
            window.following = self._outside(spec, partition, before)
            return window.following != before
        window.records, window.following = decode(fetched, spec.name, partition, self._connection.path)
        window.at = 0
        if window.following < fetched.stable:
            window.ahead = self._loop.submit(self._fetch(spec, partition, window.following))
        return window.following != before

    @staticmethod
    def _take_ahead(window: _Window) -> Fetched | None:
        """What was fetched meanwhile. Empty, it says nothing about now."""
        ahead, window.ahead = window.ahead, None
        fetched = None if ahead is None else ahead.result()
        return fetched if fetched is not None and fetched.payload else None

    async def _fetch(self, spec: TopicSpec, partition: int, offset: int) -> Fetched | None:
        return await fetch(self._connection, spec.name, partition, offset)

    def _outside(self, spec: TopicSpec, partition: int, offset: int) -> int:
        """Where to go on from an offset that is not kept: above the end stay there, below the first one never jump."""
        first = self._loop.call(first_offset(self._connection, spec.name, partition))
        if offset >= first:
            return offset
        if spec.compacted:
            return first
        raise OffsetExpired(offset=offset, topic=spec.name, partition=partition, first=first)

    def _forget(self, window: _Window | None) -> None:
        if window is not None and window.ahead is not None:
            window.ahead.cancel()
