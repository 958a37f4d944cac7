"""Places in files that a mapping takes something from: they keep the name of their file wherever they go."""

from __future__ import annotations

from dataclasses import dataclass

from translators.yaml_text import Mark, YamlScalar


class FileMark(Mark):
    """A place in another file than the mapping's own."""

    file: str

    def __new__(cls, line: int, column: int, file: str) -> FileMark:
        """A place; line and column count from 1."""
        made = super().__new__(cls, line, column)
        made.file = file
        return made


@dataclass(frozen=True, slots=True)
class FileScalar(YamlScalar):
    """A text in another file than the mapping's own."""

    file: str = ""

    @classmethod
    def of(cls, scalar: YamlScalar, file: str) -> FileScalar:
        """A scalar of this file."""
        mark = FileMark(*scalar.mark, file)
        return cls(scalar.text, mark, scalar.style, scalar.source, scalar.start, scalar.end, file)

    def locate(self, offset: int) -> Mark:
        """See `YamlScalar`."""
        return FileMark(*YamlScalar.locate(self, offset), self.file)


def file_of(mark: Mark, otherwise: str) -> str:
    """The file of a place: its own, where it keeps one."""
    return mark.file if isinstance(mark, FileMark) else otherwise
