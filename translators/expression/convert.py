"""Catalogue: CAST and TRY_CAST. Each pair of types has one conversion; what is not here does not exist."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from translators.expression import clock, runtime, types
from translators.expression.arguments import Arguments, Entry, Example, Python, d
from translators.expression.bound import Bound, Call, Constant
from translators.expression.errors import Span, TypeMismatch
from translators.schema import MAX_DECIMAL, Type

if TYPE_CHECKING:
    from translators.expression.python import Emitter

_NAMES = {
    **dict.fromkeys(("INT", "INTEGER", "BIGINT"), types.INTEGER),
    **dict.fromkeys(("DECIMAL", "NUMERIC"), Type("decimal", nullable=False)),
    "TEXT": types.TEXT,
    "DATE": types.DATE,
    "TIMESTAMP": types.TIMESTAMP,
    "TIMESTAMPTZ": types.TIMESTAMPTZ,
    "BOOLEAN": types.BOOLEAN,
}
_INSTEAD = {
    **dict.fromkeys(("VARCHAR", "CHAR", "STRING", "CHARACTER"), "Write CAST(x AS TEXT), and LEFT(x, n) to cut it."),
    **dict.fromkeys(
        ("SMALLINT", "TINYINT", "INT8", "INT4", "SIGNED", "UNSIGNED"), "Integers have 64 bits: CAST(x AS INTEGER)."
    ),
    **dict.fromkeys(("FLOAT", "DOUBLE", "REAL"), "Write CAST(x AS DECIMAL(p, s)): floats are not exact."),
    "DATETIME": "Write TO_TIMESTAMP(x, 'format').",
}
_TO_TEXT = ("integer", "decimal", "date", "timestamp", "boolean")
_TO_DECIMAL = ("text", "integer", "decimal", "float", "wide")


class Target(msgspec.Struct, frozen=True):
    """What stands after AS: the type's name in upper case and its numbers."""

    name: str
    numbers: tuple[int, ...]
    span: Span


def _target(args: Arguments, target: Target) -> Type:
    kind = _NAMES.get(target.name)
    if kind is None:
        fix = _INSTEAD.get(
            target.name, "There are INTEGER, DECIMAL(p, s), TEXT, DATE, TIMESTAMP, TIMESTAMPTZ, BOOLEAN."
        )
        raise TypeMismatch(target.span, what=f"There is no type {target.name} to cast to.", fix=fix)
    if kind.kind != "decimal":
        if target.numbers:
            raise TypeMismatch(target.span, what=f"{target.name} takes no length.", fix=f"Write {target.name} alone.")
        return kind
    precision, scale = (*target.numbers, 0, 0)[:2]
    if not 1 <= precision <= MAX_DECIMAL or scale > precision or len(target.numbers) > 2:
        raise TypeMismatch(
            target.span,
            what="A decimal says how many digits it has, at most 38, and how many of them stand behind the point.",
            fix="Write DECIMAL(9, 2).",
        )
    return Type("decimal", precision, scale, nullable=False)


def _cast(args: Arguments) -> Bound:
    """CAST, TRY_CAST: `data` is the `Target`; afterwards whether it is strict."""
    if not isinstance(args.data, Target):
        raise args.wrong("it needs a type", "Write CAST(x AS type).")
    part, kind, strict = args.args[0], _target(args, args.data), args.name == "CAST"
    if isinstance(part, Constant) and part.value is None:
        return types.constant(None, kind, args.span)
    if not _possible(part.type.kind, kind.kind):
        raise TypeMismatch(
            args.span, what=f"{types.name(part.type)} cannot be cast to {kind}.", fix=_how(part.type, kind.kind)
        )
    kind = msgspec.structs.replace(kind, length=_text_length(part) if kind.kind == "text" else 0)
    fails = _can_fail(part, kind)
    return args.call(kind, data=strict, fails=fails and strict, makes_null=fails and not strict)


def _possible(source: str, target: str) -> bool:
    match target:
        case "text":
            return source in ("text", *_TO_TEXT)
        case "decimal":
            return source in _TO_DECIMAL
        case "integer":
            return source in ("text", "integer", "decimal")
        case _:
            return source == target


def _how(source: Type, target: str) -> str:
    hint = types.fix(source, target)
    return "Write CASE WHEN x = 1 THEN ... END." if "boolean" in (source.kind, target) and "CAST" in hint else hint


def _text_length(part: Bound) -> int:
    match part.type.kind:
        case "text":
            return types.text_length(part)
        case "decimal":
            return part.type.precision + 3
        case kind:
            return {"integer": 20, "date": 10, "timestamp": 26, "boolean": 5}[kind]


def _can_fail(part: Bound, kind: Type) -> bool:
    if kind.kind == "integer":
        return part.type.kind == "text" or (part.type.kind == "decimal" and part.type.precision - part.type.scale >= 18)
    if kind.kind == "decimal":
        return part.type.kind in ("text", "float", "wide") or not _fits(part, kind)
    return False


def _fits(part: Bound, kind: Type) -> bool:
    """Whether every value of the number fits the decimal type, the carry of rounding included."""
    precision, scale = types.digits(part)
    return precision - scale + int(kind.scale < scale) <= kind.precision - kind.scale


def _converted(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    source, text = call.args[0].type.kind, texts[0]
    if call.type.kind == "decimal":
        return _to_decimal(emitter, call, text)
    if call.type.kind == source:
        return text
    if call.type.kind == "text":
        return _to_text(emitter, source, text)
    helper = emitter.use(runtime.text_to_integer if source == "text" else runtime.decimal_to_integer)
    return f"{helper}({text})" if call.data else f"{emitter.use(runtime.tried)}({helper}, {text})"


def _to_text(emitter: Emitter, source: str, text: str) -> str:
    match source:
        case "integer":
            return f"str({text})"
        case "decimal":
            return f"format({text}, 'f')"
        case "date":
            return f"{text}.isoformat()"
        case "boolean":
            return f"('true' if {text} else 'false')"
        case _:
            return f"{emitter.use(clock.timestamp_text)}({text})"


def _to_decimal(emitter: Emitter, call: Call, text: str) -> str:
    part, kind = call.args[0], call.type
    unit = emitter.use(types.unit(kind.scale))
    if part.type.kind in types.NUMBERS and _fits(part, kind):
        if part.type.kind == "decimal" and part.type.scale == kind.scale:
            return text
        helper = runtime.quantize if part.type.scale > kind.scale else runtime.CTX.quantize
        return f"{emitter.use(helper)}({text}, {unit})"
    conversion = {"text": runtime.text_as_decimal, "float": runtime.float_as_decimal}.get(
        part.type.kind, runtime.as_decimal
    )
    limit = emitter.use(Decimal(10) ** (kind.precision - kind.scale))
    how = f"{unit}, {limit}, {str(kind)!r}"
    if call.data:
        return f"{emitter.use(conversion)}({text}, {how})"
    return f"{emitter.use(runtime.tried)}({emitter.use(conversion)}, {text}, {how})"


_ERRORS = ("value.not_an_integer", "value.not_a_number", "value.overflow", "value.out_of_range")

ENTRIES = (
    Entry(
        name="CAST",
        signature="CAST(x AS type)",
        meaning="The value as INTEGER, DECIMAL(p, s) or TEXT; rounds half away from zero. Dates are read by TO_DATE.",
        examples=(
            Example("CAST(s AS INTEGER)", 12, {"s": " +12 "}),
            Example("CAST(s AS DECIMAL(9, 2))", d("-0.01"), {"s": "-0.005"}),
            Example("CAST(f AS DECIMAL(9, 2))", d("1.01"), {"f": 1.005}),
            Example("CAST(d AS TEXT)", "0.05", {"d": d("0.05")}),
            Example("CAST(day AS TEXT)", "0987-01-02", {"day": date(987, 1, 2)}),
        ),
        bind=_cast,
        python=Python(strict=_converted),
        errors=_ERRORS,
    ),
    Entry(
        name="TRY_CAST",
        signature="TRY_CAST(x AS type)",
        meaning="CAST, but NULL where the value cannot be converted.",
        examples=(
            Example("TRY_CAST(s AS INTEGER)", None, {"s": "12.5"}),
            Example("TRY_CAST(s AS DECIMAL(3, 2))", None, {"s": "12.5"}),
        ),
        bind=_cast,
        python=Python(strict=_converted),
        nulls="NULL if it fails",
    ),
)
