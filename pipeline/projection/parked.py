"""The side table of state records that a view could not take: whole, with the reason, until a newer one applies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select

from pipeline.projection.fold import Refusal, Slot
from pipeline.projection.rows import KEYS_AT_ONCE
from pipeline.projection.tables import Tables


class ParkedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One record that could not be applied. `key` is the business key's text, `version` its `sequence` if it said one,
    `code` and `message` are those of a `RecordRefused`."""

    topic: str
    partition: int
    offset: int
    key: str
    version: str | None
    code: str
    message: str
    value: bytes | None
    first_seen: datetime


class Parking:
    """The parked records of one projection on one topic, within transactions of the caller."""

    def __init__(self, tables: Tables, topic: str) -> None:
        self._table = tables.parked
        self._where = {"projection": tables.spec.name, "topic": topic}
        self._mine = [self._table.c[name] == value for name, value in self._where.items()]

    def records(self, connection: Connection) -> list[ParkedRecord]:
        """All parked records, by partition and offset."""
        columns = [self._table.c[name] for name in ParkedRecord.__struct_fields__]
        order = (self._table.c["partition"], self._table.c["offset"])
        rows = connection.execute(select(*columns).where(*self._mine).order_by(*order))
        return [ParkedRecord(**row._mapping) for row in rows]

    def count(self, connection: Connection) -> int:
        """How many records are parked."""
        return connection.execute(select(func.count()).select_from(self._table).where(*self._mine)).scalar_one()

    def settle(
        self, connection: Connection, slots: Mapping[str, Slot], refusals: Sequence[Refusal], now: datetime
    ) -> int:
        """Park what was refused, and drop what a later and newer record of its key has replaced; how many came in.

        A repeat of a parked record is not parked again: the first one keeps when it was first seen.
        """
        keys = list(dict.fromkeys([*slots, *(refusal.key for refusal in refusals)]))
        seen: set[tuple[str, str]] = set()
        for key, version, partition, offset in self._known(connection, keys):
            if key in slots and _replaced(version, offset, slots[key]):
                place = (self._table.c["partition"] == partition, self._table.c["offset"] == offset)
                connection.execute(delete(self._table).where(*self._mine, *place))
            elif version is not None:
                seen.add((key, version))
        rows = []
        for refusal in refusals:
            slot, version = slots.get(refusal.key), refusal.version
            if slot is not None and _replaced(version, refusal.record.offset, slot):
                continue
            if version is not None:
                if (refusal.key, version) in seen:
                    continue
                seen.add((refusal.key, version))
            rows.append(self._row(refusal, now))
        if rows:
            connection.execute(insert(self._table), rows)
        return len(rows)

    def _known(self, connection: Connection, keys: Sequence[str]) -> list[tuple[str, str | None, int, int]]:
        """What is parked of these keys: key, version, partition and offset."""
        columns = [self._table.c[name] for name in ("key", "version", "partition", "offset")]
        found: list[tuple[str, str | None, int, int]] = []
        for start in range(0, len(keys), KEYS_AT_ONCE):
            chosen = self._table.c["key"].in_(keys[start : start + KEYS_AT_ONCE])
            rows = connection.execute(select(*columns).where(*self._mine, chosen))
            found += [(key, version, partition, offset) for key, version, partition, offset in rows]
        return found

    def _row(self, refusal: Refusal, now: datetime) -> dict[str, Any]:
        return {
            **self._where,
            "partition": refusal.record.partition,
            "offset": refusal.record.offset,
            "key": refusal.key,
            "version": refusal.version,
            "code": refusal.problem.code,
            "message": refusal.problem.message,
            "value": refusal.record.value,
            "first_seen": now,
        }


def _replaced(version: str | None, offset: int, slot: Slot) -> bool:
    """Whether the slot holds a record that is later than the refused one, and newer as far as that can be told."""
    latest = slot.latest
    return latest is not None and latest.record.offset > offset and (version is None or version < latest.sequence)
