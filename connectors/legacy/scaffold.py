"""The files of a project as guesses have them: text out, nothing is written here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from connectors.legacy.contract_text import contract_text
from connectors.legacy.guess import GuessedField, GuessedPart, Thing
from connectors.legacy.names import articled, snake, unique, words_of
from connectors.legacy.reflect import LegacyTable, Reflection
from connectors.legacy.sample import ROWS

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_PLAIN_EXPRESSION = re.compile(r"[A-Za-z][\w ',().]*")
_PLAIN_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9 _(),]*")
_NO_TEXTS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"))
_PARTITIONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Where the database is. `path` is SQLite's file; a password is never here."""

    host: str = ""
    port: int = 0
    user: str = ""
    database: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaffold:
    """What the files are written from."""

    project: str
    namespace: str
    reflection: Reflection
    things: tuple[Thing, ...]
    login: Login

    def files(self) -> dict[str, str]:
        """The text of each file, by its path in the project."""
        files = {
            "dragoman.yaml": self._project(),
            "schema.yaml": self._schema(),
            "sources/legacy.yaml": self._source(),
            ".gitignore": "var/\n__pycache__/\n",
        }
        for thing in self.things:
            files[f"mappings/{thing.name}.yaml"] = _text(_mapping(thing, self.project))
            files[f"contracts/{thing.name}.py"] = contract_text(thing, self.project)
            files[f"consumers/{thing.name}_view.yaml"] = _text(_view(thing))
            files[f"checks/{thing.name}.yaml"] = _text(_check(thing, self.project))
        return files

    def _project(self) -> str:
        names = "".join(f"  - {scalar(thing.name)}\n" for thing in self.things)
        return (
            f"{_schema_of('project', '')}project: {scalar(self.project)}\n"
            f"namespace: {self.namespace}          # guess: a name that is yours, as in Java's packages\n"
            f"translators:                   # mappings/<name>.yaml\n{names}"
            "source: legacy                 # sources/legacy.yaml\nlog: var/log.db\nstate: var/state.db\n"
        )

    def _schema(self) -> str:
        reflection = self.reflection
        bigint = "  bigint_unsigned: precise\n" if reflection.connector == "mariadb" else ""
        wide = "  time: adaptive\n  binary: bytes\n" if reflection.connector == "sqlite" else ""
        lines = [
            f"{_schema_of('schema', '')}# The legacy schema, as the database has it.",
            f"source: legacy\nconnector: {reflection.connector}\nnamespace: {scalar(reflection.namespace)}",
            f"encoding:\n  decimal: string\n{wide}{bigint}tables:",
        ]
        for thing in self.things:
            for name in (thing.table, *(part.table for part in thing.parts)):
                lines += _table(reflection.tables[name], self.project)
        return _text(lines)

    def _source(self) -> str:
        if self.reflection.connector == "sqlite":
            return _text(self._triggers())
        return _text(self._kafka())

    def _triggers(self) -> Iterator[str]:
        yield f"{_schema_of('source', '../')}# Captured by triggers: `dragoman doctor --install-triggers` makes them."
        yield f"kind: sqlite\ndatabase: {json.dumps('${LEGACY_DATABASE:-' + self.login.path + '}', ensure_ascii=False)}"
        yield "# Rows that belong together need a table that your programs write first in each transaction:"
        yield "# marker: <table with a whole number as its key and one timestamptz column>"
        yield "begins: snapshot\nfeeds:"
        yield from self._feeds(topics=False)

    def _kafka(self) -> Iterator[str]:
        reflection, login = self.reflection, self.login
        yield f"{_schema_of('source', '../')}# Captured by a Debezium connector: `dragoman connectors explain` says how."
        yield "kind: kafka\nbootstrap: ${KAFKA_BOOTSTRAP:-localhost:9092}\nbegins: snapshot\nexactly_once: true"
        yield "transactions: legacy.transaction\nnotifications: legacy.notification"
        yield "connect:\n  url: ${CONNECT_URL:-http://localhost:8083}\n  connector: legacy"
        yield "database: ${LEGACY_URL}          # asked who it is, and read by checks: only ever a variable"
        yield "feeds:"
        yield from self._feeds(topics=True)
        yield "capture:"
        yield f"  host: {_variable('LEGACY_HOST', login.host)}\n  port: {_variable('LEGACY_PORT', str(login.port))}"
        yield f"  user: {_variable('LEGACY_USER', login.user)}"
        yield "  password: ${env:LEGACY_PASSWORD}    # Connect's own environment has it"
        if reflection.connector == "mariadb":
            yield "  server_id: ${LEGACY_SERVER_ID:-5400}    # guess: a number that no other replica has"
            return
        slot = f"dragoman_{snake(words_of(self.project))}"[:60]
        yield f"  database: {_variable('LEGACY_DATABASE', login.database)}\n  slot: {slot}\n  publication: {slot}"
        yield "# The publication is made by whoever owns the tables:"
        names = [table.name for table in self._tables()]
        root = " WITH (publish_via_partition_root = true)" if any(t.is_partitioned for t in self._tables()) else ""
        listed = ", ".join(f"{_sql(reflection.namespace)}.{_sql(name)}" for name in names)
        yield f"#   CREATE PUBLICATION {slot} FOR TABLE {listed}{root};"

    def _tables(self) -> list[LegacyTable]:
        return [
            self.reflection.tables[name]
            for thing in self.things
            for name in (thing.table, *(part.table for part in thing.parts))
        ]

    def _feeds(self, *, topics: bool) -> Iterator[str]:
        """A feed for each thing: all its rows on one partition, chosen by its key."""
        for thing in self.things:
            routes = {thing.table: thing.key, **{part.table: part.parent for part in thing.parts}}
            # A router names columns in a list with commas and dots: a name that has one cannot choose a partition.
            odd = any(not re.fullmatch(r"\w+", column) for columns in routes.values() for column in columns)
            yield f"  {scalar(thing.name)}:"
            if topics:
                yield f"    topic: legacy.{thing.name}"
            yield f"    partitions: {1 if odd else _PARTITIONS}\n    tables:"
            for table, columns in routes.items():
                yield f"      {scalar(table)}:"
                yield from (f"        - {scalar(column)}" for column in columns)


def scalar(said: str) -> str:
    """A text as YAML, in quotes where it would be read as something else."""
    if _PLAIN.fullmatch(said) and said.lower() not in _NO_TEXTS:
        return said
    return json.dumps(said, ensure_ascii=False)


def _expression(said: str) -> str:
    plain = _PLAIN_EXPRESSION.fullmatch(said) and said.lower() not in _NO_TEXTS
    return said if plain else json.dumps(said, ensure_ascii=False)


def _variable(name: str, default: str) -> str:
    return json.dumps(f"${{{name}:-{default}}}", ensure_ascii=False) if default else f"${{{name}}}"


def _sql(name: str) -> str:
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'


def _schema_of(kind: str, up: str) -> str:
    return f"# yaml-language-server: $schema={up}schemas/{kind}.json\n"


def _text(lines: Iterator[str] | Sequence[str]) -> str:
    return "\n".join(lines) + "\n"


def _table(table: LegacyTable, context: str) -> Iterator[str]:
    yield f"  {scalar(table.name)}:"
    yield f"    context: {scalar(context)}          # guess: who owns it"
    yield "    key:"
    yield from (f"      - {scalar(column)}" for column in table.key)
    yield f"    replica_identity: {table.replica_identity}"
    yield "    columns:"
    for column in table.columns:
        typed = f"{column.type}{'' if column.nullable and column.name not in table.key else ' not null'}"
        written = typed if _PLAIN_TYPE.fullmatch(typed) else json.dumps(typed, ensure_ascii=False)
        collation = f"    # collation {column.collation}" if column.collation else ""
        yield f"      {scalar(column.name)}: {written}{collation}"
    for name, reason in table.unsent.items():
        yield f"      # {_one_line(name)} {_one_line(reason)}"


def _one_line(said: str) -> str:
    return " ".join(said.split())


def _mapping(thing: Thing, context: str) -> Iterator[str]:
    yield f"{_schema_of('mapping', '../')}# Guesses, drawn from the database: what {articled(thing.contract)} is."
    yield "# Look at every name and meaning."
    yield f"translator: {scalar(thing.name)}\ncontext: {scalar(context)}\nroot:\n  table: {scalar(thing.table)}\n  key:"
    yield from (f"    - {scalar(column)}" for column in thing.key)
    yield from (f"# {_one_line(said)}." for said in thing.related)
    if thing.parts:
        yield "parts:"
    for part in thing.parts:
        yield from _part(part)
    if thing.codes:
        yield f"\ncodes:                         # guesses of meanings; the codes of enums, or of the first {ROWS:,} rows"
    for name, entries in thing.codes.items():
        yield f"  {scalar(name)}:"
        yield from (f"    {scalar(code)}: {scalar(meaning)}" for code, meaning in entries.items())
    yield f"\nstate:\n  contract: {thing.contract}.v1\n  fields:"
    yield from _field_lines(thing.fields, "    ")
    for part in thing.parts:
        yield f"    {part.name}:\n      each: {scalar(part.table)}\n      fields:"
        yield from _field_lines(part.fields, "        ")
        yield from _hidden(part.hidden, "        ")
    yield from _hidden(thing.hidden, "    ")
    yield from _candidates(thing)


def _part(part: GuessedPart) -> Iterator[str]:
    yield f"  {scalar(part.table)}:\n    parent:"
    yield from (f"      - {scalar(column)}" for column in part.parent)
    yield "    order:"
    yield from (f"      - {scalar(column)}" for column in part.order)


def _field_lines(fields: Sequence[GuessedField], margin: str) -> Iterator[str]:
    for one in fields:
        note = ""
        if one.type.kind in ("wide", "float"):
            note = "    # guess: nine places are enough"
        elif one.is_raw_code:
            note = "    # guess: a code that everybody reads; otherwise make a code table"
        elif one.type.kind == "timestamp":
            note = "    # guess: its clock is UTC"
        yield f"{margin}{scalar(one.name)}: {_expression(one.expression)}{note}"


def _hidden(hidden: Mapping[str, str], margin: str) -> Iterator[str]:
    yield from (f"{margin}# {_one_line(name)} {_one_line(reason)}" for name, reason in hidden.items())


def _candidates(thing: Thing) -> Iterator[str]:
    if not thing.events:
        return
    yield "\n# What may have happened: candidates, from what the status can be. An event needs a contract, and somebody who"
    yield "# decides something by it; that a row was written is no event.\n# events:"
    for name, field, choice in thing.events:
        text = choice.replace("'", "''")
        yield f"#   - type: {name or '<what happened>.v1'}"
        yield f"#     when: OLD.{field} IS DISTINCT FROM '{text}' AND NEW.{field} = '{text}'"


def _view(thing: Thing) -> Iterator[str]:
    unused = unique()
    key = thing.business_key
    yield f"{_schema_of('consumer', '../')}# A read model, built from the state stream: one row for each {thing.contract}."
    yield f"projection: {thing.name}_view\nreads: {scalar(thing.name)}\ndatabase: var/views.db\ntable: {thing.name}_view\nkey:"
    yield from (f"  {unused(snake(words_of(name)))}: {name}" for name in key)
    rest = [one for one in thing.fields if one.name not in key]
    yield "columns:"
    if not rest:  # a view has columns, even of a thing that is nothing but its key
        yield f"  {unused('shown_key')}: {key[0]}"
    yield from (f"  {unused(snake(words_of(one.name)))}: {one.name}" for one in rest)
    if thing.parts:
        yield "children:"
    tables = unique()
    tables(f"{thing.name}_view")
    for part in thing.parts:
        inner = unique()
        for name in key:
            inner(snake(words_of(name)))
        yield f"  {part.name}:\n    table: {tables(f'{thing.name[:24]}_{snake(words_of(part.name))[:24]}_view')}\n    columns:"
        yield from (f"      {inner(snake(words_of(one.name)))}: {one.name}" for one in part.fields)


def _check(thing: Thing, project: str) -> Iterator[str]:
    yield f"{_schema_of('check', '../')}# The read model has to say what the legacy tables say, field by field."
    yield f"check: {thing.name}\nmapping: {scalar(thing.name)}\nview: {thing.name}_view\nlimit: 0"
    yield f"owner: {scalar(f'Read models of {project}')}    # guess: who answers for the view"
