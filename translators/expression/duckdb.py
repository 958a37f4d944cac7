"""What DuckDB is given: vectorised SQL that answers as the generated Python does, or raises.

`error()` and failing casts raise for a whole chunk; whoever runs the text maps such a chunk again row by row in Python.
The text is meant for a connection on which `SETTINGS` were run. Columns of the type `wide` are VARCHAR there.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from translators.expression import types
from translators.expression.bound import Bound, Call, Constant
from translators.expression.clock import elements
from translators.expression.dialect import COMMON, Dialect, SqlNames, Write, function
from translators.schema import MAX_DECIMAL, Type

SETTINGS = ("SET TimeZone = 'UTC'", "SET disabled_optimizers = 'expression_rewriter'")
"""The rewriter moves constants over a comparison: `n + 1 = 5` would become `n = 4` and answer where the sum overflows."""

HIDDEN = "\U0010e0df"
"""A private-use character that stands for ß while `upper`, which would make it ẞ, runs over a text."""

TEXT = Type("text")


def to_duckdb(bound: Bound, names: SqlNames) -> str:
    """The DuckDB text of a typed tree. `NotInSql` where it has none."""
    return DuckDB(names).text(bound)


class DuckDB(Dialect):
    """DuckDB's SQL."""

    kinds = MappingProxyType(
        {
            "integer": "BIGINT",
            "decimal": "DECIMAL",
            "float": "DOUBLE",
            "text": "VARCHAR",
            "boolean": "BOOLEAN",
            "date": "DATE",
            "timestamp": "TIMESTAMP",
            "timestamptz": "TIMESTAMPTZ",
        }
    )

    def column(self, text: str, kind: Type) -> str:
        if kind.kind in ("date", "timestamp", "timestamptz"):
            return self.unless(self.outside(text, kind), "value.out_of_range", text, text, kind)
        if kind.kind == "float":
            return self.unless(f"NOT isfinite({text})", "value.out_of_range", text, text, kind)
        if kind.kind == "wide":
            number = f"regexp_full_match({text}, '-?[0-9]+([.][0-9]+)?')"
            return self.unless(f"NOT {number}", "value.out_of_range", text, text, TEXT)
        return f"rtrim({text}, ' ')" if kind.padded else text

    def fail(self, code: str, because: str, kind: Type) -> str:
        return f"error('{code}')"

    def alike(self, parts: tuple[Bound, ...], texts: tuple[str, ...]) -> tuple[str, ...]:
        if all(part.type.kind != "decimal" for part in parts):
            return texts
        kind = types.common_type(parts, "")
        return tuple([self.number(part, text, kind) for part, text in zip(parts, texts, strict=True)])

    def first(self, value: str, order: str, kind: Type) -> str:
        return f"first({value} ORDER BY {order})"

    def number(self, part: Bound, text: str, kind: Type) -> str:
        """A number as a decimal type, which it may have already."""
        have = part.type
        same = have.kind == "decimal" and (have.precision, have.scale) == (kind.precision, kind.scale)
        return text if same else self.cast(text, kind)


def _arithmetic(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    text = f"({args[0]} {call.name} {args[1]})"
    if call.type.kind == "integer":
        return text
    if call.type.kind == "float":
        text = f"({text} + 0.0::DOUBLE)"
        return d.unless(f"NOT isfinite({text})", "value.overflow", text, text, call.type)
    left, right = (d.decimal(part, text) for part, text in zip(call.args, args, strict=True))
    if call.name == "*":
        return _product(d, call, left, right)
    return d.cast(f"{left} {call.name} {right}", call.type)


def _product(d: Dialect, call: Call, left: str, right: str) -> str:
    """DuckDB multiplies in 64 bits where both sides have at most 18 digits, so the first is widened."""
    if call.type.precision > 18:
        left = d.cast(left, Type("decimal", call.type.precision, types.digits(call.args[0])[1]))
    return d.cast(f"{left} * {right}", call.type)


def _divided(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    left, right = (d.decimal(part, text) for part, text in zip(call.args, args, strict=True))
    return _product(d, call, left, right)


def _unscaled(d: Dialect, part: Bound, text: str) -> str:
    """A number without its point, as HUGEINT."""
    precision, scale = types.digits(part)
    if scale == 0:
        return f"CAST({text} AS HUGEINT)"
    if precision + scale > MAX_DECIMAL:
        return f"CAST(replace(CAST({text} AS VARCHAR), '.', '') AS HUGEINT)"
    shift = d.literal(10**scale, Type("decimal", scale + 1, 0))
    return f"CAST({d.cast(text, Type('decimal', MAX_DECIMAL, scale))} * {shift} AS HUGEINT)"


def _quotient(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    """Half away from zero in 128-bit integers: sign * ((2 * |A| + |B|) // (2 * |B|))."""
    up, down, _, _, _ = call.data
    over, under = (
        f"(abs({_unscaled(d, part, text)}) * {factor}::HUGEINT)"
        for part, text, factor in zip(call.args, args, (up, down), strict=True)
    )
    sign = f"(CASE WHEN ({args[0]} < 0) <> ({args[1]} < 0) THEN -1 ELSE 1 END)"
    whole = d.cast(f"{sign} * ((2 * {over} + {under}) // (2 * {under}))", Type("decimal", MAX_DECIMAL, 0))
    places = call.type.scale
    if places:
        unit = types.unit(places)
        whole = f"{whole} * {d.literal(unit, Type('decimal', places, places))}"
    text = d.cast(whole, call.type)
    return text if isinstance(call.args[1], Constant) else _divisor(d, call, args, text)


def _divisor(d: Dialect, call: Call, args: tuple[str, ...], text: str) -> str:
    return d.unless(f"{args[1]} = 0", "value.division_by_zero", args[1], text, call.type)


def _remainder(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    left, right = d.alike(call.args, args)
    text = d.cast(f"{left} % {right}", call.type)
    return text if isinstance(call.args[1], Constant) else _divisor(d, call, args, text)


def _negated(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    return f"(0.0::DOUBLE - {args[0]})" if call.type.kind == "float" else d.cast(f"-{args[0]}", call.type)


def _rounded(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    """A cast rounds half away from zero."""
    return d.cast(args[0], call.type)


def _whole(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    """TRUNC, FLOOR and CEIL."""
    part = call.args[0].type
    if part.kind == "integer" or part.scale <= call.type.scale:
        return d.cast(args[0], call.type)
    places = f", {call.type.scale}" if call.name == "TRUNC" else ""
    return d.cast(f"{call.name.lower()}({args[0]}{places})", call.type)


def _own(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    """An entry that DuckDB has, with a result of another type."""
    return d.cast(f"{call.name.lower()}({', '.join(args)})", call.type)


def _trim(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    """Always with the character: the bare form strips all Unicode spaces."""
    return f"{call.name.lower()}({args[0]}, {d.quoted(call.data)})"


def _upper(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    return f"replace(upper(replace({args[0]}, 'ß', '{HIDDEN}')), '{HIDDEN}', 'ß')"


def _matches(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    return f"regexp_full_match({args[0]}, {d.quoted(call.data)})"


_INTEGER = "^ *([+-]?[0-9]{1,18}) *$"
_DECIMAL = "^ *([+-]?[0-9]{1,38}([.][0-9]{1,38})?) *$"


def _cast(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    """CAST and TRY_CAST: a text that has the wrong form becomes '', which no cast takes."""
    source, kind, text = call.args[0].type, call.type, args[0]
    if kind.kind == "text":
        return _to_text(d, source, text)
    if kind.kind == source.kind and kind.kind != "decimal":
        return text
    if source.kind == "text":
        pattern = _INTEGER if kind.kind == "integer" else _DECIMAL
        text = f"regexp_extract({text}, '{pattern}', 1)"
    elif source.kind == "float":
        text = f"CAST({text} AS VARCHAR)"
    return f"{'CAST' if call.data else 'TRY_CAST'}({text} AS {d.type_name(kind)})"


def _to_text(d: Dialect, source: Type, text: str) -> str:
    if source.kind == "text":
        return text
    if source.kind == "decimal" and source.precision == source.scale:
        if source.precision == MAX_DECIMAL:  # DuckDB writes .05, and there is no wider type
            return f"regexp_replace(CAST({text} AS VARCHAR), '^(-?)[.]', '\\1' || '0.')"
        text = d.cast(text, Type("decimal", source.precision + 1, source.scale))
    return f"CAST({text} AS VARCHAR)"


_ELEMENTS = {
    "YYYY": ("%Y", "(000[1-9]|00[1-9][0-9]|0[1-9][0-9][0-9]|[1-9][0-9][0-9][0-9])"),
    "MM": ("%m", "[0-9][0-9]"),
    "DD": ("%d", "[0-9][0-9]"),
    "HH24": ("%H", "([01][0-9]|2[0-3])"),
    "MI": ("%M", "[0-5][0-9]"),
    "SS": ("%S", "[0-5][0-9]"),
}


def _read(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    """`strptime` alone takes blanks around and the year 0; a text of another form becomes '', which it refuses."""
    parts = elements(call.data)
    form = "".join(_ELEMENTS[part][0] if part in _ELEMENTS else part for part in parts)
    pattern = "".join(_ELEMENTS[part][1] if part in _ELEMENTS else f"[{part}]" for part in parts)
    name = "strptime" if call.fails else "try_strptime"
    return d.cast(f"{name}(regexp_extract({args[0]}, '^{pattern}$'), '{form}')", call.type)


def _extract(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    return d.cast(f"extract({call.data} FROM {args[0]})", call.type)


def _truncated(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    return d.cast(f"date_trunc('{call.data}', {args[0]})", call.type)


def _days(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    return f"date_diff('day', {args[1]}, {args[0]})"


TEXTS: Mapping[str, Write] = MappingProxyType(
    {
        **COMMON,
        **dict.fromkeys(("+", "-", "*"), _arithmetic),
        "/": _divided,
        "ROUND /": _quotient,
        "%": _remainder,
        "NEGATE": _negated,
        "ROUND": _rounded,
        **dict.fromkeys(("TRUNC", "FLOOR", "CEIL"), _whole),
        "ABS": _own,
        "SIGN": _own,
        **dict.fromkeys(("TRIM", "LTRIM", "RTRIM"), _trim),
        "UPPER": _upper,
        "LOWER": function("lower"),
        "MATCHES": _matches,
        "MD5": function("md5"),
        "SHA256": function("sha256"),
        "CAST": _cast,
        "TRY_CAST": _cast,
        **dict.fromkeys(("TO_DATE", "TRY_TO_DATE", "TO_TIMESTAMP", "TRY_TO_TIMESTAMP"), _read),
        "EXTRACT": _extract,
        "DATE_TRUNC": _truncated,
        "DAYS": _days,
    }
)
"""What DuckDB is given for each entry."""
DuckDB.texts = TEXTS
