"""Reading the project's own YAML files: a fixed set of keys, `${VAR}` filled in, and a place for everything wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from translators.errors import DragomanError
from translators.yaml_text import Mark, YamlList, YamlMap, YamlNode, YamlScalar, did_you_mean, load, place

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")


class ProjectMalformed(DragomanError):
    """{problem}."""

    code: ClassVar[str] = "project.malformed"
    hint: ClassVar[str] = "{fix}"


class UnknownKey(DragomanError):
    """{owner} has the unknown key {key!r}{suggestion}."""

    code: ClassVar[str] = "project.unknown-key"
    hint: ClassVar[str] = "Known here: {known}."


class VariableMissing(DragomanError):
    """The environment has no variable {name}."""

    code: ClassVar[str] = "project.variable-missing"
    hint: ClassVar[str] = "Set {name}, or write a default: ${{{name}:-value}}."


class FileMissing(DragomanError):
    """There is no file {path}."""

    code: ClassVar[str] = "project.file-missing"
    hint: ClassVar[str] = "{fix}"


class FileUnreadable(DragomanError):
    """The file {path} cannot be read: {reason}."""

    code: ClassVar[str] = "project.file-unreadable"
    hint: ClassVar[str] = "Check its rights, and that it is UTF-8 text."


class Environment(Mapping[str, str]):
    """The variables that project files may name; their values are never shown."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = dict(variables)

    def __getitem__(self, name: str) -> str:
        return self._variables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)

    def __repr__(self) -> str:
        return f"Environment({len(self)} variables)"

    def filled(self, text: str, where: str) -> str:
        """The text with each `${VAR}` and `${VAR:-default}` filled in; `VariableMissing` for one that nothing gives.

        As in a shell, the default also stands for a variable that is set to nothing.
        """

        def value(match: re.Match[str]) -> str:
            given = self._variables.get(match["name"])
            if given or (given is not None and match["default"] is None):
                return given
            if match["default"] is None:
                raise VariableMissing(name=match["name"], where=where)
            return match["default"]

        return _VARIABLE.sub(value, text)


def read_text(path: Path, name: str, fix: str) -> str:
    """The text of a project file; `name` is what errors call it, `fix` what to do if it is not there."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise FileMissing(path=path, fix=fix, where=name) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FileUnreadable(path=path, reason=reason, where=name) from error


class Form:
    """One mapping of a project file, with the keys that it may have. `what` is what errors call it."""

    def __init__(self, node: YamlNode, file: str, what: str, environment: Environment) -> None:
        self._file = file
        self._what = what
        self._environment = environment
        self._map = self._a_map(node)

    @classmethod
    def of(cls, text: str, file: str, environment: Environment) -> Form:
        """The form of a whole file."""
        return cls(load(text, file), file, "the file", environment)

    def only(self, required: Iterable[str], optional: Iterable[str] = ()) -> Form:
        """This form, if it has all required keys and no unknown one."""
        required = tuple(required)
        known = (*required, *optional)
        for key, mark in self._map.key_marks.items():
            if key not in known:
                raise UnknownKey(
                    owner=self._what,
                    key=key,
                    suggestion=did_you_mean(key, known),
                    known=", ".join(known),
                    where=place(self._file, mark),
                )
        for key in required:
            if key not in self._map.items:
                raise self._wrong(f"{self._what} lacks the key {key!r}", f"Add `{key}:`.", self._map.mark)
        return self

    def __contains__(self, key: str) -> bool:
        return key in self._map.items

    def keys(self) -> list[str]:
        """The keys, in the file's order."""
        return list(self._map.items)

    def where(self, key: str) -> str:
        """The place of a key's value."""
        return place(self._file, self._map.items[key].mark)

    def text(self, key: str) -> str:
        """A text that is not empty."""
        return self._text(self._map.items[key], key)

    def optional(self, key: str) -> str | None:
        """A text, or nothing if the key is not there."""
        return self.text(key) if key in self else None

    def one_of(self, key: str, words: tuple[str, ...]) -> str:
        """One of a closed set of words."""
        text = self.text(key)
        if text not in words:
            known = ", ".join(words)
            problem = f"{key} is {text!r}{did_you_mean(text, words)}"
            raise self._wrong(problem, f"It is one of: {known}.", self._map.items[key].mark)
        return text

    def flag(self, key: str, default: bool) -> bool:
        """`true` or `false`."""
        return self.one_of(key, ("true", "false")) == "true" if key in self else default

    def number(self, key: str) -> int:
        """A whole number from 1 on."""
        text = self.text(key)
        if not (text.isascii() and text.isdigit() and 0 < int(text) <= 10_000):
            raise self._wrong(f"{key} is {text!r}, not a number from 1 to 10000", "Write 3, say.", self._map.items[key].mark)
        return int(text)

    def names(self, key: str) -> tuple[str, ...]:
        """A list of texts; one text stands for a list of one."""
        node = self._map.items[key]
        if isinstance(node, YamlList):
            return tuple(self._text(item, key) for item in node.items)
        return (self._text(node, key),)

    def forms(self, key: str) -> dict[str, Form]:
        """A mapping of names to forms."""
        inner = self._a_map(self._map.items[key], key)
        return {
            name: Form(node, self._file, f"{key}.{name}", self._environment) for name, node in inner.items.items()
        }

    def form(self, key: str) -> Form:
        """A nested form."""
        return Form(self._map.items[key], self._file, key, self._environment)

    def list(self, key: str) -> list[YamlNode]:
        """A list of whatever it holds."""
        node = self._map.items[key]
        if not isinstance(node, YamlList):
            raise self._wrong(f"{key} is no list", "Begin each item with `- `.", node.mark)
        return node.items

    def node(self, key: str) -> YamlNode:
        """A value as it was read."""
        return self._map.items[key]

    def _text(self, node: YamlNode, key: str) -> str:
        if not isinstance(node, YamlScalar) or not node.text.strip():
            raise self._wrong(f"{key} is no text", f"Write `{key}: ` and the text behind it, on one line.", node.mark)
        return self._environment.filled(node.text, place(self._file, node.mark))

    def _a_map(self, node: YamlNode, what: str | None = None) -> YamlMap:
        if not isinstance(node, YamlMap):
            raise self._wrong(f"{what or self._what} is no set of `name: value`", "Write one `name: value` a line.", node.mark)
        return node

    def _wrong(self, problem: str, fix: str, mark: Mark) -> ProjectMalformed:
        return ProjectMalformed(problem=problem, fix=fix, where=place(self._file, mark))
