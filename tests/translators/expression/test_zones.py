"""AT TIME ZONE around every transition of a zone, through Python, DuckDB and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import psycopg
import pytest

from tests.translators.expression.engines import DuckDB
from translators.expression import Scope, bind, parse
from translators.expression.bound import Aggregate
from translators.expression.duckdb import to_duckdb
from translators.expression.evaluate import compiled
from translators.expression.postgres import to_postgres
from translators.schema import Type

ZONES = (
    "Europe/Berlin",
    "Europe/Dublin",
    "Europe/Moscow",
    "America/New_York",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Asia/Kolkata",
    "Asia/Tokyo",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Cairo",
    "UTC",
)
"""Not among them: Casablanca and Tehran, for which DuckDB's zone data are others than the system's."""
AROUND = [timedelta(minutes=minutes) for minutes in (-61, -60, -31, -30, -1, 0, 1, 29, 30, 59, 60, 61, 24 * 60)]


class Columns:
    """The two columns."""

    def column(self, table: str, column: str) -> str:
        return column

    def aggregate(self, aggregate: Aggregate) -> str:
        raise AssertionError(aggregate)


def transitions(zone: ZoneInfo) -> Iterator[datetime]:
    """The instants from 1970 to 2037 at which the offset changes, to the minute."""
    day, end = datetime(1970, 1, 1, tzinfo=UTC), datetime(2038, 1, 1, tzinfo=UTC)
    while day < end:
        low, high = day, day + timedelta(1)
        if (before := low.astimezone(zone).utcoffset()) != high.astimezone(zone).utcoffset():
            while high - low > timedelta(minutes=1):
                middle = (low + (high - low) / 2).replace(second=0, microsecond=0)
                low, high = (middle, high) if middle.astimezone(zone).utcoffset() == before else (low, middle)
            yield high
        day += timedelta(1)


def moments(zone: ZoneInfo) -> list[tuple[datetime, datetime]]:
    """Wall-clock times and instants around the transitions, read both with the offset before and after."""
    found = {datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 7, 1, tzinfo=UTC), datetime(1, 1, 2, tzinfo=UTC)}
    for at in transitions(zone):
        for offset in {(at - timedelta(days=1)).astimezone(zone).utcoffset(), at.astimezone(zone).utcoffset()}:
            assert offset is not None
            found.update(at + offset + around for around in AROUND)
            found.update(at + around for around in AROUND)
    return [(moment.replace(tzinfo=None), moment) for moment in sorted(found)]


@pytest.mark.parametrize("name", ZONES)
def test_every_transition_of_a_zone_is_read_alike(name: str, duck: DuckDB, postgres: psycopg.Connection) -> None:
    scope = Scope(table="moments", columns={"ts": Type("timestamp"), "tz": Type("timestamptz")})
    asked = [bind(parse(f"{column} AT TIME ZONE '{name}'"), scope) for column in ("ts", "tz")]
    listed = moments(ZoneInfo(name))
    run = [compiled(bound, scope) for bound in asked]
    ours = [tuple([one({"ts": ts, "tz": tz}, None, None) for one in run]) for ts, tz in listed]
    texts = [to_duckdb(bound, Columns()) for bound in asked]
    rows = "(SELECT unnest(?::TIMESTAMP[]) AS ts, unnest(?::TIMESTAMPTZ[]) AS tz)"
    walls = duck.connection.execute(
        f"SELECT {texts[0]} AT TIME ZONE 'UTC', {texts[1]} FROM {rows}",
        [[str(ts) for ts, _ in listed], [str(tz) for _, tz in listed]],
    ).fetchall()
    assert [(there.replace(tzinfo=UTC), wall) for there, wall in walls] == ours
    texts = [to_postgres(bound, Columns()) for bound in asked]
    theirs = postgres.execute(
        f"SELECT {', '.join(texts)} FROM unnest(%s::timestamp[], %s::timestamptz[]) AS t (ts, tz)",
        [[ts for ts, _ in listed], [tz for _, tz in listed]],
    ).fetchall()
    assert theirs == ours
    assert len(listed) > (500 if name == "Europe/Berlin" else 2)
