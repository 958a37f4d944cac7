"""The tree that the parser makes: what was written, where it stands, and nothing about its meaning yet."""

from __future__ import annotations

import msgspec

from translators.expression.errors import Span


class Node(msgspec.Struct, frozen=True):
    """One part of an expression; `depth` is the number of levels below and with it (a leaf has 1)."""

    span: Span
    depth: int


class Number(Node, frozen=True):
    """An unsigned number as it was written: digits, or digits with a point inside."""

    text: str


class String(Node, frozen=True):
    """A text in quotes, without them."""

    value: str


class Word(Node, frozen=True):
    """TRUE, FALSE or NULL, as the Python value."""

    value: bool | None


class Name(Node, frozen=True):
    """A column, `table.column`, a part, or a state field: its dotted parts, and which of them stood in double quotes."""

    parts: tuple[str, ...]
    quoted: tuple[bool, ...]

    @property
    def text(self) -> str:
        """The parts joined by points."""
        return ".".join(self.parts)


class Star(Node, frozen=True):
    """The `*` of CHANGED(*)."""


class Interval(Node, frozen=True):
    """INTERVAL 'n unit'."""

    text: str


class Unary(Node, frozen=True):
    """`-`, `+` or NOT before an operand."""

    operator: str
    operand: Node


class Binary(Node, frozen=True):
    """Arithmetic or a comparison; `operator` as SQL writes it, with `<>` for `!=`."""

    operator: str
    left: Node
    right: Node


class Chain(Node, frozen=True):
    """AND, OR or `||` over two or more operands: flat, however long, so that no walk over it goes deep."""

    operator: str
    operands: tuple[Node, ...]


class Is(Node, frozen=True):
    """IS [NOT] NULL, TRUE or FALSE."""

    operand: Node
    test: str
    negated: bool


class Distinct(Node, frozen=True):
    """IS [NOT] DISTINCT FROM; `negated` where NOT is written."""

    left: Node
    right: Node
    negated: bool


class Between(Node, frozen=True):
    """[NOT] BETWEEN low AND high."""

    operand: Node
    low: Node
    high: Node
    negated: bool


class In(Node, frozen=True):
    """[NOT] IN (items)."""

    operand: Node
    items: tuple[Node, ...]
    negated: bool


class Like(Node, frozen=True):
    """[NOT] LIKE pattern [ESCAPE escape]."""

    operand: Node
    pattern: Node
    escape: Node | None
    negated: bool


class Case(Node, frozen=True):
    """CASE [operand] WHEN ... THEN ... [ELSE ...] END; `whens` are (condition or value, result)."""

    operand: Node | None
    whens: tuple[tuple[Node, Node], ...]
    otherwise: Node | None


class Cast(Node, frozen=True):
    """CAST or TRY_CAST (`strict` false) to a type, given by its upper-case name and its numbers."""

    operand: Node
    target: str
    numbers: tuple[int, ...]
    target_span: Span
    strict: bool


class Extract(Node, frozen=True):
    """EXTRACT(field FROM operand); `part` in upper case."""

    part: str
    part_span: Span
    operand: Node


class AtTimeZone(Node, frozen=True):
    """operand AT TIME ZONE zone."""

    operand: Node
    zone: Node


class Function(Node, frozen=True):
    """name(arguments) [FILTER (WHERE where)]; `name` in upper case."""

    name: str
    name_span: Span
    arguments: tuple[Node, ...]
    where: Node | None = None


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below, in the order of the text."""
    match node:
        case Unary() | Is() | Cast() | Extract():
            return (node.operand,)
        case Binary() | Distinct():
            return (node.left, node.right)
        case Chain():
            return node.operands
        case Between():
            return (node.operand, node.low, node.high)
        case In():
            return (node.operand, *node.items)
        case Like():
            return (node.operand, node.pattern) if node.escape is None else (node.operand, node.pattern, node.escape)
        case Case():
            arms = tuple(part for when in node.whens for part in when)
            return (*_present(node.operand), *arms, *_present(node.otherwise))
        case AtTimeZone():
            return (node.operand, node.zone)
        case Function():
            return (*node.arguments, *_present(node.where))
        case _:
            return ()


def _present(node: Node | None) -> tuple[Node, ...]:
    return () if node is None else (node,)
