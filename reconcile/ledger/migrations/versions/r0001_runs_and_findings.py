"""Runs, and findings from their first sighting to their end."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make both tables."""
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "dragoman_run",
        sa.Column("run", sa.String(64), primary_key=True),
        sa.Column("check", sa.String(200), primary_key=True),
        sa.Column("started", instant, nullable=False),
        sa.Column("seconds", sa.Float),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("exit_code", sa.Integer, nullable=False),
        sa.Column("mapping_version", sa.String(200), nullable=False),
        sa.Column("coverage", sa.Float, nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("compared", "agree", "confirmed", "accepted")),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("in_flight", "unconfirmed", "not_covered")),
        sa.Column("incomplete", sa.String(100)),
    )
    op.create_index("dragoman_run_by_time", "dragoman_run", ["check", "started"])
    op.create_table(
        "dragoman_finding",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("check", sa.String(200), nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("first_seen", instant, nullable=False),
        sa.Column("last_seen", instant, nullable=False),
        sa.Column("last_run", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("causes", sa.JSON, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("fields", sa.JSON, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("reopened", sa.Integer, nullable=False),
        sa.Column("closed", instant),
        sa.Column("accepted_until", sa.Date),
        sa.Column("reason", sa.Text),
    )
    op.create_index("dragoman_finding_by_state", "dragoman_finding", ["check", "state"])
