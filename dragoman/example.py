"""The example, an insurer's project, laid out in a folder: as the demo has it, or in a variant.

    python -m dragoman.example postgres FOLDER

A variant is what it has otherwise, laid over the example: `postgres` has its legacy in PostgreSQL and its feeds on Kafka,
`recorded` a day of that feed in a file.
"""

from __future__ import annotations

import shutil
import sys
from hashlib import blake2b
from pathlib import Path
from typing import ClassVar, Literal, get_args

from dragoman.identity import HOME
from translators.errors import DragomanError

Variant = Literal["sqlite", "postgres", "recorded"]

MARK = ".dragoman-demo"
_VARIANTS = "variants"
_SCHEMA = "schema.yaml"
_HEAD = ("connector: sqlite\nnamespace: main\n", "connector: postgresql\nnamespace: public\n")
"""In what the schemas of the databases differ: the same generator makes the same tables in both."""


class FolderNotOurs(DragomanError):
    """The folder {folder} is not one that a demo made."""

    code: ClassVar[str] = "demo.folder-not-ours"
    hint: ClassVar[str] = "A demo begins by emptying its folder: name another one with --dir."


class FolderEdited(DragomanError):
    """The folder {folder} was made by a demo, and somebody has changed its files since."""

    code: ClassVar[str] = "demo.folder-edited"
    hint: ClassVar[str] = (
        "A demo begins by emptying its folder: name another one with --dir, or remove this one yourself."
    )


class ExampleMissing(DragomanError):
    """The example is neither in this checkout nor in the installed package."""

    code: ClassVar[str] = "demo.example-missing"
    hint: ClassVar[str] = "Install dragoman again; the example is part of it."


def make_folder(folder: Path, variant: Variant = "sqlite") -> None:
    """A fresh copy of the example in a folder of our own.

    `FolderNotOurs` if it holds anything else, `FolderEdited` if it holds somebody's work.
    """
    source = next(
        (s for s in (HOME / "dragoman" / "example_insurer", HOME / "examples" / "insurer") if s.is_dir()), None
    )
    if source is None:
        raise ExampleMissing
    if folder.exists():
        if not folder.is_dir() or (any(folder.iterdir()) and not (folder / MARK).is_file()):
            raise FolderNotOurs(folder=folder)
        if any(folder.iterdir()) and (folder / MARK).read_text(encoding="utf-8", errors="replace") != _mark(folder):
            raise FolderEdited(folder=folder)
        shutil.rmtree(folder)
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("var", "__pycache__", "*.pyc", _VARIANTS))
    if variant != "sqlite":
        shutil.copytree(source / _VARIANTS / variant, folder, dirs_exist_ok=True)
        schema = folder / _SCHEMA
        schema.write_text(schema.read_text(encoding="utf-8").replace(*_HEAD), encoding="utf-8")
    (folder / MARK).write_text(_mark(folder), encoding="utf-8")


def _mark(folder: Path) -> str:
    """What the mark of a demo's folder says: whose it is, and a hash of the files that people may edit."""
    digest = blake2b(digest_size=8)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not {"var", "__pycache__", MARK} & set(name.parts):
            digest.update(f"{name.as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return f"Made by `dragoman demo`, which empties this folder each time. Its files: {digest.hexdigest()}\n"


if __name__ == "__main__":
    _chosen, _folder = sys.argv[1:]
    make_folder(Path(_folder), next(one for one in get_args(Variant) if one == _chosen))
