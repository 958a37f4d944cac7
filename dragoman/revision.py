"""What a project promised in an earlier revision: the schemas of its contracts, and what its codes meant."""

from __future__ import annotations

from dataclasses import dataclass

from dragoman.project import Project
from dragoman.rehearsing import apart, older
from translators.compatibility import Schema, published_schema
from translators.errors import DragomanError
from translators.lint.earlier import Codes


@dataclass(frozen=True, slots=True)
class Earlier:
    """The contracts' schemas by type, and the code tables by the mapping's file."""

    schemas: dict[str, Schema]
    codes: dict[str, Codes]


def promised_at(project: Project, against: str) -> Earlier:
    """The promises of a project in a git revision, or in another folder. Raises what its files raise."""
    with older(project, against) as old, apart(project.folder, old.folder):
        schemas: dict[str, Schema] = {name: published_schema(contract) for name, contract in old.contracts.items()}
        return Earlier(schemas, _codes(old))


def _codes(old: Project) -> dict[str, Codes]:
    found: dict[str, Codes] = {}
    for name in old.settings.translators:
        try:
            mapping, _ = old.mapping(name)
        except DragomanError:
            continue  # it could not be read then either: nothing was published from it
        found[mapping.file] = mapping.codes
    return found
