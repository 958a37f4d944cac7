"""What comes of a cluster, a connector or a database that is not one's own: the support table, and which of its lines hold.

docs/support.md shows the same lines (`python -m dragoman.modes` prints them): what `doctor` says and what is promised there
cannot differ. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec


class Mode(msgspec.Struct, frozen=True, kw_only=True):
    """One line: what there is (`given`), how Dragoman then works, what that costs in latency and in promises, and the way out.

    `tried` says on what it was seen to be so.
    """

    code: str
    given: str
    works: str
    latency: str
    promises: str
    way_out: str
    tried: str


class Around(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a source on Kafka and of what it stands on.

    `ends`: it names a topic of transactions from a connector that enforces exactly-once. `rest`: it says where Kafka Connect
    is. `captures`: it declares its connector. `single`: each of its feeds has one table. `older`: Debezium is older than that
    with which everything was tried. `writes`: the connector's user writes to the legacy (signals, a row for heartbeats).
    `full`: the database has no slot to spare. What nobody could tell counts as the usual.
    """

    ends: bool
    rest: bool
    captures: bool
    single: bool
    older: bool = False
    writes: bool = True
    full: bool = False


ENDS = Mode(
    code="mode.exactly-once",
    given="Connect enforces exactly-once",
    works="The END of a transaction proves that it is over.",
    latency="0.1 s after the END (median; 0.3 s the longest), on an idle feed too.",
    promises="All.",
    way_out="",
    tried="real servers, workers killed",
)
OFFSETS = Mode(
    code="mode.connector-offset",
    given="Connect without exactly-once",
    works="The offset that the connector has committed proves that a transaction is over; a busy feed's next transaction does "
    "so sooner.",
    latency="0.25 s after Connect wrote its offsets, which it does once in `offset.flush.interval.ms`: a minute unless set, a "
    "second at best.",
    promises="All. A connector that was killed repeats rows; they are known by their identity and counted once.",
    way_out="Set `exactly.once.source.support=enabled` on the workers, and `exactly_once: true` in the source.",
    tried="real servers, workers killed",
)
NEXT = Mode(
    code="mode.next-change",
    given="Connect without exactly-once, and without REST",
    works="Only a later transaction on the same partition proves that one is over. Translators of several tables are refused "
    "(`feed.no-proof`).",
    latency="Until the next transaction on the partition: on a quiet one hours. None with `store: none`, where each change is "
    "a step of its own.",
    promises="All, for translators of one table. A check is incomplete while a step is open.",
    way_out="Name the topic of transactions of a connector under exactly-once, or Connect's REST (`connect:`).",
    tried="model of the stream",
)
TABLES = Mode(
    code="mode.table-topics",
    given="Topics of one table each, from a connector of others",
    works="Translators of one table read them as they are. What the connector is set to is read from Connect and judged; "
    "nothing is changed there.",
    latency="None.",
    promises="All for a translator of one table. Several tables in one thing have no order between topics: refused "
    "(`feed.split-aggregate`). A key that changes its partition is seen as deleted and made.",
    way_out="A connector of your own with `capture:`, which routes the tables of one thing into one feed.",
    tried="real servers",
)
OLDER = Mode(
    code="mode.older-debezium",
    given="Debezium older than 3.6 (MariaDB: 3.5), from 2.7 on",
    works="The same configuration is taken, and its records are read: they lack fields of `source` on which nothing depends.",
    latency="None.",
    promises="All while its slot is there. 2.7 makes a slot that is gone anew and goes on from now, RUNNING: the changes "
    "between are lost without a word. `dragoman connectors` refuses to start it then; who restarts it in Connect is not asked.",
    way_out="A newer plug-in on the worker; until then look at `dragoman status` before anybody restarts it.",
    tried="2.7.4 on a real worker",
)
NO_REST = Mode(
    code="mode.no-rest",
    given="No access to Connect's REST: another team runs it",
    works="`dragoman connectors explain --config` prints the configuration to hand over, `explain` the reason of each setting. "
    "Checks ask the slot in PostgreSQL how far the connector is.",
    latency="None under exactly-once; without it see the line above.",
    promises="All of the stream. Nobody here sees that a connector has failed or is set otherwise; MariaDB has no slot to "
    "ask, so checks of it are refused (`check.capture-unseen`).",
    way_out="Name `connect:` once a user that may read there is to be had.",
    tried="the printed configuration put on a real worker",
)
NO_WRITE = Mode(
    code="mode.read-only-legacy",
    given="A legacy user that may not write",
    works="The heartbeat is a logical message (`pg_logical_emit_message`), which changes no row; a MariaDB needs none.",
    latency="None.",
    promises="All of the stream. Without a table for signals `dragoman reload` and `snapshot` cannot ask for rows again: what "
    "is missing is loaded by a new epoch.",
    way_out="One table for signals, with INSERT and DELETE for the connector's user: `signals:` in the source.",
    tried="real servers",
)
NO_SLOT = Mode(
    code="mode.one-slot",
    given="No second slot",
    works="One connector serves all translators. A table is in one feed, routed in one way; translators that need another way "
    "share a feed with `partitions: 1`.",
    latency="None; a feed of one partition has one worker for each translator, tens of thousands of changes a second.",
    promises="All. The connector cannot be replaced side by side: a new one has to wait until the old slot is dropped.",
    way_out="Raise `max_replication_slots` (a restart), then declare a second connector in a project of its own.",
    tried="rules",
)
MODES = (ENDS, OFFSETS, NEXT, TABLES, OLDER, NO_REST, NO_WRITE, NO_SLOT)
"""All lines, in the order of docs/support.md."""


def modes_of(around: Around) -> Iterator[Mode]:
    """The lines that hold: how transactions are proven to be over first, then what else is not one's own."""
    yield ENDS if around.ends else OFFSETS if around.rest else NEXT
    if around.single and not around.captures:
        yield TABLES
    if around.older:
        yield OLDER
    if not around.rest:
        yield NO_REST
    if around.captures and not around.writes:
        yield NO_WRITE
    if around.full:
        yield NO_SLOT


def table() -> str:
    """The lines as docs/support.md has them."""
    lines = [
        "| what there is | how it works then | latency | promises | the way out | tried on |",
        "|---|---|---|---|---|---|",
    ]
    for one in MODES:
        cells = (f"{one.given}<br>`{one.code}`", one.works, one.latency, one.promises, one.way_out, one.tried)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
