"""The ledger's tables as they are now; `migrations/` leads to them from whatever was before, and a test compares both."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    false,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

VERSION = "dragoman_ledger_version"
"""The table that says which migration was the last."""


class Utc(TypeDecorator[datetime]):
    """An instant, in UTC on both sides: SQLite keeps no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


METADATA = MetaData()

RUNS = Table(
    "dragoman_run",
    METADATA,
    Column("run", String(64), primary_key=True),
    Column("check", String(200), primary_key=True),
    Column("started", Utc, nullable=False),
    Column("seconds", Float),
    Column("state", String(12), nullable=False),
    Column("exit_code", Integer, nullable=False),
    Column("mapping_version", String(200), nullable=False),
    Column("coverage", Float, nullable=False),
    Column("compared", Integer, nullable=False),
    Column("agree", Integer, nullable=False),
    Column("confirmed", Integer, nullable=False),
    Column("accepted", Integer, nullable=False),
    Column("in_flight", Integer, nullable=False),
    Column("unconfirmed", Integer, nullable=False),
    Column("not_covered", Integer, nullable=False),
    Column("incomplete", String(100)),
    Column("unavailable", Integer, nullable=False, server_default="0"),
    Column("ambiguous", Integer, nullable=False, server_default="0"),
    Column("causes", JSON),
    Column("gate", Boolean, nullable=False, server_default=false()),
    Column("resumed", String(64)),
    Index("dragoman_run_by_time", "check", "started"),
)

FINDINGS = Table(
    "dragoman_finding",
    METADATA,
    Column("id", String(64), primary_key=True),
    Column("check", String(200), nullable=False),
    Column("key", Text, nullable=False),
    Column("state", String(12), nullable=False),
    Column("first_seen", Utc, nullable=False),
    Column("last_seen", Utc, nullable=False),
    Column("last_run", String(64), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("causes", JSON, nullable=False),
    Column("title", Text, nullable=False),
    Column("fields", JSON, nullable=False),
    Column("owner", Text, nullable=False),
    Column("reopened", Integer, nullable=False),
    Column("closed", Utc),
    Column("accepted_until", Date),
    Column("reason", Text),
    Index("dragoman_finding_by_state", "check", "state"),
)

REPAIRS = Table(
    "dragoman_repair",
    METADATA,
    Column("plan", String(64), primary_key=True),
    Column("finding", String(64), primary_key=True),
    Column("command", BigInteger, nullable=False),
    Column("action", String(12), nullable=False),
    Column("given", Utc, nullable=False),
    Column("outcome", String(12), nullable=False),
    Column("result", Text, nullable=False),
    Index("dragoman_repair_by_finding", "finding", "given"),
)

WATCHES = Table(
    "dragoman_watch",
    METADATA,
    Column("check", String(200), primary_key=True),
    Column("turn", Integer, primary_key=True, autoincrement=False),
    Column("began", Utc, nullable=False),
    Column("started", Utc, nullable=False),
    Column("ended", Utc),
    Column("looked", Utc, nullable=False),
    Column("within", Float, nullable=False),
    Column("oldest", Utc, nullable=False),
    Column("seen", Float, nullable=False),
    Column("keys", Integer, nullable=False),
    Column("compared", Integer, nullable=False),
    Column("found", Integer, nullable=False),
    Column("closed", Integer, nullable=False),
    Column("in_flight", Integer, nullable=False),
    Column("left", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("skipped", Integer, nullable=False),
    Column("drawn", Integer, nullable=False),
    Column("drawn_wrong", Integer, nullable=False),
    Column("shares", JSON, nullable=False),
    Column("feed", JSON, nullable=False),
    Column("trouble", String(100)),
    Column("said", Text),
)

SPANS = Table(
    "dragoman_watch_span",
    METADATA,
    Column("check", String(200), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("side", String(6), nullable=False),
    Column("after", Text),
    Column("keys", Integer, nullable=False),
    Column("seen", Utc),
)

RANGES = Table(
    "dragoman_range",
    METADATA,
    Column("check", String(200), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("run", String(64), nullable=False),
    Column("began", Utc, nullable=False),
    Column("basis", JSON, nullable=False),
    Column("by_length", Boolean, nullable=False),
    Column("keys", JSON, nullable=False),
    Column("looked", JSON(none_as_null=True)),
)
