"""What a view is to show of a state: the projection's paths, values compared by meaning, classified ones masked."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import zip_longest
from typing import Any

import msgspec

from reconcile.terms import Terms, covers
from translators.contract import Shape
from translators.values import Unavailable

MASK = "•••"
"""Stands for every value of a classified field."""

NOTHING = "∅"
"""Stands for null."""

ABSENT = "absent"
"""Stands for every field of a thing that is not there."""

UNSENT = "never sent"
"""Stands for a value that the source did not send."""

MAX_SHOWN = 300
"""Characters of a value that a report shows."""

_DAY = len("2026-11-20")
_PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_CLASSIFIED = ("personal", "sensitive")


class ViewShape(msgspec.Struct, frozen=True, kw_only=True):
    """The paths in the state that a view shows: `fields` of the thing itself, `lists` with the paths in each element.

    `masked` are the paths (for elements: list and path, joined by a dot) whose values no report may show, `keys` those of the
    business key. `tolerance` is by path how far apart two numbers may be, `left_out` are the paths that were taken out.
    `identity` has by list the paths that tell its elements apart; those of `unordered` lists stand in the order of that.
    """

    fields: tuple[str, ...]
    lists: Mapping[str, tuple[str, ...]]
    masked: frozenset[str]
    keys: tuple[str, ...] = ()
    tolerance: Mapping[str, Decimal] = {}
    left_out: tuple[str, ...] = ()
    identity: Mapping[str, tuple[str, ...]] = {}
    unordered: frozenset[str] = frozenset()

    @property
    def paths(self) -> tuple[str, ...]:
        """All of its paths; those in the elements of a list as list and path, joined by a dot."""
        return (
            *self.fields,
            *(p for path, inner in self.lists.items() for p in (path, *(f"{path}.{i}" for i in inner))),
        )


def narrowed(shape: ViewShape, terms: Terms) -> ViewShape:
    """The shape without what is not compared, and with all masked that may not be shown."""
    kept = {
        path: tuple(i for i in inner if not covers(terms.left_out, f"{path}.{i}"))
        for path, inner in shape.lists.items()
    }
    lists = {path: inner for path, inner in kept.items() if inner and not covers(terms.left_out, path)}
    fields = tuple(path for path in shape.fields if not covers(terms.left_out, path))
    hidden = {path for path in shape.paths if covers(terms.hidden, path)}
    return msgspec.structs.replace(
        shape,
        fields=fields,
        lists=lists,
        masked=shape.masked | hidden,
        tolerance={
            path: apart for path in shape.paths for name, apart in terms.tolerance.items() if covers((name,), path)
        },
        left_out=terms.left_out,
        identity={path: names for path, names in shape.identity.items() if path in lists},
        unordered=shape.unordered & lists.keys(),
    )


class Content(msgspec.Struct, frozen=True):
    """The values of one thing at the paths of a `ViewShape`, in whatever type their side has."""

    fields: Mapping[str, Any]
    lists: Mapping[str, tuple[Mapping[str, Any], ...]]


class Difference(msgspec.Struct, frozen=True):
    """One field that differs, as texts that may be shown. `element` counts from 1 in a list; `None` elsewhere."""

    field: str
    element: int | None
    expected: str
    actual: str


def masked_paths(shapes: Mapping[str, Shape], prefix: str = "") -> frozenset[str]:
    """The paths of a contract whose data class is personal or sensitive; a classified object masks all its members."""
    return frozenset(_masked(shapes, prefix, False))


def _masked(shapes: Mapping[str, Shape], prefix: str, inherited: bool) -> Iterator[str]:
    for name, shape in shapes.items():
        path, classified = f"{prefix}{name}", inherited or shape.data_class in _CLASSIFIED
        if classified:
            yield path
        yield from _masked(shape.fields, f"{path}.", classified)


def content_of(state: Mapping[str, Any], shape: ViewShape, unsent: Collection[str] = ()) -> Content:
    """The part of a state (of a translator, or decoded from a record) that the view shows.

    What it lacks of the fields `unsent` is `Unavailable`, which is the same as nothing.
    """
    content = _plainly(state, shape)
    return in_shape(_with_gaps(content, state, unsent) if unsent else content, shape)


def in_shape(content: Content, shape: ViewShape) -> Content:
    """The content with the elements of lists whose order the view does not show in the order of what tells them apart."""
    if not shape.unordered:
        return content
    lists = {
        path: tuple(sorted(elements, key=lambda one: identity_of(one, shape.identity[path])))
        if path in shape.unordered
        else elements
        for path, elements in content.lists.items()
    }
    return Content(content.fields, lists)


def identity_of(element: Mapping[str, Any], names: Iterable[str]) -> tuple[str, ...]:
    """What tells an element apart, as texts: the same for values that mean the same."""
    return tuple(_meant(element[name]) for name in names)


def _meant(value: Any) -> str:
    if value is None:
        return ""
    number = _number(value)
    if number is not None and number.is_finite():
        return format(number.normalize(), "f")
    # A text may be an instant; one of a day alone is that day.
    moment = None if isinstance(value, str) and len(value) <= _DAY else _instant(value)
    return plain(value if moment is None else moment)


def _plainly(state: Mapping[str, Any], shape: ViewShape) -> Content:
    return Content(
        {path: _at(state, path) for path in shape.fields},
        {
            path: tuple({inner: _at(element, inner) for inner in paths} for element in _at(state, path) or ())
            for path, paths in shape.lists.items()
        },
    )


def _with_gaps(content: Content, state: Mapping[str, Any], unsent: Collection[str]) -> Content:
    fields = {path: _gap(state, path, value) if path in unsent else value for path, value in content.fields.items()}
    lists = {
        path: tuple(
            {i: _gap(said, i, value) if f"{path}.{i}" in unsent else value for i, value in one.items()}
            for one, said in zip(elements, _at(state, path) or (), strict=True)
        )
        for path, elements in content.lists.items()
    }
    return Content(fields, lists)


def _gap(state: Mapping[str, Any], path: str, value: Any) -> Any:
    above, _, name = path.rpartition(".")
    holder = _at(state, above) if above else state
    return value if holder is None or name in holder else Unavailable("not sent")


def _at(value: Any, path: str) -> Any:
    for name in path.split("."):
        if value is None:
            return None
        value = value.get(name)
    return value


def same(left: Any, right: Any) -> bool:
    """Whether two values mean the same, though one side has a decimal, a date or an instant and the other its text."""
    if left is None or right is None:
        return left is right
    if type(left) is type(right) and not isinstance(left, datetime | list | dict):
        return bool(left == right)
    if isinstance(left, Unavailable) or isinstance(right, Unavailable):
        return False
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(value, right[name]) for name, value in left.items())
    for reader in (_number, _instant):
        read = (reader(left), reader(right))
        if None not in read:
            return read[0] == read[1]
    return plain(left) == plain(right)


def number_of(value: Any) -> Decimal | None:
    """The number that a value is, or that its text says; `None` for booleans and what is not finite."""
    found = None if isinstance(value, bool) else _number(value)
    return found if found is not None and found.is_finite() else None


def _number(value: Any) -> Decimal | None:
    """The exact number, where a value is one or its plain text; floats by their shortest text."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int | float):
        return Decimal(repr(value if not isinstance(value, bool) else int(value)))
    return Decimal(value) if isinstance(value, str) and _PLAIN.fullmatch(value) else None


def _instant(value: Any) -> datetime | None:
    """The instant in UTC, where a value is one or its text; without a zone it is one of UTC, as in the view."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return None
    return _utc(moment) if isinstance(moment, datetime) else None


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def plain(value: Any) -> str:
    """A value as text: ISO 8601 times in UTC, decimals with their scale."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return _utc(value).replace(tzinfo=None).isoformat() + "Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def shown(value: Any, path: str, shape: ViewShape) -> str:
    """A value as a report may show it. Texts with blanks at an end are quoted, so that they can be seen; long ones cut."""
    if value is None:
        return NOTHING
    if isinstance(value, Unavailable):
        return UNSENT
    if path in shape.masked:
        return MASK
    text = plain(value)
    if len(text) > MAX_SHOWN:
        text = f"{text[:MAX_SHOWN]}… ({len(text):,} characters)"
    return f'"{text}"' if text != text.strip() or not text else text


def differences(expected: Content, actual: Content, shape: ViewShape) -> tuple[Difference, ...]:
    """The fields that differ, in the view's order; of a list each element's, and its length first."""
    found = [
        Difference(path, None, shown(value, path, shape), shown(actual.fields[path], path, shape))
        for path, value in expected.fields.items()
        if not alike(value, actual.fields[path], path, shape)
    ]
    for path, elements in expected.lists.items():
        found += _list_differences(path, elements, actual.lists[path], shape)
    return tuple(found)


def alike(left: Any, right: Any, path: str, shape: ViewShape) -> bool:
    """Whether two values are the same, or two numbers no further apart than is tolerated."""
    if same(left, right):
        return True
    if path not in shape.tolerance:
        return False
    one, other = _number(left), _number(right)
    if one is None or other is None or not (one.is_finite() and other.is_finite()):
        return False
    return abs(one - other) <= shape.tolerance[path]


def _list_differences(
    path: str, expected: tuple[Mapping[str, Any], ...], actual: tuple[Mapping[str, Any], ...], shape: ViewShape
) -> Iterator[Difference]:
    if len(expected) != len(actual):
        yield Difference(path, None, counted(len(expected)), counted(len(actual)))
    for number, (left, right) in enumerate(zip_longest(expected, actual), 1):
        for inner in shape.lists[path]:
            full = f"{path}.{inner}"
            if left is None or right is None:
                yield Difference(full, number, _element(left, inner, full, shape), _element(right, inner, full, shape))
            elif not alike(left[inner], right[inner], full, shape):
                yield Difference(full, number, shown(left[inner], full, shape), shown(right[inner], full, shape))


def _element(element: Mapping[str, Any] | None, inner: str, path: str, shape: ViewShape) -> str:
    return ABSENT if element is None else shown(element[inner], path, shape)


def counted(elements: int) -> str:
    """How a list is spoken of as a whole."""
    return "1 element" if elements == 1 else f"{elements:,} elements"
