"""The lines of a mapping's things as one DuckDB query, in the form of `reconcile.native_text`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconcile.native_text import ELEMENT, LIST, KeyOrder, LineShape
from translators.bound_mapping import BoundField, BoundMapping, BoundNode
from translators.contract import Shape
from translators.duckdb_state import KEY, state_query
from translators.expression.dialect import NotInSql, quote
from translators.schema import Type

_ESCAPES = (("\\", r"\\"), ("\b", r"\b"), ("\f", r"\f"), ("\n", r"\n"), ("\r", r"\r"), ("\t", r"\t"), ("\v", r"\v"))
"""Backslashes first."""

_ALIKE = {
    ("text", "text"),
    ("integer", "integer"),
    ("decimal", "decimal"),
    ("boolean", "boolean"),
    ("date", "date"),
    ("timestamptz", "timestamptz"),
    ("timestamp", "timestamptz"),
}
"""The kinds of an expression and of its field between which a value keeps one text."""


def lines_query(bound: BoundMapping, relations: Mapping[str, str], shape: LineShape, order: KeyOrder) -> str:
    """One text of all lines, in order; NULL of nothing. Raises `NotInSql` where a field has no one text in both databases."""
    key = f"s.{quote(KEY)}"
    parts = [f"CAST(length({key}) AS VARCHAR)", key] if order.by_length else [_escaped(key)]
    for path, of in shape.fields.items():
        parts.append(_text(f"s.{_place(path)}", field_at(bound.fields, path).bound.type, of))
    for path, inner in shape.lists.items():
        node = _node(bound.fields, path)
        if isinstance(node, BoundField):
            raise NotInSql(f"the list {path}")
        fields = [_text(f"e.{_place(name)}", field_at(node.fields, name).bound.type, of) for name, of in inner.items()]
        element = f"concat_ws(chr(9), {', '.join(fields)}) || '{ELEMENT.decode()}'"
        listed = f"array_to_string(list_transform(s.{_place(path)}, lambda e: {element}), '')"
        parts.append(f"'{LIST.decode()}' || COALESCE({listed}, '')")
    sort = f"length({key}), {key}" if order.by_length else key
    state = state_query(bound, relations)
    return f"SELECT string_agg(concat_ws(chr(9), {', '.join(parts)}), chr(10) ORDER BY {sort}) FROM ({state}) AS s"


def _place(path: str) -> str:
    return ".".join(map(quote, path.split(".")))


def _node(fields: Mapping[str, BoundNode], path: str) -> BoundNode:
    head, _, rest = path.partition(".")
    node = fields[head]
    if not rest:
        return node
    if isinstance(node, BoundField):
        raise NotInSql(f"the field {path}")
    return _node(node.fields, rest)


def field_at(fields: Mapping[str, BoundNode], path: str) -> BoundField:
    """The field at a path of a state, or of a list's elements; `NotInSql` where there is no single value."""
    node = _node(fields, path)
    if not isinstance(node, BoundField):
        raise NotInSql(f"the field {path}")
    return node


def has_one_text(kind: Type, shape: Shape) -> bool:
    """Whether an expression's values have the text that a view's column has of them, and no other value has it."""
    is_cut = shape.kind == kind.kind == "decimal" and shape.places is not None and kind.scale > shape.places
    return (kind.kind, shape.kind) in _ALIKE and not is_cut


def _text(value: str, kind: Type, shape: Shape) -> str:
    if not has_one_text(kind, shape):
        raise NotInSql(f"a field of the kind {shape.kind} out of {kind}")
    return f"COALESCE({_written(value, shape)}, '\\N')"


def _written(value: str, shape: Shape) -> str:
    match shape.kind:
        case "text":
            return value if _is_plain(shape) else _escaped(value)
        case "decimal" if shape.digits is not None and shape.places is not None:
            return f"CAST(CAST({value} AS DECIMAL(38, {shape.places})) AS VARCHAR)"
        case "boolean":
            return f"CASE WHEN {value} THEN 't' WHEN NOT {value} THEN 'f' END"
        case "timestamptz":
            return f"CAST({value} AS VARCHAR) || '+00'"
        case _:
            return f"CAST({value} AS VARCHAR)"


def _is_plain(shape: Shape) -> bool:
    return bool(shape.choices) and not any(sign in choice for choice in shape.choices for sign, _ in _ESCAPES)


def _escaped(value: str) -> str:
    text = value
    for plain, escape in _ESCAPES:
        text = f"replace({text}, chr({ord(plain)}), '{escape}')"
    # Looking for each sign takes half the time of one regular expression.
    found = " OR ".join(f"contains({value}, chr({ord(plain)}))" for plain, _ in _ESCAPES)
    return f"CASE WHEN {found} THEN {text} ELSE {value} END"


def fields_of(fields: Mapping[str, BoundNode]) -> Iterator[BoundField]:
    """Every field of a state, those within objects and lists as well."""
    for node in fields.values():
        if isinstance(node, BoundField):
            yield node
        else:
            yield from fields_of(node.fields)
