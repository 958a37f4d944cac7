"""All differing keys of a run as one Parquet file, for those who look at them with tools of their own: needs DuckDB."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from reconcile.report import ReportUnwritable, findings_lines
from reconcile.run import RunResult

# What reading JSON takes for one object is bounded; a finding that is kept in detail may be long.
_FINDINGS = """
SELECT run, mapping_version, id, "check", key, kind, fields, first_seen, accepted_until, causes
FROM read_json($lines, format = 'newline_delimited', maximum_object_size = 67108864, columns = {
    run: 'VARCHAR', mapping_version: 'VARCHAR', id: 'VARCHAR', "check": 'VARCHAR', key: 'VARCHAR', kind: 'VARCHAR',
    fields: 'VARCHAR[]', first_seen: 'TIMESTAMP', accepted_until: 'DATE',
    causes: 'STRUCT(name VARCHAR, pattern VARCHAR, title VARCHAR, owner VARCHAR, change VARCHAR, since TIMESTAMP,
                    "where" VARCHAR, evidence VARCHAR[])[]'
})
"""


def write_parquet(results: Sequence[RunResult], path: Path) -> int:
    """Write one row for each finding, values of rows left out; how many. `ReportUnwritable` if that cannot be done."""
    findings = sum(len(result.findings) for result in results)
    try:
        with TemporaryDirectory(dir=path.parent, prefix=".findings-") as folder:
            lines, half = Path(folder) / "findings.jsonl", Path(folder) / "findings.parquet"
            with lines.open("w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in findings_lines(results))
            with closing(duckdb.connect(config={"threads": 1})) as connection:
                target = str(half).replace("'", "''")
                connection.execute(
                    f"COPY ({_FINDINGS}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)", {"lines": str(lines)}
                )
            os.replace(half, path)
    except (OSError, duckdb.Error) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise ReportUnwritable(path=path, reason=reason) from error
    return findings
