"""What PostgreSQL is given, where a check is pushed down to it: the same answers as the generated Python, or an error.

The text is meant for a UTF-8 database and a connection on which `SETTINGS` were run. Text carries the collation "C" from
every column and literal on; UPPER and LOWER take "C.utf8", which PostgreSQL imports from the C library where it has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from translators.expression import types
from translators.expression.bound import Bound, Call
from translators.expression.clock import ELEMENTS, elements
from translators.expression.dialect import COMMON, Dialect, SqlNames, Write
from translators.expression.runtime import MAX_INTEGER, MIN_INTEGER
from translators.schema import Type

SETTINGS = ("SET TimeZone = 'UTC'", "SET DateStyle = 'ISO, YMD'", "SET extra_float_digits = 1")
"""How dates, times and floats are written as text."""

TEXT = Type("text")


def to_postgres(bound: Bound, names: SqlNames) -> str:
    """The PostgreSQL text of a typed tree. `NotInSql` where it has none."""
    return Postgres(names).text(bound)


class Postgres(Dialect):
    """PostgreSQL's SQL."""

    kinds = MappingProxyType(
        {
            "integer": "bigint",
            "decimal": "numeric",
            "float": "double precision",
            "text": "text",
            "boolean": "boolean",
            "date": "date",
            "timestamp": "timestamp",
            "timestamptz": "timestamptz",
        }
    )

    def quoted(self, text: str) -> str:
        """With E where a backslash stands in it: plain quotes read it by a setting of the server."""
        quoted = super().quoted(text)
        return f"E{quoted.replace(chr(92), chr(92) * 2)}" if "\\" in text else quoted

    def collated(self, text: str, kind: Type) -> str:
        """A text with the collation that compares code points."""
        return f'({text} COLLATE "C")' if kind.kind == "text" else text

    def column(self, text: str, kind: Type) -> str:
        match kind.kind:
            case "text":
                return self.collated(f"{text}::text", kind)
            case "integer":
                return f"{text}::bigint"
            case "date" | "timestamp" | "timestamptz":
                return self.unless(self.outside(text, kind), "value.out_of_range", f"{text}::text", text, kind)
            case "decimal":
                return self.unless(f"{text} = 'NaN'", "value.out_of_range", f"{text}::text", text, kind)
            case "float" | "wide":
                wrong = f"{text} IN ('NaN', 'Infinity', '-Infinity')"
                value = f"{text}::double precision" if kind.kind == "float" else text
                return self.unless(wrong, "value.out_of_range", f"{text}::text", value, kind)
            case _:
                return text

    def first(self, value: str, order: str, kind: Type) -> str:
        return f"(array_agg({value} ORDER BY {order}))[1]"

    def fail(self, code: str, because: str, kind: Type) -> str:
        """A cast of a text that is no number; it holds a value of the row, so that the planner cannot compute it."""
        raised = f"CAST(CAST('{code}: ' || {because} AS bigint) AS text)"
        name = "numeric" if kind.kind == "wide" else self.type_name(kind)
        return self.collated(raised, kind) if kind.kind == "text" else f"CAST({raised} AS {name})"


def _arithmetic(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    text = f"({args[0]} {call.name} {args[1]})"
    if call.type.kind == "float":
        return f"({text} + 0.0::double precision)"
    return d.cast(text, call.type) if call.data else text


def _divided(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    text = f"({args[0]}::numeric * {args[1]})"
    return d.cast(text, call.type) if call.data else text


def _quotient(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    """Half away from zero in whole numbers: sign * div(2 * |A| + |B|, 2 * |B|); `/` would keep some digits only."""
    up, down, s1, s2, _ = call.data
    over = f"(abs({args[0]})::numeric * {10**s1 * up})"
    under = f"(abs({args[1]})::numeric * {10**s2 * down})"
    sign = f"(CASE WHEN ({args[0]} < 0) <> ({args[1]} < 0) THEN -1 ELSE 1 END)"
    unit = format(types.unit(call.type.scale), "f")
    return d.cast(f"{sign} * div(2 * {over} + {under}, 2 * {under}) * {unit}", call.type)


def _remainder(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    return d.cast(f"{args[0]} % {args[1]}", call.type)


def _negated(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    return f"(0.0::double precision - {args[0]})" if call.type.kind == "float" else f"(- {args[0]})"


def _rounded(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    """A cast rounds half away from zero."""
    return d.cast(args[0], call.type)


def _whole(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    """TRUNC, FLOOR and CEIL."""
    places = f", {call.type.scale}" if call.name == "TRUNC" else ""
    return d.cast(f"{call.name.lower()}({args[0]}::numeric{places})", call.type)


def _own(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    """An entry that PostgreSQL has, with a result of another type."""
    return d.cast(f"{call.name.lower()}({args[0]})", call.type)


def _trim(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    name = {"TRIM": "btrim", "LTRIM": "ltrim", "RTRIM": "rtrim"}[call.name]
    return f"{name}({args[0]}, {d.quoted(call.data)})"


def _cased(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    return f'({call.name.lower()}({args[0]} COLLATE "C.utf8") COLLATE "C")'


def _matches(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    return f"({args[0]} ~ {d.quoted(f'^(?:{call.data})$')})"


def _md5(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    return f"(md5(convert_to({args[0]}, 'UTF8')) COLLATE \"C\")"


def _sha256(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    return f"(encode(sha256(convert_to({args[0]}, 'UTF8')), 'hex') COLLATE \"C\")"


_FORMS = {
    "integer": "^ *([+-]?[0-9]{1,18}) *$",
    "decimal": "^ *([+-]?[0-9]{1,38}(?:[.][0-9]{1,38})?) *$",
}


def _cast(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    """CAST and TRY_CAST; `data` says whether it is strict."""
    source, kind, text = call.args[0].type, call.type, args[0]
    if kind.kind == "text":
        return text if source.kind == "text" else d.collated(d.cast(text, kind), kind)
    if kind.kind == source.kind and kind.kind != "decimal":
        return text
    if source.kind == "text":
        found = f"substring({text} FROM '{_FORMS[kind.kind]}')"
        text = f"COALESCE({found}, 'not {kind.kind}: ' || {text})" if call.data else found
        if kind.kind == "integer":
            return d.cast(text, kind)
    elif source.kind == "float":
        text = _shortest(d, text)
    text = f"CAST({text} AS numeric)"
    return d.cast(text, kind) if call.data else _within(d, text, kind)


def _shortest(d: Dialect, text: str) -> str:
    """The text of a float; from 2^53 on, raised: there PostgreSQL writes some floats with a digit more than is needed."""
    return d.unless(f"abs({text}) >= {2**53}", "value.overflow", f"CAST({text} AS text)", f"CAST({text} AS text)", TEXT)


def _within(d: Dialect, text: str, kind: Type) -> str:
    """A numeric as `kind`, NULL where it does not fit."""
    if kind.kind == "integer":
        fits = f"round({text}) BETWEEN {MIN_INTEGER} AND {MAX_INTEGER}"
    else:
        fits = f"abs(round({text}, {kind.scale})) < {10 ** (kind.precision - kind.scale)}"
    return f"(CASE WHEN {fits} THEN {d.cast(text, kind)} END)"


_DIGITS = {
    "YYYY": "(?:000[1-9]|00[1-9][0-9]|0[1-9][0-9][0-9]|[1-9][0-9][0-9][0-9])",
    "MM": "(?:0[1-9]|1[0-2])",
    "DD": "(?:0[1-9]|[12][0-9]|3[01])",
    "HH24": "(?:[01][0-9]|2[0-3])",
    "MI": "[0-5][0-9]",
    "SS": "[0-5][0-9]",
}


def _read(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    """The form by a regular expression, the calendar by make_date, which knows it: to_date would take 30 February."""
    parts, at, found = elements(call.data), 1, {}
    for part in parts:
        width = ELEMENTS.get(part, 1)
        if part in ELEMENTS:
            found[part] = f"CAST(substring({args[0]}, {at}, {width}) AS integer)"
        at += width
    pattern = "".join(_DIGITS.get(part, f"[{part}]") for part in parts)
    year, month, day = found["YYYY"], found["MM"], found["DD"]
    text = f"make_date({year}, {month}, {day})"
    if call.type.kind == "timestamp":
        time = [found.get(part, "0") for part in ("HH24", "MI", "SS")]
        text = f"make_timestamp({year}, {month}, {day}, {time[0]}, {time[1]}, {time[2]})"
    wrong = f"{args[0]} !~ '^{pattern}$'"
    if call.fails:
        return d.unless(wrong, "value.not_a_date", args[0], text, call.type)
    last = f"extract(day FROM make_date({year}, {month}, 1) + interval '1 month - 1 day')"
    return f"(CASE WHEN {wrong} THEN NULL WHEN {day} > {last} THEN NULL ELSE {text} END)"


def _extract(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    return d.cast(f"extract({call.data} FROM {args[0]})", call.type)


def _truncated(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    """On a timestamp: a bare date would be taken for an instant of the session's zone."""
    return d.cast(f"date_trunc('{call.data}', CAST({args[0]} AS timestamp))", call.type)


def _days(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    return d.cast(f"{args[0]} - {args[1]}", call.type)


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
        **dict.fromkeys(("UPPER", "LOWER"), _cased),
        "MATCHES": _matches,
        "MD5": _md5,
        "SHA256": _sha256,
        "CAST": _cast,
        "TRY_CAST": _cast,
        **dict.fromkeys(("TO_DATE", "TRY_TO_DATE", "TO_TIMESTAMP", "TRY_TO_TIMESTAMP"), _read),
        "EXTRACT": _extract,
        "DATE_TRUNC": _truncated,
        "DAYS": _days,
    }
)
"""What PostgreSQL is given for each entry."""
Postgres.texts = TEXTS
