"""How much a table, or some of its rows, is by the database's own statistics: cheap, and only about true."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from translators.errors import DragomanError


class Estimate(NamedTuple):
    """About how many rows, and about how many bytes they have."""

    rows: int
    bytes: int


class EstimateUnsupported(DragomanError):
    """A database of the kind {dialect} cannot be asked how large its tables are."""

    code = "legacy.estimate-unsupported"
    hint = "PostgreSQL and MariaDB are asked; elsewhere look before you ask for a snapshot."


def estimate(connection: Connection, namespace: str, table: str, where: str = "") -> Estimate:
    """What the planner expects of the rows of a table that `where` (SQL) holds; needs to be allowed to read it.

    A SQLAlchemy error for a condition that the database does not understand.
    """
    quote = connection.dialect.identifier_preparer.quote
    name = f"{quote(namespace)}.{quote(table)}"
    # With a parameter it is one statement for the server, whatever the condition says.
    condition = f"({where.replace('%', '%%')}) AND %s" if where else "%s"
    statement = f"SELECT * FROM {name} WHERE {condition}"  # noqa: S608 - the operator's own condition
    if connection.dialect.name == "postgresql":
        return _of_plan(connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", (True,)).scalar_one())
    if connection.dialect.name in ("mysql", "mariadb"):
        told = connection.exec_driver_sql(f"EXPLAIN EXTENDED {statement}", (1,)).mappings().all()
        return _of_row(told, _row_bytes(connection, namespace, table))
    raise EstimateUnsupported(dialect=connection.dialect.name)


def _of_plan(told: Any) -> Estimate:
    plan = (json.loads(told) if isinstance(told, str) else told)[0]["Plan"]
    return Estimate(plan["Plan Rows"], plan["Plan Rows"] * plan["Plan Width"])


def _of_row(told: Sequence[Any], row_bytes: int) -> Estimate:
    """MariaDB says how many rows it looks at, and which share of them it keeps."""
    rows = round(sum(int(one["rows"] or 0) * float(one["filtered"] or 0) / 100 for one in told))
    return Estimate(rows, rows * row_bytes)


def _row_bytes(connection: Connection, namespace: str, table: str) -> int:
    query = "SELECT avg_row_length FROM information_schema.tables WHERE table_schema = %s AND table_name = %s"
    return int(connection.exec_driver_sql(query, (namespace, table)).scalar_one_or_none() or 0)
