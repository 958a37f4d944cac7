"""Two tables compared block by block, and what bare COPYs of both take in the same run; reladiff on the same rows; a mapping.

`make bench-reconcile`. PostgreSQL and MariaDB are started for it; reladiff is installed into an environment of its own.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import venv
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import psycopg
from sqlalchemy import Engine, create_engine

from bench import reconcile_mapped
from bench.measure import machine
from bench.reconcile_peak import COLUMNS, compared
from dragoman.stack import parts
from dragoman.stack.server import Server, shared
from reconcile.streams import KeyRange

ROWS = 1_000_000
DIFFERENCES = (0, 10, 10_000, 300_000)
ROUNDS = 3
MARIADB = 500_000
"""Rows of these that are compared with MariaDB, whose rows come slowly where no C driver is installed."""
RELADIFF = ("reladiff[postgresql]==0.6.0", (0, 10, 10_000))
"""Its release, and the differences that it is asked for: 300,000 take it minutes."""

_CREATE = (
    "CREATE TABLE {name} (id bigint PRIMARY KEY, customer int, number varchar(20), amount {number}(12,2), currency char(3), "
    "note text, status varchar(10), gift boolean, created {time}, updated {time}, extra text)"
)
_ROWS = """
INSERT INTO legacy SELECT i, i::bigint * 7919 % 50000, 'ORD-' || lpad(i::text, 10, '0'), (i::bigint * 37 % 1000000) / 100.0,
  'EUR', CASE WHEN i % 3 > 0 THEN 'note number ' || i END, (ARRAY['new', 'paid', 'sent', 'done'])[1 + i % 4], i % 2 = 0,
  timestamp '2020-01-01' + i * interval '1 second', timestamp '2020-01-01 00:00:00.25' + i * interval '13 seconds',
  '{"a": ' || i || ', "b": "xxxxxxxxxxxxxxxxxxxxxxxxxxxx", "c": [1, 2, 3]}'
FROM generate_series(1, %s) AS i
"""
_DIFFER = (
    "DELETE FROM {view} WHERE id IN (SELECT id FROM differing WHERE n % 5 = 0)",
    "UPDATE {view} SET id = -id WHERE id IN (SELECT id FROM differing WHERE n % 5 = 1)",
    "UPDATE {view} SET amount = amount + 1 WHERE id IN (SELECT id FROM differing WHERE n % 5 IN (2, 3))",
    "UPDATE {view} SET status = 'old' WHERE id IN (SELECT id FROM differing WHERE n % 5 = 4)",
)
_COPY = "COPY (SELECT {columns} FROM {name} {where} ORDER BY id) TO STDOUT"


@dataclass
class Result:
    """Seconds of wall time, medians. By the number of rows that were changed, of `rows` on each side:

    `seconds`; `times` as a multiple of two `psql` that write both COPYs side by side into nothing, in the same round;
    `found` keys that differ (a row under another key is two). `mebibytes` is the peak of a process of its own at the most
    differences, `mebibytes_idle` that of one that only imports. `mariadb_*` is MariaDB to PostgreSQL by `driver`, fewer rows,
    beside the `mariadb` client's and psql's time. `reladiff` are its seconds on the same PostgreSQL tables, once each. `mapped`
    is a mapping of three tables.
    """

    machine: dict[str, str]
    rows: int
    seconds: dict[int, float]
    times: dict[int, float]
    found: dict[int, int]
    mebibytes: float
    mebibytes_idle: float
    mariadb_rows: int
    mariadb_seconds: float
    mariadb_times: float
    driver: str
    reladiff: dict[int, float]
    mapped: reconcile_mapped.Result

    def said(self) -> str:
        """Lines of the report."""
        each = ", ".join(f"{n:,} differing {self.seconds[n]:.2f} s ({self.times[n]:.2f} x)" for n in self.seconds)
        other = ", ".join(f"{n:,} {seconds:.1f} s" for n, seconds in self.reladiff.items())
        mariadb = f"{self.mariadb_rows:,} rows {self.mariadb_seconds:.2f} s ({self.mariadb_times:.2f} x)"
        return (
            f"reconcile          2 x {self.rows:,} rows: {each}; {self.mebibytes:.0f} MiB\n"
            f"                   MariaDB to PostgreSQL by {self.driver}, {mariadb}\n"
            f"                   reladiff: {other}\n"
            f"{self.mapped.said()}"
        )


def run() -> Result:
    """Fill the servers, then compare and copy by turns."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with shared(parts.postgres(), folder / "postgres") as server:
            _fill(server)
            measured = {n: [_round(server, n) for _ in range(ROUNDS)] for n in DIFFERENCES}
            with shared(parts.mariadb(), folder / "mariadb") as other:
                driver = _fill_mariadb(server, other)
                pairs = [_mariadb_round(server, other, driver) for _ in range(ROUNDS)]
            peak, idle = _peak(server, DIFFERENCES[-1]), _peak(server, None)
            reladiff = _reladiff(server, folder)
    mapped = reconcile_mapped.run()
    return Result(
        machine=machine(),
        rows=ROWS,
        seconds={n: round(median(ours for ours, _, _ in each), 3) for n, each in measured.items()},
        times={n: round(median(ours / bare for ours, bare, _ in each), 3) for n, each in measured.items()},
        found={n: each[0][2] for n, each in measured.items()},
        mebibytes=round(peak, 1),
        mebibytes_idle=round(idle, 1),
        mariadb_rows=MARIADB,
        mariadb_seconds=round(median(ours for ours, _ in pairs), 3),
        mariadb_times=round(median(ours / bare for ours, bare in pairs), 3),
        driver=driver,
        reladiff=reladiff,
        mapped=mapped,
    )


def _engine(server: Server) -> Engine:
    return create_engine(f"postgresql+psycopg://dragoman@{server.at}/postgres")


def _round(server: Server, differences: int) -> tuple[float, float, int]:
    engine = _engine(server)
    begun = time.perf_counter()
    found = compared(engine, engine, differences)
    ours = time.perf_counter() - begun
    engine.dispose()
    return ours, _seconds([_psql(server, "legacy"), _psql(server, f"view_{differences}")]), found


def _psql(server: Server, name: str, where: str = "") -> list[str]:
    copy = _COPY.format(columns=", ".join(COLUMNS), name=name, where=where)
    return ["psql", "-q", "-h", server.host, "-p", str(server.port), "-U", "dragoman", "-c", copy, "postgres"]


def _seconds(commands: list[list[str]]) -> float:
    """How long commands take side by side."""
    begun = time.perf_counter()
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in commands]
    if any(process.wait() for process in running):
        raise RuntimeError(commands)
    return time.perf_counter() - begun


def _fill(server: Server) -> None:
    with psycopg.connect(host=server.host, port=server.port, user="dragoman", dbname="postgres", autocommit=True) as to:
        to.execute(_CREATE.format(name="legacy", number="numeric", time="timestamp"))
        to.execute(_ROWS.replace("% ", "%% "), (ROWS,))
        for differences in DIFFERENCES:
            view = f"view_{differences}"
            to.execute(_CREATE.format(name=view, number="numeric", time="timestamp"))
            to.execute(f"INSERT INTO {view} SELECT * FROM legacy")
            to.execute("DROP TABLE IF EXISTS differing")
            # Hashes scatter them; the same ones in each run.
            to.execute(
                "CREATE TABLE differing AS SELECT id, row_number() OVER () AS n FROM "
                f"(SELECT id FROM legacy ORDER BY md5(id::text) LIMIT {differences}) AS chosen"
            )
            for statement in _DIFFER:
                to.execute(statement.format(view=view))
            to.execute(f"CLUSTER {view} USING {view}_pkey")
        to.execute("VACUUM ANALYZE")


def _fill_mariadb(server: Server, other: Server) -> str:
    """The same rows in MariaDB; the driver that is there."""
    import pymysql

    with (
        pymysql.connect(host=other.host, port=other.port, user="root", charset="utf8mb4", autocommit=True) as to,
        to.cursor() as cursor,
        psycopg.connect(host=server.host, port=server.port, user="dragoman", dbname="postgres") as source,
        source.cursor(name="rows") as rows,
    ):
        cursor.execute("CREATE DATABASE bench CHARACTER SET utf8mb4")
        cursor.execute("USE bench")
        cursor.execute("SET sql_log_bin = 0")
        cursor.execute(_CREATE.format(name="legacy", number="decimal", time="datetime(6)"))
        cursor.execute("SET SESSION unique_checks = 0")
        to.begin()
        rows.execute("SELECT * FROM legacy WHERE id <= %s ORDER BY id", (MARIADB,))
        while page := rows.fetchmany(5_000):
            cursor.executemany(f"INSERT INTO legacy VALUES ({', '.join(['%s'] * len(COLUMNS))})", page)
        to.commit()
    return "mysqldb" if find_spec("MySQLdb") else "pymysql"


def _mariadb_round(server: Server, other: Server, driver: str) -> tuple[float, float]:
    legacy = create_engine(f"mysql+{driver}://root@{other.at}/bench?charset=utf8mb4")
    view = _engine(server)
    begun = time.perf_counter()
    compared(legacy, view, 10, KeyRange(through=(MARIADB,)))
    ours = time.perf_counter() - begun
    legacy.dispose()
    view.dispose()
    columns = ", ".join(COLUMNS)
    query = [
        "mariadb",
        "--no-defaults",
        "-h",
        other.host,
        "-P",
        str(other.port),
        "-u",
        "root",
        "--quick",
        "-N",
        "bench",
    ]
    query += ["-e", f"SELECT {columns} FROM legacy WHERE id <= {MARIADB} ORDER BY id"]
    return ours, _seconds([query, _psql(server, "view_10", f"WHERE id <= {MARIADB}")])


def _peak(server: Server, differences: int | None) -> float:
    """MiB that a process of its own takes at most."""
    told = "" if differences is None else str(differences)
    command = [
        sys.executable,
        "-m",
        "bench.reconcile_peak",
        f"postgresql+psycopg://dragoman@{server.at}/postgres",
        told,
    ]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _reladiff(server: Server, folder: Path) -> dict[int, float]:
    release, asked = RELADIFF
    home = folder / "reladiff"
    venv.create(home, with_pip=True)
    install = [str(home / "bin" / "pip"), "install", "--quiet", release]
    subprocess.run(install, check=True, stdout=sys.stderr)
    url = f"postgresql://dragoman@{server.at}/postgres"
    # Its default sorts what it found, which fails on NULL; `-c %` compares all columns.
    options = ["-k", "id", "-c", "%", "--skip-sort-results", "--limit", str(2 * ROWS)]
    return {
        n: round(_seconds([[str(home / "bin" / "reladiff"), url, "legacy", url, f"view_{n}", *options]]), 2)
        for n in asked
    }
