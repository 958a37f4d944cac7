"""The lines of a view that a projection keeps in PostgreSQL, out of one COPY of its rows and one of each list's elements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, select

from pipeline.projection.tables import ORDINAL
from reconcile.blocks import Canonical
from reconcile.canonical import texts_of
from reconcile.copy import copies
from reconcile.errors import SideUnsorted
from reconcile.native_text import ELEMENT, LIST, KeyOrder, LineShape
from reconcile.streams import NATIVE, WHOLE, KeyRange, within
from reconcile.view import SIDE, ProjectionView
from translators.contract import Shape


class ViewLines(Canonical):
    """See `reconcile.blocks.Stream`; lines of `reconcile.native_text`, as of the moment that `connection` sees."""

    side = SIDE

    def __init__(self, view: ProjectionView, shape: LineShape, order: KeyOrder, connection: Connection) -> None:
        self.key = order.key
        self._view = view
        self._shape = shape
        self._order = order
        self._connection = connection

    @contextmanager
    def lines(self, keys: KeyRange = WHOLE, native: frozenset[str] = frozenset()) -> Iterator[Iterator[bytes]]:
        """See the port."""
        with ExitStack() as held:
            header, *children = [
                chain.from_iterable(held.enter_context(copies(self._view.engine, statement, of=self._connection)))
                for _, statement in view_statements(self._view, self._shape, self._order, keys)
            ]
            yield self._joined(header, children) if children else header

    def _joined(self, header: Iterator[bytes], children: Sequence[Iterator[bytes]]) -> Iterator[bytes]:
        """Each row with its elements, which stand in the same order."""
        heads = [next(child, None) for child in children]
        width = len(self.key)
        for row in header:
            begin = b"\t".join(row.split(b"\t", width)[:width]) + b"\t"
            found = [row[:-1]]
            for number, child in enumerate(children):
                found.append(b"\t" + LIST)
                head = heads[number]
                while head is not None and head.startswith(begin):
                    found += (head[len(begin) : -1], ELEMENT)
                    head = next(child, None)
                heads[number] = head
            yield b"".join(found) + b"\n"
        for head in heads:
            if head is not None:
                raise SideUnsorted(side=SIDE, problem=f"elements of {texts_of(head)[width - 1]} stand alone")


def view_statements(
    view: ProjectionView, shape: LineShape, order: KeyOrder, keys: KeyRange = WHOLE
) -> Iterator[tuple[str, Select[*tuple[Any, ...]]]]:
    """By table what is asked of the view: its rows, then the elements of each list."""
    spec, header = view.spec, view.tables.header
    key = header.c["_key"]
    sort: list[ColumnElement[Any]] = [func.length(key), key] if order.by_length else [key]
    columns = {path: column for column, path in {**spec.key, **spec.columns}.items()}
    rows = select(*sort, *(header.c[columns[path]].label(f"c{n}") for n, path in enumerate(shape.fields)))
    yield header.name, within(rows.order_by(*sort), sort, keys)
    for path, inner in shape.lists.items():
        child = view.tables.children[path]
        named = {name: column for column, name in spec.children[path].columns.items()}
        same = and_(*(child.c[name] == header.c[name] for name in spec.key))
        elements = select(*sort, *(child.c[named[name]].label(f"c{n}") for n, name in enumerate(inner)))
        yield child.name, within(elements.join_from(header, child, same).order_by(*sort, child.c[ORDINAL]), sort, keys)


def altered_column(view: ProjectionView, shape: LineShape, connection: Connection) -> str | None:
    """A column of the view that has another type than its projection gives it; `None` if there is none."""
    spec = view.spec
    paths = {**spec.key, **spec.columns}
    wanted = {view.tables.header.name: {c: shape.fields[path] for c, path in paths.items() if path in shape.fields}}
    for path, inner in shape.lists.items():
        child = spec.children[path]
        wanted[child.table] = {c: inner[name] for c, name in child.columns.items() if name in inner}
    for table, columns in wanted.items():
        found = {name: of for name, of in connection.execute(NATIVE, {"name": table})}
        for column, of in columns.items():
            if not _is_native(found.get(column, ""), of):
                return f"{table}.{column}"
    return None


def _is_native(native: str, shape: Shape) -> bool:
    is_text = native == "text" or native.startswith("character varying")
    match shape.kind:
        case "text":
            return is_text
        case "decimal" if shape.digits is None or shape.places is None:
            return is_text
        case "decimal":
            return native == f"numeric({shape.digits},{shape.places})"
        case kind:
            return native == _NATIVE.get(kind)


_NATIVE = {
    "integer": "bigint",
    "boolean": "boolean",
    "date": "date",
    "timestamptz": "timestamp with time zone",
}
