"""Values that the source did not send, through the worker: repaired from state, else left out with the reason; old rows
that a connector made up are never read."""

from __future__ import annotations

import json
from typing import Any

from connectors.debezium.decode import Decoder
from pipeline.cloudevents import CloudEvent, absent_of
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Outgoing
from pipeline.state.memory import MemoryState
from tests.pipeline.harness import append, create_topics, published, worker
from tests.pipeline.world import BASE_TIME, FEED, TRANSACTIONS
from tests.translators.test_unavailable import SCHEMA, compiled
from translators.schema_text import read_schema

HIDDEN = "__debezium_unavailable_value"


class Documents:
    """A feed of documents with pages, as PostgreSQL sends it under REPLICA IDENTITY DEFAULT."""

    def __init__(self) -> None:
        self.log, self.store, self.lsn = MemoryLog(), MemoryState(), 100
        create_topics(self.log, 1)

    def change(self, table: str, op: str, after: Any, before: Any = None, **headers: Any) -> None:
        self.lsn += 10
        row = after or before
        key = {name: row[name] for name in (("id", "no") if table == "page" else ("id",))}
        source = {
            "connector": "postgresql", "name": "legacy", "db": "d", "schema": "public", "table": table, "lsn": self.lsn,
            "txId": self.lsn, "sequence": json.dumps([str(self.lsn - 5), str(self.lsn)]), "ts_us": BASE_TIME,
        }  # fmt: skip
        value = {"op": op, "before": before, "after": after, "source": source}
        end = {"status": "END", "id": f"{self.lsn}:{self.lsn}", "event_count": 1, "data_collections": None, "ts_ms": 1}
        record = Outgoing(
            topic=FEED, partition=0, timestamp=1, key=json.dumps(key).encode(), value=json.dumps(value).encode(),
            headers=tuple((f"__debezium.{n}", json.dumps(v).encode()) for n, v in headers.items()),
        )  # fmt: skip
        mark = Outgoing(topic=TRANSACTIONS, timestamp=1, key=b"{}", value=json.dumps(end).encode())
        append(self.log, [record, mark])

    def run(self) -> None:
        made = worker(
            self.log,
            self.store,
            translator=compiled(),
            decoder=Decoder(read_schema(SCHEMA, "s"), needs=compiled().columns),
        )
        while made.turn():
            pass

    @property
    def last(self) -> CloudEvent:
        return published(self.log, "doc.state")[-1]

    @property
    def events(self) -> list[CloudEvent]:
        return published(self.log, "doc.events")

    def everything(self) -> str:
        topics = ("doc.state", "doc.events", "doc.dead-letters")
        return " ".join(str(r) for topic in topics for r in self.log.read(topic, 0, 0, 1_000).records)


def doc(**values: Any) -> dict[str, Any]:
    return {"id": 1, "sts": "A", "body": "b", "memo": "m", "size": 3, **values}


def page(txt: str, no: int = 0, **more: Any) -> dict[str, Any]:
    return {"id": 1, "no": no, "txt": txt, "lang": "en", **more}


def begun() -> Documents:
    documents = Documents()
    documents.change("doc", "c", doc())
    documents.change("page", "c", page("first"))
    return documents


def test_a_value_that_is_not_sent_again_is_that_of_the_kept_row() -> None:
    documents = begun()
    documents.change("doc", "u", doc(body=HIDDEN, memo=HIDDEN, size=4))
    documents.change("page", "u", page(HIDDEN, lang="de"))
    documents.run()
    assert documents.last.data == {
        "id": 1, "status": "A", "body": "b", "inner": {"memo": "M", "size": 4}, "title": "Am", "words": 5,
        "pages": [{"number": 0, "text": "first", "language": "de"}],
    }  # fmt: skip
    assert absent_of(documents.last) == {}
    assert HIDDEN not in documents.everything()


def test_what_cannot_be_repaired_is_left_out_of_state_and_events_with_the_reason() -> None:
    documents = Documents()
    documents.change("doc", "c", doc(id=2))
    documents.change("doc", "d", None, {"id": 2}, newkey={"id": 3})
    documents.change("doc", "c", doc(id=1, body=HIDDEN, memo=HIDDEN), oldkey={"id": 9})
    documents.run()
    documents.change("doc", "u", doc(body=HIDDEN, memo=HIDDEN, size=5))
    documents.run()
    assert documents.last.data == {
        "id": 1, "status": "A", "inner": {"size": 5}, "words": None, "pages": [],
    }  # fmt: skip
    assert documents.last.attributes["dragoman_unavailable"] == "body=toast,inner.memo=toast,title=toast"
    assert HIDDEN not in documents.everything()
    documents.change("doc", "u", doc(memo="now", body="now"))
    documents.run()
    assert len(documents.store.waiting("1")) == 1


def test_an_event_that_demands_the_value_is_a_dead_letter() -> None:
    documents = Documents()
    documents.change("doc", "c", doc(body=HIDDEN), oldkey={"id": 9})
    documents.change("doc", "u", doc(body=HIDDEN, sts="S"))
    documents.run()
    (waiting,) = documents.store.waiting("1")
    assert waiting.problem is not None
    assert (waiting.problem.code, waiting.problem.field) == ("value.unavailable", "body")
    assert "DocSent.v1" not in [event.name for event in documents.events]


def test_old_rows_that_the_connector_made_up_are_never_read() -> None:
    made_up = {"sts": "", "body": "", "memo": None, "size": 0}
    documents = begun()
    documents.change("doc", "u", doc(size=8), None)
    documents.change("page", "d", None, {"id": 1, "no": 0, "txt": "", "lang": ""})
    documents.run()
    state = documents.last.data or {}
    assert (state["inner"]["size"], state["pages"]) == (8, [])
    before = [event.name for event in documents.events]
    documents.change("doc", "d", None, {"id": 1, **made_up})
    documents.run()
    assert documents.last.data is None
    assert [event.name for event in documents.events] == [*before, "DocWritten.v1"]
    # A row that was never seen is not told of by what the connector made up either.
    documents.change("doc", "d", None, {"id": 7, **made_up})
    documents.run()
    assert {event.subject for event in published(documents.log, "doc.state")} == {"1"}
