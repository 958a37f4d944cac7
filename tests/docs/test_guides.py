"""Every command of the guides prints what the guides show."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from tests.docs.guide import PREPARED, normal, rendered

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", PREPARED)
def test_a_guide_shows_what_its_commands_print(name: str, tmp_path: Path) -> None:
    text = (DOCS / name).read_text(encoding="utf-8")
    now = rendered(text, PREPARED[name](tmp_path))
    lines = difflib.unified_diff(normal(text).splitlines(), normal(now).splitlines(), "the guide", "now", lineterm="")
    assert list(lines) == []
    assert text.count("$ dragoman ") > 3


def test_a_guide_that_shows_something_else_is_found(tmp_path: Path) -> None:
    text = "```console\n$ echo this\nthat\n```\n"
    (tmp_path / "bin").mkdir()
    (tmp_path / "insurer").mkdir()
    assert rendered(text, tmp_path / "insurer") == "```console\n$ echo this\nthis\n```\n"
