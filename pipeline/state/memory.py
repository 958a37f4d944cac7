"""The state in memory, for tests and rehearsals: the same contract, gone with the process."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

from pipeline.state import entries
from pipeline.state.codec import decode_stored, decode_waiting, encode_stored, encode_waiting, from_text
from pipeline.state.port import Count, Entry, Lifecycle, Pin, Save, Stored, Waiting

_PATH = "memory"


class _Partition:
    """What is kept of one partition."""

    def __init__(self) -> None:
        self.lifecycle: Lifecycle | None = None
        self.aggregates: dict[str, bytes] = {}
        self.loading: set[str] = set()
        self.waiting: dict[tuple[str, int], tuple[int, bytes]] = {}
        self.counts: dict[Count, int] = {}
        self.pins: dict[int, Pin] = {}
        self.live = False
        self.logged = 0

    def apply(self, key: bytes, value: bytes) -> None:
        match key[:1]:
            case entries.AGGREGATE:
                name = from_text(key[1:])
                self.aggregates[name] = value[1:]
                (self.loading.add if value[0] else self.loading.discard)(name)
            case entries.WAITING:
                step = entries.step_of(key)
                self.waiting.pop(step, None)
                if value:
                    self.waiting[step] = (decode_waiting(value, _PATH).first_seen, value)
            case entries.COUNTS:
                self.counts = entries.counts_of(value, _PATH)
            case entries.PIN:
                pin = entries.pin_of(key, value, _PATH)
                self.pins[pin.command] = pin
            case entries.LIFECYCLE:
                self.lifecycle = entries.lifecycle_of(value, _PATH)
            case entries.LIVE:
                self.live = value == b"\1"

    def stored(self, key: str) -> Stored:
        return decode_stored(key, self.aggregates[key], _PATH)


class MemoryState:
    """A `StateStore` that lives as long as the object.

    What is kept is kept as bytes, as in the file, so that nothing is shared with the caller.
    """

    def __init__(self) -> None:
        self._partitions: defaultdict[int, _Partition] = defaultdict(_Partition)

    def lifecycle(self, partition: int) -> Lifecycle | None:
        """See the port."""
        return self._partitions[partition].lifecycle

    def lives(self) -> Mapping[int, Lifecycle]:
        """See the port."""
        known = sorted(self._partitions.items())
        return {number: place.lifecycle for number, place in known if place.lifecycle is not None}

    def begin(self, partition: int, lifecycle: Lifecycle) -> None:
        """See the port."""
        before = self.lifecycle(partition)
        if before is not None and before.state_epoch != lifecycle.state_epoch:
            self.forget(partition)
        self._partitions[partition].lifecycle = lifecycle

    def forget(self, partition: int) -> None:
        """See the port."""
        self._partitions.pop(partition, None)

    def load(self, keys: Sequence[str], partition: int | None = None) -> Mapping[str, Stored]:
        """See the port."""
        return {key: place.stored(key) for place in self._of(partition) for key in keys if key in place.aggregates}

    def save(self, save: Save) -> None:
        """See the port. A step that is both waiting and settled in one save waits no longer."""
        # Encoded before anything is changed: a value that cannot be kept leaves the state as it was.
        aggregates = {key: encode_stored(key, stored) for key, stored in save.aggregates.items()}
        waiting = {(step.key, step.version): (step.first_seen, encode_waiting(step)) for step in save.waiting}
        place = self._partitions[save.partition]
        place.aggregates.update(aggregates)
        for key, stored in save.aggregates.items():
            (place.loading.add if stored.loading else place.loading.discard)(key)
        place.waiting.update(waiting)
        for step in save.settled:
            place.waiting.pop(step, None)
        for count, amount in save.counts.items():
            place.counts[count] = place.counts.get(count, 0) + amount
        place.pins.update({pin.command: pin for pin in save.pins})
        place.live = place.live if save.live is None else save.live
        place.logged = place.logged if save.logged is None else save.logged

    def restore(self, partition: int, entries: Iterable[Entry], logged: int) -> None:
        """See the port."""
        place = self._partitions[partition]
        for key, value in entries:
            place.apply(key, value)
        place.logged = logged

    def loading(self, partition: int, limit: int) -> list[tuple[str, Stored]]:
        """See the port."""
        place = self._partitions[partition]
        return [(key, place.stored(key)) for key in sorted(place.loading)[:limit]]

    def keys_loading(self, partition: int) -> Set[str]:
        """The keys of a partition that are marked `loading`."""
        return self._partitions[partition].loading

    def is_live(self, partition: int) -> bool:
        """See the port."""
        return self._partitions[partition].live

    def logged(self, partition: int) -> int:
        """See the port."""
        return self._partitions[partition].logged

    def waiting(self, key: str | None = None, partition: int | None = None) -> list[Waiting]:
        """See the port."""
        steps = [step for place in self._of(partition) for step in place.waiting.items()]
        if key is None:
            chosen = sorted(steps, key=lambda step: (step[1][0], step[0]))
        else:
            chosen = sorted((step for step in steps if step[0][0] == key), key=lambda step: step[0][1])
        return [decode_waiting(body, _PATH) for _, (_, body) in chosen]

    def waiting_keys(self, partition: int | None = None) -> frozenset[str]:
        """See the port."""
        return frozenset(key for place in self._of(partition) for key, _ in place.waiting)

    def counts(self, partition: int | None = None) -> Mapping[Count, int]:
        """See the port."""
        total: dict[Count, int] = {}
        for place in self._of(partition):
            for count, amount in place.counts.items():
                total[count] = total.get(count, 0) + amount
        return dict(sorted(total.items()))

    def pins(self, partition: int | None = None) -> list[Pin]:
        """See the port."""
        pins = [pin for place in self._of(partition) for pin in place.pins.values()]
        return sorted(pins, key=lambda pin: (pin.command, pin.partition))

    def scan(self, partition: int | None = None) -> Iterator[tuple[str, Stored]]:
        """See the port."""
        for place in self._of(partition):
            for key in sorted(place.aggregates):
                yield key, place.stored(key)

    def close(self) -> None:
        """See the port; what is kept stays with the object."""

    def _of(self, partition: int | None) -> Sequence[_Partition]:
        """This partition, or all in order."""
        if partition is not None:
            return [self._partitions[partition]]
        return [self._partitions[number] for number in sorted(self._partitions)]
