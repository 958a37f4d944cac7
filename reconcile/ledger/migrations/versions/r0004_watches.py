"""How far a watch has come: one row for each turn of each check, and the spans of keys with when they were seen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make both tables."""
    instant = sa.DateTime(timezone=True)
    counts = (
        "keys",
        "compared",
        "found",
        "closed",
        "in_flight",
        "left",
        "changed",
        "skipped",
        "drawn",
        "drawn_wrong",
    )
    op.create_table(
        "dragoman_watch",
        sa.Column("check", sa.String(200), primary_key=True),
        sa.Column("turn", sa.Integer, primary_key=True, autoincrement=False),
        *(sa.Column(name, instant, nullable=False) for name in ("began", "started", "looked", "oldest")),
        sa.Column("ended", instant),
        *(sa.Column(name, sa.Float, nullable=False) for name in ("within", "seen")),
        *(sa.Column(name, sa.Integer, nullable=False) for name in counts),
        *(sa.Column(name, sa.JSON, nullable=False) for name in ("shares", "feed")),
        sa.Column("trouble", sa.String(100)),
        sa.Column("said", sa.Text),
    )
    op.create_table(
        "dragoman_watch_span",
        sa.Column("check", sa.String(200), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("side", sa.String(6), nullable=False),
        sa.Column("after", sa.Text),
        sa.Column("keys", sa.Integer, nullable=False),
        sa.Column("seen", instant),
    )
