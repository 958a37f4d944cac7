"""Expectations rewritten in place: each one that does not hold is replaced in its file, comments and order kept."""

from __future__ import annotations

import difflib
import io
import os
import re
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from dragoman.mapping_tests import file_of
from dragoman.project import Project
from pipeline.testing import MappingTest, Said, StepResult, shown
from translators.errors import DragomanError
from translators.outcome import Ignored, Rejected
from translators.yaml_text import Mark, YamlList, YamlMap, YamlNode, load, place

Result = tuple[MappingTest, list[StepResult]]

_PLAIN = re.compile(r"[A-Za-z](?:[A-Za-z0-9 _./()-]*[A-Za-z0-9_/()-])?")
_WORDS = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan"))


class TestNotUpdatable(DragomanError):
    """This expectation cannot be rewritten in place: it is written in brackets."""

    code: ClassVar[str] = "test.not-updatable"
    hint: ClassVar[str] = "Begin it with `- outcome: ...` on a line of its own, and run the command again."


class TestFileUnwritable(DragomanError):
    """The file {file} cannot be written: {reason}."""

    code: ClassVar[str] = "test.unwritable"
    hint: ClassVar[str] = "Check its rights and the room on the disk; it is as it was."


def update(project: Project, translator: str, results: Sequence[Result]) -> int:
    """Rewrite what these tests expect where it did not hold; the number of expectations. The file changes as a whole."""
    file = file_of(translator)
    text = project.text(file)
    lines = text.splitlines(keepends=True)
    marks = _marks(text, file)
    wrong = [
        (marks[test.where][step.step - 1], step.said) for test, steps in results for step in steps if not step.holds
    ]
    for mark, said in sorted(wrong, key=lambda item: item[0], reverse=True):
        begin, end = _block(lines, mark, file)
        lines[begin:end] = _rewritten(lines[begin:end], mark.column - 1, said)
    write_whole(project, file, "".join(lines))
    return len(wrong)


def write_whole(project: Project, file: str, text: str) -> None:
    """Put a text in place of one of the project's files, or leave it as it was."""
    path = project.path(file)
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise TestFileUnwritable(file=file, reason=error.strerror or str(error), where=file) from error
    finally:
        draft.unlink(missing_ok=True)


def _marks(text: str, file: str) -> dict[str, list[Mark]]:
    """The places of the expectations of each test, by the place of its name."""
    found: dict[str, list[Mark]] = {}
    for test in _items(load(text, file), "tests"):
        name = test.items["name"] if isinstance(test, YamlMap) else None
        if name is not None:
            found[place(file, name.mark)] = [node.mark for node in _items(test, "expect")]
    return found


def _items(node: YamlNode, key: str) -> list[YamlNode]:
    inner = node.items.get(key) if isinstance(node, YamlMap) else None
    return inner.items if isinstance(inner, YamlList) else []


def _block(lines: Sequence[str], mark: Mark, file: str) -> tuple[int, int]:
    """The lines of one item of a list: from its dash to the last line that is indented like its first key."""
    begin, indent = mark.line - 1, mark.column - 1
    if not re.fullmatch(r" *- +", lines[begin][:indent]):
        raise TestNotUpdatable(where=place(file, mark))
    end = begin + 1
    for at in range(begin + 1, len(lines)):
        bare = lines[at].strip()
        if bare and len(lines[at]) - len(lines[at].lstrip(" ")) < indent:
            break
        if bare:
            end = at + 1
    return begin, end


def _rewritten(block: Sequence[str], indent: int, said: Said) -> list[str]:
    from ruamel.yaml import YAML
    from ruamel.yaml.resolver import VersionedResolver

    class Texts(VersionedResolver):
        """Every scalar is the text that was written, as the tests read it."""

        versioned_resolver: ClassVar[dict[str, Any]] = {}

    yaml = YAML(typ="rt", pure=True)
    yaml.Resolver = Texts
    yaml.preserve_quotes = True
    yaml.width = 100_000
    yaml.indent(mapping=2, sequence=4, offset=2)
    dash = block[0][:indent]
    expectation = yaml.load(" " * indent + block[0][indent:] + "".join(block[1:]))
    _correct(expectation, said)
    out = io.StringIO()
    yaml.dump(expectation, out)
    dumped = out.getvalue().splitlines(keepends=True)
    return [dash + dumped[0], *(" " * indent + line if line.strip() else line for line in dumped[1:])]


def _correct(expectation: Any, said: Said) -> None:
    """Bring an expectation up to what was said; it goes on naming what it named, and no more."""
    problem = said.outcome.problem if isinstance(said.outcome, Rejected) else None
    ignored = said.outcome.reason if isinstance(said.outcome, Ignored) else None
    changed = expectation["outcome"] != said.label
    expectation["outcome"] = said.label
    _set(expectation, "code", problem.code if problem else None, changed)
    _set(expectation, "field", problem.field if problem else None, changed)
    _set(expectation, "reason", ignored, changed)
    if "events" in expectation or (changed and said.events):
        expectation["events"] = _events(expectation.get("events", []), said.events)
    if problem and not said.events:
        expectation.pop("events", None)
    if "state" in expectation:
        if said.state is None:
            del expectation["state"]
        else:
            expectation["state"] = _tree(expectation["state"], said.state)


def _set(expectation: Any, name: str, value: str | None, changed: bool) -> None:
    if value is None:
        expectation.pop(name, None)
    elif changed or name in expectation:
        expectation[name] = _tree(expectation.get(name), value)


def _events(expected: Any, got: Iterable[tuple[str, Any]]) -> Any:
    """The events that were said; those that were expected keep their entries, others get all their data."""
    got = list(got)
    kept = list(expected)
    matcher = difflib.SequenceMatcher(a=[one["type"] for one in kept], b=[kind for kind, _ in got], autojunk=False)
    found: list[Any] = []
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            for entry, (_, data) in zip(kept[a:b], got[c:d], strict=True):
                if "data" in entry:
                    entry["data"] = _tree(entry["data"], data)
                found.append(entry)
        else:
            found += [{"type": kind, "data": _tree(None, data)} for kind, data in got[c:d]]
    if len(found) == len(kept) and all(one is other for one, other in zip(found, kept, strict=True)):
        return expected
    return found


def _tree(expected: Any, got: Any) -> Any:
    """The value that is there, in the form of the one that was expected as far as it goes."""
    if isinstance(got, dict):
        if not isinstance(expected, dict):
            return {name: _tree(None, value) for name, value in got.items()}
        for name in list(expected):
            if name in got:
                expected[name] = _tree(expected[name], got[name])
            else:
                del expected[name]
        return expected
    if isinstance(got, list):
        if isinstance(expected, list) and len(expected) == len(got):
            for at, value in enumerate(got):
                expected[at] = _tree(expected[at], value)
            return expected
        return [_tree(None, value) for value in got]
    text = shown(got)
    return expected if isinstance(expected, str) and str(expected) == text else scalar(text, got is None)


def scalar(text: str, is_null: bool = False) -> Any:
    """A text as a test file has it: plain where nobody could take it for something else, else in quotes."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString, PlainScalarString

    if is_null or (_PLAIN.fullmatch(text) and text.lower() not in _WORDS):
        return PlainScalarString(text)
    return DoubleQuotedScalarString(text)
