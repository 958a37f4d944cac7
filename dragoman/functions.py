"""The adopter's Python that translates: functions that mappings name, and translators that are classes."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import ClassVar

from dragoman.python_files import python_module
from translators.errors import DragomanError
from translators.functions import FunctionMissing, PythonFunction
from translators.python_class import PythonTranslator


class TranslatorMissing(DragomanError):
    """{file} has {found} instead of one translator."""

    code: ClassVar[str] = "project.no-translator"
    hint: ClassVar[str] = (
        "Write one `class PolicyTranslator(PythonTranslator)` there; `from dragoman import PythonTranslator`."
    )


def function_of(folder: Path, name: str) -> PythonFunction:
    """The function `module:function` of functions/module.py, or of module.py. `FunctionMissing`, or `PythonFailed`."""
    module, _, function = name.partition(":")
    below = Path(*module.split(".")).with_suffix(".py")
    places = [folder / "functions" / below, folder / below]
    file = next((place for place in places if place.is_file()), None)
    if file is None:
        named = " nor ".join(str(place.relative_to(folder)) for place in places)
        raise FunctionMissing(function=name, reason=f"there is neither {named}")
    found = getattr(python_module(folder, file), function, None)
    if not callable(found):
        raise FunctionMissing(function=name, reason=f"{file.relative_to(folder)} has no function {function}")
    return PythonFunction(found, python_version(file.parent))


def python_version(folder: Path) -> str:
    """What changes whenever a Python file of a folder does: a module may use those beside it."""
    digest = blake2b(digest_size=8)
    for file in sorted(folder.glob("*.py")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def translator_of(folder: Path, file: Path) -> type[PythonTranslator]:
    """The one translator that a file of the project defines. `TranslatorMissing`, or `PythonFailed`."""
    module = python_module(folder, file)
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, PythonTranslator) and value.__module__ == module.__name__
    ]
    if len(found) != 1:
        named = ", ".join(kind.__name__ for kind in found)
        where = file.relative_to(folder)
        raise TranslatorMissing(file=where, found=f"the classes {named}" if named else "nothing", where=where)
    return found[0]
