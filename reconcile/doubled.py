"""What a view has more than once: a thing, by its business key, or an element of one of its lists."""

from __future__ import annotations

from collections import Counter

import msgspec

from reconcile.content import Content, ViewShape, identity_of, shown
from reconcile.view import ViewRow


class Repeat(msgspec.Struct, frozen=True):
    """An element that a list of the view has too often: of which list, what tells it apart, and the ids of its rows."""

    path: str
    identity: str
    ids: tuple[str, ...]


def repeats(expected: Content | None, row: ViewRow, shape: ViewShape) -> tuple[Repeat, ...]:
    """The elements that the view has more often than they ought to be there."""
    found: list[Repeat] = []
    for path, names in shape.identity.items():
        ought = Counter(identity_of(one, names) for one in (() if expected is None else expected.lists.get(path, ())))
        there: dict[tuple[str, ...], list[int]] = {}
        for number, element in enumerate(row.content.lists.get(path, ())):
            there.setdefault(identity_of(element, names), []).append(number)
        for identity, numbers in there.items():
            if len(numbers) > max(1, ought[identity]):
                element = row.content.lists[path][numbers[0]]
                said = ", ".join(f"{name} {shown(element[name], f'{path}.{name}', shape)}" for name in names)
                found.append(Repeat(path, said, tuple(filter(None, (row.element_ids[path][n] for n in numbers)))))
    return tuple(found)


def is_doubled(expected: Content | None, row: ViewRow, shape: ViewShape) -> bool:
    """Whether the view has the thing twice, or an element of it."""
    return len(row.ids) > 1 or bool(row.ids and repeats(expected, row, shape))


def within(content: Content, shape: ViewShape) -> Content:
    """What of a content the shape has."""
    return Content({p: content.fields[p] for p in shape.fields}, {p: content.lists[p] for p in shape.lists})
