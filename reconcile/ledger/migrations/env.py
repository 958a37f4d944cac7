"""How a migration is run: on the connection that opened the ledger, and never on one of its own."""

from __future__ import annotations

from alembic import context

from reconcile.ledger.tables import METADATA, VERSION

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, version_table=VERSION)
context.run_migrations()
