"""The legacy's columns change in mid-stream: news where nothing needs them, an end with its place where something does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from connectors.debezium.decode import Decoder
from pipeline.log.port import Outgoing
from pipeline.moves import Stopped
from pipeline.news import News, news_of
from pipeline.step import ColumnGone, ColumnRetyped
from tests.pipeline.harness import SCHEMA, append
from tests.pipeline.test_moves import Story, line, order
from tests.pipeline.world import FEED, NOTIFICATIONS, Row

NEEDS = {"orders": {"o_id", "status"}, "order_line": {"ol_o_id", "ol_number", "qty"}}


class Told(Story):
    """A story whose rows are rewritten from some point on, as an ALTER TABLE would."""

    rewrite: Callable[[Row], Row] = staticmethod(lambda row: row)

    def _row(self, table: str, op: str, before: Row | None, after: Row | None) -> Any:
        change = super()._row(table, op, before, after)
        if table == "orders":
            change.before, change.after = [None if row is None else self.rewrite(dict(row)) for row in (before, after)]
        return change

    def work(self, **how: Any) -> None:
        self.run(decoder=Decoder(SCHEMA, NOTIFICATIONS, needs=NEEDS), **how)

    @property
    def news(self) -> list[News]:
        return news_of(self.store.counts())


def begun() -> Told:
    story = Told(1)
    story.commit(("orders", "c", None, order(1)), ("order_line", "c", None, line(1)))
    story.work()
    return story


def without(*names: str, **more: Any) -> Callable[[Row], Row]:
    return lambda row: {name: value for name, value in row.items() if name not in names} | more


def test_a_column_that_comes_is_news_once_with_its_place() -> None:
    story = begun()
    story.rewrite = without(email="a@b", note=None)
    first = story.log.end(FEED, 0)
    for _ in range(3):
        story.commit(("orders", "u", order(1), order(1, "S")), ("orders", "u", order(1, "S"), order(1)))
        story.work()
    assert [(one.kind, one.table, one.column, one.at.offset) for one in story.news] == [
        ("added", "orders", "email", first),
        ("added", "orders", "note", first),
    ]
    assert all(one.since is not None and one.since.year == 2026 for one in story.news)
    assert story.store.load(["1"])["1"].rows["orders"]["1"] == order(1)


@pytest.mark.parametrize("unreadable", ["stop", "dead-letter"])
def test_a_needed_column_that_goes_stops_before_a_null_is_published(unreadable: str) -> None:
    story = begun()
    story.rewrite = without("status", state_cd="S")
    at = story.log.end(FEED, 0)
    story.commit(("orders", "u", order(1, "S"), order(1, "N")))
    before = story.states()
    with pytest.raises(ColumnGone) as caught:
        story.work(unreadable=unreadable)
    assert caught.value.where == f"{FEED} 0:{at}"
    assert "orders.status" in caught.value.message
    assert "state_cd" in caught.value.message
    assert story.states() == before
    assert not story.store.waiting()


def test_a_column_that_nothing_needs_may_go() -> None:
    story = begun()
    story.rewrite = without("touched")
    story.commit(("orders", "u", order(1), order(1, "S")), ("orders", "c", None, order(2)))
    story.work()
    assert [(one.kind, one.column) for one in story.news] == [("missing", "touched")]
    assert story.states()["1"]["status"] == "shipped"
    assert story.states()["2"]["status"] == "new"


def test_without_knowing_what_is_needed_every_declared_column_is() -> None:
    story = begun()
    story.rewrite = without("touched")
    story.commit(("orders", "u", order(1), order(1, "S")))
    with pytest.raises(ColumnGone):
        story.run(decoder=Decoder(SCHEMA, NOTIFICATIONS))


def test_rows_of_a_new_shape_are_read_as_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    careful = 0
    slow = Decoder._careful

    def counting(*given: Any) -> Any:
        nonlocal careful
        careful += 1
        return slow(*given)

    monkeypatch.setattr(Decoder, "_careful", counting)
    story = begun()
    start = careful
    story.rewrite = without("touched", email="a@b")
    for number in range(2, 40):
        story.commit(("orders", "c", None, order(number)))
    story.work()
    # The table's first row and, of the new shape, the first one.
    assert careful - start <= 3
    assert len(story.states()) == 39


def test_snapshot_rows_have_a_generated_column_and_changes_have_it_not() -> None:
    story = begun()
    decoder = Decoder(SCHEMA, NOTIFICATIONS, needs=NEEDS)
    for touched in (True, False, True, False):
        story.rewrite = without() if touched else without("touched")
        (told,) = story.commit(("orders", "u", order(1), order(1, "S")))
        found = decoder.decode(FEED, 0, 0, told.key, told.value, ())
        assert ("touched" in found.after, found.drift is None) == (touched, touched)  # type: ignore[union-attr, operator]


def with_schema(record: Outgoing, types: dict[str, str]) -> Outgoing:
    """The same record with its schema, as schemas.enable=true writes it."""
    fields = [{"field": name, "type": kind, "optional": True} for name, kind in types.items()]
    sides = [{"field": side, "type": "struct", "optional": True, "fields": fields} for side in ("before", "after")]
    schema = {"type": "struct", "name": "x.Envelope", "fields": sides}
    payload = json.loads(record.value or b"")
    return msgspec.structs.replace(record, value=json.dumps({"schema": schema, "payload": payload}).encode())


TYPES = {"o_id": "int64", "status": "string", "touched": "int32"}


@pytest.mark.parametrize(
    ("types", "row", "error", "news"),
    [
        (TYPES | {"touched": "string"}, {"touched": "now"}, None, ["retyped"]),
        (TYPES | {"status": "boolean"}, {"status": True}, ColumnRetyped, []),
        ({"o_id": "int64", "status": "string"}, {}, None, ["missing"]),
        (TYPES | {"more": "string"}, {"more": "x"}, None, ["added"]),
        ({"o_id": "int64", "touched": "int32"}, {}, ColumnGone, []),
    ],
)
def test_records_with_their_schema(types: Any, row: Row, error: type[Stopped] | None, news: list[str]) -> None:
    story = begun()
    story.rewrite = lambda old: {name: (old | row)[name] for name in types}
    other = Told(1)
    other.rewrite, other.lsn, other.txid, other.last = story.rewrite, story.lsn, story.txid, story.last
    (told,) = other.commit(("orders", "c", None, order(2)))
    written = story.log.end(FEED, 0)
    append(story.log, [with_schema(told, types), other.end])
    if error is None:
        story.work()
        assert [one.kind for one in story.news] == news
        assert story.states()["2"] == {"number": 2, "status": "new", "lines": []}
    else:
        with pytest.raises(error) as caught:
            story.work()
        assert caught.value.where == f"{FEED} 0:{written}"
        assert "2" not in story.states()
