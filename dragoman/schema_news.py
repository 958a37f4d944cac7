"""News of the legacy's tables in words: what changed, since when, and what to do about rows that no change told of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

from dragoman.source import Legacy

if TYPE_CHECKING:
    from dragoman.project import Project
    from pipeline.news import News


class SchemaNews(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of news: `at` is the first record that showed it; `command` reads the table's rows again, if any can."""

    kind: str
    table: str
    column: str
    since: str | None
    at: str
    message: str
    fix: str
    command: str


def told(project: Project, one: News) -> SchemaNews:
    """A piece of news as people read it."""
    message, fix = _words(one)
    again = one.kind in ("added", "altered")
    return SchemaNews(
        kind=one.kind,
        table=one.table,
        column=one.column,
        since=None if one.since is None else one.since.isoformat(timespec="seconds"),
        at=str(one.at),
        message=message,
        fix=fix,
        command=read_again(project, one.table) if again else "",
    )


def _words(one: News) -> tuple[str, str]:
    name = f"{one.table}.{one.column}"
    match one.kind:
        case "added":
            return f"{name} has come, which schema.yaml does not know", (
                "Rows that were there before may have been given a default, of which no change event tells: add the "
                "column to schema.yaml, then read the table's rows again."
            )
        case "missing":
            return f"{name} does not come any more, and no mapping needs it", (
                "It was dropped or renamed, or it is generated (snapshots send it, changes do not): take it out of schema.yaml."
            )
        case "retyped":
            return f"{name} has another type than schema.yaml says, and no mapping needs it", (
                "Its values are left out until schema.yaml says the new type."
            )
        case "altered":
            return f"{one.table} was changed by a statement", (
                "Compare it with schema.yaml. A default that old rows were given is told by no change event."
            )


def read_again(project: Project, table: str) -> str:
    """What makes the source send all rows of a table once more; empty where nobody here knows a way."""
    source, schema = project.source, project.schema
    if isinstance(source.origin, Legacy):
        column = next(iter(schema.tables[table].columns)) if table in schema.tables else "..."
        return f"UPDATE {table} SET {column} = {column}"  # noqa: S608 - shown to a person, not executed
    if source.signals is None:
        return ""
    name = table if "." in table else f"{schema.namespace}.{table}"
    data = json.dumps({"data-collections": [name], "type": "incremental"})
    return f"INSERT INTO {source.signals} VALUES ('again-{table}', 'execute-snapshot', '{data}')"  # noqa: S608 - shown
