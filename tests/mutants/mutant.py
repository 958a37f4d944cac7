"""What a mutant is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """Replace `old`, which stands once in `file`, by `new`; at least one of `tests` must then fail.

    `needs`: what a machine must have for these tests to run.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    needs: str | None = None
