"""The front door: the command, the adopter's project read and wired, and the names users import; may import all.

The public names are fetched on first use, so that the command starts without paying for what it does not need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from translators.contract import Contract, Promise, personal, sensitive
    from translators.functions import Reject
    from translators.python_class import LegacyRows, PythonTranslator
    from translators.translator import Event

__all__ = [
    "Contract",
    "Event",
    "LegacyRows",
    "Promise",
    "PythonTranslator",
    "Reject",
    "__version__",
    "personal",
    "sensitive",
]

__dragoman__ = True
__version__ = "0.1.0"

_HOMES = {
    **dict.fromkeys(("Contract", "Promise", "personal", "sensitive"), "translators.contract"),
    **dict.fromkeys(("LegacyRows", "PythonTranslator"), "translators.python_class"),
    "Event": "translators.translator",
    "Reject": "translators.functions",
}


def __getattr__(name: str) -> object:
    """A public name from the module that it lives in; `AttributeError` for any other."""
    if name not in _HOMES:
        raise AttributeError(f"module 'dragoman' has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
