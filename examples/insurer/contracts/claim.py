"""What the claim context promises: the state of a claim, and what happens to one."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from dragoman import Contract, Promise, personal

ClaimNumber = Annotated[str, StringConstraints(min_length=1, max_length=12)]
PolicyNumber = Annotated[str, StringConstraints(min_length=1, max_length=10)]
Amount = Annotated[Decimal, Field(max_digits=15, decimal_places=2)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Status = Literal["registered", "accepted", "rejected", "settled"]
Cause = Literal["fire", "storm", "burst pipe", "theft", "accident"]
CoverageKind = Literal["fire", "water", "theft", "glass", "third party liability", "collision"]
RejectReason = Literal["not covered", "policy not in force", "below deductible", "suspected fraud"]

OWNER = "Claims handling"
COMMITTED = "commit of the legacy transaction"
LOSS = "day of the loss, as the customer reported it"


class Reserve(BaseModel):
    """What the insurer expects still to pay."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    amount: Amount
    currency: Currency


class Line(BaseModel):
    """One damaged thing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    coverage: CoverageKind
    item: Annotated[str, StringConstraints(max_length=80)] | None
    claimed: Annotated[Decimal, Field(max_digits=11, decimal_places=2)]
    accepted: Annotated[Decimal, Field(max_digits=11, decimal_places=2)] | None


LINE = {"number": 1, "coverage": "water", "item": "Parquet", "claimed": "1800.00", "accepted": "1500.00"}


class Claim(Contract):
    """What a claim is now."""

    promise = Promise(
        name="Claim",
        version=1,
        kind="state",
        context="claim",
        owner=OWNER,
        intent="Show a claim as it stands, in service, in the customer portal and to the loss adjuster.",
        business_key=("claimNumber",),
        style="state-transfer",
        folds="replace",
        status="active",
        visibility="public",
        invariants=("reserve.amount >= 0", "acceptedAmount <= claimedAmount"),
        times={
            "time": COMMITTED,
            "lossDate": LOSS,
            "reportedOn": "day on which the insurer heard of the loss",
            "closedOn": "day of rejection or settlement",
        },
        retention="kept while the claim exists (compacted)",
        lag_objective="60 s",
        examples=(
            {
                "claimNumber": "C0000871",
                "policyNumber": "P00004711",
                "status": "accepted",
                "cause": "burst pipe",
                "lossDate": "2026-08-02",
                "reportedOn": "2026-08-03",
                "closedOn": None,
                "description": "Kitchen pipe burst overnight",
                "handler": "mweber",
                "reserve": {"amount": "1500.00", "currency": "EUR"},
                "claimedAmount": "1800.00",
                "acceptedAmount": "1500.00",
                "settledAmount": None,
                "lines": [LINE],
            },
        ),
    )

    claimNumber: ClaimNumber
    policyNumber: PolicyNumber
    status: Status
    cause: Cause
    lossDate: date | None
    reportedOn: date | None
    closedOn: date | None
    description: Annotated[str, StringConstraints(max_length=200)] | None = personal()
    handler: Annotated[str, StringConstraints(max_length=8)] | None
    reserve: Reserve
    claimedAmount: Annotated[Decimal, Field(max_digits=38, decimal_places=2)]
    acceptedAmount: Annotated[Decimal, Field(max_digits=38, decimal_places=2)]
    settledAmount: Annotated[Decimal, Field(max_digits=11, decimal_places=2)] | None
    lines: list[Line]


class ClaimRegistered(Contract):
    """A loss was reported and entered."""

    promise = Promise(
        name="ClaimRegistered",
        version=1,
        kind="event",
        context="claim",
        owner=OWNER,
        intent="Decide who handles the claim, and confirm to the customer that it was received.",
        business_key=("claimNumber",),
        status="active",
        visibility="public",
        invariants=("claimedAmount >= 0",),
        times={"time": COMMITTED, "lossDate": LOSS, "reportedOn": "day on which the insurer heard of the loss"},
        retention="400 days",
        lag_objective="60 s",
        examples=(
            {
                "claimNumber": "C0000871",
                "policyNumber": "P00004711",
                "cause": "burst pipe",
                "lossDate": "2026-08-02",
                "reportedOn": "2026-08-03",
                "description": "Kitchen pipe burst overnight",
                "claimedAmount": "1800.00",
                "lines": [{**LINE, "accepted": None}],
            },
        ),
    )

    claimNumber: ClaimNumber
    policyNumber: PolicyNumber
    cause: Cause
    lossDate: date | None
    reportedOn: date | None
    description: Annotated[str, StringConstraints(max_length=200)] | None = personal()
    claimedAmount: Annotated[Decimal, Field(max_digits=38, decimal_places=2)]
    lines: list[Line]


class ClaimAccepted(Contract):
    """The insurer agreed to pay for a loss."""

    promise = Promise(
        name="ClaimAccepted",
        version=1,
        kind="event",
        context="claim",
        owner=OWNER,
        intent="Decide what may be paid, and tell the customer what is covered.",
        business_key=("claimNumber",),
        status="active",
        visibility="public",
        invariants=("acceptedAmount >= 0",),
        times={"time": COMMITTED},
        retention="400 days",
        lag_objective="60 s",
        examples=(
            {
                "claimNumber": "C0000871",
                "policyNumber": "P00004711",
                "claimedAmount": "1800.00",
                "acceptedAmount": "1500.00",
                "reserve": {"amount": "1500.00", "currency": "EUR"},
                "lines": [LINE],
            },
        ),
    )

    claimNumber: ClaimNumber
    policyNumber: PolicyNumber
    claimedAmount: Annotated[Decimal, Field(max_digits=38, decimal_places=2)]
    acceptedAmount: Annotated[Decimal, Field(max_digits=38, decimal_places=2)]
    reserve: Reserve
    lines: list[Line]


class ClaimRejected(Contract):
    """The insurer declined to pay for a loss."""

    promise = Promise(
        name="ClaimRejected",
        version=1,
        kind="event",
        context="claim",
        owner=OWNER,
        intent="Decide how to explain the refusal to the customer, and whether the agent calls first.",
        business_key=("claimNumber",),
        status="active",
        visibility="public",
        times={"time": COMMITTED, "closedOn": "day of the rejection"},
        retention="400 days",
        lag_objective="60 s",
        examples=(
            {
                "claimNumber": "C0000872",
                "policyNumber": "P00004712",
                "closedOn": "2026-08-20",
                "reason": "below deductible",
            },
        ),
    )

    claimNumber: ClaimNumber
    policyNumber: PolicyNumber
    closedOn: date
    reason: RejectReason


class ClaimSettled(Contract):
    """A claim was paid for and closed."""

    promise = Promise(
        name="ClaimSettled",
        version=1,
        kind="event",
        context="claim",
        owner=OWNER,
        intent="Decide whether the reserve can be released and the premium of the next year be recalculated.",
        business_key=("claimNumber",),
        status="active",
        visibility="public",
        invariants=("settledAmount <= acceptedAmount",),
        times={"time": COMMITTED, "closedOn": "day of the settlement"},
        retention="400 days",
        lag_objective="60 s",
        examples=(
            {
                "claimNumber": "C0000871",
                "policyNumber": "P00004711",
                "closedOn": "2026-09-14",
                "acceptedAmount": "1500.00",
                "settledAmount": "1500.00",
            },
        ),
    )

    claimNumber: ClaimNumber
    policyNumber: PolicyNumber
    closedOn: date
    acceptedAmount: Annotated[Decimal, Field(max_digits=38, decimal_places=2)]
    settledAmount: Annotated[Decimal, Field(max_digits=11, decimal_places=2)]
