"""What a watch tells a machine is what its looks did: read by Prometheus' own parser, and added up beside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from dragoman.watch_metrics import Metrics
from reconcile.ledger.opening import open_ledger
from reconcile.run import reconcile
from reconcile.watch.bucket import Bucket
from reconcile.watch.watcher import Look, Promise
from tests.model.meaning import text_of
from tests.openmetrics import samples
from tests.reconcile.oracle.scene import CHECK, Scene
from tests.reconcile.oracle.seeds import edited_field
from tests.reconcile.watch.test_watcher import HOUR, Guard
from translators.errors import DragomanError

PROMISE = Promise(within=8 * HOUR)
NAMES = {"check": CHECK.check, "mapping": CHECK.mapping, "view": CHECK.view}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path, 5)
    made.happen = lambda: None  # type: ignore[method-assign]
    yield made
    made.close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield engine
    engine.dispose()


class Observed:
    """A watch of which each look is told to its metrics."""

    def __init__(self, scene: Scene, engine: Engine) -> None:
        self.scene, self.engine = scene, engine
        self.guard = Guard(scene, engine)
        self.start()

    def start(self) -> None:
        self.guard.start()
        self.metrics = Metrics(self.engine, [CHECK], PROMISE, self.scene.clock)
        self.metrics.began(CHECK, PROMISE, {})

    def look(self) -> Look:
        self.metrics.looking(CHECK)
        look = self.guard.look()
        self.metrics.looked(look)
        self.scene.clock.now += timedelta(seconds=1)
        return look

    def samples(self) -> dict[str, float]:
        """By name and own labels."""
        self.metrics.looking(CHECK)
        found: dict[str, float] = {}
        for name, labels, value in samples(self.metrics.text()):
            own = {label: said for label, said in labels.items() if label not in NAMES}
            key = " ".join([name.removeprefix("dragoman_watch_"), *own.values()])
            assert key not in found
            assert labels == NAMES | own
            found[key] = value
        return found


@pytest.fixture
def watch(scene: Scene, engine: Engine) -> Observed:
    return Observed(scene, engine)


def test_counts_are_the_sums_of_all_looks_over_turns_and_processes(watch: Observed) -> None:
    edited_field(watch.scene, watch.scene.still[0])
    sums: Counter[str] = Counter()
    ended, before = 0, {"compared": 0, "drawn": 0}
    while ended < 2:
        look = watch.look()
        turn = look.ended or look.entry
        for name in before:
            sums[name] += getattr(turn, name) - before[name]
            before[name] = 0 if look.ended is not None else getattr(turn, name)
        sums["found"] += len(look.found)
        if look.ended is not None:
            ended += 1
            watch.start()
    watch.look()
    assert watch.samples() != {}
    found = watch.samples()
    entry = watch.guard.book.turns(CHECK.check)[-1]
    orders = len(watch.scene.still) + len(watch.scene.moving)
    assert found["checked_keys_total rolling"] == sums["compared"] + entry.compared
    assert sums["compared"] >= 2 * orders, "both sides in the first turn"
    assert found["checked_keys_total audit"] == sums["drawn"] + entry.drawn > 0
    assert found["opened_findings_total"] == sums["found"] == 1
    assert (found["turn"], found["legacy_keys"], found["overdue"]) == (3, orders, 0)
    assert found["cause_findings edited-in-view open"] == found["class_findings mismatch open"] == 1


def test_a_promise_that_is_broken_is_seen_though_nothing_is_looked_at(watch: Observed) -> None:
    watch.look()
    before = watch.samples()
    assert before["oldest_seconds"] < before["within_seconds"] == 8 * 3600
    watch.scene.clock.now += 9 * HOUR
    after = watch.samples()
    assert after["oldest_seconds"] == pytest.approx(before["oldest_seconds"] + 9 * 3600)
    assert after["last_look_seconds"] >= 9 * 3600
    assert after["overdue"] == 1


def test_the_hop_that_does_not_move_is_named(watch: Observed) -> None:
    order = watch.scene.still[0]
    edited_field(watch.scene, order)
    with watch.scene.transaction() as db:
        db.execute("UPDATE orders SET note = 'new' WHERE br = ? AND no = ?", (order[0].ljust(3), order[1]))
    watch.scene.source.turn()
    watch.look()
    found = watch.samples()
    hops = {name: value for name, value in found.items() if name.startswith("hop_passed")}
    assert hops == {"hop_passed Capture": 1, "hop_passed Translator": 0}
    assert found["hop_seconds Translator"] >= 30
    assert found["trouble reconcile.open-step"] == 1
    assert (found["looks_total proved"], found["looks_total failed"]) == (0, 1)
    (part,) = watch.metrics.parts
    joined = [part.joined]
    watch.scene.flow()
    watch.look()
    found = watch.samples()
    assert "trouble reconcile.open-step" not in found
    assert found["looks_total proved"] == 1
    joined.append(part.joined)
    watch.metrics.failed(CHECK, DragomanError(), watch.scene.clock())
    assert watch.samples()["trouble dragoman.error"] == 1
    assert [*joined, part.joined] == [False, True, False]


def test_the_last_full_run_is_told_with_its_age_and_its_outcome(watch: Observed) -> None:
    scene, ledger = watch.scene, watch.guard.ledger
    watch.look()
    assert "full_run_exit_code" not in watch.samples()
    began = scene.clock()
    for run, gate in (("r-1", True), ("r-2", False)):
        result = reconcile(CHECK, scene.sides(), run=run, clock=scene.clock, gate=gate)
        ledger.begin(run, CHECK.check, result.started, gate=gate)
        result = ledger.end(result, gate=gate)
        began = result.started if gate else began
        scene.clock.now += HOUR
    found = watch.samples()
    assert (found["full_run_exit_code"], found["full_run_coverage_ratio"]) == (0, 1)
    assert found["full_run_age_seconds"] == (scene.clock() - began).total_seconds()


def test_a_database_that_is_slow_is_told_once_for_all_checks(watch: Observed) -> None:
    clock = watch.scene.clock
    bucket = Bucket(100, 100, clock, clock.wait, "views")
    for _ in range(2):
        watch.metrics.began(CHECK, PROMISE, {"view": bucket})
    bucket.felt(timedelta(seconds=2))
    bucket.timed_out()
    told = {
        name.removeprefix("dragoman_watch_database_"): value
        for name, labels, value in samples(watch.metrics.text())
        if labels == {"side": "view", "database": "views"}
    }
    assert (told["share_ratio"], told["slow_readings_total"], told["timeouts_total"]) == (0.5, 1, 1)


def test_nothing_of_a_row_is_in_it(watch: Observed) -> None:
    edited_field(watch.scene, watch.scene.still[0])
    while not watch.guard.open():
        watch.look()
    watch.samples()
    text = watch.metrics.text()
    assert text_of(watch.scene.still[0]) not in text
