"""One rung in a process of its own: `python -m bench.kafka.rung NAME JOB`; it ends with one line of JSON about itself."""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module

from bench.memory import peak

RUNGS = {
    "copy": ("bare", "copy"),
    "by hand": ("bare", "by_hand"),
    "engine": ("ours", "engine"),
    "faust": ("stock", "one_by_one"),
    "take": ("stock", "take"),
    "stateless": ("ours", "stateless"),
    "disk": ("ours", "disk"),
    "quix": ("quix", "quix"),
    "mapping": ("mapping", "by_hand"),
    "mapping disk": ("mapping", "disk"),
    "mapping memory": ("mapping", "memory"),
    "mapping fenced": ("mapping", "fenced"),
}
"""The module and the function of each rung."""


@dataclass(frozen=True)
class Job:
    """What a rung has to do: take `total` records of `source` and write what becomes of them to `target`.

    Both topics have `partitions`. What happens up to `warm` records is not measured: starting, joining, compiling.
    `project` is the folder of one, for rungs that have a mapping.
    """

    at: str
    source: str
    target: str
    partitions: int
    warm: int
    total: int
    group: str
    folder: str
    project: str = ""


@dataclass(frozen=True)
class Reading:
    """What a rung used: `messages` of them were measured, in wall and processor seconds; the peak of its memory."""

    messages: int
    seconds: float
    processor: float
    mebibytes: float


class Meter:
    """Counts records that were handled; reads clocks at the warm mark and when all of it is acknowledged and committed."""

    def __init__(self, warm: int) -> None:
        self.count = 0
        self._warm = warm
        self._from: tuple[int, float, float] | None = None
        if not warm:
            self._mark()

    def handled(self, records: int) -> None:
        """So many more."""
        self.count += records
        if self._from is None and self.count >= self._warm:
            self._mark()

    def has(self, total: int) -> bool:
        """Whether so many were handled."""
        return self.count >= total

    def _mark(self) -> None:
        self._from = (self.count, time.perf_counter(), _processor())

    def end(self) -> None:
        """All of it is through: say what it took, and end the process without waiting for anybody's threads."""
        if self._from is None:
            raise RuntimeError("it ended before it was warm")
        count, wall, processor = self._from
        reading = Reading(self.count - count, time.perf_counter() - wall, _processor() - processor, peak())
        sys.stdout.write(json.dumps(asdict(reading)) + "\n")
        sys.stdout.flush()
        os._exit(0)


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(name: str, job: str) -> None:
    """Be the rung."""
    gc.set_threshold(20_000, 10, 10)  # as the command has it; a programmer who measures would do it by hand, too
    told = Job(**json.loads(job))
    module, function = RUNGS[name]
    rung: Callable[[Job, Meter], None] = getattr(import_module(f"bench.kafka.{module}"), function)
    rung(told, Meter(told.warm))


if __name__ == "__main__":
    main(*sys.argv[1:])
