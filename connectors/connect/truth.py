"""Whether a connector really works: RUNNING is not health. Pure: what was seen is judged, nothing is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from connectors.connect.positions import lsn_text
from connectors.connect.states import ConnectorStatus
from connectors.legacy.binary_log import BinaryLog, BinlogPlace, is_kept

MUCH_RETAINED = 1 << 30
"""Bytes of log that a slot may keep before it is said."""
_SILENT_HEARTBEATS, _SILENT_SECONDS = 10, 30.0
"""How many heartbeats may be missing, and how long at least, before a connector counts as silent."""
_ASK = "See whether the worker of `connect:` runs, and what its log says."
_KEEPS = "until it goes on, the database keeps its log."
_ANEW = (
    "Nothing may go on from now as if nothing had been: that would hide the gap. `dragoman connectors destroy` forgets where "
    "it was (offsets, and a slot); `dragoman raise-epoch`, then `dragoman connectors apply` reads all tables anew, and takes "
    "back what is gone."
)


class SlotSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A slot of PostgreSQL: the log that it keeps and how much of it is not confirmed yet, in bytes; `confirmed` is the LSN
    from which it can send, None where it tells none."""

    active_pid: int | None
    wal_status: str | None
    retained: int
    behind: int
    confirmed: int | None = None


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a connector. `status` is None where the worker knows none of that name; `unreachable` why it could not
    be asked. `slot_name` is None where there is no slot to have, `slot` where there is none of that name, `slot_asked` whether
    anybody could look. `committed` is the LSN up to which the connector says that it has read, asked after the slot was, None
    where it says none; `exact` whether Connect writes it down together with the records. `log` is what a MariaDB keeps, None
    where nobody could look, and `place` how far in it the connector is. `record_seconds` and `beat_seconds` are since the last
    record and heartbeat, None if there is none."""

    name: str
    status: ConnectorStatus | None
    unreachable: str = ""
    sharing: tuple[str, ...] = ()
    slot_name: str | None = None
    slot_asked: bool = False
    slot: SlotSeen | None = None
    has_offsets: bool = False
    committed: int | None = None
    log: BinaryLog | None = None
    place: BinlogPlace | None = None
    exact: bool = False
    record_seconds: float | None = None
    beat_seconds: float | None = None
    beat_every: float = 1.0


class Symptom(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a connector, and what to do."""

    severity: Literal["error", "warning"]
    code: str
    message: str
    fix: str


def symptoms(seen: Seen) -> Iterator[Symptom]:
    """All that is wrong, the cause before what follows from it."""
    loss = lost(seen)
    if loss is not None:
        yield loss
    yield from _state(seen)
    if loss is None:
        yield from _slot(seen)
    limit = max(_SILENT_HEARTBEATS * seen.beat_every, _SILENT_SECONDS)
    running = seen.status is not None and seen.status.is_running
    if running and seen.beat_seconds is not None and seen.beat_seconds > limit:
        yield _error(
            "connector.silent",
            f"{seen.name} is said to run, and has not even sent a heartbeat for {seen.beat_seconds:,.0f} s.",
            "Look into the log of Kafka Connect: Debezium tries again for ever, and calls that running.",
        )


def _state(seen: Seen) -> Iterator[Symptom]:
    if seen.unreachable:
        yield _error("connector.unknown", f"Nobody can tell how {seen.name} stands: {seen.unreachable}", _ASK)
    elif seen.status is None:
        fix = "`dragoman connectors plan` says what is missing, `dragoman connectors apply` makes it."
        yield _error("connector.missing", f"Kafka Connect has no connector {seen.name}.", fix)
    elif seen.status.failure is not None:
        yield _error(
            "connector.failed",
            f"{seen.name} has failed: {seen.status.failure}",
            "Mend the cause, then `dragoman connectors restart`: Connect never does so by itself.",
        )
    elif not seen.status.is_running:
        message = f"{seen.name} does not run ({seen.status.words}): {_KEEPS}"
        yield _warning("connector.resting", message, "`dragoman connectors resume` lets it go on.")
    for other in seen.sharing:
        yield _error(
            "connector.slot-shared",
            f"{other} reads from the same place as {seen.name} ({seen.slot_name or 'server id'}): each change comes to one of "
            "the two only, and both are said to run.",
            f"Stop {other}, give it a slot or number of its own, and read what was missed again (`dragoman snapshot`).",
        )


def lost(seen: Seen) -> Symptom | None:
    """Why a connector cannot go on where it was: changes are missing between what it has read and what the database still has.

    Whatever starts it then may go on from now, and nothing would ever tell.
    """
    return _purged(seen) if seen.slot_name is None else _gone(seen, seen.slot_name)


def _purged(seen: Seen) -> Symptom | None:
    log, place = seen.log, seen.place
    if log is None or place is None or is_kept(log, place):
        return None
    message = (
        f"{seen.name} has read up to {place.file}:{place.position}, and the server keeps its binary log from "
        f"{log.files[0]} only: what is between was purged before it was captured."
    )
    return _error("connector.log-purged", message, _ANEW)


def _gone(seen: Seen, name: str) -> Symptom | None:
    slot = seen.slot
    if not seen.slot_asked:
        return None
    if slot is None:
        message = f"The slot {name} is gone: changes since {seen.name} committed last are not captured."
        return _error("connector.slot-gone", message, _ANEW) if seen.has_offsets else None
    if slot.wal_status == "lost":
        message = f"The slot {name} is lost: its log is gone, and changes in it were not captured."
        return _error("connector.slot-lost", message, _ANEW)
    if slot.confirmed is None or seen.committed is None or slot.confirmed <= seen.committed:
        return None
    begins, ended = lsn_text(slot.confirmed), lsn_text(seen.committed)
    message = f"{seen.name} has read up to {ended}, and its slot {name} begins at {begins}"
    if seen.exact:
        why = "it was made again, or somebody else has read from it. What is between was not captured."
        return _error("connector.slot-ahead", f"{message}: {why}", _ANEW)
    if seen.status is not None and seen.status.state not in ("STOPPED", "PAUSED"):
        return None  # without exactly-once, a slot is told sooner than the offsets are written down
    why = "what is between was either written and not noted, or never captured; without exactly-once nobody can tell."
    return _warning(
        "connector.slot-ahead", f"{message}: {why}", "Check after it has started (`dragoman reconcile run`)."
    )


def _slot(seen: Seen) -> Iterator[Symptom]:
    slot, running = seen.slot, seen.status is not None and seen.status.is_running
    if slot is None or seen.slot_name is None:
        return
    if slot.wal_status == "unreserved":
        yield _error(
            "connector.slot-unreserved",
            f"The slot {seen.slot_name} will be lost at the next checkpoint: it keeps more than max_slot_wal_keep_size.",
            "Raise max_slot_wal_keep_size now and reload the server's settings, then see why the connector does not follow.",
        )
    if running and slot.active_pid is None:
        message = f"{seen.name} is said to run, and nobody reads its slot {seen.slot_name}."
        yield _error(
            "connector.slot-unread", message, "Look into the log of Kafka Connect, then restart the connector."
        )
    if not running and slot.active_pid is not None and not seen.unreachable:
        message = f"Process {slot.active_pid} reads the slot {seen.slot_name}, though {seen.name} does not run."
        yield _error("connector.slot-taken", message, "Find and end what reads there: its changes do not come back.")
    if slot.retained >= MUCH_RETAINED:
        message = f"The slot {seen.slot_name} makes the database keep {slot.retained / 1e9:,.1f} GB of log."
        fix = "Let the connector run; if it does, `capture.heartbeat` moves the slot while its tables are idle."
        yield _warning("connector.slot-retains", message, fix)


def sharing(name: str, configs: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    """The connectors that read from the same place as one: a slot of the same database, or a replica's number there."""
    own = configs.get(name)
    place = _place(own) if own is not None else None
    return tuple(sorted(n for n, c in configs.items() if n != name and place is not None and _place(c) == place))


def _place(config: Mapping[str, str]) -> tuple[str, ...] | None:
    at = (config.get("database.hostname", "").lower(), config.get("database.port", ""))
    for own in ("slot.name", "database.server.id"):
        if own in config:
            return (*at, own, config[own])
    return None


def _error(code: str, message: str, fix: str) -> Symptom:
    return Symptom(severity="error", code=code, message=message, fix=fix)


def _warning(code: str, message: str, fix: str) -> Symptom:
    return Symptom(severity="warning", code=code, message=message, fix=fix)
