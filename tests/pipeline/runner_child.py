"""A worker in its group, as a process: `python -m tests.pipeline.runner_child ENGINE BROKER NAME FOLDER [failpoint:n[:END]]`.

END is `stop` or `hang`: without it the process is killed there. A failpoint counts from SIGUSR1 on, which `armed` answers: what
is done while partitions are handed over depends on who joins first.
ENGINE is `aiokafka` or `faust`, with `:plain` behind it where no rows are kept. It says what it holds after each hand-over, and
goes on until SIGTERM. What it keeps is in FOLDER, its own.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from dragoman.interrupts import end_at_once
from pipeline import failpoint
from pipeline.engine import kafka
from pipeline.engine.faust import runner as faust
from pipeline.engine.watchdog import Watchdog
from pipeline.log.kafka.log import KafkaLog
from pipeline.log.port import Log
from pipeline.state.rocks import RocksState
from pipeline.worker import TranslatorWorker
from tests.pipeline.harness import Orders, Plain, worker
from translators.errors import DragomanError

BATCH = int(os.environ.get("BATCH", "50"))
STUCK_SECONDS = 10
"""The patience of the watchdog of a worker that is to hang; no other one has a watchdog here."""


def topics_of(name: str) -> dict[str, Any]:
    """The topics beside and of the feed, by what they are."""
    return {"topic": f"{name}.order", "transactions": f"{name}.transaction", "notifications": f"{name}.notification"}


def translator_of(name: str, rows: bool = True) -> Orders:
    """The translator of orders, under a name of its own; without `rows` it keeps none."""
    found = Orders() if rows else Plain(X="strange")
    found.name = name
    return found


def run(engine: str, log: KafkaLog, name: str, folder: Path, hangs: bool = False) -> None:
    ended, wake = threading.Event(), threading.Event()

    def end(*_: object) -> None:
        ended.set()
        wake.set()

    signal.signal(signal.SIGTERM, end)

    def made(of: Log) -> TranslatorWorker:
        return worker(
            of,
            RocksState(folder / "state"),
            begin=False,
            changelog=True,
            translator=translator_of(name, not engine.endswith(":plain")),
            batch_size=BATCH,
            **topics_of(name),
        )

    join = partial(faust.join, folder=folder / "faust") if engine.startswith("faust") else kafka.join
    runner = join(log, name, f"{name}.order", made, wake=wake.set, stop=ended.is_set)
    dog = Watchdog(end_at_once, stuck=STUCK_SECONDS) if hangs else None
    with closing(runner), nullcontext() if dog is None else closing(dog):
        held: frozenset[int] | None = None
        while not ended.is_set():
            if dog is not None:
                dog.alive()
            if not runner.turn():
                wake.wait(0.05)
                wake.clear()
            if runner.has_joined and runner.worker.partitions != held:
                held = runner.worker.partitions
                print("holds", *sorted(held), flush=True)


def arm(text: str) -> None:
    """Kill the process at a failpoint, stop it there with SIGSTOP, or let it hang there for ever."""
    name, _, how = text.partition(":")
    number, _, end = how.partition(":")
    print("armed", flush=True)
    if not end:
        failpoint.arm(f"{name}:{number}")
        return
    left = int(number)
    passed = failpoint.failpoint

    def stopping(at: str) -> None:
        nonlocal left
        left -= at == name
        if at == name and left == 0:
            print(f"{end}s", flush=True)
            while end == "hang":
                time.sleep(1)
            os.kill(os.getpid(), signal.SIGSTOP)
        passed(at)

    for module in list(sys.modules.values()):
        if getattr(module, "failpoint", None) is passed:
            module.failpoint = stopping  # type: ignore[attr-defined]


if __name__ == "__main__":
    with_engine, at, named, own = sys.argv[1:5]
    signal.signal(signal.SIGUSR1, lambda *_: arm(*sys.argv[5:]))
    try:
        with closing(KafkaLog(at, patience=30)) as opened:
            run(with_engine, opened, named, Path(own), hangs=sys.argv[-1].endswith(":hang"))
    except DragomanError as error:
        print(error.code, flush=True)
        os._exit(3)
