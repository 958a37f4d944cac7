"""`/healthz` and `/readyz` of a running worker or watch: for whoever starts processes, and starts them again.

Healthy is who gets to the end of a batch now and then, by the watchdog's measure: a worker that is not is about to be ended,
and so may as well be. Ready is who has its partitions: during a rebalance, and while a process says nothing, it has not.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Protocol

import msgspec

from reconcile.exposition import CONTENT_TYPE
from translators.errors import DragomanError

METRICS = "/metrics"

SILENT_SECONDS = 15.0
"""A translator's process that has said nothing for so long is not ready: it is paused, or in a very long batch."""


class AddressUnusable(DragomanError):
    """Nothing can be answered at {address!r}: {reason}."""

    code: ClassVar[str] = "run.health-address"
    hint: ClassVar[str] = "Write HOST:PORT with a free port, such as 0.0.0.0:8080."


class Part(Protocol):
    """A translator at work."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def joined(self) -> bool:
        """Whether its group has given it its partitions."""

    @property
    def seen(self) -> float | None:
        """When, on the monotonic clock, its process was heard of last; `None` if it is in this one."""


class Probes:
    """What is known of the worker. Told on the worker's thread, asked on others."""

    def __init__(self, stuck: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._stuck = stuck
        self._clock = clock
        self._alive = clock()
        self._parts: Sequence[Part] | None = None

    def alive(self) -> None:
        """A batch has ended."""
        self._alive = self._clock()

    def started(self, parts: Sequence[Part]) -> None:
        """Everything is opened; these are at work."""
        self._parts = parts

    def healthy(self) -> tuple[bool, dict[str, Any]]:
        """Whether nobody is stuck, and for how many seconds each was silent."""
        silent = {"dragoman": self._clock() - self._alive}
        silent |= {part.name: self._silent(part) for part in self._parts or ()}
        told = {name: round(seconds, 1) for name, seconds in silent.items()}
        return max(silent.values()) < self._stuck, {"silent_seconds": told}

    def ready(self) -> tuple[bool, dict[str, Any]]:
        """Whether every translator has its partitions."""
        if self._parts is None:
            return False, {"starting": True}
        ready = {part.name: part.joined and self._silent(part) < SILENT_SECONDS for part in self._parts}
        return all(ready.values()), {"ready": ready}

    def _silent(self, part: Part) -> float:
        return 0.0 if part.seen is None else self._clock() - part.seen


@contextmanager
def answering(address: str, probes: Probes, metrics: Callable[[], str] | None = None) -> Iterator[None]:
    """Answer at HOST:PORT while the block runs, with `metrics` at `/metrics` if there are any; `run.health-address`."""
    host, _, port = address.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and int(port) < 65_536):
        raise AddressUnusable(address=address, reason="it is no HOST:PORT")
    try:
        server = ThreadingHTTPServer((host.strip("[]"), int(port)), _handler(probes, metrics))
    except OSError as error:
        raise AddressUnusable(address=address, reason=error.strerror or str(error)) from error
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="probes", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(probes: Probes, metrics: Callable[[], str] | None) -> type[BaseHTTPRequestHandler]:
    asked = {"/healthz": probes.healthy, "/readyz": probes.ready}
    paths = sorted([*asked, *([] if metrics is None else [METRICS])])

    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "dragoman", ""

        def do_GET(self) -> None:
            """Answer one probe, or with the metrics."""
            if metrics is not None and self.path == METRICS:
                self._answer(200, CONTENT_TYPE, metrics().encode())
                return
            probe = asked.get(self.path)
            good, told = probe() if probe is not None else (False, {"paths": paths})
            status = 404 if probe is None else 200 if good else 503
            self._answer(status, "application/json", msgspec.json.encode({"ok": good, **told}))

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Probes come every few seconds; they are not logged."""

    return Handler
