"""The worked example of somebody else's read model: the insurer's stream, the portal's consumer, and its check."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from examples.consumers import portal
from examples.consumers.curated import fact_of
from reconcile.check import CheckSpec, read_check
from reconcile.embedded import OwnDeclared, Pipeline, sides_of
from reconcile.fence import Pace
from reconcile.own_check import check_tables
from reconcile.run import RunResult, reconcile
from tests.examples.support import PROJECT, legacy_schema
from tests.reconcile.test_insurer import Insurer

EXAMPLE = PROJECT.parent / "consumers" / "portal_policy.yaml"


class Portal(Insurer):
    """The insurer with the portal's consumer behind its stream."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.portal = portal.opened(str(folder / "portal.db"))
        self.spec: CheckSpec = read_check(EXAMPLE.read_text("utf-8"), "checks/portal_policy.yaml")

    def flow(self) -> None:
        """Everything comes all the way, into the portal's tables."""
        self.pipeline.run()
        for partition in range(self.log.topics()["policy.state"].partitions):
            page = self.log.read("policy.state", partition, portal.position(self.portal, partition), 100_000)
            facts = [fact_of(r.value, [(n, v or b"") for n, v in r.headers]) for r in page.records]
            portal.take(self.portal, partition, facts, page.next)

    def check(self) -> RunResult:
        assert self.spec.tables is not None
        works = Pipeline(log=self.log, store=self.store, feed=self.feed, schema=legacy_schema(), stopped=lambda: None)
        pace = Pace(clock=self.clock, wait=self.clock.wait, deadline=timedelta(seconds=5))
        views = self.engine(Path(self.view_file).with_name("portal.db"))
        declared = OwnDeclared(self.spec.view, self.spec.tables)
        sides = sides_of(self.policy, declared, works, pace, legacy=self.legacy, views=views)
        try:
            return reconcile(self.spec, sides, run="r-1", clock=self.clock)
        finally:
            views.dispose()

    def close(self) -> None:
        self.portal.close()
        super().close()


@pytest.fixture
def insurer(tmp_path: Path) -> Iterator[Portal]:
    made = Portal(tmp_path)
    yield made
    made.close()


def test_the_portal_shows_what_the_legacy_says_and_what_goes_wrong_there_is_found(insurer: Portal) -> None:
    assert insurer.spec.tables is not None
    assert check_tables(insurer.spec.tables, insurer.policy.bound) == []
    insurer.flow()
    first = insurer.check()
    assert (first.exit_code, first.findings, first.exact) == (0, (), True)
    insurer.application.run(150)
    insurer.clock.on_wait = insurer.flow
    moving = insurer.check()
    assert (moving.exit_code, moving.findings) == (0, ())
    assert moving.in_flight > 0
    with closing(sqlite3.connect(insurer.view_file.with_name("portal.db"))) as db, db:
        one, two, three = (row[0] for row in db.execute("SELECT number FROM policies WHERE removed_at IS NULL LIMIT 3"))
        db.execute(
            "INSERT INTO policies (number, seen) SELECT number, seen FROM policies WHERE number = ?",
            (one,),
        )
        db.execute("UPDATE policies SET premium_cents = premium_cents + 1 WHERE number = ?", (two,))
        db.execute("DELETE FROM policies WHERE number = ?", (three,))
    found = {f.key: (f.kind, [cause.name for cause in f.causes]) for f in insurer.check().findings}
    orphan = next(key for key in found if key.startswith("policy_covers: policy_id "))
    assert found == {
        one: ("duplicate", ["duplicate-rows"]),
        two: ("mismatch", ["consumer-misapplied"]),
        three: ("missing", ["consumer-missed"]),
        orphan: ("orphan", ["orphan-rows"]),
    }
