"""The insurer's legacy in PostgreSQL: the same rows as in SQLite from one seed, and several programs at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dragoman.example import make_folder
from dragoman.project import Project
from dragoman.settings import read_settings
from dragoman.stack.server import Server
from examples.insurer.legacy import postgres
from examples.insurer.legacy.generator import UNKNOWN_STATUS, Application, steady_clock
from tests.dragoman.support import succeeds
from tests.examples.support import a_legacy, yaml
from tests.examples.test_generator import TABLES

KINDS = {
    "character": "char({length})",
    "character varying": "varchar({length})",
    "numeric": "decimal({precision},{scale})",
    "timestamp with time zone": "timestamptz",
}


@pytest.fixture
def database(postgres_server: Server, unused_name: str) -> Iterator[str]:
    """How to connect to a database of one's own."""
    at = f"host={postgres_server.host} port={postgres_server.port} user=dragoman"
    with psycopg.connect(f"{at} dbname=postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {unused_name}".encode())
        yield f"{at} dbname={unused_name}"
        connection.execute(f"DROP DATABASE {unused_name} WITH (FORCE)".encode())


def ask(database: str, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    with psycopg.connect(database) as connection:
        return connection.execute(sql.encode()).fetchall()


def test_one_seed_gives_the_same_rows_in_both_databases(database: str, tmp_path: Path) -> None:
    in_sqlite, application = a_legacy(tmp_path / "legacy.db", 5)
    assert postgres.load(database, 5, 60, 25)
    assert not postgres.load(database, 5, 60, 25)
    clock = steady_clock(datetime(2026, 3, 2, 7, 30, tzinfo=UTC), timedelta(seconds=41))
    with postgres.Postgres(database) as legacy:
        there = Application(legacy, 6, clock)
        for one in (application, there):
            one.run(300)
            one.unmapped_code(2)
            one.nightly_job()
            one.run(100)
    for table in (name for name in TABLES if name != "txlog"):
        assert texts(ask(database, f"SELECT * FROM {table}")) == texts(in_sqlite.execute(f"SELECT * FROM {table}"))
    (there_marked,), (here_marked,) = ask(database, "SELECT count(*) FROM txlog"), counted(in_sqlite)
    assert there_marked == here_marked
    in_sqlite.close()


def counted(legacy: sqlite3.Connection) -> list[tuple[Any, ...]]:
    return legacy.execute("SELECT count(*) FROM txlog").fetchall()


def texts(rows: Any) -> list[list[str]]:
    return sorted([str(value) for value in row] for row in rows)


def test_the_tables_are_what_the_schema_says(database: str) -> None:
    postgres.load(database, 5, 20, 5)
    sql = (
        "SELECT table_name, column_name, data_type, character_maximum_length, numeric_precision, numeric_scale,"
        " is_nullable FROM information_schema.columns WHERE table_schema = 'public' ORDER BY ordinal_position"
    )
    found: dict[str, dict[str, str]] = {}
    for table, column, kind, length, precision, scale, nullable in ask(database, sql):
        told = KINDS.get(kind, kind).format(length=length, precision=precision, scale=scale)
        found.setdefault(table, {})[column] = told + ("" if nullable == "YES" else " not null")
    for name, declared in yaml("schema.yaml")["tables"].items():
        assert found[name] == declared["columns"], name
    published = {table for (table,) in ask(database, "SELECT tablename FROM pg_publication_tables")}
    assert published == {"polmst", "covdtl", "clmhdr", "clmlin", "clmpay", "dragoman_signal", "dragoman_heartbeat"}


def test_programs_work_at_once_and_the_invariants_hold(database: str) -> None:
    postgres.load(database, 7, 60, 25)
    done = postgres.work(database, 8, 400, programs=4)
    assert done.total() == 400
    statuses = {status for (status,) in ask(database, "SELECT DISTINCT trim(pol_sts) FROM polmst")}
    assert statuses >= {"Q", "A", "C", UNKNOWN_STATUS}
    share = "sum(cov_prm) * (10000 - coalesce(dsc_pct, 0) * 100)::int / 10000"
    for sql in (
        f"SELECT pol_no FROM polmst JOIN covdtl USING (pol_no) GROUP BY pol_no HAVING prem_amt <> {share}",
        "SELECT clm_no FROM clmhdr WHERE (clm_sts IN ('RJ', 'ST')) <> (cls_dt <> '00000000')",
        "SELECT clm_no FROM clmhdr h WHERE clm_sts = 'ST'"
        " AND set_amt <> (SELECT coalesce(sum(acc_amt), 0) FROM clmlin l WHERE l.clm_no = h.clm_no)",
        "SELECT pol_no FROM polmst WHERE pol_no LIKE 'P9999%'",
    ):
        assert ask(database, sql) == []
    assert ask(database, "SELECT count(*) FROM txlog WHERE trn_cd = 'RCLC'") == [(1,)]


def test_the_variant_is_a_project_that_lints_and_whose_connector_can_be_declared(tmp_path: Path) -> None:
    folder = tmp_path / "insurer"
    make_folder(folder, "postgres")
    assert succeeds("lint", cwd=folder).out
    settings = {one["setting"]: one["value"] for one in succeeds("connectors", "explain", "--json", cwd=folder).lines}
    assert settings["database.password"] == "${env:LEGACY_PASSWORD}"
    assert settings["table.include.list"].count(",") == 4
    project = Project(read_settings(folder, {}))
    assert (project.schema.connector, project.schema.namespace) == ("postgresql", "public")
