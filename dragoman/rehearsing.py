"""What a rehearsal needs of two projects: the one at hand, and what it was in a git revision or is in another folder."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import ClassVar

from connectors.debezium.decode import Decoder
from dragoman.project import Project
from dragoman.settings import read_settings
from dragoman.source import Recording
from dragoman.wiring import identity_of, reading
from pipeline.difference import hidden_paths
from pipeline.log.recording import read_recording
from pipeline.rehearse import LogFeed, RecordedFeed, Rehearsal, Side, rehearse
from translators.binding import Contracts
from translators.compatibility import published_schema
from translators.compiled import CompiledTranslator
from translators.contract import shape_of
from translators.errors import DragomanError


class AgainstUnknown(DragomanError):
    """{against} is neither a folder nor a revision of {folder}: {reason}."""

    code: ClassVar[str] = "rehearse.against-unknown"
    hint: ClassVar[str] = "Name a revision (`--against HEAD~1`, a branch, a tag), or the folder of the other project."


class FeedDiffers(DragomanError):
    """The old mapping {translator} reads the feed {old}, the new one {new}: they do not see the same changes."""

    code: ClassVar[str] = "rehearse.feed-differs"
    hint: ClassVar[str] = "A mapping on another feed is another state epoch: compare its events after a first run."


class NothingRecorded(DragomanError):
    """There is nothing to rehearse {translator} on: {source} holds no change of its tables."""

    code: ClassVar[str] = "rehearse.nothing-recorded"
    hint: ClassVar[str] = "Name a recording with --feed, or let `dragoman run` read the feed once."


@contextmanager
def older(project: Project, against: str) -> Iterator[Project]:
    """The project to compare with: a folder, or a git revision of this project's own folder."""
    settings = project.settings
    if Path(against).is_dir():
        yield Project(read_settings(Path(against), settings.environment))
        return
    with TemporaryDirectory(prefix="dragoman-") as made:
        folder = Path(made).resolve()
        _check_out(settings.folder, against, folder)
        yield Project(read_settings(folder, settings.environment))


def rehearsed(new: Project, old: Project, name: str, recording: Path | None, limit: int | None) -> Rehearsal:
    """One translator's rehearsal over a recording, or over the project's own log."""
    after = new.translator(name)
    with apart(new.folder, old.folder):
        before = old.translator(name)
        contracts = old.contracts
    feed = new.source.feed_of(after)
    was = new.source.feed_of(before)
    if was.topic != feed.topic:
        raise FeedDiffers(translator=name, old=was.topic, new=feed.topic, where=new.source.file)
    decoder, same = new.decoder(after), (old.schema, before.columns) == (new.schema, after.columns)
    other = decoder if same else new.decoder(before, old.schema)
    sides = side_of(old, before, contracts, other), side_of(new, after, new.contracts, decoder)
    if recording is not None:
        encoding = new.source.origin.encoding if isinstance(new.source.origin, Recording) else "text"
        found = rehearse(*sides, feed, RecordedFeed(read_recording(recording, encoding), feed), limit)
    else:
        with reading(new) as log:
            found = rehearse(*sides, feed, LogFeed(log, feed), limit)
    if not found.changes:
        raise NothingRecorded(translator=name, source=recording or new.settings.log)
    return found


def side_of(project: Project, translator: CompiledTranslator, contracts: Contracts, decoder: Decoder) -> Side:
    """One side of a rehearsal: a translator of a project, with the contracts that it was compiled with."""
    published = {name: contracts[name] for name in (translator.state_type, *translator.event_types)}
    return Side(
        translator=translator,
        decoder=decoder,
        identity=identity_of(project),
        promises={name: published_schema(contract) for name, contract in published.items()},
        hidden={name: frozenset(hidden_paths(shape_of(contract))) for name, contract in published.items()},
    )


@contextmanager
def apart(new: Path, old: Path) -> Iterator[None]:
    """While the old project's Python is imported, the new one's is out of its sight, and the other way round after it.

    Files of one project may import each other by their bare names, which would else find the other project's.
    """
    kept, path = _bare_modules(new), list(sys.path)
    for name in kept:
        del sys.modules[name]
    sys.path[:] = [entry for entry in path if entry != str(new)]
    try:
        yield
    finally:
        for name in _bare_modules(old):
            del sys.modules[name]
        sys.modules.update(kept)
        sys.path[:] = path


def _bare_modules(folder: Path) -> dict[str, ModuleType]:
    """The modules that were imported from a folder by their bare names."""
    found: dict[str, ModuleType] = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and Path(file).is_relative_to(folder) and not name.startswith("_project_"):
            found[name] = module
    return found


def _check_out(folder: Path, revision: str, into: Path) -> None:
    """Write the files that a folder had in a revision."""
    commit = _git(folder, revision, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    archive = _git(folder, revision, "archive", "--format=tar", commit.decode().strip())
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for member in files:
            content = files.extractfile(member) if member.isfile() else None
            path = PurePosixPath(member.name)
            if content is None or path.is_absolute() or ".." in path.parts:
                continue
            target = into.joinpath(*path.parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.read())


def _git(folder: Path, revision: str, *words: str) -> bytes:
    try:
        run = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, check=False)  # noqa: S603, S607 - the user's own git
    except OSError as error:
        reason = f"git cannot be run ({error.strerror})"
        raise AgainstUnknown(against=revision, folder=folder, reason=reason) from error
    if run.returncode:
        said = run.stderr.decode("utf-8", "replace").strip().splitlines()
        raise AgainstUnknown(against=revision, folder=folder, reason=said[-1] if said else "git does not know it")
    return run.stdout
