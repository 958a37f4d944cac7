"""The parsed tree to the typed tree: names are resolved, types are checked, constants are folded, by us and once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from translators.expression import nodes as n
from translators.expression import types
from translators.expression.arguments import Arguments, Entry, Unbound
from translators.expression.bound import (
    Bound,
    Call,
    CodeTable,
    Column,
    Constant,
    Field,
    Happened,
    Meta,
    Scope,
    fallible,
    is_constant,
    sources,
)
from translators.expression.catalogue import CATALOGUE, FUNCTIONS, INSTEAD
from translators.expression.convert import Target
from translators.expression.errors import (
    ConstantFails,
    Refused,
    SyntaxProblem,
    TypeMismatch,
    UnknownColumn,
    UnknownFunction,
    WrongArguments,
    did_you_mean,
)
from translators.expression.fold import fold
from translators.expression.runtime import ValueProblem
from translators.expression.special import outside_events, state_path
from translators.facts import META
from translators.schema import Type

__all__ = ["Bound", "CodeTable", "Scope", "bind", "fallible", "is_constant", "sources"]


def bind(node: n.Node, scope: Scope) -> Bound:
    """The typed tree of a parsed expression. Raises an `ExpressionError` with the span of the part that is wrong."""
    bound = _typed(node, scope)
    if bound.type == types.UNTYPED:
        raise TypeMismatch(node.span, what="This NULL has no type.", fix=types.fix(types.UNTYPED, "text"))
    return bound


def _typed(node: n.Node, scope: Scope) -> Bound:
    return _Binder(scope).bind(node)


class _Binder:
    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.how: dict[type[n.Node], Callable[[Any], Bound]] = {
            n.Number: self._number,
            n.String: self._string,
            n.Word: self._word,
            n.Name: self._name,
            n.Unary: self._unary,
            n.Binary: self._binary,
            n.Chain: self._chain,
            n.Is: self._is,
            n.Distinct: self._distinct,
            n.Between: self._between,
            n.In: self._in,
            n.Like: self._like,
            n.Case: self._case,
            n.Cast: self._cast,
            n.Extract: self._extract,
            n.AtTimeZone: self._zone,
            n.Function: self._function,
            n.Interval: self._interval,
            n.Star: self._star,
        }

    def bind(self, node: n.Node) -> Bound:
        """The typed tree of a node."""
        return self.how[type(node)](node)

    def call(self, name: str, node: n.Node, parts: tuple[n.Node, ...], data: object = None) -> Bound:
        """The typed call of a catalogue entry; a constant if all its arguments are."""
        return self.bound_call(CATALOGUE[name], name, node, tuple([self.bind(part) for part in parts]), data)

    def bound_call(self, entry: Entry, name: str, node: n.Node, args: tuple[Bound, ...], data: object) -> Bound:
        """The same from typed arguments."""
        least, most = entry.arity
        if not least <= len(args) <= most and name not in _SHAPED:
            raise _arity(entry, name, node, len(args))
        bound = entry.bind(Arguments(entry.name, node.span, args, self.scope, data))
        if not isinstance(bound, Call):
            return bound
        constants = [part.value for part in bound.args if isinstance(part, Constant)]
        if entry.python.strict is not None and None in constants:
            return types.constant(None, bound.type, node.span)
        if len(constants) == len(bound.args):
            return self._folded(bound)
        return bound

    def _folded(self, bound: Call) -> Constant:
        try:
            return types.constant(fold(bound), bound.type, bound.span)
        except ValueProblem as problem:
            fix = "Correct the constant; TRY_ forms give NULL instead."
            raise ConstantFails(bound.span, problem=problem.code, fix=fix) from None

    # leaves

    def _number(self, node: n.Number) -> Bound:
        value = Decimal(node.text) if "." in node.text else int(node.text)
        return types.number_constant(value, node.span)

    def _string(self, node: n.String) -> Bound:
        return types.constant(node.value, Type("text", length=len(node.value)), node.span)

    def _word(self, node: n.Word) -> Bound:
        if node.value is None:
            return Constant(types.UNTYPED, node.span, None)
        return types.constant(node.value, types.BOOLEAN, node.span)

    def _interval(self, node: n.Interval) -> Bound:
        raise Refused(node.span, what="An INTERVAL here", fix="It stands after + or -: day + INTERVAL '1 month'.")

    def _star(self, node: n.Star) -> Bound:
        raise SyntaxProblem(
            node.span, what="Unexpected '*'.", fix="Only CHANGED(*) takes it; rows are counted by COUNT(part)."
        )

    def _name(self, node: n.Name) -> Bound:
        first = node.parts[0]
        word = "" if node.quoted[0] else first.upper()
        if word in ("OLD", "NEW") and len(node.parts) > 1:
            return self._field(node, word)
        if word == "META" and len(node.parts) == 2 and not self._is_table(first):
            return self._fact(node)
        if (
            word in ("CREATED", "DELETED")
            and len(node.parts) == 1
            and (first == word or first not in self.scope.columns)
        ):
            if self.scope.state is None and first not in self.scope.columns:
                raise outside_events(word, node.span)
            if self.scope.state is not None:
                return Happened(types.BOOLEAN, node.span, "CREATED" if word == "CREATED" else "DELETED")
        if len(node.parts) == 1:
            return self._column(node, self.scope.table, self.scope.columns)
        if len(node.parts) > 2:
            raise UnknownColumn(node.span, noun="column", name=node.text, fix="Write column or table.column.")
        return self._qualified(node)

    def _field(self, node: n.Name, side: str) -> Bound:
        if self.scope.state is None:
            raise outside_events(side, node.span)
        path = state_path(Arguments(side, node.span, (), self.scope), node)
        kind = self.scope.state.get(path, Type("object"))
        return Field(types.nullable(kind, True), node.span, "OLD" if side == "OLD" else "NEW", path)

    def _is_table(self, name: str) -> bool:
        return name == self.scope.table or name in self.scope.outer or name in self.scope.parts

    def _fact(self, node: n.Name) -> Bound:
        if self.scope.state is None:
            raise outside_events("META", node.span)
        name = node.parts[1]
        kind = META.get(name.lower())
        if kind is None:
            fix = did_you_mean(name.lower(), META, f"There are {', '.join(META)}.")
            raise UnknownColumn(node.span, noun="fact", name=node.text, fix=fix)
        return Meta(kind, node.span, name.lower())

    def _qualified(self, node: n.Name) -> Bound:
        table = node.parts[0]
        if table == self.scope.table:
            return self._column(node, table, self.scope.columns)
        if table in self.scope.outer:
            return self._column(node, table, self.scope.outer[table])
        if table in self.scope.parts:
            fix = f"A part has many rows: use SUM, COUNT or their like, or list them with `each: {table}`."
            raise UnknownColumn(node.span, noun="column", name=node.text, fix=fix)
        known = [self.scope.table, *self.scope.outer, *self.scope.parts]
        fix = did_you_mean(table, known, f"There are {', '.join(known)}.")
        raise UnknownColumn(node.span, noun="table", name=table, fix=fix)

    def _column(self, node: n.Name, table: str, columns: Mapping[str, Type]) -> Bound:
        name = node.parts[-1]
        found = name if name in columns else name.lower()
        if found not in columns or (found != name and node.quoted[-1]):
            raise UnknownColumn(node.span, noun="column", name=node.text, fix=self._near(name, table, columns))
        return Column(columns[found], node.span, table, found)

    def _near(self, name: str, table: str, columns: Mapping[str, Type]) -> str:
        elsewhere = [other for other, has in self.scope.outer.items() if name in has]
        if elsewhere:
            return f"Write {elsewhere[0]}.{name}."
        return did_you_mean(name, columns, f"{table} has {', '.join(columns)}.")

    # operators

    def _unary(self, node: n.Unary) -> Bound:
        if node.operator == "NOT":
            return self.call("NOT", node, (node.operand,))
        if node.operator == "-" and isinstance(node.operand, n.Number):
            number = self._number(node.operand)
            value = number.value if isinstance(number, Constant) else None
            if isinstance(value, int | Decimal):
                kind = number.type
                return Constant(
                    kind, node.span, -value if isinstance(value, int) else value.copy_negate() if value else value
                )
        if node.operator == "+":
            operand = self.bind(node.operand)
            return Arguments("+", node.span, (operand,), self.scope).need(0, "integer", "decimal", "float")
        return self.call("NEGATE", node, (node.operand,))

    def _binary(self, node: n.Binary) -> Bound:
        if node.operator in ("+", "-") and isinstance(node.right, n.Interval):
            data = (1 if node.operator == "+" else -1, node.right.text)
            return self.call("± INTERVAL", node, (node.left,), data)
        left, right = self.bind(node.left), self.bind(node.right)
        name = "DAYS" if node.operator == "-" and left.type.kind == "date" else node.operator
        return self.bound_call(CATALOGUE[name], name, node, (left, right), None)

    def _chain(self, node: n.Chain) -> Bound:
        return self.call(node.operator, node, node.operands)

    def _is(self, node: n.Is) -> Bound:
        return self.call(f"IS {node.test}", node, (node.operand,), node.negated)

    def _distinct(self, node: n.Distinct) -> Bound:
        return self.call("IS DISTINCT FROM", node, (node.left, node.right), node.negated)

    def _between(self, node: n.Between) -> Bound:
        return self.call("BETWEEN", node, (node.operand, node.low, node.high), node.negated)

    def _in(self, node: n.In) -> Bound:
        return self.call("IN", node, (node.operand, *node.items), node.negated)

    def _like(self, node: n.Like) -> Bound:
        return self.call("LIKE", node, n.children(node), (node.negated, node.escape is not None))

    def _case(self, node: n.Case) -> Bound:
        return self.call("CASE", node, n.children(node), (node.operand is not None, node.otherwise is not None))

    # what is written like a function

    def _cast(self, node: n.Cast) -> Bound:
        target = Target(node.target, node.numbers, node.target_span)
        return self.call("CAST" if node.strict else "TRY_CAST", node, (node.operand,), target)

    def _extract(self, node: n.Extract) -> Bound:
        return self.call("EXTRACT", node, (node.operand,), node.part)

    def _zone(self, node: n.AtTimeZone) -> Bound:
        return self.call("AT TIME ZONE", node, (node.operand, node.zone))

    def _function(self, node: n.Function) -> Bound:
        entry = FUNCTIONS.get(node.name)
        if entry is None:
            fix = INSTEAD.get(node.name) or did_you_mean(
                node.name, FUNCTIONS, "See the list of functions in the documentation."
            )
            raise UnknownFunction(node.name_span, name=node.name, fix=fix)
        least, most = entry.arity
        if not least <= len(node.arguments) <= most:
            raise _arity(entry, node.name, node, len(node.arguments))
        if entry.takes_names:
            unbound = Unbound(node.arguments, node.where, _typed)
            return entry.bind(Arguments(entry.name, node.span, (), self.scope, unbound))
        quotient = node.arguments[0]
        if node.name == "ROUND" and isinstance(quotient, n.Binary) and quotient.operator == "/":
            return self._round_quotient(node, quotient)
        return self.bound_call(entry, node.name, node, tuple([self.bind(part) for part in node.arguments]), None)

    def _round_quotient(self, node: n.Function, quotient: n.Binary) -> Bound:
        """ROUND(a / b, n) is one operation, whatever b is."""
        args = [self.bind(part) for part in (quotient.left, quotient.right, *node.arguments[1:])]
        if len(args) == 2:
            args.append(types.constant(0, types.INTEGER, node.span))
        return self.bound_call(CATALOGUE["ROUND /"], "ROUND", node, tuple(args), None)


_SHAPED = frozenset(("CASE", "LIKE", "IN"))
"""Entries whose arguments the grammar counts."""


def _arity(entry: Entry, name: str, node: n.Node, given: int) -> WrongArguments:
    least, most = entry.arity
    wanted = str(least) if least == most else f"{least} to {most}" if most < 100 else f"{least} or more"
    noun = "argument" if wanted == "1" else "arguments"
    return WrongArguments(
        node.span, name=name, what=f"takes {wanted} {noun}, not {given}", fix=f"Write {entry.signature}."
    )
