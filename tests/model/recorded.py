"""A feed that was recorded from a real connector, with the journal of what its writers did: played and judged like any other.

The source has the tables of `DDL`, and its writers tell a journal (see `tests.model.journal`) in the order of their commits.
The recording holds the topics `FEED`, `TRANSACTIONS` and `NOTIFICATIONS` of `tests.model.product`, the feed routed by (br, no).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from pipeline.feed import Feed
from pipeline.log.port import Outgoing
from tests.model.dice import Dice
from tests.model.faults import in_process
from tests.model.journal import Transaction
from tests.model.product import FEED, NOTIFICATIONS, TRANSACTIONS
from tests.model.schedule import Schedule, verdict
from tests.model.source import Lanes, Life, Proof, Shown
from tests.model.wire import Wire

DDL = """\
create table orders (br char(3), no numeric(6,0), sts char(1), note text, touched integer, primary key (br, no));
create table order_line (br char(3), no numeric(6,0), ln smallint, qty integer, primary key (br, no, ln));
create table payment (pid integer primary key, br char(3) not null, no numeric(6,0) not null, amt numeric(8,2));
alter table order_line replica identity full;
alter table payment replica identity full;
"""
"""PostgreSQL's. The connector writes decimals as text (`decimal.handling.mode=string`)."""

BEYOND = 2**62


def play_recorded(
    records: Iterable[Outgoing],
    journal: Sequence[Transaction],
    wire: Wire,
    proof: Proof,
    dice: Dice,
    *,
    loaded: Shown | None = None,
    closers: int = 0,
    shown: Life | None = None,
) -> Schedule:
    """One schedule over a recording, with its verdict. `wire` is the kind of connector and its partitions.

    `loaded` are the rows that an initial snapshot showed. The last `closers` transactions of the recording are not in the
    journal: with the proof `later` each shows to one partition that what came before is over, and stays open itself. `shown`
    says all that snapshots showed, where there is more to say; its commits count for nothing.
    """
    shown = shown or Life([], loaded, [], closers)
    feed = Feed(
        topic=FEED,
        transactions=TRANSACTIONS,
        notifications=NOTIFICATIONS,
        begins="empty" if shown.loaded is None else "snapshot",
        exactly_once=proof == "end",
    )
    lanes = _lanes(records, proof)
    with in_process():
        schedule = Schedule(dice, wire, feed, proof, 1 if shown.rereading else None)
        schedule.run(lanes.slices(dice))
    verdict(schedule, journal, shown)
    return schedule


def _lanes(records: Iterable[Outgoing], proof: Proof) -> Lanes:
    """The recording's partitions. Under exactly-once no END is readable before the rows of its transaction."""
    rows: dict[int, list[Outgoing]] = {}
    marks: list[Outgoing] = []
    notes: list[Outgoing] = []
    for record in records:
        if record.topic == FEED:
            rows.setdefault(record.partition or 0, []).append(record)
        else:
            (marks if record.topic == TRANSACTIONS else notes).append(record)
    last = {(_transaction(one), p): at for p, lane in rows.items() for at, one in enumerate(lane, 1)}
    lanes, sent = Lanes(), dict.fromkeys(rows, 0)
    for mark in marks:
        for partition, lane in rows.items():
            until = last.get((_transaction(mark), partition), 0)
            for record in lane[sent[partition] : until]:
                lanes.send(record)
            sent[partition] = max(sent[partition], until)
        lanes.send(mark, after=lanes.sent if proof == "end" and b'"END"' in (mark.value or b"") else 0)
    for partition, lane in rows.items():
        for record in lane[sent[partition] :]:
            lanes.send(record)
    for note in notes:
        lanes.send(note, after=lanes.sent)
    lanes.flushes.append((lanes.sent, BEYOND))
    return lanes


def _transaction(record: Outgoing) -> str:
    """What a row or a mark says of its transaction, without the position that PostgreSQL appends."""
    value = json.loads(record.value or b"{}")
    value = value.get("payload", value)
    if "status" in value:
        return str(value["id"]).split(":")[0]
    return str((value.get("source") or {}).get("txId"))
