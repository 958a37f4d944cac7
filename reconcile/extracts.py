"""A third system's file as a table that a query is asked of, in DuckDB: needs the extra `reconcile`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import duckdb

from reconcile.declared import Query
from reconcile.figures import Answer, bounded, unusable

_MEMORY = "256MB"
_READERS = {".csv": "read_csv", ".parquet": "read_parquet"}


def ask_extract(query: Query, path: Path) -> Answer:
    """The answer of a query over the table `extract`, which is the file; `QueryUnusable`."""
    if not path.is_file():
        raise unusable(query, f"there is no file {query.file}")
    try:
        with closing(duckdb.connect(config={"memory_limit": _MEMORY, "threads": 1})) as connection:
            reader = _READERS[path.suffix.lower()]
            connection.execute(f"CREATE TABLE extract AS FROM {reader}(?)", [str(path)])
            # From here on the query sees this table alone.
            connection.execute("SET enable_external_access = false")
            found = connection.execute(query.sql)
            columns = tuple(column[0] for column in found.description or ())
            return bounded(query, columns, found.fetchmany)
    except duckdb.Error as error:
        raise unusable(query, error) from error
