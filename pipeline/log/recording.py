"""Recorded feeds: the records of a Debezium feed as JSON Lines, plain or gzip.

One object per line: `topic` (text), `partition` (absent or null: 0), `offset` (absent or null: one above the
previous of its partition in this file, from 0 on), `timestamp` (milliseconds since the epoch; absent or null: 0),
`key`, `value` (text or null), `headers` (`[[name, value], ...]` or `{name: value}`; absent: none). Other fields are
ignored. Within a partition offsets rise; between partitions the order of the lines says nothing. A name that ends in
`.gz` is gzip.

Keys, values and header values are bytes in a log. What the text in the file stands for is not in the file: `text` is
the UTF-8 of the bytes, `base64` their base64.
"""

from __future__ import annotations

import gzip
import os
import re
import zlib
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Annotated, ClassVar, Literal, cast

import msgspec

from pipeline.log.memory import MAX_OFFSET, MAX_PARTITIONS, MAX_TIMESTAMP
from pipeline.log.port import DiskFull, Kind, Log, Outgoing, Record, TopicPartition, TopicSpec
from pipeline.sqlite import NO_ROOM_OF_SYSTEM
from translators.errors import DragomanError

Encoding = Literal["text", "base64"]

# Bytes of one line; a Kafka record is rarely above 1 MB, and a file without line ends must not fill the memory.
MAX_LINE = 64 * 1024 * 1024

_Partition = Annotated[int, msgspec.Meta(ge=0, lt=MAX_PARTITIONS)]
_Offset = Annotated[int, msgspec.Meta(ge=0, le=MAX_OFFSET)]
_Timestamp = Annotated[int, msgspec.Meta(ge=-MAX_TIMESTAMP, le=MAX_TIMESTAMP)]


class RecordingError(DragomanError):
    """The recording could not be read at {where}: {reason}."""

    code: ClassVar[str] = "recording.failed"
    hint: ClassVar[str] = "Look at the reason. Nothing after that place was read."


class RecordingUnreadable(RecordingError):
    """The recording {where} could not be opened or read: {reason}."""

    code = "recording.unreadable"
    hint = "Check the path and its rights."


class RecordingCut(RecordingError):
    """The recording is cut in the middle of a line at {where}."""

    code = "recording.cut"
    hint = (
        "Copy the file again and repeat the command. "
        "To go on with what is there, remove the last line: transactions without their END stay open."
    )


class RecordingDamaged(RecordingError):
    """The gzip stream of the recording is damaged or cut after {where}: {reason}."""

    code = "recording.gzip-damaged"
    hint = "Copy the file again and repeat the command; `gzip -t` tells whether a copy is good."


class RecordingInvalid(RecordingError):
    """A line of the recording is not a record at {where}: {reason}."""

    code = "recording.invalid"
    hint = "Correct or remove the line. The format: one JSON object per line with topic, key, value and headers."


class RecordingDisordered(RecordingError):
    """The recording goes back at {where}: {topic} {partition} has offset {offset} after {last}."""

    code = "recording.disordered"
    hint = (
        "Within a partition offsets must rise. Two recordings in one file, or a sorted one: bring it in offset order."
    )


class RecordingUnwritable(RecordingError):
    """The recording {where} could not be written: {reason}."""

    code = "recording.unwritable"
    hint = "Check the folder and its rights. An earlier file of that name is as it was."


class RecordingNotText(RecordingError):
    """A record of {topic} cannot be written to {where} as text: it is not UTF-8."""

    code = "recording.not-text"
    hint = "Write the recording as base64."


class _TextLine(msgspec.Struct):
    topic: Annotated[str, msgspec.Meta(min_length=1)]
    key: str | None
    value: str | None
    partition: _Partition | None = None
    offset: _Offset | None = None
    timestamp: _Timestamp | None = None
    headers: list[tuple[str, str | None]] | dict[str, str | None] | None = None


class _Base64Line(msgspec.Struct):
    topic: Annotated[str, msgspec.Meta(min_length=1)]
    key: bytes | None
    value: bytes | None
    partition: _Partition | None = None
    offset: _Offset | None = None
    timestamp: _Timestamp | None = None
    headers: list[tuple[str, bytes | None]] | dict[str, bytes | None] | None = None


_TRUNCATED = "truncated"
_BYTE = re.compile(r" \(byte (\d+)\)$")
_FIELD = re.compile(r" - at `\$\.(\w+)")
_text_line = msgspec.json.Decoder(_TextLine).decode
_base64_line = msgspec.json.Decoder(_Base64Line).decode


class Recording(msgspec.Struct, frozen=True):
    """A recorded feed. Iterating reads the file from its beginning, each time, one line in memory at once.

    Every record has its partition and offset. Raises a `RecordingError` where the file stops being a recording; all
    lines before that place were given out.
    """

    path: Path
    encoding: Encoding

    def __iter__(self) -> Iterator[Outgoing]:
        last: dict[TopicPartition, int] = {}
        number = 0
        for number, line in enumerate(_lines(self.path), start=1):
            record = self._record(line, number)
            place = (record.topic, record.partition or 0)
            before = last.get(place, -1)
            offset = before + 1 if record.offset is None else record.offset
            if offset <= before:
                topic, partition = place
                where = f"{self.path}:{number}"
                raise RecordingDisordered(where=where, topic=topic, partition=partition, offset=offset, last=before)
            last[place] = offset
            yield record if record.offset is not None else msgspec.structs.replace(record, offset=offset)

    def _record(self, line: bytes, number: int) -> Outgoing:
        try:
            if self.encoding == "text":
                return _from_text(_text_line(line))
            return _from_base64(_base64_line(line))
        # msgspec's errors are ValueErrors, and so is text that is not UTF-8.
        except ValueError as error:
            where = f"{self.path}:{number}"
            if len(line) > MAX_LINE:
                raise RecordingInvalid(where=where, reason=f"the line is longer than {MAX_LINE} bytes") from error
            column, reason = _diagnose(line, error)
            # A cut line has no end, and what is left of its object is not closed.
            if not line.endswith(b"\n") and (_TRUNCATED in reason or not line.rstrip().endswith(b"}")):
                raise RecordingCut(where=where) from error
            raise RecordingInvalid(where=f"{where}:{column}", reason=reason) from error


class Ingested(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a recording: records appended, and records that were there already, by topic."""

    appended: Counter[str]
    skipped: Counter[str]

    @property
    def total(self) -> int:
        """All records of the recording."""
        return self.appended.total() + self.skipped.total()


def read_recording(path: Path, encoding: Encoding) -> Recording:
    """The records of a file, in its order; the file is opened when they are iterated, and again each time."""
    return Recording(path, encoding)


def ingest(recording: Iterable[Outgoing], log: Log, batch: int = 1000, *, notification: str | None = None) -> Ingested:
    """Append a recording to the topics of the log that it names; topics that do not exist are made.

    The recording is read more than once, so an iterator is refused (`TypeError`); a `Recording` or a list is right.

    1. It is read to its end first. A cut or damaged one raises its error here: **nothing is appended**.
    2. Its rows and heartbeats are appended, then the notifications (`notification` names their topic), then the
       transaction markers. What proves that something is complete is never readable before what it completes: not an
       END before the rows of its transaction, not a COMPLETED before the rows of its snapshot.

    Killed anywhere and repeated, it goes on where it was: offsets at or below the last of a partition are skipped. So a
    log takes one recording of a partition, and longer ones of the same later; another one needs another log.

    A topic gets the partitions seen in the recording; an existing topic may have more, never fewer
    (`log.topic-conflict`).
    """
    if iter(recording) is recording:
        raise TypeError("a recording is read more than once: pass a Recording or a list, not an iterator")
    partitions: Counter[str] = Counter()
    count = 0
    for record in recording:
        partitions[record.topic] = max(partitions[record.topic], (record.partition or 0) + 1)
        count += 1
    kinds = {topic: _kind(topic, notification) for topic in partitions}
    ends = _make_topics(log, partitions, kinds)
    result = Ingested(appended=Counter(), skipped=Counter())
    for stage in (("feed", "heartbeat"), ("notification",), ("transaction",)):
        topics = {topic for topic, kind in kinds.items() if kind in stage}
        # A file that still grows: what came after the first reading has not been proven, and may be an END of rows
        # that an earlier stage has not seen.
        chosen = (record for record in islice(recording, count) if record.topic in topics)
        while topics and (records := list(islice(chosen, batch))):
            _append(log, records, ends, result)
    return result


def write_recording(path: Path, records: Iterable[Record | Outgoing], encoding: Encoding = "text") -> int:
    """Write records as a recording; how many. The file appears whole or not at all, in place of an earlier one.

    The same records give the same bytes. `recording.not-text` if a record's bytes are not UTF-8 and `encoding` is
    `text`; `disk.full`; `recording.unwritable` if the file cannot be made.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    count = 0
    try:
        with _writer(draft, compressed=path.suffix == ".gz") as stream:
            for record in records:
                stream.write(_to_line(record, encoding, path))
                count += 1
        draft.replace(path)
    except OSError as error:
        if error.errno in NO_ROOM_OF_SYSTEM:
            raise DiskFull(path=path) from error
        raise RecordingUnwritable(where=path, reason=error.strerror or str(error)) from error
    finally:
        draft.unlink(missing_ok=True)
    return count


def _lines(path: Path) -> Iterator[bytes]:
    """The lines with their ends; the last one may have none. A line above the limit comes as its beginning."""
    number = 0
    try:
        with path.open("rb") as raw:
            stream = cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if path.suffix == ".gz" else raw
            while line := stream.readline(MAX_LINE + 1):
                number += 1
                yield line
            if path.suffix == ".gz" and raw.tell() == 0:
                raise RecordingDamaged(where=f"{path}:0", reason="the file is empty")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise RecordingDamaged(where=f"{path}:{number}", reason=str(error)) from error
    except OSError as error:
        raise RecordingUnreadable(where=path, reason=error.strerror or str(error)) from error


def _from_text(line: _TextLine) -> Outgoing:
    pairs = line.headers.items() if isinstance(line.headers, dict) else line.headers or ()
    return Outgoing(
        topic=line.topic,
        partition=line.partition or 0,
        offset=line.offset,
        timestamp=line.timestamp or 0,
        key=None if line.key is None else line.key.encode(),
        value=None if line.value is None else line.value.encode(),
        headers=tuple([(name, None if value is None else value.encode()) for name, value in pairs]),
    )


def _from_base64(line: _Base64Line) -> Outgoing:
    return Outgoing(
        topic=line.topic,
        partition=line.partition or 0,
        offset=line.offset,
        timestamp=line.timestamp or 0,
        key=line.key,
        value=line.value,
        headers=tuple(line.headers.items() if isinstance(line.headers, dict) else line.headers or ()),
    )


def _diagnose(line: bytes, error: ValueError) -> tuple[int, str]:
    """Column (characters, from 1) and reason of what a decoder refused. The reason repeats nothing of the line."""
    text = str(error)
    if isinstance(error, UnicodeDecodeError):
        # Its position counts from the beginning of the JSON string, not of the line.
        try:
            line.decode()
        except UnicodeDecodeError as found:
            return _column(line, found.start), "it is not UTF-8"
    if malformed := _BYTE.search(text):
        return _column(line, int(malformed[1])), text[: malformed.start()]
    if field := _FIELD.search(text):
        place = re.search(rb'"%b"\s*:' % field[1].encode(), line)
        return _column(line, place.start() if place else 0), text
    return _column(line, len(line.rstrip()) if _TRUNCATED in text else 0), text


def _column(line: bytes, at: int) -> int:
    return len(line[:at].decode("utf-8", "replace")) + 1


def _kind(topic: str, notification: str | None) -> Kind:
    if topic == notification:
        return "notification"
    if topic.startswith("__debezium-heartbeat"):
        return "heartbeat"
    return "transaction" if topic.endswith(".transaction") else "feed"


def _make_topics(log: Log, partitions: Mapping[str, int], kinds: Mapping[str, Kind]) -> dict[TopicPartition, int]:
    """The ends of all partitions of the topics, which exist from now on."""
    for topic, kind in kinds.items():
        existing = log.topics().get(topic)
        enough = existing is not None and existing.kind == kind and existing.partitions >= partitions[topic]
        if not enough:
            log.create(TopicSpec(name=topic, kind=kind, partitions=partitions[topic]))
    specs = log.topics()
    return {(topic, number): log.end(topic, number) for topic in kinds for number in range(specs[topic].partitions)}


def _append(log: Log, records: list[Outgoing], ends: dict[TopicPartition, int], result: Ingested) -> None:
    for record, place in zip(records, log.append(records), strict=True):
        offset = ends[place] if record.offset is None else record.offset
        (result.skipped if offset < ends[place] else result.appended)[record.topic] += 1
        ends[place] = max(ends[place], offset + 1)


@contextmanager
def _writer(draft: Path, *, compressed: bool) -> Iterator[IO[bytes]]:
    """A stream whose bytes are on disk when it ends. Without name and time in the gzip header, so that bytes repeat."""
    with draft.open("wb") as raw:
        if compressed:
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as stream:
                yield cast(IO[bytes], stream)
        else:
            yield raw
        raw.flush()
        os.fsync(raw.fileno())


def _to_line(record: Record | Outgoing, encoding: Encoding, path: Path) -> bytes:
    def told(part: bytes | None) -> str | None:
        if part is None:
            return None
        return part.decode() if encoding == "text" else b64encode(part).decode()

    try:
        line = {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "timestamp": record.timestamp,
            "key": told(record.key),
            "value": told(record.value),
            "headers": [(name, told(value)) for name, value in record.headers],
        }
    except UnicodeDecodeError as error:
        raise RecordingNotText(where=path, topic=record.topic) from error
    return msgspec.json.encode(line) + b"\n"
