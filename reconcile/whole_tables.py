"""All things of a mapping out of raw tables in DuckDB: mapped there chunk by chunk, and where a chunk raises, row by row.

An engine may raise where Python answers, and never answers where Python raises: so a chunk that DuckDB maps is right, and
one that raises is mapped again by the generated Python, which names the rows that cannot be mapped and why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import duckdb
import msgspec

from reconcile.errors import SideUnreadable, SideUnsorted
from reconcile.raw_rows import column_type, read_rows
from translators.bound_mapping import BoundEach, BoundField, BoundNode
from translators.compiled import CompiledTranslator
from translators.duckdb_state import business_key, state_query
from translators.expression.dialect import NotInSql, quote
from translators.expression.duckdb import SETTINGS, DuckDB
from translators.problem import Problem
from translators.translator import Refused, State

CHUNK = 20_000
"""Things that are mapped at once: what bounds the memory, beside DuckDB's own limit."""

SIDE = "legacy"
KEY, NUMBER = "dragoman key", "dragoman chunk"
_KEYS = quote("dragoman keys")
# Both say that a value of some row cannot be had; whatever else DuckDB raises says nothing of a row.
OF_A_ROW = (duckdb.DataError, duckdb.InvalidInputException)


class Mapped(msgspec.Struct, frozen=True):
    """One thing: its state, or why its rows cannot be mapped."""

    key: str
    state: State | None
    problem: Problem | None = None


class WholeTables:
    """The raw tables of one mapping in a DuckDB connection, by the names in `relations`; nothing is written to them.

    A table has the columns of the legacy schema in the types of `column_type`, as the source has them: CHAR may be padded.
    `by_duckdb` and `by_python` count the chunks that each has mapped. Raises `NotInSql` where a key has no text in SQL.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        translator: CompiledTranslator,
        relations: Mapping[str, str],
        chunk: int = CHUNK,
    ) -> None:
        bound = translator.bound
        self._connection = connection
        self._translator = translator
        self._chunk = chunk
        self._relations = {name: relations[name] for name in (bound.mapping.root, *bound.mapping.parts)}
        self._keys = {name: business_key(bound, name) for name in self._relations}
        self._vectorised = is_in_sql(translator)
        self._instants = [(name, fix) for name, node in bound.fields.items() if (fix := _instants(node))]
        self.by_duckdb = self.by_python = 0

    def states(self) -> Iterator[Mapped]:
        """Everything that exists, in the order of the keys. Parts without their root are no thing.

        `SideUnreadable`, or `SideUnsorted` where a key is there twice.
        """
        try:
            self._check_types()
            for number in range(self._cut()):
                yield from self._mapped(number)
        except duckdb.Error as error:
            # Only the kind of error: its words would quote values of rows.
            raise SideUnreadable(side=SIDE, reason=f"DuckDB says {type(error).__name__}") from error
        finally:
            for name in (_KEYS, *map(_cut_name, self._relations)):
                self._connection.execute(f"DROP TABLE IF EXISTS {name}")

    def _check_types(self) -> None:
        """Another type would compute otherwise, without a word."""
        for name, relation in self._relations.items():
            told = self._connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
            found = {str(row[0]): str(row[1]) for row in told}
            for column, kind in self._translator.bound.schema.tables[name].columns.items():
                if found.get(column) != column_type(kind):
                    said = f"{name}.{column} is {found.get(column, 'missing')}, not {column_type(kind)}"
                    raise SideUnreadable(side=SIDE, reason=said)

    def _cut(self) -> int:
        """Number the keys, and give each row the number of its chunk; how many chunks there are."""
        run = self._connection.execute
        for statement in SETTINGS:
            run(statement)
        root = self._translator.bound.mapping.root
        named = f"SELECT {self._keys[root]} AS k FROM {self._relations[root]} AS {quote(root)}"
        numbered = f"SELECT k, (row_number() OVER (ORDER BY k) - 1) // {self._chunk} AS chunk FROM ({named})"
        run(f"CREATE OR REPLACE TEMP TABLE {_KEYS} AS {numbered}")
        self._check_keys(root)
        for name, relation in self._relations.items():
            columns = f"{quote(name)}.*, {_KEYS}.k AS {quote(KEY)}, {_KEYS}.chunk AS {quote(NUMBER)}"
            joined = f"{relation} AS {quote(name)} JOIN {_KEYS} ON {self._keys[name]} = {_KEYS}.k"
            run(
                f"CREATE OR REPLACE TEMP TABLE {_cut_name(name)} AS SELECT {columns} FROM {joined} ORDER BY {_KEYS}.chunk"
            )
        return self._number(f"SELECT max(chunk) + 1 FROM {_KEYS}")

    def _check_keys(self, root: str) -> None:
        if self._number(f"SELECT count(*) FROM {_KEYS} WHERE k IS NULL"):
            raise SideUnreadable(side=SIDE, reason=f"a row of {root} has no key")
        twice = self._connection.execute(f"SELECT k FROM {_KEYS} GROUP BY k HAVING count(*) > 1 LIMIT 1").fetchone()
        if twice is not None:
            raise SideUnsorted(side=SIDE, problem=f"{twice[0]} is there twice in {root}")

    def _number(self, query: str) -> int:
        (found,) = self._connection.execute(query).fetchone() or (0,)
        return int(found or 0)

    def _mapped(self, number: int) -> Iterator[Mapped]:
        if self._vectorised:
            try:
                found = self._by_duckdb(number)
            except OF_A_ROW:
                pass  # which row it is, and what is wrong with it, Python says
            else:
                self.by_duckdb += 1
                yield from found
                return
        self.by_python += 1
        yield from self._by_python(number)

    def _by_duckdb(self, number: int) -> list[Mapped]:
        query = state_query(self._translator.bound, {name: _chunk_of(name, number) for name in self._relations})
        found = self._connection.execute(f"{query} ORDER BY 1").fetchall()
        return [Mapped(row[0], self._state(row[1:])) for row in found]

    def _state(self, values: tuple[Any, ...]) -> State:
        state = dict(zip(self._translator.bound.fields, values, strict=True))
        for name, fix in self._instants:
            state[name] = fix(state[name])
        return state

    def _by_python(self, number: int) -> Iterator[Mapped]:
        tables = {name: self._translator.bound.schema.tables[name] for name in self._relations}
        chunk = {name: _chunk_of(name, number) for name in self._relations}
        for key, rows in read_rows(self._connection, tables, chunk, KEY, self._translator.bound.mapping.root):
            try:
                yield Mapped(key, self._translator.state(rows))
            except Refused as refused:
                yield Mapped(key, None, refused.problem)


def _cut_name(table: str) -> str:
    return quote(f"dragoman cut {table}")


def _chunk_of(table: str, number: int) -> str:
    return f"(SELECT * FROM {_cut_name(table)} WHERE {quote(NUMBER)} = {number})"


def is_in_sql(translator: CompiledTranslator) -> bool:
    """Whether DuckDB can map it at all, and give what Python gives: opaque values have no type of their own there."""
    try:
        state_query(translator.bound, {name: quote(name) for name in translator.bound.schema.tables})
    except NotInSql:
        return False
    return all(kind in DuckDB.kinds for node in translator.bound.fields.values() for kind in _kinds(node))


def _kinds(node: BoundNode) -> Iterator[str]:
    if isinstance(node, BoundField):
        yield node.bound.type.kind
    else:
        for inner in node.fields.values():
            yield from _kinds(inner)


def _instants(node: BoundNode) -> Callable[[Any], Any] | None:
    """What makes instants of the wall clocks of UTC that DuckDB gives for them; `None` where there are none."""
    if isinstance(node, BoundField):
        is_instant = node.bound.type.kind == "timestamptz"
        return (lambda value: None if value is None else _utc(value)) if is_instant else None
    inner = [(name, fix) for name, member in node.fields.items() if (fix := _instants(member))]
    if not inner:
        return None

    def members(value: dict[str, Any]) -> dict[str, Any]:
        return value | {name: fix(value[name]) for name, fix in inner}

    return (lambda value: [members(one) for one in value]) if isinstance(node, BoundEach) else members


def _utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC)
