"""What was ordered to repair a finding, and what became of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table."""
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "dragoman_repair",
        sa.Column("plan", sa.String(64), primary_key=True),
        sa.Column("finding", sa.String(64), primary_key=True),
        sa.Column("command", sa.BigInteger, nullable=False),
        sa.Column("action", sa.String(12), nullable=False),
        sa.Column("given", instant, nullable=False),
        sa.Column("outcome", sa.String(12), nullable=False),
        sa.Column("result", sa.Text, nullable=False),
    )
    op.create_index("dragoman_repair_by_finding", "dragoman_repair", ["finding", "given"])
