"""What lint says of a file: one finding a line, with its place, its severity and what to do."""

from __future__ import annotations

from typing import Literal

import msgspec

from translators.errors import DragomanError

Severity = Literal["error", "warning"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, or suspicious, at one place.

    `line` and `column` count from 1; `length` is how many characters are meant, `excerpt` the line of the file.
    """

    code: str
    severity: Severity
    file: str
    line: int
    column: int
    message: str
    hint: str = ""
    length: int = 1
    excerpt: str = ""

    @property
    def where(self) -> str:
        """`file:line:column`."""
        return f"{self.file}:{self.line}:{self.column}"


class MappingInvalid(DragomanError):
    """{count} in {file}; the first: {first}."""

    code = "mapping.invalid"
    hint = "`dragoman lint` shows them all with their lines."

    def __init__(self, findings: list[Finding]) -> None:
        self.findings = findings
        errors = [f for f in findings if f.severity == "error"]
        first = errors[0]
        count = f"{len(errors)} error{'s' if len(errors) > 1 else ''}"
        super().__init__(
            count=count, file=first.file, first=f"{first.code}: {first.message.rstrip('.')}", where=first.where
        )
