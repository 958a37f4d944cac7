"""docs/functions.md is what the catalogue says."""

from __future__ import annotations

from pathlib import Path

from translators.expression.catalogue import CATALOGUE, INSTEAD, page

PAGE = Path(__file__).parents[3] / "docs" / "functions.md"


def test_the_page_is_up_to_date() -> None:
    wanted = (
        "python -c 'from translators.expression.catalogue import page; print(page(), end=str())' > docs/functions.md"
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
