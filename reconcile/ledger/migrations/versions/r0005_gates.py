"""Which runs were asked to compare everything as of one position, to decide over a cutover."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column; runs of before may have been gates, and prove no cutover any more."""
    op.add_column("dragoman_run", sa.Column("gate", sa.Boolean, nullable=False, server_default=sa.false()))
