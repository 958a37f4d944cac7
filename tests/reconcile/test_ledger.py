"""The ledger: what is remembered of findings and runs, on both databases, from the first revision on."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from subprocess import PIPE

import msgspec
import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, inspect, text

from reconcile.ledger.alone import RepairRunning
from reconcile.ledger.entries import Entry, RunEntry, begun, verified
from reconcile.ledger.ledger import AcceptanceOver, FindingClosed, FindingUnknown, Ledger, ReasonMissing
from reconcile.ledger.opening import LedgerNewer, LedgerUnusable, migrate, open_ledger
from reconcile.ledger.tables import METADATA, VERSION
from reconcile.run import RunResult
from reconcile.unrun import not_run
from tests.reconcile.test_drift import lose
from tests.reconcile.world import CHECK, START, World
from translators.errors import DragomanError

SOON = date(2026, 11, 22)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'ledger.db'}"
        return
    server, name = request.getfixturevalue("postgres_server"), request.getfixturevalue("unused_name")
    admin: psycopg.Connection = request.getfixturevalue("postgres")
    admin.execute(f'CREATE DATABASE "{name}"')
    yield f"postgresql+psycopg://dragoman@{server.host}:{server.port}/{name}"
    admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = open_ledger(url)
    yield engine
    engine.dispose()


@pytest.fixture
def ledger(engine: Engine) -> Ledger:
    return Ledger(engine)


@pytest.fixture
def full(world: World) -> World:
    for number in range(1, 5):
        world.write(f"A{number}", f"bolt {number}")
    world.flow()
    return world


class Days:
    """Runs of a world, a day apart, each written into the ledger."""

    def __init__(self, world: World, ledger: Ledger) -> None:
        self.world, self.ledger, self.number = world, ledger, 0

    def next(self, **changed: object) -> RunResult:
        self.number += 1
        self.world.clock.now = START + timedelta(days=self.number)
        result = msgspec.structs.replace(self.world.run(), run=f"r-{self.number}", **changed)
        self.ledger.begin(result.run, CHECK.check, result.started)
        return self.ledger.end(result)


HOLD = """\
import sys
from reconcile.ledger.ledger import Ledger
from reconcile.ledger.opening import open_ledger
with Ledger(open_ledger(sys.argv[1])).alone():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_repair_at_a_time_and_its_right_ends_with_its_process(url: str, ledger: Ledger) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, url], stdin=PIPE, stdout=PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(RepairRunning), ledger.alone():
            pass
        other.kill()
    end = time.monotonic() + 10
    while True:
        try:
            with ledger.alone(), pytest.raises(RepairRunning), ledger.alone():
                pass
        except RepairRunning:
            assert time.monotonic() < end, "the right outlived its process"
            time.sleep(0.05)
        else:
            break
    with ledger.alone():
        pass


def states(ledger: Ledger) -> dict[str, str]:
    return {entry.key: entry.state for entry in ledger.findings(closed=True)}


def edit(world: World, key: str) -> None:
    world.sql("UPDATE item_view SET name = 'nobody said so' WHERE number = ?", key)


def mend(world: World, key: str) -> None:
    world.write(key, "mended")
    world.flow()


def test_a_finding_goes_through_its_life(full: World, ledger: Ledger) -> None:
    days = Days(full, ledger)
    days.next()
    edit(full, "A1")
    days.next()
    days.next()
    (entry,) = ledger.findings()
    assert (entry.key, entry.state, entry.owner, entry.causes) == ("A1", "open", CHECK.owner, ("edited-in-view",))
    assert (entry.first_seen, entry.last_seen) == (START + timedelta(days=2), START + timedelta(days=3))
    assert (entry.last_run, entry.fields, entry.closed) == ("r-3", ("name",), None)
    mend(full, "A1")
    days.next()
    assert ledger.findings() == []
    assert ledger.findings(closed=True)[0].closed == START + timedelta(days=4)
    edit(full, "A1")
    days.next()
    (again,) = ledger.findings()
    assert (again.state, again.reopened, again.first_seen, again.closed) == (
        "reopened", 1, START + timedelta(days=2), None,
    )  # fmt: skip
    days.next()
    assert [(e.state, e.reopened) for e in ledger.findings()] == [("reopened", 1)]


def test_what_is_accepted_does_not_count_until_its_day_is_over(full: World, ledger: Ledger) -> None:
    days = Days(full, ledger)
    edit(full, "A1")
    assert days.next().exit_code == 1
    (found,) = ledger.findings()
    accepted = ledger.accept(found.id[:6], SOON, "the auditors asked for it", now=full.clock())
    assert (accepted.accepted_until, accepted.reason) == (SOON, "the auditors asked for it")
    result = days.next()
    assert (result.started.date(), result.exit_code, result.accepted, result.confirmed) == (SOON, 0, 1, 1)
    edit(full, "A2")
    assert days.next().exit_code == 1
    assert states(ledger) == {"A1": "reopened", "A2": "open"}
    assert [run.state for run in ledger.runs()] == ["drift", "tolerated", "drift"]


def test_another_cause_is_not_what_was_accepted(full: World, ledger: Ledger) -> None:
    days = Days(full, ledger)
    edit(full, "A1")
    days.next()
    ledger.accept(ledger.findings()[0].id, date(2027, 1, 1), "known", now=full.clock())
    lose(full, "A1", lambda: full.write("A1", "newer"))
    result = days.next()
    assert (result.exit_code, result.accepted, states(ledger)) == (1, 0, {"A1": "reopened"})


def test_an_incomplete_run_closes_nothing_and_is_broken(full: World, ledger: Ledger) -> None:
    days = Days(full, ledger)
    edit(full, "A1")
    days.next()
    mend(full, "A1")
    full.write("A2", "not yet published")
    result = days.next()
    assert result.exit_code == 2
    assert states(ledger) == {"A1": "open"}
    run = ledger.runs()[-1]
    assert (run.state, run.exit_code, run.incomplete, run.coverage < 1) == ("broken", 2, "reconcile.lag", True)


def test_a_run_that_dies_or_cannot_begin_is_broken(ledger: Ledger) -> None:
    ledger.begin("r-1", CHECK.check, START)
    ledger.begin("r-2", CHECK.check, START + timedelta(days=1))
    ledger.end(not_run(CHECK, DragomanError(), run="r-2", now=START + timedelta(days=1)))
    assert [(r.state, r.exit_code, r.incomplete, r.coverage) for r in ledger.runs()] == [
        ("broken", 2, None, 0.0),
        ("broken", 2, "dragoman.error", 0.0),
    ]


def run_at(day: int, state: str) -> RunEntry:
    return msgspec.structs.replace(begun(f"r-{day}", "c", START + timedelta(days=day)), state=state)


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ("", None),
        ("b", None),
        ("d t", None),
        ("c c c", (0, 2, 3, 1)),
        ("c d c c", (2, 3, 2, 1)),
        ("c b c", (2, 2, 1, 0)),
        ("c c - - - c d", (0, 5, 3, 4)),
        ("c t c b", (2, 2, 1, 0)),
    ],
)
def test_proven_without_a_break(runs: str, expected: tuple[int, int, int, int] | None) -> None:
    words = {"b": "broken", "d": "drift", "t": "tolerated", "c": "clean"}
    stretch = verified([run_at(day, words[letter]) for day, letter in enumerate(runs.split()) if letter != "-"])
    if expected is None:
        assert stretch is None
        return
    assert stretch is not None
    first, last, count, gap = expected
    assert (stretch.since, stretch.until) == (START + timedelta(days=first), START + timedelta(days=last))
    assert (stretch.runs, stretch.gap) == (count, timedelta(days=gap))


def test_what_cannot_be_accepted(full: World, ledger: Ledger) -> None:
    days = Days(full, ledger)
    for key in ("A1", "A2"):
        edit(full, key)
    days.next()
    mend(full, "A2")
    days.next()
    first, second = ledger.findings(closed=True)
    now = datetime(2026, 11, 22, 23, 59, tzinfo=UTC)
    with pytest.raises(FindingUnknown):
        ledger.accept("f-", SOON, "known", now=now)
    with pytest.raises(FindingClosed):
        ledger.accept(second.id, SOON, "known", now=now)
    with pytest.raises(AcceptanceOver):
        ledger.accept(first.id, date(2026, 11, 21), "known", now=now)
    with pytest.raises(ReasonMissing):
        ledger.accept(first.id, SOON, "  ", now=now)
    assert ledger.accept(first.id, SOON, "known", now=now).state == "accepted"


def test_migrations_lead_to_the_tables(engine: Engine) -> None:
    with engine.begin() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION, "compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_what_the_first_revision_kept_is_still_there(url: str) -> None:
    old = open_ledger(url, to="0001")
    with old.begin() as connection:
        run = begun("r-1", "c", START)
        entry = Entry(
            id="f-1", check="c", key="A1", state="accepted", first_seen=START, last_seen=START, last_run="r-1",
            kind="stale", causes=("parked",), title="Parked", fields=("name",), owner="Us", accepted_until=SOON,
            reason="known",
        )  # fmt: skip
        later = {"unavailable", "ambiguous", "causes", "gate", "resumed"}
        _insert(connection, "dragoman_run", {n: v for n, v in _said(run).items() if n not in later})
        _insert(connection, "dragoman_finding", _said(entry) | {"causes": '["parked"]', "fields": '["name"]'})
    old.dispose()
    engine = open_ledger(url)
    assert (Ledger(engine).runs(), Ledger(engine).findings()) == ([run], [entry])
    engine.dispose()


def _said(value: RunEntry | Entry) -> dict[str, object]:
    """A row as a program of the first revision would write it."""
    row: dict[str, object] = msgspec.structs.asdict(value)
    return {name: str(one) if isinstance(one, datetime | date) else one for name, one in row.items()}


def _insert(connection: object, table: str, row: dict[str, object]) -> None:
    names, marks = ", ".join(f'"{name}"' for name in row), ", ".join(f":{name}" for name in row)
    connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), row)  # type: ignore[attr-defined]


def test_a_migration_that_fails_leaves_nothing(url: str) -> None:
    bare = create_engine(url)
    with bare.begin() as connection:
        connection.execute(text("CREATE TABLE dragoman_finding (id INTEGER)"))
    with pytest.raises(LedgerUnusable, match="already exists"):
        open_ledger(url)
    assert inspect(bare).get_table_names() == ["dragoman_finding"]
    bare.dispose()


def test_a_newer_ledger_is_left_alone(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION} SET version_num = '9999'"))
    with pytest.raises(LedgerNewer, match="9999"):
        migrate(engine)


@pytest.mark.parametrize("url", ["nonsense", "nosuch://x", "sqlite:////nowhere/at/all.db"])
def test_a_ledger_that_cannot_be_opened_is_told(url: str) -> None:
    with pytest.raises(LedgerUnusable):
        open_ledger(url)
