"""docs/functions.md is what the catalogue says."""

from __future__ import annotations

from pathlib import Path

import pytest

from translators.expression.catalogue import CATALOGUE, INSTEAD
from translators.expression.reference import entries_named, names, page

PAGE = Path(__file__).parents[3] / "docs" / "functions.md"


def test_the_page_is_up_to_date() -> None:
    wanted = (
        "python -c 'from translators.expression.reference import page; print(page(), end=str())' > docs/functions.md"
    )
    assert PAGE.read_text(encoding="utf-8") == page(), f"make it anew: {wanted}"


def test_the_page_names_every_entry_and_its_errors() -> None:
    text = page()
    for entry in CATALOGUE.values():
        assert f"### `{entry.signature}`" in text
        assert entry.meaning in text
        assert all(f"`{code}`" in text for code in entry.errors)
        assert all(example.text in text for example in entry.examples)
    assert all(f"| `{name}` |" in text for name in INSTEAD)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("coalesce", ["COALESCE"]),
        ("ROUND", ["ROUND", "/", "ROUND /"]),
        ("is not null", ["IS NULL"]),
        ("not", ["NOT"]),
        ("-", ["-", "NEGATE", "± INTERVAL", "DAYS"]),
        ("!=", ["<>"]),
        ("mod", ["%"]),
        ("round /", ["ROUND /", "/"]),
        ("escape", ["LIKE"]),
        ("days", ["DAYS"]),
        ("area", []),
        ("", []),
        ("NVL", []),
    ],
)
def test_the_entries_that_a_word_is_about(word: str, meant: list[str]) -> None:
    assert [entry.name for entry in entries_named(word)] == meant


def test_every_entry_is_found_by_its_own_name() -> None:
    for name, entry in CATALOGUE.items():
        assert entries_named(name)[0] == entry
        assert name in names()
