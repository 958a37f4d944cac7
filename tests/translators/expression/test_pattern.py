"""MATCHES: the subset of regular expressions that every engine reads alike, and what it refuses."""

from __future__ import annotations

import random
import re
import time

import psycopg
import pytest

from tests.translators.expression.engines import DuckDB
from tests.translators.expression.test_sql import X
from tests.translators.expression.worlds import truths, typed, value
from translators.expression import ExpressionError, Scope, bind, parse
from translators.expression.duckdb import to_duckdb
from translators.expression.pattern import MAX_SIZE, matcher, portable
from translators.expression.postgres import to_postgres
from translators.schema import Type


def asked(pattern: str) -> str:
    """The expression that asks for a pattern."""
    quoted = pattern.replace("'", "''")
    return f"MATCHES(s, '{quoted}')"


@pytest.mark.parametrize(
    ("pattern", "fits", "not_fits"),
    [
        ("", [""], ["a", "\n"]),
        ("abc", ["abc"], ["abcd", "xabc", "ABC", "abc\n"]),
        (".", ["a", "ä", "😀", "\r"], ["", "\n", "ab"]),
        ("a.c", ["abc", "a😀c"], ["a\nc"]),
        ("[a-c]+", ["abc"], ["", "abd", "B"]),
        ("[^a-c]", ["d", "\n", "ä"], ["a", ""]),
        ("[]a]".replace("[]", "[\\]"), ["]", "a"], ["[", "\\"]),
        ("[a-]", ["a", "-"], ["b"]),
        ("[-a]", ["a", "-"], ["b"]),
        ("[\\^\\-\\[a]", ["^", "-", "[", "a"], ["\\"]),
        ("[.$*|(){}?+]", [".", "$", "*", "|", "(", ")", "{", "}", "?", "+"], ["a", "\\"]),
        ("[à-ü]", ["ä"], ["a"]),
        ("(ab|c)?d", ["abd", "cd", "d"], ["ababd", "abcd"]),
        ("(ab|c){2}", ["abab", "abc", "cc"], ["ab", "ccc"]),
        ("([0-9]{3}-)?x", ["123-x", "x"], ["12-x"]),
        ("[0-9]{4}-[0-9]{2}", ["2024-01"], ["2024-1", "٢٠٢٤-01"]),
        ("a{2,}", ["aa", "aaaaa"], ["a"]),
        ("a{0,2}", ["", "aa"], ["aaa"]),
        ("\\.\\*\\\\", [".*\\"], ["a"]),
        ("a|b", ["a", "b"], ["ab", "a|b"]),
        ("it's", ["it's"], ["its"]),
        ("a b\tc", ["a b\tc"], ["abc"]),
        ("x\ny", ["x\ny"], ["xy"]),
        ('#,:;=@&~<>!"%_/-', ['#,:;=@&~<>!"%_/-'], [""]),
    ],
)
def test_a_pattern_takes_the_whole_text_alike_everywhere(
    pattern: str, fits: list[str], not_fits: list[str], duck: DuckDB, postgres: psycopg.Connection
) -> None:
    bound = bind(parse(asked(pattern)), Scope(table="t", columns={"s": Type("text")}))
    for text in [*fits, *not_fits]:
        wanted = text in fits
        assert truths(asked(pattern), s=text) == (wanted, wanted, not wanted), text
        duckdb = f"SELECT {to_duckdb(bound, X())} FROM (SELECT ?::VARCHAR AS x)"
        assert duck.connection.execute(duckdb, [text]).fetchall() == [(wanted,)], text
        theirs = f"SELECT {to_postgres(bound, X('$1'))}"
        assert psycopg.RawCursor(postgres).execute(theirs.encode(), [text]).fetchall() == [(wanted,)], text
    assert truths(asked(pattern)) == (None, False, False)


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("(a+)+b", "repeat"),
        ("(a|a)*b", "repeat"),
        ("(a|aa)+", "repeat"),
        ("(a*)*", "repeat"),
        ("((a?)b)+", "repeat"),
        ("(.*a){25}", "repeat"),
        ("(a{1,9}){1,9}", "repeat"),
        ("a*b*c*d*", "at most"),
        (".*a.*b.*c.*", "at most"),
        ("a{1000}", "255"),
        ("a{0}", "255"),
        ("a{3,2}", "255"),
        (".{200}.{200}.{200}.{200}.{201}", "less often"),
        ("(a{200}b)" * 6, "less often"),
        ("(" * 21 + "a" + ")" * 21, "fewer"),
        ("^a$", "whole text"),
        ("a$", "whole text"),
        ("\\d+", "[0-9]"),
        ("\\w", "[A-Za-z]"),
        ("\\s", "characters"),
        ("\\bx", "characters"),
        ("\\1", "characters"),
        ("\\n", "characters"),
        ("\\ä", "characters"),
        ("\\", "backslash"),
        ("(?i)a", "Options"),
        ("(?:a)", "plain"),
        ("(?=a)", "look-around"),
        ("a(?<!b)", "look-around"),
        ("(?P<x>a)", "plain"),
        ("[[:alpha:]]", "\\["),
        ("[[.a.]]", "\\["),
        ("[a", "backslash"),
        ("[]", "which characters"),
        ("[^]", "which characters"),
        ("[z-a]", "lesser"),
        ("(a", "backslash"),
        ("a)", "\\)"),
        ("()", "Leave it out"),
        ("(a|)", "(...)?"),
        ("|a", "(...)?"),
        ("*a", "\\*"),
        ("a**", "one"),
        ("a+?", "one"),
        ("a*+", "one"),
        ("a{2}{3}", "one"),
        ("a{x}", "{2}"),
        ("a{", "{2}"),
        ("a{,3}", "{2}"),
        ("a{1", "{2}"),
        ("a{99999999}", "{2}"),
        ("}", "\\}"),
        ("]", "\\]"),
        ("***:a", "\\*"),
    ],
)
def test_what_engines_differ_on_or_could_choke_on_is_refused_with_advice(pattern: str, hint: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        typed(asked(pattern))
    assert caught.value.code == "function.arguments"
    assert hint in caught.value.advice, caught.value.advice
    assert caught.value.span[0] == len("MATCHES(s, ")


@pytest.mark.parametrize(
    "text", ["MATCHES(s, t)", "MATCHES(s, NULL)", "MATCHES(n, 'a')", "MATCHES(s)", "MATCHES(s, 'a', 'i')"]
)
def test_the_pattern_is_a_constant_text(text: str) -> None:
    with pytest.raises(ExpressionError):
        typed(text)


def test_time_is_linear_in_the_text() -> None:
    begin = time.monotonic()
    assert value(asked("a*a*a*b"), s="a" * 200_000) is False
    assert value(asked("a?" * 200 + "a" * 200), s="a" * 200) is True
    assert time.monotonic() - begin < 2


def test_random_patterns_are_refused_or_read_as_pythons_own_engine_reads_them() -> None:
    """Python's `re` reads this subset alike: the texts are short, so that its backtracking does not matter."""
    draw = random.Random(5)
    pieces = ["a", "b", ".", "[ab]", "[^a]", "(", ")", "|", "?", "*", "+", "{2}", "{0,2}", "\\.", "-", "[a-c]", "\\("]
    texts = ["", "a", "b", "ab", "aab", "abab", ".", "-", "c", "\n", "(a", "aa.b"]
    read = 0
    for _ in range(20_000):
        pattern = "".join(draw.choices(pieces, k=draw.randrange(1, 8)))
        try:
            written = portable(pattern)
        except Exception as problem:  # noqa: BLE001 - any other class is the failure that is looked for
            assert type(problem).__name__ == "PatternError", pattern
            continue
        read += 1
        matches, theirs = matcher(written), re.compile(pattern)
        assert [matches(text) for text in texts] == [theirs.fullmatch(text) is not None for text in texts], pattern
    assert read > 1_000
    assert MAX_SIZE == 1_000
