"""The project's checks wired: what a check's names stand for, and the run of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import ClassVar

import msgspec
from sqlalchemy import Engine, create_engine

from connectors.legacy.reading import sqlite_file
from dragoman.databases import engine_at
from dragoman.kafka_source import Kafka
from dragoman.pooling import basis_of, is_cut, pool_of
from dragoman.project import Project
from dragoman.rows import shown_columns
from dragoman.source import Legacy, Recording
from dragoman.wiring import engine_of, state_of, utc
from pipeline.log.port import Log
from pipeline.projection.spec import ProjectionSpec
from reconcile.answers import SideAnswers
from reconcile.check import STREAM, CheckSpec, read_check
from reconcile.embedded import Declared, OwnDeclared, Pipeline, sides_of
from reconcile.errors import GateResumed, NothingToResume
from reconcile.fence import Pace
from reconcile.ledger.ledger import Ledger
from reconcile.own_check import check_tables
from reconcile.ranges import RangeBook
from reconcile.run import RunResult, Sides, reconcile
from reconcile.statements import ask
from reconcile.terms import check_terms
from reconcile.unrun import not_run
from translators.compiled import CompiledTranslator
from translators.errors import DragomanError
from translators.findings import MappingInvalid
from translators.yaml_text import did_you_mean

COPY = "checked"
"""The folder of the copies that runs read: a run may take long, and `dragoman status` does not wait for it."""


class CheckUnknown(DragomanError):
    """This project has no check {name}{suggestion}"""

    code: ClassVar[str] = "check.unknown"
    hint: ClassVar[str] = "Its checks are: {known}."


class CheckNamesUnknown(DragomanError):
    """The check {check} names the {kind} {name}, which this project has not{suggestion}"""

    code: ClassVar[str] = "check.names-unknown"
    hint: ClassVar[str] = "Known are: {known}."


class CheckNamesTaken(DragomanError):
    """The check {check} has tables of its own, and calls them {view}, which is a projection’s name."""

    code: ClassVar[str] = "check.names-taken"
    hint: ClassVar[str] = "Give the view another name, or leave `tables:` out to check the projection."


class CheckInvalid(MappingInvalid):
    """{count} in {file}; the first: {first}."""

    code = "check.invalid"


class CheckTwice(DragomanError):
    """There are two checks called {check}."""

    code: ClassVar[str] = "check.twice"
    hint: ClassVar[str] = "Give one of them another name: the ledger tells findings apart by it."


class CheckMismatched(DragomanError):
    """The check {check} compares the mapping {mapping} with {view}, which is built from {reads}."""

    code: ClassVar[str] = "check.mismatched"
    hint: ClassVar[str] = "A view is compared with the mapping whose state it shows: correct `mapping` or `view`."


class NothingToCompare(DragomanError):
    """The source {source} names no legacy database to compare with."""

    code: ClassVar[str] = "check.no-legacy"
    hint: ClassVar[str] = (
        "A check reads the legacy as it is now: the source is of the kind sqlite, or of the kind kafka and says `database:`."
    )


class NeverRun(DragomanError):
    """The check {check} has nothing to look at: {what} does not exist yet."""

    code: ClassVar[str] = "check.never-run"
    hint: ClassVar[str] = "`dragoman run` builds it; then run the check again."


def run_check(
    project: Project,
    spec: CheckSpec,
    log: Log,
    *,
    run: str,
    wait: Callable[[timedelta], None],
    stopped: Callable[[], str | None],
    clock: Callable[[], datetime] = utc,
    gate: bool = False,
    processes: int | None = None,
    book: RangeBook | None = None,
) -> RunResult:
    """Run one check behind the fence, as a `gate` at one position; incomplete if its mapping cannot be used.

    `wait` passes the time while a hop is behind, `stopped` says why none would move. `processes` are as many as the check
    says, unless said; the `book` remembers which ranges of keys are done.
    """
    try:
        translator = project.made(spec.mapping)
    except DragomanError as error:
        _has_legacy(project)
        return not_run(spec, error, run=run, now=clock())
    with opened(project, spec, translator, log, wait=wait, stopped=stopped, clock=clock) as (sides, views):
        if spec.statement is not None:
            answers = SideAnswers(sides.reader, views, sides.fence, project.folder)
            return ask(spec, answers, translator.version, run=run, clock=clock)
        sides = msgspec.structs.replace(sides, pool=pool_of(project, spec, processes or spec.processes))
        return reconcile(spec, sides, run=run, clock=clock, gate=gate, book=book)


def _has_legacy(project: Project) -> Legacy | Kafka:
    """Where the source's rows come from, if a check can ask its database; `NothingToCompare` otherwise."""
    origin = project.source.origin
    if isinstance(origin, Recording) or (isinstance(origin, Kafka) and origin.database is None):
        raise NothingToCompare(source=project.source.file, where=project.source.file)
    return origin


@contextmanager
def opened(
    project: Project,
    spec: CheckSpec,
    translator: CompiledTranslator,
    log: Log,
    *,
    wait: Callable[[timedelta], None],
    stopped: Callable[[], str | None],
    clock: Callable[[], datetime] = utc,
    copy: str = COPY,
) -> Iterator[tuple[Sides, Engine | None]]:
    """The sides of a check, and the database of its view if it has one, while the block runs.

    Beside Kafka `copy` is the folder of what is read of the workers' state: one process at a time has it.
    """
    origin = _has_legacy(project)
    if spec.tables is not None and (findings := check_tables(spec.tables, translator.bound)):
        raise CheckInvalid(findings)
    projection = _declared(project, spec)
    pace = Pace(clock=clock, wait=wait)
    with ExitStack() as held:
        views = _views(project, spec, projection)
        if views is not None:
            held.callback(views.dispose)
        if isinstance(origin, Kafka):
            from dragoman.checking_kafka import sides_on_kafka

            sides = sides_on_kafka(project, origin, spec, translator, projection, log, views, pace, held, copy)
        else:
            sides = _sides_here(project, origin, spec, translator, projection, log, views, pace, stopped, held)
        yield msgspec.structs.replace(sides, shown=shown_columns(translator, spec.terms.hidden)), views


def _declared(project: Project, spec: CheckSpec) -> Declared | None:
    """What says how the view of a check is built; `None` where it stands against the stream."""
    if spec.tables is not None:
        return OwnDeclared(spec.view, spec.tables)
    return None if spec.stream else next(p for p in project.projections if p.name == spec.view)


def _views(project: Project, spec: CheckSpec, declared: Declared | None) -> Engine | None:
    """The database of a check's view; `NeverRun` where a file of somebody else's is not there."""
    if isinstance(declared, OwnDeclared):
        found = project.settings.database(declared.tables.database, f"the check {spec.check}")
        if found.path is not None and not found.path.exists():
            raise NeverRun(check=spec.check, what=declared.tables.database)
        return engine_at(found.url, spec.view)
    return None if declared is None else engine_of(project, spec.view, declared.database)


def _sides_here(
    project: Project,
    origin: Legacy,
    spec: CheckSpec,
    translator: CompiledTranslator,
    projection: Declared | None,
    log: Log,
    views: Engine | None,
    pace: Pace,
    stopped: Callable[[], str | None],
    held: ExitStack,
) -> Sides:
    """Everything in reach of this process."""
    store = held.enter_context(state_of(project, spec.mapping))
    if store is None:
        raise NeverRun(check=spec.check, what=project.settings.state)
    legacy = create_engine(sqlite_file(origin.database))
    held.callback(legacy.dispose)
    pipeline = Pipeline(
        log=log, store=store, feed=project.source.feed_of(translator), schema=project.schema, stopped=stopped
    )
    # A projection here always has its checkpoint.
    group = spec.group if spec.tables is not None else None
    return sides_of(translator, projection, pipeline, pace, legacy=legacy, views=views, group=group)


def run_recorded(
    project: Project,
    ledger: Ledger,
    spec: CheckSpec,
    log: Log,
    *,
    run: str,
    wait: Callable[[timedelta], None],
    stopped: Callable[[], str | None],
    clock: Callable[[], datetime] = utc,
    gate: bool = False,
    processes: int | None = None,
    resume: bool = False,
) -> RunResult:
    """Run one check and write it into the ledger: as broken while it runs, and for good if it cannot.

    With `resume` it goes on where a run of it broke off; `NothingToResume`, `ResumeChanged` or `ResumeLate` if it cannot.
    """
    started = clock()
    book = None
    ledger.begin(run, spec.check, started, gate=gate)
    try:
        if not gate and is_cut(spec):
            book = ledger.ranges(run, spec.check, started, basis_of(project, spec), resume=resume)
        result = run_check(
            project,
            spec,
            log,
            run=run,
            wait=wait,
            stopped=stopped,
            clock=clock,
            gate=gate,
            processes=processes,
            book=book,
        )
    except DragomanError as error:
        ledger.end(not_run(spec, error, run=run, now=started), gate=gate)
        raise
    return ledger.end(result, gate=gate)


def resumed_checks(ledger: Ledger, specs: Sequence[CheckSpec], *, gate: bool) -> list[str]:
    """Those of these checks whose last run died; `NothingToResume` if there is none, `GateResumed` for a gate."""
    if gate:
        raise GateResumed
    found = [spec.check for spec in specs if ledger.is_begun(spec.check)]
    if not found:
        raise NothingToResume(check=", ".join(spec.check for spec in specs))
    return found


def run_id(now: datetime) -> str:
    """The name of a run: when it was made, in UTC."""
    return f"r-{now:%Y-%m-%d-%H%M%S}"


def check_names(project: Project, file: str) -> CheckSpec:
    """The check of a file, if the mapping and the view that it names exist and belong together."""
    spec = read_check(project.text(file), file)
    views = {projection.name: projection for projection in project.projections}
    named = [("mapping", spec.mapping, tuple(project.settings.translators))]
    named += [] if spec.stream or spec.tables is not None else [("view", spec.view, tuple(views))]
    for kind, name, known in named:
        if name not in known:
            raise CheckNamesUnknown(
                check=spec.check,
                kind=kind,
                name=name,
                suggestion=did_you_mean(name, known),
                known=", ".join(known),
                where=file,
            )
    if spec.stream:
        return spec
    if spec.tables is not None:
        if spec.view in views:
            raise CheckNamesTaken(check=spec.check, view=spec.view, where=file)
        check_terms(spec.check, spec.view, spec.terms, spec.tables.paths, spec.tables.named, ())
        return spec
    check_terms(spec.check, spec.view, spec.terms, _paths(views[spec.view]), tuple(views[spec.view].key.values()), ())
    reads = views[spec.view].reads
    if reads != spec.mapping:
        raise CheckMismatched(check=spec.check, mapping=spec.mapping, view=spec.view, reads=reads, where=file)
    return spec


def _paths(view: ProjectionSpec) -> tuple[str, ...]:
    """What a view shows, as a check names it."""
    lists = (
        p for path, child in view.children.items() for p in (path, *(f"{path}.{i}" for i in child.columns.values()))
    )
    return (*view.key.values(), *view.columns.values(), *lists)


def checks_of(project: Project) -> list[CheckSpec]:
    """The checks that are declared, one for each view whose rows none of them compares, and one for each mapping that then
    has none: against its state stream. `CheckTwice`.
    """
    declared: dict[str, CheckSpec] = {}
    for file in project.files("checks"):
        spec = check_names(project, file)
        if spec.check in declared:
            raise CheckTwice(check=spec.check, where=file)
        declared[spec.check] = spec
    compared = {spec.view for spec in declared.values() if spec.statement is None}
    free = (view for view in project.projections if view.name not in compared and view.name not in declared)
    checks = [*declared.values(), *(_check_of(view) for view in free)]
    shown = {spec.mapping for spec in checks if spec.statement is None}
    unseen = (name for name in project.settings.translators if name not in shown and f"{name}_state" not in declared)
    return [*checks, *(_check_of_stream(name) for name in unseen)]


def _check_of(view: ProjectionSpec) -> CheckSpec:
    """What nobody declared: each row of the view says what the mapping says."""
    return CheckSpec(check=view.name, mapping=view.reads, view=view.name, limit=0, owner=view.name)


def _check_of_stream(translator: str) -> CheckSpec:
    """What nobody declared of a mapping that no view shows: what is published says what the mapping says."""
    return CheckSpec(
        check=f"{translator}_state", mapping=translator, view=STREAM, stream=True, limit=0, owner=translator
    )


def chosen_checks(project: Project, name: str | None) -> list[CheckSpec]:
    """All checks of a project, or the one of this name."""
    checks = checks_of(project)
    if name is None:
        return checks
    known = [check.check for check in checks]
    if name not in known:
        raise CheckUnknown(name=name, suggestion=did_you_mean(name, known), known=", ".join(known) or "none")
    return [check for check in checks if check.check == name]
