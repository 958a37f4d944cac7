"""What a shop promises of its orders: contracts for the recorded orders feed."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from translators.contract import Contract, Promise


def promise(name: str, kind: Literal["event", "state"], intent: str) -> Promise:
    return Promise(
        name=name,
        version=1,
        kind=kind,
        context="ordering",
        owner="Ordering",
        intent=intent,
        business_key=("orderNumber",),
        retention="30 days",
        lag_objective="60 s",
    )


class Line(BaseModel):
    """One position of an order."""

    number: int
    item: int | None
    quantity: Annotated[Decimal, Field(max_digits=5, decimal_places=0)] | None
    amount: Annotated[Decimal, Field(max_digits=8, decimal_places=2)] | None
    deliveredAt: datetime | None


class Order(Contract):
    """What an order is."""

    promise = promise("Order", "state", "Show an order as it stands.")

    orderNumber: int
    customer: int
    enteredAt: datetime | None
    carrier: int | None
    status: Literal["new", "delivered"]
    remark: Annotated[str, StringConstraints(max_length=2000)] | None
    total: Annotated[Decimal, Field(max_digits=38, decimal_places=2)]
    lines: list[Line]


class OrderPlaced(Contract):
    """A customer ordered."""

    promise = promise("OrderPlaced", "event", "Reserve stock.")

    orderNumber: int
    customer: int
    total: Annotated[Decimal, Field(max_digits=38, decimal_places=2)]
    lines: list[Line]


class OrderDelivered(Contract):
    """A carrier delivered all lines of an order."""

    promise = promise("OrderDelivered", "event", "Send the invoice.")

    orderNumber: int
    customer: int
    carrier: int


class OrderWithdrawn(Contract):
    """An order was deleted with its lines."""

    promise = promise("OrderWithdrawn", "event", "Give the reserved stock back.")

    orderNumber: int
    total: Annotated[Decimal, Field(max_digits=38, decimal_places=2)]


CONTRACTS = {c.promise.type: c for c in (Order, OrderPlaced, OrderDelivered, OrderWithdrawn)}
