"""What a catalogue entry sees when a call is bound: its typed arguments, and the checks that entries have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from translators.expression import types
from translators.expression.bound import Bound, Call, Constant, Scope, growth
from translators.expression.errors import Span, TooLarge, TypeMismatch, WrongArguments
from translators.schema import Type

if TYPE_CHECKING:
    from translators.expression.nodes import Node
    from translators.expression.python import Emitter

MAX_GROWTH = 1_000


class Unbound(NamedTuple):
    """A call as it was parsed, for entries whose arguments are no values of the row; `bind` types a part in a scope."""

    arguments: tuple[Node, ...]
    where: Node | None
    bind: Callable[[Node, Scope], Bound]


@dataclass(frozen=True, slots=True)
class Arguments:
    """One call: the entry's name, where it stands, its typed arguments, and what only its syntax says (`data`)."""

    name: str
    span: Span
    args: tuple[Bound, ...]
    scope: Scope
    data: Any = None

    def wrong(self, what: str, fix: str, at: Bound | None = None) -> WrongArguments:
        """The error that this call is not what the entry takes."""
        return WrongArguments(self.span if at is None else at.span, name=self.name, what=what, fix=fix)

    def need(self, index: int, *kinds: str) -> Bound:
        """The argument, which must be of one of the kinds. `TypeMismatch`."""
        part = self.args[index]
        if part.type.kind not in kinds or part.type == types.UNTYPED:
            raise TypeMismatch(
                part.span,
                what=f"{self.name} takes {' or '.join(kinds)} here, not {types.name(part.type)}.",
                fix=types.fix(part.type, kinds[0]),
            )
        return part

    def constant_text(self, index: int, what: str) -> str:
        """The argument, which must be a constant text."""
        part = self.args[index]
        if not isinstance(part, Constant) or not isinstance(part.value, str):
            raise self.wrong(f"{what} must be a constant text", "Write it in single quotes.", part)
        return part.value

    def constant_integer(self, index: int, what: str, low: int, high: int) -> int:
        """The argument, which must be a constant whole number from `low` to `high`."""
        part = self.args[index]
        value = part.value if isinstance(part, Constant) else None
        if type(value) is not int or not low <= value <= high:
            raise self.wrong(f"{what} must be a constant from {low} to {high:,}", "Write the number itself.", part)
        return value

    def letter(self, index: int, what: str) -> str:
        """The argument, which must be a constant text of one character."""
        text = self.constant_text(index, what)
        if len(text) != 1:
            raise self.wrong(
                f"{what} must be one character", "Nest several calls, one for each character.", self.args[index]
            )
        return text

    def call(
        self,
        kind: Type,
        args: Iterable[Bound] | None = None,
        *,
        data: Any = None,
        fails: bool = False,
        grows: int | None = None,
        nullable: bool | None = None,
        makes_null: bool = False,
    ) -> Call:
        """The bound call of this entry; strict unless `nullable` says whether it can be NULL, or it makes NULLs itself."""
        parts = self.args if args is None else tuple(args)
        null = makes_null or any(part.type.nullable for part in parts) if nullable is None else nullable
        factor = max((growth(part) for part in parts), default=1) if grows is None else grows
        if factor > MAX_GROWTH:
            what = f"its text can be more than {MAX_GROWTH:,} times as long as a column"
            raise TooLarge(self.span, what=what, fix="Replace by shorter texts.")
        return Call(types.nullable(kind, null), self.span, self.name, parts, data, fails, factor, makes_null)


EXAMPLE_COLUMNS = {
    **dict.fromkeys(("a", "b"), Type("boolean")),
    **dict.fromkeys(("n", "m"), Type("integer")),
    "d": Type("decimal", 9, 2),
    "e": Type("decimal", 18, 4),
    "f": Type("float"),
    "w": Type("wide"),
    **dict.fromkeys(("s", "t"), Type("text")),
    **dict.fromkeys(("day", "day2"), Type("date")),
    "ts": Type("timestamp"),
    "tz": Type("timestamptz"),
}
"""The columns that examples may read. A part of the same columns is called `part`."""

EXAMPLE_CODES = {"A": "active", "C": "cancelled"}
"""The code table `status` of the examples."""


class Example(msgspec.Struct, frozen=True):
    """An expression and its value. `given` holds the columns that are not NULL; `part` (rows), OLD and NEW (states)."""

    text: str
    value: object
    given: Mapping[str, object] = {}


class Python(msgspec.Struct, frozen=True, kw_only=True):
    """How an entry becomes Python.

    `strict`: the text of the value from the texts of the arguments, none of them NULL. Entries with a NULL rule of their
    own have `value` instead; conditions may have `is_true` and `is_false` (`negated`: the opposite of a `strict` text).
    """

    strict: Callable[[Emitter, Call, tuple[str, ...]], str] | None = None
    negated: Callable[[Emitter, Call, tuple[str, ...]], str] | None = None
    value: Callable[[Emitter, Call], str] | None = None
    is_true: Callable[[Emitter, Call], str] | None = None
    is_false: Callable[[Emitter, Call], str] | None = None


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One function or operator: what it means, how it is typed, and how it becomes Python.

    What DuckDB and PostgreSQL are given for it stands in `duckdb.TEXTS` and `postgres.TEXTS` under the same name.

    `nulls`: `strict` (NULL in, NULL out) or what it does instead. `errors`: the codes that a row can meet. `arity`: the
    least and the most arguments. `bind` checks the arguments and gives the typed call; with `takes_names` these are not
    values: `Arguments.data` holds the call as it was parsed (`Unbound`).
    """

    name: str
    signature: str
    meaning: str
    examples: tuple[Example, ...]
    bind: Callable[[Arguments], Bound]
    python: Python
    arity: tuple[int, int] = (1, 1)
    nulls: str = "strict"
    errors: tuple[str, ...] = ()
    written: Literal["function", "operator"] = "function"
    takes_names: bool = False


def d(text: str) -> Decimal:
    """Short for the decimals of examples."""
    return Decimal(text)
