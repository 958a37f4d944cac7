"""How the tables of one aggregate hang together: which columns of each name the business key."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as MappingType
from typing import NamedTuple

from translators.mapping import Mapping, Part
from translators.schema import Table, Type
from translators.yaml_text import Mark, did_you_mean

_KEYS = ("integer", "decimal", "text", "date", "timestamp", "timestamptz", "boolean")

Tables = MappingType[str, Table]


class Misfit(NamedTuple):
    """Something about the tables that does not fit together, and where the mapping says it."""

    code: str
    mark: Mark
    message: str
    length: int = 1
    hint: str = ""


def misfits(mapping: Mapping, tables: Tables) -> list[Misfit]:
    """What is wrong with the root and the parts.

    The root's key is its primary key; the parent columns of a part have the types of the key of what it belongs to; and
    through them every row names its business key, since that is what routes it.
    """
    found = list(_unknown(mapping, tables))
    if found:
        return found
    root = tables[mapping.root]
    if set(mapping.key) != set(root.key):
        said = f"the key of {root.name} is ({', '.join(root.key)}), not ({', '.join(mapping.key)})"
        found.append(
            Misfit("root.key", mapping.marks["root.key"], said, 1, "One row of the root makes one thing exist.")
        )
    found += _without_one_text(mapping, root)
    for name, part in mapping.parts.items():
        found += _part_misfits(mapping, tables, name, part)
    if not mapping.keeps_rows:
        found += _without_rows(mapping, root)
    return found


def _without_rows(mapping: Mapping, root: Table) -> Iterator[Misfit]:
    """What has to be known of other rows, or of this one as it was, where no rows are kept."""
    mark = mapping.marks["store"]
    if mapping.parts:
        said = f"{mapping.name} has parts ({', '.join(mapping.parts)}), and `store: none` keeps no rows to put them together"
        yield Misfit(
            "store.parts", mark, said, 4, "Leave `store: none` out; only a mapping of one table can do without."
        )
    if root.replica_identity != "full":
        said = f"changes of {root.name} do not say the row before (replica identity {root.replica_identity})"
        hint = (
            f"ALTER TABLE {root.name} REPLICA IDENTITY FULL, then say `replica_identity: full` in schema.yaml; or leave "
            "`store: none` out: then the row before is kept."
        )
        yield Misfit("store.row-images", mark, said, 4, hint)


def _without_one_text(mapping: Mapping, root: Table) -> Iterator[Misfit]:
    """Key columns whose equal values have different texts: 1.0 and 1.00 would be two things."""
    for column in mapping.key:
        kind = root.columns[column]
        if kind.kind not in _KEYS:
            said = f"{column} of {root.name} is {kind}: equal values have different texts, so it can be no key"
            hint = "A key is made of whole numbers, decimals of a fixed scale, texts, dates and times."
            yield Misfit("root.key", mapping.marks["root.key"], said, 1, hint)


def key_columns(mapping: Mapping, tables: Tables) -> dict[str, tuple[str, ...]]:
    """The columns of each table that hold the business key, in the root's order. For a mapping without misfits."""
    columns = {mapping.root: mapping.key}
    for name in mapping.parts:
        columns[name] = _key_of_part(mapping, tables, name)
    return columns


def layout_of(mapping: Mapping, keys: MappingType[str, tuple[str, ...]]) -> str:
    """Which rows are kept under which key, as a text: a state that was built otherwise cannot be gone on with."""
    parts = sorted(f"{name}({', '.join(keys[name])})" for name in mapping.parts)
    kept = "" if mapping.keeps_rows else " without rows"
    return ", ".join([f"{mapping.root}({', '.join(mapping.key)})", *parts]) + kept


def children_of(mapping: Mapping, table: str) -> tuple[str, ...]:
    """The parts whose rows belong to rows of this table."""
    return tuple(name for name, part in mapping.parts.items() if (part.of or mapping.root) == table)


def parent_key(mapping: Mapping, tables: Tables, name: str) -> tuple[str, ...]:
    """The key columns of what a part belongs to, in the order of the part's parent columns."""
    above = mapping.parts[name].of
    return mapping.key if above is None else tables[above].key


def _key_of_part(mapping: Mapping, tables: Tables, name: str) -> tuple[str, ...]:
    part = mapping.parts[name]
    if part.of is None:
        return part.parent
    above = dict(zip(parent_key(mapping, tables, name), part.parent, strict=True))
    return tuple(above[column] for column in _key_of_part(mapping, tables, part.of))


def _unknown(mapping: Mapping, tables: Tables) -> Iterator[Misfit]:
    """Tables, columns and parts that are named and do not exist."""
    wanted = [(mapping.root, mapping.marks["root"], [(c, mapping.marks["root.key"]) for c in mapping.key])]
    wanted += [(n, p.mark, [(c, p.mark) for c in (*p.parent, *p.order)]) for n, p in mapping.parts.items()]
    for name, mark, columns in wanted:
        table = tables.get(name)
        if table is None:
            said = f"schema.yaml has no table {name}{did_you_mean(name, tables)}"
            yield Misfit("table.unknown", mark, said, len(name))
            continue
        for column, place in columns:
            if column not in table.columns:
                said = f"{name} has no column {column}{did_you_mean(column, table.columns)}"
                yield Misfit("column.unknown", place, said, len(column))
    for part in mapping.parts.values():
        if part.of is not None and part.of not in mapping.parts:
            said = f"{part.of} is no part of this mapping{did_you_mean(part.of, mapping.parts)}"
            yield Misfit("part.unknown", part.mark, said, 1, "`of:` names another part; leave it out for the root.")


def _part_misfits(mapping: Mapping, tables: Tables, name: str, part: Part) -> Iterator[Misfit]:
    if _is_circular(mapping, name):
        yield Misfit("part.circular", part.mark, f"{name} belongs to itself, through `of:`")
        return
    above = tables[part.of or mapping.root]
    keys = parent_key(mapping, tables, name)
    types = [_form(tables[name].columns[column]) for column in part.parent]
    if types != [_form(above.columns[column]) for column in keys]:
        said = f"the parent columns of {name} are not of the types of {above.name}'s key ({', '.join(keys)})"
        yield Misfit("part.key-type", part.mark, said)
    elif part.of is not None and not set(mapping.parts[part.of].parent) <= set(above.key):
        said = f"{name} cannot name its business key: the parent columns of {above.name} are not in its primary key"
        yield Misfit("part.key", part.mark, said, 1, "Rows that do not hold the business key cannot be routed to it.")


def _form(kind: Type) -> tuple[str, int, bool]:
    """What decides how a value is written in a key: 7 and 7.00 are different texts, and CHAR has no blanks at its end."""
    return (kind.kind, kind.scale, kind.padded)


def _is_circular(mapping: Mapping, name: str) -> bool:
    seen: set[str] = set()
    at: str | None = name
    while at is not None and at not in seen:
        seen.add(at)
        at = mapping.parts[at].of if at in mapping.parts else None
    return at is not None
