"""What is wrong between a projection and the contract of the state that it reads."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pipeline.projection.spec import ProjectionSpec
from translators.contract import Shape
from translators.findings import Finding
from translators.yaml_text import did_you_mean

COLUMN_KINDS = frozenset({"text", "integer", "decimal", "float", "date", "timestamptz", "boolean"})
"""What a column can hold; objects are reached by a longer path, lists by `children`."""


def check_projection(spec: ProjectionSpec, shape: Mapping[str, Shape]) -> list[Finding]:
    """All errors of a projection against the fields of its state contract, in the order of the file."""
    checker = _Checker(spec)
    for column, path in spec.key.items():
        found = checker.column(shape, path, ("key", column))
        if found is not None and (found.nullable or not found.required or found.kind == "float"):
            what = "is a floating-point number" if found.kind == "float" else "may be null or absent"
            checker.add("projection.key", f"{path} {what}, so it is no key", ("key", column), "Choose another field.")
    for column, path in spec.columns.items():
        checker.column(shape, path, ("columns", column))
    for path, child in spec.children.items():
        found = checker.resolve(shape, path, ("children", path))
        if found is None:
            continue
        if found.kind != "list":
            checker.add("projection.no-list", f"{path} is no list", ("children", path), "Put it under `columns`.")
            continue
        for column, inner in child.columns.items():
            checker.column(found.fields, inner, ("children", path, column))
    return sorted(checker.findings, key=lambda finding: (finding.line, finding.column))


def shape_at(shape: Mapping[str, Shape], path: str) -> Shape:
    """What the contract says of a path that was checked."""
    head, _, rest = path.partition(".")
    return shape_at(shape[head].fields, rest) if rest else shape[head]


class _Checker:
    def __init__(self, spec: ProjectionSpec) -> None:
        self._spec = spec
        self.findings: list[Finding] = []

    def column(self, shape: Mapping[str, Shape], path: str, at: tuple[str, ...]) -> Shape | None:
        """The shape of a path that can feed a column; a finding and `None` if it cannot."""
        found = self.resolve(shape, path, at)
        if found is None or found.kind in COLUMN_KINDS:
            return found
        fix = {
            "object": f"Name one of its fields: {', '.join(f'{path}.{name}' for name in found.fields)}.",
            "list": "Give it a table under `children`.",
        }.get(found.kind, "Leave it out.")
        self.add("projection.no-column", f"{path} is {_article(found.kind)}, which is no column", at, fix)
        return None

    def resolve(self, shape: Mapping[str, Shape], path: str, at: tuple[str, ...]) -> Shape | None:
        """The shape at the end of a path, as nullable as what it goes through; a finding and `None` if there is none."""
        fields, optional = shape, False
        names = path.split(".")
        for depth, name in enumerate(names):
            if name not in fields:
                owner = ".".join(names[:depth]) or "the state"
                hint = f"Fields of {owner}: {', '.join(fields)}{did_you_mean(name, fields)}"
                self.add("projection.unknown-field", f"{owner} has no field {name!r}", at, hint)
                return None
            found = fields[name]
            if depth == len(names) - 1:
                return msgspec.structs.replace(found, nullable=found.nullable or optional)
            if found.kind != "object":
                inside = ".".join(names[: depth + 1])
                fix = "Give it a table under `children`." if found.kind == "list" else f"Write {inside}."
                self.add("projection.unknown-field", f"{inside} is {_article(found.kind)}, no object", at, fix)
                return None
            fields, optional = found.fields, optional or found.nullable or not found.required
        raise AssertionError("a path has at least one name")

    def add(self, code: str, message: str, at: tuple[str, ...], hint: str) -> None:
        """One error at the place of a path."""
        mark = self._spec.marks[at]
        lines = self._spec.lines
        self.findings.append(
            Finding(
                code=code,
                severity="error",
                file=self._spec.file,
                line=mark.line,
                column=mark.column,
                message=message,
                hint=hint,
                length=len(self._written(at)),
                excerpt=lines[mark.line - 1] if mark.line <= len(lines) else "",
            )
        )

    def _written(self, at: tuple[str, ...]) -> str:
        match at:
            case ("key", column):
                return self._spec.key[column]
            case ("columns", column):
                return self._spec.columns[column]
            case ("children", path, column):
                return self._spec.children[path].columns[column]
            case _:
                return at[-1]


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeio" else f"a {kind}"
