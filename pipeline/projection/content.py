"""What a view row is made of: the values of a state by column, what they hash to, and what a newer state leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Context, Decimal, InvalidOperation
from hashlib import blake2b
from typing import Any

import msgspec
import orjson

from pipeline.projection.check import shape_at
from pipeline.projection.errors import ElementIncomplete, ValueUnfit
from pipeline.projection.spec import ProjectionSpec
from translators.contract import Shape

Header = dict[str, Any]
"""Column -> value (str, int, float, bool, Decimal, date, aware datetime, or null): the key columns and the columns."""

Children = dict[str, list[dict[str, Any]]]
"""List path -> one row (column -> value) per element, in order."""

_ABSENT = object()
_EXACT = Context(prec=200)
"""More digits than any contract allows: the default context stops at 28."""
_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**63 - 1


class Content(msgspec.Struct, frozen=True):
    """What a state says. A column that the state does not have is absent, and so is a list."""

    header: Header
    children: Children


class _Field(msgspec.Struct, frozen=True):
    """How one column is filled: `read` turns the JSON value, which is not null, into the column's."""

    column: str
    path: str
    names: tuple[str, ...]
    read: Callable[[Any, str], Any]


class Projector:
    """Turns states, as their JSON says them, into the content of view rows."""

    def __init__(self, spec: ProjectionSpec, shape: Mapping[str, Shape]) -> None:
        self.key = [(path, column) for column, path in spec.key.items()]
        """The paths of the key, each with its column."""
        self._header = [_field(shape, column, path) for column, path in {**spec.key, **spec.columns}.items()]
        self._children = {
            path: (
                tuple(path.split(".")),
                [_field(shape_at(shape, path).fields, column, inner) for column, inner in child.columns.items()],
            )
            for path, child in spec.children.items()
        }

    def content(self, state: Mapping[str, Any]) -> Content:
        """The columns and lists that a state has; `view.value-unfit` for a value that its contract does not allow."""
        children: Children = {}
        for path, (names, fields) in self._children.items():
            elements = _find(state, names, path)
            if elements is None:
                children[path] = []
            elif isinstance(elements, list):
                children[path] = [_columns(_object(element, path), fields, path) for element in elements]
            elif elements is not _ABSENT:
                raise ValueUnfit(path=path, kind="list", detail="")
        return Content(_columns(state, self._header, ""), children)

    def completed(self, said: Content, header: Header, children: Children) -> Content:
        """What a state says, and from the stored row what it does not: null and empty where there is none.

        An element of a list has no name of its own: what it lacks is taken from the stored element at its place, if
        the list is as long as it was; else `view.element-incomplete`.
        """
        whole = {field.column: said.header.get(field.column, header.get(field.column)) for field in self._header}
        lists = {}
        for path, (_, fields) in self._children.items():
            stored = children.get(path, [])
            elements = said.children.get(path)
            lists[path] = stored if elements is None else _elements(elements, stored, fields, path)
        return Content(whole, lists)


def row_hash(header: Mapping[str, Any], children: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """32 hex digits over all columns of a row and its children, as they are stored; the order of names is no matter."""
    return blake2b(orjson.dumps([header, children], default=_canonical, option=_HASHED), digest_size=16).hexdigest()


_HASHED = orjson.OPT_SORT_KEYS


def _canonical(value: object) -> object:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    raise TypeError(f"a view row cannot hold {type(value).__name__}")


def _field(shape: Mapping[str, Shape], column: str, path: str) -> _Field:
    found = shape_at(shape, path)
    read = _decimal(found.digits, found.places) if found.kind == "decimal" else _READERS[found.kind]
    return _Field(column, path, tuple(path.split(".")), read)


def _columns(state: Mapping[str, Any], fields: Sequence[_Field], within: str) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for field in fields:
        value = _find(state, field.names, field.path)
        if value is None:
            columns[field.column] = None
        elif value is not _ABSENT:
            columns[field.column] = field.read(value, f"{within}.{field.path}" if within else field.path)
    return columns


def _find(state: Mapping[str, Any], names: Sequence[str], path: str) -> Any:
    """The value at a path; null where an object on the way is null."""
    found: Any = state
    for name in names:
        if found is None:
            return None
        found = _object(found, path).get(name, _ABSENT)
        if found is _ABSENT:
            return _ABSENT
    return found


def _object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueUnfit(path=path, kind="object", detail="")
    return value


def _elements(
    elements: list[dict[str, Any]], stored: list[dict[str, Any]], fields: Sequence[_Field], path: str
) -> list[dict[str, Any]]:
    whole = []
    for ordinal, element in enumerate(elements):
        if len(element) < len(fields):
            lacking = next(field for field in fields if field.column not in element)
            if len(stored) != len(elements):
                raise ElementIncomplete(path=path, field=lacking.path)
            element = {field.column: {**stored[ordinal], **element}[field.column] for field in fields}
        whole.append(element)
    return whole


def _plain(kind: str, *types: type) -> Callable[[Any, str], Any]:
    def read(value: Any, path: str) -> Any:
        if type(value) not in types:
            raise ValueUnfit(path=path, kind=kind, detail="")
        return value

    return read


def _integer(value: Any, path: str) -> int:
    if type(value) is not int:
        raise ValueUnfit(path=path, kind="integer", detail="")
    if not _MIN_INTEGER <= value <= _MAX_INTEGER:
        raise ValueUnfit(path=path, kind="integer", detail=" of 64 bits")
    return value


def _float(value: Any, path: str) -> float:
    return float(_plain("float", int, float)(value, path))


def _decimal(digits: int | None, places: int | None) -> Callable[[Any, str], Decimal]:
    """Reads an exact decimal and gives it the places of its contract, so that equal numbers are equal texts."""
    unit = None if places is None else Decimal(1).scaleb(-places)

    def read(value: Any, path: str) -> Decimal:
        try:
            number = Decimal(value) if type(value) is str else Decimal("NaN")
            fitting = number if unit is None else number.quantize(unit, context=_EXACT)
        except InvalidOperation as error:
            raise ValueUnfit(path=path, kind="decimal", detail="") from error
        if not number.is_finite():
            raise ValueUnfit(path=path, kind="decimal", detail="")
        if fitting != number or (digits is not None and len(fitting.as_tuple().digits) > digits):
            raise ValueUnfit(path=path, kind="decimal", detail=f" of {digits or 'any'} digits with {places} places")
        return fitting

    return read


def _date(value: Any, path: str) -> date:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise ValueUnfit(path=path, kind="date", detail="") from error


def _instant(value: Any, path: str) -> datetime:
    """A time without a zone, as legacy columns have it, is taken as it stands for UTC."""
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise ValueUnfit(path=path, kind="time", detail="") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


_READERS: Mapping[str, Callable[[Any, str], Any]] = {
    "text": _plain("text", str),
    "integer": _integer,
    "float": _float,
    "boolean": _plain("boolean", bool),
    "date": _date,
    "timestamptz": _instant,
}
