"""An event loop on a thread of its own, so that callers who know no asyncio can wait for what it does."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

from aiokafka.errors import KafkaError

Answer = TypeVar("Answer")


class LoopThread:
    """Runs coroutines until it is closed. The thread is a daemon: a process that has to end is not held up by it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_only_ours)
        self._thread = Thread(target=self._loop.run_forever, name="kafka-log", daemon=True)
        self._thread.start()

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be run any more."""
        return self._loop.is_closed()

    def submit(self, coroutine: Coroutine[Any, Any, Answer]) -> Future[Answer]:
        """Start it; the answer comes later."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def call(self, coroutine: Coroutine[Any, Any, Answer]) -> Answer:
        """Run it and wait for its answer. What interrupts the waiting cancels it."""
        running = self.submit(coroutine)
        try:
            return running.result()
        except BaseException:
            running.cancel()
            raise

    def close(self) -> None:
        """Cancel what still runs and end the thread."""
        self.call(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _only_ours(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """aiokafka leaves behind futures of what has failed; the failure itself was raised to the caller."""
    if not isinstance(context.get("exception"), KafkaError):
        loop.default_exception_handler(context)


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
