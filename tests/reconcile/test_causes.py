"""Every cause, seeded once through the real pipeline, and found under its name with what it points to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.log.port import Record
from reconcile.check import read_check
from reconcile.finding import Finding
from reconcile.report import render
from tests.reconcile.shop import CHECK, MAPPING, Shop

SIX = range(11, 17)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    yield made
    made.close()


def set_to(shop: Shop, column: str, value: object, number: int = 7) -> None:
    shop.write(f"UPDATE parcel SET {column} = ? WHERE no = ?", value, number)


def capture_gap(shop: Shop) -> None:
    shop.past_the_capture("UPDATE parcel SET label = 'nobody saw' WHERE no = 7")


def capture_gap_of_a_new_row(shop: Shop) -> None:
    shop.past_the_capture("INSERT INTO parcel VALUES (77, 'P', 'x', 1, NULL)")


def capture_gap_of_a_delete(shop: Shop) -> None:
    shop.past_the_capture("DELETE FROM parcel WHERE no = 7")


def unmapped_code(shop: Shop) -> None:
    set_to(shop, "code", "X")
    shop.flow()
    set_to(shop, "label", "waits behind it")
    shop.flow()


def dead_lettered(shop: Shop) -> None:
    """It was refused and then given up, and its rows cannot be mapped."""
    import msgspec

    from pipeline.state.port import Save

    set_to(shop, "code", "X")
    shop.flow()
    (waiting,) = shop.store.waiting("7")
    stored = shop.store.load(["7"])["7"]
    row = {**next(iter(stored.rows["parcel"].values())), "code": "X"}
    given_up = msgspec.structs.replace(stored, unmapped=waiting.problem, rows={"parcel": {"7": row}})
    shop.store.save(Save(partition=waiting.partition, aggregates={"7": given_up}, settled=[("7", waiting.version)]))


def never_translated(shop: Shop) -> None:
    """Another mapping was put live: what it says otherwise appears with the next change of each key."""
    shop.worker = shop.new_worker(MAPPING.replace("label: label", "label: UPPER(label)"))
    set_to(shop, "fee", "9.500")
    shop.flow()
    shop.worker = shop.new_worker()


def record_lost(shop: Shop) -> None:
    """The last record is not in the stream, though the translator counts it as published."""
    set_to(shop, "label", "published to nobody")
    while shop.source.turn() + shop.worker.turn():
        pass
    _taken_out(shop)
    shop.flow()


def _taken_out(shop: Shop) -> Record:
    """The last record of the parcel, which the stream holds no more."""
    (record,) = shop.records(7)[-1:]
    partition = shop.log._partitions["parcel.state", record.partition]
    partition.keep([one for one in partition.records if one.offset != record.offset])
    return record


def missed(shop: Shop) -> None:
    shop.losing = {"7"}
    set_to(shop, "label", "got lost")
    shop.flow()
    shop.losing = set()


def lost_tombstone(shop: Shop) -> None:
    shop.losing = {"7"}
    shop.write("DELETE FROM parcel WHERE no = 7")
    shop.flow()
    shop.losing = set()


def out_of_order(shop: Shop) -> None:
    """A worker that was taken for dead repeats an older record behind the newer one, and the view has no guard."""
    set_to(shop, "label", "newest")
    shop.flow()
    older = shop.records(7)[0]
    shop.append(older)
    shop.flow()
    shop.without_a_guard(7, older)


def by_hand(shop: Shop) -> None:
    shop.by_hand("UPDATE parcel_view SET label = 'by hand' WHERE number = 7")


def refused_by_the_view(shop: Shop) -> None:
    """The record of a change is no parcel of the contract: the projection sets it aside."""
    set_to(shop, "label", "not taken")
    while shop.source.turn() + shop.worker.turn():
        pass
    record = _taken_out(shop)
    shop.append(record, re.sub(rb'"fee":"[^"]+"', b'"fee":"no number"', record.value or b""))
    shop.flow()


def otherwise(column: str, change: Callable[[Any], Any]) -> Callable[[Shop], None]:
    def seed(shop: Shop) -> None:
        shop.applied_otherwise(column, change, 7)

    seed.__name__ = f"otherwise_{column}"
    return seed


def time_zone(shop: Shop) -> None:
    shop.applied_otherwise("sent", lambda text: text.replace("06:14", "08:14"), 7)


def rounding(shop: Shop) -> None:
    shop.applied_otherwise("fee", lambda text: "7.13", 7)


def blanks(shop: Shop) -> None:
    shop.applied_otherwise("label", str.strip, 7)


def case(shop: Shop) -> None:
    shop.applied_otherwise("label", str.upper, 7)


def null_or_empty(shop: Shop) -> None:
    set_to(shop, "label", "")
    shop.flow()
    shop.applied_otherwise("label", lambda _: None, 7)


SEEDS: list[tuple[Callable[[Shop], None], str, str, str, str]] = [
    # seed, cause, pattern, a piece of its evidence, where it points to
    (capture_gap, "capture-gap", "", "never saw parcel.label as the legacy has it", "mappings/parcel.yaml:11:12"),
    (capture_gap_of_a_new_row, "capture-gap", "", "none of it was ever published", ""),
    (capture_gap_of_a_delete, "capture-gap", "", "last published as version 1 at parcel.state", ""),
    (unmapped_code, "parked", "code.unmapped", "dead letter", "mappings/parcel.yaml:10:13"),
    (dead_lettered, "dead-lettered", "code.unmapped", "cannot be mapped", "mappings/parcel.yaml:10:13"),
    (never_translated, "mapping-changed", "case", "is by mapping", "mappings/parcel.yaml:11:12"),
    (record_lost, "not-published", "", "says otherwise, by the same mapping", "mappings/parcel.yaml:11:12"),
    (missed, "consumer-missed", "", "version 2 is at parcel.state", ""),
    (lost_tombstone, "deleted-not-applied", "", "its tombstone is at parcel.state", ""),
    (out_of_order, "applied-out-of-order", "", "behind version 2 at parcel.state", ""),
    (by_hand, "edited-in-view", "", "hash broken behind version 1", ""),
    (refused_by_the_view, "consumer-refused", "view.value-unfit", "is in `_dragoman_parked`", ""),
    (time_zone, "consumer-misapplied", "hours +2", "at parcel.state", "mappings/parcel.yaml:13:11"),
    (rounding, "consumer-misapplied", "rounding", "at parcel.state", "mappings/parcel.yaml:12:10"),
    (blanks, "consumer-misapplied", "blanks", "at parcel.state", "mappings/parcel.yaml:11:12"),
    (case, "consumer-misapplied", "case", "at parcel.state", "mappings/parcel.yaml:11:12"),
    (null_or_empty, "consumer-misapplied", "null-or-empty", "at parcel.state", "mappings/parcel.yaml:11:12"),
]


@pytest.mark.parametrize(
    ("seed", "name", "pattern", "evidence", "where"), SEEDS, ids=[seed[0].__name__ for seed in SEEDS]
)
def test_each_cause_is_found_under_its_name(
    shop: Shop, seed: Callable[[Shop], None], name: str, pattern: str, evidence: str, where: str
) -> None:
    assert shop.check().exit_code == 0
    seed(shop)
    result = shop.check()
    assert result.incomplete is None
    (finding,) = _of_the_key(result.findings)
    (found,) = (cause for cause in finding.causes if cause.name == name)
    assert len(finding.causes) == 1 or name == "consumer-refused"
    assert found.pattern.startswith(pattern) and bool(pattern) == bool(found.pattern)
    assert evidence in "; ".join(found.evidence)
    assert (found.where or "") == where
    page = render([result], "f")
    assert found.title.split(":")[0].replace("'", "&#39;") in page and (where in page)


def _of_the_key(findings: tuple[Finding, ...]) -> list[Finding]:
    return [finding for finding in findings if finding.key in ("7", "77")]


def test_keys_that_lie_together_are_one_range(shop: Shop) -> None:
    """A load past the capture hit parcels 11 to 16, and one lies elsewhere that somebody edited."""
    shop.past_the_capture("UPDATE parcel SET label = 'moved' WHERE no BETWEEN 11 AND 16")
    by_hand(shop)
    result = shop.check()
    (trait,) = result.traits
    assert (trait.name, trait.reason) == ("one-range", result.groups[0].reason)
    assert result.groups[0].keys == tuple(map(str, SIX))
    assert "One range: 6 of the 6 keys from 11 to 16, and none outside" in trait.text
    assert trait.text in render([result], "f")


def test_keys_that_lie_apart_are_none(shop: Shop) -> None:
    shop.past_the_capture("UPDATE parcel SET label = 'moved' WHERE no IN (3, 9, 14, 22, 31, 38)")
    assert shop.check().traits == ()
    shop.past_the_capture("UPDATE parcel SET label = 'moved'")
    assert shop.check().traits == (), "all of them are no range"


def test_what_the_view_took_for_a_while_is_one_deploy(shop: Shop) -> None:
    """A defect was put live for a minute: all that came in it is wrong, and nothing before or after."""
    for number in (5, 25):
        set_to(shop, "code", "D", number)
        shop.flow()
    shop.applied_otherwise("fee", lambda text: "7.13", 3, 9, 14, 22, 31, 38)
    set_to(shop, "code", "D", 33)
    shop.flow()
    result = shop.check()
    names = {trait.name: trait.text for trait in result.traits}
    assert set(names) == {"one-deploy"}
    assert names["one-deploy"].startswith("One deploy: 6 of the 6 rows that the view took between")


def test_what_another_mapping_published_is_one_deploy(shop: Shop) -> None:
    shop.worker = shop.new_worker(MAPPING.replace("label: label", "label: UPPER(label)"))
    for number in (3, 9, 14, 22, 31, 38):
        set_to(shop, "fee", "9.500", number)
    shop.flow()
    (trait,) = shop.check().traits
    assert trait.name == "one-deploy" and trait.text.startswith("One deploy: all were published by mapping ")


def test_the_stream_alone_tells_the_causes_of_its_leg(shop: Shop) -> None:
    stream = read_check("check: parcel_state\nmapping: parcel\nagainst: stream\nlimit: 0\nowner: Sorting\n", "c")
    assert shop.check(stream).exit_code == 0
    for seed in (missed, by_hand):
        seed(shop)
    assert shop.check(stream).exit_code == 0
    shop.past_the_capture("UPDATE parcel SET label = 'nobody saw' WHERE no = 9")
    (finding,) = shop.check(stream).findings
    assert (finding.key, [cause.name for cause in finding.causes]) == ("9", ["capture-gap"])
    assert CHECK.view == "parcel_view"
