"""A projection as it is declared: which stream, into which tables, and which path of the state feeds which column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.projection.errors import ProjectionMalformed
from translators.yaml_form import MAX_IDENTIFIER, Form
from translators.yaml_text import Mark, YamlMap, YamlNode, load

GONE = "__gone"
"""What the name of the side table of deleted keys ends in."""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """A table with one row per element of a list; `columns` maps its columns to paths within the element."""

    table: str
    columns: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ProjectionSpec:
    """A projection. `key` and `columns` map columns of the view to dotted paths of the state, `children` maps the
    paths of lists to their tables; `reads` names a translator, whose state stream it is.

    `marks` holds the place of each path (`("key", column)`, `("columns", column)`, `("children", path)`,
    `("children", path, column)`) in `file`, whose lines are `lines`.
    """

    name: str
    reads: str
    database: str
    table: str
    key: Mapping[str, str]
    columns: Mapping[str, str]
    children: Mapping[str, ChildSpec]
    file: str
    marks: Mapping[tuple[str, ...], Mark] = field(repr=False)
    lines: tuple[str, ...] = field(repr=False)


def read_projection(text: str, file: str) -> ProjectionSpec:
    """The projection that a YAML text declares; `projection.malformed` or a `YamlError` with its place if it does not."""
    return _Reader(text, file).projection(load(text, file))


class _Reader:
    def __init__(self, text: str, file: str) -> None:
        self._form = Form(file, ProjectionMalformed)
        self._file = file
        self._lines = tuple(text.splitlines())
        self._marks: dict[tuple[str, ...], Mark] = {}
        self._tables: set[str] = set()

    def projection(self, node: YamlNode) -> ProjectionSpec:
        form = self._form
        required = {"projection", "reads", "database", "table", "key", "columns"}
        top = form.members(node, "the projection", required, {"children"})
        given = top.items
        key = self._paths(given["key"], ("key",), {})
        return ProjectionSpec(
            name=form.text(given["projection"], "projection"),
            reads=form.text(given["reads"], "reads"),
            database=form.text(given["database"], "database"),
            table=self._table(given["table"]),
            key=key,
            columns=self._paths(given["columns"], ("columns",), key),
            children=self._children(given["children"], key) if "children" in given else {},
            file=self._file,
            marks=self._marks,
            lines=self._lines,
        )

    def _children(self, node: YamlNode, key: Mapping[str, str]) -> Mapping[str, ChildSpec]:
        children: dict[str, ChildSpec] = {}
        table = self._form.a_map(node, "children")
        for path, child in table.items.items():
            self._marks["children", path] = table.key_marks[path]
            given = self._form.members(child, f"children.{path}", {"table", "columns"}).items
            columns = self._paths(given["columns"], ("children", path), key)
            children[path] = ChildSpec(self._table(given["table"]), columns)
        return children

    def _table(self, node: YamlNode) -> str:
        name = self._form.identifier(self._form.text(node, "table"), "a table", node.mark)
        if name.casefold().endswith(GONE) or len(name) + len(GONE) > MAX_IDENTIFIER:
            fix = f"It may not end in {GONE}, and with it has to have at most {MAX_IDENTIFIER} characters."
            raise self._form.wrong(f"{name!r} cannot be a table", node.mark, fix)
        if name.casefold() in self._tables:
            raise self._form.wrong(f"the table {name!r} is used twice", node.mark, "Give each list a table of its own.")
        self._tables.add(name.casefold())
        return name

    def _paths(self, node: YamlNode, place: tuple[str, ...], taken: Mapping[str, str]) -> Mapping[str, str]:
        """Columns and their paths. Databases take `Status` and `status` for one column, so both are refused."""
        table: YamlMap = self._form.a_map(node, ".".join(place))
        paths: dict[str, str] = {}
        used = {column.casefold() for column in taken}
        for column, path in table.items.items():
            mark = table.key_marks[column]
            self._form.identifier(column, "a column", mark)
            if column.casefold() in used:
                raise self._form.wrong(f"the column {column!r} is used twice", mark, "Rename one of the two.")
            used.add(column.casefold())
            paths[column] = self._form.text(path, f"the path of {column}")
            self._marks[*place, column] = path.mark
        return paths
