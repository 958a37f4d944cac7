"""What snapshots showed on the feed partitions of other workers: one that was cut may have shown rows that are gone.

A partition that the next snapshot leaves out says nothing of that. So where the notifications tell of more than one
beginning, a loading partition goes live only once the last snapshot is known, wherever in the feed it stands.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile

from connectors.debezium.records import Truncate
from pipeline.job import Job
from pipeline.log.port import OffsetExpired
from translators.change import UNREAD, Change


def is_streamed(decoded: object) -> bool:
    """Whether a record is news: all rows of the initial snapshot stand before it on its partition."""
    return isinstance(decoded, Truncate) or (isinstance(decoded, Change) and not decoded.is_snapshot)


class Elsewhere:
    """Reads partitions from their beginning to their first change, or to the high watermark of when this was made.

    `newest` is the position of the last snapshot whose rows it found, once it is `done`.
    """

    def __init__(self, job: Job, partitions: Iterable[int]) -> None:
        self._job = job
        self._left = {number: (0, job.log.end(job.feed.topic, number)) for number in partitions}
        self.newest = UNREAD

    @property
    def done(self) -> bool:
        """Whether all was read."""
        return not self._left

    def read(self) -> int:
        """Read a batch of each partition that is left; the number of records read."""
        return sum(self._read(*one) for one in list(self._left.items()))

    def _read(self, partition: int, bounds: tuple[int, int]) -> int:
        position, high = bounds
        try:
            page = self._job.log.read(self._job.feed.topic, partition, position, self._job.batch_size)
        except OffsetExpired:
            del self._left[partition]  # the rows of its snapshot are gone, with what they could tell
            return 0
        found = [self._job.decode(record) for record in page.records]
        shown = list(takewhile(lambda one: not is_streamed(one), found))
        self.newest = max([self.newest, *(one.position for one in shown if isinstance(one, Change))])
        if len(shown) < len(found) or page.next >= high:
            del self._left[partition]
        else:
            self._left[partition] = (page.next, high)
        return len(found)
