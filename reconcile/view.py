"""What reconciliation asks of a view, whatever builds it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

import msgspec

from pipeline.log.port import TopicPartition
from reconcile.content import Content, ViewShape

SIDE = "view"


class ViewRow(msgspec.Struct, frozen=True, kw_only=True):
    """One thing as the view shows it.

    `sequence` is that of the record it was built from, `event_id` its id. `commit_time` is the source's, absent for rows
    of a snapshot; `applied_time` is when the row was written. `intact` says whether the row's own hash still fits its
    content.
    """

    key: str
    content: Content
    sequence: str
    event_id: str
    commit_time: datetime | None
    applied_time: datetime
    intact: bool


class ViewParked(msgspec.Struct, frozen=True):
    """A record of the state stream that the view's projection could not apply."""

    code: str
    reason: str


class ViewSide(Protocol):
    """One view. Every method may raise a `ReconcileError`; nothing is written."""

    @property
    def shape(self) -> ViewShape:
        """What the view shows."""

    def rows(self) -> AbstractContextManager[Iterator[ViewRow]]:
        """All rows, out of one snapshot, in the order of `reconcile.keys`."""

    def read_keys(self, keys: Sequence[str]) -> Mapping[str, ViewRow]:
        """The rows of these keys as they are now; a key without a row is absent."""

    def checkpoint(self) -> Mapping[TopicPartition, int]:
        """The offsets of the state stream that the view's rows contain: written with them, so exact."""

    def parked(self, key: str) -> ViewParked | None:
        """The record of this key that the projection set aside, if there is one."""
