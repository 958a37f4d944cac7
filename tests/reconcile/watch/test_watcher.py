"""A watch over a pipeline that works, stalls and dies: it opens what was seeded and nothing else, killed itself or not."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import msgspec
import pytest
from sqlalchemy import Engine

from connectors.debezium.decode import Decoder
from reconcile.errors import SideUnreadable
from reconcile.ledger.ledger import Ledger
from reconcile.ledger.opening import open_ledger
from reconcile.ledger.watches import WatchBook
from reconcile.sources import LegacyReader
from reconcile.watch.bucket import Bucket
from reconcile.watch.changed import FeedTail
from reconcile.watch.watcher import Look, Promise, Watcher
from tests.model.meaning import text_of
from tests.reconcile.oracle.legacies import FEED
from tests.reconcile.oracle.scene import CHECK, Scene
from tests.reconcile.oracle.seeds import edited_field, edited_money, row_gone

HOUR = timedelta(hours=1)


class Guard:
    """A watch of a scene, which can be killed and started again at any time."""

    def __init__(self, scene: Scene, engine: Engine, within: timedelta = 8 * HOUR) -> None:
        self.scene, self.engine, self.within = scene, engine, within
        self.ledger, self.book = Ledger(engine), WatchBook(engine)
        self.start()

    def start(self) -> None:
        scene, clock = self.scene, self.scene.clock
        bucket = Bucket(10_000, 10_000, clock, clock.wait)
        tail = FeedTail(scene.log, FEED.topic, Decoder(scene.schema, FEED.notifications), scene.translator)
        promise = Promise(within=self.within, every=timedelta(minutes=10))
        self.watcher = Watcher(
            CHECK,
            promise,
            scene.sides(),
            tail,
            self.book,
            self.ledger,
            {"legacy": bucket, "view": bucket},
            clock,
        )

    def look(self) -> Look:
        """One look, after the pause that the look before asked for."""
        look = self.watcher.look()
        self.scene.clock.now = max(self.scene.clock.now, look.due)
        return look

    def open(self) -> set[str]:
        return {entry.key for entry in self.ledger.findings(CHECK.check)}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A world in which nothing happens by itself."""
    made = Scene(tmp_path, 5)
    made.happen = lambda: None  # type: ignore[method-assign]
    yield made
    made.close()


def test_a_turn_opens_what_was_seeded_and_nothing_else(tmp_path: Path, engine: Engine) -> None:
    scene, dice = Scene(tmp_path, 1), random.Random(1)
    try:
        damaged = scene.dice.sample(scene.still, 3)
        for damage, order in zip((edited_field, edited_money, row_gone), damaged, strict=True):
            damage(scene, order)
        scene.clock.on_wait = scene.happen
        guard = Guard(scene, engine, within=HOUR)
        ended = None
        for _ in range(60):
            look = guard.look()
            ended = look.ended or ended
            if ended is not None and look.entry.left == 0:
                break
            if dice.random() < 0.2:
                guard.start()
        assert ended is not None
        still = {text_of(order) for order in scene.still}
        assert guard.open() & still == {text_of(order) for order in damaged}
        assert not guard.open() - still, "what moves was never damaged"
        assert (ended.ended or ended.started) - ended.started <= guard.within
    finally:
        scene.close()


def test_a_key_that_just_changed_and_differs_is_found_by_the_next_look(scene: Scene, engine: Engine) -> None:
    guard = Guard(scene, engine)
    order = scene.still[0]
    scene.losing.add(text_of(order))
    with scene.transaction() as db:
        db.execute("UPDATE orders SET note = 'new' WHERE br = ? AND no = ?", (order[0].ljust(3), order[1]))
    scene.flow()
    scene.losing.clear()
    found = guard.look()
    assert [(entry.key, entry.causes) for entry in found.found] == [(text_of(order), ("consumer-missed",))]
    assert found.entry.seen < 1, "its turn had not come"
    # Killed before the next look: what is known is in the ledger, and the feed is not read again.
    guard.start()
    assert guard.look().entry.changed == found.entry.changed == 1


def test_what_is_mended_is_closed_without_waiting_for_its_turn(scene: Scene, engine: Engine) -> None:
    guard = Guard(scene, engine, within=240 * HOUR)
    edited_field(scene, scene.still[0])
    while not guard.open():
        guard.look()
    with scene.transaction() as db:
        key = (scene.still[0][0].ljust(3), scene.still[0][1])
        db.execute("UPDATE orders SET note = 'mended' WHERE br = ? AND no = ?", key)
    scene.flow()
    assert [entry.key for entry in guard.look().closed] == [text_of(scene.still[0])]
    assert guard.open() == set()


def test_killed_and_started_again_coverage_goes_on(scene: Scene, engine: Engine) -> None:
    guard = Guard(scene, engine)
    while guard.look().entry.seen == 0:
        pass
    before = guard.book.last(CHECK.check)
    assert before is not None and 0 < before.seen < 1
    spans = guard.book.spans(CHECK.check)
    guard.start()
    look = guard.look()
    assert (look.entry.turn, look.entry.began) == (before.turn, before.began)
    assert guard.book.spans(CHECK.check)[0] == spans[0]
    while look.ended is None:
        look = guard.look()
    assert look.ended.compared == 2 * (len(scene.still) + len(scene.moving))


def test_a_pipeline_that_stands_is_told_and_proves_nothing(scene: Scene, engine: Engine) -> None:
    guard = Guard(scene, engine)
    order = scene.still[0]
    edited_field(scene, order)
    with scene.transaction() as db:
        db.execute("UPDATE orders SET note = 'new' WHERE br = ? AND no = ?", (order[0].ljust(3), order[1]))
    scene.source.turn()
    look = guard.look()
    assert (look.entry.trouble, look.found) == ("reconcile.open-step", [])
    assert look.entry.feed == guard.book.turns(CHECK.check)[0].feed
    guard.start()
    scene.flow()
    look = guard.look()
    assert look.entry.trouble is None
    assert look.entry.changed == 1, "what could not be judged is read again by the next process"


def test_a_side_that_cannot_be_read_is_told_and_closes_nothing(scene: Scene, engine: Engine) -> None:
    guard = Guard(scene, engine, within=240 * HOUR)
    edited_field(scene, scene.still[0])
    while not guard.open():
        guard.look()
    before = guard.book.turns(CHECK.check)[0]
    with patch.object(LegacyReader, "snapshot", side_effect=SideUnreadable(side="the legacy", reason="a timeout")):
        scene.clock.now += HOUR
        look = guard.look()
    assert (look.entry.trouble, look.closed) == ("reconcile.side-unreadable", [])
    assert guard.open() == {text_of(scene.still[0])}
    after = guard.book.turns(CHECK.check)[0]
    assert (after.compared, after.drawn, after.left > before.left) == (before.compared, before.drawn, True)


def test_what_is_drawn_at_random_counts_what_is_wrong(scene: Scene, engine: Engine) -> None:
    guard = Guard(scene, engine, within=240 * HOUR)
    for order in scene.still:
        edited_field(scene, order)
    looks = [guard.look() for _ in range(30)]
    drawn, wrong = looks[-1].entry.drawn, looks[-1].entry.drawn_wrong
    assert 30 < drawn <= 60
    assert 0 < wrong < drawn, "those that move were not edited"
    assert guard.book.turns(CHECK.check)[0].drawn == drawn


def test_a_ledger_row_is_what_the_entry_was(scene: Scene, engine: Engine) -> None:
    guard = Guard(scene, engine)
    look = guard.look()
    assert msgspec.structs.asdict(guard.book.turns(CHECK.check)[0]) == msgspec.structs.asdict(look.entry)
