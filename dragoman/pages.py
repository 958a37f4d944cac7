"""The pages of `docs/lint/`: what each finding means, and what to do about it."""

from __future__ import annotations

import re
from importlib import import_module
from typing import ClassVar

from dragoman.identity import HOME
from translators.errors import DragomanError, every_error
from translators.lint import RULES
from translators.yaml_text import did_you_mean

_FOLDERS = (HOME / "dragoman" / "lint_pages", HOME / "docs" / "lint")
_SPEAKERS = (
    "dragoman.checking", "dragoman.linting", "dragoman.mapping_tests", "dragoman.wiring", "translators.expression.errors",
)  # fmt: skip
"""Modules from which the errors come that lint shows as findings."""


class NoPage(DragomanError):
    """Nothing is called {code}{suggestion}"""

    code: ClassVar[str] = "lint.page-missing"
    hint: ClassVar[str] = "Take the code from a finding, where it stands behind `error` or `warning`."


def page_of(code: str) -> str:
    """What there is to say about a code, as Markdown: its page, or else the error's own words. `NoPage`."""
    known = {path.stem: path for folder in _FOLDERS if folder.is_dir() for path in folder.glob("*.*.md")}
    if code in known:
        return known[code].read_text(encoding="utf-8")
    for module in _SPEAKERS:
        import_module(module)
    kinds = {kind.code: kind for kind in every_error()}
    if code in kinds:
        return _of_error(kinds[code])
    if code in RULES:
        return f"# {code}\n\n{RULES[code].title}.\n"
    raise NoPage(code=code, suggestion=did_you_mean(code, {*known, *kinds, *RULES}))


def _of_error(kind: type[DragomanError]) -> str:
    words = [" ".join((kind.__doc__ or "").split()), kind.hint]
    paragraphs = [re.sub(r"\{(\w+)[^}]*\}", r"<\1>", text) for text in words if text not in ("{what}", "{fix}")]
    return "\n\n".join([f"# {kind.code}", *paragraphs]) + "\n"
