"""What the mapping of the model means, in plain Python: what an order is, and what is said of a step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from tests.model.journal import Row

Rows = Mapping[str, Mapping[tuple[object, ...], Row]]
"""table -> primary key -> row; what belongs to one order."""

State = dict[str, Any]
KNOWN = {"N": "new", "S": "shipped", "C": "cancelled"}
FIXED = {**KNOWN, "X": "strange"}
IGNORED = "nothing that matters"


class Unmapped(Exception):
    """A code that the mapping does not know: the step is rejected."""


def key_of(table: str, row: Row) -> str:
    """The business key of a row, in canonical text: no padding, and no sign that joins keys."""
    return text_of((row["br"], row["no"]))


def text_of(values: Iterable[object]) -> str:
    """The canonical text of a key."""
    return "/".join(str(value).rstrip().replace("%", "%25").replace("/", "%2F") for value in values)


def state_of(rows: Rows, codes: Mapping[str, str]) -> State | None:
    """What an order is, as the state stream shows it; `None` without a root row. Raises `Unmapped`."""
    if not rows.get("orders"):
        return None
    (root,) = rows["orders"].values()
    if root["sts"] not in codes:
        raise Unmapped
    lines = sorted(rows.get("order_line", {}).values(), key=lambda row: row["ln"])
    payments = sorted(rows.get("payment", {}).values(), key=lambda row: row["pid"])
    paid = sum((Decimal(row["amt"]) for row in payments if row["amt"] is not None), Decimal())
    return {
        "branch": root["br"].strip(),
        "number": str(root["no"]),
        "status": codes[root["sts"]],
        "note": root["note"],
        "paid": f"{paid:.2f}" if paid or any(row["amt"] is not None for row in payments) else "0.00",
        "lines": [{"number": row["ln"], "quantity": row["qty"]} for row in lines],
        "payments": [{"number": row["pid"], "amount": row["amt"]} for row in payments],
    }


def events_of(old: State | None, new: State | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is said of a step, in the order of the mapping."""
    if old is None and new is not None:
        yield "OrderPlaced.v1", _only(new, "branch", "number", "status", "lines")
    if old is not None and new is None:
        yield "OrderDropped.v1", _only(old, "branch", "number", "note")
    if old is None or new is None:
        return
    if (old["status"], new["status"]) == ("new", "shipped"):
        yield "OrderShipped.v1", _only(new, "branch", "number", "note")
    if old["lines"] != new["lines"]:
        yield "LinesChanged.v1", _only(new, "branch", "number", "lines")
    if old["paid"] != new["paid"]:
        yield "PaymentsChanged.v1", {**_only(new, "branch", "number", "paid"), "before": old["paid"]}
    if (old["branch"], old["number"]) != (new["branch"], new["number"]):
        yield "OrderRenumbered.v1", {**_only(new, "branch", "number"), "oldNumber": old["number"]}


def _only(state: State, *names: str) -> dict[str, Any]:
    return {name: state[name] for name in names}
