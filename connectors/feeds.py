"""Feeds as values, whatever captures them: which tables share a topic, and how the topics beside them are called."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

TRANSACTION = "transaction"
NOTIFICATION = "notification"


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """The tables that share a topic: table -> the columns that route its rows to one of `partitions`."""

    name: str
    tables: Mapping[str, tuple[str, ...]]
    partitions: int
