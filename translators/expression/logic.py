"""Catalogue: comparisons, conditions, and what chooses between values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from translators.expression import types
from translators.expression.arguments import Arguments, Entry, Example, Python
from translators.expression.bound import Aggregate, Bound, Call, Constant, first_fallible
from translators.expression.errors import FallibleCondition, TypeMismatch

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


def no_null(args: Arguments) -> None:
    """Refuses a bare NULL in a comparison."""
    for part in args.args:
        if part.type == types.UNTYPED:
            fix = "Write IS NULL, IS NOT NULL or IS NOT DISTINCT FROM."
            raise TypeMismatch(part.span, what=f"A comparison {args.name} NULL is never true.", fix=fix)


def _compare(args: Arguments) -> Bound:
    no_null(args)
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
        if not isinstance(part, Call | Aggregate) and not other.type.nullable and not emitter.raises(other):
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
    part = call.args[0]
    if isinstance(part, Constant):
        return repr((part.value is None) is not bool(call.data))
    return f"({emitter.value(part)} is {'not ' if call.data else ''}None)"


def _is_boolean(emitter: Emitter, call: Call) -> str:
    part = call.args[0]
    text = emitter.is_true(part) if call.name == "IS TRUE" else emitter.is_false(part)
    return f"(not {text})" if call.data else f"(True if {text} else False)"


def _distinct(args: Arguments) -> Bound:
    left, right = args.args
    if types.UNTYPED in (left.type, right.type):
        raise TypeMismatch(
            args.span,
            what="IS DISTINCT FROM NULL says less plainly what IS NOT NULL says.",
            fix="Write IS NULL or IS NOT NULL.",
        )
    if left.type.kind != right.type.kind or left.type.kind in types.ORDERED:
        types.common_type(args.args, "IS DISTINCT FROM")
    return args.call(types.BOOLEAN, data=args.data, nullable=False)


def _are_distinct(emitter: Emitter, call: Call) -> str:
    left, right = (emitter.value(part) for part in call.args)
    return f"({left} {'==' if call.data else '!='} {right})"


def _between(args: Arguments) -> Bound:
    no_null(args)
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
            raise args.wrong(
                "its items must be constants, and not NULL", "Write several comparisons joined by OR.", part
            )
    no_null(args)
    types.common_type(args.args, "IN")
    values = frozenset(part.value for part in args.args[1:] if isinstance(part, Constant))
    return args.call(types.BOOLEAN, data=(bool(args.data), values))


def _members(emitter: Emitter, call: Call, *, inside: bool) -> str:
    negated, values = call.data
    part, listed = call.args[0], emitter.use(values)
    if inside is not negated and not isinstance(part, Call):
        return f"({emitter.leaf(part)} in {listed})"
    guards, text = emitter.plan(part)
    member = f"{text} {'in' if inside is not negated else 'not in'} {listed}"
    return f"({guards.present()} and {member})" if guards.tests else f"({member})"


def _in_value(emitter: Emitter, call: Call) -> str:
    negated, values = call.data
    guards, text = emitter.plan(call.args[0])
    member = f"({text} {'not in' if negated else 'in'} {emitter.use(values)})"
    return f"(None if {guards.null()} else {member})" if guards.tests else member


def _in_true(emitter: Emitter, call: Call) -> str:
    return _members(emitter, call, inside=True)


def _in_false(emitter: Emitter, call: Call) -> str:
    return _members(emitter, call, inside=False)


_CONDITION = Python(value=_three_valued, is_true=_both, is_false=_either_false)
_MANY = 400

ENTRIES = (
    _comparison(
        "=",
        "Equal. Text is equal only letter by letter, blanks and case included.",
        (Example("s = 'a'", True, {"s": "a"}), Example("s = 'a'", False, {"s": "a "}), Example("1 = 1.00", True)),
    ),
    _comparison(
        "<>", "Not equal; also written !=.", (Example("n <> 2", True, {"n": 1}), Example("n != 1", False, {"n": 1}))
    ),
    _comparison(
        "<", "Less. Text is ordered by code point.", (Example("'Z' < 'a'", True), Example("n < 1.5", True, {"n": 1}))
    ),
    _comparison("<=", "Less or equal.", (Example("n <= 1", True, {"n": 1}),)),
    _comparison(">", "Greater.", (Example("n > 1", False, {"n": 1}),)),
    _comparison(">=", "Greater or equal.", (Example("n >= 1", True, {"n": 1}),)),
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
        examples=(Example("s IS NULL", False, {"s": ""}), Example("s IS NOT NULL", False, {"s": None})),
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
            Example("n IS DISTINCT FROM m", True, {"m": 1}),
            Example("s IS DISTINCT FROM t", False, {"s": "x", "t": "x"}),
            Example("n IS NOT DISTINCT FROM m", False, {"m": 1}),
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
            Example("n BETWEEN 1 AND 3", True, {"n": 3}),
            Example("n NOT BETWEEN 1 AND 3", False, {"n": 3}),
            Example("n BETWEEN m AND 3", False, {"n": 4, "m": None}),
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
            Example("s IN ('A', 'B')", True, {"s": "A"}),
            Example("n NOT IN (1, 2)", True, {"n": 3}),
            Example("n NOT IN (1, 2)", None, {"n": None}),
        ),
        bind=_in,
        python=Python(value=_in_value, is_true=_in_true, is_false=_in_false),
        arity=(2, _MANY),
        written="operator",
    ),
)
