"""The whole way with nothing made up: the insurer's legacy, capture, translator, projection, and the sides as wired."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import Engine, create_engine

from connectors.debezium.decode import Decoder
from pipeline.engine.embedded import EmbeddedEngine
from pipeline.engine.sources import CaptureSource
from pipeline.feed import Feed, Identity
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Outgoing, TopicSpec
from pipeline.projection.project import Projection
from pipeline.projection.spec import read_projection
from pipeline.state.memory import MemoryState
from pipeline.worker import TranslatorWorker
from reconcile.check import read_check
from reconcile.embedded import Pipeline, open_step, sides_of
from reconcile.fence import Pace
from reconcile.run import RunResult, reconcile
from tests.examples.support import PROJECT, a_legacy, captured, legacy_schema, spec, translator
from tests.reconcile.world import Clock

FEED = Feed(
    topic="legacy.policy",
    transactions="legacy.transaction",
    notifications="legacy.notification",
    begins="snapshot",
    exactly_once=True,
)


class Insurer:
    """The example at work, and its check."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.feed = FEED
        self.connection, self.application = a_legacy(folder / "legacy.db", 7)
        self.capture = captured(folder / "legacy.db", self.connection)
        self.log, self.store = MemoryLog(), MemoryState()
        kinds = {"legacy.transaction": "transaction", "legacy.notification": "notification"}
        topics = [
            TopicSpec(name=name, kind=kinds.get(name, "feed"), partitions=count)  # type: ignore[arg-type]
            for name, count in spec().topics()
        ]
        file = "consumers/policy_view.yaml"
        self.view = read_projection((PROJECT / file).read_text("utf-8"), file)
        self.policy = translator("policy")
        self.legacy, self.views = (self.engine(folder / name) for name in ("legacy.db", "views.db"))
        projection = Projection(self.view, self.policy.bound.shape, self.views, self.log, self.clock, "policy.state")
        projection.prepare()
        worker = TranslatorWorker(
            log=self.log,
            store=self.store,
            translator=self.policy,
            decoder=Decoder(legacy_schema(), "legacy.notification"),
            feed=FEED,
            identity=Identity(namespace="com.example", source="legacy", source_epoch=1, version="0"),
        )
        source = CaptureSource(self.capture, "legacy", topics, self.log)
        self.pipeline = EmbeddedEngine(source=source, workers=[worker], readers=[projection])
        self.view_file = folder / "views.db"

    @staticmethod
    def engine(path: Path) -> Engine:
        return create_engine(f"sqlite:///{path}")

    def run(self) -> RunResult:
        check = read_check((PROJECT / "checks/policy.yaml").read_text("utf-8"), "checks/policy.yaml")
        works = Pipeline(
            log=self.log, store=self.store, feed=self.feed, schema=legacy_schema(), stopped=lambda: None
        )  # fmt: skip
        pace = Pace(clock=self.clock, wait=self.clock.wait, deadline=timedelta(seconds=5))
        sides = sides_of(self.policy, self.view, works, pace, legacy=self.legacy, views=self.views)
        return reconcile(check, sides, run="r-1", clock=self.clock)

    def close(self) -> None:
        self.capture.close()
        self.connection.close()
        self.legacy.dispose()
        self.views.dispose()


@pytest.fixture
def insurer(tmp_path: Path) -> Iterator[Insurer]:
    made = Insurer(tmp_path)
    yield made
    made.close()


def test_a_days_work_agrees_and_what_goes_wrong_in_life_is_found(insurer: Insurer) -> None:
    insurer.pipeline.run()
    assert insurer.run().exit_code == 0
    insurer.application.run(150)
    insurer.application.nightly_job()
    insurer.clock.on_wait = insurer.pipeline.run
    moving = insurer.run()
    assert (moving.exit_code, moving.findings) == (0, ())
    assert moving.in_flight > 0
    unmapped = insurer.application.unmapped_code(2)
    insurer.pipeline.run()
    with sqlite3.connect(insurer.view_file) as view:
        (edited,) = view.execute(
            "SELECT policy_number FROM policy_view WHERE policy_number NOT IN (?, ?) LIMIT 1", unmapped
        ).fetchone()
        view.execute("UPDATE policy_view SET holder_number = 1, status = 'lost' WHERE policy_number = ?", (edited,))
    view.close()
    result = insurer.run()
    assert {f.key: [cause.name for cause in f.causes] for f in result.findings} == {
        edited: ["edited-in-view"],
        **{key: ["parked"] for key in unmapped},
    }
    assert (result.exit_code, result.coverage, result.masked) == (1, 1.0, ("holderNumber",))
    parked = next(group for group in result.groups if group.causes[0].name == "parked")
    assert parked.causes[0].title.endswith("is not in the code table status")
    assert (parked.causes[0].where or "").startswith("mappings/policy.yaml:")
    assert dict(parked.fields) == {"status": 2}


def test_a_feed_that_begins_empty_is_never_loading(insurer: Insurer) -> None:
    insurer.pipeline.run()
    insurer.store = MemoryState()
    result = insurer.run()
    assert result.incomplete is not None
    assert result.incomplete.code == "reconcile.loading"
    insurer.feed = replace(FEED, begins="empty")
    assert insurer.run().incomplete is None


def test_before_the_snapshot_is_taken_nothing_is_proven(insurer: Insurer) -> None:
    result = insurer.run()
    assert result.incomplete is not None
    assert (result.exit_code, result.incomplete.code) == (2, "reconcile.side-empty")


def test_an_open_step_is_known_by_its_one_transaction(insurer: Insurer) -> None:
    """Two transactions are no open step: something else is slow."""
    insurer.pipeline.run()
    insurer.application.run(30)
    records, _ = insurer.capture.changes(0, 1_000)
    rows = {r.value: r for r in records if r.topic == FEED.topic}
    end, decoder = insurer.log.end(FEED.topic, 1), Decoder(legacy_schema())

    def open_after(*values: bytes) -> str | None:
        insurer.log.append(
            [Outgoing(topic=FEED.topic, timestamp=0, key=rows[v].key, value=v, partition=1) for v in values]
        )
        return open_step(insurer.log, decoder, FEED.topic, 1, end)

    first, *others = rows
    assert open_step(insurer.log, decoder, FEED.topic, 1, end) is None
    assert "is not known to be over" in (open_after(first) or "")
    assert open_after(*others) is None
