"""Runs action consumers: what a handler does for an event and the record that it did so are one transaction."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Protocol, runtime_checkable

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from pipeline import cloudevents
from pipeline.cloudevents import CloudEvent
from pipeline.consumed import ConsumerTables, ParkedEvent
from pipeline.failpoint import failpoint
from pipeline.log.port import Log, Record
from pipeline.projection.checkpoint import Checkpoint, partitions, read_on
from pipeline.projection.database import is_trouble, translated
from pipeline.projection.tables import make_tables
from translators.errors import DragomanError
from translators.yaml_form import Form
from translators.yaml_text import load

BATCH = 500

_HANDLER = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


class ConsumerMalformed(DragomanError):
    """{problem}."""

    code: ClassVar[str] = "consumer.malformed"
    hint: ClassVar[str] = "{fix}"


class EventParked(DragomanError):
    """The event waits on the side of {consumer}."""

    code: ClassVar[str] = "consumer.parked"
    hint: ClassVar[str] = "Correct what kept it from being handled, then retry it. Later events of its subject wait."


class HandlerFailed(EventParked):
    """The handler of {consumer} failed: {reason}."""

    code = "consumer.handler-failed"


class EventUnreadable(EventParked):
    """{consumer} cannot read the event: {reason}."""

    code = "consumer.event-unreadable"


class EventWaits(EventParked):
    """{consumer} has an earlier event of the subject parked."""

    code = "consumer.waiting"


@dataclass(frozen=True, slots=True)
class ConsumerSpec:
    """An action consumer as it is declared. `reads` names translators, whose event streams it reads; `handler` is
    `module:Class` in the adopter's folder; `places` holds `file:line:column` of `reads` and `handler`."""

    name: str
    reads: tuple[str, ...]
    handler: str
    database: str
    places: Mapping[str, str]

    @property
    def topics(self) -> tuple[str, ...]:
        """The event streams, in the order of `reads`."""
        return tuple(f"{translator}.events" for translator in self.reads)


def read_consumer(text: str, file: str) -> ConsumerSpec:
    """The consumer that a YAML text declares; `consumer.malformed` or a `YamlError` with its place if it does not."""
    form = Form(file, ConsumerMalformed)
    given = form.members(load(text, file), "the consumer", {"consumer", "reads", "handler", "database"}).items
    handler = form.text(given["handler"], "handler")
    if not _HANDLER.fullmatch(handler):
        raise form.wrong(f"{handler!r} is no handler", given["handler"].mark, "Write `module:Class`.")
    return ConsumerSpec(
        name=form.text(given["consumer"], "consumer"),
        reads=form.texts(given["reads"], "reads"),
        handler=handler,
        database=form.text(given["database"], "database"),
        places={name: form.where(given[name].mark) for name in ("reads", "handler")},
    )


class Handler(Protocol):
    """What an adopter writes: acts on one event in the consumer's database.

    `handle` is called once for each event that it returned from; what it raises rolls back what it wrote. It must
    neither commit nor act outside of the transaction: what is not in it may happen twice.
    """

    def handle(self, event: Any, connection: Connection) -> None:
        """Act on `event` (a `CloudEvent`), by writing to `connection`."""


@runtime_checkable
class Prepares(Protocol):
    """A handler that has tables of its own."""

    def prepare(self, connection: Connection) -> None:
        """Make what `handle` needs, if it is not there. Called once before the first event of each run."""


class ActionConsumer:
    """Hands every event of its streams to a handler, once. `prepare` once, then `turn` as often as wanted.

    An event that the handler fails on is parked, and later events of its subject wait behind it; others go on. The
    methods raise `ViewError`s and `DiskFull` of the consumer's database and what the log raises: the event that was
    being handled is then neither done nor parked.

    `handled`, `repeats` (ids that were handled before, or wait already) count events since this object was made.
    """

    def __init__(
        self, spec: ConsumerSpec, handler: Handler, engine: Engine, log: Log, clock: Callable[[], datetime]
    ) -> None:
        self.spec = spec
        self.handled = self.repeats = 0
        self._handler = handler
        self._engine = engine
        self._log = log
        self._clock = clock
        self._tables = ConsumerTables(spec.name)
        self._checkpoint = Checkpoint(self._tables.checkpoint, spec.name)

    def prepare(self) -> None:
        """Make the tables that are missing, the handler's too; `view.table-conflict` if one has other columns."""
        make_tables(self._engine, self._tables.all)
        if isinstance(self._handler, Prepares):
            with translated(self._engine), self._engine.begin() as connection:
                self._handler.prepare(connection)

    def turn(self, limit: int = BATCH) -> int:
        """Handle up to `limit` records of each partition, each event in a transaction; how many were read."""
        return sum(
            self._partition(topic, partition, offset, limit)
            for topic in self.spec.topics
            for partition, offset in self.position(topic).items()
        )

    def position(self, topic: str) -> dict[int, int]:
        """Partition -> the next offset to read of one of the topics."""
        with translated(self._engine), self._engine.connect() as connection:
            found = self._checkpoint.positions(connection, topic)
        return {partition: found.get(partition, 0) for partition in partitions(self._log, topic)}

    def behind(self) -> int:
        """How many offsets the consumer is behind its streams."""
        places = [(topic, *place) for topic in self.spec.topics for place in self.position(topic).items()]
        return sum(self._log.end(topic, partition) - offset for topic, partition, offset in places)

    @property
    def parked(self) -> int:
        """How many events are parked or wait behind a parked one."""
        with translated(self._engine), self._engine.connect() as connection:
            return self._tables.count(connection)

    def parked_events(self) -> list[ParkedEvent]:
        """The events that are parked or wait behind a parked one, in the order in which they are to be handled."""
        with translated(self._engine), self._engine.connect() as connection:
            return self._tables.parked_events(connection)

    def retry(self) -> int:
        """Handle the parked events in order; how many succeeded. A subject ends at the first that fails again."""
        stuck: set[tuple[str, str]] = set()
        done = 0
        for parked in self.parked_events():
            if parked.line in stuck:
                continue
            problem = self._retry(parked)
            if problem is None:
                done += 1
            else:
                stuck.add(parked.line)
                with translated(self._engine), self._engine.begin() as connection:
                    self._tables.tell(connection, parked, problem)
        return done

    def _partition(self, topic: str, partition: int, offset: int, limit: int) -> int:
        records, following = read_on(self._log, self._engine, topic, partition, offset, limit)
        with translated(self._engine), self._engine.connect() as connection:
            done = self._tables.handled_ids(connection, [_identity(record) for record in records])
        position = offset
        for record in records:
            # A repeat needs no transaction of its own: its offset is passed with the next event, or at the end.
            if _identity(record) in done:
                self.repeats += 1
            elif self._one(record, position):
                position = record.offset + 1
            else:
                return 0
        if following > position:
            with translated(self._engine), self._engine.begin() as connection:
                self._checkpoint.advance(connection, topic, partition, position, following)
        return len(records)

    def _one(self, record: Record, position: int) -> bool:
        """Handle one record, or put it aside; `False` if another process has gone on from `position` meanwhile."""
        try:
            with translated(self._engine), self._engine.begin() as connection:
                if not self._advance(connection, record, position):
                    return False
                news = not self._tables.is_known(connection, _identity(record))
                if news:
                    self._take(connection, record)
        except EventParked as problem:
            return self._park(record, position, problem)
        self.handled += news
        self.repeats += not news
        return True

    def _park(self, record: Record, position: int, problem: EventParked) -> bool:
        subject = _header(record, "ce_subject") or (record.key or b"").decode("utf-8", "replace")
        with translated(self._engine), self._engine.begin() as connection:
            advanced = self._advance(connection, record, position)
            if advanced:
                self._tables.park(connection, record, _identity(record), subject, problem, self._clock())
            return advanced

    def _advance(self, connection: Connection, record: Record, position: int) -> bool:
        place = (record.topic, record.partition, position, record.offset + 1)
        return self._checkpoint.advance(connection, *place)

    def _take(self, connection: Connection, record: Record) -> None:
        event = self._event(record)
        if self._tables.has_waiting(connection, record.topic, event.subject):
            raise EventWaits(consumer=self.spec.name)
        self._handle(connection, event)

    def _retry(self, parked: ParkedEvent) -> EventParked | None:
        try:
            with translated(self._engine), self._engine.begin() as connection:
                news = self._tables.unpark(connection, parked)
                if news:
                    self._handle(connection, self._event(parked.record))
        except EventParked as problem:
            return problem
        self.handled += news
        return None

    def _handle(self, connection: Connection, event: CloudEvent) -> None:
        """In the caller's transaction, which holds the checkpoint: the event's id, and what the handler does."""
        self._tables.remember(connection, event, self._clock())
        try:
            # A handler that swallows an error of the database has lost its transaction on some: the savepoint tells.
            inner = connection.begin_nested()
            self._handler.handle(event, connection)
            inner.commit()
        except DBAPIError as error:
            if is_trouble(error):
                raise
            raise self._failed(error) from error
        except Exception as error:
            raise self._failed(error) from error
        failpoint("consumer.after-apply")

    def _failed(self, error: Exception) -> HandlerFailed:
        """Without the lines that a database adds to an error: they repeat the values of the row."""
        said: BaseException = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        return HandlerFailed(
            consumer=self.spec.name, reason=" ".join(traceback.format_exception_only(said)[-1].split())
        )

    def _event(self, record: Record) -> CloudEvent:
        try:
            event = cloudevents.read(record)
        except ValueError as error:
            raise EventUnreadable(consumer=self.spec.name, reason=str(error)) from error
        if not isinstance(event.data, dict):
            raise EventUnreadable(consumer=self.spec.name, reason="its data are no JSON object")
        return event


def _identity(record: Record) -> str:
    """The event's id; the record's place where it does not say one."""
    return _header(record, "ce_id") or f"{record.topic}/{record.partition}/{record.offset}"


def _header(record: Record, wanted: str) -> str:
    return next((value.decode("utf-8", "replace") for name, value in record.headers if name == wanted and value), "")
