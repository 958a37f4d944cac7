"""The fenced writer: a transactional producer whose id is the writer's name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from aiokafka import errors as kafka
from aiokafka.client import ConnectionGroup, CoordinationType
from aiokafka.protocol.transaction import EndTxnRequest

from pipeline.log.kafka.connection import Connection, quietly
from pipeline.log.kafka.errors import is_fenced, is_unknown, translated
from pipeline.log.kafka.loop import LoopThread
from pipeline.log.kafka.produce import Locks, Places, discard, start_producer, stop
from pipeline.log.port import LogError, LogFenced, Outgoing, TopicPartition

# Milliseconds until the broker ends the transaction of a writer that stopped in the middle of one; readers wait for it.
_TRANSACTION_MS = 30_000
# Seconds for taking back what a failed batch has sent; else the broker does it, or the next writer of the name.
_ABORTING = 2.0
# Seconds between two questions whether a transaction is over.
_AGAIN = 0.05

Placed = tuple[list[TopicPartition], Places]


class KafkaWriter:
    """A `FencedWriter`. Making it takes the name over; the older one's open transaction is aborted by the broker."""

    def __init__(
        self, connection: Connection, loop: LoopThread, name: str, place: Callable[[Sequence[Outgoing]], Placed]
    ) -> None:
        self._connection = connection
        self._loop = loop
        self._name = name
        self._place = place
        self._locks = Locks()
        self._spent: LogError | None = None
        self._producer: Any = loop.call(self._start())

    def append(self, records: Sequence[Outgoing]) -> list[TopicPartition]:
        """See the port; the same error again from a writer that is spent."""
        order, places = self.placed(records)
        if places:
            self._loop.call(self.send(places))
        return order

    def placed(self, records: Sequence[Outgoing]) -> Placed:
        """The place of each record, and what is to be sent where; raises what would forbid to send it."""
        if self._spent is not None:
            raise self._spent
        return self._place(records)

    def close(self) -> None:
        """See the port."""
        producer, self._producer = self._producer, None
        if producer is not None and not self._loop.is_closed:
            self._loop.call(stop(producer) if self._spent is None else discard(producer))

    async def _start(self) -> Any:
        return await start_producer(self._connection, self._name, _TRANSACTION_MS)

    async def send(self, places: Places) -> None:
        """One transaction, from its begin to its end."""
        try:
            async with asyncio.timeout(self._connection.seconds):
                await self._producer.begin_transaction()
                await self._locks.send(self._producer, places)
                await self._producer.commit_transaction()
        except (kafka.KafkaError, kafka.IllegalOperation, OSError) as error:
            reason = self._reason(error)
            if is_unknown(reason):
                reason = await self._asked_again() or reason
            self._spent = self._told(reason, next(iter(places))[0])
            if not isinstance(self._spent, LogFenced):
                await quietly(self._abort(), _ABORTING)
            raise self._spent from error

    async def _abort(self) -> None:
        # A producer to which the broker said what it does not know ends with an assertion where it is asked to abort.
        with suppress(AssertionError):
            await self._producer.abort_transaction()

    async def _asked_again(self) -> BaseException | None:
        """What the broker says to an abort, where it said to a commit that it does not know.

        So it answers while a newer writer takes the name over and has this one's transaction aborted; then it knows.
        """
        sender, manager = self._producer._sender, self._producer._txn_manager
        abort = EndTxnRequest(self._name, manager.producer_id, manager.producer_epoch, False)
        with suppress(TimeoutError, OSError, kafka.KafkaError):
            async with asyncio.timeout(_ABORTING):
                while True:
                    node = await sender._find_coordinator(CoordinationType.TRANSACTION, self._name)
                    answer = await sender.client.send(node, abort, group=ConnectionGroup.COORDINATION)
                    said = kafka.for_code(answer.error_code)
                    if said not in (kafka.UnknownError, kafka.ConcurrentTransactions):
                        return None if said is kafka.NoError else said()
                    await asyncio.sleep(_AGAIN)
        return None

    def _reason(self, error: BaseException) -> BaseException:
        """A producer that finds its transaction ended by an error refuses what is still to be sent, and keeps the error."""
        ended = self._producer._txn_manager.wait_for_transaction_end()
        kept = ended.exception() if isinstance(error, kafka.IllegalOperation) and ended.done() else None
        return error if kept is None else kept

    def _told(self, error: BaseException, topic: str) -> LogError:
        if is_fenced(error):
            return LogFenced(path=self._connection.path, name=self._name)
        return translated(error, self._connection.path, seconds=self._connection.seconds, topic=topic)
