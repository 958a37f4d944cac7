"""The examinations of `dragoman doctor`: each looks at one thing, and writes nothing that was not there."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import date
from functools import partial
from pathlib import Path
from typing import ClassVar

from connectors.capture.errors import DatabaseMissing, TriggersMissing
from connectors.capture.errors import translated as capture_translated
from connectors.capture.triggers import install, verify
from dragoman import identity
from dragoman.ailments import Ailment
from dragoman.kafka_source import Kafka
from dragoman.linting import Lint
from dragoman.project import Project
from dragoman.proven import ConnectorUnproven, connectors_of, unproven
from dragoman.source import Legacy, Recording
from dragoman.wiring import engine_of, has_log, reading, running_worker, state_of
from pipeline.projection.database import translated as view_translated
from pipeline.projection.errors import ViewReadOnly
from translators.errors import DragomanError

LITTLE_SPACE = 500_000_000
"""Bytes free below which a run is likely to end before its time."""
BROKER_SECONDS = 10.0
"""How long brokers are waited for: whoever asks what is wrong wants to know it now."""
UNREACHABLE = "log.unreachable"
_OF_BROKERS = ("connector", "log", "state")


class LittleSpace(DragomanError):
    """Only {free} are free where {path} is."""

    code: ClassVar[str] = "doctor.little-space"
    hint: ClassVar[str] = "Log and state grow with every change: free some space, or move them in dragoman.yaml."


class NotWritable(DragomanError):
    """The folder {folder} cannot be written by this user."""

    code: ClassVar[str] = "doctor.not-writable"
    hint: ClassVar[str] = "Log, state and views are kept there: give this user the right to write it."


class FilesWrong(DragomanError):
    """{count} in the project's files; the first: {first}."""

    code: ClassVar[str] = "doctor.files"
    hint: ClassVar[str] = "`dragoman lint` shows them all with their lines."


class RecordingMissing(DragomanError):
    """There is no recording {path}."""

    code: ClassVar[str] = "doctor.recording-missing"
    hint: ClassVar[str] = "Check `path` in the source's file: paths are relative to the project's folder."


class NoTriggers(DragomanError):
    """The source {source} is a recording: it has no triggers."""

    code: ClassVar[str] = "doctor.no-triggers"
    hint: ClassVar[str] = "Leave --install-triggers out: only a SQLite legacy is captured by triggers."


class NotYet(Exception):
    """Something will be there after the first run; nothing is wrong."""


def examine(project: Project, today: date) -> list[Ailment]:
    """All examinations, in the order in which their troubles would be met; brokers that do not answer are waited for once."""
    found: list[Ailment] = []
    for what, look in _examinations(project, today):
        if what in _OF_BROKERS and any(one.code == UNREACHABLE for one in found):
            found.append(Ailment(what=what, severity="info", message="not looked at: the brokers do not answer"))
        else:
            found.append(_examined(what, look))
    found += [*beside_connect(project), *beside(project)]
    return [*found, *modes(project, found)]


def beside_connect(project: Project) -> list[Ailment]:
    """What Kafka Connect says of the connector."""
    from dragoman.connect_health import connect_ailments

    try:
        return list(connect_ailments(project))
    except DragomanError:
        return []  # told by the project's files


def modes(project: Project, found: list[Ailment]) -> list[Ailment]:
    """How Dragoman works beside what was found, and what that costs."""
    from dragoman.connect_health import mode_ailments

    try:
        return list(mode_ailments(project, found))
    except DragomanError:
        return []  # told by the project's files


def beside(project: Project) -> list[Ailment]:
    """What the legacy database says of its connector; needs no Kafka."""
    from dragoman.connector_standing import is_running
    from dragoman.preflighting import legacy_ailments

    try:
        return list(legacy_ailments(project, is_running(project)))
    except DragomanError:
        return []  # told by the project's files


def _examinations(project: Project, today: date) -> Iterator[tuple[str, Callable[[], str]]]:
    yield "packages", _packages
    yield "project files", lambda: _files(project, today)
    yield "disk space", lambda: _space(project)
    yield "source", lambda: _source(project)
    yield "connector", lambda: _connector(project)
    if _declares_registry(project):
        yield "schema registry", lambda: _registry(project)
    yield "log", lambda: _log(project)
    yield "state", lambda: _state(project)
    try:
        databases = [(p.name, p.database) for p in project.projections]
        databases += [(a.name, a.database) for a in project.actions]
    except DragomanError:
        return  # told by the project's files
    for name, database in databases:
        yield f"database {name}", partial(_database, project, name, database)


def _examined(what: str, look: Callable[[], str]) -> Ailment:
    try:
        return Ailment(what=what, severity="ok", message=look())
    except TriggersMissing as error:
        fix = f"`dragoman doctor --install-triggers` installs them. {error.advice}"
        return Ailment(what=what, severity="error", message=error.message, code=error.code, fix=fix)
    except NotYet as later:
        return Ailment(what=what, severity="ok", message=str(later))
    except (LittleSpace, ConnectorUnproven) as error:
        return Ailment(what=what, severity="warning", message=error.message, code=error.code, fix=error.advice)
    except DragomanError as error:
        return Ailment(what=what, severity="error", message=error.message, code=error.code, fix=error.advice)


def _packages() -> str:
    identity.check()
    return f"all five are those of {identity.HOME}"


def _files(project: Project, today: date) -> str:
    lint = Lint(project, today)
    lint.run()
    if lint.errors:
        first = next(f for f in lint.findings if f.severity == "error")
        count = f"{lint.errors} error{'s' if lint.errors > 1 else ''}"
        raise FilesWrong(count=count, first=f"{first.where} {first.message}", where=first.where)
    warnings = len(lint.findings)
    return f"no errors{f', {warnings} warnings: see `dragoman lint`' if warnings else ''}"


def _space(project: Project) -> str:
    folder = _nearest(project.settings.log.parent)
    if not os.access(folder, os.W_OK):
        raise NotWritable(folder=folder)
    free = shutil.disk_usage(folder).free
    text = f"{free / 1e9:,.1f} GB"
    if free < LITTLE_SPACE:
        raise LittleSpace(free=text, path=project.settings.log)
    return f"{text} free"


def _nearest(folder: Path) -> Path:
    """The folder, or the nearest one above that exists."""
    return folder if folder.exists() else _nearest(folder.parent)


def _is_embedded(project: Project) -> bool:
    return not isinstance(project.source.origin, Kafka)


def _source(project: Project) -> str:
    origin = project.source.origin
    if isinstance(origin, Kafka):
        from dragoman.kafka_works import check_feeds

        with reading(project, BROKER_SECONDS) as log:
            check_feeds(project, topics := log.topics())
        missing = [feed.topic for feed in project.source.feeds if feed.topic not in topics]
        if missing:
            raise NotYet(f"the brokers answer; not there yet: {', '.join(missing)}")
        return f"the brokers answer, {len(project.source.feeds)} feeds are there"
    if isinstance(origin, Recording):
        if not origin.path.is_file():
            raise RecordingMissing(path=origin.path)
        return f"{origin.path.name}, {origin.path.stat().st_size:,} bytes"
    if not origin.database.is_file():
        raise DatabaseMissing(database=origin.database)
    spec = origin.capture
    uri = f"{origin.database.as_uri()}?mode=ro"
    with capture_translated(origin.database), closing(sqlite3.connect(uri, uri=True)) as connection:
        verify(connection, spec.tables, spec.marker_table)
    marker = "no marker table" if spec.marker is None else f"marker {spec.marker}"
    return f"{len(spec.tables)} tables as schema.yaml says, triggers in place, {marker}"


def _connector(project: Project) -> str:
    with ExitStack() as held:
        log = held.enter_context(reading(project)) if has_log(project) else None
        found = connectors_of(project, log)
    for error in unproven(found):
        raise error
    return f"{', '.join(found)}: proven with captured records"


def _declares_registry(project: Project) -> bool:
    try:
        return project.source.registry is not None
    except DragomanError:
        return False  # told by the project's files


def _registry(project: Project) -> str:
    registry = project.registry
    if registry is None:
        raise NotYet("none")
    registry.schema(1)
    return "answers"


def make_triggers(project: Project) -> None:
    """Write the triggers into the legacy database, in one transaction; a `CaptureError` if that cannot be done."""
    origin = project.source.origin
    if not isinstance(origin, Legacy):
        raise NoTriggers(source=project.source.file, where=project.source.file)
    if not origin.database.is_file():
        raise DatabaseMissing(database=origin.database)
    with capture_translated(origin.database), closing(sqlite3.connect(origin.database, isolation_level=None)) as db:
        install(db, origin.capture.tables, origin.capture.marker_table)


def _log(project: Project) -> str:
    if not has_log(project):
        raise NotYet("will be made by the first run")
    with reading(project) as log:
        topics = len(log.topics())
    if not _is_embedded(project):
        return f"{topics} topics"
    worker = running_worker(project.settings.log)
    return f"{topics} topics, " + ("no worker is running" if worker is None else f"process {worker} is running")


def _state(project: Project) -> str:
    if _is_embedded(project) and not project.settings.state.exists():
        raise NotYet("will be made by the first run")
    parked = 0
    for name in project.settings.translators:
        with state_of(project, name) as store:
            parked += 0 if store is None else len(store.waiting_keys())
    return "opens" if not parked else f"opens; parked keys: {parked} (`dragoman parked list`)"


def _database(project: Project, name: str, database: str) -> str:
    path = project.settings.database(database, f"consumers ({name})").path
    if path is not None:
        if not path.exists():
            folder = _nearest(path.parent)
            if not os.access(folder, os.W_OK):
                raise NotWritable(folder=folder)
            raise NotYet("will be made by the first run")
        if not os.access(path, os.W_OK):
            raise ViewReadOnly(database=path, reason="this user may not write the file")
    engine = engine_of(project, name, database)
    try:
        with view_translated(engine), engine.connect():
            return "answers"
    finally:
        engine.dispose()
