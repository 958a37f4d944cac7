"""The changelog of a translator: what is kept, as records of a compacted topic, so that another machine can go on with it.

A record is an entry of `pipeline.state.entries`: its key, and its value behind the format and the state epoch. The topic has
the feed's partitions, and partition n says what is kept of feed partition n, whatever the keys hash to. Nothing is ever
taken back by a tombstone, so a store that was away for long goes on from where it stood.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from struct import Struct
from typing import ClassVar

from pipeline.log.port import Log, Outgoing, Record
from pipeline.state.port import Entry, StateCorrupt, StateError, StateFormat, StateStore

FORMAT = 1
"""The format that is written; it stands in each record."""

PAGE = 10_000
"""How many records are restored at once."""

_HEADER = Struct(">BI")
# A fenced writer's transaction is being taken back by the broker: seconds between two looks, and how many of them.
_PAUSE, _LOOKS = 0.05, 1_200


def records_of(topic: str, partition: int, state_epoch: int, entries: Iterable[Entry]) -> list[Outgoing]:
    """The records that say `entries`. They have no time of their own."""
    header = _HEADER.pack(FORMAT, state_epoch)
    return [
        Outgoing(topic=topic, partition=partition, timestamp=0, key=key, value=header + value) for key, value in entries
    ]


def restore(store: StateStore, partition: int, records: Sequence[Record], logged: int) -> None:
    """Apply records in their order. What a new state epoch finds is forgotten, what an earlier one said is passed over."""
    life = store.lifecycle(partition)
    epoch = 0 if life is None else life.state_epoch
    begun = 0
    while begun < len(records):
        header = (records[begun].value or b"")[: _HEADER.size]
        found = _epoch_of(records[begun], header)
        end = begun + 1
        while end < len(records) and (records[end].value or b"").startswith(header):
            end += 1
        if epoch and found > epoch:
            store.forget(partition)
        if found >= epoch:
            epoch, size = found, _HEADER.size
            entries = [(r.key, r.value[size:]) for r in records[begun:end] if r.key is not None and r.value is not None]
            store.restore(partition, entries, logged)
        begun = end


def recover(
    store: StateStore, log: Log, topic: str, partition: int, sleep: Callable[[float], None] = time.sleep
) -> int:
    """Bring the store to where the changelog ends now; how many records were read. Older writers must be fenced before."""
    position, high, count, looks = store.logged(partition), log.end(topic, partition), 0, 0
    if position > high:
        raise StateAhead(topic=topic, partition=partition, logged=position, end=high)
    while position < high:
        page = log.read(topic, partition, position, PAGE)
        if page.next == position:
            looks += 1
            if looks > _LOOKS:
                raise ChangelogStuck(topic=topic, partition=partition, offset=position, end=high)
            sleep(_PAUSE)
            continue
        restore(store, partition, page.records, page.next)
        position, count = page.next, count + len(page.records)
    return count


def _epoch_of(record: Record, header: bytes) -> int:
    if len(header) < _HEADER.size or header[0] == 0:
        raise StateCorrupt(path=f"{record.topic} {record.partition}:{record.offset}", reason="a record has no header")
    version, epoch = _HEADER.unpack(header)
    if version > FORMAT:
        raise StateFormat(path=f"{record.topic} {record.partition}:{record.offset}", found=version, known=FORMAT)
    return int(epoch)


class StateAhead(StateError):
    """The state of partition {partition} was saved behind offset {logged} of {topic}, which ends at {end}."""

    code: ClassVar[str] = "state.ahead-of-changelog"
    hint: ClassVar[str] = (
        "The changelog is not the one that this state was written with. Restore the topic, or remove the local state: it is "
        "built again from the changelog."
    )


class ChangelogStuck(StateError):
    """The changelog {topic} {partition} could be read to {offset} only, not to its end at {end}."""

    code = "state.changelog-stuck"
    hint = "A transaction is open there, and the broker does not end it. Look at the broker's log, then run again."
    transient = True
