"""Everything of a project that can be proven without running it, as findings; one wrong file hides no other."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from dragoman.project import Project
from translators.errors import DragomanError
from translators.findings import Finding, MappingInvalid
from translators.lint import RULES, ContractText, Level, Subject, against, lint, trapped
from translators.lint import Project as Linted
from translators.yaml_text import did_you_mean

if TYPE_CHECKING:
    from dragoman.revision import Earlier
    from pipeline.consume import ConsumerSpec
    from reconcile.check import CheckSpec
    from translators.binding import BoundMapping

_PLACE = re.compile(r"(?P<file>[^:]+)(?::(?P<line>\d+))?(?::(?P<column>\d+))?")
_WORD = re.compile(r"[\w.$-]+")


class LevelOfNothing(DragomanError):
    """There is no finding {code} whose level could be set{suggestion}"""

    code: ClassVar[str] = "lint.code-unknown"
    hint: ClassVar[str] = "Levels can be set for what docs/lint says may be set: mistakes stay mistakes."


class _Unmade:
    """A translator of which no more than its mapping is known."""

    def __init__(self, bound: BoundMapping) -> None:
        self.bound = bound
        self.name = bound.mapping.name
        self.root = bound.mapping.root
        self.tables = frozenset({self.root, *bound.mapping.parts})
        self.has_parts = bool(bound.mapping.parts)


class Lint:
    """The findings of a project, and how many files of each kind were looked at.

    `today` decides which allowances still hold; `earlier` is a revision to compare with, if any.
    """

    def __init__(self, project: Project, today: date, earlier: Earlier | None = None) -> None:
        self.findings: list[Finding] = []
        self.looked_at: Counter[str] = Counter()
        self._project = project
        self._today = today
        self._earlier = earlier
        self._subjects: list[Subject] = []
        self._levels = {code: cast("Level", said.level) for code, said in project.settings.lint.items()}

    def run(self) -> None:
        """Look at everything."""
        self._look()
        self.findings.sort(key=lambda found: (found.file, found.line, found.column, found.code))

    def _look(self) -> None:
        project = self._project
        self._check_levels()
        if not self._sound(lambda: project.schema):
            return
        has_source = self._sound(lambda: project.source)
        if not self._sound(lambda: project.contracts):
            return
        self.looked_at["contract"] = len(project.contracts)
        for name in project.settings.translators:
            self._mapping(name, has_source)
        self.rules()
        self._tests()
        self._consumers()
        self._checks()

    @property
    def titles(self) -> dict[str, str]:
        """What each code that can be set is about, in a few words."""
        return {code: rule.title for code, rule in RULES.items()}

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(1 for finding in self.findings if finding.severity == "error")

    @property
    def without_rows(self) -> list[str]:
        """The mappings that keep no rows."""
        return [one.bound.mapping.name for one in self._subjects if not one.bound.mapping.keeps_rows]

    def _check_levels(self) -> None:
        for code, said in self._project.settings.lint.items():
            with self._collected():
                if code not in RULES:
                    raise LevelOfNothing(code=code, suggestion=did_you_mean(code, RULES), where=said.where)

    def _mapping(self, name: str, has_source: bool) -> None:
        self.looked_at["mapping"] += 1
        before = len(self.findings)
        if not self._sound(lambda: self._bind(name, has_source)):
            self._explain(f"mappings/{name}.yaml", before)

    def _bind(self, name: str, has_source: bool) -> None:
        """Bind a mapping, without generating its code."""
        bound = self._project.bound(name)
        self.findings += bound.findings
        self._subjects.append(Subject(bound, self._text(bound.mapping.file)))
        if has_source:
            self._project.source.feed_of(_Unmade(bound))

    def _explain(self, file: str, before: int) -> None:
        """Put the trap of YAML that a mapping has stepped into in the place of what followed from it."""
        path = self._project.path(file)
        traps = trapped(self._text(file), file, self._levels) if path.is_file() else []
        lines = {(trap.file, trap.line) for trap in traps if trap.severity == "error"}
        self.findings[before:] = [f for f in self.findings[before:] if (f.file, f.line) not in lines] + traps

    def rules(self) -> None:
        """The rules that look at all mappings and contracts together."""
        texts = {subject.file: subject.text for subject in self._subjects}
        for subject in self._subjects:
            texts.update(getattr(subject.bound.mapping, "included", {}))
        written = self._contract_texts()
        texts.update((one.file, one.text) for one in written.values())
        project = Linted(tuple(self._subjects), self._project.contracts, written)
        before = self._earlier
        more = [] if before is None else list(against(project, before.schemas, before.codes))
        is_whole = len(self._subjects) == len(self._project.settings.translators)
        self.findings += lint(
            project, texts=texts, levels=self._levels, today=self._today, more=more, is_whole=is_whole
        )

    def _contract_texts(self) -> dict[str, ContractText]:
        found = {}
        for name, contract in self._project.contracts.items():
            path = Path(sys.modules[contract.__module__].__file__ or "")
            file = path.relative_to(self._project.folder).as_posix()
            found[name] = ContractText(file, self._text(file), contract.__name__)
        return found

    def _text(self, file: str) -> str:
        return self._project.path(file).read_text(encoding="utf-8", errors="replace")

    def _tests(self) -> None:
        from dragoman.mapping_tests import read_tests

        for name in self._project.settings.translators:
            with self._collected():
                self.looked_at["test"] += len(read_tests(self._project, name))

    def _consumers(self) -> None:
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
                self._handler(action)

    def _handler(self, action: ConsumerSpec) -> None:
        # Imported here: it brings all that runs, which a project without consumers does not need.
        from dragoman.wiring import handler_of

        handler_of(self._project, action)

    def _projection(self, name: str) -> None:
        from pipeline.projection.check import check_projection

        (spec,) = (p for p in self._project.projections if p.name == name)
        shapes = {subject.bound.mapping.name: subject.bound.shape for subject in self._subjects}
        if spec.reads in shapes:  # else its mapping has told its own errors
            self.findings += check_projection(spec, shapes[spec.reads])

    def _checks(self) -> None:
        project = self._project
        if not (files := project.files("checks")):
            return
        from dragoman.checking import CheckTwice, check_names

        names = set[str]()
        for file in files:
            self.looked_at["check"] += 1
            with self._collected():
                spec = check_names(project, file)
                if spec.check in names:
                    raise CheckTwice(check=spec.check, where=file)
                names.add(spec.check)
                self._tables(spec)

    def _tables(self, spec: CheckSpec) -> None:
        """What a check says of somebody else's tables, against the state that they show."""
        bounds = {subject.bound.mapping.name: subject.bound for subject in self._subjects}
        if spec.tables is None or spec.mapping not in bounds:  # the mapping has told its own errors
            return
        from reconcile.own_check import check_tables

        lines = self._project.text(spec.tables.file).splitlines()
        self.findings += check_tables(spec.tables, bounds[spec.mapping], lines)

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
