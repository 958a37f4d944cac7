"""The state in RocksDB, a folder for each translator: more keys than fit in memory, at a memory that stays small.

It holds the entries of all partitions as they are, each behind the number of its partition. A changelog is what makes
them durable: a save is atomic and survives the process, but the last ones may be missing after a power cut. What is
missing is read again from the changelog, since each save keeps how far that goes with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from struct import Struct
from typing import Any

from rocksdict import (
    AccessType,
    BlockBasedOptions,
    Cache,
    DbClosedError,
    DBCompressionType,
    Options,
    Rdict,
    ReadOptions,
    WriteBatch,
)

from pipeline.state import entries as kinds
from pipeline.state.codec import decode_waiting, from_text, to_text
from pipeline.state.port import (
    Count,
    Entry,
    Lifecycle,
    Pin,
    Save,
    StateCorrupt,
    StateError,
    StateFormat,
    Stored,
    Waiting,
)

FORMAT = 1
"""The format of keys; values have that of `pipeline.state.codec`."""

CACHE_BYTES = 8 << 20
WRITE_BUFFER_BYTES = 16 << 20
LEVEL_BYTES = 64 << 20

_PLACE = Struct(">I")
# Behind all partitions.
_FORMAT_KEY = b"\xff" * 4
# Kinds beside those of the entries: the keys that are loading, and how far the changelog says the same.
_LOADING, _LOGGED = b"l", b"o"
_OFFSET = Struct(">Q")


class RocksState:
    """A `StateStore` of one translator in the folder `path`, which is made if it does not exist; one process writes.

    With `read_only` nothing is written, and what is saved after opening is not seen.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        access = AccessType.read_only() if read_only else AccessType.read_write()
        with self._translated():
            self._db = Rdict(str(path), options=_options(), access_type=access)
            self._check_format(read_only)
        # By partition: no key below is loading. Deleted marks would have to be passed each time otherwise.
        self._first_loading: dict[int, bytes | None] = {}

    def lifecycle(self, partition: int) -> Lifecycle | None:
        """See the port."""
        value = self._get(partition, kinds.LIFECYCLE)
        return None if value is None else kinds.lifecycle_of(value, self.path)

    def lives(self) -> Mapping[int, Lifecycle]:
        """See the port."""
        found = ((number, self.lifecycle(number)) for number in self._partitions(None))
        return {number: life for number, life in found if life is not None}

    def begin(self, partition: int, lifecycle: Lifecycle) -> None:
        """See the port."""
        before, batch = self.lifecycle(partition), WriteBatch(raw_mode=True)
        if before is not None and before.state_epoch != lifecycle.state_epoch:
            batch.delete_range(_PLACE.pack(partition), _PLACE.pack(partition + 1))
        key, value = kinds.lifecycle_entry(lifecycle)
        batch.put(_PLACE.pack(partition) + key, value)
        self._begin_anew(partition, batch)

    def forget(self, partition: int) -> None:
        """See the port."""
        batch = WriteBatch(raw_mode=True)
        batch.delete_range(_PLACE.pack(partition), _PLACE.pack(partition + 1))
        self._begin_anew(partition, batch)

    def load(self, keys: Sequence[str], partition: int | None = None) -> Mapping[str, Stored]:
        """See the port."""
        found: dict[str, Stored] = {}
        for number in self._partitions(partition) if keys else ():
            prefix = _PLACE.pack(number) + kinds.AGGREGATE
            with self._translated():
                values: Any = self._db.get([prefix + to_text(key) for key in keys])
            for key, value in zip(keys, values, strict=True):
                if value is not None:
                    found[key] = kinds.aggregate_of(key, value, self.path)
        return found

    def save(self, save: Save) -> None:
        """See the port. A step that is both waiting and settled in one save waits no longer."""
        counts = self.counts(save.partition) if save.counts else {}
        self._write(save.partition, kinds.entries_of(save, counts), save.logged)

    def restore(self, partition: int, entries: Iterable[Entry], logged: int) -> None:
        """See the port."""
        self._write(partition, entries, logged)

    def loading(self, partition: int, limit: int) -> list[tuple[str, Stored]]:
        """See the port."""
        prefix = _PLACE.pack(partition) + _LOADING
        first = self._first_loading.get(partition, b"")
        if first is None or limit < 1:
            return []
        found = []
        for mark, _ in self._from(prefix + first, prefix):
            found.append(mark[len(prefix) :])
            if len(found) == limit:
                break
        self._first_loading[partition] = found[0] if found else None
        keys = [from_text(text) for text in found]
        stored = self.load(keys, partition)
        return [(key, stored[key]) for key in keys]

    def is_live(self, partition: int) -> bool:
        """See the port."""
        return self._get(partition, kinds.LIVE) == b"\1"

    def logged(self, partition: int) -> int:
        """See the port."""
        value = self._get(partition, _LOGGED)
        return 0 if value is None else int(_OFFSET.unpack(value)[0])

    def waiting(self, key: str | None = None, partition: int | None = None) -> list[Waiting]:
        """See the port."""
        prefix = kinds.WAITING if key is None else kinds.waiting_prefix(key)
        found = [decode_waiting(value, self.path) for _, _, value in self._all(prefix, partition)]
        order = _by_first_seen if key is None else _by_version
        return sorted(found, key=order)

    def waiting_keys(self, partition: int | None = None) -> frozenset[str]:
        """See the port."""
        return frozenset(kinds.step_of(key)[0] for _, key, _ in self._all(kinds.WAITING, partition))

    def counts(self, partition: int | None = None) -> Mapping[Count, int]:
        """See the port."""
        total: dict[Count, int] = {}
        for number in self._partitions(partition):
            for count, amount in kinds.counts_of(self._get(number, kinds.COUNTS), self.path).items():
                total[count] = total.get(count, 0) + amount
        return dict(sorted(total.items()))

    def pins(self, partition: int | None = None) -> list[Pin]:
        """See the port."""
        pins = [kinds.pin_of(key, value, self.path) for _, key, value in self._all(kinds.PIN, partition)]
        return sorted(pins, key=lambda pin: (pin.command, pin.partition))

    def scan(self, partition: int | None = None) -> Iterator[tuple[str, Stored]]:
        """See the port. What is saved meanwhile is not seen."""
        for _, key, value in self._all(kinds.AGGREGATE, partition):
            name = from_text(key[1:])
            yield name, kinds.aggregate_of(name, value, self.path)

    def close(self) -> None:
        """See the port; a closed store refuses everything else."""
        with self._translated(), suppress(DbClosedError):
            self._db.close()

    def _write(self, partition: int, entries: Iterable[Entry], logged: int | None) -> None:
        place, batch = _PLACE.pack(partition), WriteBatch(raw_mode=True)
        put, delete = batch.put, batch.delete
        marks, first = place + _LOADING, self._first_loading.get(partition, b"")
        for key, value in entries:
            if value:
                put(place + key, value)
            else:
                delete(place + key)
            if key[0] == kinds.AGGREGATE[0]:
                if value[0]:
                    put(marks + key[1:], b"")
                    first = key[1:] if first is None else min(first, key[1:])
                elif first is not None:
                    delete(marks + key[1:])
        if logged is not None:
            put(place + _LOGGED, _OFFSET.pack(logged))
        with self._translated():
            self._db.write(batch)
        self._first_loading[partition] = first

    def _begin_anew(self, partition: int, batch: WriteBatch) -> None:
        with self._translated():
            self._db.write(batch)
        self._first_loading.pop(partition, None)

    def _get(self, partition: int, key: bytes) -> bytes | None:
        with self._translated():
            value: bytes | None = self._db.get(_PLACE.pack(partition) + key)
        return value

    def _all(self, prefix: bytes, partition: int | None) -> Iterator[tuple[int, bytes, bytes]]:
        """Partition, key and value of all entries whose key begins so."""
        for number in self._partitions(partition):
            place = _PLACE.pack(number)
            for key, value in self._from(place + prefix, place + prefix):
                yield number, key[len(place) :], value

    def _from(self, start: bytes, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        with self._translated():
            found = self._db.iter(ReadOptions())
            found.seek(start)
            while found.valid():
                key: Any = found.key()
                if not key.startswith(prefix):
                    return
                yield key, found.value()
                found.next()

    def _partitions(self, partition: int | None) -> list[int]:
        """This one, or all of which anything is kept."""
        if partition is not None:
            return [partition]
        found: list[int] = []
        with self._translated():
            places = self._db.iter(ReadOptions())
            places.seek(b"")
            while places.valid():
                key: Any = places.key()
                if key == _FORMAT_KEY:
                    break
                found.append(_PLACE.unpack(key[: _PLACE.size])[0])
                places.seek(_PLACE.pack(found[-1] + 1))
        return found

    def _check_format(self, read_only: bool) -> None:
        found: Any = self._db.get(_FORMAT_KEY)
        if found is None and not read_only:
            self._db.put(_FORMAT_KEY, bytes([FORMAT]))
        elif found is None:
            raise StateCorrupt(path=self.path, reason="it says no format")
        elif found[0] > FORMAT:
            raise StateFormat(path=self.path, found=found[0], known=FORMAT)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except StateError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split())
            named = StateCorrupt if reason.startswith("Corruption") else StateError
            raise named(path=self.path, reason=reason) from error


def _by_first_seen(step: Waiting) -> tuple[int, str, int, int]:
    return (step.first_seen, step.key, step.version, step.partition)


def _by_version(step: Waiting) -> tuple[int, int]:
    return (step.version, step.partition)


def _options() -> Options:
    """The cache is small, since aggregates come at random; index and filters stay in memory (7 bytes a key).

    In the cache they would push each other out, and a look-up would read them again: measured, five times as slow.

    Each merge of what was written rewrites nearly a whole level, since it may stand anywhere in it: what a change costs
    with many aggregates is that. Measured with a million of them, a buffer four times as large and a first level of a
    quarter of the usual size halve it.
    """
    table = BlockBasedOptions()
    table.set_block_cache(Cache(CACHE_BYTES))
    table.set_bloom_filter(10, False)
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_block_based_table_factory(table)
    options.set_write_buffer_size(WRITE_BUFFER_BYTES)
    options.set_max_bytes_for_level_base(LEVEL_BYTES)
    options.set_compression_type(DBCompressionType.lz4())
    options.set_max_background_jobs(2)
    options.set_keep_log_file_num(2)
    return options
