"""Faust's transport, with whole polls in place of single messages.

Of its methods, private ones among them, those are replaced that would hand messages to agents, choose where to read, or
commit: https://github.com/faust-streaming/faust/blob/master/faust/transport/consumer.py. Which ones is checked by tests
against the release that is pinned.
"""

from __future__ import annotations

import asyncio
from typing import Any

import faust
from aiokafka import TopicPartition as Place
from aiokafka import errors as kafka
from faust.app.base import BootStrategy
from faust.transport.drivers import aiokafka as stock

from pipeline.engine.faust.inbox import Reach

# Seconds that one poll waits for records: for so long a new place to read from may have to wait.
_POLL = 0.2
# Seconds between two polls while some partition has to be read first.
_BREATH = 0.005
# Milliseconds that a broker may wait for records.
_FETCH_WAIT_MS = 500


class RestingListener(stock.ConsumerRebalanceListener):
    """Partitions that are assigned rest until the worker says where to read: no place is ever chosen for it."""

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """See Faust's."""
        thread: Any = self._thread
        thread.rest(assigned)
        await super().on_partitions_assigned(assigned)


class BulkThread(stock.AIOKafkaConsumerThread):
    """aiokafka's consumer on its own thread: reads what is committed, into the inbox."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        made: Any = super()._create_worker_consumer(transport)
        # Faust offers no setting for these.
        made._isolation_level = "read_committed"
        made._fetch_max_wait_ms = _FETCH_WAIT_MS
        made._partition_assignment_strategy = [self._member.assignor]
        return made

    @property
    def _member(self) -> Any:
        app: Any = self.app
        return app.member

    def rest(self, assigned: Any) -> None:
        """Right after the assignment, before anything of it is fetched."""
        consumer: Any = self._ensure_consumer()
        self._member.assignor.on_generation_assignment(consumer._coordinator.generation)
        consumer.pause(*assigned)

    async def _fetch_records(
        self, consumer: Any, active_partitions: Any, timeout: float | None = None, max_records: int | None = None
    ) -> Any:
        """One poll, put into the inbox. Between the fetcher's moving its position and that nothing is awaited."""
        consumer._coordinator.check_errors()
        if consumer._subscription.reassignment_in_progress:
            await asyncio.sleep(_BREATH)
            return {}
        self._seek(consumer)
        inbox, topic = self._member.inbox, self._member.topic
        hungry, others = inbox.hungry()
        if not hungry:
            await asyncio.sleep(_BREATH if others else _POLL)
            return {}
        places = {Place(topic, partition) for partition in hungry}
        try:
            found = await super()._fetch_records(consumer, places, 0 if others else timeout, max_records)
        except kafka.OffsetOutOfRangeError as error:
            for place in error.args[0]:
                inbox.outside(place.partition)
            return {}
        assignment = consumer._subscription.subscription.assignment
        for place in places & assignment.tps if assignment is not None else ():
            state = assignment.state_value(place)
            if state.has_valid_position:
                inbox.put(place.partition, found.get(place, ()), Reach(state.position, state.lso, state.highwater))
        if others and not found:
            await asyncio.sleep(_BREATH)
        return {}

    def _seek(self, consumer: Any) -> None:
        """Read on from where the worker asked for. What is not ours any more is dropped with its assignment."""
        assigned = consumer.assignment()
        for partition, offset in self._member.inbox.sought().items():
            place = Place(self._member.topic, partition)
            if place in assigned:
                consumer.seek(place, offset)
                consumer.resume(place)


class BulkConsumer(stock.Consumer):
    """Keeps the membership and the fetching going; the worker, on another thread, reads and commits."""

    RebalanceListener = RestingListener

    @property
    def _member(self) -> Any:
        app: Any = self.app
        return app.member

    def _new_consumer_thread(self) -> BulkThread:
        return BulkThread(self, loop=self.loop, beacon=self.beacon)

    async def _drain_messages(self, fetcher: Any) -> None:
        """Poll as long as the flow is open. What goes wrong here ends the worker: it is never left alive and without input."""
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):
                if self.flow_active:
                    await self._getmany(None, _POLL)
                else:
                    await self.wait(self.can_resume_flow)  # type: ignore[arg-type]
        except self.consumer_stopped_errors as error:
            if not self.app.should_stop:
                self._member.failed(error)
        except Exception as error:  # noqa: BLE001 - kept, and raised to the worker by its next call
            self._member.failed(error)

    async def perform_seek(self) -> None:
        """Nothing: the worker says where each partition is read from."""

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Nothing: offsets are committed by the worker alone, once all that came before them is acknowledged."""
        return False

    def verify_event_path(self, now: float, tp: Any) -> None:
        """Nothing: no message passes Faust's streams, so it would only ever find that they stand still."""

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """The worker ends its batch and commits, then the partitions go."""
        if revoked:
            await self._member.revoked()
            self._member.inbox.drop([tp.partition for tp in revoked])
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: Any, generation_id: int = 0) -> None:
        """Tell the worker what it has."""
        self._member.inbox.drop([tp.partition for tp in assigned])
        await super().on_partitions_assigned(assigned, generation_id)
        self._member.took(generation_id, frozenset(tp.partition for tp in assigned))


class BulkTransport(stock.Transport):
    """Faust's transport over aiokafka, with the parts above."""

    Consumer = BulkConsumer


class _ConsumerOnly(BootStrategy):
    """Outputs are sent by the log's own producers: idempotent, fenced, in order for each partition."""

    enable_kafka_producer = False


class BulkApp(faust.App):
    """A Faust app without agents: its consumer feeds `member`."""

    BootStrategy = _ConsumerOnly
    member: Any

    def _new_transport(self) -> Any:
        return BulkTransport(self.conf.broker_consumer, self)
