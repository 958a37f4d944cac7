"""The insurer's policy as a careful programmer would write it by hand: same conversions, same checks, same caches.

It is what the generated translator is measured against, and it has to give the same answers.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache
from typing import Any

from translators.aggregate import Rows
from translators.translator import Event

STATUS = {"Q": "quoted", "A": "active", "C": "cancelled", "L": "lapsed"}
PRODUCT = {"HOME": "home", "MOTO": "motor", "LIAB": "liability", "HHLD": "household"}
FREQUENCY = {"M": "monthly", "Q": "quarterly", "A": "annual"}
REASON = {
    "01": "customer request",
    "02": "non-payment",
    "03": "risk no longer exists",
    "09": "underwriting decision",
}
COVERAGE = {
    "FIRE": "fire",
    "WATR": "water",
    "THFT": "theft",
    "GLAS": "glass",
    "TPLI": "third party liability",
    "COLL": "collision",
}
CURRENCY = re.compile(r"^[A-Z]{3}$").search
CONTEXT = Context(prec=100, rounding=ROUND_HALF_UP)
CENT = Decimal("0.01")
NONE = Decimal("0.00")
LIMIT = 10**13


class Wrong(Exception):
    """The row cannot be translated."""


@lru_cache(maxsize=20_000)
def day(text: str) -> date:
    if len(text) != 8 or not (text.isascii() and text.isdigit()):
        raise Wrong(text)
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


def money(cents: int) -> Decimal:
    amount = CONTEXT.multiply(Decimal(cents), CENT)
    if not -LIMIT < amount < LIMIT:
        raise Wrong(cents)
    return amount


def by_number(row: dict[str, Any]) -> int:
    number: int = row["cov_seq"]
    return number


def state(rows: Rows) -> dict[str, Any] | None:
    root = rows.get("polmst")
    if not root:
        return None
    (row,) = root.values()
    r: Any = row
    covers: list[Any] = list(rows.get("covdtl", {}).values())
    if len(covers) > 1:
        covers.sort(key=by_number)
    number = r["pol_no"].strip(" ")
    if not number:
        raise Wrong("pol_no")
    currency = r["ccy"].strip(" ")
    if CURRENCY(currency) is None:
        raise Wrong(currency)
    agent = r["agt_cd"]
    if agent is not None:
        agent = agent.strip(" ") or None
    begins, ends, cancelled = r["eff_dt"], r["exp_dt"], r["cxl_dt"]
    discount = r["dsc_pct"]
    return {
        "policyNumber": number,
        "product": PRODUCT[r["prd_cd"].strip(" ")],
        "status": STATUS[r["pol_sts"].strip(" ")],
        "holderNumber": r["pty_no"],
        "agentCode": agent,
        "effectiveFrom": None if begins == "00000000" else day(begins),
        "effectiveTo": None if ends == "00000000" else day(ends),
        "premium": {"amount": money(r["prem_amt"]), "currency": currency, "frequency": FREQUENCY[r["pay_frq"]]},
        "discountPercent": NONE if discount is None else discount,
        "coverageCount": len(covers),
        "coverages": [
            {
                "sequence": c["cov_seq"],
                "kind": COVERAGE[c["cov_cd"].strip(" ")],
                "sumInsured": money(c["sum_ins"]),
                "deductible": c["ded_amt"],
                "premiumShare": money(c["cov_prm"]),
            }
            for c in covers
        ],
        "cancelledOn": None if cancelled == "00000000" else day(cancelled),
    }


TERMS = (
    "policyNumber",
    "product",
    "status",
    "holderNumber",
    "agentCode",
    "effectiveFrom",
    "effectiveTo",
    "premium",
    "discountPercent",
    "coverageCount",
    "coverages",
)


def terms(state: dict[str, Any]) -> dict[str, Any]:
    return {name: state[name] for name in TERMS}


def events(old: dict[str, Any] | None, new: dict[str, Any] | None, rows: Rows) -> tuple[list[Event], str | None]:
    if old == new:
        return [], "nightly recalculation touches every row"
    was = None if old is None else old["status"]
    found: list[Event] = []
    if new is None:
        return found, None
    now = new["status"]
    if old is None and now == "quoted":
        found.append(Event("PolicyQuoted.v1", terms(new)))
    if was != "active" and now == "active":
        if new["effectiveFrom"] is None or new["effectiveTo"] is None:
            raise Wrong("effectiveFrom")
        found.append(Event("PolicyBound.v1", terms(new)))
    if old is not None and was == "active" and now == "active":
        if old["coverages"] != new["coverages"]:
            found.append(Event("CoverageChanged.v1", terms(new)))
        elif any(
            old[name] != new[name]
            for name in ("premium", "discountPercent", "effectiveFrom", "effectiveTo", "holderNumber")
        ):
            found.append(Event("PolicyEndorsed.v1", terms(new)))
    if was == "active" and now == "cancelled":
        (row,) = rows["polmst"].values()
        if new["cancelledOn"] is None:
            raise Wrong("cancelledOn")
        data = {name: new[name] for name in ("policyNumber", "status", "holderNumber", "cancelledOn")}
        data["reason"] = REASON[str(row["cxl_rsn"]).strip(" ")]
        found.append(Event("PolicyCancelled.v1", data))
    return found, None
