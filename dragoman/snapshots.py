"""Tables of the source read again by its connector: what that costs, asked for by a signal, followed by its notifications."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import msgspec

from connectors.debezium.marks import bare_table
from connectors.debezium.records import Notification
from connectors.debezium.signals import snapshot, stop
from connectors.debezium.snapshots import SnapshotRun, Snapshots
from connectors.legacy.estimate import Estimate, estimate
from dragoman.kafka_source import Kafka
from dragoman.preflighting import LegacyUnreachable, asked
from pipeline.control import snapshot_run
from pipeline.log.port import Log, Outgoing
from translators.errors import DragomanError
from translators.yaml_text import did_you_mean

if TYPE_CHECKING:
    from dragoman.forms import Secret
    from dragoman.project import Project

CHUNK = "incremental.snapshot.chunk.size"
_CHUNK_ROWS = 1024
_LOOK = 0.3
PATIENCE = 60.0
"""Seconds in which a connector that works has taken a signal: by default it looks every five."""


class SnapshotImpossible(DragomanError):
    """No snapshot can be asked for: {reason}."""

    code: ClassVar[str] = "snapshot.impossible"
    hint: ClassVar[str] = "{fix}"


class TableNotCaptured(DragomanError):
    """{source} captures no table {table}{suggestion}"""

    code: ClassVar[str] = "snapshot.table-unknown"
    hint: ClassVar[str] = "Tables are called as in schema.yaml, and have to be in a feed of the source."


class SnapshotNotTaken(DragomanError):
    """The connector has not taken the signal {run} within {seconds:.0f} s."""

    code: ClassVar[str] = "snapshot.not-taken"
    hint: ClassVar[str] = (
        "Look whether it works (`dragoman status`), reads signals from {topic} (`signal.kafka.topic`, with "
        "`signal.enabled.channels: source,kafka`) and has a signal table; its own log says why it refused one. A signal "
        "that it finds later is still taken; one that came while another snapshot went on has joined that."
    )


class TableCost(msgspec.Struct, frozen=True, kw_only=True):
    """What reading one table again means. `read_by` are the translators of its rows; `size` is `None` where nobody says it."""

    table: str
    topic: str
    size: Estimate | None
    read_by: tuple[str, ...]


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot will cost. `chunk` is the rows that are read in one go.

    `apart` are translators that read other tables as well, with these: a key that they never saw is not whole after it.
    """

    tables: tuple[TableCost, ...]
    chunk: int
    apart: dict[str, tuple[str, ...]]

    @property
    def rows(self) -> int | None:
        """About how many rows; `None` where that is not known of all tables."""
        sizes = [one.size for one in self.tables]
        return None if None in sizes else sum(size.rows for size in sizes if size is not None)


class SignalledSource:
    """The source of a project whose connector takes signals and tells of its snapshots; `SnapshotImpossible`."""

    def __init__(self, project: Project) -> None:
        source, origin = project.source, project.source.origin
        if not isinstance(origin, Kafka):
            self._refuse(
                f"no connector fills the feeds of {source.file}", "`dragoman reload KEY` reads single keys again."
            )
        elif origin.signal_topic is None:
            fix = "Say `signal_topic:` there, as docs/sources.md tells, and `signals:` for the table of its watermarks."
            self._refuse(f"{source.file} names no topic in which the connector takes signals", fix)
        elif source.notifications is None:
            fix = "Say `notifications:` there: without them nobody knows when a snapshot is complete."
            self._refuse(f"{source.file} names no topic of notifications", fix)
        else:
            self.topic, self.notifications, self._database = origin.signal_topic, source.notifications, origin.database
        self._project = project

    @staticmethod
    def _refuse(reason: str, fix: str) -> None:
        raise SnapshotImpossible(reason=reason, fix=fix)

    def cost(self, tables: Sequence[str], where: str) -> Cost:
        """What it will cost to read these tables again; `TableNotCaptured`, or `SnapshotImpossible` for a bad condition."""
        homes = {table: feed for feed in self._project.source.feeds for table in feed.tables}
        for table in tables:
            if table not in homes or table not in self._project.schema.tables:
                suggestion = did_you_mean(table, homes) or "."
                raise TableNotCaptured(source=self._project.source.file, table=table, suggestion=suggestion)
            if not self._project.schema.tables[table].key:
                self._refuse(f"{table} has no primary key, in whose order it would be read", "Give it one first.")
        read_by = {name: made.tables for name, made in self._project.translators.items()}
        sizes = self._sizes(tables, where)
        return Cost(
            tables=tuple(
                TableCost(
                    table=table,
                    topic=homes[table].topic,
                    size=sizes.get(table),
                    read_by=tuple(name for name, its in read_by.items() if table in its),
                )
                for table in tables
            ),
            chunk=self._chunk,
            apart={
                n: tuple(sorted(its - set(tables)))
                for n, its in read_by.items()
                if its & set(tables) and its - set(tables)
            },
        )

    @property
    def _chunk(self) -> int:
        capture = self._project.source.capture
        said = "" if capture is None else capture.overrides.get(CHUNK, "")
        return int(said) if said.isdecimal() else _CHUNK_ROWS

    def _sizes(self, tables: Sequence[str], where: str) -> dict[str, Estimate]:
        return {} if self._database is None else _sizes(self._database, self._project.schema.namespace, tables, where)

    def ask(self, log: Log, tables: Sequence[str], where: str, now: int) -> str:
        """Ask for a snapshot; its name. `now` is milliseconds since the epoch."""
        run = snapshot_run(now, whole=not where)
        schema = self._project.schema
        self._send(log, snapshot(schema, schema.source, run, tables, where), now)
        return run

    def stop(self, log: Log, tables: Sequence[str], now: int) -> None:
        """Tell the connector to end the snapshot that goes on, or the reading of these tables."""
        schema = self._project.schema
        self._send(log, stop(schema, schema.source, f"dragoman.stop.{now}", tables), now)

    def _send(self, log: Log, signal: tuple[bytes, bytes], now: int) -> None:
        log.append([Outgoing(topic=self.topic, partition=0, timestamp=now, key=signal[0], value=signal[1])])

    def looks(self, log: Log) -> Callable[[], Snapshots]:
        """Each call reads the notifications that came in since the one before."""
        known = Snapshots(partial(bare_table, schema=self._project.schema))
        positions: dict[int, int] = {}
        decoder = self._project.decoder()

        def look() -> Snapshots:
            spec = log.topics().get(self.notifications)
            for partition in range(0 if spec is None else spec.partitions):
                high = log.end(self.notifications, partition)
                while (at := positions.get(partition, 0)) < high:
                    page = log.read(self.notifications, partition, at, 1_000)
                    if page.next <= at:
                        break
                    for r in page.records:
                        note = decoder.decode(r.topic, r.partition, r.offset, r.key, r.value, r.headers)
                        if isinstance(note, Notification):
                            known.take(note)
                    positions[partition] = page.next
            return known

        return look


def _sizes(database: Secret, namespace: str, tables: Sequence[str], where: str) -> dict[str, Estimate]:
    try:
        with asked(database.reveal()) as connection:
            return {table: estimate(connection, namespace, table, where) for table in tables}
    except LegacyUnreachable as error:
        reason = error.fields["reason"]
        fix = "Correct the condition, or what `database:` of the source says: the database was asked how much will be read."
        raise SnapshotImpossible(reason=f"the legacy database answers: {reason}", fix=fix) from error


def wait_until_idle(look: Callable[[], Snapshots], ended: Callable[[], bool]) -> Iterator[SnapshotRun]:
    """Each look at a snapshot that goes on before ours: a signal that came now would join it, under its name."""
    while (run := look().going_on) is not None and not ended():
        yield run
        time.sleep(_LOOK)


def follow(
    look: Callable[[], Snapshots], run: str, topic: str, ended: Callable[[], bool], patience: float = PATIENCE
) -> Iterator[SnapshotRun]:
    """Each look at our snapshot, from when it was taken until it is over; `SnapshotNotTaken`."""
    until = time.monotonic() + patience
    while not ended():
        ours = look().runs.get(run)
        if ours is not None:
            yield ours
            if ours.over:
                return
        elif time.monotonic() > until:
            raise SnapshotNotTaken(run=run, seconds=patience, topic=topic)
        time.sleep(_LOOK)
