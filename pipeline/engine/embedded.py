"""The embedded engine: capture, translators, projections and consumers in one process, over a log in one file.

It is the demo, the test bed, and the honest choice for a small shop. One worker at a time holds the log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from pipeline.worker import TranslatorWorker


class Turning(Protocol):
    """Something that does, in one turn, what there is to do now."""

    def turn(self) -> int:
        """The number of records handled; 0 means: nothing is left to do for now. Safe to repeat."""


class EmbeddedEngine:
    """Turns everything, in the direction of the data, until nothing is left to do."""

    def __init__(
        self,
        *,
        source: Turning,
        workers: Sequence[TranslatorWorker],
        readers: Sequence[Turning],
    ) -> None:
        """`readers` are the projections and action consumers of the curated streams."""
        self._source = source
        self._workers = workers
        self._readers = readers
        self._begun = False

    @property
    def is_settled(self) -> bool:
        """Whether it is known what there is to do: always, for who is alone."""
        return True

    def run(self) -> None:
        """Until every part has nothing left to do."""
        while self.turn():
            pass

    def turn(self) -> int:
        """One turn of every part; the number of records handled by all."""
        handled = self._source.turn()
        if not self._begun:
            # The feed topics exist only after the source's first turn.
            for worker in self._workers:
                worker.begin()
            self._begun = True
        handled += sum(worker.turn() for worker in self._workers)
        return handled + sum(reader.turn() for reader in self._readers)

    def follow(self, wait: Callable[[], bool]) -> None:
        """Run until `wait` (called whenever there is nothing to do) answers false."""
        while True:
            self.run()
            if not wait():
                return
