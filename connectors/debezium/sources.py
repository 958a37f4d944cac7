"""How each connector says where a change stands: its source block, identity and order, as one table.

After Debezium 3.6 (https://debezium.io/documentation/reference/stable/connectors/). A position is one integer that orders the
changes of one source epoch; rows of a snapshot have none.

PostgreSQL: the LSN. It is neither unique nor rising with arrival, so identity takes table, transaction, op and key too.

MariaDB and MySQL: (binlog file number, pos, row) as `file * 2**33 + pos + row`. `pos` is where the rows event begins in
its file (32 bits) and `row` the row's index in that event. Every row takes a byte or more of its event, so `pos + row`
stays below the next event: no two rows share a number, and the numbers' order is that of the three. A binlog holds
transactions whole and one after another, in the order of their commits, so the row's own position also tells which
transaction is the later one, where PostgreSQL needs the position of the last commit before. GTIDs are not used for it:
they count by domain, or by server.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

import msgspec

from connectors.debezium import times
from connectors.debezium.refusal import Refusal
from translators.change import snapshot_position


class Source(msgspec.Struct, gc=False):
    """What a change says of its place in the source; `sequence` is JSON text: last commit and own position.

    The fields stand in the connectors' order, in which msgspec finds each at the first look.
    """

    connector: str
    ts_ms: int | None = None
    snapshot: str | None = None
    db: str | None = None
    sequence: str | None = None
    ts_us: int | None = None
    schema: str | None = None
    table: str | None = None
    txId: int | str | None = None
    lsn: int | None = None
    origin: str | None = None
    server_id: int | None = None
    gtid: str | None = None
    file: str | None = None
    pos: int | None = None
    row: int | None = None


Place = Callable[[Source], tuple[int, int | None]]
"""The position of a change, and what tells its transaction from earlier ones: greater in every later transaction."""


_MAX_POSITION = 2**64 - 1
_SEQUENCE = re.compile(r'\[ ?(?:null|"([0-9]{1,20})"), ?(?:null|"([0-9]{1,20})") ?\]')
_BINLOG = re.compile(r".{0,512}\.([0-9]{1,10})", re.DOTALL)
_FILES, _FILE_BITS = 2**30, 33
_POSITIONS = 2**32


def _log_sequence(source: Source) -> tuple[int, int | None]:
    """The LSN, and the last commit before the transaction, where the connector knew it."""
    committed = own = None
    sequence, lsn = source.sequence, source.lsn
    if sequence is not None and lsn is not None and 0 < lsn <= _MAX_POSITION:
        # The form that nearly all records have, without a regular expression.
        parts = sequence.split('"')
        if len(parts) == 5 and parts[0] == "[" and parts[2] == "," and parts[4] == "]" and sequence.isascii():
            first, second = parts[1], parts[3]
            if first.isdigit() and second.isdigit() and len(first) <= 20 and len(second) <= 20:
                return lsn, int(first)
    if source.sequence is not None:
        match = _SEQUENCE.fullmatch(source.sequence)
        if match is None:
            raise Refusal("record.no-position")
        first, second = match.groups()
        committed = None if first is None else int(first)
        own = None if second is None else int(second)
    position = own if source.lsn is None else source.lsn
    if position is None or not 0 < position <= _MAX_POSITION:
        raise Refusal("record.no-position")
    return position, committed


def _binlog(source: Source) -> tuple[int, int | None]:
    """File, position and row as one number, which orders transactions as well."""
    match = None if source.file is None else _BINLOG.fullmatch(source.file)
    if match is None or not match[1].isascii() or source.pos is None or source.row is None:
        raise Refusal("record.no-position")
    file, pos, row = int(match[1]), source.pos, source.row
    if not (0 < file < _FILES and 0 < pos < _POSITIONS and 0 <= row < _POSITIONS):
        raise Refusal("record.no-position")
    position = (file << _FILE_BITS) + pos + row
    return position, position


def _no_place(source: Source) -> tuple[int, int | None]:
    raise Refusal("record.connector-unproven", source.connector)


class SourceForm(NamedTuple):
    """One connector: `namespace` is the field that qualifies a table's name; `identity` and `order` are for people."""

    connector: str
    standing: Literal["proven", "unproven", "refused"]
    namespace: Literal["schema", "db"] = "schema"
    fields: str = ""
    identity: str = ""
    order: str = ""
    place: Place = _no_place
    escapes_enums: bool = False


_LSN = {
    "fields": "schema, table, txId, lsn, xmin, origin, origin_lsn",
    "identity": "table, txId, lsn, op, key",
    "order": 'sequence = ["<last commit>", "<lsn>"]',
}
_FILE = {
    "fields": "table, server_id, gtid, file, pos, row, thread, query",
    "identity": "table, gtid, file, pos, row, op, key",
    "order": "file number, pos, row, within one server",
}
SOURCES: dict[str, SourceForm] = {
    form.connector: form
    for form in (
        SourceForm("postgresql", "proven", **_LSN, place=_log_sequence),  # type: ignore[arg-type]
        SourceForm("sqlite", "proven", **_LSN, place=_log_sequence),  # type: ignore[arg-type]
        SourceForm("mariadb", "proven", "db", **_FILE, place=_binlog, escapes_enums=True),
        SourceForm("mysql", "unproven", "db", **_FILE, place=_binlog, escapes_enums=True),
        SourceForm("sqlserver", "refused", fields="schema, table, change_lsn, commit_lsn, event_serial_no"),
        SourceForm("oracle", "refused", fields="schema, table, txId, txSeq, scn, commit_scn, rs_id, ssn, row_id"),
        SourceForm("db2", "refused", fields="schema, table, change_lsn, commit_lsn"),
        SourceForm("mongodb", "refused", fields="collection, ord, lsid, txnNumber, wallTime"),
    )
}
INITIAL_MARKS = ("first", "first_in_data_collection", "true", "last_in_data_collection", "last")
"""`source.snapshot` of rows that an initial or blocking snapshot read."""

UNPROVEN = frozenset(name for name, form in SOURCES.items() if form.standing == "unproven")
"""Connectors whose records are read by another one's decoder and were never captured here: "not proven yet"."""


def source_form(connector: object) -> SourceForm:
    """The connector's form; `Refusal`, with its name, for those that no captured record has proven."""
    form = SOURCES.get(connector) if isinstance(connector, str) else None
    if form is None:
        raise Refusal("record.connector-unknown")
    if form.standing == "refused":
        raise Refusal("record.connector-unproven", form.connector)
    return form


def snapshot_place(form: SourceForm, source: Source) -> int:
    """The position of a snapshot row: by where its snapshot was taken, so that a snapshot begun again counts for more."""
    try:
        place, committed = form.place(source)
    except Refusal:
        return snapshot_position(0)
    return snapshot_position(max(place, committed or 0))


def is_snapshot(source: Source, op: str) -> bool:
    """Whether a snapshot read this row, as op and mark say alike; missing and null mean streaming."""
    mark = source.snapshot
    streamed = mark is None or mark == "false"
    if not streamed and mark not in INITIAL_MARKS and mark != "incremental":
        raise Refusal("record.unknown-snapshot")
    if (op == "r") == streamed:
        raise Refusal("record.unknown-snapshot")
    return not streamed


class Block(Protocol):
    """An envelope, whose transaction block has an id."""

    def block(self) -> str | None:
        """The id, if the record has one."""
        ...


def origin(source: Source) -> str | None:
    """Who wrote a change first: PostgreSQL's replication origin, the server id of MariaDB and MySQL."""
    return source.origin if source.server_id is None else str(source.server_id)


def transaction(source: Source, found: Block) -> str:
    """The source's transaction id, the same on all its rows.

    PostgreSQL's block says another id on every record; MariaDB's is the GTID, or file and position where there is none.
    """
    identity = source.txId if source.gtid is None else source.gtid
    if identity is None and source.file is not None:
        identity = found.block()
    if identity is None or identity == "":
        raise Refusal("record.no-transaction")
    return str(identity)


def moment(source: Source) -> datetime:
    """When the source committed, in UTC; MariaDB and MySQL say it in whole seconds."""
    micros = source.ts_us
    if micros is None and source.ts_ms is not None:
        micros = source.ts_ms * 1000
    if micros is None:
        raise Refusal("record.bad-time")
    try:
        return times.instant(micros)
    except OverflowError as error:
        raise Refusal("record.bad-time") from error


def committed_position(offset: Mapping[str, object] | None) -> int | None:
    """The commit position that a connector's own offset has passed, as Connect keeps it; `None` where it says none.

    It compares with what `Place` tells of transactions. PostgreSQL: the last commit whose rows were all sent. MariaDB and
    MySQL: `file` and `pos`, which stay where a transaction begins until its commit was read. Offsets of a snapshot say
    nothing of commits (https://debezium.io/documentation/reference/stable/connectors/); 0 where the snapshot is over and
    nothing was committed since.
    """
    if offset is None or offset.get("snapshot") not in (None, False, "false", "LAST", "last"):
        return None
    if "file" not in offset:
        if "lsn" in offset and not offset.keys() & {"lsn_commit", "snapshot"}:
            return 0
        last = offset.get("lsn_commit")
        return last if isinstance(last, int) and 0 < last <= _MAX_POSITION else None
    return binlog_position(offset["file"], offset.get("pos"))


def binlog_position(file: object, pos: object) -> int | None:
    """A place between two events of a binary log, in the numbers of `Place`; `None` where there is no such place."""
    match = _BINLOG.fullmatch(file) if isinstance(file, str) else None
    if match is None or not match[1].isascii() or not isinstance(pos, int):
        return None
    number = int(match[1])
    return (number << _FILE_BITS) + pos if 0 < number < _FILES and 0 <= pos < _POSITIONS else None
