"""Python that an adopter wrote and a mapping calls: pure functions with declared inputs, and what they may give back."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import ClassVar

import msgspec

from translators.errors import DragomanError
from translators.expression.bound import Call
from translators.expression.runtime import MAX_INTEGER, MIN_INTEGER, ValueProblem
from translators.schema import Type

_CODE = re.compile(r"[a-z][a-z0-9-]*(\.[a-z0-9_-]+)+")


class Reject(Exception):
    """Raised by an adopter's Python: this change is rejected, with a dotted code (`rating.no-tariff`) and one sentence.

    `ValueError` if the code is no such code.
    """

    def __init__(self, code: str, message: str) -> None:
        if not _CODE.fullmatch(code):
            raise ValueError(f"{code!r} is no dotted code such as 'rating.no-tariff'")
        self.code = code
        self.message = message
        super().__init__(message)


class PythonFunction(msgspec.Struct, frozen=True):
    """A function that a mapping names. `version` changes with its code, and so does the mapping's."""

    call: Callable[..., object]
    version: str


Functions = Callable[[str], PythonFunction]
"""Finds the function `module:function`. Raises a `DragomanError` (`FunctionMissing`) where there is none."""


class FunctionMissing(DragomanError):
    """There is no Python function {function}: {reason}."""

    code: ClassVar[str] = "py.missing"
    hint: ClassVar[str] = "`py: rating:risk_class` is the function risk_class of functions/rating.py."


class PythonCall(Call, frozen=True):
    """What Python computes from its arguments. `name` is what people call it; `data` is the function, if it is one."""


def no_functions(name: str) -> PythonFunction:
    """The resolver of a mapping that stands alone: it finds nothing."""
    raise FunctionMissing(function=name, reason="no functions were given")


def guarded(name: str, function: Callable[..., object]) -> Callable[..., object]:
    """The function with its exceptions translated: `Reject` to its own code, any other to `py.failed`."""

    def call(*args: object) -> object:
        try:
            return function(*args)
        except Reject as rejected:
            said = {"said": rejected.message, "public": f"{name} rejects it"}
            raise ValueProblem(rejected.code, dict(said)) from rejected
        except ValueProblem:
            raise
        except Exception as error:
            raise ValueProblem("py.failed", {"said": f"{name} raised {_told(error)}"}) from error

    return call


def _told(error: Exception) -> str:
    """The type of an exception and the line that raised it; what it says may hold a value, so it is left out."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    file = re.split(r"[/\\]", trace.tb_frame.f_code.co_filename)[-1]
    return f"{type(error).__name__} ({file}:{trace.tb_lineno})"


def fitting(name: str, kind: Type) -> Callable[[object], object]:
    """What makes sure that a value given by Python is of a type, and brings decimals to its scale.

    The function raises `ValueProblem` with `py.type`.
    """
    fit = _FITS[kind.kind]

    def fitted(value: object) -> object:
        if value is None and kind.nullable:
            return None
        found = fit(value, kind)
        if found is None:
            given = "None" if value is None else type(value).__name__
            raise ValueProblem("py.type", {"said": f"{name} gives {given}, which does not fit {kind}"})
        return found

    return fitted


def _text(value: object, kind: Type) -> object:
    return value if type(value) is str and (not kind.length or len(value) <= kind.length) else None


def _integer(value: object, kind: Type) -> object:
    return value if type(value) is int and MIN_INTEGER <= value <= MAX_INTEGER else None


def _float(value: object, kind: Type) -> object:
    return value + 0.0 if type(value) is float and value - value == 0 else None


def _decimal(value: object, kind: Type) -> object:
    """A decimal with exactly the type's scale; one that would have to be rounded, or has too many digits, does not fit."""
    if type(value) is not Decimal or not value.is_finite():
        return None
    if kind.kind == "wide":
        return value if value else value.copy_abs()
    _, digits, exponent = value.as_tuple()
    missing = kind.scale + int(exponent)
    if missing < 0 and any(digits[missing:]):
        return None
    figures = [*digits, *([0] * missing)] if missing >= 0 else list(digits[:missing])
    found = Decimal((int(value.is_signed()), tuple(figures) or (0,), -kind.scale))
    return None if found.adjusted() >= kind.precision - kind.scale and found else found if found else found.copy_abs()


def _boolean(value: object, kind: Type) -> object:
    return value if type(value) is bool else None


def _date(value: object, kind: Type) -> object:
    return value if type(value) is date else None


def _timestamp(value: object, kind: Type) -> object:
    return value if isinstance(value, datetime) and value.tzinfo is None else None


def _instant(value: object, kind: Type) -> object:
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo is not None else None


_FITS: dict[str, Callable[[object, Type], object]] = {
    "text": _text,
    "integer": _integer,
    "float": _float,
    "decimal": _decimal,
    "wide": _decimal,
    "boolean": _boolean,
    "date": _date,
    "timestamp": _timestamp,
    "timestamptz": _instant,
}
KINDS = frozenset(_FITS)
"""The kinds of value that Python may give."""
