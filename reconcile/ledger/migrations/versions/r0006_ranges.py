"""The ranges of keys of a run that goes on, so that another one can go on with it, and of a run which one that was."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the table, add the column."""
    op.create_table(
        "dragoman_range",
        sa.Column("check", sa.String(200), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("run", sa.String(64), nullable=False),
        sa.Column("began", sa.DateTime(timezone=True), nullable=False),
        sa.Column("basis", sa.JSON, nullable=False),
        sa.Column("by_length", sa.Boolean, nullable=False),
        sa.Column("keys", sa.JSON, nullable=False),
        sa.Column("looked", sa.JSON(none_as_null=True)),
    )
    op.add_column("dragoman_run", sa.Column("resumed", sa.String(64)))
