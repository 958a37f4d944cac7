"""Catalogue: what chooses between values."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from translators.expression import runtime, types
from translators.expression.arguments import Arguments, Entry, Example, Python
from translators.expression.bound import Bound, Call, Constant
from translators.expression.errors import Refused, TypeMismatch
from translators.expression.logic import no_null

if TYPE_CHECKING:
    from translators.expression.python import Emitter


def _case(args: Arguments) -> Bound:
    """CASE: `data` is (has an operand, has an ELSE); the arguments are [operand], then pairs, then [else]."""
    operand, otherwise = args.data
    parts = args.args[1:] if operand else args.args
    if not otherwise:
        parts = (*parts, Constant(types.UNTYPED, args.span, None))
    conditions = parts[:-1:2]
    for condition in conditions:
        if operand:
            no_null(Arguments("=", args.span, (args.args[0], condition), args.scope))
            types.common_type((args.args[0], condition), "CASE")
        elif condition.type.kind != "boolean":
            raise TypeMismatch(
                condition.span,
                what=f"WHEN takes a condition, not {types.name(condition.type)}.",
                fix="Compare it with something.",
            )
    results, kind = types.unify((*parts[1::2], parts[-1]), "CASE")
    pairs = [part for pair in zip(conditions, results, strict=False) for part in pair]
    whole = (*((args.args[0],) if operand else ()), *pairs, results[-1])
    return args.call(kind, whole, data=operand, nullable=kind.nullable)


def _arms(emitter: Emitter, call: Call, how: str) -> str:
    """CASE with each result written by the emitter's method `how`."""
    write = {"value": emitter.value, "is_true": emitter.is_true, "is_false": emitter.is_false}[how]
    parts, prefix = call.args, ""
    local: Bound | None = None
    if call.data:
        local, prefix = emitter.let(parts[0])
        parts = parts[1:]
    text = ""
    for condition, result in zip(parts[:-1:2], parts[1::2], strict=True):
        if local is not None:
            null = local.type.nullable or condition.type.nullable
            condition = Call(types.nullable(types.BOOLEAN, null), call.span, "=", (local, condition))
        text += f"{write(result)} if {emitter.is_true(condition)} else "
    body = f"({text}{write(parts[-1])})"
    return f"({body} if {prefix} else None)" if prefix else body


def _case_value(emitter: Emitter, call: Call) -> str:
    return _arms(emitter, call, "value")


def _case_true(emitter: Emitter, call: Call) -> str:
    return _arms(emitter, call, "is_true")


def _case_false(emitter: Emitter, call: Call) -> str:
    return _arms(emitter, call, "is_false")


def _coalesce(args: Arguments) -> Bound:
    parts, kind = types.unify(args.args, "COALESCE")
    if isinstance(parts[0], Constant) and parts[0].value is not None:
        return parts[0]
    return args.call(kind, parts, nullable=all(part.type.nullable for part in parts))


def _first_present(emitter: Emitter, call: Call) -> str:
    text = ""
    for part in call.args[:-1]:
        guards, present = emitter.plan(part)
        if not guards.tests:
            return f"({text}{present})"
        text += f"{present} if {guards.present()} else "
    return f"({text}{emitter.value(call.args[-1])})"


def _nullif(args: Arguments) -> Bound:
    left, right = args.args
    if right.type == types.UNTYPED or left.type == types.UNTYPED:
        raise Refused(args.span, what="NULLIF with NULL", fix="Write the first argument alone.")
    types.common_type(args.args, "NULLIF")
    if isinstance(left, Constant) and left.value is None:
        return left
    return args.call(left.type, nullable=True)


def _unless_equal(emitter: Emitter, call: Call) -> str:
    guards = emitter.guards(call.args[0])
    text = emitter.nullif(call, guards)
    return f"(None if {guards.null()} else {text})"


def _extreme(args: Arguments) -> Bound:
    parts, kind = types.unify(args.args, args.name)
    return args.call(kind, parts, nullable=all(part.type.nullable for part in parts))


def _pick(emitter: Emitter, call: Call) -> str:
    texts = ", ".join(emitter.value(part) for part in call.args)
    if not any(part.type.nullable for part in call.args):
        return f"{'max' if call.name == 'GREATEST' else 'min'}({texts})"
    return f"{emitter.use(runtime.greatest if call.name == 'GREATEST' else runtime.least)}({texts})"


_MANY = 400

ENTRIES = (
    Entry(
        name="CASE",
        signature="CASE WHEN condition THEN x ... [ELSE y] END, CASE a WHEN b THEN x ... [ELSE y] END",
        meaning="The result of the first WHEN that is TRUE (or equal); nothing after it is computed. NULL without ELSE.",
        examples=(
            Example("CASE WHEN n > 1 THEN 'many' ELSE 'one' END", "many", {"n": 2}),
            Example("CASE s WHEN 'A' THEN 1 WHEN 'B' THEN 2.50 END", Decimal("1.00"), {"s": "A"}),
            Example("CASE s WHEN 'A' THEN 1 END", None, {"s": None}),
        ),
        bind=_case,
        python=Python(value=_case_value, is_true=_case_true, is_false=_case_false),
        arity=(2, _MANY),
        nulls="lazy",
        written="operator",
    ),
    Entry(
        name="COALESCE",
        signature="COALESCE(a, b, ...)",
        meaning="The first that is not NULL; nothing after it is computed.",
        examples=(
            Example("COALESCE(s, t, 'none')", "none"),
            Example("COALESCE(d, 0)", Decimal("0.00")),
            Example("COALESCE(n, CAST(s AS INTEGER))", 1, {"n": 1, "s": "not read"}),
        ),
        bind=_coalesce,
        python=Python(value=_first_present),
        arity=(2, _MANY),
        nulls="lazy",
    ),
    Entry(
        name="NULLIF",
        signature="NULLIF(a, b)",
        meaning="NULL if a = b, else a. Says aloud what a legacy filler means: NULLIF(eff_dt, '00000000').",
        examples=(Example("NULLIF(s, '')", None, {"s": ""}), Example("NULLIF(s, '')", "a", {"s": "a"})),
        bind=_nullif,
        python=Python(value=_unless_equal),
        arity=(2, 2),
        nulls="NULL if equal",
    ),
    Entry(
        name="GREATEST",
        signature="GREATEST(a, b, ...)",
        meaning="The greatest; NULLs do not count.",
        examples=(Example("GREATEST(n, m)", 2, {"n": 2}), Example("GREATEST('a', 'B')", "a")),
        bind=_extreme,
        python=Python(value=_pick),
        arity=(2, _MANY),
        nulls="ignored",
    ),
    Entry(
        name="LEAST",
        signature="LEAST(a, b, ...)",
        meaning="The least; NULLs do not count.",
        examples=(Example("LEAST(n, m)", 1, {"n": 2, "m": 1}),),
        bind=_extreme,
        python=Python(value=_pick),
        arity=(2, _MANY),
        nulls="ignored",
    ),
)
