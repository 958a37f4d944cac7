"""What machines read of a run: JUnit and OpenMetrics, taken apart by readers that are not the product's."""

from __future__ import annotations

import re
from datetime import timedelta
from xml.etree import ElementTree

import msgspec
import pytest

from reconcile.outputs import junit, openmetrics
from reconcile.past import History, Past, Proven
from reconcile.run import RunResult
from reconcile.unrun import not_run
from tests import openmetrics as openmetrics_text
from tests.reconcile.test_drift import refused_and_parked
from tests.reconcile.world import CHECK, START, World
from translators.errors import DragomanError


def samples(text: str) -> dict[str, float]:
    """Every sample by its name and its own labels."""
    found: dict[str, float] = {}
    for name, labels, value in openmetrics_text.samples(text):
        own = [said for label, said in labels.items() if label not in ("check", "mapping", "view")]
        key = " ".join([name.removeprefix("dragoman_reconcile_"), *own])
        assert key not in found
        found[key] = value
    return found


@pytest.fixture
def drifted(world: World) -> RunResult:
    for number in range(1, 9):
        world.write(f"A{number}", f"bolt {number}", owner="Ada Lovelace", lines=((1, "2.50"), (2, None)))
    world.flow()
    refused_and_parked(world)
    world.sql("UPDATE item_view SET name = 'nobody said so' WHERE number = 'A7'")
    return world.run()


def test_metrics_say_what_became_of_every_key(drifted: RunResult) -> None:
    found = samples(openmetrics([msgspec.structs.replace(drifted, accepted=1)]))
    keys = {name.removeprefix("keys "): value for name, value in found.items() if name.startswith("keys ")}
    assert sum(keys.values()) == drifted.compared
    assert (keys["agree"], keys["accepted"], keys["confirmed"]) == (drifted.agree, 1, drifted.confirmed - 1)
    assert (found["coverage_ratio"], found["exit_code"], found["limit_keys"]) == (1.0, 1, 0)
    assert (found["drift_keys parked"], found["drift_keys edited-in-view"]) == (1, 1)
    assert found["started_seconds"] == drifted.started.timestamp()
    assert "proven_since_seconds" not in found


@pytest.mark.parametrize(("state", "told"), [("clean", True), ("broken", False)])
def test_proven_time_is_told_while_it_lasts(drifted: RunResult, state: str, told: bool) -> None:
    past = Past(run="r", started=START, state=state, coverage=1.0, confirmed=0, accepted=0)  # type: ignore[arg-type]
    proven = Proven(since=START, until=START, runs=1, gap=timedelta())
    with_past = msgspec.structs.replace(drifted, history=History(runs=(past,), proven=proven))
    assert ("proven_since_seconds" in samples(openmetrics([with_past]))) == told


def test_junit_fails_for_drift_and_errs_for_what_is_not_proven(drifted: RunResult) -> None:
    broken = not_run(CHECK, DragomanError(), run="r-1", now=START)
    known = tuple(msgspec.structs.replace(one, accepted_until=START.date()) for one in drifted.findings)
    within = msgspec.structs.replace(drifted, accepted=drifted.confirmed, findings=known)
    suite = ElementTree.fromstring(junit([drifted, broken, within]))  # noqa: S314
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "3", "failures": "1", "errors": "1", "skipped": "0",
    }  # fmt: skip
    drift, error, fine = suite
    assert (drift[0].tag, drift[0].get("message")) == ("failure", "2 of 8 differ, for two reasons.")
    assert "1 keys: Edited in the view by hand" in (drift[0].text or "")
    assert (error[0].tag, error[0].get("type")) == ("error", "dragoman.error")
    assert [part.tag for part in fine] == ["system-out"]


def test_hostile_names_break_nothing(drifted: RunResult) -> None:
    check = msgspec.structs.replace(CHECK, check='a"b\\c\nd]]><x>')
    named = msgspec.structs.replace(drifted, check=check)
    text = openmetrics([named])
    assert r'check="a\"b\\c\nd]]><x>"' in text
    samples(text)
    assert ElementTree.fromstring(junit([named]))[0].get("name") == 'a"b\\c\nd]]><x>'  # noqa: S314
    group = msgspec.structs.replace(drifted.groups[0], causes=(
        msgspec.structs.replace(drifted.groups[0].causes[0], title="\x00\u202e<b>\ud800"),
    ))  # fmt: skip
    suite = ElementTree.fromstring(junit([msgspec.structs.replace(drifted, groups=(group,))]))  # noqa: S314
    assert "<b>" in (suite[0][0].text or "")


def test_nothing_personal_and_no_key_is_for_machines(drifted: RunResult) -> None:
    for text in (junit([drifted]), openmetrics([drifted])):
        assert "Ada" not in text
        assert not re.search(r"\bA[1-8]\b", text)
