"""What the pipeline asks of a log. The embedded log and Kafka both answer it; one contract suite runs on each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import ClassVar, Literal, Protocol

import msgspec

from translators.errors import DragomanError

Header = tuple[str, bytes | None]
Headers = tuple[Header, ...]
TopicPartition = tuple[str, int]
Kind = Literal[
    "feed", "transaction", "heartbeat", "notification", "state", "changelog", "events", "dead-letters", "control"
]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One record as it was read. `timestamp` is milliseconds since the epoch, as the appender gave it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Page(msgspec.Struct, frozen=True):
    """What one read found, and the offset to read at next: everything below it was in this page or is not there.

    Offsets without a record (compacted away, an aborted transaction, the mark that ends one) are passed by `next` alone.
    It is the offset that was asked for where nothing can be read now: at the end, or before a transaction still open.
    """

    records: list[Record]
    next: int


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """One record to append.

    `partition` None means: by the key (all records of one key are on one partition). `offset` is set only by a source
    that repeats a recording: the record keeps its offset, and one at or below the partition's last offset is skipped
    as already there. Offsets may have gaps.
    """

    topic: str
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None
    offset: int | None = None


class TopicSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A topic as it should be. `compacted` topics keep the last record of each key; a null value is a tombstone."""

    name: str
    kind: Kind
    partitions: int
    compacted: bool = False


class Log(Protocol):
    """A durable, partitioned, append-only log with committed offsets per consumer group.

    Every method may raise a `LogError`. Appends and commits are durable when the call returns. Offsets start at 0 and only
    rise; an offset is "the next to read", so `end` of an empty partition is 0.
    """

    def create(self, topic: TopicSpec) -> None:
        """Make sure that the topic exists. Safe to repeat; `topic.conflict` if it exists with another shape."""

    def topics(self) -> Mapping[str, TopicSpec]:
        """All topics by name."""

    def append(self, records: Sequence[Outgoing]) -> list[TopicPartition]:
        """Append in order; the topic and partition of each record come back in the same order.

        Nothing is appended if one of the records cannot be. A log of one file appends all or nothing also when it fails;
        from brokers that fail in the middle some may stay, and the caller appends all of them again.
        """

    def writer(self, name: str) -> FencedWriter:
        """The writer of this name from now on. Older ones of the name, in whatever process, are fenced when this returns.

        What they had not finished will never be readable, so whoever asks for watermarks and reads up to them after
        this call has seen all that they ever wrote.
        """

    def append_each(self, batches: Collection[Fenced]) -> None:
        """Append to each of several writers, as its own `append` does, where that can be side by side.

        A failure is raised once all have ended: others may have been written then, whole.
        """

    def read(self, topic: str, partition: int, offset: int, limit: int) -> Page:
        """Up to `limit` records from `offset` on, in offset order; no records only if there are none to be had now.

        Waits for no record that has yet to come, and shows none of a transaction that is open or was aborted.

        Reading below the first kept offset of a topic that is not compacted is `log.offset-expired`, not a jump.
        """

    def end(self, topic: str, partition: int) -> int:
        """The high watermark: the offset that the next record will get at the earliest."""

    def ends(self, places: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The high watermarks of several partitions, none of them older than this call."""

    def committed(self, group: str) -> Mapping[TopicPartition, int]:
        """The group's committed offsets."""

    def commit(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Set the group's offsets, all or nothing. The caller may set them back (reading again)."""

    def groups(self) -> list[str]:
        """All groups that ever committed."""

    def close(self) -> None:
        """Give back what is held. Safe to repeat."""


class FencedWriter(Protocol):
    """A writer of which there is one per name: where the last record of a key wins, an old owner must not be the last."""

    def append(self, records: Sequence[Outgoing]) -> list[TopicPartition]:
        """Append in order; readers see all of the records or none. Topics and partitions come back as from `Log.append`.

        They are durable when it returns, and counted by `Log.end`; a broker may show them a moment later.

        `log.fenced` if a newer writer of the name was made: nothing of the batch is readable then, and the process that
        still wrote must end. After any other error the batch may have been written or not, and the writer is spent: a
        new one may be made only by who owns the name.
        """

    def close(self) -> None:
        """Give back what is held; the name stays with it until it is taken over. Safe to repeat."""


Fenced = tuple[FencedWriter, Sequence[Outgoing]]
"""What is to be appended by which writer."""


class LogError(DragomanError):
    """The log {path} could not be used: {reason}."""

    code: ClassVar[str] = "log.failed"
    hint: ClassVar[str] = "Look at the reason; nothing was acknowledged that is not on disk. Run the command again."


class LogCorrupt(LogError):
    """The log {path} is damaged: {reason}."""

    code = "log.corrupt"
    hint = (
        "Nothing was written. Restore the file from a copy, or set it aside and build it again from the feed: "
        "ids and bytes will be the same."
    )


class LogInUse(LogError):
    """The log {path} is being worked on by another worker (process {pid})."""

    code = "log.in-use"
    hint = (
        "One worker at a time: wait for it or end it. Commands that only read or send control records work beside it."
    )


class DiskFull(LogError):
    """There is no room left to write {path}."""

    code = "disk.full"
    hint = "Free some space and run the command again: it goes on where the last acknowledged batch ended."
    transient = True


class LogFenced(LogError):
    """The writer {name} of the log {path} was taken over by a newer one, or given up by the broker."""

    code = "log.fenced"
    hint = "Nothing of the batch was written. This process has to end: another worker owns the partition, or may take it over."


class TopicUnknown(LogError):
    """The log {path} has no topic {topic}."""

    code = "log.topic-unknown"
    hint = "Check the topic's name with `dragoman status`; topics are made by the first run."


class TopicConflict(LogError):
    """The topic {topic} exists with {found}, not with {wanted}."""

    code = "log.topic-conflict"
    hint = "Partition counts and compaction are for ever: set the project back, or start a new log."


class OffsetExpired(LogError):
    """Offset {offset} of {topic} {partition} is no longer kept; the first is {first}."""

    code = "log.offset-expired"
    hint = "What was between is lost to this reader. Reload from the source; the position is never moved by itself."


class OffsetBeyondEnd(LogError):
    """Offset {offset} of {topic} {partition} was committed, and the partition ends at {end}."""

    code = "log.offset-beyond-end"
    hint = (
        "The topic was made anew, or its brokers have lost records that they had acknowledged. Find out which, then begin a "
        "new source epoch with a snapshot, or read all again with `dragoman run --from-start`. It is never moved by itself."
    )
