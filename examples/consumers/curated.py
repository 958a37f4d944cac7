"""Curated records decoded, with nothing but the standard library: copy this file into the consumer that needs it.

A record is a CloudEvent in Kafka's binary mode: attributes are headers `ce_...`, the value is the data as JSON, or nothing
where a thing is gone. Decimals are texts, dates and times ISO 8601.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Fact:
    """One curated record: an event, or the state of a thing.

    `contract` is its contract's name and version (`PolicyBound.v1`), `key` the business key. `id` is the same in every
    repeat. `sequence` orders the records of a key; its parts have fixed widths, so that the order of texts is the order.
    `event_class` is `live` where something has just happened; `snapshot`, `repair`, `backfill` and `recompute` only say how
    things stand. `data` is `None` where the thing is gone. `absent` names fields that are not in `data` since the source did
    not send what is behind them: whoever keeps them leaves them as they are.
    """

    id: str
    contract: str
    key: str
    sequence: str
    event_class: str
    data: dict[str, Any] | None
    absent: frozenset[str]


class NoFact(ValueError):
    """A record on a curated topic that cannot be decoded: nothing may be taken for granted behind it."""


def fact_of(value: bytes | None, headers: Iterable[tuple[str, bytes]]) -> Fact:
    """The fact that a record holds; `NoFact` if it holds none."""
    said = {name: text.decode() for name, text in headers}
    try:
        return Fact(
            id=said["ce_id"],
            contract=".".join(said["ce_type"].rsplit(".", 2)[1:]),
            key=said["ce_subject"],
            sequence=said["ce_sequence"],
            event_class=said.get("ce_eventclass", "live"),
            data=None if value is None else json.loads(value),
            absent=frozenset(one.split("=")[0] for one in said.get("dragoman_unavailable", "").split(",") if one),
        )
    except (KeyError, ValueError) as error:
        raise NoFact(f"this is no curated record: {error}") from error
