"""A member of a translator's group that is a Faust app; it fetches, too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiokafka import TopicPartition as Place
from faust.auth import SASLCredentials, SSLCredentials

from pipeline.engine.faust.inbox import Inbox
from pipeline.engine.faust.transport import BulkApp
from pipeline.log.kafka.connection import Connection, quietly
from pipeline.log.kafka.hand_over import (
    HEARTBEAT_SECONDS,
    LEAVING_SECONDS,
    REBALANCE_SECONDS,
    SESSION_SECONDS,
    Member,
)
from pipeline.log.kafka.member import own_assignor
from pipeline.log.kafka.security import Security

# Records of one poll: bounds what is at hand, and how long a poll takes.
_POLL_RECORDS = 2_000
# A batch may take as long as it likes: that a worker is not stuck is watched elsewhere.
_NEVER = 86_400.0


class FaustMember(Member):
    """A `Member` whose records come into `inbox`. Faust keeps its own files, which hold nothing, in `folder`."""

    def __init__(
        self, connection: Connection, group: str, topic: str, changed: Callable[[], None], folder: Path
    ) -> None:
        super().__init__(connection, group, topic, changed)
        self.inbox = Inbox(changed)
        self.assignor = own_assignor()
        self._app: Any = None
        self._running: asyncio.Task[None] | None = None
        try:
            self._loop.call(self._join(connection, folder))
        except BaseException:
            self.close()
            raise

    async def _join(self, connection: Connection, folder: Path) -> None:
        self._app = BulkApp(
            self.group,
            broker=[f"kafka://{broker}" for broker in connection.bootstrap.split(",")],
            broker_client_id="dragoman",
            broker_credentials=_credentials(connection.security),
            broker_session_timeout=SESSION_SECONDS,
            broker_request_timeout=max(connection.request_ms / 1_000, SESSION_SECONDS),
            broker_rebalance_timeout=REBALANCE_SECONDS,
            broker_heartbeat_interval=HEARTBEAT_SECONDS,
            broker_max_poll_records=_POLL_RECORDS,
            broker_max_poll_interval=_NEVER,
            # A place that is not kept is an error, never a jump.
            consumer_auto_offset_reset="none",
            datadir=folder,
            table_standby_replicas=0,
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=False,
        )
        self._app.member = self
        feed = self._app.topic(self.topic, key_serializer="raw", value_serializer="raw")
        self._app.topics.add(feed.clone(is_iterator=True))
        self._running = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        """The app's life. However it ends, unless it was asked to, the worker has to end with it."""
        try:
            await self._app.start()
            await self._app.wait()
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - kept, and raised to the worker by its next call
            self.failed(error)
        else:
            if not self._closing:
                self.failed(self._app.crash_reason or RuntimeError("Faust has stopped"))

    async def _send_commit(self, places: dict[Place, tuple[int, str]]) -> None:
        thread = self._app.consumer._thread
        committing = thread._ensure_consumer().commit(places)
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(committing, thread.thread_loop))

    async def _leave(self) -> None:
        if self._app is not None:
            await quietly(self._app.stop(), LEAVING_SECONDS)
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])


def _credentials(security: Security) -> SASLCredentials | SSLCredentials | None:
    """The same in Faust's terms; it shows no password."""
    if security.login is None:
        return None if security.tls is None else SSLCredentials(security.tls)
    login = security.login
    return SASLCredentials(
        username=login.user, password=login.password, mechanism=login.mechanism, ssl_context=security.tls
    )
