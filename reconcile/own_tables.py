"""A view that somebody else's code keeps, in tables of its own, as a check declares it: which column shows which field.

The header has one row per thing, named by a surrogate id; the business key is a column like any other and may stand there
twice. Children refer to the header's id. Columns are SQL of the view's database: a column's name, or an expression over the
row of its table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from pipeline.projection.spec import ChildSpec, ProjectionSpec
from translators.yaml_form import Form
from translators.yaml_text import Mark, YamlMap, YamlNode

_REQUIRED = {"database", "table", "id", "key", "columns"}
_OPTIONAL = {"children", "where", "version", "checkpoint", "ignores"}
_CHILD = {"table", "parent", "columns"}
_CHILD_OPTIONAL = {"id", "order", "identity", "where", "ignores"}


class OwnChild(msgspec.Struct, frozen=True, kw_only=True):
    """A table with a row for each element of a list. `parent` refers to the header's id.

    Elements stand in the order of the columns `order`; without them they are told by the fields `identity`, in no order.
    No two elements of a thing have the same `identity`, unless the legacy says so. `id` names a row.
    """

    table: str
    parent: str
    columns: Mapping[str, str]
    id: str = ""
    order: tuple[str, ...] = ()
    identity: tuple[str, ...] = ()
    where: str = ""
    ignores: tuple[str, ...] = ()


class OwnCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The table in which the view's consumer keeps, with its rows, the next `offset` that it reads of each `partition`."""

    table: str
    partition: str
    offset: str
    where: str = ""


class OwnTables(msgspec.Struct, frozen=True, kw_only=True):
    """The tables of a view. `key` and `columns` map SQL over the header to paths of the state, `children` are by list.

    `where` is the slice that the view shows, `version` the column with the sequence of the record that a row was built from.
    `ignores` are columns that show nothing of the state. `marks` has the place of each name in the check's file, by
    `at(...)` of what it is.
    """

    database: str
    table: str
    id: str
    key: Mapping[str, str]
    columns: Mapping[str, str]
    children: Mapping[str, OwnChild] = {}
    where: str = ""
    version: str = ""
    checkpoint: OwnCheckpoint | None = None
    ignores: tuple[str, ...] = ()
    file: str = ""
    marks: Mapping[str, Mark] = {}

    @property
    def paths(self) -> tuple[str, ...]:
        """What the view shows, as a check names it."""
        lists = (
            p for path, child in self.children.items() for p in (path, *(f"{path}.{i}" for i in child.columns.values()))
        )
        return (*self.key.values(), *self.columns.values(), *lists)

    @property
    def named(self) -> tuple[str, ...]:
        """The paths that name a thing, or an element of its lists."""
        return (*self.key.values(), *(f"{path}.{i}" for path, child in self.children.items() for i in child.identity))

    def where_is(self, *parts: str) -> str:
        """`file:line:column` of a name."""
        mark = self.marks.get(at(*parts))
        return self.file if mark is None else f"{self.file}:{mark.line}:{mark.column}"

    def declared(self, reads: str, lines: Sequence[str] = ()) -> ProjectionSpec:
        """What the tables promise of a translator's state, in the form of a projection: it is checked in the same way."""
        return ProjectionSpec(
            name=self.table,
            reads=reads,
            database=self.database,
            table=self.table,
            key=self.key,
            columns=self.columns,
            children={path: ChildSpec(child.table, child.columns) for path, child in self.children.items()},
            file=self.file,
            marks={tuple(name.split(_BETWEEN)): mark for name, mark in self.marks.items()},
            lines=tuple(lines),
        )


_BETWEEN = "\x1f"


def at(*parts: str) -> str:
    """The name under which `OwnTables.marks` has the place of something."""
    return _BETWEEN.join(parts)


def read_tables(form: Form, node: YamlNode, file: str) -> OwnTables:
    """The tables that a check declares; the form's error, at its place, if they are not said rightly."""
    return _Reader(form, file).tables(node)


class _Reader:
    def __init__(self, form: Form, file: str) -> None:
        self._form = form
        self._file = file
        self._marks: dict[str, Mark] = {}

    def tables(self, node: YamlNode) -> OwnTables:
        form = self._form
        given = form.members(node, "tables", _REQUIRED, _OPTIONAL).items
        return OwnTables(
            database=form.text(given["database"], "tables.database"),
            table=self._text(given, "table"),
            id=self._text(given, "id"),
            key=self._paths(given["key"], ("key",)),
            columns=self._paths(given["columns"], ("columns",)),
            children=self._children(given["children"]) if "children" in given else {},
            where=self._text(given, "where"),
            version=self._text(given, "version"),
            checkpoint=self._checkpoint(given["checkpoint"]) if "checkpoint" in given else None,
            ignores=self._texts(given, "ignores"),
            file=self._file,
            marks=self._marks,
        )

    def _children(self, node: YamlNode) -> dict[str, OwnChild]:
        table = self._form.a_map(node, "tables.children")
        for path, mark in table.key_marks.items():
            self._marks[at("children", path)] = mark
        return {path: self._child(path, child) for path, child in table.items.items()}

    def _child(self, path: str, node: YamlNode) -> OwnChild:
        form, place = self._form, ("children", path)
        given = form.members(node, f"tables.children.{path}", _CHILD, _CHILD_OPTIONAL).items
        columns = self._paths(given["columns"], place)
        child = OwnChild(
            table=self._text(given, "table", *place),
            parent=self._text(given, "parent", *place),
            columns=columns,
            id=self._text(given, "id", *place),
            order=self._texts(given, "order", *place),
            identity=self._texts(given, "identity", *place),
            where=self._text(given, "where", *place),
            ignores=self._texts(given, "ignores", *place),
        )
        if not (child.order or child.identity):
            fix = "Add `order:` with columns, or `identity:` with the fields that tell them apart."
            raise form.wrong(f"nothing says which element of {path} a row is", node.mark, fix)
        for name in child.identity:
            if name not in columns.values():
                fix = f"Its columns show: {', '.join(columns.values())}."
                raise form.wrong(f"identity names {name!r}, which no column shows", given["identity"].mark, fix)
        return child

    def _checkpoint(self, node: YamlNode) -> OwnCheckpoint:
        given = self._form.members(node, "tables.checkpoint", {"table", "partition", "offset"}, {"where"}).items
        return OwnCheckpoint(**{name: self._text(given, name, "checkpoint") for name in given})

    def _text(self, given: Mapping[str, YamlNode], name: str, *place: str) -> str:
        """An optional text, its place kept."""
        if name not in given:
            return ""
        self._marks[at("of", *place, name)] = given[name].mark
        return self._form.text(given[name], ".".join(("tables", *place, name)))

    def _texts(self, given: Mapping[str, YamlNode], name: str, *place: str) -> tuple[str, ...]:
        if name not in given:
            return ()
        self._marks[at("of", *place, name)] = given[name].mark
        return self._form.texts(given[name], ".".join(("tables", *place, name)))

    def _paths(self, node: YamlNode, place: tuple[str, ...]) -> dict[str, str]:
        """SQL and the path that it shows; no path is shown twice."""
        form, table = self._form, self._form.a_map(node, ".".join(("tables", *place)))
        found: dict[str, str] = {}
        for column, path in self._pairs(table):
            if path in found.values():
                raise form.wrong(f"{path} is shown twice", table.key_marks[column], "Keep one of the two.")
            self._marks[at(*place, column)] = table.items[column].mark
            self._marks[at("sql", *place, column)] = table.key_marks[column]
            found[column] = path
        return found

    def _pairs(self, table: YamlMap) -> Iterator[tuple[str, str]]:
        for column, said in table.items.items():
            yield column, self._form.text(said, f"the path of {column}")
