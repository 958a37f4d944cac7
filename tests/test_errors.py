"""Every error that a person may see: it has a code of its own, a message that formats, and advice."""

from __future__ import annotations

import pkgutil
import re
from collections import Counter
from functools import cache
from importlib import import_module
from string import Formatter

import pytest

from translators.errors import DragomanError, every_error

PACKAGES = ("translators", "connectors", "pipeline", "reconcile", "dragoman")
CODE = re.compile(r"[a-z]+(-[a-z]+)*(\.[a-z0-9_]+(-[a-z0-9_]+)*)+")


@cache
def errors() -> list[type[DragomanError]]:
    """All errors of all modules."""
    for name in PACKAGES:
        package = import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not module.name.startswith("dragoman.example_insurer") and not module.name.endswith("__main__"):
                import_module(module.name)
    return [kind for kind in every_error() if kind.__module__.split(".")[0] in PACKAGES]


def fields(text: str) -> list[str]:
    return [re.split(r"[.\[]", name)[0] for _, name, _, _ in Formatter().parse(text) if name is not None]


def test_there_are_many() -> None:
    assert len(errors()) > 80


@pytest.mark.parametrize("kind", errors(), ids=lambda kind: f"{kind.__module__}.{kind.__qualname__}")
def test_an_error_speaks(kind: type[DragomanError]) -> None:
    assert CODE.fullmatch(kind.code), kind.code
    # A docstring is inherited by nobody: each kind says what it is in its own words.
    assert kind.__doc__
    assert kind.hint
    values: dict[str, object] = {name: 7 for name in {*fields(kind.__doc__), *fields(kind.hint), "where"}}
    error = Exception.__new__(kind)
    DragomanError.__init__(error, **values)
    for text in (error.message, error.advice):
        assert text
        assert "{" not in text.replace("{7", "")
        assert "\n" not in error.message
    assert error.advice.endswith((".", "?", ")", "7"))
    assert str(error) == error.message
    assert isinstance(kind.transient, bool)


def test_no_two_errors_share_a_code() -> None:
    # An error may carry on its parent's code; two that stand beside each other may not.
    codes = Counter(kind.code for kind in errors() if "code" in vars(kind))
    assert {code: number for code, number in codes.items() if number > 1} == {}


def test_hints_say_what_to_do() -> None:
    default = DragomanError.hint
    assert [kind.__qualname__ for kind in errors() if kind is not DragomanError and kind.hint == default] == []
