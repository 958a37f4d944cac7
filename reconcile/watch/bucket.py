"""How much of one database may be read: a token for each key, never more than the rate, less while it is slow."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

SLOW = timedelta(milliseconds=500)
"""A reading of up to a hundred keys that takes longer says that the database is busy."""

LEAST = 1 / 64
"""The share of the rate that is left, however slow the database is: it has to be asked to see that it is better."""

_RISE = 1 / 16


class Bucket:
    """Tokens of one database: over any time at most `rate` a second and `burst` beside.

    It begins empty, so that a process that is started again and again reads no more than one that goes on. `wait` passes
    the time. The rate is halved with each reading that was slow, and rises by a sixteenth with each that was not: it falls
    quickly and comes back slowly, as congestion control in TCP does (RFC 5681).

    `taken` are all tokens that were had, `waited` and `backed_off` the seconds that were waited for them and that the rate was
    less than whole, `slow_readings` and `timeouts` how many readings were slow, and statements ended by their limit.
    """

    def __init__(
        self,
        rate: float,
        burst: int,
        clock: Callable[[], datetime],
        wait: Callable[[timedelta], None],
        database: str = "",
    ) -> None:
        self.database = database
        self.taken = self.slow_readings = self.timeouts = 0
        self.waited = self.backed_off = 0.0
        self.rate = rate
        self.burst = burst
        self.share = 1.0
        self.slow = False
        self._clock = clock
        self._wait = wait
        self._tokens = 0.0
        self._at = clock()

    @property
    def backs_off(self) -> bool:
        """Whether less than the rate is read, since the database was slow."""
        return self.share < 1.0

    def take(self, keys: int) -> None:
        """Wait until so many keys may be read, and have them read."""
        while keys > 0:
            part = min(keys, self.burst)
            self.await_room(part)
            self._tokens -= part
            self.taken += part
            keys -= part

    @contextmanager
    def reading(self, keys: int) -> Iterator[None]:
        """Around one reading of so many keys, up to a hundred: waits for the tokens, and feels how long it takes."""
        self.take(keys)
        begun = self._clock()
        try:
            yield
        finally:
            self.felt(self._clock() - begun)

    def await_room(self, keys: int) -> None:
        """Wait until so many keys could be read at once, or as many as ever can."""
        wanted = min(keys, self.burst)
        begun = self._clock()
        while (missing := wanted - self._fill()) > 1e-9:
            self._wait(timedelta(seconds=missing / (self.rate * self.share)) + timedelta(microseconds=1))
        self.waited += (self._at - begun).total_seconds()

    def felt(self, took: timedelta) -> None:
        """How long a reading took."""
        self._fill()
        self.slow = took > SLOW
        self.slow_readings += self.slow
        self.share = max(LEAST, self.share / 2) if self.slow else min(1.0, self.share + _RISE)

    def timed_out(self) -> None:
        """The database ended a statement, since it took too long."""
        self.timeouts += 1

    def _fill(self) -> float:
        now = self._clock()
        passed = max(0.0, (now - self._at).total_seconds())
        self._at = max(self._at, now)
        self.backed_off += passed if self.backs_off else 0.0
        self._tokens = min(float(self.burst), self._tokens + passed * self.rate * self.share)
        return self._tokens
