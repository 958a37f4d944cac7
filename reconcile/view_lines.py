"""The lines of a view that a projection keeps in PostgreSQL or MariaDB: one stream of its rows, one of each list's elements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, select, text

from pipeline.projection.database import translated
from pipeline.projection.tables import ORDINAL
from reconcile.blocks import Canonical
from reconcile.canonical import texts_of
from reconcile.errors import SideUnsorted
from reconcile.line_reads import CopyReads, LineReads, TextReads, Wanted
from reconcile.moments import mariadb_moment
from reconcile.mysql_rows import by_code_point, sends_texts
from reconcile.mysql_text import as_sent, escaped, view_writer
from reconcile.native_text import ELEMENT, LIST, KeyOrder, LineShape
from reconcile.streams import NATIVE, WHOLE, KeyRange, within
from reconcile.view import SIDE, ProjectionView
from translators.contract import Shape


class ViewLines(Canonical):
    """See `reconcile.blocks.Stream`; lines of `reconcile.native_text`."""

    side = SIDE

    def __init__(self, view: ProjectionView, shape: LineShape, order: KeyOrder, reads: LineReads) -> None:
        self.key = order.key
        self._view = view
        self._shape = shape
        self._order = order
        self._reads = reads

    @contextmanager
    def lines(self, keys: KeyRange = WHOLE, native: frozenset[str] = frozenset()) -> Iterator[Iterator[bytes]]:
        """See the port."""
        with ExitStack() as held:
            header, *children = [
                chain.from_iterable(held.enter_context(self._reads.lines(wanted)))
                for wanted in view_statements(self._view, self._shape, self._order, keys)
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


@contextmanager
def view_moment(view: ProjectionView, shape: LineShape) -> Iterator[tuple[Connection, LineReads]]:
    """One moment of a view: what reads values of it, and its lines."""
    if not sends_texts(view.engine):
        with view.connected() as connection:
            yield connection, CopyReads(view.engine, connection)
        return
    with translated(view.engine), mariadb_moment(view.engine, 2 + len(shape.lists), SIDE) as moment:
        connection, *others = moment.connections
        yield connection, TextReads(SIDE, others)


def view_statements(
    view: ProjectionView, shape: LineShape, order: KeyOrder, keys: KeyRange = WHOLE
) -> Iterator[Wanted]:
    """What is asked of each table of the view: its rows, then the elements of each list."""
    spec, header = view.spec, view.tables.header
    key, as_bytes = header.c["_key"], sends_texts(view.engine)
    sort: list[ColumnElement[Any]] = [by_code_point(key) if as_bytes else key]
    head: list[ColumnElement[Any]] = [key]
    if order.by_length:
        sort, head = [func.char_length(key), *sort], [func.char_length(key), key]
    heads = [*[as_sent] * order.by_length, escaped]
    columns = {path: column for column, path in {**spec.key, **spec.columns}.items()}
    rows = select(*head, *(header.c[columns[path]].label(f"c{n}") for n, path in enumerate(shape.fields)))
    asked = within(rows.order_by(*sort), sort, keys, as_bytes=as_bytes)
    yield Wanted(header.name, asked, [*heads, *map(view_writer, shape.fields.values())])
    for path, inner in shape.lists.items():
        child = view.tables.children[path]
        named = {name: column for column, name in spec.children[path].columns.items()}
        same = and_(*(child.c[name] == header.c[name] for name in spec.key))
        elements = select(*head, *(child.c[named[name]].label(f"c{n}") for n, name in enumerate(inner)))
        asked = elements.join_from(header, child, same).order_by(*sort, child.c[ORDINAL])
        asked = within(asked, sort, keys, as_bytes=as_bytes)
        yield Wanted(child.name, asked, [*heads, *map(view_writer, inner.values())])


def altered_column(view: ProjectionView, shape: LineShape, connection: Connection) -> str | None:
    """A column of the view that has another type than its projection gives it; `None` if there is none."""
    spec = view.spec
    paths = {**spec.key, **spec.columns}
    wanted = {view.tables.header.name: {c: shape.fields[path] for c, path in paths.items() if path in shape.fields}}
    for path, inner in shape.lists.items():
        child = spec.children[path]
        wanted[child.table] = {c: inner[name] for c, name in child.columns.items() if name in inner}
    asked, is_native = (_MYSQL_NATIVE, _is_mysql_native) if sends_texts(view.engine) else (NATIVE, _is_native)
    for table, columns in wanted.items():
        found = {name: of for name, of in connection.execute(asked, {"name": table})}
        for column, of in columns.items():
            if not is_native(found.get(column, ""), of):
                return f"{table}.{column}"
    return None


_MYSQL_NATIVE = text(
    "SELECT column_name, column_type FROM information_schema.columns "
    "WHERE table_schema = DATABASE() AND table_name = :name"
)
_MYSQL_TEXTS = ("varchar", "text", "tinytext", "mediumtext", "longtext")


def _is_mysql_native(native: str, shape: Shape) -> bool:
    is_text = native.partition("(")[0] in _MYSQL_TEXTS
    match shape.kind:
        case "text":
            return is_text
        case "integer":
            # MySQL writes no width.
            return native in ("bigint(20)", "bigint")
        case "decimal" if shape.digits is None or shape.places is None:
            return is_text
        case "decimal":
            return native == f"decimal({shape.digits},{shape.places})"
        case kind:
            return native == {"boolean": "tinyint(1)", "date": "date", "timestamptz": "datetime(6)"}.get(kind)


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
