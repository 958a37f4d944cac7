"""The state in memory, for tests and rehearsals: the same contract, gone with the process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pipeline.state.codec import decode_stored, decode_waiting, encode_stored, encode_waiting
from pipeline.state.port import Count, Lifecycle, Pin, Save, Stored, Waiting

_PATH = "memory"


class MemoryState:
    """A `StateStore` that lives as long as the object.

    What is kept is kept as bytes, as in the file, so that nothing is shared with the caller.
    """

    def __init__(self) -> None:
        self._lifecycle: Lifecycle | None = None
        self._forget()

    def _forget(self) -> None:
        self._aggregates: dict[str, bytes] = {}
        self._loading: dict[str, int] = {}
        self._waiting: dict[tuple[str, int], tuple[int, bytes]] = {}
        self._counts: dict[Count, int] = {}
        self._pins: dict[tuple[int, int], Pin] = {}
        self._live: set[int] = set()

    def lifecycle(self) -> Lifecycle | None:
        """See the port."""
        return self._lifecycle

    def begin(self, lifecycle: Lifecycle) -> None:
        """See the port. Another state epoch is another life: everything kept of the one before is dropped with it."""
        if self._lifecycle is not None and self._lifecycle.state_epoch != lifecycle.state_epoch:
            self._forget()
        self._lifecycle = lifecycle

    def load(self, keys: Sequence[str]) -> Mapping[str, Stored]:
        """See the port."""
        return {key: self._stored(key) for key in keys if key in self._aggregates}

    def save(self, save: Save) -> None:
        """See the port. A step that is both waiting and settled in one save waits no longer."""
        # Encoded before anything is changed: a value that cannot be kept leaves the state as it was.
        aggregates = {key: encode_stored(key, stored) for key, stored in save.aggregates.items()}
        waiting = {(step.key, step.version): (step.first_seen, encode_waiting(step)) for step in save.waiting}
        self._aggregates.update(aggregates)
        for key, stored in save.aggregates.items():
            self._loading.pop(key, None)
            if stored.loading:
                self._loading[key] = stored.partition
        self._waiting.update(waiting)
        for place in save.settled:
            self._waiting.pop(place, None)
        for count, amount in save.counts.items():
            self._counts[count] = self._counts.get(count, 0) + amount
        self._pins.update({(pin.command, pin.partition): pin for pin in save.pins})
        if save.live is not None:
            self._live = self._live | {save.partition} if save.live else self._live - {save.partition}

    def loading(self, partition: int, limit: int) -> list[tuple[str, Stored]]:
        """See the port."""
        keys = sorted(key for key, of in self._loading.items() if of == partition)
        return [(key, self._stored(key)) for key in keys[:limit]]

    def is_live(self, partition: int) -> bool:
        """See the port."""
        return partition in self._live

    def waiting(self, key: str | None = None) -> list[Waiting]:
        """See the port."""
        if key is None:
            bodies = [self._waiting[place][1] for place in sorted(self._waiting, key=self._first_seen)]
        else:
            bodies = [self._waiting[place][1] for place in sorted(self._waiting) if place[0] == key]
        return [decode_waiting(body, _PATH) for body in bodies]

    def waiting_keys(self) -> frozenset[str]:
        """See the port."""
        return frozenset(key for key, _ in self._waiting)

    def counts(self) -> Mapping[Count, int]:
        """See the port; by table and label."""
        return {count: self._counts[count] for count in sorted(self._counts)}

    def pins(self) -> list[Pin]:
        """See the port."""
        return [self._pins[place] for place in sorted(self._pins)]

    def scan(self) -> Iterator[tuple[str, Stored]]:
        """See the port."""
        for key in sorted(self._aggregates):
            yield key, self._stored(key)

    def close(self) -> None:
        """See the port; what is kept stays with the object."""

    def _stored(self, key: str) -> Stored:
        return decode_stored(key, self._aggregates[key], _PATH)

    def _first_seen(self, place: tuple[str, int]) -> tuple[int, str, int]:
        return (self._waiting[place][0], *place)
