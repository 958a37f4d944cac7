"""Whether every row of an aggregate can find its way: keys, and what the source sends of a deleted row."""

from __future__ import annotations

from collections.abc import Iterator

from translators.lint.rule import Found, Project, Rule, Subject
from translators.parts import key_columns
from translators.schema import Table

RULES = (
    Rule("table.replica-identity", "error", "A table whose deletes do not say what they belong to"),
    Rule("table.no-key", "error", "A table whose rows cannot be told apart"),
    Rule("part.nullable-parent", "warning", "Rows that may belong to nothing"),
    Rule("context.many-owners", "warning", "One mapping over the tables of several contexts"),
)

_MANY_OWNERS = 3


def check(project: Project) -> Iterator[Found]:
    """The rules of this module."""
    for subject in project.subjects:
        mapping, tables = subject.bound.mapping, subject.bound.schema.tables
        for name, columns in key_columns(mapping, tables).items():
            yield from _routed(subject, tables[name], columns)
        yield from _owners(subject)


def _routed(subject: Subject, table: Table, columns: tuple[str, ...]) -> Iterator[Found]:
    mapping = subject.bound.mapping
    is_root = table.name == mapping.root
    place = subject.at(mapping.marks["root"]) if is_root else subject.key("parts", table.name)
    length = len(table.name)
    if not table.key:
        message = f"{table.name} has no primary key in schema.yaml: its rows cannot be told apart"
        hint = "Give the table a key there (and in the database). Two equal rows would be one."
        yield Found("table.no-key", place, length, message, hint)
    elif table.replica_identity != "full" and (problem := _unsent(table, columns)):
        hint = f"ALTER TABLE {table.name} REPLICA IDENTITY FULL; then say `replica_identity: full` in schema.yaml."
        yield Found("table.replica-identity", place, length, f"{table.name} has {problem}", hint)
    nullable = [column for column in columns if table.columns[column].nullable]
    if nullable and not is_root:
        message = f"{table.name}.{nullable[0]} may be null: such a row belongs to no {mapping.name}, and is refused"
        hint = "Say `not null` in schema.yaml if it holds; otherwise expect dead letters (key.unreadable)."
        yield Found("part.nullable-parent", place, length, message, hint)


def _unsent(table: Table, columns: tuple[str, ...]) -> str | None:
    """Why a delete of this table cannot be routed."""
    if table.replica_identity == "nothing":
        return "replica identity nothing: its updates and deletes carry no key, and PostgreSQL refuses them"
    missing = [column for column in columns if column not in table.key]
    if missing:
        sent = "an index" if table.replica_identity == "index" else "the primary key"
        return (
            f"replica identity {table.replica_identity}: a delete sends {sent} only, and {', '.join(missing)}, "
            "which says what the row belongs to, is not in the primary key"
        )
    return None


def _owners(subject: Subject) -> Iterator[Found]:
    mapping, tables = subject.bound.mapping, subject.bound.schema.tables
    owners = {tables[name].context for name in (mapping.root, *mapping.parts)} - {None}
    if len(owners) >= _MANY_OWNERS:
        named = ", ".join(sorted(str(owner) for owner in owners))
        message = f"{mapping.name} puts tables of {len(owners)} contexts into one thing: {named}"
        hint = "A translator speaks for one context. One thing made of everybody's tables is a canonical model."
        mark = mapping.marks["context"]
        yield Found("context.many-owners", subject.at(mark), len(mapping.context), message, hint)
