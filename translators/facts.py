"""The facts of a step's transaction that are the same in every repeat: what META names in conditions and events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from types import MappingProxyType

import msgspec

from translators.change import Change
from translators.schema import Type


class Facts(msgspec.Struct, frozen=True):
    """Each is `None` where the source does not say it.

    `transaction` is its id in the source, `time` its commit time (UTC). `origin` is who wrote it first, where it came to
    the source by replication: PostgreSQL's replication origin, MariaDB's and MySQL's server id.
    """

    transaction: str | None = None
    time: datetime | None = None
    origin: str | None = None


_position = attrgetter("position")

UNKNOWN = Facts()
"""The facts of a step that no change tells of."""

META = MappingProxyType({"transaction": Type("text"), "time": Type("timestamptz"), "origin": Type("text")})
"""The type of each fact by its name."""


def facts_of(changes: Sequence[Change]) -> Facts:
    """The facts of a step, from the change of the lowest position: a connector that starts again repeats that one too."""
    if not changes:
        return UNKNOWN
    first = changes[0] if len(changes) == 1 else min(changes, key=_position)
    return Facts(first.transaction, first.time, first.origin)
