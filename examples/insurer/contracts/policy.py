"""What the policy context promises: the state of a policy, and what happens to one."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from dragoman import Contract, Promise, personal

PolicyNumber = Annotated[str, StringConstraints(min_length=1, max_length=10)]
Amount = Annotated[Decimal, Field(max_digits=15, decimal_places=2)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Status = Literal["quoted", "active", "cancelled", "lapsed"]
CoverageKind = Literal["fire", "water", "theft", "glass", "third party liability", "collision"]
CancelReason = Literal["customer request", "non-payment", "risk no longer exists", "underwriting decision"]

OWNER = "Policy administration"
INVARIANTS = ("premium.amount >= 0", "coverageCount >= 0")
COMMITTED = "commit of the legacy transaction"


class Premium(BaseModel):
    """What the customer pays for one insurance year."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    amount: Amount
    currency: Currency
    frequency: Literal["monthly", "quarterly", "annual"]


class Coverage(BaseModel):
    """One insured risk of a policy."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sequence: int
    kind: CoverageKind
    sumInsured: Amount
    deductible: Annotated[Decimal, Field(max_digits=9, decimal_places=2)] | None
    premiumShare: Amount


class Terms(BaseModel):
    """The fields that the state and every event of a policy in force carry."""

    policyNumber: PolicyNumber
    product: Literal["home", "motor", "liability", "household"]
    status: Status
    holderNumber: int = personal()
    agentCode: Annotated[str, StringConstraints(max_length=6)] | None
    effectiveFrom: date | None
    effectiveTo: date | None
    premium: Premium
    discountPercent: Annotated[Decimal, Field(max_digits=5, decimal_places=2)]
    coverageCount: int
    coverages: list[Coverage]


EXAMPLE = {
    "policyNumber": "P00004711",
    "product": "home",
    "status": "active",
    "holderNumber": 100042,
    "agentCode": "AG0007",
    "effectiveFrom": "2026-03-01",
    "effectiveTo": "2027-02-28",
    "premium": {"amount": "412.50", "currency": "EUR", "frequency": "annual"},
    "discountPercent": "5.00",
    "coverageCount": 1,
    "coverages": [
        {"sequence": 1, "kind": "fire", "sumInsured": "250000.00", "deductible": "500.00", "premiumShare": "412.50"}
    ],
}


class Policy(Terms, Contract):
    """What a policy is now."""

    promise = Promise(
        name="Policy",
        version=1,
        kind="state",
        context="policy",
        owner=OWNER,
        intent="Show a policy as it stands, in service, claims handling and the customer portal.",
        business_key=("policyNumber",),
        style="state-transfer",
        folds="replace",
        status="active",
        visibility="public",
        origin="inferred",
        invariants=INVARIANTS,
        times={
            "time": COMMITTED,
            "effectiveFrom": "first day in force",
            "effectiveTo": "last day in force",
            "cancelledOn": "first day no longer in force",
        },
        retention="kept while the policy exists (compacted)",
        lag_objective="60 s",
        examples=({**EXAMPLE, "cancelledOn": None},),
    )

    cancelledOn: date | None


class PolicyQuoted(Terms, Contract):
    """A customer was offered a policy."""

    promise = Promise(
        name="PolicyQuoted",
        version=1,
        kind="event",
        context="policy",
        owner=OWNER,
        intent="Decide whether and when an agent follows up an offer.",
        business_key=("policyNumber",),
        status="active",
        visibility="internal",
        invariants=INVARIANTS,
        times={"time": COMMITTED, "effectiveFrom": "first day in force", "effectiveTo": "last day in force"},
        retention="90 days",
        lag_objective="10 min",
        examples=({**EXAMPLE, "status": "quoted", "effectiveFrom": None, "effectiveTo": None},),
    )


class PolicyBound(Terms, Contract):
    """A policy came into force, for the first time or again."""

    promise = Promise(
        name="PolicyBound",
        version=1,
        kind="event",
        context="policy",
        owner=OWNER,
        intent="Decide what to send and to collect: the policy document leaves, the first premium falls due.",
        business_key=("policyNumber",),
        status="active",
        visibility="public",
        invariants=(*INVARIANTS, "effectiveTo > effectiveFrom"),
        times={"time": COMMITTED, "effectiveFrom": "first day in force", "effectiveTo": "last day in force"},
        retention="400 days",
        lag_objective="60 s",
        examples=(EXAMPLE,),
    )

    effectiveFrom: date
    effectiveTo: date


class PolicyEndorsed(Terms, Contract):
    """The terms of a policy in force were changed; its coverages were not."""

    promise = Promise(
        name="PolicyEndorsed",
        version=1,
        kind="event",
        context="policy",
        owner=OWNER,
        intent="Decide whether the customer gets a new document and the collection plan a new amount.",
        business_key=("policyNumber",),
        status="active",
        visibility="public",
        invariants=INVARIANTS,
        times={"time": COMMITTED, "effectiveFrom": "first day in force", "effectiveTo": "last day in force"},
        retention="400 days",
        lag_objective="60 s",
        examples=(EXAMPLE,),
    )


class CoverageChanged(Terms, Contract):
    """What a policy in force insures was changed."""

    promise = Promise(
        name="CoverageChanged",
        version=1,
        kind="event",
        context="policy",
        owner=OWNER,
        intent="Decide whether reinsurance and accumulation control have to look at the risk again.",
        business_key=("policyNumber",),
        status="active",
        visibility="public",
        invariants=INVARIANTS,
        times={"time": COMMITTED, "effectiveFrom": "first day in force", "effectiveTo": "last day in force"},
        retention="400 days",
        lag_objective="60 s",
        examples=(EXAMPLE,),
    )


class PolicyCancelled(Contract):
    """A policy in force was ended before its time."""

    promise = Promise(
        name="PolicyCancelled",
        version=1,
        kind="event",
        context="policy",
        owner=OWNER,
        intent="Decide what to send and to pay back: the letter of cancellation, the premium of unused days.",
        business_key=("policyNumber",),
        status="active",
        visibility="public",
        invariants=("status = 'cancelled'",),
        times={"time": COMMITTED, "cancelledOn": "first day no longer in force"},
        retention="400 days",
        lag_objective="60 s",
        examples=(
            {
                "policyNumber": "P00004711",
                "status": "cancelled",
                "holderNumber": 100042,
                "cancelledOn": "2026-09-30",
                "reason": "customer request",
            },
        ),
    )

    policyNumber: PolicyNumber
    status: Status
    holderNumber: int = personal()
    cancelledOn: date
    reason: CancelReason
