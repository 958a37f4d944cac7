"""Reads `schema.yaml`: the text of the file in, the legacy schema as a value out, every mistake at its place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal, TypeVar, cast, get_args

import msgspec

from translators.errors import DragomanError
from translators.schema import Connector, Encoding, LegacySchema, Table, Type, column_type, source_type
from translators.yaml_text import Mark, YamlList, YamlMap, YamlNode, YamlScalar, did_you_mean, load, place

_TOP = ("source", "connector", "namespace", "encoding", "tables")
_TABLE = ("context", "key", "replica_identity", "columns")
_ENCODING: dict[str, tuple[str, ...]] = {
    "decimal": ("precise", "string", "double", "numeric"),
    "time": ("adaptive", "adaptive_time_microseconds", "connect", "isostring", "microseconds", "nanoseconds"),
    "binary": ("bytes", "base64", "base64-url-safe", "hex"),
    "bigint_unsigned": ("long", "precise"),
}
_CONNECTORS = get_args(Connector)
_IDENTITIES = ("full", "default", "index", "nothing")

Identity = Literal["full", "default", "index", "nothing"]
Node = TypeVar("Node", YamlMap, YamlList, YamlScalar)


class SchemaUnknownKey(DragomanError):
    """{key!r} is not known here{suggestion}."""

    code: ClassVar[str] = "schema.unknown-key"
    hint: ClassVar[str] = "Known are: {known}."


class SchemaMissing(DragomanError):
    """{owner} has no {key!r}."""

    code: ClassVar[str] = "schema.missing"
    hint: ClassVar[str] = "Add `{key}:` to it."


class SchemaWrongShape(DragomanError):
    """{key!r} must be {expected}."""

    code: ClassVar[str] = "schema.wrong-shape"
    hint: ClassVar[str] = "Compare it with the schema.yaml of the example."


class SchemaUnknownValue(DragomanError):
    """{value!r} is no {key}{suggestion}."""

    code: ClassVar[str] = "schema.unknown-value"
    hint: ClassVar[str] = "It is one of: {known}."


class SchemaColumnType(DragomanError):
    """{text!r} is no type of a column."""

    code: ClassVar[str] = "schema.column-type"
    hint: ClassVar[str] = "Write the type as in CREATE TABLE, with `not null` where it holds: `char(10) not null`."


class SchemaKeyColumn(DragomanError):
    """The key of {table} names {column!r}, which is no column of it{suggestion}."""

    code: ClassVar[str] = "schema.key-column"
    hint: ClassVar[str] = "Name the columns of the primary key, in its order."


def read_schema(text: str, file: str) -> LegacySchema:
    """The legacy schema that a `schema.yaml` tells; `file` is its name in errors, all of them `DragomanError`."""
    return _Reader(file).schema(load(text, file))


class _Reader:
    def __init__(self, file: str) -> None:
        self._file = file
        self._connector: Connector = "postgresql"

    def schema(self, root: YamlNode) -> LegacySchema:
        top = self._shaped(root, YamlMap, "the file", "a mapping")
        self._known(top, _TOP)
        connector = cast(Connector, self._one_of(top, "connector", _CONNECTORS, "the file"))
        self._connector = connector
        tables = self._shaped(self._need(top, "tables", "the file"), YamlMap, "tables", "a mapping of tables")
        # What a database does unless told otherwise: PostgreSQL sends the key only, all others the whole row.
        identity: Identity = "default" if connector == "postgresql" else "full"
        return LegacySchema(
            source=self._text(self._need(top, "source", "the file"), "source"),
            connector=connector,
            namespace=self._text(self._need(top, "namespace", "the file"), "namespace"),
            encoding=self._encoding(top.items.get("encoding")),
            tables={name: self._table(name, node, identity) for name, node in tables.items.items()},
        )

    def _encoding(self, node: YamlNode | None) -> Encoding:
        # What each connector writes unless told otherwise.
        fields = {"time": "adaptive_time_microseconds"} if self._connector in ("mariadb", "mysql") else {}
        if node is None:
            return Encoding(**fields)  # type: ignore[arg-type]  # one of the words of its Literal
        given = self._shaped(node, YamlMap, "encoding", "a mapping")
        self._known(given, (*_ENCODING, "unavailable"))
        fields |= {key: self._one_of(given, key, _ENCODING[key], "encoding") for key in _ENCODING if key in given.items}
        if "unavailable" in given.items:
            fields["unavailable"] = self._text(given.items["unavailable"], "unavailable")
        return Encoding(**fields)  # type: ignore[arg-type]  # each checked against the words of its Literal

    def _table(self, name: str, node: YamlNode, identity: Identity) -> Table:
        given = self._shaped(node, YamlMap, name, "a mapping with the table's columns")
        self._known(given, _TABLE)
        columns = self._shaped(self._need(given, "columns", name), YamlMap, "columns", "a mapping of column types")
        types: dict[str, Type] = {}
        native: dict[str, str] = {}
        for column, written in columns.items.items():
            types[column], native[column] = self._column(self._shaped(written, YamlScalar, column, "a column type"))
        context = given.items.get("context")
        if "replica_identity" in given.items:
            identity = cast(Identity, self._one_of(given, "replica_identity", _IDENTITIES, name))
        return Table(
            name=name,
            columns=types,
            native=native,
            key=self._key(name, given.items.get("key"), types),
            context=None if context is None else self._text(context, "context"),
            replica_identity=identity,
        )

    def _column(self, written: YamlScalar) -> tuple[Type, str]:
        native = source_type(written.text, self._connector)
        try:
            nullable = column_type(written.text).nullable
            return msgspec.structs.replace(column_type(native), nullable=nullable), native
        except ValueError as error:
            raise SchemaColumnType(text=written.text, where=self._where(written.mark)) from error

    def _key(self, table: str, node: YamlNode | None, columns: dict[str, Type]) -> tuple[str, ...]:
        if node is None:
            return ()
        names: list[str] = []
        for item in self._shaped(node, YamlList, "key", "a list of columns").items:
            name = self._text(item, "key")
            if name not in columns:
                raise SchemaKeyColumn(
                    table=table, column=name, suggestion=did_you_mean(name, columns), where=self._where(item.mark)
                )
            names.append(name)
        return tuple(names)

    def _known(self, node: YamlMap, known: tuple[str, ...]) -> None:
        for key, mark in node.key_marks.items():
            if key not in known:
                raise SchemaUnknownKey(
                    key=key, suggestion=did_you_mean(key, known), known=", ".join(known), where=self._where(mark)
                )

    def _need(self, node: YamlMap, key: str, owner: str) -> YamlNode:
        if key not in node.items:
            raise SchemaMissing(owner=owner, key=key, where=self._where(node.mark))
        return node.items[key]

    def _one_of(self, node: YamlMap, key: str, words: Iterable[str], owner: str) -> str:
        value = self._need(node, key, owner)
        text = self._text(value, key)
        known = tuple(words)
        if text not in known:
            raise SchemaUnknownValue(
                key=key,
                value=text,
                suggestion=did_you_mean(text, known),
                known=", ".join(known),
                where=self._where(value.mark),
            )
        return text

    def _text(self, node: YamlNode, key: str) -> str:
        scalar = self._shaped(node, YamlScalar, key, "a text")
        if not scalar.text:
            raise SchemaWrongShape(key=key, expected="a text that is not empty", where=self._where(scalar.mark))
        return scalar.text

    def _shaped(self, node: YamlNode, kind: type[Node], key: str, expected: str) -> Node:
        if not isinstance(node, kind):
            raise SchemaWrongShape(key=key, expected=expected, where=self._where(node.mark))
        return node

    def _where(self, mark: Mark) -> str:
        return place(self._file, mark)
