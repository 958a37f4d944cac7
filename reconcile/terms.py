"""The terms of a check of rows: who is right, what is not compared or not shown, how much may differ, how it is cut.

Who is right is said by field and by phase of the migration. While the legacy is written to, it is right, and a view that says
otherwise is to be changed; what the new system has taken over is right there, and the legacy is to be changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import ClassVar, Literal, get_args

import msgspec

from translators.errors import DragomanError
from translators.yaml_text import did_you_mean

Right = Literal["legacy", "view", "both"]
"""Which side is right: one of the two, or neither by itself (`both` have to agree)."""

Kind = Literal["missing", "extra", "stale", "mismatch", "refused", "unavailable", "duplicate", "orphan"]
"""missing: not in the view; extra: only in the view; stale: the view shows an older state; mismatch: fields differ;
refused: the mapping cannot say what the legacy rows mean; unavailable: the source never sent what would have to be shown,
which is neither agreement nor drift; duplicate: the view has it twice, or an element of it; orphan: rows of a view's child
table that belong to no thing."""

CLASSES: tuple[Kind, ...] = get_args(Kind)

OTHERS = "others"
"""Stands in `authority` for everything that is not named: other fields, and whether the thing is there at all."""


class FieldUnknown(DragomanError):
    """The check {check} names the field {field}, which the view {view} does not show{suggestion}"""

    code: ClassVar[str] = "check.field-unknown"
    hint: ClassVar[str] = "Its fields are: {known}."


class FieldUnusable(DragomanError):
    """The check {check} cannot use the field {field} in `{key}`: {reason}."""

    code: ClassVar[str] = "check.field-unusable"
    hint: ClassVar[str] = "Name another field there, or leave it out."


class Authority(msgspec.Struct, frozen=True, kw_only=True):
    """Who is right in the `phase` that a migration stands in: for a field (and all below it), else for `others`."""

    others: Right = "legacy"
    fields: Mapping[str, Right] = {}
    phase: str = ""

    def of(self, field: str) -> Right:
        """Who is right of a field, by the longest name that it is or lies below."""
        while field:
            if field in self.fields:
                return self.fields[field]
            field = field.rpartition(".")[0]
        return self.others


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a check of rows says of single fields.

    `excluded` are not compared, with the reason why; `technical` neither, since they are the machinery's own. Neither they nor
    `sensitive` ones, which are compared, are ever shown. `tolerance` is how far apart two numbers may be, `slices` are the
    fields by whose values the result is told. `places` has the place of each name in the check's file.
    """

    authority: Authority = Authority()
    excluded: Mapping[str, str] = {}
    technical: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()
    tolerance: Mapping[str, Decimal] = {}
    slices: tuple[str, ...] = ()
    places: Mapping[str, str] = {}

    @property
    def left_out(self) -> tuple[str, ...]:
        """The fields that are not compared."""
        return (*self.excluded, *self.technical)

    @property
    def hidden(self) -> tuple[str, ...]:
        """The fields of which nothing may be shown, whatever their contract says."""
        return (*self.left_out, *self.sensitive)

    def named(self) -> Iterable[tuple[str, str]]:
        """Each field that is named anywhere, with the key that names it."""
        parts: dict[str, Iterable[str]] = {
            "authority": self.authority.fields,
            "exclude": self.excluded,
            "technical": self.technical,
            "sensitive": self.sensitive,
            "tolerance": self.tolerance,
            "slices": self.slices,
        }
        return ((key, field) for key, fields in parts.items() for field in fields)


def covers(names: Iterable[str], field: str) -> bool:
    """Whether one of the names is the field, or an object or list that it lies in."""
    return any(field == name or field.startswith(f"{name}.") for name in names)


def check_terms(
    check: str, view: str, terms: Terms, fields: Iterable[str], keys: Iterable[str], masked: Iterable[str]
) -> None:
    """`FieldUnknown` or `FieldUnusable` for a name that cannot be meant; `fields` are all, those in lists as `list.field`."""
    known, keys, masked = tuple(fields), frozenset(keys), frozenset(masked)
    for key, field in terms.named():
        where = terms.places.get(f"{key}.{field}", "")
        if not any(covers((field,), one) for one in known):
            suggestion = did_you_mean(field, known)
            raise FieldUnknown(
                check=check, view=view, field=field, suggestion=suggestion, known=", ".join(known), where=where
            )
        reason = _unusable(terms, key, field, known, keys, masked)
        if reason is not None:
            raise FieldUnusable(check=check, field=field, key=key, reason=reason, where=where)


def _unusable(
    terms: Terms, key: str, field: str, known: tuple[str, ...], keys: frozenset[str], masked: frozenset[str]
) -> str | None:
    if key in ("exclude", "technical", "sensitive") and any(covers((field,), one) for one in keys):
        return "it names the thing, so every finding shows it"
    if key in ("slices", "tolerance") and covers(terms.left_out, field):
        return "it is not compared"
    if key != "slices":
        return None
    if covers((*masked, *terms.sensitive), field):
        return "its values may not be shown"
    if field not in known:
        return "it is no single value"
    return None
