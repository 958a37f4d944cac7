"""The sides of a check, read no faster than their databases' buckets give tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

import msgspec

from pipeline.log.port import TopicPartition
from reconcile.content import ViewShape
from reconcile.run import Sides
from reconcile.sources import KEYS_AT_ONCE
from reconcile.streams import WHOLE, KeyRange
from reconcile.view import ViewParked, ViewRow, ViewSide
from reconcile.watch.bucket import Bucket
from reconcile.watch.walk import LegacyWalk, Listed, Place, SideName, ViewWalk, Walk

ENTRIES = 200
"""Entries of an index that are passed over for the price of one key that is read whole."""


def rationed(sides: Sides, buckets: Mapping[SideName, Bucket]) -> Sides:
    """The same sides, each key that is read by its name paid for."""
    sides.reader.ration = buckets["legacy"].reading
    return msgspec.structs.replace(sides, view=_View(sides.view, buckets["view"]))


def walks_of(sides: Sides, buckets: Mapping[SideName, Bucket]) -> dict[SideName, Walk]:
    """The walks along both sides, paid for by what they pass over."""
    if not isinstance(sides.view, Listed):
        raise TypeError("only a view that a projection builds is watched key by key")
    walks: dict[SideName, Walk] = {"legacy": LegacyWalk(sides.reader), "view": ViewWalk(sides.view)}
    return {side: _Walk(walk, buckets[side]) for side, walk in walks.items()}


class _Walk:
    def __init__(self, walk: Walk, bucket: Bucket) -> None:
        self._walk = walk
        self._bucket = bucket

    def places(self, after: str | None, until: str | None, limit: int, skip: int = 0) -> list[Place]:
        with self._bucket.reading(1 + (limit + skip) // ENTRIES):
            return self._walk.places(after, until, limit, skip)


class _View:
    """A view whose rows are read by their keys, a hundred at a time."""

    def __init__(self, view: ViewSide, bucket: Bucket) -> None:
        self._view = view
        self._bucket = bucket

    @property
    def shape(self) -> ViewShape:
        return self._view.shape

    def rows(self, keys: KeyRange = WHOLE) -> AbstractContextManager[Iterator[ViewRow]]:
        return self._view.rows(keys)

    def read_keys(self, keys: Sequence[str]) -> Mapping[str, ViewRow]:
        found: dict[str, ViewRow] = {}
        for start in range(0, len(keys), KEYS_AT_ONCE):
            chunk = keys[start : start + KEYS_AT_ONCE]
            with self._bucket.reading(len(chunk)):
                found |= self._view.read_keys(chunk)
        return found

    def checkpoint(self) -> Mapping[TopicPartition, int]:
        return self._view.checkpoint()

    def parked(self) -> Mapping[str, ViewParked]:
        return self._view.parked()
