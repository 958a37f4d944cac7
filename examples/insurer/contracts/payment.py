"""What the payment context promises: the state of a claim payment, and what happens to one."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from dragoman import Contract, Promise, personal

ClaimNumber = Annotated[str, StringConstraints(min_length=1, max_length=12)]
Amount = Annotated[Decimal, Field(max_digits=11, decimal_places=2)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
ReverseReason = Literal["returned by the bank", "paid twice", "entered by mistake"]

OWNER = "Disbursement"
COMMITTED = "commit of the legacy transaction"
KEY = ("claimNumber", "paymentNumber")


class Instruction(BaseModel):
    """The fields that the state and every event of a payment carry."""

    claimNumber: ClaimNumber
    paymentNumber: int
    reference: Annotated[str, StringConstraints(max_length=32)]
    payeeNumber: int = personal()
    amount: Amount
    currency: Currency


EXAMPLE = {
    "claimNumber": "C0000871",
    "paymentNumber": 1,
    "reference": "C0000871-001",
    "payeeNumber": 100042,
    "amount": "1500.00",
    "currency": "EUR",
}


class Payment(Instruction, Contract):
    """What a claim payment is now."""

    promise = Promise(
        name="Payment",
        version=1,
        kind="state",
        context="payment",
        owner=OWNER,
        intent="Show where a payment stands, to the claim handler and to the treasury.",
        business_key=KEY,
        style="state-transfer",
        folds="replace",
        status="active",
        visibility="internal",
        invariants=("amount > 0",),
        times={
            "time": COMMITTED,
            "authorizedOn": "day on which the payment was approved",
            "issuedOn": "day on which it was handed to the bank",
            "reversedOn": "day on which it was taken back",
        },
        retention="kept while the payment exists (compacted)",
        lag_objective="60 s",
        examples=(
            {
                **EXAMPLE,
                "status": "authorized",
                "method": "bank transfer",
                "account": "DE00500105170000000000",
                "authorizedOn": "2026-09-01",
                "issuedOn": None,
                "reversedOn": None,
            },
        ),
    )

    status: Literal["authorized", "issued", "reversed"]
    method: Literal["bank transfer", "cheque"]
    account: Annotated[str, StringConstraints(max_length=34)] | None = personal()
    authorizedOn: date | None
    issuedOn: date | None
    reversedOn: date | None


class ClaimPaymentAuthorized(Instruction, Contract):
    """A payment for a claim was approved."""

    promise = Promise(
        name="ClaimPaymentAuthorized",
        version=1,
        kind="event",
        context="payment",
        owner=OWNER,
        intent="Decide when the money is made available.",
        business_key=KEY,
        status="active",
        visibility="internal",
        invariants=("amount > 0",),
        times={"time": COMMITTED, "authorizedOn": "day on which the payment was approved"},
        retention="400 days",
        lag_objective="60 s",
        examples=({**EXAMPLE, "method": "bank transfer", "authorizedOn": "2026-09-01"},),
    )

    method: Literal["bank transfer", "cheque"]
    authorizedOn: date


class ClaimPaymentIssued(Instruction, Contract):
    """A payment for a claim was handed to the bank."""

    promise = Promise(
        name="ClaimPaymentIssued",
        version=1,
        kind="event",
        context="payment",
        owner=OWNER,
        intent="Decide what to tell the customer, and book the amount.",
        business_key=KEY,
        status="active",
        visibility="public",
        invariants=("amount > 0",),
        times={"time": COMMITTED, "issuedOn": "day on which it was handed to the bank"},
        retention="400 days",
        lag_objective="60 s",
        examples=({**EXAMPLE, "method": "bank transfer", "issuedOn": "2026-09-03"},),
    )

    method: Literal["bank transfer", "cheque"]
    issuedOn: date


class ClaimPaymentReversed(Instruction, Contract):
    """A payment for a claim was taken back."""

    promise = Promise(
        name="ClaimPaymentReversed",
        version=1,
        kind="event",
        context="payment",
        owner=OWNER,
        intent="Decide whether to pay again, and book the amount back.",
        business_key=KEY,
        status="active",
        visibility="public",
        invariants=("amount > 0",),
        times={"time": COMMITTED, "reversedOn": "day on which it was taken back"},
        retention="400 days",
        lag_objective="60 s",
        examples=({**EXAMPLE, "reversedOn": "2026-09-10", "reason": "returned by the bank"},),
    )

    reversedOn: date
    reason: ReverseReason
