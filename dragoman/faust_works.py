"""Translators under Faust: an app, a group member and a process for each, started and watched by `dragoman run`."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, ClassVar

import msgspec

from dragoman.kafka_works import Inside, check_feeds, opened, slot, workers
from dragoman.process_report import Report
from dragoman.wiring import Progress, kafka_of
from pipeline.accounting import Accounting
from pipeline.engine.faust.runner import join
from pipeline.engine.kafka import GroupRunner
from pipeline.engine.watchdog import ENDING_SECONDS
from translators.errors import DragomanError

if TYPE_CHECKING:
    from dragoman.project import Project

# Seconds beyond those in which a worker ends itself.
_GRACE = 5


class TranslatorEnded(DragomanError):
    """The process of the translator {translator} has ended with code {code}."""

    code: ClassVar[str] = "worker.ended"
    hint: ClassVar[str] = (
        "What it said before is the reason. Nothing is lost: the next `dragoman run` goes on where it was."
    )


class TranslatorProcess:
    """The process of one translator, as its parent sees it: a runner that turns by itself."""

    def __init__(self, project: Project, name: str, *, follow: bool, progress: Progress) -> None:
        self._name = name
        self._progress = progress
        self._follow = follow
        self._reports: SimpleQueue[Report] = SimpleQueue()
        self._last = Report(joined=False)
        self._asked = False
        self._seen = time.monotonic()
        command = [sys.executable, "-m", "dragoman.translator_process", str(project.settings.folder), name]
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            [*command, *(["--follow"] if follow else [])], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._reading = threading.Thread(target=self._read, name=f"reports of {name}", daemon=True)
        self._reading.start()

    @property
    def name(self) -> str:
        """The translator's name."""
        return self._name

    @property
    def joined(self) -> bool:
        """Whether its group has given it its partitions."""
        return self._last.joined

    @property
    def seen(self) -> float:
        """When it was heard of last."""
        return self._seen

    @property
    def has_joined(self) -> bool:
        """Whether nothing more is to be expected of it now: it has done what there was, and ended."""
        return not self._follow and self._process.poll() == 0 and not self._reading.is_alive()

    @property
    def loading(self) -> list[int]:
        """Its partitions that are not loaded yet."""
        return self._last.loading

    def turn(self) -> int:
        """The records that it has read since the last time; `worker.ended` once it has ended and should not have."""
        code = self._process.poll()
        records = self._take()
        if code is not None and (code != 0 or self._follow) and not self._asked:
            self._reading.join()
            raise TranslatorEnded(translator=self.name, code=code)
        return records

    def accounting(self) -> Accounting:
        """Its account, once it has ended; it is asked to if it has not."""
        self.close()
        return self._last.account or Accounting(translator=self.name, lines=(), events={})

    def close(self) -> None:
        """End it after its batch, and wait for that. Safe to repeat."""
        self.ask_to_end()
        try:
            self._process.wait(ENDING_SECONDS + _GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reading.join()
        self._take()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def ask_to_end(self) -> None:
        """It ends after the batch that it is in."""
        if not self._asked and self._process.poll() is None:
            self._process.terminate()
        self._asked = True

    def _take(self) -> int:
        records = 0
        while True:
            try:
                self._last = self._reports.get_nowait()
            except Empty:
                return records
            records += self._last.records
            self._progress(self.name, self._last.records)

    def _read(self) -> None:
        out = self._process.stdout
        for line in out if out is not None else ():
            self._reports.put(msgspec.json.decode(line, type=Report))
            self._seen = time.monotonic()


def processes_of(project: Project, held: ExitStack, *, follow: bool, progress: Progress) -> list[TranslatorProcess]:
    """A process for each translator, started; all are asked to end before the first is waited for."""
    made: list[TranslatorProcess] = []
    for name in project.translators:
        process = TranslatorProcess(project, name, follow=follow, progress=progress)
        made.append(held.enter_context(closing(process)))
    held.callback(_ask_to_end, made)
    return made


def _ask_to_end(processes: list[TranslatorProcess]) -> None:
    for process in processes:
        process.ask_to_end()


@contextmanager
def translator_on_kafka(
    project: Project, name: str, *, progress: Progress, stop: Callable[[], bool], wake: Callable[[], None]
) -> Iterator[GroupRunner]:
    """One translator in this process, joined under Faust. `wake` is called on another thread when records have come."""
    origin = kafka_of(project)
    with ExitStack() as held:
        log = held.enter_context(closing(opened(origin)))
        check_feeds(project, log.topics())
        folder = held.enter_context(slot(project.settings.state / name))
        make = workers(project, origin, log, folder, held, progress)(name)
        topic = project.source.feed_of(project.translators[name]).topic
        runner = join(log, name, topic, make, folder / "faust", wake=wake, stop=stop)
        yield held.enter_context(closing(runner))


def last_report(runner: GroupRunner) -> Report:
    """How it stands in the end, with the account."""
    inside = Inside(runner)
    partitions = sorted(runner.worker.partitions)
    return Report(joined=False, partitions=partitions, loading=inside.loading, account=inside.accounting())
