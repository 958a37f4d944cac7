"""One table's rows and keys in one form: its plan for the careful way, its generated functions for the everyday one."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from connectors.debezium.avro import json_like
from connectors.debezium.envelope import load
from connectors.debezium.fast import FastRows, Form, fast_rows
from connectors.debezium.refusal import Refusal
from connectors.debezium.rows import RowPlan
from connectors.debezium.sources import SourceForm
from translators.values import Row

_SHAPES = 32

Image = Any
"""A row as its form holds it: JSON's bytes, or what Avro held by field."""


class TableReader:
    """Reads what one table's records hold, carefully; `fast` reads everyday ones, where the table has any.

    Rows that come without their schema may have other fields than are declared: `reshape` makes the plan for them, and
    the reader keeps to the shape that it met last.
    """

    def __init__(
        self,
        table: str,
        plan: RowPlan,
        form: Form,
        source: SourceForm,
        reshape: Callable[[Collection[str]], RowPlan] | None = None,
    ) -> None:
        self.table = table
        self.form = form
        self.source = source
        self.hidden = plan.hidden.text.encode()
        self._reshape = reshape
        self._shapes: dict[frozenset[str], tuple[RowPlan, FastRows | None]] = {}
        self._wires = {column.field: column.wire for column in plan.columns.values()}
        self._keep_to(plan, fast_rows(plan, form))

    def row(self, image: Image) -> tuple[Row, tuple[str, ...]]:
        """A whole row, and its columns whose value is not available or out of range."""
        raw = self.plain(image)
        if self._reshape is not None and raw.keys() != self.plan.fields:
            self._follow(frozenset(raw), self._reshape)
        row = self.plan.row(raw)
        return row, self.plan.flagged(row)

    def _follow(self, shape: frozenset[str], reshape: Callable[[Collection[str]], RowPlan]) -> None:
        if shape not in self._shapes:
            plan = reshape(shape)
            if len(self._shapes) >= _SHAPES:
                self._shapes.clear()
            self._shapes[shape] = (plan, fast_rows(plan, self.form))
        self._keep_to(*self._shapes[shape])

    def _keep_to(self, plan: RowPlan, fast: FastRows | None) -> None:
        self.plan = plan
        self.fast = fast
        self.hides = bool(plan.hiding) and not plan.full
        self._shapes[plan.fields] = (plan, fast)

    def plain(self, image: Image) -> dict[str, Any]:
        """The row as JSON holds it."""
        found = load(image, "value") if isinstance(image, bytes) else self._from_avro(image)
        if not isinstance(found, dict):
            raise Refusal("record.bad-envelope", "row")
        return found

    def _from_avro(self, image: dict[str, Any]) -> dict[str, Any]:
        wires = self._wires
        return {name: json_like(wires[name], value) if name in wires else value for name, value in image.items()}
