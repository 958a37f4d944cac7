"""What is wrong between the tables that a check declares and the state that they are to show."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.projection.check import check_projection
from reconcile.own_tables import OwnTables, at
from reconcile.sources import Layout
from translators.bound_mapping import BoundMapping
from translators.findings import Finding


def check_tables(tables: OwnTables, bound: BoundMapping, lines: Sequence[str] = ()) -> list[Finding]:
    """All errors, in the order of the file, whose lines are `lines`."""
    found = check_projection(tables.declared(bound.mapping.name, lines), bound.shape)
    key = Layout.of(bound).key
    if len(tables.key) != len(key):
        mark = tables.marks[at("key", next(iter(tables.key)))]
        found.append(
            Finding(
                code="check.view-key",
                severity="error",
                file=tables.file,
                line=mark.line,
                column=mark.column,
                message=f"the business key of {bound.mapping.name} has {_columns(len(key))}, and this one {len(tables.key)}",
                hint=f"Name the columns that show {', '.join(key)}, in this order.",
                length=1,
                excerpt=lines[mark.line - 1] if mark.line <= len(lines) else "",
            )
        )
    return sorted(found, key=lambda finding: (finding.line, finding.column))


def _columns(number: int) -> str:
    return "1 column" if number == 1 else f"{number} columns"
