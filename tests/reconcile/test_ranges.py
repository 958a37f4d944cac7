"""A check in ranges: each key in one of them, whatever dies; and a run that goes on where another one died."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile import cutting
from reconcile.choice import plan_of
from reconcile.compare import Counts
from reconcile.cutting import Sample, cut, ranges_of
from reconcile.errors import NothingToResume, ResumeChanged, ResumeLate
from reconcile.ledger.entries import verified
from reconcile.ledger.ledger import Ledger
from reconcile.ledger.opening import open_ledger
from reconcile.ledger.ranges import LedgerRanges
from reconcile.native_text import KeyOrder
from reconcile.pool import ProcessPool
from reconcile.ranges import Looked, Pass
from reconcile.run import RunResult, reconcile
from reconcile.streams import KeyRange
from tests.reconcile import elsewhere
from tests.reconcile import test_plans as plans
from tests.reconcile.place import Databases, Place
from tests.reconcile.world import CHECK, World

BASIS = {"mapping": "1", "check": "2"}


@pytest.fixture
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "RANGE", 3)
    monkeypatch.setattr(cutting, "SMALL", 1)


@pytest.fixture
def full(world: World) -> World:
    for number in range(1, 13):
        world.write(f"A{number:02}", f"bolt {number}", 100 * number, lines=((1, "2.50"), (2, None)))
    world.flow()
    return world


@given(st.lists(st.integers(0, 10**20)), st.integers(1, 9), st.booleans(), st.lists(st.text(max_size=6)))
def test_each_key_is_in_one_range(sample: list[int], wanted: int, by_length: bool, others: list[str]) -> None:
    """Those of the sample, and all others, between them and beyond."""
    order = KeyOrder(by_length=by_length)
    ranges = ranges_of(Sample(tuple(map(str, sample)), len(sample)), order, wanted)
    for key in [*map(str, sample), *others]:
        at = order.key_of(key)
        holds = [r for r in ranges if (r.after is None or r.after < at) and (r.through is None or at <= r.through)]
        assert len(holds) == 1
    assert len(ranges) <= max(1, wanted)


def test_gaps_do_not_make_ranges_uneven() -> None:
    keys = [*range(1, 91), *range(10**12, 10**12 + 10)]
    ranges = ranges_of(Sample(tuple(map(str, keys)), 100), KeyOrder(by_length=True), 4)
    sizes = [sum(r.after is None or r.after < (len(k), k) for k in map(str, keys)) for r in ranges]
    assert sizes == [100, 74, 49, 24]


# Processes.


def edited(world: World) -> None:
    world.sql("UPDATE item_view SET name = 'nobody said so' WHERE number IN ('A02', 'A11')")
    world.sql("DELETE FROM item_view WHERE number = 'A07'")


def test_a_process_that_is_killed_takes_no_range_with_it(full: World, small_ranges: None) -> None:
    edited(full)
    alone = full.run()
    assert (alone.cutting.ranges, alone.cutting.processes, alone.cutting.together) == (4, 1, True)
    assert [finding.key for finding in alone.findings] == ["A02", "A07", "A11"]
    beside = full.run(pool=ProcessPool(partial(elsewhere.killed, full.folder, 1), 2))
    assert (full.folder / "killed-0").exists()
    assert (beside.cutting.ranges, beside.cutting.processes, beside.cutting.together) == (4, 2, False)
    same = {name: getattr(beside, name) for name in ("seconds", "cutting", "hops")}
    assert msgspec.structs.replace(alone, **same) == beside


def test_a_range_that_is_lost_twice_ends_the_run(full: World, small_ranges: None) -> None:
    result = full.run(pool=ProcessPool(partial(elsewhere.killed, full.folder, 9), 1))
    assert result.incomplete is not None
    assert (result.exit_code, result.incomplete.code, result.coverage) == (2, "reconcile.range-lost", 0.0)


def test_an_error_in_a_range_is_the_error_of_the_run(full: World, small_ranges: None) -> None:
    full.legacy.execute("DROP TABLE itmlin")
    full.legacy.execute(
        "CREATE VIEW itmlin AS SELECT 'A05         ' itm_no, 1 seq, '2' qty UNION ALL SELECT 'A05', 1, '2'"
    )
    alone, beside = full.run(), full.run(pool=ProcessPool(partial(elsewhere.world_sides, full.folder), 1))
    assert alone.incomplete is not None and alone.incomplete.code == "reconcile.side-unsorted"
    assert (beside.exit_code, beside.incomplete) == (2, alone.incomplete)


def test_a_row_without_a_key_is_in_no_range(full: World, small_ranges: None) -> None:
    full.legacy.execute("INSERT INTO itmlin VALUES (NULL, 1, '2.50')")
    result = full.run()
    assert result.incomplete is not None
    assert (result.exit_code, result.incomplete.code) == (2, "reconcile.side-unreadable")


@pytest.mark.parametrize(("sums", "name"), [(False, "stream"), (True, "sums, then stream")])
def test_processes_see_the_moment_of_who_cut_the_ranges(
    databases: Databases, monkeypatch: pytest.MonkeyPatch, sums: bool, name: str
) -> None:
    """By texts, in PostgreSQL, where what is written after that moment is in no range."""
    monkeypatch.setattr(cutting, "SMALL", 100)
    item = Place(databases.make(), elsewhere.item_translator(), plans.PLAIN_VIEW, {})
    item.sql("INSERT INTO item SELECT 'P/' || x, 'n' || x, x / 4.0, x, true FROM generate_series(1, 300) x")
    item.show()
    item.sql("UPDATE item_view SET amount = amount + 1 WHERE number IN ('P/1', 'P/150', 'P/299')")
    expected, counts, rows = item.one_by_one()
    pool = ProcessPool(partial(elsewhere.item_sides, item.engine.url.render_as_string(hide_password=False)), 2)
    with item.reader.snapshot() as legacy:
        item.sql("UPDATE item SET nam = 'later'")
        plan = plan_of(legacy, item.view, sums=sums)
        looking = Pass(plan, legacy, pool, None)
        seen, read = Counts(), Counter[str]()
        assert looking.differing(seen, read) == expected
    assert (plan.name, looking.cutting.ranges, looking.cutting.together) == (name, 2, True)
    assert (seen, read) == (counts, rows)


def test_a_table_of_many_pages_is_cut_by_some_of_them(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "RANGE", 5_000)
    monkeypatch.setattr(cutting, "PAGES", 30)
    item = Place(databases.make(), elsewhere.item_translator(), plans.PLAIN_VIEW, {})
    item.sql("INSERT INTO item SELECT to_char(x, 'FM000000') FROM generate_series(1, 20000) x")
    with item.reader.snapshot() as legacy:
        ranges = cut(legacy, KeyOrder(by_length=False), 1)
    assert 3 <= len(ranges) <= 5
    bounds = [int(str(one.through[0])) for one in ranges if one.through is not None]
    assert all(abs(20_000 * at / len(ranges) - bound) < 4_000 for at, bound in enumerate(bounds, 1)), bounds


# Going on.


class Died(BaseException):
    """The process ends here."""


class Mortal(LedgerRanges):
    """Dies when so many ranges are done."""

    left = 2

    def finished(self, keys: KeyRange, looked: Looked) -> None:
        super().finished(keys, looked)
        self.left -= 1
        if self.left == 0:
            raise Died


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    engine = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield Ledger(engine)
    engine.dispose()


def dies(world: World, ledger: Ledger, run: str = "r-1") -> None:
    ledger.begin(run, CHECK.check, world.clock.now)
    book = Mortal(ledger._engine, CHECK.check, run, world.clock.now, BASIS)
    with pytest.raises(Died):
        reconcile(CHECK, world.sides(), run=run, clock=world.clock, book=book)


def goes_on(world: World, ledger: Ledger, run: str = "r-2") -> RunResult:
    world.clock.now += timedelta(hours=1)
    book = ledger.ranges(run, CHECK.check, world.clock.now, BASIS, resume=True)
    ledger.begin(run, CHECK.check, world.clock.now)
    return ledger.end(reconcile(CHECK, world.sides(), run=run, clock=world.clock, book=book))


def test_a_run_goes_on_where_another_one_died(full: World, ledger: Ledger, small_ranges: None) -> None:
    edited(full)
    dies(full, ledger)
    # A01 stands in a range that is done, and agreed there; A12 is still to come.
    full.sql("UPDATE item_view SET name = 'x' WHERE number IN ('A01', 'A12')")
    result = goes_on(full, ledger)
    assert [finding.key for finding in result.findings] == ["A02", "A07", "A11", "A12"]
    assert (result.exit_code, result.compared, result.coverage, dict(result.legacy_rows)) == (
        1, 12, 1.0, {"item": 12, "itmlin": 24},
    )  # fmt: skip
    resumed = result.cutting.resumed
    assert resumed is not None
    assert (resumed.run, resumed.ranges, result.cutting.ranges, result.cutting.together) == ("r-1", 2, 4, False)
    with pytest.raises(NothingToResume):
        goes_on(full, ledger, "r-3")


def test_a_run_that_dies_again_is_gone_on_with_again(full: World, ledger: Ledger, small_ranges: None) -> None:
    dies(full, ledger)
    book = ledger.ranges("r-2", CHECK.check, full.clock.now, BASIS, resume=True)
    mortal = Mortal(ledger._engine, CHECK.check, "r-2", full.clock.now, BASIS)
    mortal.ranges, mortal.done, mortal.resumed, mortal.left = book.ranges, book.done, book.resumed, 1
    with pytest.raises(Died):
        reconcile(CHECK, full.sides(), run="r-2", clock=full.clock, book=mortal)
    result = goes_on(full, ledger, "r-3")
    assert result.cutting.resumed is not None
    assert (result.exit_code, result.cutting.resumed.run, result.cutting.resumed.ranges) == (0, "r-2", 3)


def test_what_was_gone_on_with_proves_nothing_of_one_moment(full: World, ledger: Ledger, small_ranges: None) -> None:
    dies(full, ledger)
    result = goes_on(full, ledger)
    assert (result.exit_code, result.history.proven) == (0, None)
    runs = ledger.runs()
    assert [(one.state, one.resumed) for one in runs] == [("broken", None), ("clean", "r-1")]
    assert verified(runs) is None


@pytest.mark.parametrize("what", ["mapping", "check"])
def test_what_a_run_went_by_may_not_have_changed(full: World, ledger: Ledger, small_ranges: None, what: str) -> None:
    dies(full, ledger)
    with pytest.raises(ResumeChanged, match=f"the {what} has changed"):
        ledger.ranges("r-2", CHECK.check, full.clock.now, {**BASIS, what: "another"}, resume=True)


def test_a_run_of_yesterday_is_too_old(full: World, ledger: Ledger, small_ranges: None) -> None:
    dies(full, ledger)
    with pytest.raises(ResumeLate, match="more than 24 hours"):
        ledger.ranges("r-2", CHECK.check, full.clock.now + timedelta(hours=25), BASIS, resume=True)


def test_a_run_that_begins_anew_forgets_the_one_that_died(full: World, ledger: Ledger, small_ranges: None) -> None:
    dies(full, ledger)
    book = ledger.ranges("r-2", CHECK.check, full.clock.now, BASIS)
    assert ledger.end(reconcile(CHECK, full.sides(), run="r-2", clock=full.clock, book=book)).exit_code == 0
    with pytest.raises(NothingToResume):
        ledger.ranges("r-3", CHECK.check, full.clock.now, BASIS, resume=True)
