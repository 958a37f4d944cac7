"""A view compared with what a mapping says of three tables, and what bare COPYs of these and of the view take in the same run.

A part of `make bench-reconcile`. Two PostgreSQLs are started, so that what the legacy pays for is told apart from what the
view does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psycopg

from bench.mapped_peak import ORDERS, VIEW
from dragoman.stack import parts
from dragoman.stack.server import Server, shared

ROUNDS = 3

_LEGACY = f"""
CREATE TABLE orders (id bigint PRIMARY KEY, customer int NOT NULL, sts char(2) NOT NULL, note text, amt int NOT NULL,
  placed date, extra text);
CREATE TABLE line (order_id bigint NOT NULL, seq int NOT NULL, item varchar(12) NOT NULL, qty int NOT NULL,
  price numeric(9,2) NOT NULL, PRIMARY KEY (order_id, seq));
CREATE TABLE payment (order_id bigint NOT NULL, seq int NOT NULL, amt numeric(9,2), PRIMARY KEY (order_id, seq));
INSERT INTO orders SELECT i, i * 7919 % 50000, (ARRAY['N', 'P', 'S', 'D'])[1 + i % 4],
  CASE WHEN i % 3 > 0 THEN 'note number ' || i END, i * 37 % 100000, DATE '2020-01-01' + (i % 2000)::int, repeat('x', 40)
  FROM generate_series(1, {ORDERS}::bigint) AS i;
INSERT INTO line SELECT i, s, 'ITEM-' || (i * s) % 9999, 1 + (i + s) % 7, (i * s * 13 % 50000) / 100.0
  FROM generate_series(1, {ORDERS}::bigint) AS i, generate_series(1, 2) AS s WHERE s = 1 OR i % 2 = 0;
INSERT INTO payment SELECT i, 1, (i % 5000) / 100.0 FROM generate_series(1, {ORDERS}::bigint) AS i WHERE i % 2 = 1;
"""
_ANALYSE = "VACUUM ANALYZE"
_SHOWN = f"""
INSERT INTO order_view
  (id, status, note, amount, placed, items, pieces, paid, _key, _version, _applied_time, _event_id, _row_hash)
SELECT i, (ARRAY['new', 'paid', 'sent', 'done'])[1 + i % 4], CASE WHEN i % 3 > 0 THEN 'note number ' || i END,
  (i * 37 % 100000) / 100.0, DATE '2020-01-01' + (i % 2000)::int, CASE WHEN i % 2 = 0 THEN 2 ELSE 1 END,
  1 + (i + 1) % 7 + CASE WHEN i % 2 = 0 THEN 1 + (i + 2) % 7 ELSE 0 END,
  CASE WHEN i % 2 = 1 THEN (i % 5000) / 100.0 ELSE 0 END, i::text, '1', now(), 'e', 'h'
FROM generate_series(1, {ORDERS}::bigint) AS i;
UPDATE order_view SET amount = amount + 1 WHERE id IN (SELECT i * {ORDERS // 8} FROM generate_series(1, 8) AS i);
"""
_COPY = "COPY (SELECT * FROM {name} ORDER BY {key}) TO STDOUT"


@dataclass
class Result:
    """Medians of `aggregates` mapped from `rows` raw rows, of which `found` differ.

    `seconds` of wall time, `times` as a multiple of four `psql` that write the tables and the view side by side into nothing,
    in order, in the same round; `legacy_seconds` are the legacy server's CPU for a million aggregates, `bare_seconds` those of
    the bare COPYs. `mebibytes` is the peak of a process of its own.
    """

    aggregates: int
    rows: int
    found: int
    seconds: float
    times: float
    legacy_seconds: float
    bare_seconds: float
    mebibytes: float

    def said(self) -> str:
        """A line of the report."""
        return (
            f"mapped stream      {self.aggregates:,} aggregates of {self.rows:,} rows in three tables: {self.seconds:.2f} s "
            f"({self.times:.2f} x), {self.mebibytes:.0f} MiB; legacy {self.legacy_seconds:.2f} core-s per million "
            f"(bare COPYs {self.bare_seconds:.2f})"
        )


def run() -> Result:
    """Fill both servers, then compare and copy by turns."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with shared(parts.postgres(), folder / "legacy") as legacy, shared(parts.postgres(), folder / "views") as views:
            rows = _fill(legacy, views)
            measured = [_round(legacy, views) for _ in range(ROUNDS)]
    of = [median(values) for values in zip(*measured, strict=True)]
    return Result(
        aggregates=ORDERS,
        rows=rows,
        found=int(of[4]),
        seconds=round(of[0], 3),
        times=round(median(ours / bare for ours, bare, *_ in measured), 3),
        legacy_seconds=round(of[2] * 1e6 / ORDERS, 3),
        bare_seconds=round(of[3] * 1e6 / ORDERS, 3),
        mebibytes=round(max(each[5] for each in measured), 1),
    )


def _fill(legacy: Server, views: Server) -> int:
    with _connected(legacy) as to:
        to.execute(_LEGACY)
        to.execute(_ANALYSE)
        found = to.execute("SELECT sum(n_live_tup)::int FROM pg_stat_user_tables").fetchone()
    command = [sys.executable, "-m", "bench.mapped_peak", "make", _url(views)]
    subprocess.run(command, check=True)
    with _connected(views) as to:
        to.execute(_SHOWN)
        to.execute(_ANALYSE)
    return int(found[0]) if found else 0


def _connected(server: Server) -> psycopg.Connection:
    return psycopg.connect(host=server.host, port=server.port, user="dragoman", dbname="postgres", autocommit=True)


def _url(server: Server) -> str:
    return f"postgresql+psycopg://dragoman@{server.at}/postgres"


def _round(legacy: Server, views: Server) -> tuple[float, float, float, float, int, float]:
    """Seconds of ours and bare, the legacy's CPU of both, keys that differ, MiB."""
    before = _cpu(legacy)
    told = subprocess.run(
        [sys.executable, "-m", "bench.mapped_peak", "compare", _url(legacy), _url(views)],
        check=True,
        capture_output=True,
        text=True,
    )
    found = json.loads(told.stdout)
    between = _cpu(legacy)
    bare = _bare(legacy, views)
    return found["seconds"], bare, between - before, _cpu(legacy) - between, found["differing"], found["mebibytes"]


def _bare(legacy: Server, views: Server) -> float:
    asked = [
        (legacy, "orders", "id"),
        (legacy, "line", "order_id, seq"),
        (legacy, "payment", "order_id, seq"),
        (views, VIEW, "id"),
    ]
    begun = time.perf_counter()
    running = []
    for server, name, key in asked:
        at = ["-h", server.host, "-p", str(server.port), "-U", "dragoman"]
        command = ["psql", "-q", *at, "-c", _COPY.format(name=name, key=key), "postgres"]
        running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
    if any(process.wait() for process in running):
        raise RuntimeError(asked)
    return time.perf_counter() - begun


def _cpu(server: Server) -> float:
    """Seconds that the server's processes which have ended took, and the first one."""
    with _connected(server) as to:
        (said,) = to.execute("SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1)").fetchone() or ("",)
    stat = Path(f"/proc/{said}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, stat[11:15])) / os.sysconf("SC_CLK_TCK")
