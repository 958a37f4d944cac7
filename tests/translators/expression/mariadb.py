"""A fourth witness: MariaDB's text for every entry. What raises elsewhere is NULL or saturates here, so that only values
where Python has one are compared; nothing of this is shipped.
"""

from __future__ import annotations

from datetime import date, datetime
from types import MappingProxyType

from translators.expression import types
from translators.expression.bound import Bound, Call
from translators.expression.clock import ELEMENTS, elements
from translators.expression.dialect import COMMON, Dialect, NotInSql, SqlNames, Write, function, like_pattern
from translators.schema import Type

SETTINGS = ("SET SESSION sql_mode = ''", "SET SESSION time_zone = '+00:00'")
COLLATION = "utf8mb4_nopad_bin"
BEGIN, END = "\\A", "\\z"
BIG = "DECIMAL(40, 0)"


def to_mariadb(bound: Bound, names: SqlNames) -> str:
    """The MariaDB text of a typed tree."""
    return MariaDB(names).text(bound)


class MariaDB(Dialect):
    """MariaDB's SQL."""

    kinds = MappingProxyType(
        {
            "integer": "SIGNED",
            "decimal": "DECIMAL",
            "float": "DOUBLE",
            "text": "CHAR",
            "boolean": "SIGNED",
            "date": "DATE",
            "timestamp": "DATETIME(6)",
            "timestamptz": "DATETIME(6)",
        }
    )

    def literal(self, value: object, kind: Type) -> str:
        if value is None:
            return self.collated(self.cast("NULL", kind), kind)
        if isinstance(value, bool):
            return "TRUE" if value else "FALSE"
        if isinstance(value, str):
            return self.collated(self.quoted(value), kind)
        if isinstance(value, date):
            text = value.replace(tzinfo=None).isoformat(" ") if isinstance(value, datetime) else value.isoformat()
            return f"CAST('{text}' AS {self.type_name(kind)})"
        return self.cast(f"'{value:f}'" if kind.kind == "decimal" else f"'{value}'", kind)

    def quoted(self, text: str) -> str:
        return "_utf8mb4" + super().quoted(text).replace("\\", "\\\\")

    def collated(self, text: str, kind: Type) -> str:
        return f"(CONVERT({text} USING utf8mb4) COLLATE {COLLATION})" if kind.kind == "text" else text

    def column(self, text: str, kind: Type) -> str:
        return self.collated(text, kind)

    def sorted_by(self, text: str, last: bool) -> str:
        end = " DESC" if last else ""
        return f"({text} IS NULL){end}, {text}{end}"

    def first(self, value: str, order: str, kind: Type) -> str:
        """GROUP_CONCAT passes over NULL, so that every value has a mark before it."""
        marked = f"COALESCE(CONCAT('=', CAST({value} AS CHAR)), '-')"
        text = f"GROUP_CONCAT({marked} ORDER BY {order} LIMIT 1)"
        found = f"(CASE WHEN LEFT({text}, 1) = '=' THEN SUBSTRING({text}, 2) END)"
        return self.collated(found, kind) if kind.kind == "text" else self.cast(found, kind)

    def fail(self, code: str, because: str, kind: Type) -> str:
        return self.literal(None, kind)


def _distinct(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    same = f"({args[0]} <=> {args[1]})"
    return same if call.data else f"(NOT {same})"


def _extreme(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    """Its own is NULL if one is."""
    sign = ">" if call.name == "GREATEST" else "<"
    found = args[0]
    for text in args[1:]:
        found = f"(CASE WHEN {text} IS NULL OR {found} {sign} {text} THEN {found} ELSE {text} END)"
    return found


def _like(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    negated, pattern, escape = call.data
    return f"({args[0]} {'NOT ' if negated else ''}LIKE {d.quoted(like_pattern(pattern, escape))} ESCAPE '|')"


def _arithmetic(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    if call.type.kind == "float":
        return f"({args[0]} {call.name} {args[1]})"
    if call.type.kind == "integer":  # in decimals: 64 bits would raise, where a saturated value is not compared
        right = f"CAST({args[1]} AS DECIMAL(25, 0))"
        return f"CAST(CAST({args[0]} AS {BIG}) {call.name} {right} AS SIGNED)"
    return d.cast(f"{args[0]} {call.name} {args[1]} + 0", call.type)


def _divided(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    return d.cast(f"{args[0]} * {args[1]} + 0", call.type)


def _quotient(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    """DIV is 64 bits wide and / keeps four more digits: so the remainder is taken away first."""
    up, down, s1, s2, _ = call.data
    over = f"(ABS({_big(call.args[0], args[0])}) * {10**s1 * up})"
    under = f"(ABS({_big(call.args[1], args[1])}) * {10**s2 * down})"
    top, bottom = f"(2 * {over} + {under})", f"(2 * {under})"
    sign = f"(CASE WHEN ({args[0]} < 0) <> ({args[1]} < 0) THEN -1 ELSE 1 END)"
    unit = format(types.unit(call.type.scale), "f")
    return d.cast(f"{sign} * CAST(({top} - {top} % {bottom}) / {bottom} AS {BIG}) * {unit} + 0", call.type)


def _big(part: Bound, text: str) -> str:
    return f"CAST({text} AS {BIG})" if part.type.kind == "integer" else text


def _remainder(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    left, right = (_big(part, text) for part, text in zip(call.args, args, strict=True))
    return d.cast(f"{left} % {right} + 0", call.type)


def _negated(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    return (
        f"(0e0 - {args[0]})" if call.type.kind == "float" else d.cast(f"0 - {_big(call.args[0], args[0])}", call.type)
    )


def _absolute(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    return f"ABS({args[0]})" if call.type.kind == "float" else d.cast(f"ABS({_big(call.args[0], args[0])})", call.type)


def _sign(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    return d.cast(f"SIGN({args[0]})", call.type)


def _rounded(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    name = {"ROUND": "ROUND", "TRUNC": "TRUNCATE", "FLOOR": "FLOOR", "CEIL": "CEIL"}[call.name]
    places = f", {call.type.scale}" if name in ("ROUND", "TRUNCATE") else ""
    return d.cast(f"{name}({_big(call.args[0], args[0])}{places}) + 0", call.type)


def _trim(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    side = {"TRIM": "BOTH", "LTRIM": "LEADING", "RTRIM": "TRAILING"}[call.name]
    return f"TRIM({side} {d.literal(call.data, call.type)} FROM {args[0]})"


def _cased(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    return d.collated(f"{call.name}({args[0]} COLLATE utf8mb4_uca1400_nopad_as_cs)", call.type)


def _length(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    return f"CHAR_LENGTH({args[0]})"


def _position(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    whole, part = args if call.name == "STRPOS" else args[::-1]
    return f"LOCATE({part}, {whole})"


def _starts(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    return f"(LEFT({args[0]}, CHAR_LENGTH({args[1]})) = {args[1]})"


def _split(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    separator, index = call.data
    mark, rest = d.quoted(separator), args[0]
    if index > 1:
        before = f"CHAR_LENGTH(SUBSTRING_INDEX({args[0]}, {mark}, {index - 1}))"
        rest = f"SUBSTRING({args[0]}, {before} + {len(separator) + 1})"
    return f"SUBSTRING_INDEX({rest}, {mark}, 1)"


def _replace(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    old, new = (d.literal(text, call.type) for text in call.data)
    return f"REPLACE({args[0]}, {old}, {new})"


def _digest(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    return d.collated(f"MD5({args[0]})" if call.name == "MD5" else f"SHA2({args[0]}, 256)", call.type)


def _matches(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    return f"({args[0]} REGEXP {d.quoted(BEGIN + '(?:' + call.data + ')' + END)})"


def _cast(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    source, kind, text = call.args[0].type, call.type, args[0]
    if kind.kind == "text":
        return _to_text(d, source, text)
    if kind.kind == source.kind and kind.kind != "decimal":
        return text
    if source.kind == "text":
        digits = "[0-9]{1,18}" if kind.kind == "integer" else "[0-9]{1,38}([.][0-9]{1,38})?"
        form = d.quoted(f"\\A *[+-]?{digits} *\\z")
        value = f"CAST(TRIM({text}) AS {d.type_name(kind) if kind.kind == 'integer' else f'DECIMAL(65, {kind.scale})'})"
        text = f"(CASE WHEN {text} REGEXP {form} THEN {value} END)"
        if kind.kind == "integer":
            return text
    elif source.kind == "float":
        text = f"CAST(CAST({text} AS CHAR) AS DECIMAL(65, {kind.scale}))"
    if kind.kind == "integer":
        fits = f"ROUND({text}) BETWEEN {-(2**63)} AND {2**63 - 1}"
        return f"(CASE WHEN {fits} THEN CAST(ROUND({text}) AS SIGNED) END)"
    fits = f"ABS(ROUND({text}, {kind.scale})) < {10 ** (kind.precision - kind.scale)}"
    return f"(CASE WHEN {fits} THEN {d.cast(f'{text} + 0', kind)} END)"


def _to_text(d: Dialect, source: Type, text: str) -> str:
    match source.kind:
        case "text":
            return text
        case "boolean":
            whole = f"CASE WHEN {text} THEN 'true' WHEN NOT {text} THEN 'false' END"
        case "timestamp":
            micros = f"CAST(CAST({text} AS DATETIME(6)) AS CHAR)"
            whole = f"TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM {micros}))"
        case "decimal":  # it leaves no room for the sign of -0.9999
            whole = f"CAST(CAST({text} AS DECIMAL({source.precision + 2}, {source.scale})) AS CHAR)"
        case _:
            whole = f"CAST({text} AS CHAR)"
    return d.collated(whole, Type("text"))


_DIGITS = {
    "YYYY": "(?!0000)[0-9]{4}",
    "MM": "(0[1-9]|1[0-2])",
    "DD": "(0[1-9]|[12][0-9]|3[01])",
    "HH24": "([01][0-9]|2[0-3])",
    "MI": "[0-5][0-9]",
    "SS": "[0-5][0-9]",
}


def _read(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    """CAST and STR_TO_DATE take 29 February of every year: the last day of the month is asked for."""
    at, found = 1, {}
    parts = elements(call.data)
    for part in parts:
        width = ELEMENTS.get(part, 1)
        found[part] = f"SUBSTRING({args[0]}, {at}, {width})"
        at += width
    form = d.quoted("\\A" + "".join(_DIGITS.get(part, f"[{part}]") for part in parts) + "\\z")
    month = f"CONCAT({found['YYYY']}, '-', {found['MM']}, '-')"
    time = ", ':', ".join(found.get(part, "'00'") for part in ("HH24", "MI", "SS"))
    value = f"CONCAT({month}, {found['DD']}, ' ', {time})"
    value = d.cast(value if call.type.kind == "timestamp" else f"CONCAT({month}, {found['DD']})", call.type)
    real = f"{found['DD']} <= DAY(LAST_DAY(CONCAT({month}, '01')))"
    return f"(CASE WHEN {args[0]} REGEXP {form} THEN CASE WHEN {real} THEN {value} END END)"


_FIELDS = {
    "DOY": "DAYOFYEAR({0})",
    "ISODOW": "(WEEKDAY({0}) + 1)",
    "WEEK": "WEEK({0}, 3)",
    "ISOYEAR": "(YEARWEEK({0}, 3) DIV 100)",
}


def _extract(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    return _FIELDS.get(call.data, f"{call.data}({{0}})").format(args[0])


def _truncated(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    x = args[0]
    day = f"CAST({x} AS DATE)"
    month = f"({day} - INTERVAL (DAY({x}) - 1) DAY)"
    text = {
        "day": day,
        "week": f"({day} - INTERVAL WEEKDAY({x}) DAY)",
        "month": month,
        "quarter": f"({month} - INTERVAL ((MONTH({x}) - 1) % 3) MONTH)",
        "year": f"({day} - INTERVAL (DAYOFYEAR({x}) - 1) DAY)",
        "hour": f"DATE_FORMAT({x}, '%Y-%m-%d %H:00:00')",
    }[call.data]
    return d.cast(text, call.type)


def _shifted(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    amount, unit = call.data
    return d.cast(f"{args[0]} + INTERVAL {amount} {unit.upper()}", call.type)


def _days(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    return f"DATEDIFF({args[0]}, {args[1]})"


def _zoned(d: Dialect, call: Call, args: tuple[str, ...]) -> str:
    raise NotInSql("MariaDB's zones are tables that somebody has to fill")


TEXTS: dict[str, Write] = {
    **COMMON,
    "IS DISTINCT FROM": _distinct,
    "GREATEST": _extreme,
    "LEAST": _extreme,
    "LIKE": _like,
    "||": function("CONCAT"),
    **dict.fromkeys(("+", "-", "*"), _arithmetic),
    "/": _divided,
    "ROUND /": _quotient,
    "%": _remainder,
    "NEGATE": _negated,
    "ABS": _absolute,
    "SIGN": _sign,
    **dict.fromkeys(("ROUND", "TRUNC", "FLOOR", "CEIL"), _rounded),
    **dict.fromkeys(("TRIM", "LTRIM", "RTRIM"), _trim),
    **dict.fromkeys(("UPPER", "LOWER"), _cased),
    "LENGTH": _length,
    "STRPOS": _position,
    "POSITION": _position,
    "STARTS_WITH": _starts,
    "SPLIT_PART": _split,
    "REPLACE": _replace,
    "MD5": _digest,
    "SHA256": _digest,
    "MATCHES": _matches,
    "CAST": _cast,
    "TRY_CAST": _cast,
    **dict.fromkeys(("TO_DATE", "TRY_TO_DATE", "TO_TIMESTAMP", "TRY_TO_TIMESTAMP"), _read),
    "EXTRACT": _extract,
    "DATE_TRUNC": _truncated,
    "± INTERVAL": _shifted,
    "DAYS": _days,
    "AT TIME ZONE": _zoned,
}
MariaDB.texts = TEXTS
