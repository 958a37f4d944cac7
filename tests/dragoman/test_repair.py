"""`dragoman reconcile repair`: each wrong leg seeded in the insurer's project, repaired through the pipeline, proven."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from dragoman.app import app
from dragoman.checking import chosen_checks, run_id, run_recorded
from dragoman.ledgers import ledger_of
from dragoman.mending import May, Repaired, carry_out, exit_code
from dragoman.project import Project
from dragoman.repairing import Bench, keep_plan, make_plan, read_plan
from dragoman.settings import read_settings
from dragoman.wiring import reading, utc, works
from pipeline.log.embedded import EmbeddedLog
from pipeline.log.port import Outgoing
from reconcile.ledger.entries import Entry
from reconcile.repair import Plan, planned
from reconcile.run import RunResult
from tests.dragoman.support import legacy, query, replace
from translators.errors import DragomanError

EDITED, LOST, GONE, UNCAPTURED = "P00000001", "P00000002", "P00000003", "P00000004"
INVENTED = "P00009999"
EDIT = "UPDATE policy_view SET status = 'quoted' WHERE policy_number = '{}'"
SOON = timedelta(seconds=20)


def edit(project: Path, *statements: str) -> None:
    """Somebody writes into the view."""
    with closing(sqlite3.connect(project / "var" / "views.db")) as view, view:
        for sql in statements:
            assert view.execute(sql).rowcount >= 1, sql


def uncaptured(project: Path, change: str = "prem_amt = prem_amt + 100", key: str = UNCAPTURED) -> None:
    """A change of the legacy that its triggers do not see."""
    with legacy(project) as database, database:
        triggers = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            database.execute(f'DROP TRIGGER "{name}"')
        changed = database.execute(f"UPDATE polmst SET {change} WHERE TRIM(pol_no) = ?", (key,))
        assert changed.rowcount == 1
        for _, sql in triggers:
            database.execute(sql)


def seed(project: Path) -> None:
    """Each leg wrong once."""
    uncaptured(project)
    edit(project, EDIT.format(EDITED), f"DELETE FROM policy_view WHERE policy_number = '{LOST}'")


class Shop:
    """A project with its worker in this process: it works whenever somebody waits, and then `meanwhile` happens."""

    def __init__(self, folder: Path, held: ExitStack, check: str = "policy_view") -> None:
        self.folder = folder
        self.meanwhile: Callable[[], None] = lambda: None
        self.project = Project(read_settings(folder, {}))
        self.engine = held.enter_context(works(self.project)).engine
        log = held.enter_context(reading(self.project))
        self.ledger = held.enter_context(ledger_of(self.project))
        (spec,) = chosen_checks(self.project, check)
        self.check_name = check
        self.bench = Bench(project=self.project, ledger=self.ledger, log=log, spec=spec, wait=self.wait)
        self.runs = 0

    def wait(self, pause: timedelta) -> None:
        while self.engine.turn():
            pass
        self.meanwhile()

    def check(self) -> RunResult:
        self.wait(SOON)
        self.runs += 1
        name = f"{run_id(utc())}-{self.runs}"
        bench = self.bench
        return run_recorded(
            self.project, self.ledger, bench.spec, bench.log, run=name, wait=self.wait, stopped=lambda: None
        )

    def plan(self, **how: Any) -> Plan:
        return make_plan(self.bench, **how)

    def repair(self, plan: Plan, **may: bool) -> list[Repaired]:
        with self.ledger.alone():
            return carry_out(self.bench, plan, May(**may), SOON)

    def entry(self, key: str) -> Entry:
        (found,) = (entry for entry in self.ledger.findings(self.check_name, closed=True) if entry.key == key)
        return found


@pytest.fixture
def shop(worked: Path) -> Iterator[Shop]:
    with ExitStack() as held:
        yield Shop(worked, held)


def outcomes(told: list[Repaired]) -> dict[str, str]:
    return {one.key: one.outcome for one in told}


def test_each_leg_is_repaired_and_its_finding_closed(shop: Shop) -> None:
    seed(shop.folder)
    found = shop.check()
    assert found.confirmed == 5, "three seeded, two whose code nobody knows"
    plan = shop.plan()
    actions = {item.key: item.action for item in plan.items}
    assert actions == {EDITED: "republish", LOST: "republish", UNCAPTURED: "reload"}
    seen = shop.bench.look(list(actions))
    unkept, _ = planned(seen, {}, rereads=True, keeps_rows=False)
    assert {item.action for item in unkept} == {"reload"}, "what is not kept cannot be published again"
    some, (unasked,) = planned(seen, {}, rereads=False, keeps_rows=True)
    assert ({item.key for item in some}, unasked.key) == ({EDITED, LOST}, UNCAPTURED)
    told = shop.repair(plan)
    assert (outcomes(told), exit_code(told)) == (dict.fromkeys(actions, "closed"), 0)
    for key, action in actions.items():
        entry = shop.entry(key)
        (order,) = shop.ledger.repairs()[entry.id]
        assert (entry.state, order.action, order.outcome, order.plan) == ("closed", action, "closed", plan.plan)
        assert "published" in order.result
    parked = [shop.entry(left.key) for left in plan.left]
    assert [entry.state for entry in parked] == ["escalated", "escalated"]
    assert all("mend the mapping, then release them" in str(entry.reason) for entry in parked)
    assert shop.check().confirmed == 2, "only what is parked"
    assert {shop.entry(left.key).state for left in plan.left} == {"escalated"}, (
        "a run that sees the same forgets nothing"
    )
    with pytest.raises(DragomanError) as refused:
        shop.repair(plan)
    assert refused.value.code == "repair.plan-spent"


def test_a_plan_is_refused_once_what_it_was_made_from_has_changed(shop: Shop) -> None:
    seed(shop.folder)
    shop.check()

    def refused(plan: Plan) -> str:
        with pytest.raises(DragomanError) as error:
            shop.repair(plan)
        assert not shop.ledger.repairs(), "nothing was ordered"
        return f"{error.value.code} {error.value.message}"

    plan = shop.plan()
    kept = keep_plan(shop.project, plan)
    assert read_plan(kept, "policy_view") == plan
    kept.write_text(kept.read_text().replace('"deletes": false', '"deletes":  true', 1))
    with pytest.raises(DragomanError, match="it was changed since it was made"):
        read_plan(kept, "policy_view")
    with pytest.raises(DragomanError) as error:
        read_plan(kept, "policy_figures")
    assert error.value.code == "repair.plan-of-another"
    shop.ledger.accept(shop.entry(LOST).id, date(2999, 1, 1), "it may stay", now=utc())
    assert f"the finding {shop.entry(LOST).id} changed" in refused(plan)
    edit(shop.folder, EDIT.format(EDITED).replace("quoted", "lapsed"))
    plan = shop.plan(cause="edited-in-view")
    assert [item.key for item in plan.items] == [EDITED]
    edit(shop.folder, EDIT.format(EDITED))
    assert outcomes(shop.repair(plan)) == {EDITED: "stale"}
    plan = shop.plan()
    replace(shop.folder / "consumers" / "policy_view.yaml", "  status: status\n", "  status: status  # as it is\n")
    shop.bench = Bench(**{**_fields(shop.bench), "project": Project(read_settings(shop.folder, {}))})
    assert "the view's declaration changed" in refused(plan)
    plan = shop.plan()
    replace(shop.folder / "mappings" / "policy.yaml", "    L: lapsed\n", "    L: lapsed\n    SU: lapsed\n")
    shop.bench = Bench(**{**_fields(shop.bench), "project": Project(read_settings(shop.folder, {}))})
    assert "the mapping changed" in refused(plan)


def _fields(bench: Bench) -> dict[str, Any]:
    return {name: getattr(bench, name) for name in bench.__struct_fields__}


def test_who_writes_it_again_is_told_to_be_found_and_a_third_repair_is_a_persons(shop: Shop) -> None:
    keys = [f"P000000{n:02}" for n in range(1, 9)]
    for _ in range(2):
        edit(shop.folder, EDIT.format(EDITED))
        shop.check()
        assert outcomes(shop.repair(shop.plan()))[EDITED] == "closed"
    edit(shop.folder, *(EDIT.format(key) for key in keys))
    shop.check()
    shop.meanwhile = lambda: edit(shop.folder, *(EDIT.format(key) for key in keys))
    plan = shop.plan()
    assert EDITED not in {item.key for item in plan.items}
    told = shop.repair(plan)
    assert [one.outcome for one in told] == ["escalated"] * 5 + ["held"] * 2, "five are tried, and none heals"
    assert exit_code(told) == 2
    assert "repaired twice within a week" in str(shop.entry(EDITED).reason)
    assert "find out who, and take the right to write" in str(shop.entry(told[0].key).reason)
    assert shop.entry(told[-1].key).state == "open"
    shop.meanwhile = lambda: None
    again = shop.plan(escalated=True)
    assert {item.key for item in again.items} == set(keys)
    assert set(outcomes(shop.repair(again)).values()) == {"closed"}


AGAINST_STREAM = "check: policy_published\nmapping: policy\nagainst: stream\nlimit: 0\nowner: Policy\n"


def stream_of(log: Path, key: str) -> list[int]:
    """Where the state stream has the records of a key, in its order."""
    of = "(SELECT slot FROM partitions WHERE topic = 'policy.state')"
    return [
        n for (n,) in query(log, f"SELECT id FROM records WHERE key = ? AND id >> 44 IN {of} ORDER BY id", key.encode())
    ]


def lose(log: Path, places: list[int]) -> None:
    """Records are gone from a topic, whoever lost them."""
    with closing(sqlite3.connect(log)) as stored, stored:
        assert stored.executemany("DELETE FROM records WHERE id = ?", [(place,) for place in places]).rowcount == len(
            places
        )


def overwrite(log: Path, key: str) -> None:
    """Somebody else publishes a later version of a key, with another status."""
    with closing(EmbeddedLog(log)) as stream:
        (number,) = {place >> 44 for place in stream_of(log, key)}
        ((partition,),) = query(log, "SELECT partition FROM partitions WHERE slot = ?", number)
        last = [r for r in stream.read("policy.state", partition, 0, 10_000).records if r.key == key.encode()][-1]
        headers = tuple((n, b"0001.000000000040.000001.0000" if n == "ce_sequence" else v) for n, v in last.headers)
        value = re.sub(rb'"status":"[a-z]+"', b'"status":"quoted"', last.value or b"")
        stream.append(
            [Outgoing(topic=last.topic, partition=partition, timestamp=0, key=last.key, value=value, headers=headers)]
        )


def test_what_the_state_stream_lost_is_found_against_it_and_published_again(worked: Path) -> None:
    """Its last record, a tombstone, all records of a key; and one of a later version that somebody else wrote."""
    (worked / "checks" / "policy_published.yaml").write_text(AGAINST_STREAM)
    with ExitStack() as held:
        shop = Shop(worked, held, "policy_published")
        log = shop.project.settings.log
        with legacy(worked) as database, database:
            assert database.execute(
                "UPDATE polmst SET prem_amt = prem_amt + 1 WHERE TRIM(pol_no) = ?", (LOST,)
            ).rowcount
            for table in ("covdtl", "polmst"):
                database.execute(f"DELETE FROM {table} WHERE TRIM(pol_no) = ?", (GONE,))
        assert shop.check().confirmed == 2, "two whose code nobody knows"
        for key in (LOST, GONE):
            lose(log, stream_of(log, key)[-1:])
        lose(log, stream_of(log, EDITED))
        overwrite(log, UNCAPTURED)
        seeded = {LOST, GONE, EDITED, UNCAPTURED}
        found = {one.key: tuple(cause.name for cause in one.causes) for one in shop.check().findings}
        assert {key: causes for key, causes in found.items() if key in seeded} == dict.fromkeys(
            seeded, ("not-published",)
        )
        assert len(found) == 6
        plan = shop.plan()
        assert {item.key: item.action for item in plan.items} == dict.fromkeys(seeded, "republish")
        told = shop.repair(plan, deletes=True)
        assert outcomes(told) == dict.fromkeys(seeded, "closed")
        assert shop.check().confirmed == 2
        assert {shop.entry(key).state for key in seeded} == {"closed"}
        assert not query(worked / "var" / "views.db", "SELECT 1 FROM policy_view WHERE policy_number = ?", GONE)
        shown = "SELECT status FROM policy_view WHERE policy_number = ?"
        assert query(worked / "var" / "views.db", shown, UNCAPTURED) != [("quoted",)]


def test_deletes_need_their_permission_and_rows_that_no_mapping_takes_are_a_persons(shop: Shop) -> None:
    """A row of a policy that is deleted, put back by hand; one that nobody ever published; and a code that nobody knows."""
    views = shop.folder / "var" / "views.db"
    (row,) = query(views, "SELECT * FROM policy_view WHERE policy_number = ?", GONE)
    uncaptured(shop.folder)
    uncaptured(shop.folder, "pol_sts = 'ZZ'", EDITED)
    with legacy(shop.folder) as database, database:
        for table in ("covdtl", "polmst"):
            database.execute(f"DELETE FROM {table} WHERE TRIM(pol_no) = ?", (GONE,))
        database.execute("UPDATE polmst SET pol_sts = 'ZZ' WHERE TRIM(pol_no) = ?", (LOST,))
    shop.wait(SOON)
    with closing(sqlite3.connect(views)) as view, view:
        for one in (row, tuple(INVENTED if value == GONE else value for value in row)):
            view.execute(f"INSERT OR REPLACE INTO policy_view VALUES ({', '.join('?' * len(row))})", one)
    shop.check()
    plan = shop.plan()
    with pytest.raises(DragomanError) as refused:
        shop.repair(plan)
    assert refused.value.code == "repair.deletes"
    assert outcomes(shop.repair(plan, deletes=True)) == {GONE: "closed", UNCAPTURED: "closed"}
    assert not query(views, "SELECT * FROM policy_view WHERE policy_number = ?", GONE)
    escalated = {key: shop.entry(key) for key in (LOST, EDITED, INVENTED)}
    assert {entry.state for entry in escalated.values()} == {"escalated"}
    assert "mend the mapping, then release them" in str(escalated[LOST].reason)
    assert "The mapping refuses its rows as they are now" in str(escalated[EDITED].reason)
    assert "Nobody ever published this row" in str(escalated[INVENTED].reason)


def test_nothing_is_ordered_without_a_worker_or_a_finding(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> str:
        with pytest.raises(DragomanError) as error:
            shop.repair(shop.plan())
        return error.value.code

    assert refused() == "repair.nothing-found"
    edit(shop.folder, EDIT.format(EDITED))
    shop.check()
    monkeypatch.setattr("dragoman.repairing.running_worker", lambda log: None)
    assert refused() == "repair.no-worker"
    assert not shop.ledger.repairs()


def test_the_command_as_a_person_uses_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def typed(*words: str) -> tuple[int, str]:
        code = get_command(app)(["reconcile", *words, "--project", str(shop.folder)], standalone_mode=False)
        return code or 0, capsys.readouterr().out

    monkeypatch.setattr("dragoman.commands.reconcile._sleep", shop.wait)
    monkeypatch.setenv("COLUMNS", "200")
    edit(shop.folder, EDIT.format(EDITED))
    shop.check()
    code, seen = typed("repair", "policy_view", "--dry-run")
    assert (code, "1 key of policy_view to repair" in seen, "2 keys that no order mends" in seen) == (0, True, True)
    (plan,) = (shop.folder / "var" / "repairs").glob("*.json")
    assert f"dragoman reconcile repair policy_view --plan {plan}" in seen
    assert not shop.ledger.repairs()
    assert typed("repair", "policy_view", "--plan", str(plan), "--dry-run")[0] == 0
    code, told = typed("repair", "policy_view", "--plan", str(plan))
    assert (code, "republish: healed, it agrees behind the fence" in told, "1 key closed" in told) == (0, True, True)
    _, said = typed("findings", "--closed")
    assert "republish, command 0" in said
    assert "to do" in said
    found = [json.loads(line) for line in typed("findings", "--closed", "--json")[1].splitlines()]
    assert [order["outcome"] for one in found for order in one["repairs"]] == ["closed"]
