"""What is kept of a partition as entries, each of which says one thing absolutely, so that the last of a key wins.

They are what a changelog's records hold, and what a store of keys and values keeps as they are: recovery is copying.
A key begins with a byte for its kind; no key is ever taken back: what is over has an empty value. Whoever was away for
longer than a tombstone is kept would never hear of it otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct
from typing import Any

import msgspec

from pipeline.state.codec import decode_stored, encode_stored, encode_waiting, from_text, seal, to_text, unseal
from pipeline.state.port import Count, Entry, Lifecycle, Pin, Save, Stored

AGGREGATE, WAITING, COUNTS, PIN, LIFECYCLE, LIVE = b"a", b"w", b"c", b"p", b"i", b"v"
"""The kinds. A byte is never given another meaning."""

_FLAG = {False: b"\0", True: b"\1"}
_LENGTH = Struct(">I")
# Shifted, so that negative numbers come first in the order of bytes.
_NUMBER = Struct(">Q")
_SHIFT = 1 << 63


def entries_of(save: Save, counts: Mapping[Count, int]) -> list[Entry]:
    """What a batch changes; `counts` are those of its partition before. `TypeError` if a row holds what is no `Value`."""
    entries = [aggregate_entry(key, stored) for key, stored in save.aggregates.items()]
    entries += [(waiting_key(step.key, step.version), encode_waiting(step)) for step in save.waiting]
    entries += [(waiting_key(key, version), b"") for key, version in save.settled]
    if save.counts:
        total = {**counts, **{count: counts.get(count, 0) + amount for count, amount in save.counts.items()}}
        entries.append((COUNTS, seal([(*count, amount) for count, amount in total.items()])))
    entries += [(pin_key(pin.command), seal([pin.partition, pin.at, pin.result])) for pin in save.pins]
    if save.live is not None:
        entries.append((LIVE, _FLAG[save.live]))
    return entries


def lifecycle_entry(lifecycle: Lifecycle) -> Entry:
    """The facts of a worker's life."""
    return LIFECYCLE, seal(msgspec.structs.astuple(lifecycle))


def aggregate_entry(key: str, stored: Stored) -> Entry:
    """What is kept of a key. The first byte says whether it is loading, so that nobody has to decode it for that."""
    return AGGREGATE + to_text(key), _FLAG[stored.loading] + encode_stored(key, stored)


def aggregate_of(key: str, value: bytes, path: object) -> Stored:
    """What an aggregate's entry says."""
    return decode_stored(key, value[1:], path)


def waiting_key(key: str, version: int) -> bytes:
    """Where a waiting step stands: those of a key in their order, behind a prefix that no other key has."""
    return waiting_prefix(key) + _NUMBER.pack(version + _SHIFT)


def waiting_prefix(key: str) -> bytes:
    """What the places of a key's waiting steps begin with."""
    text = to_text(key)
    return WAITING + _LENGTH.pack(len(text)) + text


def step_of(entry_key: bytes) -> tuple[str, int]:
    """Key and version of the waiting step that stands there."""
    return from_text(entry_key[5:-8]), _number(entry_key[-8:])


def pin_key(command: int) -> bytes:
    """Where the pin of a command stands."""
    return PIN + _NUMBER.pack(command + _SHIFT)


def pin_of(entry_key: bytes, value: bytes, path: object) -> Pin:
    """What a pin's entry says."""
    partition, at, result = unseal(value, path)
    return Pin(command=_number(entry_key[1:]), partition=partition, at=at, result=result)


def counts_of(value: bytes | None, path: object) -> dict[Count, int]:
    """What the counts' entry says; nothing was counted where there is none."""
    parts: list[Any] = [] if value is None else unseal(value, path)
    return {(table, label): amount for table, label, amount in parts}


def lifecycle_of(value: bytes, path: object) -> Lifecycle:
    """What the lifecycle's entry says."""
    mapping_version, generation, source_epoch, state_epoch, source = unseal(value, path)
    return Lifecycle(
        mapping_version=mapping_version,
        generation=generation,
        source_epoch=source_epoch,
        state_epoch=state_epoch,
        source=source,
    )


def _number(packed: bytes) -> int:
    number: int = _NUMBER.unpack(packed)[0]
    return number - _SHIFT
