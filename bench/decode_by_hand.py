"""The bench's table as a careful programmer would decode it by hand: msgspec types, the same checks, the same caches.

It is what the decoder is measured against, and it has to give the same changes.
"""

from __future__ import annotations

from binascii import a2b_base64
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from functools import lru_cache
from typing import Annotated, Any

import msgspec

from translators.change import Change, Coordinate
from translators.values import key_part

Int = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
HIDDEN = b"__debezium_unavailable_value"
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # a wall clock without a zone
EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_DAY = EPOCH.toordinal()
EXACT = Context(prec=200_000)


class Policy(msgspec.Struct, gc=False):
    """One row of polmst."""

    pol_no: str
    cust_id: Int
    ver: Int
    prod_cd: str
    sts: str
    ccy: str
    prem: str
    tax: str | None
    sum_ins: str | None
    eff_dt: Int
    exp_dt: Int | None
    cxl_dt: Int | None
    cre_ts: Int
    upd_ts: str
    auto_renew: bool | None
    rmk: str | None


class Source(msgspec.Struct, gc=False):
    """The source block of the PostgreSQL connector, as far as it is needed."""

    connector: str
    schema: str
    table: str
    txId: int
    lsn: int
    sequence: str
    ts_us: int
    snapshot: str | None = None
    origin: str | None = None


class Envelope(msgspec.Struct, gc=False):
    """The envelope around rows of polmst."""

    op: str
    source: Source
    before: Policy | None
    after: Policy | None


class Key(msgspec.Struct, gc=False):
    """The key of polmst."""

    pol_no: str


envelope = msgspec.json.Decoder(Envelope).decode
key_of = msgspec.json.Decoder(Key).decode


class Unusual(Exception):
    """A record that the code by hand leaves to somebody else."""


@lru_cache(maxsize=4096)
def money(text: str) -> Decimal:
    number = int.from_bytes(a2b_base64(text, strict_mode=True), "big", signed=True)
    if not -(10**11) < number < 10**11:
        raise Unusual
    return EXACT.scaleb(number, -2)


@lru_cache(maxsize=4096)
def day(days: int) -> date:
    return date.fromordinal(EPOCH_DAY + days)


@lru_cache(maxsize=4096)
def stamp(micros: int) -> datetime:
    return EPOCH + timedelta(0, 0, micros)


@lru_cache(maxsize=4096)
def zoned(text: str) -> datetime:
    if len(text) != 27 or text[26] != "Z":
        raise Unusual
    return datetime.fromisoformat(text)


@lru_cache(maxsize=1024)
def instant(micros: int) -> datetime:
    return EPOCH_UTC + timedelta(microseconds=micros)


def row(r: Policy) -> dict[str, Any]:
    return {
        "pol_no": r.pol_no.rstrip(" "),
        "cust_id": r.cust_id,
        "ver": r.ver,
        "prod_cd": r.prod_cd.rstrip(" "),
        "sts": r.sts.rstrip(" "),
        "ccy": r.ccy.rstrip(" "),
        "prem": money(r.prem),
        "tax": None if (v := r.tax) is None else money(v),
        "sum_ins": None if (v := r.sum_ins) is None else money(v),
        "eff_dt": day(r.eff_dt),
        "exp_dt": None if (w := r.exp_dt) is None else day(w),
        "cxl_dt": None if (w := r.cxl_dt) is None else day(w),
        "cre_ts": stamp(r.cre_ts),
        "upd_ts": zoned(r.upd_ts),
        "auto_renew": r.auto_renew,
        "rmk": r.rmk,
    }


def change(topic: str, partition: int, offset: int, key: bytes, value: bytes) -> Change:
    """The change of a record of polmst."""
    if HIDDEN in value or b"\\u0000" in value:
        raise Unusual
    e = envelope(value)
    s = e.source
    if s.connector != "postgresql" or s.snapshot not in (None, "false") or s.table != "polmst" or s.schema != "public":
        raise Unusual
    if e.op not in ("c", "u", "d") or (e.before is None and e.op != "c") or (e.after is None) != (e.op == "d"):
        raise Unusual
    parts = s.sequence.split('"')
    if len(parts) == 5:
        committed: int | None = int(parts[1])
    elif parts[0] == "[null,":
        committed = None
    else:
        raise Unusual
    if not 0 < s.lsn < 2**64:
        raise Unusual
    return Change(
        table="polmst",
        op=e.op,  # type: ignore[arg-type]  # one of the three
        row_key=key_part(key_of(key).pol_no.rstrip(" ")),
        before=None if e.before is None else row(e.before),
        after=None if e.after is None else row(e.after),
        position=s.lsn,
        transaction=str(s.txId),
        committed_after=committed,
        time=instant(s.ts_us),
        at=Coordinate(topic, partition, offset),
        flagged=(),
        origin=s.origin,
    )
