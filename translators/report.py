"""What is wrong with a mapping, collected: each finding with its place and the line that it is about."""

from __future__ import annotations

from translators.findings import Finding
from translators.mapping import Expression, Mapping
from translators.shared import file_of
from translators.yaml_text import Mark


class Report:
    """The findings of one mapping; `text` is its file's. One thing is told once, however often it is met."""

    def __init__(self, mapping: Mapping, text: str) -> None:
        self.findings: list[Finding] = []
        self._file = mapping.file
        self._lines = {file: of.splitlines() for file, of in {**mapping.included, mapping.file: text}.items()}

    def find(self, code: str, mark: Mark, message: str, length: int = 1, hint: str = "") -> None:
        """Something is wrong at a place; `length` is how many characters are meant."""
        file = file_of(mark, self._file)
        lines = self._lines.get(file, [])
        excerpt = lines[mark.line - 1] if mark.line <= len(lines) else ""
        found = Finding(
            code=code,
            severity="error",
            file=file,
            line=mark.line,
            column=mark.column,
            message=message,
            hint=hint,
            length=min(length, max(1, len(excerpt) - mark.column + 1)),
            excerpt=excerpt,
        )
        if found not in self.findings:
            self.findings.append(found)

    def at(self, node: Expression, span: tuple[int, int], code: str, message: str, hint: str = "") -> None:
        """Something is wrong with a part of an expression."""
        self.find(code, node.scalar.locate(span[0]), message, max(1, span[1] - span[0]), hint)

    def whole(self, node: Expression, code: str, message: str, hint: str = "") -> None:
        """Something is wrong with an expression as it stands."""
        self.at(node, (0, len(node.text)), code, message, hint)
