"""Every type that a real connector was recorded with: a row read from the database is the row that the feed has of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import psycopg
import pymysql
import pytest
from sqlalchemy import column, create_engine, select, table

from connectors.debezium.decode import Decoder
from dragoman.stack.server import Server
from reconcile.legacy_rows import row_reader
from reconcile.moments import mariadb_moment, postgres_moment
from tests.capabilities import require
from tests.connectors.debezium.captures import capture, mariadb_schema, schema
from translators.change import Change
from translators.schema import LegacySchema
from translators.values import OutOfRange, Row

MARIADB_DDL = """
CREATE TABLE t (id int primary key, ti tinyint, ti1 tinyint(1), b bool, su smallint unsigned, iu int unsigned,
 bu bigint unsigned, f float, f10 float(10,2), dd double, de decimal(10,2), de65 decimal(65,30), d date, t0 time, t6 time(6),
 dt datetime, dt6 datetime(6), ts timestamp null, ts6 timestamp(6) null, y year, c char(5), vc varchar(20), tx text,
 bin5 binary(5), vb varbinary(10), bl blob, en enum('a','b,c'), st set('x','y','z'), bit1 bit(1), bit10 bit(10), js json,
 pt point, g geometry, cc varchar(10) character set latin1)
"""
MARIADB_ROW = """
INSERT INTO t VALUES (1, -1, 2, true, 65535, 4294967295, 18446744073709551615, 1.1, 1.10, 1.1, -12.50,
 12345678901234567890123456789012345.123456789012345678901234567890, '2020-01-02', '-12:34:56', '25:01:02.345678',
 '2020-01-02 03:04:05', '2020-01-02 03:04:05.678901', '2020-01-02 03:04:05', '2020-01-02 03:04:05.678901', 2020, 'ab', 'vc',
 'tx', x'0102', x'00ff', x'dead', 'b,c', 'x,z', b'1', b'1000000011', '{"a":1.10, "b":[1,null]}', NULL, NULL, 'é')
"""
POSTGRES_ROWS = """
INSERT INTO t (id, b, i2, i4, i8, f4, f8, n, n52, n30, c3, vc, tx, by, u, d, t3, t6, ts0, ts3, ts6, tstz, j, jb, bit1, bit9,
 mac, nm, ia, ta, na) VALUES (1, true, -5, 70000, 9007199254740993, 1.5, 0.1, 12345678901234567890.123456789, -1.50, 123, 'ab',
 'x', 'y', '\\xdeadbeef', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '2020-01-02', '12:34:56.789', '12:34:56.789012',
 '2020-01-02 03:04:05', '2020-01-02 03:04:05.678', '2020-01-02 03:04:05.678901', '2020-01-02 03:04:05.678901+02',
 '{"a": 1.10,  "b":null}', '{"a": 1.10,  "b":null}', B'1', B'101010101', '08:00:2b:01:02:03', 'nm', '{1,NULL,3}',
 '{a,NULL,"b,c"}', '{1.50,2.25}');
INSERT INTO t (id, n, f8, f4, d, ts6, tstz, i8) VALUES
 (2, 'NaN', 'NaN', 'Infinity', 'infinity', 'infinity', '-infinity', 9223372036854775807);
INSERT INTO t (id, d, ts6, tstz, n, n52) VALUES
 (3, '0044-03-15 BC', '0044-03-15 BC 12:00', '294276-12-31 23:59:59+00', 0, 0.00);
INSERT INTO t (id, by, n52) VALUES (4, '', -128.00);
"""


def fed(name: str, legacy: LegacySchema) -> dict[str, Row]:
    """The rows of `t` as the recorded feed first has each of them."""
    decoder, found = Decoder(legacy), dict[str, Row]()
    for record in capture(name):
        change = decoder.decode(record.topic, record.partition, 0, record.key, record.value, record.headers)
        if isinstance(change, Change) and change.table == "t" and change.op in ("r", "c") and change.after:
            found.setdefault(change.row_key, change.after)
    return found


def plain(value: Any) -> Any:
    """What there is no room for has a text of its own on each way, and is refused on both."""
    return OutOfRange if isinstance(value, OutOfRange) else value


def differing(rows: Mapping[str, Row], fed: Mapping[str, Row]) -> dict[tuple[str, str], Any]:
    return {
        (key, name): (value, fed[key][name])
        for key, row in rows.items()
        for name, value in row.items()
        if plain(value) != plain(fed[key][name]) or type(value) is not type(fed[key][name])
    }


@pytest.mark.parametrize("driver", ["pymysql", "mysqldb"])
def test_mariadb(
    mariadb: pymysql.connections.Connection[Any], mariadb_server: Server, unused_name: str, driver: str
) -> None:
    if driver == "mysqldb":
        require("mysqlclient, or what it is built with")
    legacy = mariadb_schema()
    with mariadb.cursor() as cursor:
        for statement in (
            f"CREATE DATABASE {unused_name}",
            f"USE {unused_name}",
            "SET time_zone = '+02:00'",
            MARIADB_DDL,
            MARIADB_ROW,
        ):
            cursor.execute(statement)
    engine = create_engine(f"mariadb+{driver}://root@{mariadb_server.at}/{unused_name}")
    declared = legacy.tables["t"]
    reader = row_reader("t", declared, legacy)
    with mariadb_moment(engine, 2) as moment:
        for connection in moment.connections:
            (values,) = connection.execute(select(*map(reader.selected, declared.columns)).select_from(table("t")))
    engine.dispose()
    row = reader.row(dict(zip(declared.columns, values, strict=True)))
    assert set(differing({"1": row}, fed("v_mar", legacy))) == {("1", "pt"), ("1", "g")}, "no geometry was inserted"


def test_postgres(postgres: psycopg.Connection, postgres_server: Server, unused_name: str) -> None:
    legacy = schema("pg1")
    postgres.execute(f"CREATE DATABASE {unused_name}".encode())
    engine = create_engine(f"postgresql+psycopg://dragoman@{postgres_server.at}/{unused_name}")
    whole = legacy.tables["t"]
    names = POSTGRES_ROWS.partition("(")[2].partition(")")[0].replace("\n", " ").replace(" ", "").split(",")
    declared = msgspec.structs.replace(
        whole, columns={n: whole.columns[n] for n in names}, native={n: whole.native[n] for n in names}
    )
    with engine.begin() as connection:
        columns = ", ".join(f'"{name}" {declared.native[name]}' for name in names)
        connection.exec_driver_sql(f"CREATE TABLE t ({columns})")
        connection.exec_driver_sql("SET TIME ZONE 'UTC'")
        connection.exec_driver_sql(POSTGRES_ROWS)
    reader = row_reader("t", declared, legacy)
    with postgres_moment(engine, 2) as moment:
        (connection,) = moment.connections
        selected = select(*map(reader.selected, names)).select_from(table("t")).order_by(column("id"))
        found = [dict(zip(names, values, strict=True)) for values in connection.execute(selected)]
    engine.dispose()
    rows = {str(raw["id"]): reader.row(raw) for raw in found}
    assert set(differing(rows, fed("pg1", legacy))) == {("2", "n")}, "that connector sent a null for NaN"
