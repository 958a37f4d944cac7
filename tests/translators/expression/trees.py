"""Our trees and sqlglot's as the same nested tuples: two parsers, one comparison."""

from __future__ import annotations

from collections.abc import Iterator

import sqlglot
from sqlglot import exp

from translators.expression import nodes as n

Tree = object

FUNCTIONS: dict[type[exp.Expression], tuple[str, tuple[str, ...]]] = {
    exp.Upper: ("UPPER", ("this",)),
    exp.Lower: ("LOWER", ("this",)),
    exp.Length: ("LENGTH", ("this",)),
    exp.Abs: ("ABS", ("this",)),
    exp.Trim: ("TRIM", ("this",)),
    exp.Round: ("ROUND", ("this", "decimals")),
    exp.Nullif: ("NULLIF", ("this", "expression")),
    exp.Coalesce: ("COALESCE", ("this", "expressions")),
    exp.Greatest: ("GREATEST", ("this", "expressions")),
    exp.Left: ("LEFT", ("this", "expression")),
    exp.Sum: ("SUM", ("this",)),
    exp.Count: ("COUNT", ("this",)),
    exp.Min: ("MIN", ("this",)),
    exp.Max: ("MAX", ("this",)),
    exp.First: ("FIRST", ("this",)),
    exp.Last: ("LAST", ("this",)),
    exp.Substring: ("SUBSTRING", ("this", "start", "length")),
}
OPERATORS: dict[type[exp.Expression], str] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
    exp.Mod: "%",
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
CHAINS: dict[type[exp.Expression], str] = {exp.And: "AND", exp.Or: "OR", exp.DPipe: "||"}


def flat(operator: str, parts: list[Tree]) -> Tree:
    """One level for a chain, however it was bracketed: these operators are associative."""
    inner: list[Tree] = []
    for part in parts:
        same = isinstance(part, tuple) and part[0] == operator
        inner.extend(part[1:] if same and isinstance(part, tuple) else [part])
    return (operator, *inner)


def postgres(text: str) -> Tree:
    """The tree that sqlglot's PostgreSQL grammar gives a text."""
    tree = sqlglot.parse_one(text, dialect="postgres")
    assert isinstance(tree, exp.Expression)
    return theirs(tree)


def ours(node: n.Node) -> Tree:
    """Our tree as nested tuples."""
    below = [ours(part) for part in n.children(node)]
    match node:
        case n.Number():
            return ("number", node.text)
        case n.String():
            return ("text", node.value)
        case n.Word():
            return ("word", node.value)
        case n.Name():
            return ("name", *node.parts)
        case n.Interval():
            return ("interval", node.text.lower().rstrip("s"))
        case n.Unary():
            return (f"prefix {node.operator}", *below)
        case n.Binary():
            return (node.operator, *below)
        case n.Chain():
            return flat(node.operator, below)
        case n.Is():
            return negated(node.negated, ("IS", node.test, *below))
        case n.Distinct():
            return ("SAME" if node.negated else "DISTINCT", *below)
        case n.Between():
            return negated(node.negated, ("BETWEEN", *below))
        case n.In():
            return negated(node.negated, ("IN", *below))
        case n.Like():
            return negated(node.negated, ("LIKE", *below))
        case n.Case():
            return ("CASE", node.operand is not None, node.otherwise is not None, *below)
        case n.Cast():
            return ("CAST", node.target, node.numbers, *below)
        case n.Extract():
            return ("EXTRACT", node.part, *below)
        case n.AtTimeZone():
            return ("ZONE", *below)
        case n.Function(where=None):
            return (node.name, *below)
        case n.Function():
            return ("FILTER", (node.name, *below[:-1]), below[-1])
        case _:
            raise AssertionError(node)


def negated(yes: bool, tree: Tree) -> Tree:
    """NOT around a test, where the test is written with a NOT inside."""
    return ("prefix NOT", tree) if yes else tree


def theirs(tree: exp.Expression) -> Tree:
    """sqlglot's tree as the same nested tuples."""
    kind = type(tree)
    if kind in OPERATORS:
        return (OPERATORS[kind], theirs(tree.this), theirs(tree.args["expression"]))
    if kind in CHAINS:
        return flat(CHAINS[kind], [theirs(tree.this), theirs(tree.args["expression"])])
    if kind in FUNCTIONS:
        name, keys = FUNCTIONS[kind]
        return (name, *(theirs(part) for key in keys for part in listed(tree.args.get(key))))
    return theirs_special(tree)


def listed(part: object) -> Iterator[exp.Expression]:
    """The expressions of an argument, which may be one, several or absent."""
    for one in part if isinstance(part, list) else [part]:
        if isinstance(one, exp.Expression):
            yield one


def theirs_special(tree: exp.Expression) -> Tree:
    """What is neither an operator nor a plain function."""
    match tree:
        case exp.Paren():
            return theirs(tree.this)
        case exp.Literal():
            return ("text" if tree.is_string else "number", tree.this)
        case exp.Boolean():
            return ("word", tree.this)
        case exp.Null():
            return ("word", None)
        case exp.Column():
            return ("name", *(part.name for part in tree.parts))
        case exp.Dot():
            return ("name", *(part.name for part in tree.parts))
        case exp.Filter():
            return ("FILTER", theirs(tree.this), theirs(tree.expression.this))
        case exp.Neg():
            return ("prefix -", theirs(tree.this))
        case exp.Not():
            return ("prefix NOT", theirs(tree.this))
        case exp.Anonymous():
            return (tree.name.upper(), *(theirs(part) for part in tree.expressions))
        case exp.Interval():
            return ("interval", f"{tree.this.name} {tree.args['unit'].name}".lower().rstrip("s"))
        case exp.AtTimeZone():
            return ("ZONE", theirs(tree.this), theirs(tree.args["zone"]))
        case exp.Extract():
            return ("EXTRACT", tree.this.name.upper(), theirs(tree.args["expression"]))
        case _:
            return theirs_tests(tree)


def theirs_tests(tree: exp.Expression) -> Tree:
    """IS, DISTINCT, BETWEEN, IN, LIKE, CASE and CAST."""
    no = bool(tree.args.get("negate"))
    match tree:
        case exp.Is():
            word = {exp.Null: "NULL"}.get(type(tree.expression)) or str(tree.expression.this).upper()
            return negated(no, ("IS", word, theirs(tree.this)))
        case exp.NullSafeNEQ():
            return ("DISTINCT", theirs(tree.this), theirs(tree.expression))
        case exp.NullSafeEQ():
            return ("SAME", theirs(tree.this), theirs(tree.expression))
        case exp.Between():
            return negated(no, ("BETWEEN", *(theirs(tree.args[key]) for key in ("this", "low", "high"))))
        case exp.In():
            return negated(no, ("IN", theirs(tree.this), *(theirs(part) for part in tree.expressions)))
        case exp.Like():
            return negated(no, ("LIKE", theirs(tree.this), theirs(tree.expression)))
        case exp.Escape():
            inner = theirs(tree.this)
            assert isinstance(inner, tuple)
            escape = theirs(tree.expression)
            return ("prefix NOT", (*inner[1], escape)) if inner[0] == "prefix NOT" else (*inner, escape)
        case exp.Case():
            whens = [theirs(part) for when in tree.args["ifs"] for part in (when.this, when.args["true"])]
            operand, otherwise = ([theirs(part) for part in listed(tree.args.get(key))] for key in ("this", "default"))
            return ("CASE", bool(operand), bool(otherwise), *operand, *whens, *otherwise)
        case exp.Cast():
            to = tree.args["to"]
            numbers = tuple(int(size.this.this) for size in to.expressions)
            return ("CAST", to.this.value, numbers, theirs(tree.this))
        case _:
            raise AssertionError(repr(tree))


def every(node: n.Node) -> Iterator[n.Node]:
    """The node and all below it."""
    yield node
    for part in n.children(node):
        yield from every(part)
