"""`dragoman init` against real databases: what it writes, what it leaves alone, and that its project works at once."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from datetime import date
from pathlib import Path

import psycopg
import pymysql
import pytest

from connectors.legacy.reflect import NamespaceUnknown, TablesUnknown
from dragoman.linting import Lint
from dragoman.project import Project
from dragoman.settings import read_settings
from dragoman.stack.server import Server
from dragoman.starting import Begun, FolderTaken, LegacyUnreadable, NothingToMap, begin
from tests.dragoman.support import dragoman, succeeds, write

GOLDEN = Path(__file__).parent / "golden_init"

ERP = """
CREATE TABLE cusmst (cust_no INTEGER PRIMARY KEY, cust_nm VARCHAR(60) NOT NULL, cust_typ CHAR(1) NOT NULL, iban VARCHAR(34),
                     gender VARCHAR(1), crd_lim NUMERIC(11,2), rating REAL);
CREATE TABLE ordhdr (ord_no CHAR(10) PRIMARY KEY NOT NULL, cust_no INTEGER NOT NULL REFERENCES cusmst, ord_sts VARCHAR(10),
                     ord_dt DATE, tot_amt INTEGER NOT NULL, ccy CHAR(3), "group" TEXT, scan BLOB);
CREATE TABLE "order lines" (ord_no CHAR(10) NOT NULL, lin_no SMALLINT NOT NULL, qty DECIMAL(9,3), "unit price" DECIMAL(11,2),
                     PRIMARY KEY (ord_no, lin_no));
CREATE TABLE keyless (a INTEGER);
CREATE TABLE empty (id INTEGER PRIMARY KEY, status CHAR(2));
CREATE VIEW orders AS SELECT * FROM ordhdr;
INSERT INTO cusmst VALUES (1, 'Ann Secret', 'P', 'DE001', 'f', 100.5, 1.5), (2, 'Bob', 'C', NULL, 'm', NULL, NULL);
INSERT INTO ordhdr VALUES ('O1', 1, 'open', '2026-01-02', 1000, 'EUR', 'g', NULL),
  ('O2', 1, 'shipped', NULL, 5, 'EUR', NULL, NULL);
INSERT INTO "order lines" VALUES ('O1', 1, 1.5, 2), ('O1', 2, 2, 3.25);
"""


def _lint(folder: Path) -> list[str]:
    lint = Lint(Project(read_settings(folder, {})), date(2026, 3, 2))
    lint.run()
    return [f"{one.where} {one.code} {one.message}" for one in lint.findings]


@pytest.fixture
def erp(tmp_path: Path) -> Path:
    path = tmp_path / "erp.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(ERP)
    return path


def test_a_project_of_sqlite_has_no_finding_and_the_database_is_as_it_was(erp: Path, tmp_path: Path) -> None:
    """That it runs, and that its check is clean, shows docs/start-from-your-database.md, whose commands are run."""
    before = erp.read_bytes()
    told = succeeds("init", "erp.db", "shop", cwd=tmp_path)
    assert erp.read_bytes() == before
    assert "keyless  it has no primary key" in told.out
    assert "orders  a view" in told.out
    assert _lint(tmp_path / "shop") == []


def test_what_is_written_for_sqlite(erp: Path, tmp_path: Path) -> None:
    begun = begin(str(erp), tmp_path / "shop", {}, namespace=None, tables=())
    for name in (
        "schema.yaml",
        "sources/legacy.yaml",
        "mappings/order.yaml",
        "contracts/customer.py",
        "consumers/order_view.yaml",
    ):
        written = (tmp_path / "shop" / name).read_text(encoding="utf-8")
        golden = GOLDEN / name.replace("/", "-").replace(".py", ".py.txt")
        assert written == golden.read_text(encoding="utf-8"), name
    assert set(begun.left_out) == {"keyless", "orders"}


def test_values_of_what_looks_classified_stand_nowhere(erp: Path, tmp_path: Path) -> None:
    begun = begin(str(erp), tmp_path / "shop", {}, namespace=None, tables=())
    told = "\n".join((tmp_path / "shop" / name).read_text(encoding="utf-8") for name in begun.files)
    assert "Ann Secret" not in told
    assert "DE001" not in told
    customer = (tmp_path / "shop" / "contracts" / "customer.py").read_text(encoding="utf-8")
    assert "gender: Annotated" in customer
    assert customer.count("= personal()") == 3


def test_no_event_is_made_and_candidates_are_comments(erp: Path, tmp_path: Path) -> None:
    begin(str(erp), tmp_path / "shop", {}, namespace=None, tables=())
    mapping = (tmp_path / "shop" / "mappings" / "order.yaml").read_text(encoding="utf-8")
    assert "#   - type: OrderShipped.v1\n#     when: OLD.orderStatus IS DISTINCT FROM 'shipped'" in mapping
    assert not any(line.startswith("events") for line in mapping.splitlines())
    assert Project(read_settings(tmp_path / "shop", {})).bound("order").events == ()


def test_nothing_is_written_over(erp: Path, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    write(tmp_path / "shop" / "mine.txt", "mine")
    with pytest.raises(FolderTaken):
        begin(str(erp), tmp_path / "shop", {}, namespace=None, tables=())
    assert [path.name for path in (tmp_path / "shop").iterdir()] == ["mine.txt"]


def test_what_cannot_be_begun_says_why_and_writes_nothing(erp: Path, tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    with pytest.raises(LegacyUnreadable, match="no file"):
        begin(str(tmp_path / "other.db"), shop, {}, namespace=None, tables=())
    with pytest.raises(TablesUnknown, match="ORDHDR"):
        begin(str(erp), shop, {}, namespace=None, tables=("ORDHDR",))
    with pytest.raises(NothingToMap, match="keyless: it has no primary key"):
        begin(str(erp), shop, {}, namespace=None, tables=("keyless",))
    unreachable = dragoman("init", "postgresql://me:hidden@127.0.0.1:1/db", "shop", cwd=tmp_path)
    assert unreachable.code == 2
    assert "hidden" not in unreachable.out + unreachable.err
    assert not shop.exists()


def test_tables_are_chosen_by_name(erp: Path, tmp_path: Path) -> None:
    told = succeeds("init", "erp.db", "shop", "--table", "ordhdr", "--json", cwd=tmp_path).lines[0]
    assert told["translators"] == {"order": ["ordhdr"]}
    assert told["left_out"]["cusmst"] == "not among those that were named"


POSTGRES = """
CREATE SCHEMA {schema};
SET search_path TO {schema};
CREATE TYPE mood AS ENUM ('ok', 'not; ok');
CREATE DOMAIN money2 AS numeric(11,2);
CREATE TYPE pair AS (a int, b int);
CREATE TABLE orders (id bigint PRIMARY KEY, status varchar(12) NOT NULL, total money2, mood mood, at timestamptz, tags text[],
  doc jsonb, "Mixed Case" text COLLATE "C", pair pair, twice bigint GENERATED ALWAYS AS (id * 2) STORED, password text);
CREATE TABLE order_lines (order_id bigint NOT NULL REFERENCES orders, line_no int NOT NULL, qty numeric,
  PRIMARY KEY (order_id, line_no));
CREATE TABLE "select" ("from" int, "to" char(3), "Größe" real, PRIMARY KEY ("from", "to"));
CREATE TABLE prices (id int NOT NULL, day date NOT NULL, price numeric(9,2), PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE prices_2026 PARTITION OF prices FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE keyless (a int);
CREATE TABLE hashes (h bytea PRIMARY KEY);
CREATE UNLOGGED TABLE cache (id int PRIMARY KEY);
CREATE VIEW shown AS SELECT * FROM orders;
CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM orders;
INSERT INTO orders (id, status, password) VALUES (1, 'open', 'hunter2'), (2, 'shipped', 'hunter2');
RESET search_path;
CREATE ROLE {schema}_reader LOGIN PASSWORD 'tell nobody';
GRANT USAGE ON SCHEMA {schema} TO {schema}_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {schema}_reader;
"""


@pytest.fixture(scope="module")
def of_postgres(
    postgres_server: Server, postgres: psycopg.Connection, tmp_path_factory: pytest.TempPathFactory
) -> Begun:
    """A project made by a user who may only read."""
    schema = f"init_{uuid.uuid4().hex[:8]}"
    postgres.execute(POSTGRES.format(schema=schema).encode())
    url = f"postgresql://{schema}_reader@{postgres_server.host}:{postgres_server.port}/postgres"
    folder = tmp_path_factory.mktemp("postgres") / "shop"
    try:
        return begin(url, folder, {"LEGACY_PASSWORD": "tell nobody"}, namespace=schema, tables=())
    finally:
        postgres.execute(f"DROP SCHEMA {schema} CASCADE; DROP ROLE {schema}_reader".encode())


def test_a_project_of_postgresql_has_no_finding(of_postgres: Begun) -> None:
    assert _lint(of_postgres.folder) == []
    told = {thing.name: [thing.table, *(part.table for part in thing.parts)] for thing in of_postgres.guess.things}
    assert told == {"order": ["orders", "order_lines"], "select": ["select"], "price": ["prices"]}
    texts = [(of_postgres.folder / name).read_text(encoding="utf-8") for name in of_postgres.files]
    assert not any("tell nobody" in text or "hunter2" in text for text in texts)


def test_what_postgresql_cannot_send_is_left_out_with_its_reason(of_postgres: Begun) -> None:
    assert {name: reason.split(":")[0] for name, reason in of_postgres.left_out.items()} == {
        "cache": "unlogged",
        "counted": "a materialized view",
        "hashes": "its key has h, a bytea",
        "keyless": "it has no primary key",
        "prices_2026": "a partition",
        "shown": "a view",
    }
    schema = (of_postgres.folder / "schema.yaml").read_text(encoding="utf-8")
    assert '"Mixed Case": text    # collation C' in schema
    assert "# twice is computed by the database" in schema
    assert "# pair has the type" in schema
    assert "total: numeric(11,2)" in schema
    assert "mood: \"enum('ok','not; ok')\"" in schema
    source = Project(read_settings(of_postgres.folder, {})).source
    assert {feed.name: dict(feed.tables) for feed in source.feeds}["order"] == {
        "orders": ("id",),
        "order_lines": ("order_id",),
    }
    assert source.capture is not None


def test_a_schema_that_is_not_there_is_said(postgres_server: Server, tmp_path: Path) -> None:
    url = f"postgresql://dragoman@{postgres_server.host}:{postgres_server.port}/postgres"
    with pytest.raises(NamespaceUnknown, match="nowhere"):
        begin(url, tmp_path / "shop", {}, namespace="nowhere", tables=())


MARIADB = """
CREATE DATABASE init_odd CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci;
CREATE TABLE init_odd.ordhdr (ord_no CHAR(10) PRIMARY KEY, sts ENUM('open','on hold'), flags SET('a','b'), amt DECIMAL(11,2),
  big BIGINT UNSIGNED, yr YEAR, at TIMESTAMP NULL, seen DATETIME(3), ok TINYINT(1), bits BIT(1), doc JSON, pic BLOB,
  txt VARCHAR(9) CHARACTER SET latin1 COLLATE latin1_bin, twice INT AS (1 + 1) VIRTUAL, ratio FLOAT);
CREATE TABLE init_odd.ordlin (ord_no CHAR(10), lin_no INT UNSIGNED, `unit price` DECIMAL(11,2), PRIMARY KEY (ord_no, lin_no));
CREATE TABLE init_odd.`Order` (`key` INT PRIMARY KEY, `select` VARCHAR(3));
CREATE TABLE init_odd.keyless (a INT);
CREATE SEQUENCE init_odd.counted;
CREATE VIEW init_odd.shown AS SELECT * FROM init_odd.ordhdr;
INSERT INTO init_odd.`Order` VALUES (1, 'A'), (2, 'B');
CREATE USER init_reader IDENTIFIED BY 'tell nobody';
GRANT SELECT ON init_odd.* TO init_reader;
"""


def test_a_project_of_mariadb_has_no_finding(
    mariadb_server: Server, mariadb: pymysql.connections.Connection[pymysql.cursors.Cursor], tmp_path: Path
) -> None:
    with mariadb.cursor() as cursor:
        for statement in MARIADB.strip().split(";\n"):
            cursor.execute(statement)
        try:
            url = f"mariadb://init_reader@{mariadb_server.host}:{mariadb_server.port}/init_odd"
            begun = begin(url, tmp_path / "shop", {"LEGACY_PASSWORD": "tell nobody"}, namespace=None, tables=())
        finally:
            cursor.execute("DROP DATABASE init_odd")
            cursor.execute("DROP USER init_reader")
    assert _lint(begun.folder) == []
    told = {thing.name: [thing.table, *(part.table for part in thing.parts)] for thing in begun.guess.things}
    assert told == {"order": ["Order"], "order2": ["ordhdr", "ordlin"]}
    assert set(begun.left_out) == {"keyless", "counted", "shown"}
    schema = (begun.folder / "schema.yaml").read_text(encoding="utf-8")
    assert "txt: varchar(9)    # collation latin1_bin" in schema
    assert "# twice is computed by the database" in schema
