"""What the statements of setup.sql and changes.sql put into table t, written by hand from these statements."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

from translators.values import Opaque, OutOfRange, Row, Value


def blob(text: str) -> Opaque:
    """Bytes that hold this text, as PostgreSQL prints bytea."""
    return Opaque(rf"\x{text.encode().hex()}")


WALL = datetime(2020, 1, 2, 3, 4, 5)  # noqa: DTZ001

ROW_1: Row = {
    "id": 1,
    "b": True,
    "i2": -5,
    "i4": 70000,
    "i8": 9007199254740993,
    "f4": 1.5,
    "f8": 0.1,
    "n": Decimal("12345678901234567890.123456789"),
    "n52": Decimal("-1.50"),
    "n30": Decimal("123"),
    "nneg": Decimal("12300"),
    "m": Decimal("1234.56"),
    "c3": "ab ",
    "vc": "x",
    "tx": "y",
    "by": Opaque(r"\xdeadbeef"),
    "u": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    "d": date(2020, 1, 2),
    "t0": Opaque("24:00:00"),
    "t3": Opaque("12:34:56.789"),
    "t6": Opaque("12:34:56.789012"),
    "ttz": Opaque("10:34:56.789012Z"),
    "ts0": WALL,
    "ts3": WALL.replace(microsecond=678000),
    "ts6": WALL.replace(microsecond=678901),
    "tstz": datetime(2020, 1, 2, 1, 4, 5, 678901, tzinfo=UTC),
    # 1 year of 365.25 days, 2 months of 30.4375 days, 3 days, 4:05:06.5
    "iv": Opaque("PT37091106.5S"),
    "j": Opaque('{"a": 1.10,  "b":null}'),
    "jb": Opaque('{"a": 1.10, "b": null}'),
    "x": Opaque("<a>1</a>"),
    "bit1": True,
    "bit9": Opaque("101010101"),
    "vb": Opaque("00000000000000010101"),
    "inet": "10.1.2.3/8",
    "cidr": "10.0.0.0/8",
    "mac": "08:00:2b:01:02:03",
    "mac8": "08:00:2b:01:02:03:04:05",
    "pt": Opaque('{"srid":null,"wkb":"AQEAAAAAAAAAAAD4PwAAAAAAAARA","x":1.5,"y":2.5}'),
    "ln": blob("{1.0,2.0,3.0}"),
    "bx": blob("(2.0,2.0),(0.0,0.0)"),
    "h": Opaque('{"a":"1","b":null}'),
    "lt": Opaque("a.b.c"),
    "ct": "CiText",
    "mood": "happy",
    "pi": 5,
    "comp": blob("(1,x)"),
    "ia": Opaque("[1,null,3]"),
    "ta": Opaque('["a",null,"b,c"]'),
    "na": Opaque('["1.50","2.25"]'),
    "da": Opaque('["2020-01-02",null]'),
    "tsa": Opaque('["2020-01-02T03:04:05+00:00"]'),
    "moods": Opaque('["sad","ok"]'),
    # The connector loses the elements of arrays of arrays.
    "i2d": Opaque("[null,null]"),
    "i4r": "[1,5)",
    "nr": "(0.5,1.5]",
    "tsr": '["2020-01-01 00:00:00","2020-02-01 00:00:00")',
    "tstzr": '["2020-01-01 00:00:00+00",)',
    "dr": "[2020-01-01,2020-01-06)",
    "mr": blob("{[1,3),[5,7)}"),
    "tsv": Opaque("'fox' 'quick' 'the'"),
    "tsq": blob("'fat' & 'rat'"),
    "oid": 42,
    "lsn": blob("16/B374D848"),
    "isbn": "0-393-04002-X",
    "nm": "nm",
    "jp": blob('$."a"'),
    "xid": blob("7"),
    "bb": Opaque(r'["\\xdead",null]'),
}
"""Row 1 as it was inserted, from a record that carries its schema, without schema.yaml."""


NAMES = list(ROW_1)


def _mostly_null(**values: Value) -> Row:
    return {name: values.get(name) for name in NAMES}


ROW_2 = _mostly_null(
    id=2,
    i8=9223372036854775807,
    f4=OutOfRange("Infinity"),
    f8=OutOfRange("NaN"),
    d=OutOfRange("-2147472692"),
    ts6=OutOfRange("infinity"),
    tstz=OutOfRange("-infinity"),
)
"""NaN and infinities; under `precise` the connector has made the numeric NaN a null."""

ROW_3 = _mostly_null(
    id=3,
    n=Decimal("0"),
    n52=Decimal("0.00"),
    d=OutOfRange("-735160"),
    ts6=OutOfRange("-63517780800000000"),
    tstz=OutOfRange("+294276-12-31T23:59:59.000000Z"),
    iv=Opaque("PT-2629800S"),
)
"""Years before Christ and beyond 9999; minus one month is 30.4375 days."""

ROW_4 = _mostly_null(id=4, by=Opaque(r"\x"), n52=Decimal("-128.00"))

SNAPSHOT_INFINITY: Row = {"d": OutOfRange("-622191234")}
SNAPSHOT_BC: Row = {"d": date(44, 3, 15)}
"""The same dates as a snapshot sees them: the connector answers otherwise there, and loses `BC`."""

CONNECT_1: Row = {
    "n": 1.2345678901234567e19,
    "n52": -1.5,
    "n30": 123.0,
    "nneg": 12300.0,
    "m": 1234.56,
    "by": "deadbeef",
    "t6": Opaque("12:34:56.789"),
    "ts6": WALL.replace(microsecond=678000),
    "iv": Opaque("P1Y2M3DT4H5M6.5S"),
    "na": Opaque("[1.5,2.25]"),
    "bb": Opaque('["dead",null]'),
}
CONNECT_HEX = {
    "ln": "{1.0,2.0,3.0}",
    "bx": "(2.0,2.0),(0.0,0.0)",
    "comp": "(1,x)",
    "mr": "{[1,3),[5,7)}",
    "tsq": "'fat' & 'rat'",
    "lsn": "16/B374D848",
    "jp": '$."a"',
    "xid": "7",
}
"""Columns of types that the connector does not know, under binary.handling.mode=hex: their text in hexadecimal."""

DECLARED_1: Row = {
    "c3": "ab",
    "m": Opaque("1234.56"),
    "vb": Opaque("10101"),
    "mac8": Opaque("08:00:2b:01:02:03:04:05"),
    "i4r": Opaque("[1,5)"),
    "nr": Opaque("(0.5,1.5]"),
    "tsr": Opaque('["2020-01-01 00:00:00","2020-02-01 00:00:00")'),
    "tstzr": Opaque('["2020-01-01 00:00:00+00",)'),
    "dr": Opaque("[2020-01-01,2020-01-06)"),
    "oid": Opaque("42"),
    "isbn": Opaque("0-393-04002-X"),
}
"""What schema.yaml adds: blanks of CHAR are no data, and what expressions cannot look into is opaque."""
