"""Packages that the core goes without, each in an extra: whoever needs one that is not installed is told which."""

from __future__ import annotations

from typing import ClassVar

from translators.errors import DragomanError

EXTRAS = {
    "aiokafka": "kafka",
    "rocksdict": "kafka",
    "faust": "kafka",
    "mode": "kafka",
    "httpx": "connect",
    "psycopg": "postgres",
    "MySQLdb": "mysql",
    "duckdb": "reconcile",
}
"""By the name that is imported, the extra that brings it."""


class ExtraMissing(DragomanError):
    """This needs the package {package}, which is not installed."""

    code: ClassVar[str] = "install.extra-missing"
    hint: ClassVar[str] = "Install the extra: pip install 'dragoman[{extra}]'."


def missing(error: ModuleNotFoundError) -> ExtraMissing | None:
    """What to say of a module that was not found; `None` if no extra brings it."""
    package = (error.name or "").partition(".")[0]
    return ExtraMissing(package=package, extra=EXTRAS[package]) if package in EXTRAS else None
