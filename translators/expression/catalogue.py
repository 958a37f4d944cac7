"""The whole language in one table: every function and operator by its name, with its meaning and its examples."""

from __future__ import annotations

from types import MappingProxyType

from translators.expression import choice, convert, logic, moment, number, special, text
from translators.expression.arguments import EXAMPLE_CODES, EXAMPLE_COLUMNS, Entry, Example

__all__ = ["CATALOGUE", "EXAMPLE_CODES", "EXAMPLE_COLUMNS", "FUNCTIONS", "INSTEAD", "Entry", "Example"]

_GROUPS = (
    logic.ENTRIES,
    choice.ENTRIES,
    number.ENTRIES,
    text.ENTRIES,
    convert.ENTRIES,
    moment.ENTRIES,
    special.ENTRIES,
)

CATALOGUE = MappingProxyType({entry.name: entry for group in _GROUPS for entry in group})
"""Every entry by name."""

FUNCTIONS = MappingProxyType(
    {name: entry for name, entry in CATALOGUE.items() if entry.written == "function"} | {"MOD": CATALOGUE["%"]}
)
"""What can be called as name(arguments)."""

_NO_REGEX = "There are no regular expressions yet: use LIKE, STARTS_WITH, SPLIT_PART or TRY_CAST."
INSTEAD = MappingProxyType(
    {
        **dict.fromkeys(("NVL", "IFNULL", "ISNULL"), "Write COALESCE(a, b)."),
        **dict.fromkeys(("SUBSTR", "MID"), "Write SUBSTRING(x, from, n)."),
        **dict.fromkeys(("LEN", "CHAR_LENGTH", "CHARACTER_LENGTH"), "Write LENGTH(x)."),
        **dict.fromkeys(("IF", "IIF", "DECODE"), "Write CASE WHEN ... THEN ... ELSE ... END."),
        **dict.fromkeys(("CONCAT", "CONCAT_WS"), "Write a || b; it is NULL if one is, so add COALESCE where needed."),
        **dict.fromkeys(("MATCHES", "REGEXP_REPLACE", "REGEXP_LIKE", "REGEXP_MATCHES", "REGEXP_SUBSTR"), _NO_REGEX),
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
        **dict.fromkeys(("AVG",), "Write ROUND(SUM(...) / COUNT(...), n)."),
        **dict.fromkeys(("DATEADD", "DATE_ADD", "ADD_MONTHS"), "Write day + INTERVAL '1 month'."),
        **dict.fromkeys(("DATEDIFF", "DATE_DIFF"), "Write day - day2, which gives days."),
    }
)
"""What to write instead of a function that other databases have."""
