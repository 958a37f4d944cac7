"""Tokens to a tree: a Pratt parser with PostgreSQL's precedence, every node with its span.

Binding powers, loosest first: OR, AND, NOT, IS, comparison, BETWEEN IN LIKE, `||`, `+ -`, `* / %`, AT TIME ZONE, sign.
Chains of AND, OR and `||` become one flat node; all other nesting is bounded, so that no later walk can go too deep.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from msgspec.structs import replace

from translators.expression import nodes as n
from translators.expression import words
from translators.expression.errors import Refused, Span, SyntaxProblem, TooLarge
from translators.expression.tokens import Token, tokenize

MAX_NODES = 400
MAX_NESTING = 60

_OR, _AND, _NOT, _IS, _COMPARE, _RANGE, _JOIN, _ADD, _TIMES, _ZONE, _SIGN = range(1, 12)
_INFIX = {
    "OR": _OR,
    "AND": _AND,
    "IS": _IS,
    **dict.fromkeys(("=", "<>", "<", "<=", ">", ">="), _COMPARE),
    **dict.fromkeys(("BETWEEN", "IN", "LIKE", "NOT"), _RANGE),
    "||": _JOIN,
    **dict.fromkeys(("+", "-"), _ADD),
    **dict.fromkeys(("*", "/", "%"), _TIMES),
    "AT": _ZONE,
}
_NEGATED = ("BETWEEN", "IN", "LIKE")

N = TypeVar("N", bound=n.Node)


def parse(text: str) -> n.Node:
    """The tree of one expression. Raises `SyntaxProblem`, `Refused` or `TooLarge`, each with its span."""
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = tokenize(text)
        self.at = 0
        self.count = 0
        self.nesting = 0
        self.named: dict[str, Callable[[Token], n.Node]] = {
            "CAST": self._cast,
            "TRY_CAST": self._cast,
            "EXTRACT": self._extract,
            "POSITION": self._position,
        }

    def whole(self) -> n.Node:
        """The one expression that all tokens make."""
        if len(self.tokens) == 1:
            raise SyntaxProblem((0, 0), what="This expression is empty.", fix="Write a column or an expression.")
        tree = self.expression(0)
        if self.peek.kind != "end":
            raise self.unexpected("an operator or the end")
        return tree

    # tokens

    @property
    def peek(self) -> Token:
        return self.tokens[self.at]

    def next(self) -> Token:
        token = self.tokens[self.at]
        if token.kind != "end":
            self.at += 1
        return token

    def found(self, word: str) -> bool:
        """Steps over `word` if it is the next token."""
        token = self.peek
        if token.text == word and token.kind in ("name", "symbol"):
            self.at += 1
            return True
        return False

    def expect(self, word: str) -> Token:
        token = self.peek
        if not self.found(word):
            raise self.unexpected(word)
        return token

    def unexpected(self, wanted: str) -> SyntaxProblem:
        token = self.peek
        seen = "the end" if token.kind == "end" else f"'{token.value}'"
        fix = "Write numbers with a digit before the point: 0.5." if token.text == "." else f"Expected {wanted} here."
        return SyntaxProblem(token.span, what=f"Unexpected {seen}.", fix=fix)

    # nodes

    def node(self, kind: type[N], span: Span, *fields: object, below: tuple[n.Node, ...] = ()) -> N:
        """A node of `kind`, counted; `below` are the nodes it holds."""
        self.count += 1
        depth = 1 + max((part.depth for part in below), default=0)
        if self.count > MAX_NODES:
            raise TooLarge(span, what=f"more than {MAX_NODES} parts", fix="Split it into several fields.")
        if depth > MAX_NESTING:
            raise _too_deep(span)
        return kind(span, depth, *fields)

    def expression(self, least: int) -> n.Node:
        """What binds tighter than `least`."""
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            raise _too_deep(self.peek.span)
        left = self.operand()
        while (power := self.power()) > least:
            left = self.infix(left, self.next(), power)
        self.nesting -= 1
        return left

    def power(self) -> int:
        """How tightly the next token binds what stands before it; 0 if it does not."""
        token = self.peek
        if token.kind not in ("name", "symbol"):
            return 0
        power = _INFIX.get(token.text, 0)
        if token.text == "NOT" and self.tokens[self.at + 1].text not in _NEGATED:
            return 0
        return power

    def infix(self, left: n.Node, token: Token, power: int) -> n.Node:
        """The tree of `left`, the operator just read, and what follows it."""
        start = left.span[0]
        operator = token.text
        if power in (_OR, _AND, _JOIN):
            return self._chain(left, operator, power)
        if operator == "IS":
            return self._is(left)
        if power == _RANGE:
            return self._range(left, operator)
        if operator == "AT":
            self.expect("TIME")
            self.expect("ZONE")
            zone = self.expression(_ZONE)
            return self.node(n.AtTimeZone, (start, zone.span[1]), left, zone, below=(left, zone))
        right = self.expression(power)
        if power == _COMPARE and self.power() == _COMPARE:
            raise SyntaxProblem(
                self.peek.span, what="Comparisons cannot be chained.", fix="Join them by AND, or use brackets."
            )
        return self.node(n.Binary, (start, right.span[1]), operator, left, right, below=(left, right))

    def _chain(self, left: n.Node, operator: str, power: int) -> n.Node:
        operands = [left, self.expression(power)]
        while self.found(operator):
            operands.append(self.expression(power))
        span = (left.span[0], operands[-1].span[1])
        return self.node(n.Chain, span, operator, tuple(operands), below=tuple(operands))

    def _is(self, left: n.Node) -> n.Node:
        negated = self.found("NOT")
        if self.found("DISTINCT"):
            self.expect("FROM")
            right = self.expression(_IS)
            span = (left.span[0], right.span[1])
            return self.node(n.Distinct, span, left, right, negated, below=(left, right))
        token = self.peek
        if token.kind != "name" or token.text not in ("NULL", "TRUE", "FALSE"):
            raise self.unexpected("NULL, TRUE, FALSE or DISTINCT FROM")
        self.next()
        return self.node(n.Is, (left.span[0], token.end), left, token.text, negated, below=(left,))

    def _range(self, left: n.Node, operator: str) -> n.Node:
        negated = operator == "NOT"
        if negated:
            operator = self.next().text
        start = left.span[0]
        if operator == "IN":
            items, end = self.bracketed()
            return self.node(n.In, (start, end), left, items, negated, below=(left, *items))
        second = self.expression(_RANGE)
        if operator == "BETWEEN":
            self.expect("AND")
            high = self.expression(_RANGE)
            span = (start, high.span[1])
            return self.node(n.Between, span, left, second, high, negated, below=(left, second, high))
        escape = self.expression(_RANGE) if self.found("ESCAPE") else None
        below = (left, second) if escape is None else (left, second, escape)
        return self.node(n.Like, (start, below[-1].span[1]), left, second, escape, negated, below=below)

    def bracketed(self) -> tuple[tuple[n.Node, ...], int]:
        """One or more expressions in brackets, and the offset of their end."""
        self.expect("(")
        items = [self.expression(0)]
        while self.found(","):
            items.append(self.expression(0))
        return tuple(items), self.expect(")").end

    # operands

    def operand(self) -> n.Node:
        token = self.next()
        if token.kind == "number":
            return self.node(n.Number, token.span, token.value)
        if token.kind == "string":
            return self.node(n.String, token.span, token.value)
        if token.kind == "quoted":
            return self._name(token)
        if token.kind == "name":
            return self._word(token)
        if token.text in ("-", "+"):
            return self._prefix(token, _SIGN)
        if token.text == "(":
            inside = self.expression(0)
            if self.peek.text == ",":
                raise Refused(self.peek.span, what="A row of several values", fix="Compare the values one by one.")
            return replace(inside, span=(token.start, self.expect(")").end))
        self.at -= token.kind != "end"
        raise self.unexpected("a value")

    def _prefix(self, token: Token, power: int) -> n.Node:
        operand = self.expression(power)
        return self.node(n.Unary, (token.start, operand.span[1]), token.text, operand, below=(operand,))

    def _word(self, token: Token) -> n.Node:
        word = token.text
        if word == "NOT":
            return self._prefix(token, _NOT - 1)
        if word in ("TRUE", "FALSE", "NULL"):
            return self.node(n.Word, token.span, {"TRUE": True, "FALSE": False, "NULL": None}[word])
        if word == "CASE":
            return self._case(token)
        called = self.peek.text == "(" and self.peek.kind == "symbol"
        refusal = words.refusal(word, called=called, literal=self.peek.kind == "string")
        if refusal is not None:
            what, fix = refusal
            raise Refused(token.span, what=what, fix=fix)
        if word == "INTERVAL" and self.peek.kind == "string":
            amount = self.next()
            return self.node(n.Interval, (token.start, amount.end), amount.value)
        if word in words.RESERVED and not (called and word in words.CALLABLE):
            self.at -= 1
            raise self.unexpected("a value")
        if called:
            return self.named.get(word, self._function)(token)
        return self._name(token)

    def _name(self, token: Token) -> n.Node:
        parts, quoted, end = [token.value], [token.kind == "quoted"], token.end
        while self.found("."):
            part = self.next()
            if part.kind not in ("name", "quoted"):
                self.at -= part.kind != "end"
                raise self.unexpected("a name")
            parts.append(part.value)
            quoted.append(part.kind == "quoted")
            end = part.end
        if self.peek.text == "(" and self.peek.kind == "symbol":
            raise Refused(
                (token.start, end),
                what=f"Calling {'.'.join(parts)}",
                fix="Only the catalogue's functions can be called.",
            )
        return self.node(n.Name, (token.start, end), tuple(parts), tuple(quoted))

    def _function(self, token: Token) -> n.Node:
        self.expect("(")
        arguments: list[n.Node] = []
        if self.peek.text != ")":
            arguments.append(self._argument())
            while self.found(","):
                arguments.append(self._argument())
        end = self.expect(")").end
        below = tuple(arguments)
        where = None
        if self.peek.text == "FILTER" and token.text in words.AGGREGATES:
            where, end = self._filter()
        follow = self.peek.text if self.peek.kind == "name" else ""
        if follow in ("OVER", "FILTER", "WITHIN"):
            raise Refused(self.peek.span, what=follow, fix=words.NO_WINDOW)
        fields = (token.text, token.span, below, where)
        return self.node(n.Function, (token.start, end), *fields, below=below if where is None else (*below, where))

    def _filter(self) -> tuple[n.Node, int]:
        """The condition of FILTER (WHERE condition), and the offset of its end."""
        self.expect("FILTER")
        self.expect("(")
        self.expect("WHERE")
        return self.expression(0), self.expect(")").end

    def _argument(self) -> n.Node:
        star = self.peek
        if self.found("*"):
            return self.node(n.Star, star.span)
        return self.expression(0)

    def _cast(self, token: Token) -> n.Node:
        self.expect("(")
        operand = self.expression(0)
        self.expect("AS")
        name, end = self.next(), self.peek.end
        if name.kind != "name":
            self.at -= name.kind != "end"
            raise self.unexpected("a type")
        numbers: list[int] = []
        if self.found("("):
            numbers.append(self._whole_number())
            while self.found(","):
                numbers.append(self._whole_number())
            self.expect(")")
        target = (name.start, self.tokens[self.at - 1].end)
        end = self.expect(")").end
        fields = (operand, name.text, tuple(numbers), target, token.text == "CAST")
        return self.node(n.Cast, (token.start, end), *fields, below=(operand,))

    def _whole_number(self) -> int:
        token = self.peek
        if token.kind != "number" or "." in token.text or len(token.text) > 4:
            raise self.unexpected("a small whole number")
        return int(self.next().text)

    def _extract(self, token: Token) -> n.Node:
        self.expect("(")
        part = self.next()
        if part.kind != "name":
            self.at -= part.kind != "end"
            raise self.unexpected("YEAR, MONTH, DAY or another part of a date")
        self.expect("FROM")
        operand = self.expression(0)
        span = (token.start, self.expect(")").end)
        return self.node(n.Extract, span, part.text, part.span, operand, below=(operand,))

    def _position(self, token: Token) -> n.Node:
        self.expect("(")
        part = self.expression(_RANGE)
        self.expect("IN")
        whole = self.expression(_RANGE)
        span = (token.start, self.expect(")").end)
        return self.node(n.Function, span, "POSITION", token.span, (part, whole), below=(part, whole))

    def _case(self, token: Token) -> n.Node:
        operand = None if self.peek.text == "WHEN" else self.expression(0)
        whens: list[tuple[n.Node, n.Node]] = []
        self.expect("WHEN")
        while True:
            condition = self.expression(0)
            self.expect("THEN")
            whens.append((condition, self.expression(0)))
            if not self.found("WHEN"):
                break
        otherwise = self.expression(0) if self.found("ELSE") else None
        span = (token.start, self.expect("END").end)
        optional = tuple(part for part in (operand, otherwise) if part is not None)
        below = (*optional, *(part for when in whens for part in when))
        return self.node(n.Case, span, operand, tuple(whens), otherwise, below=below)


def _too_deep(span: Span) -> TooLarge:
    return TooLarge(span, what=f"nested more than {MAX_NESTING} levels", fix="Split it into several fields.")
