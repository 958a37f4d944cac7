"""What changed in the legacy's tables while their feed was read, and stops nothing: told once, and kept with the counts.

A column that `schema.yaml` does not know appears, one that no mapping uses goes away or has another type, a statement
changed a table. What a mapping needs stops its partition instead (`feed.column-gone`, `feed.column-retyped`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Literal

import msgspec

from pipeline.batch import Batch
from pipeline.state.port import Count
from translators.change import Change, Coordinate, Drift

Kind = Literal["added", "missing", "retyped", "altered"]
_NEWS, _SINCE = "news: ", "since: "


class News(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that changed; `column` is empty where a statement changed a table.

    `at` is the first record that showed it, `since` when the source committed it, `None` if a snapshot read it.
    """

    kind: Kind
    table: str
    column: str
    at: Coordinate
    since: datetime | None


def notice(batch: Batch, told: set[tuple[str, Drift]], change: Change) -> None:
    """Note how the columns of a change differ from what is declared; `told` remembers what this worker has noted."""
    drift = change.drift
    if drift is None or (change.table, drift) in told:
        return
    told.add((change.table, drift))
    for column in drift.added:
        note(batch, "added", change.table, column, change.at, change.time)
    for column in drift.missing:
        note(batch, "missing", change.table, column, change.at, change.time)
    for column in drift.retyped:
        note(batch, "retyped", change.table, column, change.at, change.time)


def note(batch: Batch, kind: Kind, table: str, column: str, at: Coordinate, time: datetime | None) -> None:
    """Keep one piece of news with the counts, once for each partition: its offset, and the time in milliseconds."""
    place = _text(kind, table, column, at.topic, at.partition)
    since = ("", _SINCE + place)
    if batch.counted(*since):
        return
    # One more than what is meant, so that nothing is zero.
    batch.count(*since, by=1 if time is None else int(time.timestamp() * 1000) + 1)
    batch.count("", _NEWS + place, by=at.offset + 1)


def _text(*parts: str | int) -> str:
    return msgspec.json.encode(parts).decode()


def news_of(counts: Mapping[Count, int]) -> list[News]:
    """All news that were kept, oldest first; of what several partitions showed, the first."""
    found: dict[tuple[str, str, str], News] = {}
    for one in sorted(
        _kept(counts), key=lambda one: (one.since or datetime.min.replace(tzinfo=UTC), one.table, one.column)
    ):
        found.setdefault((one.kind, one.table, one.column), one)
    return list(found.values())


def _kept(counts: Mapping[Count, int]) -> Iterator[News]:
    for (table, label), number in counts.items():
        if table or not label.startswith(_NEWS):
            continue
        place = label.removeprefix(_NEWS)
        kind, of, column, topic, partition = msgspec.json.decode(place)
        since = counts["", _SINCE + place] - 1
        time = datetime.fromtimestamp(since / 1000, UTC) if since else None
        yield News(kind=kind, table=of, column=column, at=Coordinate(topic, partition, number - 1), since=time)
