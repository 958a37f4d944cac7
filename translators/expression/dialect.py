"""The typed tree to SQL text: what all dialects share. `duckdb.py` and `postgres.py` hold what each is given for an entry.

Every text has the static type of its part, so that no engine infers one. Where an engine raises, nothing is lost: the rows
are mapped again by the generated Python, which says what is wrong. What must not happen is the opposite, a value where
Python raises. So conditions with a part that can raise are written as CASE, which no engine reorders, and a value that the
language has no room for (infinity, NaN, a date before Christ) raises where its column is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import ClassVar, Protocol, TypeVar

from translators.expression import types
from translators.expression.bound import Aggregate, Bound, Call, Column, Constant
from translators.expression.catalogue import can_raise
from translators.expression.clock import last_day
from translators.expression.runtime import like_pieces
from translators.expression.sql_parts import added
from translators.schema import Type

D = TypeVar("D", date, datetime)

MAX_TEXT = 200_000
"""Characters of SQL for one expression: some operations name their operand several times."""

RANGE: Mapping[str, tuple[date, date]] = {
    "date": (date.min, date.max),
    "timestamp": (datetime.min, datetime.max),  # noqa: DTZ901 - a wall clock has no zone
    "timestamptz": (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)),
}
"""The first and the last value of each kind of time."""


class NotInSql(ValueError):
    """An expression that has no text in a dialect: it reads OLD or NEW, or its text would be too long."""


class SqlNames(Protocol):
    """How the caller spells what an expression reads; each text is one SQL expression, its names quoted."""

    def column(self, table: str, column: str) -> str:
        """A column of the row, or of an enclosing row."""

    def aggregate(self, aggregate: Aggregate) -> str:
        """What a part adds up to: a column of the grouped query that is joined, `sql_parts.grouped` there; NULL of nothing."""


Write = Callable[["Dialect", Call, tuple[str, ...]], str]
"""The text of a call from the texts of its arguments."""


class Dialect:
    """Writes typed trees as SQL. Texts are atoms or stand in brackets."""

    kinds: ClassVar[Mapping[str, str]]
    texts: ClassVar[Mapping[str, Write]]

    def __init__(self, names: SqlNames) -> None:
        self.names = names

    def text(self, bound: Bound) -> str:
        """The SQL of a part. Raises `NotInSql`."""
        match bound:
            case Constant():
                return self.literal(bound.value, bound.type)
            case Column():
                return self.column(self.names.column(bound.table, bound.column), bound.type)
            case Aggregate():
                return added(self, self.names.aggregate(bound), bound)
            case Call():
                write = self.texts.get(bound.name)
                if write is None:
                    raise NotInSql(bound.name)
                text = write(self, bound, tuple([self.text(part) for part in bound.args]))
                if len(text) > MAX_TEXT:
                    raise NotInSql(f"{bound.name}: more than {MAX_TEXT:,} characters of SQL")
                return text
            case _:
                raise NotInSql("OLD, NEW, META, CHANGED, CREATED and DELETED exist in the stream only")

    # what each dialect says itself

    def column(self, text: str, kind: Type) -> str:
        """A column as the language sees it: CHAR without its blanks, no value outside the language's range."""
        raise NotImplementedError

    def fail(self, code: str, because: str, kind: Type) -> str:
        """What raises, if the text `because` is not NULL, and otherwise looks like a value of `kind`."""
        raise NotImplementedError

    def alike(self, parts: tuple[Bound, ...], texts: tuple[str, ...]) -> tuple[str, ...]:
        """The texts, brought to the one type in which the parts are compared, where the engine would choose another."""
        return texts

    def collated(self, text: str, kind: Type) -> str:
        """A text with the collation that compares code points, where that is not the engine's own."""
        return text

    def sorted_by(self, text: str, last: bool) -> str:
        """What sorts rows by a text, NULL after all values; the other way round for `last`."""
        return f"{text} {'DESC NULLS FIRST' if last else 'NULLS LAST'}"

    def first(self, value: str, order: str, kind: Type) -> str:
        """The value of the first row in an order, NULL or not."""
        raise NotInSql("FIRST and LAST")

    # what they share

    def literal(self, value: object, kind: Type) -> str:
        """A constant."""
        if value is None:
            return self.collated(self.cast("NULL", kind), kind)
        if isinstance(value, bool):
            return "TRUE" if value else "FALSE"
        if isinstance(value, str):
            return self.collated(self.quoted(value), kind)
        if isinstance(value, date):
            text = value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
            return f"{self.type_name(kind)} '{text}'"
        return self.cast(f"'{value:f}'" if kind.kind == "decimal" else f"'{value}'", kind)

    def type_name(self, kind: Type) -> str:
        """How the dialect calls a type."""
        name = self.kinds.get(kind.kind)
        if name is None:
            raise NotInSql(f"a value of type {kind}")
        return f"{name}({kind.precision}, {kind.scale})" if kind.kind == "decimal" else name

    def cast(self, text: str, kind: Type) -> str:
        """A conversion by the engine."""
        return f"CAST({text} AS {self.type_name(kind)})"

    def decimal(self, part: Bound, text: str) -> str:
        """A number as a decimal of the digits that it has."""
        return text if part.type.kind == "decimal" else self.cast(text, Type("decimal", *types.digits(part)))

    def quoted(self, text: str) -> str:
        """A text in single quotes."""
        return f"'{plain(text).replace(chr(39), chr(39) * 2)}'"

    def unless(self, wrong: str, code: str, because: str, text: str, kind: Type) -> str:
        """`text`, or a failure where `wrong` is TRUE."""
        return f"(CASE WHEN {wrong} THEN {self.fail(code, because, kind)} ELSE {text} END)"

    def outside(self, text: str, kind: Type) -> str:
        """Whether a date or a time is not in the years 1 to 9999; infinities are not."""
        low, high = RANGE[kind.kind]
        return f"{text} NOT BETWEEN {self.moment(low)} AND {self.moment(high)}"

    def moment(self, value: date) -> str:
        """A date or a time as a constant; a naive `datetime` is a wall clock, an aware one an instant."""
        if not isinstance(value, datetime):
            return self.literal(value, Type("date"))
        return self.literal(value, Type("timestamp" if value.tzinfo is None else "timestamptz"))


def plain(text: str) -> str:
    """The text, if SQL can hold it: no NUL, no lone surrogate."""
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise NotInSql(f"the text {text!r}")
    return text


def quote(name: str) -> str:
    """A name in double quotes, as DuckDB and PostgreSQL write it."""
    return '"' + plain(name).replace('"', '""') + '"'


def farthest(amount: int, unit: str, whole: D) -> D | None:
    """The last value (the first, if `amount` is negative) to which an interval can be added without leaving `whole`.

    `whole` is the last (the first) value of the language. `None` if no value at all is near enough.
    """
    if unit not in ("month", "year"):
        try:
            return whole - timedelta(**{f"{unit}s": amount})
        except OverflowError:
            return None
    month = whole.year * 12 + whole.month - 1 - amount * (12 if unit == "year" else 1)
    if not 12 <= month < 12 * 10_000:
        return None
    year, index = divmod(month, 12)
    return whole.replace(year=year, month=index + 1, day=1 if amount < 0 else last_day(year, index + 1))


# entries that are written alike everywhere


def compared(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    """= <> < <= > >="""
    left, right = d.alike(call.args, args)
    return f"({left} {call.name} {right})"


def _distinct(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    for part in call.args:
        d.type_name(part.type)
    left, right = d.alike(call.args, args)
    return f"({left} IS {'NOT ' if call.data else ''}DISTINCT FROM {right})"


def joined(call: Call, args: tuple[str, ...], decisive: str) -> str:
    """AND or OR of texts, decided from left to right where a part can raise."""
    if len(args) == 1 or not any(can_raise(part) for part in call.args):
        return f"({f' {call.name} '.join(args)})"
    whole = f"({f' {call.name} '.join(args)})"
    for text in reversed(args[:-1]):
        whole = f"(CASE WHEN {text} IS {decisive} THEN {decisive} ELSE {whole} END)"
    return whole


def _conjunction(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    return joined(call, args, "FALSE" if call.name == "AND" else "TRUE")


def _negation(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    return f"(NOT {args[0]})"


def _is(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    _, test = call.name.split(" ")
    return f"({args[0]} IS {'NOT ' if call.data else ''}{test})"


def _between(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    value, low, high = d.alike(call.args, args)
    name, sides = ("OR", ("<", ">")) if call.data else ("AND", (">=", "<="))
    tests = (f"({value} {sides[0]} {low})", f"({value} {sides[1]} {high})")
    part = Call(call.type, call.span, name, call.args)
    return joined(part, tests, "TRUE" if call.data else "FALSE")


def _in(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    value, *items = d.alike(call.args, args)
    return f"({value} {'NOT ' if call.data[0] else ''}IN ({', '.join(items)}))"


def _case(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    parts, texts = call.args, args
    if call.data:
        operand, parts, texts = (parts[0], texts[0]), parts[1:], texts[1:]
    whens = ""
    for at in range(0, len(parts) - 1, 2):
        condition = texts[at]
        if call.data:
            left, right = d.alike((operand[0], parts[at]), (operand[1], condition))
            condition = f"{left} = {right}"
        whens += f" WHEN {condition} THEN {texts[at + 1]}"
    return f"(CASE{whens} ELSE {texts[-1]} END)"


def _nullif(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    left, right = d.alike(call.args, args)
    if (left, right) == args and call.args[0].type.kind == call.args[1].type.kind:
        return f"NULLIF({left}, {right})"
    return f"(CASE WHEN {left} = {right} THEN {d.literal(None, call.type)} ELSE {args[0]} END)"


def function(name: str) -> Write:
    """An entry that the engine has under a name of its own, with the same arguments."""

    def write(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
        return f"{name}({', '.join(args)})"

    return write


def like_pattern(pattern: str, escape: str, letter: str = "|") -> str:
    """The same LIKE pattern, escaped by `letter`."""
    pieces = like_pieces(pattern, escape)
    return "%".join(
        "".join("_" if one is None else f"{letter}{one}" if one in f"{letter}%_" else one for one in piece)
        for piece in pieces
    )


def _like(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    negated, pattern, escape = call.data
    return f"({args[0]} {'NOT ' if negated else ''}LIKE {d.quoted(like_pattern(pattern, escape))} ESCAPE '|')"


def _concatenated(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    return f"({' || '.join(args)})"


FAR = 1_000_000_000
"""No text is longer; engines count characters in 32 bits."""


def substring(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    """SUBSTRING; `data` is (start from 0, end or None)."""
    start, end = call.data
    count = "" if end is None else f", {min(end - start, FAR)}"
    return f"substring({args[0]}, {min(start + 1, FAR)}{count})"


def _side(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    start, end = call.data
    return f"{call.name.lower()}({args[0]}, {min(end if call.name == 'LEFT' else -start, FAR)})"


def _pad(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    width, letter = call.data
    return f"{call.name.lower()}({args[0]}, {width}, {d.quoted(letter)})"


def _replace(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    old, new = call.data
    return f"replace({args[0]}, {d.quoted(old)}, {d.quoted(new)})"


def _split(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    separator, index = call.data
    return f"split_part({args[0]}, {d.quoted(separator)}, {index})"


def _position(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    whole, part = args if call.name == "STRPOS" else args[::-1]
    return d.cast(f"strpos({whole}, {part})", call.type)


def _length(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    return d.cast(f"length({args[0]})", call.type)


def _code(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    _, entries, has_default, default = call.data
    text = Type("text", nullable=True)
    other = d.literal(default, text) if has_default else d.fail("code.unmapped", args[0], text)
    rest = f"CASE WHEN {args[0]} IS NOT NULL THEN {other} END"
    if not entries:
        return f"({rest})"
    whens = "".join(f" WHEN {d.literal(code, text)} THEN {d.literal(value, text)}" for code, value in entries.items())
    return f"(CASE {args[0]}{whens} ELSE {rest} END)"


def shifted(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    """± INTERVAL, if the result stays in the years 1 to 9999."""
    amount, unit = call.data
    text = d.cast(f"{args[0]} + INTERVAL '{amount} {unit}'", call.type)
    if amount == 0:
        return text
    limit = farthest(amount, unit, RANGE[call.type.kind][amount > 0])
    wrong = f"{args[0]} IS NOT NULL" if limit is None else f"{args[0]} {'>' if amount > 0 else '<'} {d.moment(limit)}"
    return d.unless(wrong, "value.date_out_of_range", as_text(args[0]), text, call.type)


def as_text(text: str) -> str:
    """Any value as text, for the message of a failure."""
    return f"CAST({text} AS VARCHAR)"


def zoned(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    """AT TIME ZONE, if the result stays in the years 1 to 9999."""
    text = f"({args[0]} AT TIME ZONE {d.quoted(call.data)})"
    return d.unless(d.outside(text, call.type), "value.date_out_of_range", as_text(args[0]), text, call.type)


COMMON: Mapping[str, Write] = {
    **dict.fromkeys(("=", "<>", "<", "<=", ">", ">="), compared),
    "IS DISTINCT FROM": _distinct,
    "AND": _conjunction,
    "OR": _conjunction,
    "NOT": _negation,
    **dict.fromkeys(("IS NULL", "IS TRUE", "IS FALSE"), _is),
    "BETWEEN": _between,
    "IN": _in,
    "CASE": _case,
    "COALESCE": function("COALESCE"),
    "NULLIF": _nullif,
    "GREATEST": function("GREATEST"),
    "LEAST": function("LEAST"),
    "LIKE": _like,
    "||": _concatenated,
    "LENGTH": _length,
    "SUBSTRING": substring,
    "LEFT": _side,
    "RIGHT": _side,
    "LPAD": _pad,
    "RPAD": _pad,
    "REPLACE": _replace,
    "STRPOS": _position,
    "POSITION": _position,
    "STARTS_WITH": function("starts_with"),
    "SPLIT_PART": _split,
    "± INTERVAL": shifted,
    "AT TIME ZONE": zoned,
    "CODE": _code,
}
"""What DuckDB and PostgreSQL are given alike."""
