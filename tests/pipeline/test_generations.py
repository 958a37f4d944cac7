"""A step repeated under another mapping: same id, same version, a higher generation; the view follows the state stream."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import create_engine, text

from pipeline.projection.project import Projection
from pipeline.projection.spec import read_projection
from tests.pipeline.harness import Orders, published, version_of
from tests.pipeline.test_moves import Story, line, order
from translators.contract import Contract, shape_of

DECLARED = """\
projection: orders
reads: order
database: var/views.db
table: order_view
key:
  number: number
columns:
  status: status
children:
  lines:
    table: line_view
    columns:
      line: number
      quantity: quantity
"""


class Line(BaseModel):
    number: int
    quantity: int


class Order(Contract):
    number: int
    status: str
    lines: list[Line]


class Viewed(Story):
    """A story with a view of its states."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.engine = create_engine(f"sqlite:///{folder / 'views.db'}")
        self.projection: Projection | None = None

    def look(self) -> dict[int, tuple[str, str]]:
        """The view as it is once it has read all: status and version by number."""
        if self.projection is None:
            spec = read_projection(DECLARED, "consumers/orders.yaml")
            now = datetime(2026, 3, 1, tzinfo=UTC)
            self.projection = Projection(spec, shape_of(Order), self.engine, self.log, lambda: now, "order.state")
            self.projection.prepare()
        while self.projection.turn():
            pass
        with self.engine.connect() as connection:
            found = connection.execute(text("SELECT number, status, _version FROM order_view"))
            return {number: (status, version) for number, status, version in found}

    def expected(self) -> dict[int, tuple[str, str]]:
        """What the records of highest sequence say."""
        best: dict[str, Any] = {}
        for event in published(self.log, "order.state"):
            if event.subject not in best or event.sequence >= best[event.subject].sequence:
                best[event.subject] = event
        return {e.data["number"]: (e.data["status"], e.sequence) for e in best.values() if e.data is not None}

    def cut(self, monkeypatch: pytest.MonkeyPatch, translator: Orders, at: str = "publish.after-state-stream") -> None:
        """A worker that dies between publish and state."""

        def die(name: str) -> None:
            if name == at:
                raise KeyboardInterrupt

        monkeypatch.setattr("pipeline.publish.failpoint", die)
        with pytest.raises(KeyboardInterrupt):
            self.run(translator)
        monkeypatch.undo()


def test_published_by_a_wrong_mapping_and_again_by_the_corrected_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    story = Viewed(tmp_path)
    story.commit(("orders", "c", None, order(1)), ("order_line", "c", None, line(1)))
    story.run(Orders())
    story.commit(("orders", "u", order(1), order(1, "S")))
    story.cut(monkeypatch, Orders(S="gone"))
    assert story.look()[1][0] == "gone"
    story.run(Orders(S="shipped", Z="zz"))
    placed, wrong, right = published(story.log, "order.state")
    assert (wrong.data or {})["status"] == "gone"
    assert (right.data or {})["status"] == "shipped"
    assert (wrong.id, version_of(wrong)) == (right.id, version_of(right)) != (placed.id, version_of(placed))
    epochs, versions, generations, ordinals = zip(*(e.sequence.split(".") for e in (placed, wrong, right)), strict=True)
    assert list(map(int, generations)) == [1, 2, 3] or list(map(int, generations)) == [1, 1, 2]
    assert generations[1] < generations[2]
    assert story.look() == story.expected() == {1: ("shipped", right.sequence)}
    assert len(set(epochs)) == len(set(ordinals)) == 1
    assert list(map(int, versions)) == [1, 2, 2]


def test_events_that_were_sent_by_the_wrong_mapping_are_known_by_their_ids(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    story = Viewed(tmp_path)
    story.commit(("orders", "c", None, order(1)))
    story.run(Orders())
    story.commit(("orders", "u", order(1), order(1, "S")))
    story.cut(monkeypatch, Orders(), "publish.after-events")
    story.run(Orders(Z="zz"))
    shipped = [e for e in published(story.log, "order.events") if e.name == "OrderShipped.v1"]
    assert len({e.id for e in shipped}) == 1
    assert [e.sequence.split(".")[2] for e in shipped] == ["000001", "000002"]
    assert len({version_of(e) for e in shipped}) == 1


def test_a_deleted_key_keeps_its_version_and_goes_on_when_it_is_created_again(tmp_path: Path) -> None:
    story = Viewed(tmp_path)
    story.commit(("orders", "c", None, order(1)))
    story.commit(("orders", "d", order(1), None))
    story.run(Orders())
    assert story.look() == {}
    story.commit(("orders", "c", None, order(1, "S")))
    story.run(Orders())
    assert [version_of(e) for e in published(story.log, "order.state")] == [1, 2, 3]
    assert story.look() == story.expected()
    assert story.look()[1][0] == "shipped"
