"""The sides of a check in a process of its own, and what the ranges of a check go by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from hashlib import blake2b
from pathlib import Path

import msgspec
from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError

from connectors.legacy.reading import sqlite_file
from dragoman.kafka_source import Kafka
from dragoman.project import Project
from dragoman.source import Legacy
from dragoman.wiring import engine_of
from pipeline.feed import Curated
from pipeline.projection.spec import ProjectionSpec
from reconcile.check import CheckSpec
from reconcile.moments import Moments
from reconcile.pool import ProcessPool
from reconcile.position import ChangeTable, SourcePosition
from reconcile.sources import Layout, LegacyReader
from reconcile.view import NarrowedView, ProjectionView, ViewSide
from translators.errors import DragomanError


def is_cut(spec: CheckSpec) -> bool:
    """Whether a check is of the rows of a projection's view: others are one range."""
    return spec.statement is None and spec.tables is None and not spec.stream


def pool_of(project: Project, spec: CheckSpec, processes: int) -> ProcessPool | None:
    """The pool of a check of a view's rows that is to have several processes."""
    if processes == 1 or not is_cut(spec):
        return None
    return ProcessPool(partial(opened_sides, project.folder, spec), processes)


@contextmanager
def opened_sides(folder: Path, spec: CheckSpec) -> Iterator[tuple[LegacyReader, ViewSide]]:
    """What one process of a pool reads: it is sent names, and reads files and settings itself."""
    from dragoman.commands.options import project_of

    project = project_of(folder)
    translator, projection = project.made(spec.mapping), _projection(project, spec)
    with ExitStack() as held:
        legacy, position = _legacy(project)
        held.callback(legacy.dispose)
        views = engine_of(project, spec.view, projection.database)
        held.callback(views.dispose)
        shape, topic = translator.bound.shape, Curated.of(translator.name, 1).state.name
        reader = LegacyReader(legacy, project.schema, translator, Layout.of(translator.bound), position)
        yield reader, NarrowedView(ProjectionView(views, projection, shape, topic), spec.terms)


def _legacy(project: Project) -> tuple[Engine, SourcePosition]:
    origin = project.source.origin
    if isinstance(origin, Kafka):
        from dragoman.checking_kafka import legacy_engine

        return legacy_engine(project, origin), Moments(project.schema.connector)
    return create_engine(sqlite_file(_file(origin))), ChangeTable()


def _file(origin: object) -> Path:
    if not isinstance(origin, Legacy):
        raise TypeError(f"{type(origin).__name__} names no database")
    return origin.database


def _projection(project: Project, spec: CheckSpec) -> ProjectionSpec:
    return next(one for one in project.projections if one.name == spec.view)


def basis_of(project: Project, spec: CheckSpec) -> dict[str, str]:
    """What a check of a view's rows goes by, each with a digest: a run goes on with what is of the same."""
    try:
        version = project.made(spec.mapping).version
    except DragomanError:
        version = ""  # whoever runs the check says why
    projection = _projection(project, spec)
    origin = project.source.origin
    database = "" if not isinstance(origin, Kafka) or origin.database is None else origin.database.reveal()
    views = str(project.settings.database(projection.database, spec.view).url)
    asked = msgspec.structs.replace(spec, processes=1)
    return {
        "mapping": version,
        "view": fingerprint("\n".join(projection.lines).encode()),
        "check": fingerprint(msgspec.json.encode(asked, order="deterministic", enc_hook=str)),
        "databases": fingerprint(f"{_place(database)} {_place(views)}".encode()),
    }


def fingerprint(said: bytes) -> str:
    """A few digits that are others where anything else is said."""
    return blake2b(said, digest_size=6).hexdigest()


def _place(url: str) -> str:
    """A database's URL without what is secret in it."""
    try:
        return make_url(url).set(password=None).render_as_string()
    except ArgumentError:
        return url
