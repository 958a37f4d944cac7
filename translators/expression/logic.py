"""Catalogue: comparisons, conditions, and what chooses between values."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from translators.expression import runtime, types
from translators.expression.arguments import Arguments, Entry, Example, Python
from translators.expression.bound import Bound, Call, Constant, first_fallible
from translators.expression.errors import FallibleCondition, Refused, TypeMismatch

if TYPE_CHECKING:
    from translators.expression.python import Emitter

_PYTHON = {"=": "==", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_OPPOSITE = {"=": "!=", "<>": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def decided(args: Arguments, what: str) -> None:
    """Refuses a part that can fail under an operator whose sides have no fixed order in every engine."""
    for part in args.args:
        culprit = first_fallible(part)
        if culprit is not None:
            fix = "Use its TRY_ form, a CODE with a default, or CASE, which decides in order."
            raise FallibleCondition(culprit.span, what=culprit.name, operator=what, fix=fix)


def _no_null(args: Arguments) -> None:
    for part in args.args:
        if part.type == types.UNTYPED:
            fix = "Write IS NULL, IS NOT NULL or IS NOT DISTINCT FROM."
            raise TypeMismatch(part.span, what=f"A comparison {args.name} NULL is never true.", fix=fix)


def _compare(args: Arguments) -> Bound:
    _no_null(args)
    types.common_type(args.args, f"The comparison {args.name}")
    return args.call(types.BOOLEAN)


def _compared(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    return f"({texts[0]} {_PYTHON[call.name]} {texts[1]})"


def _not_compared(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    return f"({texts[0]} {_OPPOSITE[call.name]} {texts[1]})"


def _equal_is_true(emitter: Emitter, call: Call) -> str:
    """`=`: a NULL on one side equals no value on the other, so that no test is needed."""
    left, right = call.args
    for part, other in ((left, right), (right, left)):
        if not isinstance(part, Call) and not other.type.nullable:
            guards, text = emitter.plan(other)
            if not guards.tests:
                return f"({emitter.leaf(part)} == {text})"
    guards, text = emitter.plan(call)
    return f"({guards.present()} and {text})" if guards.tests else text


def _comparison(name: str, meaning: str, examples: tuple[Example, ...]) -> Entry:
    is_true = _equal_is_true if name == "=" else None
    return Entry(
        name=name,
        signature=f"a {name} b",
        meaning=meaning,
        examples=examples,
        bind=_compare,
        python=Python(strict=_compared, negated=_not_compared, is_true=is_true),
        arity=(2, 2),
        written="operator",
    )


def _conditions(args: Arguments) -> Bound:
    for index in range(len(args.args)):
        if args.args[index].type == types.UNTYPED:
            continue
        args.need(index, "boolean")
    if args.name != "NOT":
        decided(args, args.name)
    parts = tuple(types.convert(part, types.BOOLEAN) if part.type == types.UNTYPED else part for part in args.args)
    return args.call(types.BOOLEAN, parts)


def _both(emitter: Emitter, call: Call) -> str:
    return f"({' and '.join(emitter.is_true(part) for part in call.args)})"


def _either_false(emitter: Emitter, call: Call) -> str:
    return f"({' or '.join(emitter.is_false(part) for part in call.args)})"


def _either(emitter: Emitter, call: Call) -> str:
    return f"({' or '.join(emitter.is_true(part) for part in call.args)})"


def _both_false(emitter: Emitter, call: Call) -> str:
    return f"({' and '.join(emitter.is_false(part) for part in call.args)})"


def _three_valued(emitter: Emitter, call: Call) -> str:
    """AND and OR as a value: decided by the first FALSE (TRUE), else NULL if one is NULL."""
    decisive = "False" if call.name == "AND" else "True"
    if not call.type.nullable:
        return f"({emitter.is_true(call)} is True)"
    names = [emitter.writer.temp() for _ in call.args]
    decide = " or ".join(
        f"({name} := {emitter.value(part)}) is {decisive}" for name, part in zip(names, call.args, strict=True)
    )
    null = " or ".join(f"{name} is None" for name in names)
    return f"({decisive} if {decide} else None if {null} else {decisive == 'False'})"


def _negation(emitter: Emitter, call: Call, texts: tuple[str, ...]) -> str:
    return f"(not {texts[0]})"


def _not_true(emitter: Emitter, call: Call) -> str:
    return emitter.is_false(call.args[0])


def _not_false(emitter: Emitter, call: Call) -> str:
    return emitter.is_true(call.args[0])


def _is(args: Arguments) -> Bound:
    if args.name != "IS NULL":
        args.need(0, "boolean")
    return args.call(types.BOOLEAN, data=args.data, nullable=False)


def _is_null(emitter: Emitter, call: Call) -> str:
    return f"({emitter.value(call.args[0])} is {'not ' if call.data else ''}None)"


def _is_boolean(emitter: Emitter, call: Call) -> str:
    part = call.args[0]
    text = emitter.is_true(part) if call.name == "IS TRUE" else emitter.is_false(part)
    return f"(not {text})" if call.data else f"(True if {text} else False)"


def _distinct(args: Arguments) -> Bound:
    left, right = args.args
    if types.UNTYPED in (left.type, right.type):
        raise TypeMismatch(args.span, what="IS DISTINCT FROM NULL says less plainly what IS NOT NULL says.", fix="Write IS NULL or IS NOT NULL.")
    if left.type.kind != right.type.kind or left.type.kind in types.ORDERED:
        types.common_type(args.args, "IS DISTINCT FROM")
    return args.call(types.BOOLEAN, data=args.data, nullable=False)


def _are_distinct(emitter: Emitter, call: Call) -> str:
    left, right = (emitter.value(part) for part in call.args)
    return f"({left} {'==' if call.data else '!='} {right})"


def _between(args: Arguments) -> Bound:
    _no_null(args)
    types.common_type(args.args, "BETWEEN")
    decided(args, "BETWEEN")
    return args.call(types.BOOLEAN, data=args.data)


def _bounds(emitter: Emitter, call: Call) -> tuple[Call, str]:
    """BETWEEN as two comparisons of a named value, and what gives it the name."""
    part, low, high = call.args
    local, prefix = emitter.let(part)
    name, sides = ("OR", ("<", ">")) if call.data else ("AND", (">=", "<="))
    compared = tuple(
        Call(types.nullable(types.BOOLEAN, part.type.nullable or limit.type.nullable), call.span, side, (local, limit))
        for side, limit in zip(sides, (low, high), strict=True)
    )
    return Call(call.type, call.span, name, compared), prefix


def _between_true(emitter: Emitter, call: Call) -> str:
    both, prefix = _bounds(emitter, call)
    return f"({prefix} and {emitter.is_true(both)})" if prefix else emitter.is_true(both)


def _between_false(emitter: Emitter, call: Call) -> str:
    both, prefix = _bounds(emitter, call)
    return f"({prefix} and {emitter.is_false(both)})" if prefix else emitter.is_false(both)


def _between_value(emitter: Emitter, call: Call) -> str:
    both, prefix = _bounds(emitter, call)
    return f"({emitter.value(both)} if {prefix} else None)" if prefix else emitter.value(both)


def _in(args: Arguments) -> Bound:
    for part in args.args[1:]:
        if not isinstance(part, Constant) or part.value is None:
            raise args.wrong("its items must be constants, and not NULL", "Write several comparisons joined by OR.", part)
    _no_null(args)
    types.common_type(args.args, "IN")
    values = frozenset(part.value for part in args.args[1:] if isinstance(part, Constant))
    return replace(args.call(types.BOOLEAN, data=(bool(args.data), values)))


def _members(emitter: Emitter, call: Call, *, inside: bool) -> str:
    negated, values = call.data  # type: ignore[misc]
    guards, text = emitter.plan(call.args[0])
    listed = emitter.use(values)
    if inside is not negated:
        tests = guards.tests and isinstance(call.args[0], Call)
        return f"({guards.present()} and {text} in {listed})" if tests else f"({emitter.value(call.args[0])} in {listed})"
    return f"({guards.present()} and {text} not in {listed})" if guards.tests else f"({text} not in {listed})"


def _in_value(emitter: Emitter, call: Call) -> str:
    negated, values = call.data  # type: ignore[misc]
    guards, text = emitter.plan(call.args[0])
    member = f"({text} {'not in' if negated else 'in'} {emitter.use(values)})"
    return f"(None if {guards.null()} else {member})" if guards.tests else member


def _in_true(emitter: Emitter, call: Call) -> str:
    return _members(emitter, call, inside=True)


def _in_false(emitter: Emitter, call: Call) -> str:
    return _members(emitter, call, inside=False)


def _case(args: Arguments) -> Bound:
    """CASE: `data` is (has an operand, has an ELSE); the arguments are [operand], then pairs, then [else]."""
    operand, otherwise = args.data  # type: ignore[misc]
    parts = args.args[1:] if operand else args.args
    if not otherwise:
        parts = (*parts, Constant(types.UNTYPED, args.span, None))
    conditions = parts[:-1:2]
    for condition in conditions:
        if operand:
            _no_null(Arguments("=", args.span, (args.args[0], condition), args.scope))
            types.common_type((args.args[0], condition), "CASE")
        elif condition.type.kind != "boolean":
            raise TypeMismatch(condition.span, what=f"WHEN takes a condition, not {types.name(condition.type)}.", fix="Compare it with something.")
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


_CONDITION = Python(value=_three_valued, is_true=_both, is_false=_either_false)
_MANY = 400

ENTRIES = (
    _comparison(
        "=",
        "Equal. Text is equal only letter by letter, blanks and case included.",
        (Example("x = 'a'", True, {"x": "a"}), Example("x = 'a'", False, {"x": "a "}), Example("1 = 1.00", True)),
    ),
    _comparison("<>", "Not equal; also written !=.", (Example("x <> 2", True, {"x": 1}), Example("x != 1", False, {"x": 1}))),
    _comparison("<", "Less. Text is ordered by code point.", (Example("'Z' < 'a'", True), Example("x < 1.5", True, {"x": 1}))),
    _comparison("<=", "Less or equal.", (Example("x <= 1", True, {"x": 1}),)),
    _comparison(">", "Greater.", (Example("x > 1", False, {"x": 1}),)),
    _comparison(">=", "Greater or equal.", (Example("x >= 1", True, {"x": 1}),)),
    Entry(
        name="AND",
        signature="a AND b ...",
        meaning="TRUE if all are; FALSE if one is; else NULL.",
        examples=(
            Example("a AND b", False, {"a": False, "b": None}),
            Example("a AND b", None, {"a": True, "b": None}),
            Example("a AND b", True, {"a": True, "b": True}),
        ),
        bind=_conditions,
        python=_CONDITION,
        arity=(2, _MANY),
        nulls="three-valued",
        written="operator",
    ),
    Entry(
        name="OR",
        signature="a OR b ...",
        meaning="TRUE if one is; FALSE if all are; else NULL.",
        examples=(
            Example("a OR b", True, {"a": None, "b": True}),
            Example("a OR b", None, {"a": False, "b": None}),
            Example("a OR b", False, {"a": False, "b": False}),
        ),
        bind=_conditions,
        python=Python(value=_three_valued, is_true=_either, is_false=_both_false),
        arity=(2, _MANY),
        nulls="three-valued",
        written="operator",
    ),
    Entry(
        name="NOT",
        signature="NOT a",
        meaning="The opposite; NULL stays NULL.",
        examples=(Example("NOT a", False, {"a": True}), Example("NOT a", None, {"a": None})),
        bind=_conditions,
        python=Python(strict=_negation, is_true=_not_true, is_false=_not_false),
        written="operator",
    ),
    Entry(
        name="IS NULL",
        signature="x IS [NOT] NULL",
        meaning="Whether there is no value. The empty text is a value.",
        examples=(Example("x IS NULL", False, {"x": ""}), Example("x IS NOT NULL", False, {"x": None})),
        bind=_is,
        python=Python(value=_is_null),
        nulls="never NULL",
        written="operator",
    ),
    *(
        Entry(
            name=f"IS {word}",
            signature=f"a IS [NOT] {word}",
            meaning=f"Whether a condition is {word}; NULL is not.",
            examples=(
                Example(f"a IS {word}", False, {"a": None}),
                Example(f"a IS NOT {word}", True, {"a": None}),
                Example(f"a IS {word}", True, {"a": word == "TRUE"}),
            ),
            bind=_is,
            python=Python(value=_is_boolean),
            nulls="never NULL",
            written="operator",
        )
        for word in ("TRUE", "FALSE")
    ),
    Entry(
        name="IS DISTINCT FROM",
        signature="a IS [NOT] DISTINCT FROM b",
        meaning="Whether two values differ, NULL being a value like any other.",
        examples=(
            Example("a IS DISTINCT FROM b", True, {"a": None, "b": 1}),
            Example("a IS DISTINCT FROM b", False, {"a": "x", "b": "x"}),
            Example("a IS NOT DISTINCT FROM b", False, {"a": None, "b": 1}),
        ),
        bind=_distinct,
        python=Python(value=_are_distinct),
        arity=(2, 2),
        nulls="never NULL",
        written="operator",
    ),
    Entry(
        name="BETWEEN",
        signature="x [NOT] BETWEEN low AND high",
        meaning="x >= low AND x <= high.",
        examples=(
            Example("x BETWEEN 1 AND 3", True, {"x": 3}),
            Example("x NOT BETWEEN 1 AND 3", False, {"x": 3}),
            Example("x BETWEEN y AND 3", False, {"x": 4, "y": None}),
        ),
        bind=_between,
        python=Python(value=_between_value, is_true=_between_true, is_false=_between_false),
        arity=(3, 3),
        nulls="three-valued, like AND",
        written="operator",
    ),
    Entry(
        name="IN",
        signature="x [NOT] IN (constant, ...)",
        meaning="Whether x is one of the constants.",
        examples=(
            Example("x IN ('A', 'B')", True, {"x": "A"}),
            Example("x NOT IN (1, 2)", True, {"x": 3}),
            Example("x NOT IN (1, 2)", None, {"x": None}),
        ),
        bind=_in,
        python=Python(value=_in_value, is_true=_in_true, is_false=_in_false),
        arity=(2, _MANY),
        written="operator",
    ),
    Entry(
        name="CASE",
        signature="CASE WHEN condition THEN x ... [ELSE y] END, CASE a WHEN b THEN x ... [ELSE y] END",
        meaning="The result of the first WHEN that is TRUE (or equal); nothing after it is computed. NULL without ELSE.",
        examples=(
            Example("CASE WHEN x > 1 THEN 'many' ELSE 'one' END", "many", {"x": 2}),
            Example("CASE x WHEN 'A' THEN 1 WHEN 'B' THEN 2.50 END", runtime.Decimal("1.00"), {"x": "A"}),
            Example("CASE x WHEN 'A' THEN 1 END", None, {"x": None}),
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
            Example("COALESCE(a, b, 'none')", "none", {"a": None, "b": None}) if False else Example("COALESCE(a, 0)", runtime.Decimal("0.00"), {"a": None, "b": None}),
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
        examples=(Example("NULLIF(x, '')", None, {"x": ""}), Example("NULLIF(x, '')", "a", {"x": "a"})),
        bind=_nullif,
        python=Python(value=_unless_equal),
        arity=(2, 2),
        nulls="NULL if equal",
    ),
    Entry(
        name="GREATEST",
        signature="GREATEST(a, b, ...)",
        meaning="The greatest; NULLs do not count.",
        examples=(Example("GREATEST(a, b)", 2, {"a": 2, "b": None}), Example("GREATEST('a', 'B')", "a")),
        bind=_extreme,
        python=Python(value=_pick),
        arity=(2, _MANY),
        nulls="ignored",
    ),
    Entry(
        name="LEAST",
        signature="LEAST(a, b, ...)",
        meaning="The least; NULLs do not count.",
        examples=(Example("LEAST(a, b)", 1, {"a": 2, "b": 1}),),
        bind=_extreme,
        python=Python(value=_pick),
        arity=(2, _MANY),
        nulls="ignored",
    ),
)
