"""The project's checks wired: what a check's names stand for, and the run of it."""

from __future__ import annotations

from typing import ClassVar

from dragoman.project import Project
from reconcile.check import CheckSpec, read_check
from translators.errors import DragomanError
from translators.yaml_text import did_you_mean


class CheckUnknown(DragomanError):
    """This project has no check {name}{suggestion}."""

    code: ClassVar[str] = "check.unknown"
    hint: ClassVar[str] = "Its checks are: {known}."


class CheckNamesUnknown(DragomanError):
    """The check {check} names the {kind} {name}, which this project has not{suggestion}."""

    code: ClassVar[str] = "check.names-unknown"
    hint: ClassVar[str] = "Known are: {known}."


class CheckMismatched(DragomanError):
    """The check {check} compares the mapping {mapping} with {view}, which is built from {reads}."""

    code: ClassVar[str] = "check.mismatched"
    hint: ClassVar[str] = "A view is compared with the mapping whose state it shows: correct `mapping` or `view`."


def check_names(project: Project, file: str) -> CheckSpec:
    """The check of a file, if the mapping and the view that it names exist and belong together."""
    spec = read_check(project.text(file), file)
    views = {projection.name: projection for projection in project.projections}
    named = (("mapping", spec.mapping, project.settings.translators), ("view", spec.view, tuple(views)))
    for kind, name, known in named:
        if name not in known:
            raise CheckNamesUnknown(
                check=spec.name,
                kind=kind,
                name=name,
                suggestion=did_you_mean(name, known),
                known=", ".join(known),
                where=file,
            )
    reads = views[spec.view].reads
    if reads != spec.mapping:
        raise CheckMismatched(check=spec.name, mapping=spec.mapping, view=spec.view, reads=reads, where=file)
    return spec


def chosen_checks(project: Project, name: str | None) -> list[CheckSpec]:
    """All checks of a project, or the one of this name."""
    checks = [check_names(project, file) for file in project.files("checks")]
    if name is None:
        return checks
    known = [check.name for check in checks]
    if name not in known:
        raise CheckUnknown(name=name, suggestion=did_you_mean(name, known), known=", ".join(known) or "none")
    return [check for check in checks if check.name == name]
