"""Words that cannot stand for a column, and what to write instead of what the language refuses."""

from __future__ import annotations

# fmt: off
RESERVED = frozenset((
    "ALL", "ANALYSE", "ANALYZE", "AND", "ANY", "ARRAY", "AS", "ASC", "ASYMMETRIC", "BETWEEN", "BOTH", "CASE",
    "CAST", "CHECK", "COLLATE", "COLUMN", "CONSTRAINT", "CREATE", "CROSS", "CURRENT_CATALOG", "CURRENT_DATE",
    "CURRENT_ROLE", "CURRENT_SCHEMA", "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_USER", "DEFAULT", "DEFERRABLE",
    "DESC", "DISTINCT", "DO", "ELSE", "END", "EXCEPT", "EXISTS", "FALSE", "FETCH", "FOR", "FOREIGN", "FROM", "FULL",
    "GRANT", "GROUP", "HAVING", "ILIKE", "IN", "INNER", "INTERSECT", "INTO", "IS", "JOIN", "LATERAL", "LEADING",
    "LEFT", "LIKE", "LIMIT", "LOCALTIME", "LOCALTIMESTAMP", "NATURAL", "NOT", "NULL", "OFFSET", "ON", "ONLY", "OR",
    "ORDER", "OUTER", "PLACING", "PRIMARY", "REFERENCES", "RETURNING", "RIGHT", "SELECT", "SESSION_USER", "SIMILAR",
    "SOME", "SYMMETRIC", "TABLE", "THEN", "TO", "TRAILING", "TRUE", "UNION", "UNIQUE", "USER", "USING", "VALUES",
    "VARIADIC", "WHEN", "WHERE", "WINDOW", "WITH",
))
# fmt: on
"""A column of such a name has to stand in double quotes. LEFT and RIGHT are functions where a bracket follows."""

CALLABLE = frozenset(("LEFT", "RIGHT", "CAST", "ANY", "ALL"))

AGGREGATES = ("SUM", "COUNT", "MIN", "MAX", "ANY", "ALL", "FIRST", "LAST")
"""What runs over the rows of a part, or over those for which a condition is TRUE: NAME(x) FILTER (WHERE condition)."""

NO_WINDOW = "SUM, COUNT and their like take a part and FILTER (WHERE condition); windows and groups there are none."

_CLOCK = "A replay has to give the same bytes, so there is no clock; use a column that holds the time."
_USER = "A replay has to give the same bytes whoever runs it."
_QUERY = "A mapping reads the rows of one aggregate; there are no queries. Use a part, or an `each`."
_RANDOM = "A replay has to give the same bytes, so nothing may be random."
_REFUSED = {
    **dict.fromkeys(("CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP"), _CLOCK),
    **dict.fromkeys(
        ("CURRENT_USER", "CURRENT_ROLE", "CURRENT_SCHEMA", "CURRENT_CATALOG", "SESSION_USER", "USER"), _USER
    ),
    **dict.fromkeys(("SELECT", "EXISTS", "WITH", "VALUES", "TABLE", "ANY", "ALL", "SOME"), _QUERY),
    "ARRAY": "There are no arrays; a part is summed up by SUM, COUNT and their like.",
    "COLLATE": "Text is compared by code point everywhere.",
    "ILIKE": "Use LIKE with UPPER on both sides.",
    "SIMILAR": "Use LIKE.",
    "BOTH": "Write TRIM(x) or TRIM(x, 'c').",
    "LEADING": "Write LTRIM(x) or LTRIM(x, 'c').",
    "TRAILING": "Write RTRIM(x) or RTRIM(x, 'c').",
    "DISTINCT": "SUM, COUNT and their like run over all rows of a part, or over those that FILTER (WHERE ...) names.",
}
_REFUSED_CALLS = {
    **dict.fromkeys(
        ("NOW", "CLOCK_TIMESTAMP", "STATEMENT_TIMESTAMP", "TRANSACTION_TIMESTAMP", "TIMEOFDAY", "GETDATE"), _CLOCK
    ),
    **dict.fromkeys(("SYSDATE", "CURDATE", "CURTIME", "UNIX_TIMESTAMP", "TODAY"), _CLOCK),
    **dict.fromkeys(("RANDOM", "RAND", "UUID", "GEN_RANDOM_UUID", "SETSEED"), _RANDOM),
}
_TYPED = {
    "DATE": "Write TO_DATE('2024-01-31', 'YYYY-MM-DD').",
    "TIMESTAMP": "Write TO_TIMESTAMP('2024-01-31 23:59:00', 'YYYY-MM-DD HH24:MI:SS').",
    "TIMESTAMPTZ": "Write TO_TIMESTAMP('2024-01-31 23:59:00', 'YYYY-MM-DD HH24:MI:SS') AT TIME ZONE 'UTC'.",
    "TIME": "There are no times of day without a date.",
}


def refusal(word: str, *, called: bool, literal: bool) -> tuple[str, str] | None:
    """Why an upper-case word cannot be used as a value here (what, fix); `called`: a bracket follows, `literal`: a text."""
    if literal and word in _TYPED:
        return f"A literal written {word} '...'", _TYPED[word]
    if called and word in _REFUSED_CALLS:
        return word, _REFUSED_CALLS[word]
    if word in _REFUSED and not (called and word in CALLABLE):
        return word, f'{_REFUSED[word]} A column of this name is written "{word.lower()}".'
    return None
