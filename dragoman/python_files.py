"""The adopter's Python: contracts and handlers, imported from their folder without shadowing anybody's packages."""

from __future__ import annotations

import sys
import traceback
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import ClassVar

from dragoman.identity import check
from translators.contract import Contract
from translators.errors import DragomanError


class PythonFailed(DragomanError):
    """The Python file {file} cannot be imported: {reason}."""

    code: ClassVar[str] = "project.python-failed"
    hint: ClassVar[str] = "Correct it there; `python {file}` shows the whole traceback."


class ContractTwice(DragomanError):
    """Two contracts are called {type}: {first} and {second}."""

    code: ClassVar[str] = "contract.twice"
    hint: ClassVar[str] = "Give one of them another name or version."


def python_module(folder: Path, file: Path) -> ModuleType:
    """A Python file below the project's folder as a module. `PythonFailed` if it cannot be imported.

    The folder is a package of its own (so `from .x import y` works between its files) and the last place of the import
    path (so its files may import what stands beside them, and shadow nothing).
    """
    package = _package(folder)
    relative = file.relative_to(folder).with_suffix("")
    try:
        return import_module(".".join((package, *relative.parts)))
    except Exception as error:
        raise _failed(folder, file, error) from error


def contracts_of(folder: Path) -> dict[str, type[Contract]]:
    """Every contract of `contracts/*.py` by its type: `PolicyBound.v1`."""
    found: dict[str, type[Contract]] = {}
    for file in sorted((folder / "contracts").glob("*.py")):
        module = python_module(folder, file)
        for value in vars(module).values():
            if not (isinstance(value, type) and issubclass(value, Contract)) or value.__module__ != module.__name__:
                continue
            promise = getattr(value, "promise", None)
            if promise is None:
                continue
            if promise.type in found:
                first, second = (_named(folder, c) for c in (found[promise.type], value))
                raise ContractTwice(type=promise.type, first=first, second=second, where=str(file.relative_to(folder)))
            found[promise.type] = value
    return found


def _package(folder: Path) -> str:
    """The name of the package that stands for a folder, made at its first use."""
    name = f"_project_{blake2b(str(folder).encode(), digest_size=6).hexdigest()}"
    if name not in sys.modules:
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
        check()
    return name


def _failed(folder: Path, file: Path, error: Exception) -> PythonFailed:
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename).is_relative_to(folder)]
    name = file.relative_to(folder)
    where = str(name)
    if isinstance(error, SyntaxError) and error.lineno is not None:
        where = f"{name}:{error.lineno}:{error.offset or 1}"
    elif own:
        where = f"{Path(own[-1].filename).relative_to(folder)}:{own[-1].lineno}"
    lines = str(error).splitlines()
    return PythonFailed(file=name, reason=f"{type(error).__name__}: {lines[0] if lines else ''}", where=where)


def _named(folder: Path, contract: type[Contract]) -> str:
    return f"{'/'.join(contract.__module__.split('.')[1:])}.py {contract.__name__}"
