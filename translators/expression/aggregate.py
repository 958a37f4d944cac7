"""Catalogue: what the rows of a part come to. Their expressions and conditions read the columns of that part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

from translators.expression import nodes as n
from translators.expression import types
from translators.expression.arguments import Arguments, Entry, Example, Python, Unbound, d
from translators.expression.bound import Aggregate, Bound, Scope
from translators.expression.errors import TypeMismatch, UnknownColumn, did_you_mean
from translators.expression.words import AGGREGATES
from translators.schema import MAX_DECIMAL, Type

_CONDITIONS = ("ANY", "ALL")
_IN_ORDER = ("FIRST", "LAST")


# binding


def _aggregate(args: Arguments) -> Bound:
    asked: Unbound = args.data
    argument = asked.arguments[0]
    part = _part(args, asked)
    scope = Scope(table=part, columns=args.scope.parts[part], codes=args.scope.codes)
    value = None
    if not isinstance(argument, n.Name) or len(argument.parts) == 2:
        value = asked.bind(argument, scope)
    elif args.name != "COUNT":
        raise args.wrong("it needs a value of each row", f"Write {args.name}({part}.column).")
    where = None if asked.where is None else _condition(asked.bind(asked.where, scope), "FILTER")
    kind = _type(args, value)
    return Aggregate(kind, args.span, args.name, part, value, where, _order(args, part))


def _part(args: Arguments, asked: Unbound) -> str:
    """The one part that all names belong to."""
    parts = args.scope.parts
    found: dict[str, n.Name] = {}
    nodes = (*asked.arguments, *(() if asked.where is None else (asked.where,)))
    for node in (inner for one in nodes for inner in _every(one)):
        if isinstance(node, n.Function) and node.name in AGGREGATES:
            raise args.wrong(
                "it cannot hold another", "The rows of a part of a part are summed up directly: SUM(inner.x)."
            )
        if isinstance(node, n.Star):
            raise args.wrong("it takes a part, not a *", "Write COUNT(part).")
        if isinstance(node, n.Name):
            _check_name(args, node, is_part=len(node.parts) == 1 and node is asked.arguments[0])
            found[node.parts[0]] = node
    if not found:
        raise args.wrong(
            "it names no part", f"Write {args.name}(part.column); there are {', '.join(sorted(parts)) or 'none'}."
        )
    if len(found) > 1:
        first, second = list(found)[:2]
        raise args.wrong(
            f"it reads two parts, {first} and {second}", "Sum up each for itself, and combine the results."
        )
    return next(iter(found))


def _every(node: n.Node) -> Iterator[n.Node]:
    yield node
    for part in n.children(node):
        yield from _every(part)


def _check_name(args: Arguments, node: n.Name, is_part: bool) -> None:
    """Whether a name is a column of a part, or a part where that is asked for."""
    parts = args.scope.parts
    if len(node.parts) > 2:
        raise args.wrong("it takes a part, or a column of a part", f"Write {args.name}(part.column) or COUNT(part).")
    if node.parts[0] in parts and (is_part or len(node.parts) == 2):
        return
    if node is args.data.arguments[0] or not parts:
        otherwise = f"There are the parts {', '.join(sorted(parts))}." if parts else "This mapping has no parts here."
        raise UnknownColumn(
            node.span, noun="part", name=node.parts[0], fix=did_you_mean(node.parts[0], parts, otherwise)
        )
    _not_of_the_part(args, node)


def _not_of_the_part(args: Arguments, node: n.Name) -> NoReturn:
    part = next((name for name, columns in args.scope.parts.items() if node.parts[-1] in columns), None)
    fix = f"Write {part}.{node.parts[-1]}. " if part is not None and len(node.parts) == 1 else ""
    fix += f"{args.name} reads columns of its part only; what is the same for all rows is combined with the result."
    raise UnknownColumn(node.span, noun="column of a part", name=node.text, fix=fix)


def _condition(bound: Bound, what: str) -> Bound:
    if bound.type.kind != "boolean":
        said = f"{what} takes a condition, this is {types.name(bound.type)}."
        raise TypeMismatch(bound.span, what=said, fix="Write a comparison: part.column = 'A'.")
    return bound


def _type(args: Arguments, value: Bound | None) -> Type:
    if value is None:
        return types.INTEGER
    if value.type == types.UNTYPED:
        raise TypeMismatch(value.span, what="This NULL has no type.", fix=types.fix(types.UNTYPED, "text"))
    if args.name == "COUNT":
        return types.INTEGER
    if args.name in _CONDITIONS:
        return types.nullable(types.BOOLEAN, _condition(value, args.name).type.nullable)
    fine: tuple[str, ...] = types.NUMBERS if args.name == "SUM" else types.ORDERED
    if args.name in ("MIN", "MAX"):
        fine = tuple(kind for kind in fine if kind != "boolean")
    if value.type.kind not in fine:
        said = f"{args.name} does not take {types.name(value.type)}."
        raise TypeMismatch(value.span, what=said, fix=f"It takes {', '.join(fine)}.")
    if args.name == "SUM" and value.type.kind == "decimal":
        return Type("decimal", MAX_DECIMAL, value.type.scale)
    return types.nullable(value.type, True)


def _order(args: Arguments, part: str) -> tuple[str, ...]:
    if args.name not in _IN_ORDER:
        return ()
    if part not in args.scope.orders:
        raise args.wrong(f"the rows of {part} have no order", f"Say what sorts them: `{part}: {{..., order: column}}`.")
    return args.scope.orders[part]


# entries

_ROWS: list[dict[str, object]] = [
    {"n": 2, "d": d("1.50"), "s": "b", "a": True},
    {"n": 3, "d": None, "s": "a", "a": False},
]
_PART = {"part": _ROWS}
_EMPTY: dict[str, object] = {"part": []}
_UNKNOWN: dict[str, object] = {"part": [{"s": None}, {"s": "a"}]}
_RULE = " Both read the columns of one part, written `part.column`; a row that is left out cannot fail."


def _entry(
    name: str, meaning: str, nulls: str, errors: tuple[str, ...], examples: tuple[Example, ...], signature: str = ""
) -> Entry:
    return Entry(
        name=name,
        signature=signature or f"{name}(x) [FILTER (WHERE condition)]",
        meaning=meaning,
        examples=examples,
        bind=_aggregate,
        python=Python(),
        nulls=nulls,
        errors=errors,
        takes_names=True,
    )


ENTRIES = (
    _entry(
        "SUM",
        "The sum of x over the rows of a part, or over those for which the condition is TRUE." + _RULE,
        "ignored; NULL of nothing",
        ("value.overflow", "value.out_of_range"),
        (
            Example("SUM(part.n)", 5, _PART),
            Example("SUM(part.d)", d("1.50"), _PART),
            Example("SUM(part.n * 10 - 1)", 48, _PART),
            Example("SUM(part.n) FILTER (WHERE part.s <> 'b')", 3, _PART),
            Example("SUM(part.n)", None, _EMPTY),
        ),
    ),
    _entry(
        "COUNT",
        "How many rows a part has, or for how many x is not NULL; with a condition, of those for which it is TRUE.",
        "ignored; 0 of nothing",
        ("value.out_of_range",),
        (
            Example("COUNT(part)", 2, _PART),
            Example("COUNT(part.d)", 1, _PART),
            Example("COUNT(part) FILTER (WHERE part.n > 2)", 1, _PART),
            Example("COUNT(part)", 0, _EMPTY),
        ),
        "COUNT(part), COUNT(x) [FILTER (WHERE condition)]",
    ),
    _entry(
        "MIN",
        "The least x over the rows of a part.",
        "ignored; NULL of nothing",
        ("value.out_of_range",),
        (Example("MIN(part.s)", "a", _PART), Example("MIN(part.n) FILTER (WHERE part.s = 'a')", 3, _PART)),
    ),
    _entry(
        "MAX",
        "The greatest x over the rows of a part.",
        "ignored; NULL of nothing",
        ("value.out_of_range",),
        (Example("MAX(part.n)", 3, _PART), Example("MAX(ABS(part.n - 3))", 1, _PART)),
    ),
    _entry(
        "ANY",
        "Whether x is TRUE for at least one row of a part: the rows joined by OR, in their order, as far as needed.",
        "NULL if x is TRUE for no row and NULL for one; FALSE of nothing",
        ("value.out_of_range",),
        (
            Example("ANY(part.s = 'a')", True, _PART),
            Example("ANY(part.s = 'c')", None, _UNKNOWN),
            Example("ANY(part.a) FILTER (WHERE part.n > 2)", False, _PART),
            Example("ANY(part.a)", False, _EMPTY),
        ),
    ),
    _entry(
        "ALL",
        "Whether x is TRUE for every row of a part: the rows joined by AND, in their order, as far as needed.",
        "NULL if x is FALSE for no row and NULL for one; TRUE of nothing",
        ("value.out_of_range",),
        (
            Example("ALL(part.n > 1)", True, _PART),
            Example("ALL(part.s = 'a')", None, _UNKNOWN),
            Example("ALL(part.a) FILTER (WHERE part.n < 3)", True, _PART),
            Example("ALL(part.a)", True, _EMPTY),
        ),
    ),
    _entry(
        "FIRST",
        "x of the first row of a part, in the order that the mapping gives it; with a condition, of the first that fulfils it.",
        "NULL of nothing, or where x is NULL in that row",
        ("value.out_of_range",),
        (
            Example("FIRST(part.s)", "b", _PART),
            Example("FIRST(part.s || '!') FILTER (WHERE part.n > 2)", "a!", _PART),
            Example("FIRST(part.s)", None, _UNKNOWN),
            Example("FIRST(part.s)", None, _EMPTY),
        ),
    ),
    _entry(
        "LAST",
        "The same of the last row.",
        "NULL of nothing, or where x is NULL in that row",
        ("value.out_of_range",),
        (Example("LAST(part.s)", "a", _PART), Example("LAST(part.n) FILTER (WHERE part.a)", 2, _PART)),
    ),
)
