"""Ordered streams compared block by block: every kind of value across every pair of databases, every edit, every range."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

from reconcile.blocks import Block, Difference, blocks
from reconcile.errors import SideUnreadable, SideUnsorted
from reconcile.streams import WHOLE, KeyRange, TableStream
from tests.capabilities import require
from translators.schema import Table, Type

DATABASES = ("sqlite", "postgresql", "mariadb", "mysqlclient")
"""The last one is the same MariaDB by another driver."""
DIALECTS = {"sqlite": 0, "postgresql": 1, "mariadb": 2, "mysqlclient": 2}
COLUMNS: dict[str, tuple[Type, tuple[str, str, str]]] = {
    "integer": (Type("integer"), ("INTEGER", "bigint", "BIGINT")),
    "decimal": (Type("decimal", 20, 4), ("TEXT", "numeric", "DECIMAL(20,4)")),
    "text": (Type("text"), ("TEXT", "text", "TEXT CHARACTER SET utf8mb4")),
    "char": (Type("text", padded=True, length=6), ("TEXT", "char(6)", "CHAR(6)")),
    "boolean": (Type("boolean"), ("BOOLEAN", "boolean", "BOOLEAN")),
    "date": (Type("date"), ("TEXT", "date", "DATE")),
    "timestamp": (Type("timestamp"), ("TEXT", "timestamp", "DATETIME(6)")),
    "timestamptz": (Type("timestamptz"), ("TEXT", "timestamptz", "TIMESTAMP(6) NULL")),
    "float": (Type("float"), ("REAL", "double precision", "DOUBLE")),
    "opaque": (Type("opaque"), ("BLOB", "bytea", "BLOB")),
}
"""By the name of a column its declared type, and the type that each of `DIALECTS` gives it."""

VALUES: dict[str, list[Any]] = {
    "integer": [0, -1, 2**62],
    "decimal": ["0.0000", "-0.5000", "1000.0000", "9999999999999999.9999", "-12"],
    "text": ["", "a ", "N", r"\N", "\\", "a\tb\nc\rd\\n\b\f\v", "Ä€😀", "%s %", "NULL"],
    "char": ["", "ab", "a  b"],
    "boolean": [True, False],
    "date": ["2026-11-20", "1000-01-01", "9999-12-31"],
    "timestamp": ["2026-11-20 06:14:00", "2026-11-20 06:14:00.5", "2026-11-20 06:14:00.000001", "1000-01-01 00:00:00"],
    "timestamptz": ["2026-07-20 06:14:00", "2026-11-20 06:14:00.25", "2026-10-25 00:30:00", "2026-10-25 01:30:00"],
    "float": [0.0, -0.0, 0.1, 1e16, 1e-7, -123456.789, 5e-324],
    "opaque": [b"", b"\x00\xff", b"\\N"],
}
"""What every database holds; instants are written on UTC's clock."""

UNUSUAL: dict[str, dict[str, str]] = {
    "sqlite": {},
    "postgresql": {"options": "-c timezone=Asia/Tokyo -c datestyle=German -c bytea_output=escape"},
    "mariadb": {"init_command": "SET time_zone = '+05:30'"},
    "mysqlclient": {"init_command": "SET time_zone = '+05:30'"},
}
"""Settings that a connection may come with, and that no line may depend on."""


def table(name: str, key: Type, kind: Type) -> Table:
    return Table(name=name, columns={"v": kind, "k": key}, native={}, key=("k",))


class Databases:
    """One database of each server, made when it is first asked for."""

    def __init__(self, request: pytest.FixtureRequest, folder: Path, name: str) -> None:
        self._request, self._folder, self._name = request, folder, name
        self._made: dict[str, Engine] = {}

    def __getitem__(self, dialect: str) -> Engine:
        if dialect not in self._made:
            # No pool: each connection has the settings below, none those of `_fill`.
            made = create_engine(self._url(dialect), connect_args=UNUSUAL[dialect], poolclass=NullPool)
            self._made[dialect] = made
            self._fill(dialect, self._made[dialect])
        return self._made[dialect]

    def _url(self, dialect: str) -> str:
        if dialect == "sqlite":
            return f"sqlite:///{self._folder / 'values.db'}"
        if dialect == "postgresql":
            server = self._request.getfixturevalue("postgres_server")
            self._request.getfixturevalue("postgres").execute(
                f"CREATE DATABASE {self._name} ENCODING 'UTF8' TEMPLATE template0"
            )
            return f"postgresql+psycopg://dragoman@{server.host}:{server.port}/{self._name}"
        if dialect == "mysqlclient":
            require("mysqlclient, or what it is built with")
        server = self._request.getfixturevalue("mariadb_server")
        name, driver = f"{self._name}_{dialect}", {"mariadb": "pymysql", "mysqlclient": "mysqldb"}[dialect]
        self._request.getfixturevalue("mariadb").cursor().execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return f"mysql+{driver}://root@{server.host}:{server.port}/{name}?charset=utf8mb4"

    def _fill(self, dialect: str, engine: Engine) -> None:
        mark = "?" if dialect == "sqlite" else "%s"
        with engine.begin() as connection:
            if DIALECTS[dialect] == 2:
                connection.exec_driver_sql("SET time_zone = '+00:00'")
            if dialect == "postgresql":
                connection.exec_driver_sql("SET TIME ZONE 'UTC'")
            for name, (_, types) in COLUMNS.items():
                of = types[DIALECTS[dialect]]
                connection.exec_driver_sql(f"CREATE TABLE v_{name} (v {of}, k BIGINT NOT NULL PRIMARY KEY)")
                values = enumerate([None, *VALUES[name]])
                for key, value in values:
                    connection.exec_driver_sql(f"INSERT INTO v_{name} VALUES ({mark}, {mark})", (value, key))

    def close(self) -> None:
        for engine in self._made.values():
            engine.dispose()


@pytest.fixture(scope="module")
def databases(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    folder = tmp_path_factory.mktemp("databases")
    made = Databases(request, folder, f"blocks_{abs(hash(folder)) % 10**9}")
    yield made
    made.close()


@pytest.mark.parametrize("kind", COLUMNS)
@pytest.mark.parametrize("right", DATABASES[:3])
@pytest.mark.parametrize("left", DATABASES)
def test_a_value_is_the_same_in_each_pair_of_databases_and_no_other(
    databases: Databases, left: str, right: str, kind: str
) -> None:
    """Equal where it is the same; and each of its values differs from every other one, NULL among them."""
    declared = table(f"v_{kind}", Type("integer"), COLUMNS[kind][0])
    sides = TableStream("left", databases[left], declared), TableStream("right", databases[right], declared)
    (block,) = blocks(*sides)
    count = len(VALUES[kind]) + 1
    assert (block.left, block.right, block.same, block.differences) == (count, count, count, ())
    with sides[1].lines() as lines:
        shown = [line.partition(b"\t")[2] for line in lines]
    same_number = {b"0.0000": b"0", b"-0.0": b"0.0"}
    assert len(set(shown)) == len({same_number.get(repr(v).encode(), repr(v).encode()) for v in [None, *VALUES[kind]]})


HOSTILE = ["", " ", "A", "A ", "A!", "A\t", "a", "B", "Ä", "\\", "\\N", "€", "\uffff", "😀", "%", "'; --"]


NATIVE = {
    "sqlite": "NOCASE",
    "postgresql": '"en-x-icu"',
    "mariadb": "utf8mb4_unicode_ci",
    "mysqlclient": "utf8mb4_unicode_ci",
}


@pytest.mark.parametrize("dialect", DATABASES)
def test_text_keys_come_by_code_point_and_each_is_in_one_of_the_ranges(databases: Databases, dialect: str) -> None:
    engine, mark = databases[dialect], "?" if dialect == "sqlite" else "%s"
    name, of = f"keys_{dialect}", f"VARCHAR(20) COLLATE {NATIVE[dialect]}"
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE {name} (n INTEGER, k {of} NOT NULL)")
        for number in (2, 10):
            for key in HOSTILE:
                connection.exec_driver_sql(f"INSERT INTO {name} VALUES ({mark}, {mark})", (number, key))
    declared = Table(name=name, columns={"n": Type("integer"), "k": Type("text")}, native={}, key=("n", "k"))
    stream = TableStream("left", engine, declared)
    expected = [(number, key) for number in (2, 10) for key in sorted(HOSTILE)]
    with stream.lines() as lines:
        whole = list(lines)
    assert len(whole) == len(expected)
    assert [block.settled for block in blocks(stream, stream, size=1)] == expected
    for bound in expected:
        below, above = KeyRange(through=bound), KeyRange(after=bound)
        with stream.lines(below) as first, stream.lines(above) as rest:
            found = list(first)
            assert len(found) == expected.index(bound) + 1
            assert found + list(rest) == whole


def pair(folder: Path, left: dict[int, str | None], right: dict[int, str | None]) -> tuple[TableStream, TableStream]:
    def side(name: str, rows: dict[int, str | None]) -> TableStream:
        with sqlite3.connect(folder / f"{name}.db") as connection:
            connection.execute("CREATE TABLE t (v TEXT, k INTEGER)")
            connection.executemany("INSERT INTO t (k, v) VALUES (?, ?)", rows.items())
        connection.close()
        engine = create_engine(f"sqlite:///{folder / f'{name}.db'}")
        return TableStream(name, engine, table("t", Type("integer"), Type("text")))

    return side("left", left), side("right", right)


def told(found: list[Block]) -> list[Difference]:
    return [difference for block in found for difference in block.differences]


rows = st.dictionaries(st.integers(-5, 40), st.sampled_from([None, "", "a", "b"]), max_size=30)


@settings(max_examples=25)
@given(rows, rows, st.booleans(), st.integers(1, 9), st.integers(-6, 41))
def test_exactly_the_edits_are_found_whole_or_in_ranges(
    left: dict[int, str | None], other: dict[int, str | None], alike: bool, size: int, cut: int
) -> None:
    right = left | dict(list(other.items())[:2]) if alike else other
    expected = [
        Difference(
            (key,), (str(key), left[key]) if key in left else None, (str(key), right[key]) if key in right else None
        )
        for key in sorted(left.keys() | right.keys())
        if (key in left, left.get(key)) != (key in right, right.get(key))
    ]
    with TemporaryDirectory() as folder:
        sides = pair(Path(folder), left, right)
        whole = list(blocks(*sides, size=size))
        parts = [list(blocks(*sides, keys, size)) for keys in (KeyRange(through=(cut,)), KeyRange(after=(cut,)))]
        resumed = [list(blocks(*sides, KeyRange(after=block.settled), size)) for block in whole]
    assert told(whole) == expected
    assert told(parts[0]) + told(parts[1]) == expected
    for found in (whole, parts[0] + parts[1]):
        assert sum(block.left for block in found) == len(left)
        assert sum(block.right for block in found) == len(right)
        assert sum(block.same for block in found) == len(left.items() & right.items())
    for number, rest in enumerate(resumed):
        assert told(whole[: number + 1]) + told(rest) == expected


def test_a_side_that_breaks_off_is_an_error_that_names_it_and_not_an_end(databases: Databases) -> None:
    engine = databases["postgresql"]
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE whole AS SELECT k, 'x' AS v FROM generate_series(1, 5000) AS k")
        connection.exec_driver_sql(
            "CREATE VIEW broken AS SELECT k, CASE WHEN k < 4000 THEN 'x' ELSE (1 / (k - k))::text END AS v FROM whole"
        )
    kinds = Type("integer"), Type("text")
    left, right = (
        TableStream("left", engine, table("broken", *kinds)),
        TableStream("right", engine, table("whole", *kinds)),
    )
    seen = []
    with pytest.raises(SideUnreadable, match=r"The left side .* division by zero"):
        for block in blocks(left, right):
            seen.append(block)
    assert all(block.same == block.left == block.right for block in seen)


def test_what_postgresql_writes_alike_on_both_sides_is_still_told_in_canonical_texts(databases: Databases) -> None:
    """A number of a fixed scale has zeros behind it, CHAR blanks, a boolean a letter; without a scale it has many texts."""
    engine = databases["postgresql"]
    with engine.begin() as connection:
        for name, of, free, values in (
            ("alike_left", "numeric(12,2)", "0.5", "1.50, 'ab', true"),
            ("alike_right", "numeric(12,2)", "0.50", "2.00, 'b', false"),
            ("alike_other", "numeric(12,3)", "0.5", "1.50, 'ab', true"),
        ):
            connection.exec_driver_sql(f"CREATE TABLE {name} (a {of}, b char(4), c boolean, d numeric, k bigint)")
            connection.exec_driver_sql(f"INSERT INTO {name} VALUES (9, 'x', true, {free}, 1), ({values}, {free}, 2)")
    kinds = (Type("decimal", 12, 2), Type("text", padded=True, length=4), Type("boolean"), Type("decimal", 12, 2))
    columns = {**dict(zip("abcd", kinds, strict=True)), "k": Type("integer")}
    left, right, other = (
        TableStream(name, engine, Table(name=f"alike_{name}", columns=columns, native={}, key=("k",)))
        for name in ("left", "right", "other")
    )
    assert left.written_alike(right) == {"a", "b", "c"}
    assert left.written_alike(other) == {"b", "c"}
    (block,) = blocks(left, right)
    assert (block.same, block.differences) == (
        1,
        (Difference((2,), ("2", "1.5", "ab", "1", "0.5"), ("2", "2", "b", "0", "0.5")),),
    )
    (block,) = blocks(left, other)
    assert (block.same, block.differences) == (2, ())


@pytest.mark.parametrize("driver", ["mariadb", "mysqlclient"])
def test_a_row_that_mariadb_does_not_send_is_an_error_and_not_an_empty_one(databases: Databases, driver: str) -> None:
    engine = databases[driver]
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE lost AS SELECT seq AS k, 'x' AS v FROM seq_1_to_20000")
        # Of what comes late, so that rows went before it.
        connection.exec_driver_sql(
            "CREATE VIEW late AS SELECT k, IF(k > 15000, (SELECT k FROM lost), v) AS v FROM lost"
        )
    stream = TableStream("left", engine, table("late", Type("integer"), Type("text")))
    with pytest.raises(SideUnreadable, match="more than 1 row"), stream.lines() as lines:
        list(lines)


def test_who_stops_reading_leaves_nothing_open(databases: Databases) -> None:
    engine = databases["postgresql"]
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE long AS SELECT k, 'x' AS v FROM generate_series(1, 50000) AS k")
    stream = TableStream("left", engine, table("long", Type("integer"), Type("text")))
    with stream.lines() as lines:
        assert next(lines) == b"1\tx\n"
    with engine.connect() as connection:
        open_now = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%%' AND datname = current_database()"
        assert connection.exec_driver_sql(open_now).scalar() == 0


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("INSERT INTO t (k, v) VALUES (3, 'x'), (3, 'y')", "3 does not stand above 3"),
        ("UPDATE t SET k = 1", "1 does not stand above 1"),
        ("INSERT INTO t (k, v) VALUES (NULL, 'x')", "a row has no key"),
        ("INSERT INTO t (k, v) VALUES ('three', 'x')", "t.k has a value that is not integer"),
        ("DROP TABLE t", "no such table"),
    ],
)
@pytest.mark.parametrize("broken", ["left", "right"])
def test_what_cannot_be_compared_is_an_error(tmp_path: Path, broken: str, sql: str, problem: str) -> None:
    sides = pair(tmp_path, {1: "a", 2: None}, {1: "a", 2: None})
    with sqlite3.connect(tmp_path / f"{broken}.db") as connection:
        connection.execute(sql)
    connection.close()
    with pytest.raises((SideUnreadable, SideUnsorted), match=f"The {broken} side .*{problem}"):
        list(blocks(*sides))


@pytest.mark.parametrize(
    "declared",
    [
        table("t", Type("float"), Type("text")),
        Table(name="t", columns={"v": Type("text")}, native={}, key=()),
    ],
)
def test_a_key_without_a_common_order_is_refused(declared: Table) -> None:
    with pytest.raises(SideUnreadable):
        TableStream("left", create_engine("sqlite://"), declared)


def test_keys_of_different_kinds_are_refused(tmp_path: Path) -> None:
    left, _ = pair(tmp_path, {1: "a"}, {1: "a"})
    other = TableStream("right", create_engine("sqlite://"), table("t", Type("text"), Type("text")))
    with pytest.raises(SideUnreadable, match="not of the kinds"):
        list(blocks(left, other, WHOLE))


def test_memory_is_bounded_by_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However far the sides are apart, neither is read further ahead than a block."""
    sides = pair(tmp_path, dict.fromkeys(range(50), "a"), dict.fromkeys(range(1_000, 1_050), "a"))
    ahead: list[int] = []
    original: Callable[..., bytes] = TableStream._line

    def counted(self: TableStream, *args: Any) -> bytes:
        ahead.append(1)
        return original(self, *args)

    monkeypatch.setattr(TableStream, "_line", counted)
    settled = 0
    for block in blocks(*sides, size=5):
        settled += block.left + block.right
        assert len(ahead) - settled <= 10
    assert settled == 100
