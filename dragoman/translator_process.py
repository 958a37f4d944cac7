"""One translator on Kafka in a process of its own: `python -m dragoman.translator_process DIR NAME [--follow]`.

`dragoman run` starts one for each translator of a project whose engine is Faust. It says on standard output how it stands
and ends after its batch when it is asked to, and when whoever started it is gone: then its standard input ends.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from dragoman.console import FAILED, show_error
from dragoman.garbage import look_seldom
from dragoman.idling import Idle
from dragoman.interrupts import ended_by_signals, watched
from dragoman.process_report import Report
from pipeline.engine.kafka import GroupRunner
from translators.errors import DragomanError

# Seconds between two reports; one is due only between batches.
_REPORT_SECONDS = 1.0


class _Reporter:
    """Says how the worker stands, now and then, once there is one."""

    def __init__(self, asked: Callable[[], bool]) -> None:
        self._asked = asked
        self._runner: GroupRunner | None = None
        self._records = 0
        self._said = 0.0

    def of(self, runner: GroupRunner) -> None:
        """This is the worker."""
        self._runner = runner

    def asked(self) -> bool:
        """Whether the process was asked to end; asked between batches, which is when something can be said."""
        if self._runner is not None:
            self.say(self._runner)
        return self._asked()

    def moved(self, _: str, records: int) -> None:
        """A batch is done."""
        self._records += records

    def say(self, runner: GroupRunner) -> None:
        """Say it if it is due."""
        if time.monotonic() < self._said + _REPORT_SECONDS:
            return
        worker = runner.worker
        self._write(
            Report(
                joined=runner.has_joined,
                partitions=sorted(worker.partitions),
                loading=worker.loading,
                records=self._records,
            )
        )
        self._records, self._said = 0, time.monotonic()

    def last(self, report: Report) -> None:
        """Say what became of everything."""
        self._write(msgspec.structs.replace(report, records=self._records))

    @staticmethod
    def _write(report: Report) -> None:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
        sys.stdout.flush()


def main(folder: str, name: str, *options: str) -> None:
    """Run the translator until it is asked to end, or without `--follow` until nothing is left to do."""
    from dragoman.commands.options import project_of
    from dragoman.faust_works import last_report, translator_on_kafka

    look_seldom()
    wake, idle = threading.Event(), Idle()
    with ended_by_signals() as ended, watched(ended) as asked:
        threading.Thread(target=_end_with_parent, args=(ended, wake), daemon=True).start()
        project = project_of(Path(folder))
        said = _Reporter(asked)
        with translator_on_kafka(project, name, progress=said.moved, stop=said.asked, wake=wake.set) as runner:
            said.of(runner)
            while not said.asked():
                if runner.turn():
                    idle.worked()
                    continue
                if "--follow" not in options and runner.has_joined:
                    break
                wake.wait(idle.seconds())
                wake.clear()
            said.last(last_report(runner))


def _end_with_parent(ended: threading.Event, wake: threading.Event) -> None:
    """Nothing is ever written to standard input: it ends with the process that holds its other end."""
    os.read(sys.stdin.fileno(), 1)
    ended.set()
    wake.set()


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except DragomanError as error:
        show_error(error)
        sys.stderr.flush()
        # Threads of Faust that hang must not keep a failed worker alive.
        os._exit(FAILED)
    sys.stdout.flush()
    os._exit(0)
