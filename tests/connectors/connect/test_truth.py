"""What is wrong with a connector that says RUNNING, and with one that does not."""

from __future__ import annotations

import msgspec
import pytest

from connectors.connect.states import ConnectorStatus, TaskStatus
from connectors.connect.truth import Seen, SlotSeen, sharing, symptoms
from connectors.legacy.binary_log import BinaryLog, BinlogPlace

TRACE = "org.postgresql.util.PSQLException: no such slot\n\tat a.b.C\nCaused by: java.io.EOFException: gone\n\tat d"


def status(state: str, *tasks: str) -> ConnectorStatus:
    listed = tuple(
        TaskStatus(id=n, state=one, worker="w", trace=TRACE if one == "FAILED" else None) for n, one in enumerate(tasks)
    )
    return ConnectorStatus(name="legacy", state=state, worker="w", trace=None, tasks=listed)


WELL = Seen(
    name="legacy",
    status=status("RUNNING", "RUNNING"),
    slot_name="s",
    slot_asked=True,
    slot=SlotSeen(active_pid=7, wal_status="reserved", retained=1000, behind=10),
    has_offsets=True,
    record_seconds=9000.0,
    beat_seconds=1.0,
)
IDLE = SlotSeen(active_pid=None, wal_status="reserved", retained=1000, behind=10)
AHEAD = SlotSeen(active_pid=7, wal_status="reserved", retained=1000, behind=10, confirmed=100)


def told(**changes: object) -> list[str]:
    return [one.code.removeprefix("connector.") for one in symptoms(msgspec.structs.replace(WELL, **changes))]


def test_one_that_works_has_nothing_even_if_its_tables_are_idle() -> None:
    assert told() == []


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"status": None, "slot": IDLE}, ["missing"]),
        ({"status": None, "unreachable": "refused"}, ["unknown"]),
        ({"status": status("RUNNING", "FAILED"), "slot": IDLE}, ["failed"]),
        ({"status": status("RUNNING", "FAILED"), "slot": None}, ["slot-gone", "failed"]),
        ({"slot": AHEAD, "committed": 99, "exact": True}, ["slot-ahead"]),
        ({"slot": AHEAD, "committed": 100, "exact": True}, []),
        ({"slot": AHEAD, "committed": None, "exact": True}, []),
        # Without exactly-once a slot is told before the offsets are written down.
        ({"slot": AHEAD, "committed": 99}, []),
        ({"slot": AHEAD, "committed": 99, "status": status("STOPPED")}, ["slot-ahead", "resting"]),
        ({"status": status("PAUSED", "PAUSED")}, ["resting", "slot-taken"]),
        ({"status": status("STOPPED"), "slot": IDLE}, ["resting"]),
        ({"status": status("RUNNING")}, ["resting", "slot-taken"]),
        ({"sharing": ("other",)}, ["slot-shared"]),
        ({"slot": None}, ["slot-gone"]),
        ({"slot": None, "has_offsets": False}, []),
        ({"slot": None, "slot_asked": False}, []),
        ({"slot": IDLE}, ["slot-unread"]),
        ({"slot": msgspec.structs.replace(IDLE, wal_status="lost")}, ["slot-lost"]),
        ({"slot": SlotSeen(active_pid=7, wal_status="unreserved", retained=0, behind=0)}, ["slot-unreserved"]),
        ({"slot": SlotSeen(active_pid=7, wal_status="extended", retained=1 << 30, behind=0)}, ["slot-retains"]),
        ({"beat_seconds": 31.0}, ["silent"]),
        ({"beat_seconds": 31.0, "beat_every": 60.0}, []),
        ({"beat_seconds": None}, []),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, object], codes: list[str]) -> None:
    assert told(**changes) == codes


def test_a_failure_is_said_in_one_line_with_its_cause() -> None:
    (one,) = symptoms(msgspec.structs.replace(WELL, status=status("RUNNING", "FAILED"), slot=IDLE))
    assert one.message == (
        "legacy has failed: org.postgresql.util.PSQLException: no such slot <- java.io.EOFException: gone"
    )


def test_a_lost_slot_says_that_nothing_may_go_on_from_now() -> None:
    for slot in (None, msgspec.structs.replace(IDLE, wal_status="lost")):
        (one,) = symptoms(msgspec.structs.replace(WELL, slot=slot))
        assert "hide the gap" in one.fix and "epoch" in one.fix


@pytest.mark.parametrize(
    ("file", "gtids", "kept"),
    [
        ("log.000002", "", True),
        ("log.000001", "", False),
        # After a failover files have other names, and GTIDs decide.
        ("other.000009", "0-1-7", True),
        ("other.000009", "0-2-9,1-1-3", True),
        ("log.000002", "0-1-6", False),
        ("log.000002", "1-1-3", False),
    ],
)
def test_a_purged_binary_log_is_lost_to_who_has_not_read_it(file: str, gtids: str, kept: bool) -> None:
    log = BinaryLog(files=("log.000002", "log.000003"), purged="0-1-7")
    seen = msgspec.structs.replace(
        WELL,
        slot_name=None,
        slot_asked=False,
        slot=None,
        log=log,
        place=BinlogPlace(file=file, position=4, gtids=gtids),
    )
    found = list(symptoms(seen))
    assert [one.code for one in found] == ([] if kept else ["connector.log-purged"])
    assert all("hide the gap" in one.fix and "from log.000002 only" in one.message for one in found)
    for unknown in ({"place": None}, {"log": None}):
        assert list(symptoms(msgspec.structs.replace(seen, **unknown))) == []


def test_who_shares_a_slot_or_a_number() -> None:
    postgres = {"database.hostname": "DB", "database.port": "5432", "slot.name": "s"}
    mariadb = {"database.hostname": "db", "database.port": "3306", "database.server.id": "7"}
    configs = {
        "legacy": postgres,
        "twin": {**postgres, "database.hostname": "db"},
        "elsewhere": {**postgres, "database.hostname": "other"},
        "own": {**postgres, "slot.name": "t"},
        "maria": mariadb,
        "marias": dict(mariadb),
        "sink": {"topics": "a"},
        "sinks": {"topics": "b"},
    }
    assert sharing("legacy", configs) == ("twin",)
    assert sharing("maria", configs) == ("marias",)
    assert sharing("sink", configs) == sharing("nobody", configs) == ()
