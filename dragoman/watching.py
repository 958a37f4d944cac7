"""Running something again whenever a file of the project is saved, by asking for the files' times."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from dragoman.console import say, show_error
from translators.errors import DragomanError

SUFFIXES = (".yaml", ".yml", ".py", ".csv", ".json")
SECONDS = 0.25

Seen = dict[Path, tuple[int, int]]
"""Each file's time of change (ns) and size."""


def watch(folder: Path, others: tuple[Path, ...], act: Callable[[], object], sleep: Callable[[float], object]) -> None:
    """Act now, and again after each change of a project file or of `others`, until it is interrupted.

    A coded error of an action is shown, and waits for the next change. `sleep` is called between two looks.
    """
    try:
        while True:
            before = look(folder, others)
            _forget(folder)
            try:
                act()
            except DragomanError as error:
                sys.stdout.flush()
                show_error(error)
            say()
            say(("watching; Ctrl-C ends", "dim"))
            sys.stdout.flush()
            while look(folder, others) == before:
                sleep(SECONDS)
            say()
    except KeyboardInterrupt:
        return


def look(folder: Path, others: tuple[Path, ...]) -> Seen:
    """The files as they are; one that goes while it is looked at is not there."""
    found: Seen = {}
    for path in (*_files(folder), *others):
        try:
            about = path.stat()
        except OSError:
            continue
        found[path] = (about.st_mtime_ns, about.st_size)
    return found


def _files(folder: Path) -> Iterator[Path]:
    """The files that people write; not what runs leave (`var/`), nor what is hidden."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name.startswith(".") or path.name in ("var", "__pycache__"):
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _files(path)
        elif path.suffix in SUFFIXES:
            yield path


def _forget(folder: Path) -> None:
    """Let the project's own Python be imported again."""
    # Compiled files are told apart by whole seconds, and people save faster than that.
    sys.dont_write_bytecode = True
    importlib.invalidate_caches()
    inside = folder.resolve()
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and Path(file).is_relative_to(inside):
            del sys.modules[name]
