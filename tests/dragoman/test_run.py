"""`dragoman run`: the sums fit, a second run and a second reading add nothing, signals end it, a crash loses nothing."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import time
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.log.embedded import EmbeddedLog
from pipeline.log.port import Record
from tests.dragoman.support import (
    application,
    dragoman,
    eventually,
    following,
    make_shop,
    query,
    replace,
    succeeds,
)


def tables(lines: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {table["table"]: table for one in lines if "tables" in one for table in one["tables"]}


def published(project: Path) -> list[Record]:
    """Every curated record, in each partition's order."""
    with closing(EmbeddedLog(project / "var" / "log.db")) as log:
        curated = [t for t in log.topics().values() if t.kind in ("events", "state", "dead-letters")]
        return [
            r for topic in curated for n in range(topic.partitions) for r in log.read(topic.name, n, 0, 100_000).records
        ]


def test_every_change_has_one_outcome(worked: Path) -> None:
    lines = succeeds("run", "--json", cwd=worked).lines
    assert {one["translator"]: one["fits"] for one in lines if "translator" in one} == {
        "policy": True,
        "claim": True,
        "payment": True,
    }
    changes = dict(query(worked / "var" / "legacy.db", "SELECT tbl, count(*) FROM _dragoman_changes GROUP BY tbl"))
    for name, table in tables(lines).items():
        outcomes = ("translated", "loaded", "rejected", "parked")
        known = sum(table.get(outcome, 0) for outcome in outcomes) + sum(table.get("ignored", {}).values())
        assert table["read"] == known
        assert table["read"] - table["loaded"] == changes[name]
    assert [one["behind"] for one in lines if "consumer" in one] == [0, 0]


def test_a_person_reads_that_it_adds_up(worked: Path) -> None:
    told = succeeds("run", cwd=worked)
    assert "✓ adds up" in told.out
    assert "changes  =  translated  +  loaded  +  ignored  +  rejected  +  parked" in told.out
    assert told.err == ""


_LOSE_ONE = "UPDATE counted SET amount = amount - 1 WHERE label = 'translated' AND subject = 'polmst' AND partition = 0"


def test_sums_that_do_not_fit_are_said_and_end_with_1(worked: Path) -> None:
    with closing(sqlite3.connect(worked / "var" / "state.db")) as state, state:
        done = state.execute(_LOSE_ONE)
        assert done.rowcount == 1
    told = dragoman("run", cwd=worked)
    assert told.code == 1
    assert "✗ the sums do not fit" in told.out
    assert "polmst: " in told.out


def test_a_second_run_appends_nothing(worked: Path) -> None:
    before = published(worked)
    assert before
    succeeds("run", cwd=worked)
    assert published(worked) == before


def test_reading_from_the_start_is_repeats_and_no_letter(worked: Path) -> None:
    before, first = published(worked), tables(succeeds("run", "--json", cwd=worked).lines)
    letters = query(worked / "var" / "letters.db", "SELECT count(*) FROM letter")
    second = tables(succeeds("run", "--from-start", "--json", cwd=worked).lines)
    assert published(worked) == before
    assert query(worked / "var" / "letters.db", "SELECT count(*) FROM letter") == letters
    for name, table in second.items():
        assert table["repeats"] == first[name]["read"]
        assert table["translated"] == first[name]["translated"]


def test_follow_takes_what_comes_and_ends_soon_when_told(worked: Path) -> None:
    with following(worked) as worker:
        before = len(published(worked))
        with application(worked, seed=9) as programs:
            programs.run(10)
        eventually(lambda: len(published(worked)) > before)
        begun = time.monotonic()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(10) == 0
        assert time.monotonic() - begun < 5
        assert worker.stdout is not None
        assert '"fits": true' in worker.stdout.read()


def test_a_second_worker_is_refused_and_readers_are_not(worked: Path) -> None:
    with following(worked) as worker:
        told = dragoman("run", cwd=worked)
        assert (told.code, told.out) == (2, "")
        assert told.err.startswith("error log.in-use\n")
        assert f"process {worker.pid}" in told.err
        for command in ("status", "events policy", "dlq list", "parked list"):
            succeeds(*command.split(), cwd=worked)
        assert worker.poll() is None


def identities(project: Path) -> set[tuple[object, ...]]:
    """What consumers see of the curated records, repeats as one."""
    return {(r.topic, r.key, r.value, r.headers) for r in published(project) if not r.topic.endswith("dead-letters")}


@pytest.mark.parametrize("place", ["publish.after-events", "state.after-commit", "projection.before-commit"])
def test_killed_at_a_named_place_and_run_again_gives_the_same(insurer: Path, place: str) -> None:
    with application(insurer) as programs:
        programs.run(30)
    clean = Path(shutil.copytree(insurer, insurer.with_name("clean")))
    for project in (insurer, clean):
        succeeds("run", cwd=project)
        with application(project, seed=5) as programs:
            programs.run(40)
    succeeds("run", cwd=clean)
    killed = dragoman("run", cwd=insurer, DRAGOMAN_FAILPOINT=f"{place}:2")
    assert killed.code == -signal.SIGKILL
    lines = succeeds("run", "--json", cwd=insurer).lines
    assert all(one["fits"] for one in lines if "translator" in one)
    assert identities(insurer) == identities(clean)
    letters = "SELECT event_id, template, body FROM letter ORDER BY event_id"
    assert query(insurer / "var" / "letters.db", letters) == query(clean / "var" / "letters.db", letters)


def test_an_unknown_failpoint_is_refused(insurer: Path) -> None:
    told = dragoman("run", cwd=insurer, DRAGOMAN_FAILPOINT="nowhere:1")
    assert told.code == 2
    assert told.err.startswith("error failpoint.unknown\n")


def test_a_recorded_feed_runs(tmp_path: Path) -> None:
    shop = make_shop(tmp_path / "shop")
    lines = succeeds("run", "--json", cwd=shop).lines
    (order,) = [one for one in lines if "translator" in one]
    assert order["fits"]
    assert sum(order["events"].values()) > 0
    before = published(shop)
    succeeds("run", cwd=shop)
    assert published(shop) == before


def test_parts_without_a_proof_are_refused(tmp_path: Path) -> None:
    shop = make_shop(tmp_path / "shop")
    replace(shop / "sources" / "shop.yaml", "exactly_once: true\n", "")
    told = dragoman("run", cwd=shop)
    assert told.code == 2
    assert told.err.startswith("error feed.no-proof\n")
    assert "exactly_once: true" in told.err


def test_a_feed_that_the_recording_does_not_have(tmp_path: Path) -> None:
    shop = make_shop(tmp_path / "shop")
    replace(shop / "sources" / "shop.yaml", "topic: legacy.order", "topic: legacy.ordre")
    told = dragoman("run", cwd=shop)
    assert told.code == 2
    assert told.err.startswith("error feed.topic-missing\n")
    assert "legacy.order" in told.err


def test_a_translator_that_keeps_no_rows(insurer: Path) -> None:
    replace(insurer / "mappings" / "payment.yaml", "state:\n", "store: none\n\nstate:\n")
    assert "payment keeps no rows" in succeeds("lint", cwd=insurer).out
    succeeds("test", "payment", cwd=insurer)
    succeeds("run", cwd=insurer)
    with application(insurer) as programs:
        programs.run(100)
    lines = succeeds("run", "--json", cwd=insurer).lines
    assert all(one["fits"] for one in lines if "fits" in one)
    stored = "SELECT translator, count(*) FROM aggregate GROUP BY translator"
    assert {name for name, _ in query(insurer / "var" / "state.db", stored)} == {"policy", "claim"}
    last: dict[str, Record] = {}
    for record in published(insurer):
        if record.topic == "payment.state":
            last[(record.key or b"").decode()] = record
    legacy = query(insurer / "var" / "legacy.db", "SELECT clm_no, pay_seq, pay_sts, pay_amt FROM clmpay")
    meant = {"A": "authorized", "I": "issued", "R": "reversed"}
    said = [json.loads(record.value) for record in last.values() if record.value is not None]
    assert sorted((s["claimNumber"], s["paymentNumber"], s["status"], Decimal(s["amount"])) for s in said) == sorted(
        (number.strip(), sequence, meant[status], Decimal(str(amount)).quantize(Decimal("0.01")))
        for number, sequence, status, amount in legacy
    )
    key = next(iter(last))
    told = dragoman("republish", key, cwd=insurer)
    assert (told.code, "republish.no-rows" in told.err) == (2, True)
    succeeds("reload", key, cwd=insurer)
    succeeds("run", cwd=insurer)
    assert "1 rows read; its state is published" in succeeds("parked", "list", cwd=insurer).out
    raised = succeeds("raise-epoch", "--yes", cwd=insurer).out
    assert "raise-epoch payment (partition 0)" in raised
    assert "Write `epoch: 2` in sources/legacy.yaml too" in raised
    succeeds("run", cwd=insurer)
    assert query(insurer / "var" / "state.db", "SELECT DISTINCT source_epoch FROM lifecycle") == [(2,)]
    assert "the source epoch is 2" in succeeds("parked", "list", cwd=insurer).out
    replace(insurer / "mappings" / "payment.yaml", "store: none\n", "store: rows\n")
    told = dragoman("run", cwd=insurer)
    assert (told.code, "state.layout-changed" in told.err) == (2, True)
