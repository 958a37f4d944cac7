"""`dragoman functions`: the catalogue at the terminal, outside of any project."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dragoman.support import dragoman, succeeds
from translators.expression.catalogue import CATALOGUE, SECTIONS


def test_all_of_them_by_kind_each_with_one_meaning(tmp_path: Path) -> None:
    lines = succeeds("functions", cwd=tmp_path).out.splitlines()
    titles = [line for line in lines[:-1] if line and not line.startswith(" ")]
    assert titles == [title for title, _ in SECTIONS]
    assert "  COALESCE(a, b, ...)              The first that is not NULL; nothing after it is computed" in lines
    told = " ".join(" ".join(lines).split())
    for entry in CATALOGUE.values():
        assert " ".join(entry.signature.split()) in told
        assert entry.meaning.split(". ", 1)[0].rstrip(".") in told
    assert max(map(len, lines)) <= 100


def test_one_of_them_whole(tmp_path: Path) -> None:
    assert succeeds("functions", "nullif", cwd=tmp_path).out.splitlines()[:8] == [
        "NULLIF(a, b)",
        "  NULL if a = b, else a. Says aloud what a legacy filler means: NULLIF(eff_dt, '00000000').",
        "",
        "  NULL      NULL if equal",
        "  examples  NULLIF(s, '')  -- NULL, where s = ''",
        "            NULLIF(s, '')  -- 'a', where s = 'a'",
        "",
        "Columns of the examples: a boolean, b boolean, n integer, m integer, d decimal(9,2), e",
    ]
    assert "  errors    a row is rejected by value.not_a_date\n" in succeeds("functions", "TO_DATE", cwd=tmp_path).out


def test_as_data(tmp_path: Path) -> None:
    lines = succeeds("functions", "--json", cwd=tmp_path).lines
    assert [one["name"] for one in lines] == list(CATALOGUE)
    (one,) = succeeds("functions", "to_date", "--json", cwd=tmp_path).lines
    assert (one["kind"], one["nulls"], one["errors"]) == ("Dates and times", "strict", ["value.not_a_date"])
    assert one["examples"][0] == {
        "text": "TO_DATE(s, 'YYYYMMDD')",
        "value": "2024-02-29",
        "given": {"s": "20240229"},
    }


@pytest.mark.parametrize(
    ("word", "message", "advice"),
    [
        ("coalsce", "There is no function or operator coalsce; did you mean 'COALESCE'?", "shows them all"),
        ("nvl", "There is no function or operator nvl", "Write COALESCE(a, b)."),
        ("qqqq", "There is no function or operator qqqq", "shows them all"),
    ],
)
def test_one_that_nobody_knows(tmp_path: Path, word: str, message: str, advice: str) -> None:
    told = dragoman("functions", word, cwd=tmp_path)
    first, second, third = told.err.splitlines()
    assert (told.code, first, second.strip()) == (2, "error functions.unknown", message)
    assert advice in third
