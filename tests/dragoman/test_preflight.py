"""`dragoman doctor` over a legacy database that is live: what is printed mends it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from dragoman.stack.server import Server
from tests.dragoman.support import dragoman, make_shop, replace, write
from tests.dragoman.test_connectors import SOURCE

TABLES = (
    "CREATE TABLE orders (o_id bigint PRIMARY KEY, o_c_id int NOT NULL, o_entry_d timestamptz, o_carrier_id smallint,"
    " o_sts char(1), o_rmk text)",
    "CREATE TABLE order_line (ol_o_id bigint, ol_number smallint, ol_i_id int, ol_quantity numeric(5,0),"
    " ol_amount numeric(8,2), ol_delivery_d timestamp(3), PRIMARY KEY (ol_o_id, ol_number))",
)


@pytest.fixture
def shop(postgres_server: Server, unused_name: str, tmp_path: Path) -> Iterator[tuple[Path, str, psycopg.Connection]]:
    """A project, its URL, and a connection of who owns the database."""
    at = f"host={postgres_server.host} port={postgres_server.port} user=dragoman"
    folder = make_shop(tmp_path / "shop")
    source = SOURCE.replace("capture:\n", "database: ${LEGACY_URL}\ncapture:\n")
    source = source.replace("user: dragoman", f"user: {unused_name}").replace(
        "bootstrap: broker-1:9092", "bootstrap: 127.0.0.1:1"
    )
    source = source.replace("slot: dragoman", f"slot: {unused_name}").replace(
        "UPDATE heartbeat SET at = now()", "SELECT 1"
    )
    write(folder / "sources" / "shop.yaml", source)
    with psycopg.connect(f"{at} dbname=postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {unused_name}".encode())
        with psycopg.connect(f"{at} dbname={unused_name}", autocommit=True) as owner:
            for statement in TABLES:
                owner.execute(statement.encode())
            yield folder, f"postgresql+psycopg://dragoman@{postgres_server.at}/{unused_name}", owner
        admin.execute(f"DROP DATABASE {unused_name} WITH (FORCE)".encode())
        admin.execute(f"DROP ROLE IF EXISTS {unused_name}".encode())


def found(shop: Path, url: str) -> dict[str, str]:
    lines = dragoman("doctor", "--legacy", "--json", cwd=shop, LEGACY_URL=url).lines
    return {one["code"]: one["severity"] for one in lines if one["what"] == "legacy database"}


def test_the_script_that_is_printed_mends_the_database(shop: tuple[Path, str, psycopg.Connection]) -> None:
    folder, url, owner = shop
    before = found(folder, url)
    wanted = {"postgres.role-missing", "postgres.publication-missing", "postgres.identity-differs"}
    assert wanted | {"postgres.signal-table-missing"} <= set(before)
    text = " ".join(dragoman("doctor", "--legacy", cwd=folder, LEGACY_URL=url).out.split())
    assert "ALTER TABLE public.order_line REPLICA IDENTITY FULL;" in text
    script = dragoman("doctor", "--sql", cwd=folder, LEGACY_URL=url).out
    # What concerns the whole server, which other tests share, stays as it is.
    for statement in (
        line for line in script.splitlines() if line and not line.startswith("--") and "SYSTEM" not in line
    ):
        owner.execute(statement.encode())
    after = found(folder, url)
    assert {code for code, severity in after.items() if severity == "error"} == set()
    assert "postgres.identity-full" in after


def test_a_database_that_cannot_be_reached_is_said_and_its_password_is_not(tmp_path: Path) -> None:
    folder = make_shop(tmp_path / "shop")
    source = SOURCE.replace("bootstrap: broker-1:9092", "bootstrap: 127.0.0.1:1")
    write(folder / "sources" / "shop.yaml", source)
    (one,) = [
        one for one in dragoman("doctor", "--legacy", "--json", cwd=folder).lines if one["what"] == "legacy database"
    ]
    assert (one["severity"], one["code"]) == ("info", "legacy.not-looked-at")
    replace(folder / "sources" / "shop.yaml", "capture:\n", "database: ${LEGACY_URL}\ncapture:\n")
    told = dragoman("doctor", "--legacy", cwd=folder, LEGACY_URL="postgresql+psycopg://me:hunter2@127.0.0.1:1/erp")
    assert "legacy.unreachable" in told.out
    assert "hunter2" not in told.out + told.err
