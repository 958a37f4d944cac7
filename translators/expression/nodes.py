"""The tree that the parser makes: what was written, where it stands, and nothing about its meaning yet."""

from __future__ import annotations

from dataclasses import dataclass, field

from translators.expression.errors import Span


@dataclass(frozen=True, slots=True)
class Node:
    """One part of an expression; `depth` is the number of levels below and with it (a leaf has 1)."""

    span: Span
    depth: int = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Number(Node):
    """An unsigned number as it was written: digits, or digits with a point inside."""

    text: str


@dataclass(frozen=True, slots=True)
class String(Node):
    """A text in quotes, without them."""

    value: str


@dataclass(frozen=True, slots=True)
class Word(Node):
    """TRUE, FALSE or NULL, as the Python value."""

    value: bool | None


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A column, `table.column`, a part, or a state field: its dotted parts, and which of them stood in double quotes."""

    parts: tuple[str, ...]
    quoted: tuple[bool, ...]

    @property
    def text(self) -> str:
        """The parts joined by points."""
        return ".".join(self.parts)


@dataclass(frozen=True, slots=True)
class Star(Node):
    """The `*` of CHANGED(*)."""


@dataclass(frozen=True, slots=True)
class Interval(Node):
    """INTERVAL 'n unit'."""

    text: str


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """`-`, `+` or NOT before an operand."""

    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """Arithmetic or a comparison; `operator` as SQL writes it, with `<>` for `!=`."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Chain(Node):
    """AND, OR or `||` over two or more operands: flat, however long, so that no walk over it goes deep."""

    operator: str
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Is(Node):
    """IS [NOT] NULL, TRUE or FALSE."""

    operand: Node
    test: str
    negated: bool


@dataclass(frozen=True, slots=True)
class Distinct(Node):
    """IS [NOT] DISTINCT FROM; `negated` where NOT is written."""

    left: Node
    right: Node
    negated: bool


@dataclass(frozen=True, slots=True)
class Between(Node):
    """[NOT] BETWEEN low AND high."""

    operand: Node
    low: Node
    high: Node
    negated: bool


@dataclass(frozen=True, slots=True)
class In(Node):
    """[NOT] IN (items)."""

    operand: Node
    items: tuple[Node, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class Like(Node):
    """[NOT] LIKE pattern [ESCAPE escape]."""

    operand: Node
    pattern: Node
    escape: Node | None
    negated: bool


@dataclass(frozen=True, slots=True)
class Case(Node):
    """CASE [operand] WHEN ... THEN ... [ELSE ...] END; `whens` are (condition or value, result)."""

    operand: Node | None
    whens: tuple[tuple[Node, Node], ...]
    otherwise: Node | None


@dataclass(frozen=True, slots=True)
class Cast(Node):
    """CAST or TRY_CAST (`strict` false) to a type, given by its upper-case name and its numbers."""

    operand: Node
    target: str
    numbers: tuple[int, ...]
    target_span: Span
    strict: bool


@dataclass(frozen=True, slots=True)
class Extract(Node):
    """EXTRACT(field FROM operand); `part` in upper case."""

    part: str
    part_span: Span
    operand: Node


@dataclass(frozen=True, slots=True)
class AtTimeZone(Node):
    """operand AT TIME ZONE zone."""

    operand: Node
    zone: Node


@dataclass(frozen=True, slots=True)
class Function(Node):
    """name(arguments); `name` in upper case."""

    name: str
    name_span: Span
    arguments: tuple[Node, ...]


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
            return node.arguments
        case _:
            return ()


def _present(node: Node | None) -> tuple[Node, ...]:
    return () if node is None else (node,)
