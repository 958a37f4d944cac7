"""Python, DuckDB, PostgreSQL and MariaDB asked the same over the same rows; their answers in one form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol

import duckdb
import psycopg
import pymysql

from tests.translators.expression import mariadb
from tests.translators.expression.edges import COLUMNS, OUTER, PART, SCOPE
from translators.expression import ValueProblem, bind, parse, postgres
from translators.expression import duckdb as duck
from translators.expression.bound import Aggregate, Bound
from translators.expression.dialect import Dialect, quote
from translators.expression.evaluate import compiled
from translators.expression.sql_parts import grouped
from translators.schema import Type
from translators.values import Row

Answers = list[tuple[Any, ...]]


class Refused(Exception):
    """The engine raised instead of answering."""


def canonical(value: Any, kind: Type) -> object:
    """A value in the form in which all engines give it: booleans are booleans, instants are UTC, no zero has a sign."""
    if value is None:
        return None
    match kind.kind:
        case "boolean":
            return bool(value)
        case "float":
            return float(value) + 0.0
        case "decimal":
            return f"{value:f}"
        case "timestamptz":
            return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        case "integer":
            assert int(value) == value
            return int(value)
        case _:
            return value


_ALIASES = {"legacy": "r", "polmst": "o"}


class Names:
    """Columns of the tables below, and what parts add up to as columns of the grouped query `p`."""

    def __init__(self, quoted: Callable[[str], str], dialect: Callable[[Names], Dialect] = duck.DuckDB) -> None:
        self.quoted = quoted
        self.dialect = dialect
        self.aggregates: dict[str, str] = {}
        """By their text."""

    def column(self, table: str, column: str) -> str:
        return f"{_ALIASES.get(table, table)}.{self.quoted(column)}"

    def aggregate(self, aggregate: Aggregate) -> str:
        text = grouped(self.dialect(self), aggregate, ("part.pos",))
        return f"p.{self.quoted(self.aggregates.setdefault(text, f'a{len(self.aggregates)}'))}"


class Engine(Protocol):
    """One engine with the rows loaded."""

    name: str

    def text(self, bound: Bound, names: Names) -> str:
        """The engine's text of an expression."""

    def names(self) -> Names:
        """How it spells names."""

    def ask(self, sql: str) -> Answers:
        """The answer of a query. `Refused` if it raises."""


def query(engine: Engine, selected: Sequence[str], names: Names, where: str = "TRUE") -> str:
    """The query that gives expressions, one column each, by the rows' number."""
    tables = "legacy r LEFT JOIN polmst o ON o.id = r.id"
    if names.aggregates:
        sums = ", ".join(f"{text} AS {name}" for text, name in names.aggregates.items())
        tables += f" LEFT JOIN (SELECT id, {sums} FROM part GROUP BY id) p ON p.id = r.id"
    return f"SELECT {', '.join(['r.id', *selected])} FROM {tables} WHERE {where} ORDER BY r.id"


def tables(type_of: Callable[[str, Type], str], quoted: Callable[[str], str], end: str = "") -> list[str]:
    """The statements that make the tables."""
    made = []
    for name, columns in (("legacy", COLUMNS), ("polmst", OUTER), ("part", PART)):
        listed = ", ".join(f"{quoted(column)} {type_of(column, kind)}" for column, kind in columns.items())
        made += [f"DROP TABLE IF EXISTS {name}", f"CREATE TABLE {name} (id INTEGER, pos INTEGER, {listed}){end}"]
    return made


def records(rows: Sequence[Row]) -> dict[str, list[tuple[Any, ...]]]:
    """The rows as they are inserted, by table, numbered; those of a part by their place in it, written last to first."""
    parts: list[tuple[int, int, Any]] = [
        (at, place, part)
        for at, row in enumerate(rows)
        for place, part in reversed(list(enumerate(row["part"])))  # type: ignore[arg-type]
    ]
    return {
        "legacy": [(at, 0, *(row[name] for name in COLUMNS)) for at, row in enumerate(rows)],
        "polmst": [(at, 0, *(row[f"polmst.{name}"] for name in OUTER)) for at, row in enumerate(rows)],
        "part": [(at, place, *(part[name] for name in PART)) for at, place, part in parts],
    }


class DuckDB:
    """DuckDB in memory."""

    name = "DuckDB"

    def __init__(self, rows: Sequence[Row]) -> None:
        self.connection = duckdb.connect()
        for statement in (*duck.SETTINGS, "SET threads = 1", *tables(self.type_of, quote)):
            self.connection.execute(statement)
        for table, listed in records(rows).items():
            width = len(listed[0])
            written = [tuple(format(v, "f") if isinstance(v, Decimal) else v for v in record) for record in listed]
            self.connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * width)})", written)

    @staticmethod
    def type_of(column: str, kind: Type) -> str:
        return "VARCHAR" if kind.kind == "wide" else duck.DuckDB(Names(quote)).type_name(kind)

    def names(self) -> Names:
        return Names(quote)

    def text(self, bound: Bound, names: Names) -> str:
        text = duck.to_duckdb(bound, names)
        return f"({text} AT TIME ZONE 'UTC')" if bound.type.kind == "timestamptz" else text

    def ask(self, sql: str) -> Answers:
        try:
            return self.connection.execute(sql).fetchall()
        except duckdb.Error as error:
            raise Refused(str(error)) from error


class Postgres:
    """A real PostgreSQL."""

    name = "PostgreSQL"

    def __init__(self, connection: psycopg.Connection, rows: Sequence[Row]) -> None:
        self.connection = connection
        made = [text.replace("CREATE TABLE", "CREATE TEMP TABLE") for text in tables(self.type_of, quote)]
        for statement in (*postgres.SETTINGS, *made):
            connection.execute(statement)
        for table, listed in records(rows).items():
            marks = ", ".join(["%s"] * len(listed[0]))
            connection.cursor().executemany(f"INSERT INTO {table} VALUES ({marks})", listed)

    @staticmethod
    def type_of(column: str, kind: Type) -> str:
        if kind.padded:
            return f"char({kind.length})"
        return "numeric" if kind.kind == "wide" else postgres.Postgres(Names(quote, postgres.Postgres)).type_name(kind)

    def names(self) -> Names:
        return Names(quote, postgres.Postgres)

    def text(self, bound: Bound, names: Names) -> str:
        return postgres.to_postgres(bound, names)

    def ask(self, sql: str) -> Answers:
        try:
            return self.connection.execute(sql).fetchall()
        except psycopg.Error as error:
            raise Refused(str(error)) from error


def backticked(name: str) -> str:
    """A name as MariaDB quotes it."""
    return f"`{name}`"


class MariaDB:
    """A real MariaDB."""

    name = "MariaDB"

    def __init__(self, connection: pymysql.connections.Connection[pymysql.cursors.Cursor], rows: Sequence[Row]) -> None:
        self.cursor = connection.cursor()
        setup = ("CREATE DATABASE IF NOT EXISTS expressions", "USE expressions", *mariadb.SETTINGS)
        made = [
            text.replace("TABLE", "TEMPORARY TABLE") for text in tables(self.type_of, backticked, " CHARSET utf8mb4")
        ]
        for statement in (*setup, *made):
            self.cursor.execute(statement)
        for table, listed in records(rows).items():
            marks = ", ".join(["%s"] * len(listed[0]))
            naive = [
                tuple(
                    v.replace(tzinfo=None) if isinstance(v, datetime) else repr(v) if isinstance(v, float) else v
                    for v in r
                )
                for r in listed
            ]
            self.cursor.executemany(f"INSERT INTO {table} VALUES ({marks})", naive)

    @staticmethod
    def type_of(column: str, kind: Type) -> str:
        if kind.kind == "text":
            return f"char({kind.length})" if kind.padded else "varchar(200)"
        names = {"integer": "bigint", "boolean": "boolean", "wide": "decimal(65, 18)"}
        return names.get(kind.kind) or mariadb.MariaDB(Names(backticked, mariadb.MariaDB)).type_name(kind)

    def names(self) -> Names:
        return Names(backticked, mariadb.MariaDB)

    def text(self, bound: Bound, names: Names) -> str:
        return mariadb.to_mariadb(bound, names)

    def ask(self, sql: str) -> Answers:
        try:
            self.cursor.execute(sql)
        except pymysql.err.MySQLError as error:
            raise Refused(str(error)) from error
        return list(self.cursor.fetchall())


@dataclass
class Tally:
    """What a comparison came to."""

    compared: dict[str, int] = field(default_factory=dict)
    """Values that were compared, by engine."""
    apart: dict[str, int] = field(default_factory=dict)
    """Values of Python for which the engine raised: the row would be mapped again in Python."""
    raised: dict[str, int] = field(default_factory=dict)
    """Rows for which both raised."""
    unsaid: dict[str, int] = field(default_factory=dict)
    """Expressions that an engine has no text for."""
    differences: list[str] = field(default_factory=list)

    def add(self, counts: dict[str, int], engine: str, many: int = 1) -> None:
        counts[engine] = counts.get(engine, 0) + many

    def report(self) -> str:
        """One line for a person."""
        return (
            f"compared {sum(self.compared.values()):,} {self.compared}, both raise {self.raised}, "
            f"engine raises alone {self.apart}, no text {self.unsaid}, differences {len(self.differences)}"
        )


@dataclass(frozen=True)
class Asked:
    """One expression with Python's answers: a canonical value, or the code of the problem, by row."""

    text: str
    bound: Bound
    values: Mapping[int, object]
    problems: Mapping[int, str]


def ask_python(text: str, rows: Sequence[Row]) -> Asked:
    """The reference's answers. An `ExpressionError` if the text is refused."""
    bound = bind(parse(text), SCOPE)
    run = compiled(bound, SCOPE)
    values: dict[int, object] = {}
    problems: dict[int, str] = {}
    for at, row in enumerate(rows):
        try:
            values[at] = canonical(run(row, None, None), bound.type)
        except ValueProblem as problem:
            problems[at] = problem.code
    return Asked(text, bound, values, problems)


def compare(engine: Engine, asked: Iterable[Asked], tally: Tally, size: int = 40) -> None:
    """Ask an engine all that Python was asked, many expressions at once."""
    waiting = []
    for one in asked:
        try:
            engine.text(one.bound, engine.names())
        except ValueError:
            tally.add(tally.unsaid, engine.name)
            continue
        waiting.append(one)
    for at in range(0, len(waiting), size):
        batch = waiting[at : at + size]
        _batch(engine, batch, sorted({*batch[0].values, *batch[0].problems}), tally)


def _batch(engine: Engine, asked: Sequence[Asked], rows: Sequence[int], tally: Tally) -> None:
    """Ask for some rows of some expressions; where the engine raises, for half of them."""
    names = engine.names()
    selected = []
    for one in asked:
        text = engine.text(one.bound, names)
        left_out = ", ".join(map(str, one.problems))
        selected.append(f"CASE WHEN r.id NOT IN ({left_out}) THEN {text} END" if left_out else text)
    try:
        answers = engine.ask(query(engine, selected, names, f"r.id IN ({', '.join(map(str, rows))})"))
    except Refused as refused:
        if len(asked) > 1:
            half = len(asked) // 2
            _batch(engine, asked[:half], rows, tally)
            _batch(engine, asked[half:], rows, tally)
        elif len(rows) > 1:
            half = len(rows) // 2
            _batch(engine, asked, rows[:half], tally)
            _batch(engine, asked, rows[half:], tally)
        else:
            _refused(engine, asked[0], str(refused), tally)
        return
    assert [answer[0] for answer in answers] == list(rows)
    for at, one in enumerate(asked, 1):
        for answer in answers:
            if answer[0] not in one.problems:
                _judge(engine, one, answer[0], answer[at], tally)


def _refused(engine: Engine, one: Asked, why: str, tally: Tally) -> None:
    tally.add(tally.apart, engine.name)
    if not any(word in why for word in EXPECTED):
        tally.differences.append(f"{engine.name}: {one.text}: {why[:300]}")


EXPECTED = (
    *("value.", "code.", "not integer:", "not decimal:", "invalid input syntax", "Conversion Error", "Could not parse"),
    *("out of range", "Out of Range", "overflow", "Overflow", "underflow", "division by zero"),
)
"""Words of errors that come from a row's value; all others come from the text."""


def _judge(engine: Engine, one: Asked, row: int, answer: object, tally: Tally) -> None:
    tally.add(tally.compared, engine.name)
    try:
        found = canonical(answer, one.bound.type)
    except (TypeError, ValueError, AttributeError, AssertionError):
        found = answer
    if found != one.values[row] or type(found) is not type(one.values[row]):
        said = f"{engine.name}: {one.text}: row {row}: {found!r}, Python {one.values[row]!r}"
        tally.differences.append(said)


def must_raise(engine: Engine, asked: Iterable[Asked], tally: Tally, rows: int = 2) -> None:
    """Where Python raises, so must the engine: else a row that the stream rejects would have a state."""
    for one in asked:
        names = engine.names()
        try:
            text = engine.text(one.bound, names)
        except ValueError:
            continue
        for row in list(one.problems)[:rows]:
            try:
                answer = engine.ask(query(engine, [text], names, f"r.id = {row}"))
            except Refused:
                tally.add(tally.raised, engine.name)
            else:
                found = f"{engine.name}: {one.text}: row {row}: {answer[0][1]!r}, Python {one.problems[row]}"
                tally.differences.append(found)
