"""How many keys of a run have which cause, lack values that were never sent, or were ambiguous."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns; of older runs nobody knows their causes."""
    for name in ("unavailable", "ambiguous"):
        op.add_column("dragoman_run", sa.Column(name, sa.Integer, nullable=False, server_default="0"))
    op.add_column("dragoman_run", sa.Column("causes", sa.JSON))
