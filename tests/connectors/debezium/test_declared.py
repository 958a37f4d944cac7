"""What schema.yaml says of a column: the language's type, and how the connector writes it, for each database's words."""

from __future__ import annotations

import pytest

from connectors.debezium.wire import BITS, DECIMAL, ENUM, SET, UNSIGNED, Wire, native_wire
from translators.errors import DragomanError
from translators.schema import Encoding, Type, column_type, members, source_type
from translators.schema_text import read_schema

MYSQL: list[tuple[str, str, Type, Wire]] = [
    # As it is declared, as every source would say it, what it is in the language, and on the wire.
    ("tinyint(4)", "tinyint(4)", Type("integer"), Wire("int16")),
    ("tinyint(1)", "tinyint(1)", Type("integer"), Wire("int16")),
    ("BOOL", "bool", Type("boolean"), Wire("boolean")),
    ("tinyint(3) unsigned", "tinyint unsigned", Type("integer"), Wire("int16")),
    ("smallint unsigned", "smallint unsigned", Type("integer"), Wire("int32")),
    ("mediumint(8)", "mediumint(8)", Type("integer"), Wire("int32")),
    ("int(10) unsigned zerofill", "int unsigned", Type("integer"), Wire("int64")),
    ("int(5) zerofill", "int unsigned", Type("integer"), Wire("int64")),
    ("bigint", "bigint", Type("integer"), Wire("int64")),
    ("bigint(20) unsigned", "bigint unsigned", Type("decimal", 20, 0), Wire("int64", UNSIGNED)),
    ("serial", "bigint unsigned", Type("decimal", 20, 0), Wire("int64", UNSIGNED)),
    ("float", "real", Type("float"), Wire("float")),
    ("float(24)", "real", Type("float"), Wire("float")),
    ("float(53)", "double precision", Type("float"), Wire("double")),
    ("float(10,2)", "double precision", Type("float"), Wire("double")),
    ("double(10,2) unsigned", "double", Type("float"), Wire("double")),
    ("real", "double precision", Type("float"), Wire("double")),
    ("decimal", "decimal(10,0)", Type("decimal", 10, 0), Wire("bytes", DECIMAL)),
    ("numeric(10,2) unsigned", "decimal(10,2)", Type("decimal", 10, 2), Wire("bytes", DECIMAL, scale=2)),
    ("decimal(65,30)", "decimal(65,30)", Type("wide"), Wire("bytes", DECIMAL, scale=30)),
    ("date", "date", Type("date"), Wire("int32", "io.debezium.time.Date")),
    ("time", "time(0)", Type("opaque"), Wire("int64", "io.debezium.time.MicroTime")),
    ("datetime", "timestamp(0)", Type("timestamp"), Wire("int64", "io.debezium.time.Timestamp")),
    ("datetime(6)", "timestamp(6)", Type("timestamp"), Wire("int64", "io.debezium.time.MicroTimestamp")),
    ("timestamp(6)", "timestamptz(6)", Type("timestamptz"), Wire("string", "io.debezium.time.ZonedTimestamp")),
    ("year(4)", "year(4)", Type("integer"), Wire("int32", "io.debezium.time.Year")),
    ("varchar(9) character set latin1 collate latin1_bin", "varchar(9)", Type("text", length=9), Wire("string")),
    ("longtext charset utf8mb4", "longtext", Type("text"), Wire("string")),
    ("enum('a','b,c')", "enum('a','b,c')", Type("text"), Wire("string", ENUM, members=("a", "b,c"))),
    ("set('x', 'It''s')", "set('x', 'It''s')", Type("text"), Wire("string", SET, members=("x", "It's"))),
    ("bit(10)", "bit(10)", Type("opaque"), Wire("bytes", BITS, length=10)),
    ("binary(5)", "binary(5)", Type("opaque"), Wire("bytes")),
    ("mediumblob", "mediumblob", Type("opaque"), Wire("bytes")),
    ("json", "json", Type("opaque"), Wire("string", "io.debezium.data.Json")),
    ("geometry", "geometry", Type("opaque"), Wire("any")),
]
MICRO = Encoding(time="adaptive_time_microseconds")


@pytest.mark.parametrize(("declared", "native", "type_", "wire"), MYSQL)
def test_words_of_mariadb(declared: str, native: str, type_: Type, wire: Wire) -> None:
    assert source_type(f"{declared}  NOT NULL", "mariadb") == source_type(declared, "mysql") == native
    assert (column_type(native), native_wire(native, MICRO)) == (type_, wire)


POSTGRES: list[tuple[str, str, Type]] = [
    ("timestamp(3) with time zone", "timestamptz(3)", Type("timestamptz")),
    ("TIME(0) without time zone", "TIME(0)", Type("opaque")),
    ("timestamp", "timestamp", Type("timestamp")),
    ("float", "float", Type("float")),
    ("numeric", "numeric", Type("wide")),
    ("numeric(5,-2)", "numeric(5,-2)", Type("decimal", 7, 0)),
    ("numeric(38,-2)", "numeric(38,-2)", Type("wide")),
    ("numeric(3,5)", "numeric(3,5)", Type("decimal", 5, 5)),
    ("pg_lsn", "pg_lsn", Type("opaque")),
    ("my_enum_type", "my_enum_type", Type("opaque")),
    ("timestamp(3) with time zone[]", "timestamptz(3)[]", Type("opaque")),
]


@pytest.mark.parametrize(("declared", "native", "type_"), POSTGRES)
def test_words_of_postgresql(declared: str, native: str, type_: Type) -> None:
    assert (source_type(declared), column_type(declared)) == (native, type_)
    assert column_type(f"{declared} NOT NULL").nullable is False


def test_negative_scales_are_those_that_the_connector_writes() -> None:
    assert native_wire("numeric(5,-2)", Encoding()) == Wire("bytes", DECIMAL, scale=2046)


def test_unsigned_numbers_follow_the_connectors_mode() -> None:
    assert native_wire("bigint unsigned", Encoding(bigint_unsigned="precise")) == Wire("bytes", DECIMAL)


def test_members_keep_their_case_and_quotes() -> None:
    assert members("ENUM('A','it''s', 'b,c')") == ("A", "it's", "b,c")
    assert members("enum") == members("varchar(3)") == ()


def test_a_mariadb_schema_begins_with_what_its_connector_does() -> None:
    text = "{source: m, connector: mariadb, namespace: inv, tables: {t: {key: [id], columns: {id: bigint unsigned not null}}}}"
    found = read_schema(text, "s")
    assert (found.connector, found.encoding, found.tables["t"].replica_identity) == ("mariadb", MICRO, "full")
    assert found.tables["t"].columns == {"id": Type("decimal", 20, 0, nullable=False)}
    told = read_schema(text.replace("inv,", "inv, encoding: {time: connect, bigint_unsigned: precise},"), "s")
    assert told.encoding == Encoding(time="connect", bigint_unsigned="precise")
    with pytest.raises(DragomanError) as caught:
        read_schema(text.replace("mariadb", "oracle"), "s")
    assert caught.value.code == "schema.unknown-value"
