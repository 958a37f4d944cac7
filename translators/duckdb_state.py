"""The state of all aggregates of a mapping as one DuckDB query over raw tables: what `state(rows)` gives, for all at once.

The query raises where a row of its tables cannot be mapped. Whoever runs it cuts the tables into chunks by business key,
and maps a chunk that raises again row by row with the generated Python, which names the rows and the problem.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Mapping as MappingType
from dataclasses import dataclass, field

from translators.bound_mapping import BoundEach, BoundField, BoundMapping, BoundMembers, BoundNode
from translators.checks import meanings
from translators.contract import Shape
from translators.expression.bound import Aggregate, Bound, Column, walk
from translators.expression.dialect import NotInSql, quote
from translators.expression.duckdb import DuckDB
from translators.expression.pattern import PatternError, portable
from translators.expression.sql_parts import grouped
from translators.parts import key_columns, parent_key
from translators.schema import Type

KEY = "business key"
"""The first column of the query: the canonical text of the key, as `key_text` writes it."""

_GUARDED = ("date", "timestamp", "timestamptz", "float", "wide")


def state_query(bound: BoundMapping, relations: MappingType[str, str]) -> str:
    """The query: one row per root row, its key and then a column per state field; objects are structs, lists are lists.

    `relations` says what stands for each table: a table's quoted name, or a query in brackets that cuts a chunk. Raises
    `NotInSql` where a field is no SQL (a Python function, a contract's pattern or invariant that only Python can judge):
    then the mapping takes the row path. Instants are wall clocks of UTC.
    """
    if bound.invariants:
        raise NotInSql("invariants of a contract")
    return _Query(bound, relations).text()


def business_key(bound: BoundMapping, table: str) -> str:
    """The canonical text of the business key that a row of `table` names; the row stands under its table's name.

    Raises `NotInSql` where a key column has a type whose text only Python writes.
    """
    query = _Query(bound, {})
    return query.key_text(table, key_columns(bound.mapping, bound.schema.tables)[table])


@dataclass
class _Group:
    """What is wanted of one part: its aggregates and lists, each under a name of the grouped query."""

    aggregates: dict[str, str] = field(default_factory=dict)
    """By the text that adds them up."""
    lists: dict[str, str] = field(default_factory=dict)
    """By name, the field whose rows it lists."""


@dataclass
class _Level:
    """The rows of one table as names see them, and what was asked of the parts below; `grouped` writes what adds up."""

    grouped: Callable[[Aggregate], str]
    groups: dict[str, _Group] = field(default_factory=dict)

    def column(self, table: str, column: str) -> str:
        return f"{quote(table)}.{quote(column)}"

    def aggregate(self, aggregate: Aggregate) -> str:
        group = self.groups.setdefault(aggregate.part, _Group())
        name = group.aggregates.setdefault(self.grouped(aggregate), f"a{len(group.aggregates)}")
        return f"{_alias(aggregate.part)}.{name}"


@dataclass
class _Values:
    """The computed values of one level, by number: they are named by one query and judged by the one around it."""

    texts: list[str] = field(default_factory=list)

    def add(self, text: str) -> str:
        self.texts.append(f"{text} AS v{len(self.texts)}")
        return f"v{len(self.texts) - 1}"


class _Query:
    def __init__(self, bound: BoundMapping, relations: MappingType[str, str]) -> None:
        self._bound = bound
        self._mapping = bound.mapping
        self._tables = bound.schema.tables
        self._relations = relations

    def text(self) -> str:
        root, level, values = self._mapping.root, _Level(self._sum), _Values()
        key = values.add(self.key_text(root, self._mapping.key))
        columns = [f"{self._node(node, level, values)} AS {quote(name)}" for name, node in self._bound.fields.items()]
        inner = (
            f"SELECT {', '.join(values.texts)} FROM {self._rows(root, self._bound.fields)}{self._joins(root, level)}"
        )
        return f"SELECT {', '.join([f'{key} AS {quote(KEY)}', *columns])} FROM ({inner})"

    def _node(self, node: BoundNode, level: _Level, values: _Values) -> str:
        """The text of a state field over the values of its level."""
        if isinstance(node, BoundField):
            value = judged(values.add(DuckDB(level).text(node.bound)), node.bound, node.shape)
            return f"({value} AT TIME ZONE 'UTC')" if node.bound.type.kind == "timestamptz" else value
        if isinstance(node, BoundMembers):
            return self._struct(node.fields, level, values)
        group = level.groups.setdefault(node.table, _Group())
        name = f"l{len(group.lists)}"
        group.lists[name] = self._list(node)
        return values.add(f"COALESCE({_alias(node.table)}.{name}, [])")

    def _struct(self, fields: MappingType[str, BoundNode], level: _Level, values: _Values) -> str:
        members = [f"{DuckDB(level).quoted(name)}: {self._node(node, level, values)}" for name, node in fields.items()]
        return f"{{{', '.join(members)}}}"

    def _list(self, node: BoundEach) -> str:
        """The grouped query of one list: the key of what the rows belong to, and the rows in their order."""
        part, level, values = self._mapping.parts[node.table], _Level(self._sum), _Values()
        keys = [values.add(self._column(node.table, column)) for column in part.parent]
        order = [values.add(text) for text in self._order(node.table, part.parent)]
        struct = self._struct(node.fields, level, values)
        rows = f"{self._rows(node.table, node.fields)}{self._above(node)}{self._joins(node.table, level)}"
        listed = f"list({struct} ORDER BY {', '.join(f'{name} NULLS LAST' for name in order)})"
        named = [f"{key} AS k{at}" for at, key in enumerate(keys)]
        inner = f"(SELECT {', '.join(values.texts)} FROM {rows})"
        return f"(SELECT {', '.join([*named, f'{listed} AS x'])} FROM {inner} GROUP BY ALL)"

    def _order(self, table: str, within: tuple[str, ...]) -> list[str]:
        """By the declared columns, and then by the text of the row's key, so that a repeat gives the same list.

        `within` are the columns that all rows to be ordered share.
        """
        part, found = self._mapping.parts[table], self._tables[table]
        declared = [f"{quote(table)}.{quote(column)}" for column in part.order]
        if set(found.key) <= {*part.order, *within}:
            return declared
        return [*declared, self.key_text(table, found.key)]

    def key_text(self, table: str, columns: tuple[str, ...]) -> str:
        """`key_text` of these columns."""
        return " || '/' || ".join([self._key_part(table, column) for column in columns])

    def _key_part(self, table: str, column: str) -> str:
        kind = self._tables[table].columns[column]
        text = self._column(table, column)
        if kind.kind == "text":
            return f"replace(replace({text}, '%', '%25'), '/', '%2F')"
        if kind.kind not in ("integer", "date", "decimal") or kind.precision == kind.scale > 0:
            raise NotInSql(f"a key of type {kind}")
        return f"CAST({text} AS VARCHAR)"

    def _column(self, table: str, column: str) -> str:
        """A column as the language sees it."""
        return _PLAIN.column(f"{quote(table)}.{quote(column)}", self._tables[table].columns[column])

    def _rows(self, table: str, fields: MappingType[str, BoundNode]) -> str:
        """The rows of a table; a value that the language has no room for raises, whether its field is needed or not."""
        columns = self._tables[table].columns
        used = {part.column for part in _columns(fields.values()) if part.table == table}
        guarded = [
            f"{_PLAIN.column(quote(name), columns[name])} AS {quote(name)}"
            for name in sorted(used)
            if columns[name].kind in _GUARDED
        ]
        source = self._relations[table]
        if guarded:
            source = f"(SELECT * REPLACE ({', '.join(guarded)}) FROM {source})"
        return f"{source} AS {quote(table)}"

    def _above(self, node: BoundEach) -> str:
        """Joins to the rows around those of a part, as far up as its fields read them."""
        wanted = {part.table for part in _columns(node.fields.values())} - {node.table}
        text, table = "", node.table
        while wanted & {*self._ancestors(table)}:
            parent = self._mapping.parts[table]
            above = parent.of or self._mapping.root
            keys = [self._column(table, column) for column in parent.parent]
            belongs = self._same(keys, above, parent_key(self._mapping, self._tables, table))
            text += f" JOIN {self._relations[above]} AS {quote(above)} ON {belongs}"
            table = above
        return text

    def _ancestors(self, table: str) -> Iterator[str]:
        while table in self._mapping.parts:
            table = self._mapping.parts[table].of or self._mapping.root
            yield table

    def _same(self, keys: Sequence[str], table: str, columns: tuple[str, ...]) -> str:
        """The condition that `keys` are the columns of a row of `table`."""
        return " AND ".join(f"{key} = {self._column(table, column)}" for key, column in zip(keys, columns, strict=True))

    def _joins(self, table: str, level: _Level) -> str:
        """The parts below, each grouped by what its rows belong to; the root adds up parts of parts as well."""
        text, business = "", key_columns(self._mapping, self._tables)
        for name, group in level.groups.items():
            columns, above = self._mapping.parts[name].parent, parent_key(self._mapping, self._tables, name)
            if table == self._mapping.root:
                columns, above = business[name], self._mapping.key
            keys = [f"k{at}" for at in range(len(columns))]
            belongs = self._same([f"{_alias(name)}.{key}" for key in keys], table, above)
            text += f" LEFT JOIN {self._grouped(name, group, columns, keys)} AS {_alias(name)} ON {belongs}"
        return text

    def _grouped(self, name: str, group: _Group, columns: tuple[str, ...], keys: list[str]) -> str:
        """One row per group of a part: its aggregates, and the lists of its rows."""
        queries = [f"{query} AS {listed}" for listed, query in group.lists.items()]
        if group.aggregates:
            named = [f"{self._column(name, column)} AS {key}" for column, key in zip(columns, keys, strict=True)]
            sums = [f"{text} AS {alias}" for text, alias in group.aggregates.items()]
            source = f"{self._relations[name]} AS {quote(name)}"
            queries.insert(0, f"(SELECT {', '.join([*named, *sums])} FROM {source} GROUP BY ALL) AS s")
        first, *others = queries
        joined = "".join(f" JOIN {other} USING ({', '.join(keys)})" for other in others)
        chosen = [*keys, *group.aggregates.values(), *(f"{listed}.x AS {listed}" for listed in group.lists)]
        return f"(SELECT {', '.join(chosen)} FROM {first}{joined})"

    def _sum(self, aggregate: Aggregate) -> str:
        if not aggregate.order:
            return grouped(_PLAIN, aggregate)
        business = key_columns(self._mapping, self._tables)[aggregate.part]
        return grouped(_PLAIN, aggregate, self._order(aggregate.part, business))


def _unjoined(aggregate: Aggregate) -> str:
    raise NotInSql(f"{aggregate.function} within another")


_PLAIN = DuckDB(_Level(_unjoined))
"""Writes what reads one table alone."""


def _alias(part: str) -> str:
    return quote(f"{part} below")


def _columns(nodes: Iterable[BoundNode]) -> Iterator[Column]:
    """Every column that these fields read, those of inner lists as well."""
    for node in nodes:
        if isinstance(node, BoundField):
            yield from (part for part in walk(node.bound) if isinstance(part, Column))
        else:
            yield from _columns(node.fields.values())


def judged(value: str, bound: Bound, shape: Shape) -> str:
    """A value, if it is what its contract demands beyond what types have proven."""
    d = _PLAIN
    tests = [f"{value} IS NULL"] if bound.type.nullable and not shape.nullable else []
    if shape.choices and not meanings(bound) <= set(shape.choices):
        tests.append(f"{value} NOT IN ({', '.join(d.quoted(choice) for choice in shape.choices)})")
    if shape.max_length is not None and not 0 < bound.type.length <= shape.max_length:
        tests.append(f"length({value}) > {shape.max_length}")
    if shape.min_length:
        tests.append(f"length({value}) < {shape.min_length}")
    if shape.pattern is not None:
        tests.append(f"NOT regexp_full_match({value}, {d.quoted(_whole(shape.pattern))})")
    if shape.kind == "decimal" and shape.digits is not None:
        whole = shape.digits - (shape.places or 0)
        if bound.type.precision - bound.type.scale > whole:
            tests.append(f"abs({value}) >= {d.literal(10**whole, Type('decimal', whole + 1, 0))}")
    return d.unless(" OR ".join(tests), "contract", value, value, bound.type) if tests else value


def _whole(pattern: str) -> str:
    """A contract's pattern as every engine reads it: one that names the whole text, without anchors."""
    if not (pattern.startswith("^") and pattern.endswith("$")):
        raise NotInSql(f"the pattern {pattern}")
    try:
        whole = portable(pattern[1:-1])
    except PatternError as problem:
        raise NotInSql(f"the pattern {pattern}: {problem.what}") from problem
    if _has_alternatives(whole):  # each of which has only one of the anchors
        raise NotInSql(f"the pattern {pattern}")
    return whole


def _has_alternatives(whole: str) -> bool:
    """Whether a portable pattern has a `|` outside of its groups; all other signs in it are escaped."""
    depth = 0
    for sign in re.sub(r"\\.", "", whole):
        depth += (sign == "(") - (sign == ")")
        if sign == "|" and depth == 0:
            return True
    return False
