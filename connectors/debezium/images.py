"""One table's rows and keys in one form: its plan for the careful way, its generated functions for the everyday one."""

from __future__ import annotations

from typing import Any

from connectors.debezium.avro import json_like
from connectors.debezium.envelope import load
from connectors.debezium.fast import Form, fast_rows
from connectors.debezium.refusal import Refusal
from connectors.debezium.rows import RowPlan
from connectors.debezium.sources import SourceForm
from translators.values import Row

Image = Any
"""A row as its form holds it: JSON's bytes, or what Avro held by field."""


class TableReader:
    """Reads what one table's records hold, carefully; `fast` reads everyday ones, where the table has any."""

    def __init__(self, table: str, plan: RowPlan, form: Form, source: SourceForm) -> None:
        self.table = table
        self.plan = plan
        self.form = form
        self.source = source
        self.hidden = plan.hidden.text.encode()
        self.fast = fast_rows(plan, form)
        self.hides = bool(plan.hiding) and not plan.full
        self._wires = {column.field: column.wire for column in plan.columns.values()}

    def row(self, image: Image) -> tuple[Row, tuple[str, ...]]:
        """A whole row, and its columns whose value is not available or out of range."""
        row = self.plan.row(self.plain(image))
        return row, self.plan.flagged(row)

    def plain(self, image: Image) -> dict[str, Any]:
        """The row as JSON holds it."""
        found = load(image, "value") if isinstance(image, bytes) else self._from_avro(image)
        if not isinstance(found, dict):
            raise Refusal("record.bad-envelope", "row")
        return found

    def _from_avro(self, image: dict[str, Any]) -> dict[str, Any]:
        wires = self._wires
        return {name: json_like(wires[name], value) if name in wires else value for name, value in image.items()}
