"""Static types: what goes together, what the result of arithmetic is, and the one implicit conversion (integer to decimal)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NoReturn

from msgspec.structs import replace

from translators.expression.bound import Bound, Call, Constant
from translators.expression.errors import NumberLimit, Span, TypeMismatch
from translators.expression.runtime import quantize
from translators.schema import MAX_DECIMAL, Type

INTEGER_DIGITS = 19
"""Digits that a 64-bit integer may have."""

UNTYPED = Type("opaque", length=-1)
"""The type of a bare NULL, until its neighbours give it one."""

INTEGER = Type("integer", nullable=False)
FLOAT = Type("float", nullable=False)
TEXT = Type("text", nullable=False)
BOOLEAN = Type("boolean", nullable=False)
DATE = Type("date", nullable=False)
TIMESTAMP = Type("timestamp", nullable=False)
TIMESTAMPTZ = Type("timestamptz", nullable=False)

NUMBERS = ("integer", "decimal")
ORDERED = ("integer", "decimal", "float", "text", "date", "timestamp", "timestamptz", "boolean")

_FIXES = {
    ("text", "integer"): "CAST(... AS INTEGER)",
    ("text", "decimal"): "CAST(... AS DECIMAL(p, s))",
    ("text", "date"): "TO_DATE(..., 'YYYYMMDD')",
    ("text", "timestamp"): "TO_TIMESTAMP(..., 'YYYYMMDD HH24MISS')",
    ("text", "timestamptz"): "TO_TIMESTAMP(..., 'YYYYMMDD HH24MISS') AT TIME ZONE 'UTC'",
    ("text", "boolean"): "CASE ... WHEN 'Y' THEN TRUE WHEN 'N' THEN FALSE END",
    **{(kind, "text"): "CAST(... AS TEXT)" for kind in ("integer", "decimal", "date", "timestamp", "boolean")},
    **{(kind, "decimal"): "CAST(... AS DECIMAL(p, s))" for kind in ("float", "wide")},
    **{(kind, "integer"): "CAST(... AS DECIMAL(p, s))" for kind in ("float", "wide")},
    ("float", "text"): "CAST(CAST(... AS DECIMAL(p, s)) AS TEXT)",
    ("timestamp", "timestamptz"): "... AT TIME ZONE 'Europe/Berlin'",
    ("timestamptz", "timestamp"): "... AT TIME ZONE 'Europe/Berlin'",
    ("date", "timestamp"): "TO_TIMESTAMP(CAST(... AS TEXT), 'YYYY-MM-DD')",
}


def fix(have: Type, want: str) -> str:
    """The hint that turns a value of type `have` into kind `want`."""
    if have == UNTYPED:
        return "Give it a type: CAST(NULL AS TEXT). To test for NULL write IS NULL."
    how = _FIXES.get((have.kind, want))
    if how is None:
        return f"There is no conversion from {have} to {want}."
    return f"Make it {want}: {how}."


def name(kind: Type) -> str:
    """How messages call a type."""
    return "NULL" if kind == UNTYPED else str(kind)


def nullable(kind: Type, value: bool) -> Type:
    """The same type, nullable or not."""
    return kind if kind.nullable is value else replace(kind, nullable=value)


def digits(part: Bound) -> tuple[int, int]:
    """Precision and scale of a number as a decimal; an integer constant has the digits it shows."""
    if part.type.kind == "decimal":
        return part.type.precision, part.type.scale
    if isinstance(part, Constant) and isinstance(part.value, int):
        return len(str(abs(part.value))), 0
    return INTEGER_DIGITS, 0


def decimal(precision: int, scale: int, span: Span) -> Type:
    """decimal(precision, scale), the precision capped at 38 (what does not fit fails at run time). `NumberLimit`."""
    if scale > MAX_DECIMAL:
        raise NumberLimit(
            span,
            what=f"The result has {scale} decimal places, {MAX_DECIMAL} are possible.",
            fix="Round an operand first: CAST(... AS DECIMAL(p, s)).",
        )
    return Type("decimal", max(1, min(precision, MAX_DECIMAL)), scale, nullable=False)


def constant(value: object, kind: Type, span: Span) -> Constant:
    """A constant of a type; nullable if it is NULL."""
    return Constant(nullable(kind, value is None), span, value)


def number_constant(value: Decimal | int, span: Span) -> Constant:
    """A number as it was written: an integer if 64 bits hold it, else a decimal with the scale it shows."""
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return Constant(INTEGER, span, value)
    number = Decimal(value)
    _, figures, exponent = number.as_tuple()
    scale = -int(exponent)
    precision = max(len(figures), scale, 1)
    if precision > MAX_DECIMAL:
        raise NumberLimit(span, what=f"This number has more than {MAX_DECIMAL} digits.", fix="Write fewer digits.")
    return Constant(Type("decimal", precision, scale, nullable=False), span, number)


def common_type(parts: Sequence[Bound], what: str) -> Type:
    """The one type that all parts can have, not nullable. `TypeMismatch` on the first part that does not fit."""
    typed = [part for part in parts if part.type != UNTYPED]
    if not typed:
        raise TypeMismatch(parts[0].span, what=f"{what} has no type: every part is NULL.", fix=fix(UNTYPED, "text"))
    first = typed[0]
    kind = first.type.kind
    for part in typed:
        if part.type.kind not in ORDERED:
            _not_computable(part)
        if part.type.kind != kind and not (kind in NUMBERS and part.type.kind in NUMBERS):
            raise TypeMismatch(
                part.span,
                what=f"{what} mixes {name(first.type)} and {name(part.type)}.",
                fix=_either(first.type, part.type),
            )
    if kind in NUMBERS and any(part.type.kind == "decimal" for part in typed):
        sizes = [digits(part) for part in typed]
        scale = max(size[1] for size in sizes)
        return decimal(max(size[0] - size[1] for size in sizes) + scale, scale, first.span)
    if kind == "text":
        lengths = [text_length(part) for part in typed]
        return Type("text", nullable=False, length=max(lengths) if all(lengths) else 0)
    return Type(kind, nullable=False)


def text_length(part: Bound) -> int:
    """The longest a text can be, 0 if not known; a constant is as long as it is (at least 1)."""
    if isinstance(part, Constant) and isinstance(part.value, str):
        return max(1, len(part.value))
    return part.type.length


def _either(one: Type, other: Type) -> str:
    pairs = ((other, one), (one, other))
    usable = next(((have, want) for have, want in pairs if (have.kind, want.kind) in _FIXES), pairs[0])
    return fix(usable[0], usable[1].kind)


def _not_computable(part: Bound) -> NoReturn:
    how = (
        fix(part.type, "decimal")
        if part.type.kind == "wide"
        else "It can be passed on as it is, and compared for change."
    )
    raise TypeMismatch(part.span, what=f"A value of type {name(part.type)} cannot be used here.", fix=how)


def unify(parts: Sequence[Bound], what: str) -> tuple[tuple[Bound, ...], Type]:
    """The parts, converted to their common type, and that type (nullable if one of them is)."""
    kind = common_type(parts, what)
    converted = tuple(convert(part, kind) for part in parts)
    return converted, nullable(kind, any(part.type.nullable for part in converted))


def convert(part: Bound, kind: Type) -> Bound:
    """The part as `kind`, where that takes no more than the implicit conversion or a longer scale."""
    if isinstance(part, Constant):
        if part.value is None:
            return constant(None, kind, part.span)
        if kind.kind == "decimal" and isinstance(part.value, int | Decimal):
            return constant(quantize(part.value, unit(kind.scale)), kind, part.span)
        return part
    if kind.kind != "decimal" or (part.type.kind == "decimal" and part.type.scale == kind.scale):
        return part
    return Call(nullable(kind, part.type.nullable), part.span, "CAST", (part,), data=True)


def unit(scale: int) -> Decimal:
    """10^-scale."""
    return Decimal((0, (1,), -scale))
