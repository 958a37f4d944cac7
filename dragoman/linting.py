"""Everything of a project that can be proven without running it, as findings; one wrong file hides no other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dragoman.project import Project
from translators.errors import DragomanError
from translators.findings import Finding, MappingInvalid

_PLACE = re.compile(r"(?P<file>[^:]+)(?::(?P<line>\d+))?(?::(?P<column>\d+))?")
_WORD = re.compile(r"[\w.$-]+")


class Lint:
    """The findings of a project, and how many files of each kind were looked at."""

    def __init__(self, project: Project) -> None:
        self.findings: list[Finding] = []
        self.looked_at: Counter[str] = Counter()
        self._project = project

    def run(self) -> None:
        """Look at everything."""
        project = self._project
        if not self._sound(lambda: project.schema):
            return
        has_source = self._sound(lambda: project.source)
        if not self._sound(lambda: project.contracts):
            return
        self.looked_at["contract"] = len(project.contracts)
        for name in project.settings.translators:
            self._mapping(name, has_source)
        self._tests()
        self._consumers()
        self._checks()

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(1 for finding in self.findings if finding.severity == "error")

    def _mapping(self, name: str, has_source: bool) -> None:
        self.looked_at["mapping"] += 1
        with self._collected():
            translator = self._project.translator(name)
            self.findings += translator.bound.findings
            if has_source:
                self._project.source.feed_of(translator)

    def _tests(self) -> None:
        from dragoman.mapping_tests import read_tests

        for name in self._project.settings.translators:
            with self._collected():
                self.looked_at["test"] += len(read_tests(self._project, name))

    def _consumers(self) -> None:
        from dragoman.wiring import handler_of

        project = self._project
        if not self._sound(lambda: (project.projections, project.actions)):
            return
        self.looked_at["consumer"] = len(project.projections) + len(project.actions)
        self._sound(project.check_readers)
        for spec in project.projections:
            if spec.reads in project.settings.translators:
                self._projection(spec.name)
        for action in project.actions:
            with self._collected():
                handler_of(project, action)

    def _projection(self, name: str) -> None:
        from pipeline.projection.check import check_projection

        (spec,) = (p for p in self._project.projections if p.name == name)
        try:
            shape = self._project.translator(spec.reads).bound.shape
        except DragomanError:
            return  # its mapping has told its own errors
        self.findings += check_projection(spec, shape)

    def _checks(self) -> None:
        from dragoman.checking import check_names

        project = self._project
        for file in project.files("checks"):
            self.looked_at["check"] += 1
            with self._collected():
                check_names(project, file)

    def _sound(self, ask: Callable[[], object]) -> bool:
        before = len(self.findings)
        with self._collected():
            ask()
        return len(self.findings) == before

    @contextmanager
    def _collected(self) -> Iterator[None]:
        try:
            yield
        except MappingInvalid as invalid:
            self.findings += invalid.findings
        except DragomanError as error:
            self.findings.append(self._finding(error))

    def _finding(self, error: DragomanError) -> Finding:
        """An error as a finding, with the line that it is about."""
        match = _PLACE.fullmatch(error.where or "")
        file = match["file"] if match else "dragoman.yaml"
        line, column = (int((match and match[name]) or 0) for name in ("line", "column"))
        excerpt, length = "", 1
        path = self._project.path(file)
        if line and path.is_file():
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            excerpt = lines[line - 1] if line <= len(lines) else ""
            word = _WORD.match(excerpt, column - 1) if column else None
            length = len(word[0]) if word else 1
        return Finding(
            code=error.code,
            severity="error",
            file=file,
            line=line,
            column=column,
            message=error.message,
            hint=error.advice,
            length=length,
            excerpt=excerpt,
        )
