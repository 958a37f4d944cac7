"""The whole language in one table: every function and operator by its name, with its meaning and its examples."""

from __future__ import annotations

from types import MappingProxyType

from translators.expression import aggregate, choice, convert, logic, moment, number, pattern, special, text
from translators.expression.arguments import EXAMPLE_CODES, EXAMPLE_COLUMNS, Entry, Example
from translators.expression.bound import Aggregate, Bound, Call

__all__ = [
    "CATALOGUE",
    "EXAMPLE_CODES",
    "EXAMPLE_COLUMNS",
    "FUNCTIONS",
    "INSTEAD",
    "SECTIONS",
    "Entry",
    "Example",
    "can_raise",
]

SECTIONS = (
    ("Comparisons and conditions", logic.ENTRIES),
    ("Choosing", choice.ENTRIES),
    ("Numbers", number.ENTRIES),
    ("Text", (*text.ENTRIES, *pattern.ENTRIES)),
    ("Conversions", convert.ENTRIES),
    ("Dates and times", moment.ENTRIES),
    ("Parts", aggregate.ENTRIES),
    ("Codes, and what happened", special.ENTRIES),
)
"""The entries by kind, in the order in which they are told."""

CATALOGUE = MappingProxyType({entry.name: entry for _, entries in SECTIONS for entry in entries})
"""Every entry by name."""

FUNCTIONS = MappingProxyType(
    {name: entry for name, entry in CATALOGUE.items() if entry.written == "function"} | {"MOD": CATALOGUE["%"]}
)
"""What can be called as name(arguments)."""


def can_raise(bound: Bound) -> bool:
    """Whether computing this part can raise at all; overflow counts, which lint lets pass."""
    if isinstance(bound, Call):
        return bound.fails or bool(CATALOGUE[bound.name].errors) or any(can_raise(part) for part in bound.args)
    return isinstance(bound, Aggregate)


_REGEX = "Write MATCHES(x, 'pattern'), which asks whether the whole text fits."
_CUT = "Engines differ on it: use SUBSTRING, SPLIT_PART or REPLACE, and MATCHES to ask for the form."
INSTEAD = MappingProxyType(
    {
        **dict.fromkeys(("NVL", "IFNULL", "ISNULL"), "Write COALESCE(a, b)."),
        **dict.fromkeys(("SUBSTR", "MID"), "Write SUBSTRING(x, from, n)."),
        **dict.fromkeys(("LEN", "CHAR_LENGTH", "CHARACTER_LENGTH"), "Write LENGTH(x)."),
        **dict.fromkeys(("IF", "IIF", "DECODE"), "Write CASE WHEN ... THEN ... ELSE ... END."),
        **dict.fromkeys(("CONCAT", "CONCAT_WS"), "Write a || b; it is NULL if one is, so add COALESCE where needed."),
        **dict.fromkeys(("REGEXP_LIKE", "REGEXP_MATCHES", "RLIKE"), _REGEX),
        **dict.fromkeys(("REGEXP_REPLACE", "REGEXP_SUBSTR", "REGEXP_EXTRACT"), _CUT),
        **dict.fromkeys(("INSTR", "LOCATE", "CHARINDEX"), "Write STRPOS(x, part)."),
        **dict.fromkeys(("UCASE",), "Write UPPER(x)."),
        **dict.fromkeys(("LCASE",), "Write LOWER(x)."),
        **dict.fromkeys(("TRUNCATE",), "Write TRUNC(x, n)."),
        **dict.fromkeys(("CEILING",), "Write CEIL(x)."),
        **dict.fromkeys(("BTRIM",), "Write TRIM(x, 'c')."),
        **dict.fromkeys(("YEAR", "MONTH", "DAY"), "Write EXTRACT(YEAR FROM x)."),
        **dict.fromkeys(("DATE_PART",), "Write EXTRACT(YEAR FROM x)."),
        **dict.fromkeys(("STR_TO_DATE", "STRPTIME"), "Write TO_DATE(x, 'YYYYMMDD')."),
        **dict.fromkeys(
            ("TO_CHAR", "DATE_FORMAT", "STRFTIME"), "Write CAST(x AS TEXT), or put EXTRACT and LPAD together."
        ),
        **dict.fromkeys(("TO_NUMBER",), "Write CAST(x AS DECIMAL(p, s))."),
        **dict.fromkeys(("BOOL_OR",), "Write ANY(part.column = 'A')."),
        **dict.fromkeys(("BOOL_AND", "EVERY"), "Write ALL(part.column = 'A')."),
        **dict.fromkeys(("FIRST_VALUE",), "Write FIRST(part.column)."),
        **dict.fromkeys(("LAST_VALUE",), "Write LAST(part.column)."),
        **dict.fromkeys(("SUMIF", "SUM_IF"), "Write SUM(part.column) FILTER (WHERE condition)."),
        **dict.fromkeys(("COUNTIF", "COUNT_IF"), "Write COUNT(part) FILTER (WHERE condition)."),
        **dict.fromkeys(("AVG",), "Write ROUND(SUM(...) / COUNT(...), n)."),
        **dict.fromkeys(("DATEADD", "DATE_ADD", "ADD_MONTHS"), "Write day + INTERVAL '1 month'."),
        **dict.fromkeys(("DATEDIFF", "DATE_DIFF"), "Write day - day2, which gives days."),
    }
)
"""What to write instead of a function that other databases have."""
