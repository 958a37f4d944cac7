"""What a legacy schema may mean: which tables make one thing, how its fields may be called, what its codes may say. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from connectors.legacy.names import camel, field_names, pascal, snake, thing_words, unique, words_of
from connectors.legacy.reflect import LegacyColumn, LegacyTable, Reflection
from connectors.legacy.sample import is_classified, is_secret, type_of
from translators.expression.words import AGGREGATES, RESERVED
from translators.lint.words import is_past
from translators.schema import Type

Codes = Mapping[str, Mapping[str, tuple[str, ...]]]
"""The codes that were seen, by table and column."""

_SIMPLE = re.compile(r"[a-z][a-z0-9_]*")
_OURS = frozenset(("OLD", "NEW", "CREATED", "DELETED", "CHANGED", "CODE", *AGGREGATES))
_STATUS = frozenset(("status", "state"))
_SHORT_CODE = 4
_YES_NO = {"Y": "yes", "N": "no"}
_MOST_THINGS = 20
_NAMELESS = frozenset(
    ("id", "no", "nr", "num", "number", "code", "key", "name", "seq", "type", "uuid", "guid", "oid", "pk")
)
"""Key columns that many tables have: that two of them are called so says nothing."""
_RESERVED_FEEDS = ("transaction", "notification", "schema-history")
_NO_NEWS = frozenset(("created", "updated", "deleted", "changed", "inserted", "modified"))


@dataclass(frozen=True, slots=True, kw_only=True)
class GuessedField:
    """One field of the state: its expression, what the contract says of it, and what is to be looked at."""

    name: str
    column: str
    type: Type
    nullable: bool
    expression: str
    codes: str | None = None
    choices: tuple[str, ...] = ()
    is_personal: bool = False
    is_secret: bool = False
    is_raw_code: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GuessedPart:
    """A table whose rows belong to a thing: `parent` holds the thing's key, `order` the rest of its own."""

    table: str
    name: str
    model: str
    parent: tuple[str, ...]
    order: tuple[str, ...]
    fields: tuple[GuessedField, ...]
    hidden: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One aggregate: its root, its parts, its fields. `hidden` are columns that no field shows, each with the reason."""

    table: str
    key: tuple[str, ...]
    name: str
    contract: str
    fields: tuple[GuessedField, ...]
    parts: tuple[GuessedPart, ...]
    codes: Mapping[str, Mapping[str, str]]
    hidden: Mapping[str, str]
    related: tuple[str, ...] = ()
    """Tables that look like parts and cannot be, as sentences."""
    events: tuple[tuple[str, str, str], ...] = ()
    """Candidates: a name, the field, and the value that it comes to."""

    @property
    def business_key(self) -> tuple[str, ...]:
        """The fields that name the thing."""
        named = {one.column: one.name for one in self.fields}
        return tuple(named[column] for column in self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """A whole project's things, and the tables that were left out, each with the reason."""

    things: tuple[Thing, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)


def roots_and_parts(reflection: Reflection, has_transactions: bool) -> dict[str, dict[str, tuple[str, ...]]]:
    """Each root with its parts, and the columns of those that hold the root's key, in its order.

    A part's key begins where its root's key is: all columns of it, told by a foreign key or by equal names and types.
    Without a mark of transactions (SQLite) nothing can have parts.
    """
    tables = reflection.tables
    above = {name: _parent(tables[name], reflection) for name in tables} if has_transactions else {}
    found: dict[str, dict[str, tuple[str, ...]]] = {name: {} for name in tables if above.get(name) is None}
    for name, parent in above.items():
        if parent is not None and parent[0] in found:
            found[parent[0]][name] = parent[1]
        elif parent is not None:
            found[name] = {}
    return found


def _parent(table: LegacyTable, reflection: Reflection) -> tuple[str, tuple[str, ...]] | None:
    """The table with the shortest key that is held within this one's key."""
    candidates = sorted((t for t in reflection.tables.values() if t is not table), key=lambda t: (len(t.key), t.name))
    for other in candidates:
        columns = _holds(table, other, reflection.connector)
        if columns is not None and len(columns) < len(table.key):
            return other.name, columns
    return None


def _holds(table: LegacyTable, other: LegacyTable, connector: str) -> tuple[str, ...] | None:
    """The columns of the key of `table` that hold the key of `other`."""
    for reference in table.references:
        if reference.target == other.name and set(reference.target_columns) == set(other.key):
            at = dict(zip(reference.target_columns, reference.columns, strict=True))
            columns = tuple(at[column] for column in other.key)
            if set(columns) <= set(table.key) and _forms(table, columns, connector) == _forms(
                other, other.key, connector
            ):
                return columns
    if any(reference.target == other.name for reference in table.references) or not _NAMELESS.isdisjoint(
        column.lower() for column in other.key
    ):
        return None
    same = set(other.key) <= set(table.key)
    return other.key if same and _forms(table, other.key, connector) == _forms(other, other.key, connector) else None


def _forms(table: LegacyTable, columns: Iterable[str], connector: str) -> list[tuple[str, int, bool]]:
    types = {one.name: type_of(one.type, connector) for one in table.columns}
    return [(types[c].kind, types[c].scale, types[c].padded) for c in columns]


def guess(reflection: Reflection, codes: Codes, *, has_transactions: bool, named: bool) -> Guess:
    """The things of a database. Without names (`named`) no more than 20 of them, those with most relations first."""
    aggregates = roots_and_parts(reflection, has_transactions)
    left_out = {}
    chosen = list(aggregates)
    if not named and len(chosen) > _MOST_THINGS:
        weights = {name: len(parts) + len(reflection.tables[name].references) for name, parts in aggregates.items()}
        chosen = sorted(sorted(chosen, key=lambda name: (-weights[name], name))[:_MOST_THINGS])
        for name in aggregates:
            if name not in chosen:
                for table in (name, *aggregates[name]):
                    left_out[table] = f"more than {_MOST_THINGS} things: name it with --table"
    names, contracts = unique(), unique()
    for taken in _RESERVED_FEEDS:
        names(taken)
    things = []
    for root in chosen:
        words = thing_words(root)
        things.append(
            _thing(reflection, codes, root, aggregates[root], names(snake(words)), contracts(pascal(words)), aggregates)
        )
    return Guess(things=tuple(things), left_out=left_out)


def _thing(
    reflection: Reflection,
    seen: Codes,
    root: str,
    parts: Mapping[str, tuple[str, ...]],
    name: str,
    contract: str,
    aggregates: Mapping[str, object],
) -> Thing:
    table = reflection.tables[root]
    tables: dict[str, Mapping[str, str]] = {}
    unused_code, unused_field = unique(), unique()
    others = [column.name for part in parts for column in reflection.tables[part].columns]
    fields, hidden = _fields(reflection, table, (), seen, tables, unused_code, others)
    for one in fields:
        unused_field(one.name)
    made = []
    models = unique()
    models(contract)
    for part, parent in parts.items():
        below = reflection.tables[part]
        aside = [column.name for t in (root, *parts) if t != part for column in reflection.tables[t].columns]
        inner, unseen = _fields(reflection, below, parent, seen, tables, unused_code, aside)
        words = thing_words(part)
        words = words if pascal(words) != contract else [*words, "line"]
        made.append(
            GuessedPart(
                table=part,
                name=unused_field(camel([*words[:-1], f"{words[-1]}s"])),
                model=models(f"{contract}{pascal(words)}"),
                parent=parent,
                order=tuple(column for column in below.key if column not in parent),
                fields=inner,
                hidden=unseen,
            )
        )
    return Thing(
        table=root,
        key=table.key,
        name=name,
        contract=contract,
        fields=fields,
        parts=tuple(part for part in made if part.fields),
        codes=tables,
        hidden=hidden,
        related=_related(reflection, root, parts, aggregates),
        events=_events(contract, fields),
    )


def _related(
    reflection: Reflection, root: str, parts: Mapping[str, object], aggregates: Mapping[str, object]
) -> tuple[str, ...]:
    """Other things that hold this one's key: rows of its own, or parts that only a mark of transactions would allow."""
    found = []
    for name in aggregates:
        table = reflection.tables[name]
        if name == root or name in parts:
            continue
        if any(reference.target == root for reference in table.references):
            found.append(f"{name} refers to it")
        elif _holds(table, reflection.tables[root], reflection.connector):
            found.append(f"{name} has its key within its own")
    return tuple(found)


def _fields(
    reflection: Reflection,
    table: LegacyTable,
    parent: Sequence[str],
    seen: Codes,
    tables: dict[str, Mapping[str, str]],
    unused_code: Callable[[str], str],
    others: Iterable[str],
) -> tuple[tuple[GuessedField, ...], dict[str, str]]:
    """The fields of a table's columns; code tables are added to `tables`."""
    types = {column.name: type_of(column.type, reflection.connector) for column in table.columns}
    hidden = dict(table.unsent)
    shown = []
    for column in table.columns:
        if types[column.name].kind == "opaque":
            hidden[column.name] = f"is of the type {column.type}, into which no expression looks"
        elif column.name not in parent:
            shown.append(column)
    names = field_names([(column.name, types[column.name].kind) for column in shown], others)
    fields = []
    for column in shown:
        codes = seen.get(table.name, {}).get(column.name, ())
        code_name = None
        if codes:
            code_name = unused_code("_".join(words_of(column.name)))
            tables[code_name] = meanings(words_of(column.name), codes)
        is_key = column.name in table.key
        fields.append(_field(names[column.name], column, types[column.name], is_key, code_name, tables))
    return tuple(fields), hidden


def _field(
    name: str,
    column: LegacyColumn,
    type_: Type,
    is_key: bool,
    code_name: str | None,
    tables: Mapping[str, Mapping[str, str]],
) -> GuessedField:
    said = quoted(column.name)
    if code_name is not None:
        expression = f"CODE('{code_name}', NULLIF(TRIM({said}), ''))"
    elif type_.kind in ("wide", "float"):
        expression = f"CAST({said} AS DECIMAL(38,9))"
    else:
        expression = f"TRIM({said})" if type_.padded else said
    classified = is_classified(column.name) or is_classified(name)
    return GuessedField(
        name=name,
        column=column.name,
        type=type_,
        nullable=not is_key and (column.nullable or code_name is not None),
        expression=expression,
        codes=code_name,
        choices=() if code_name is None else tuple(dict.fromkeys(tables[code_name].values())),
        is_personal=classified,
        is_secret=is_secret(column.name),
        is_raw_code=type_.kind == "text" and 0 < type_.length <= _SHORT_CODE and code_name is None,
    )


def quoted(name: str) -> str:
    """A column as an expression names it."""
    simple = _SIMPLE.fullmatch(name) and name.upper() not in RESERVED and name.upper() not in _OURS
    return name if simple else '"' + name.replace('"', '""') + '"'


def meanings(words: Sequence[str], codes: Sequence[str]) -> dict[str, str]:
    """A guess of what each code means: itself where it is a word, `status A` where it is a letter."""
    if set(codes) <= set(_YES_NO):
        return {code: _YES_NO[code] for code in codes}
    noun = " ".join(word for word in words if word != "code") or "code"
    unused = unique()
    plain_taken: dict[str, int] = {}
    found = {}
    for code in codes:
        told = (
            " ".join(words_of(code))
            if code.isascii() and re.fullmatch(r"[A-Za-z]{4,}(?:[ _-][A-Za-z]+)*", code)
            else ""
        )
        meaning = told or f"{noun} {code}"
        key = "".join(char for char in meaning.casefold() if char.isalnum())
        plain_taken[key] = plain_taken.get(key, 0) + 1
        if plain_taken[key] > 1:
            meaning = f"{meaning} again {plain_taken[key]}"
        found[code] = unused(meaning)
    return found


def _events(contract: str, fields: Sequence[GuessedField]) -> tuple[tuple[str, str, str], ...]:
    """What may have happened when a status came to a value: never that a row was created, updated or deleted."""
    found = []
    for one in fields:
        if one.codes is None or _STATUS.isdisjoint(words_of(one.column)):
            continue
        for choice in one.choices:
            words = choice.split()
            if any(word in _NO_NEWS for word in words):
                continue
            name = pascal(words)
            told = f"{contract}{name}.v1" if re.fullmatch(r"[a-z]+", choice) and is_past(name) else ""
            found.append((told, one.name, choice))
    return tuple(found)
