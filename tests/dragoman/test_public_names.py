"""The names that users import from `dragoman`: all there, each fetched only when it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import dragoman
from translators import contract, functions, python_class, translator


def test_every_public_name_is_there() -> None:
    assert {name: getattr(dragoman, name) for name in dragoman.__all__ if name != "__version__"} == {
        "Contract": contract.Contract,
        "Event": translator.Event,
        "LegacyRows": python_class.LegacyRows,
        "Promise": contract.Promise,
        "PythonTranslator": python_class.PythonTranslator,
        "Reject": functions.Reject,
        "personal": contract.personal,
        "sensitive": contract.sensitive,
    }


def test_another_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        dragoman.Nothing  # noqa: B018 - the look-up is what is tested


def test_importing_dragoman_imports_nothing_heavy() -> None:
    program = "import dragoman, sys; print({'pydantic', 'sqlalchemy', 'typer', 'rich', 'msgspec'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (run.stdout, run.stderr) == ("set()\n", "")
