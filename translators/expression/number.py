"""Catalogue: arithmetic. Decimals are exact, rounding is half away from zero, there is no negative zero."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING

from translators.expression import runtime, types
from translators.expression.arguments import Arguments, Entry, Example, Python, d
from translators.expression.bound import Bound, Call, Constant
from translators.expression.errors import Inexact, NumberLimit, TypeMismatch
from translators.expression.runtime import CTX
from translators.schema import MAX_DECIMAL

if TYPE_CHECKING:
    from translators.expression.python import Emitter

_OVERFLOW = ("value.overflow",)
_HUGE_DIGITS = 37
"""Digits that the operands of a rounded quotient may have: engines compute it in 128-bit integers."""


def _numeric(args: Arguments) -> str:
    """`integer`, `decimal` or `float`: how the operation computes. `TypeMismatch` where floats meet anything else."""
    for index in range(len(args.args)):
        args.need(index, "integer", "decimal", "float")
    kinds = {part.type.kind for part in args.args}
    if kinds == {"float"}:
        return "float"
    if "float" in kinds:
        culprit = next(part for part in args.args if part.type.kind == "float")
        what = f"{args.name} mixes float and {(kinds - {'float'}).pop()}: floats are not exact."
        raise TypeMismatch(culprit.span, what=what, fix=types.fix(culprit.type, "decimal"))
    return "integer" if kinds == {"integer"} else "decimal"


def _arithmetic(args: Arguments) -> Bound:
    """+ - *: `data` says whether the result may have more than 38 digits."""
    kind = _numeric(args)
    if kind != "decimal":
        return args.call(types.INTEGER if kind == "integer" else types.FLOAT)
    (p1, s1), (p2, s2) = (types.digits(part) for part in args.args)
    if args.name == "*":
        precision, scale = p1 + p2, s1 + s2
    else:
        scale = max(s1, s2)
        precision = max(p1 - s1, p2 - s2) + scale + 1
    return args.call(types.decimal(precision, scale, args.span), data=precision > MAX_DECIMAL)


def checked(emitter: Emitter, text: str) -> str:
    """The integer, if 64 bits hold it."""
    name = emitter.writer.temp()
    low, high = runtime.MIN_INTEGER, runtime.MAX_INTEGER
    return f"({name} if {low} <= ({name} := {text}) <= {high} else {emitter.use(runtime.integer_overflow)}({name}))"


def no_negative_zero(emitter: Emitter, text: str) -> str:
    """The decimal, its zero without a sign."""
    name = emitter.writer.temp()
    return f"({name} if ({name} := {text}) else {name}.copy_abs())"


_IN_CONTEXT = {"+": CTX.add, "-": CTX.subtract, "*": CTX.multiply}


def _computed(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    if call.type.kind == "float":
        return f"{emitter.use(runtime.finite)}({texts[0]} {call.name} {texts[1]})"
    if call.type.kind == "integer":
        return checked(emitter, f"{texts[0]} {call.name} {texts[1]}")
    text = f"{emitter.use(_IN_CONTEXT[call.name])}({texts[0]}, {texts[1]})"
    if call.name == "*" and not any(_positive(part) for part in call.args):
        text = no_negative_zero(emitter, text)
    return f"{emitter.use(runtime.decimal_38)}({text})" if call.data else text


def _positive(part: Bound) -> bool:
    return isinstance(part, Constant) and isinstance(part.value, int | Decimal) and part.value > 0


def _divide(args: Arguments) -> Bound:
    """x / constant: the exact product with 1 / constant, where that is finite."""
    if _numeric(args) == "float":
        raise TypeMismatch(args.span, what="Floats cannot be divided.", fix=types.fix(args.args[0].type, "decimal"))
    divisor = args.args[1]
    _not_zero(args)
    inverse = (
        _inverse(divisor.value) if isinstance(divisor, Constant) and isinstance(divisor.value, int | Decimal) else None
    )
    if inverse is None:
        raise Inexact(args.span, fix="Say how many decimal places it has: ROUND(a / b, 2).")
    factor = types.number_constant(inverse, divisor.span)
    (p1, s1), (p2, s2) = types.digits(args.args[0]), types.digits(factor)
    return args.call(types.decimal(p1 + p2, s1 + s2, args.span), (args.args[0], factor), data=p1 + p2 > MAX_DECIMAL)


def _not_zero(args: Arguments) -> None:
    divisor = args.args[1]
    if isinstance(divisor, Constant) and divisor.value == 0 and divisor.type.kind in types.NUMBERS:
        raise args.wrong("the divisor is zero", "Divide by something else.", divisor)


def _inverse(value: Decimal | int) -> Decimal | None:
    """1 / value as the shortest finite decimal, if there is one of at most 38 places."""
    numerator, denominator = Decimal(value).as_integer_ratio()
    for scale in range(MAX_DECIMAL + 1):
        if denominator * 10**scale % numerator == 0:
            return Decimal((int(value < 0), tuple(map(int, str(abs(denominator * 10**scale // numerator)))), -scale))
    return None


def _times_inverse(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    text = f"{emitter.use(CTX.multiply)}({texts[0]}, {texts[1]})"
    if not _positive(call.args[1]):
        text = no_negative_zero(emitter, text)
    return f"{emitter.use(runtime.decimal_38)}({text})" if call.data else text


def _remainder(args: Arguments) -> Bound:
    kind = _numeric(args)
    if kind == "float":
        raise TypeMismatch(args.span, what="Floats have no remainder.", fix=types.fix(args.args[0].type, "decimal"))
    _not_zero(args)
    fails = not isinstance(args.args[1], Constant)
    if kind == "integer":
        return args.call(types.INTEGER, fails=fails)
    (p1, s1), (p2, s2) = (types.digits(part) for part in args.args)
    scale = max(s1, s2)
    return args.call(types.decimal(min(p1 - s1, p2 - s2) + scale, scale, args.span), fails=fails)


def _rest(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    helper = runtime.remainder_integer if call.type.kind == "integer" else runtime.remainder_decimal
    return f"{emitter.use(helper)}({texts[0]}, {texts[1]})"


def _exact(args: Arguments) -> tuple[int, int]:
    """Precision and scale of the first argument, which must be exact."""
    if args.args[0].type.kind == "float":
        raise TypeMismatch(
            args.args[0].span,
            what=f"{args.name} takes exact numbers, not floats.",
            fix=types.fix(args.args[0].type, "decimal"),
        )
    return types.digits(args.need(0, "integer", "decimal"))


def _round(args: Arguments) -> Bound:
    """ROUND and TRUNC to n places."""
    precision, scale = _exact(args)
    places = args.constant_integer(1, "the number of places", 0, 18) if len(args.args) > 1 else 0
    carry = int(places < scale and args.name == "ROUND")
    size = precision - scale + places + carry
    kind = types.decimal(size, places, args.span)
    return args.call(kind, (args.args[0],), data=size > MAX_DECIMAL)


def _whole(args: Arguments) -> Bound:
    """FLOOR and CEIL: a decimal without places."""
    precision, scale = _exact(args)
    return args.call(types.decimal(precision - scale + int(scale > 0), 0, args.span))


def _rounded(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    unit = emitter.use(types.unit(call.type.scale))
    source = call.args[0].type
    if source.kind == "integer" or source.scale <= call.type.scale:
        text = f"{emitter.use(CTX.quantize)}({texts[0]}, {unit})"
    elif call.name == "ROUND":
        text = f"{emitter.use(runtime.quantize)}({texts[0]}, {unit})"
    else:
        how = {"TRUNC": ROUND_DOWN, "FLOOR": ROUND_FLOOR, "CEIL": ROUND_CEILING}[call.name]
        text = f"{emitter.use(runtime.rounded)}({texts[0]}, {unit}, {how!r})"
    return f"{emitter.use(runtime.decimal_38)}({text})" if call.data else text


def _quotient(args: Arguments) -> Bound:
    """ROUND(a / b, n), written as one operation of a and b; `data` is (powers of ten, n, may overflow)."""
    places = args.constant_integer(2, "the number of places", 0, 18)
    for index in (0, 1):
        args.need(index, "integer", "decimal")
    _not_zero(args)
    (p1, s1), (p2, s2) = (types.digits(part) for part in args.args[:2])
    shift = places + s2 - s1
    if max(p1 + max(shift, 0), p2 + max(-shift, 0)) > _HUGE_DIGITS:
        what = f"This quotient needs more than {_HUGE_DIGITS} digits."
        raise NumberLimit(args.span, what=what, fix="Make an operand shorter first: CAST(... AS DECIMAL(p, s)).")
    size = p1 - s1 + s2 + places + 1
    data = (10 ** max(shift, 0), 10 ** max(-shift, 0), s1, s2, size > MAX_DECIMAL)
    fails = not isinstance(args.args[1], Constant)
    return args.call(types.decimal(size, places, args.span), args.args[:2], data=data, fails=fails)


def _rounded_quotient(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    up, down, s1, s2, overflows = call.data
    unscaled = [
        f"{text}.scaleb({scale}, {emitter.use(CTX)})" if scale else text
        for text, scale in zip(texts, (s1, s2), strict=True)
    ]
    unit = emitter.use(types.unit(call.type.scale))
    text = f"{emitter.use(runtime.round_quotient)}({unscaled[0]}, {unscaled[1]}, {up}, {down}, {unit})"
    return f"{emitter.use(runtime.decimal_38)}({text})" if overflows else text


def _same(args: Arguments) -> Bound:
    """Unary - and ABS."""
    kind = args.need(0, "integer", "decimal", "float").type
    return args.call(kind)


def _negated(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    text = texts[0]
    if call.type.kind == "integer":
        return checked(emitter, f"-{text}")
    if call.type.kind == "float":
        return f"(0.0 - {text})"
    return no_negative_zero(emitter, f"{text}.copy_negate()")


def _absolute(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    if call.type.kind == "integer":
        return checked(emitter, f"abs({texts[0]})")
    return f"abs({texts[0]})" if call.type.kind == "float" else f"{texts[0]}.copy_abs()"


def _sign(args: Arguments) -> Bound:
    args.need(0, "integer", "decimal", "float")
    return args.call(types.INTEGER)


def _signum(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    name = emitter.writer.temp()
    return f"((({name} := {texts[0]}) > 0) - ({name} < 0))"


def _operator(name: str, signature: str, meaning: str, examples: tuple[Example, ...]) -> Entry:
    return Entry(
        name=name,
        signature=signature,
        meaning=meaning,
        examples=examples,
        bind=_arithmetic,
        python=Python(strict=_computed),
        arity=(2, 2),
        errors=_OVERFLOW,
        written="operator",
    )


def _rounding(name: str, signature: str, meaning: str, examples: tuple[Example, ...]) -> Entry:
    places = name in ("ROUND", "TRUNC")
    return Entry(
        name=name,
        signature=signature,
        meaning=meaning,
        examples=examples,
        bind=_round if places else _whole,
        python=Python(strict=_rounded),
        arity=(1, 2 if places else 1),
        errors=_OVERFLOW if places else (),
    )


ENTRIES = (
    _operator(
        "+",
        "a + b",
        "Sum. Decimals keep the longer scale. A date plus INTERVAL 'n unit' is a date.",
        (
            Example("n + 1", 3, {"n": 2}),
            Example("d + 1", d("2.50"), {"d": d("1.50")}),
            Example("n + m", None, {"n": 1}),
        ),
    ),
    _operator("-", "a - b", "Difference. Two dates give days.", (Example("d - 0.005", d("1.495"), {"d": d("1.50")}),)),
    _operator(
        "*", "a * b", "Product. Decimals add their scales.", (Example("d * 1.10", d("1.6500"), {"d": d("1.50")}),)
    ),
    Entry(
        name="/",
        signature="x / constant, ROUND(a / b, n)",
        meaning="Quotient. It has no scale of its own: by a constant it must be finite, any other stands in ROUND.",
        examples=(Example("n / 100", d("123.45"), {"n": 12345}), Example("n / 4", d("0.50"), {"n": 2})),
        bind=_divide,
        python=Python(strict=_times_inverse),
        arity=(2, 2),
        errors=_OVERFLOW,
        written="operator",
    ),
    Entry(
        name="ROUND /",
        signature="ROUND(a / b, n)",
        meaning="Quotient with n decimal places, half away from zero, rounded once.",
        examples=(
            Example("ROUND(7 / 3, 2)", d("2.33")),
            Example("ROUND(d / n, 2)", d("-0.13"), {"d": d("-0.25"), "n": 2}),
        ),
        bind=_quotient,
        python=Python(strict=_rounded_quotient),
        arity=(3, 3),
        errors=("value.division_by_zero", "value.overflow"),
        written="operator",
    ),
    Entry(
        name="%",
        signature="a % b, MOD(a, b)",
        meaning="Remainder, with the sign of a.",
        examples=(Example("n % 3", -1, {"n": -7}), Example("MOD(d, 1)", d("0.50"), {"d": d("1.50")})),
        bind=_remainder,
        python=Python(strict=_rest),
        arity=(2, 2),
        errors=("value.division_by_zero",),
        written="operator",
    ),
    Entry(
        name="NEGATE",
        signature="-x",
        meaning="The number with its sign turned; there is no negative zero.",
        examples=(Example("-d", d("0.00"), {"d": d("0.00")}), Example("-n", -3, {"n": 3})),
        bind=_same,
        python=Python(strict=_negated),
        errors=_OVERFLOW,
        written="operator",
    ),
    _rounding(
        "ROUND",
        "ROUND(x [, n])",
        "x with n decimal places (0), half away from zero.",
        (Example("ROUND(e, 2)", d("-0.13"), {"e": d("-0.1250")}), Example("ROUND(n, 2)", d("7.00"), {"n": 7})),
    ),
    _rounding(
        "TRUNC",
        "TRUNC(x [, n])",
        "x cut to n decimal places (0).",
        (Example("TRUNC(d, 1)", d("-1.9"), {"d": d("-1.99")}),),
    ),
    _rounding(
        "FLOOR",
        "FLOOR(x)",
        "The next whole number below, as a decimal.",
        (Example("FLOOR(d)", d("-2"), {"d": d("-1.01")}),),
    ),
    _rounding(
        "CEIL",
        "CEIL(x)",
        "The next whole number above, as a decimal.",
        (Example("CEIL(d)", d("0"), {"d": d("-0.99")}),),
    ),
    Entry(
        name="ABS",
        signature="ABS(x)",
        meaning="The number without its sign.",
        examples=(Example("ABS(d)", d("1.50"), {"d": d("-1.50")}),),
        bind=_same,
        python=Python(strict=_absolute),
        errors=_OVERFLOW,
    ),
    Entry(
        name="SIGN",
        signature="SIGN(x)",
        meaning="-1, 0 or 1.",
        examples=(Example("SIGN(d)", -1, {"d": d("-1.50")}),),
        bind=_sign,
        python=Python(strict=_signum),
    ),
)
