"""The project's settings: made once, in the entry point, from `dragoman.yaml` and the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import ClassVar, NamedTuple

from dragoman.forms import Environment, Section, read_text
from pipeline.bounds import Limits
from translators.errors import DragomanError

FILE = "dragoman.yaml"
FAILPOINT = "DRAGOMAN_FAILPOINT"
MOST_PARKED = 1_000_000
LEVELS = ("error", "warning", "off")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_PASSWORD = re.compile(r"(?<=://)([^/@\s:]*):[^@\s]*@")


class NoProject(DragomanError):
    """{folder} is no project: it has no dragoman.yaml."""

    code: ClassVar[str] = "project.not-found"
    hint: ClassVar[str] = "Go to the project's folder, or name it with --project. `dragoman demo` makes one to look at."


class NameUnusable(DragomanError):
    """{what} {name!r} is no name: letters, digits, `_` and `-`, beginning with a letter or a digit."""

    code: ClassVar[str] = "project.name-unusable"
    hint: ClassVar[str] = "Names become topics and files: choose another one."


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """Where a consumer keeps its tables; `path` is the file, if it is one of the project's own."""

    url: str
    path: Path | None

    def __repr__(self) -> str:
        return f"Database({masked(self.url)})"


class LintLevel(NamedTuple):
    """How much a finding matters in this project, and where it says so."""

    level: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `dragoman.yaml` says. Paths are absolute; `environment` fills in the other files of the project.

    `places` is where each name stands in the file (`source`, `translators`), for errors about what it names.
    """

    folder: Path
    project: str
    namespace: str
    translators: tuple[str, ...]
    source: str
    log: Path
    state: Path
    ledger: Database
    environment: Environment
    places: Mapping[str, str]
    lint: Mapping[str, LintLevel] = field(default_factory=dict)
    """The levels that the project gives to findings of lint, by code."""
    parking: Limits = field(default_factory=Limits)

    def __repr__(self) -> str:
        shown = (f"{f.name}={masked(repr(getattr(self, f.name)))}" for f in fields(self) if f.name != "places")
        return f"Settings({', '.join(shown)})"

    def database(self, text: str, where: str) -> Database:
        """What a consumer's `database` means: a URL as it is, a path as a SQLite file of the project."""
        return _database(self.environment.filled(text, where), self.folder)


def _database(text: str, folder: Path) -> Database:
    if "://" in text:
        return Database(url=text, path=None)
    return Database(url=f"sqlite:///{folder / text}", path=folder / text)


def masked(text: str) -> str:
    """The text with the passwords of URLs hidden."""
    return _PASSWORD.sub(r"\1:***@", text)


def read_settings(folder: Path, variables: Mapping[str, str]) -> Settings:
    """The settings of the project in a folder; any `DragomanError` of the file, with its place."""
    folder = folder.resolve()
    path = folder / FILE
    if not path.exists():
        raise NoProject(folder=folder)
    environment = Environment(variables)
    form = Section.of(read_text(path, FILE, ""), FILE, environment)
    form.only(("project", "namespace", "translators", "source", "log", "state"), ("ledger", "lint", "parking"))
    translators = form.names("translators")
    for name in (*translators, form.text("source")):
        if not _NAME.fullmatch(name):
            raise NameUnusable(what="The text", name=name, where=f"{FILE}")
    return Settings(
        folder=folder,
        project=form.text("project"),
        namespace=form.text("namespace"),
        translators=translators,
        source=form.text("source"),
        log=folder / form.text("log"),
        state=folder / form.text("state"),
        ledger=_ledger(form, folder),
        environment=environment,
        places={key: form.where(key) for key in ("translators", "source")},
        lint=_levels(form.section("lint")) if "lint" in form else {},
        parking=_limits(form.section("parking")) if "parking" in form else Limits(),
    )


def _ledger(form: Section, folder: Path) -> Database:
    """Where runs and findings are remembered: beside the translators' state, unless it is said."""
    beside = str(Path(form.text("state")).parent / "ledger.db")
    return _database(form.optional("ledger") or beside, folder)


def _limits(form: Section) -> Limits:
    """How much may be parked on each feed partition of a translator; what is not said stays as it is."""
    usual = Limits()
    form.only((), ("keys", "steps", "share", "of"))
    return Limits(
        keys=form.number("keys", MOST_PARKED) if "keys" in form else usual.keys,
        steps=form.number("steps", MOST_PARKED) if "steps" in form else usual.steps,
        share=form.share("share") if "share" in form else usual.share,
        of=form.number("of", MOST_PARKED) if "of" in form else usual.of,
    )


def _levels(form: Section) -> dict[str, LintLevel]:
    return {code: LintLevel(form.one_of(code, LEVELS), form.where(code)) for code in form.keys}
