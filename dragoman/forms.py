"""Reading the project's own YAML files: a fixed set of keys, `${VAR}` filled in, and a place for everything wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from translators.errors import DragomanError
from translators.yaml_form import Form
from translators.yaml_text import YamlNode, did_you_mean, load

MAX_NUMBER = 10_000

_SHARE = re.compile(r"[01](\.[0-9]{1,6})?")
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")


class ProjectMalformed(DragomanError):
    """{problem}."""

    code: ClassVar[str] = "project.malformed"
    hint: ClassVar[str] = "{fix}"


class VariableMissing(DragomanError):
    """The environment has no variable {name}."""

    code: ClassVar[str] = "project.variable-missing"
    hint: ClassVar[str] = "Set {name}, or write a default: ${{{name}:-value}}."


class SecretWritten(DragomanError):
    """{key} is written into the file."""

    code: ClassVar[str] = "project.secret-written"
    hint: ClassVar[str] = (
        "Files are kept and copied, secrets are not: name a variable of the environment, `{key}: ${{{variable}}}`."
    )


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


class Secret:
    """A variable of the environment that nobody but its user reads: lint and help do without it."""

    def __init__(self, environment: Environment, text: str, where: str) -> None:
        self._environment = environment
        self._text = text
        self._where = where

    def __repr__(self) -> str:
        return f"Secret({self._text})"

    def reveal(self) -> str:
        """Its value; `VariableMissing` if there is none."""
        return self._environment.filled(self._text, self._where)


class SecretFile:
    """A file with nothing but a secret in it, as Docker and Kubernetes mount them; nobody but its user reads it."""

    def __init__(self, path: Path, where: str) -> None:
        self._path = path
        self._where = where

    def __repr__(self) -> str:
        return f"SecretFile({self._path})"

    def reveal(self) -> str:
        """Its text without the end of its line; `FileMissing`, `FileUnreadable`."""
        fix = "Mount the secret there, or name the file that holds it."
        return read_text(self._path, self._where, fix).rstrip("\r\n")


Credential = Secret | SecretFile
"""A secret that is not in the project's files, wherever it is."""


def read_text(path: Path, name: str, fix: str) -> str:
    """The text of a project file; `name` is what errors call it, `fix` what to do if it is not there."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise FileMissing(path=path, fix=fix, where=name) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FileUnreadable(path=path, reason=reason, where=name) from error


class Section:
    """One mapping of a project file. `what` is what errors call it; `malformed` has the fields problem, fix and where."""

    def __init__(
        self,
        node: YamlNode,
        file: str,
        what: str,
        environment: Environment,
        malformed: type[DragomanError] = ProjectMalformed,
    ) -> None:
        self._file = file
        self._what = what
        self._environment = environment
        self._malformed = malformed
        self._form = Form(file, malformed)
        self._map = self._form.a_map(node, what)

    @classmethod
    def of(
        cls, text: str, file: str, environment: Environment, malformed: type[DragomanError] = ProjectMalformed
    ) -> Section:
        """A whole file."""
        return cls(load(text, file), file, "the file", environment, malformed)

    def only(self, required: Iterable[str], optional: Iterable[str] = ()) -> Section:
        """This section, if it has all required keys and no unknown one."""
        self._form.members(self._map, self._what, set(required), set(optional))
        return self

    def __contains__(self, key: str) -> bool:
        return key in self._map.items

    @property
    def keys(self) -> list[str]:
        """The keys, in the file's order."""
        return list(self._map.items)

    def node(self, key: str) -> YamlNode:
        """A value as it was read."""
        return self._map.items[key]

    def where(self, key: str) -> str:
        """The place of a key's value."""
        return self._form.where(self.node(key).mark)

    def text(self, key: str) -> str:
        """A text that is not empty."""
        return self._filled(self.node(key), key)

    def optional(self, key: str) -> str | None:
        """A text, or nothing if the key is not there."""
        return self.text(key) if key in self else None

    def secret(self, key: str) -> Secret | None:
        """A variable of the environment, or nothing if the key is not there; `SecretWritten` for anything else."""
        if key not in self:
            return None
        text, where = self._form.text(self.node(key), key), self.where(key)
        variable = _VARIABLE.fullmatch(text)
        if variable is None or variable["default"] is not None:
            raise SecretWritten(key=key, variable=key.upper(), where=where)
        return Secret(self._environment, text, where)

    def credential(self, key: str, folder: Path) -> Credential | None:
        """A secret as `key: ${VARIABLE}`, or in the file that `key_file` names (relative to `folder`); nothing without them."""
        of_file = f"{key}_file"
        if of_file not in self:
            return self.secret(key)
        if key in self:
            problem = f"{key} and {of_file} are both given"
            raise self._form.wrong(problem, self.node(of_file).mark, "Keep the one that holds the secret.")
        return SecretFile(folder / self.text(of_file), self.where(of_file))

    def one_of(self, key: str, words: tuple[str, ...]) -> str:
        """One of a closed set of words."""
        text = self.text(key)
        if text not in words:
            known = ", ".join(words)
            problem = f"{key} is {text!r}{did_you_mean(text, words)}"
            raise self._form.wrong(problem, self.node(key).mark, f"It is one of: {known}.")
        return text

    def flag(self, key: str, default: bool) -> bool:
        """`true` or `false`."""
        return self.one_of(key, ("true", "false")) == "true" if key in self else default

    def number(self, key: str, most: int = MAX_NUMBER) -> int:
        """A whole number from 1 on."""
        text = self.text(key)
        if not (text.isascii() and text.isdigit() and 0 < int(text) <= most):
            problem = f"{key} is {text!r}, which is no whole number from 1 to {most}"
            raise self._form.wrong(problem, self.node(key).mark, "Correct the number.")
        return int(text)

    def share(self, key: str) -> float:
        """A decimal number above 0, up to 1."""
        text = self.text(key)
        if not (_SHARE.fullmatch(text) and 0 < float(text) <= 1):
            problem = f"{key} is {text!r}, which is no share above 0, up to 1"
            raise self._form.wrong(problem, self.node(key).mark, "Write a fifth as 0.2.")
        return float(text)

    def names(self, key: str) -> tuple[str, ...]:
        """One text, or a list of different ones."""
        where = self.where(key)
        return tuple(self._environment.filled(text, where) for text in self._form.texts(self.node(key), key))

    def sections(self, key: str) -> dict[str, Section]:
        """A mapping of names to sections."""
        inner = self._form.a_map(self.node(key), key)
        return {name: self._section(node, f"{key}.{name}") for name, node in inner.items.items()}

    def section(self, key: str) -> Section:
        """A nested section."""
        return self._section(self.node(key), key)

    def items(self, key: str) -> list[YamlNode]:
        """A list of whatever it holds."""
        return self._form.items(self.node(key), key)

    def _section(self, node: YamlNode, what: str) -> Section:
        return Section(node, self._file, what, self._environment, self._malformed)

    def _filled(self, node: YamlNode, key: str) -> str:
        return self._environment.filled(self._form.text(node, key), self._form.where(node.mark))
