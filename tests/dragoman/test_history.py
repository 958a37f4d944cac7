"""`dragoman history`: one key's life for people and as data, over an insurer's working day."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from dragoman.histories import Asked, chapters
from dragoman.history_data import lines_of
from dragoman.project import Project
from dragoman.settings import read_settings
from dragoman.streams import records_of
from dragoman.wiring import reading
from pipeline import cloudevents
from pipeline.log.embedded import EmbeddedLog
from tests.dragoman.support import application, dragoman, legacy, query, replace, succeeds


def life(project: Path, key: str, **asked: Any) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
    """The history's own line, its steps and its state as --json has them, of the one translator that has the key."""
    (chapter,) = chapters(opened(project), Asked(key=key, **asked))
    lines = json.loads(msgspec.json.encode(list(lines_of(chapter)), enc_hook=str))
    (head,) = [one for one in lines if one["is"] == "history"]
    (state,) = [one for one in lines if one["is"] == "state"]
    return head, [one for one in lines if one["is"] == "step"], state


def opened(project: Path) -> Project:
    return Project(read_settings(project, {}))


def published(project: Path, topic: str) -> list[cloudevents.CloudEvent]:
    with reading(opened(project)) as log:
        return [cloudevents.read(record) for record in records_of(log, topic)]


def busiest(project: Path) -> str:
    """The policy that has the most events."""
    subjects = [event.subject for event in published(project, "policy.events")]
    return max(sorted(set(subjects)), key=subjects.count)


def transact(project: Path, *statements: str) -> None:
    """One transaction of a program of the insurer's."""
    with legacy(project) as connection:
        connection.execute("BEGIN")
        connection.execute("INSERT INTO txlog (tx_ts, usr_id, trn_cd) VALUES ('2026-03-04T00:00:00Z','X','Y')")
        for statement in statements:
            connection.execute(statement)
        connection.execute("COMMIT")


class TestOneLife:
    def test_events_and_states_are_those_of_the_streams(self, worked: Path) -> None:
        key = busiest(worked)
        head, steps, state = life(worked, key)
        events = [event["id"] for step in steps for event in step["events"]]
        assert events == [event.id for event in published(worked, "policy.events") if event.subject == key]
        states = [step["state"]["id"] for step in steps if step["state"] is not None]
        assert states == [event.id for event in published(worked, "policy.state") if event.subject == key]
        assert len(events) > 2
        assert head["whole"] is True
        assert [step["version"] for step in steps] == list(range(1, len(steps) + 1))
        assert (state["told_by"], state["at"]) == ("stream", None)
        assert {step["standing"] for step in steps} == {"done"}
        assert not any(step["differences"] for step in steps)

    def test_a_person_reads_blocks_the_newest_last(self, worked: Path) -> None:
        key = busiest(worked)
        _, steps, _ = life(worked, key)
        told = succeeds("history", key, cwd=worked, COLUMNS="80").out
        places = [told.index(f"version {step['version']}   ") for step in steps]
        assert places == sorted(places)
        assert told.splitlines()[0].startswith(f"policy {key}   {len(steps)} steps, ")
        assert "set by" in told
        assert told.rstrip().splitlines()[-1].split() == ["policy.state", "every", "record", "of", "this", "key"]

    def test_personal_fields_are_masked_unless_asked_for(self, worked: Path) -> None:
        key = busiest(worked)
        holder = str(query(worked / "var" / "legacy.db", "SELECT pty_no FROM polmst WHERE trim(pol_no) = ?", key)[0][0])
        for form in ((), ("--json",)):
            masked = succeeds("history", key, *form, cwd=worked).out
            assert holder not in masked
            assert "•••" in masked
            assert holder in succeeds("history", key, "--unmasked", *form, cwd=worked).out

    def test_a_parked_key_waits_with_its_reason(self, worked: Path) -> None:
        letter = succeeds("dlq", "list", "--json", cwd=worked).lines[0]
        _, steps, _ = life(worked, letter["key"])
        waiting = [step for step in steps if step["standing"] == "waiting"]
        assert len(waiting) == 1 + letter["waiting_behind"]
        assert [one["id"] for one in waiting[0]["dead_letters"]] == [letter["id"]]
        assert {step["waits_behind"] for step in waiting} == {letter["id"]}
        told = succeeds("history", letter["key"], cwd=worked).out
        assert "parked:" in told.splitlines()[0]
        assert "code.unmapped" in told
        replace(worked / "mappings" / "policy.yaml", "    L: lapsed\n", "    L: lapsed\n    SU: active\n")
        assert f"dragoman parked release {letter['key']}" in succeeds("history", letter["key"], cwd=worked).out

    def test_a_release_has_its_place_and_settles_the_steps(self, worked: Path) -> None:
        letter = succeeds("dlq", "list", "--json", cwd=worked).lines[0]
        replace(worked / "mappings" / "policy.yaml", "    L: lapsed\n", "    L: lapsed\n    SU: active\n")
        succeeds("parked", "release", letter["key"], cwd=worked)
        assert "not executed yet" in succeeds("history", letter["key"], cwd=worked).out
        succeeds("run", cwd=worked)
        lines = succeeds("history", letter["key"], "--json", cwd=worked).lines
        (command,) = [one for one in lines if one["is"] == "command"]
        assert (command["action"], "the key is free" in command["result"]) == ("release", True)
        assert {one["standing"] for one in lines if one["is"] == "step"} == {"done"}
        told = succeeds("history", letter["key"], cwd=worked).out
        assert f"{letter['id']} of " in told
        assert "settled since" in told

    def test_a_key_that_was_deleted_and_made_again(self, worked: Path) -> None:
        key = busiest(worked)
        with legacy(worked) as connection:
            columns = [row[1] for row in connection.execute("PRAGMA table_info(polmst)")]
            row = connection.execute("SELECT * FROM polmst WHERE trim(pol_no) = ?", (key,)).fetchone()
        pol_no = row[columns.index("pol_no")]
        gone = [f"DELETE FROM {table} WHERE pol_no = '{pol_no}'" for table in ("covdtl", "polmst")]
        transact(worked, *gone)
        succeeds("run", cwd=worked)
        _, steps, state = life(worked, key)
        assert (state["told_by"], state["state"], state["version"]) == ("stream", None, steps[-1]["version"])
        assert "deleted" in succeeds("history", key, cwd=worked).out.splitlines()[0]
        values = ", ".join("NULL" if value is None else repr(value) for value in row)
        transact(worked, f"INSERT INTO polmst VALUES ({values})")
        succeeds("run", cwd=worked)
        _, again, state = life(worked, key)
        assert [step["version"] for step in again] == [*(step["version"] for step in steps), len(steps) + 1]
        assert state["state"]["policyNumber"] == key
        assert {one["version"] for one in state["set_by"].values()} == {len(steps) + 1}


class TestAsked:
    def test_as_of_a_time(self, worked: Path) -> None:
        key = busiest(worked)
        _, steps, _ = life(worked, key)
        for step in steps:
            if step["time"] is None or step["state"] is None:
                continue
            _, until, state = life(worked, key, at=datetime.fromisoformat(step["time"]))
            assert [one["version"] for one in until] == list(range(1, step["version"] + 1))
            assert (state["state"], state["told_by"]) == (step["state"]["data"], "stream")
        assert succeeds("history", key, "--at", "2026-03-02", cwd=worked).out
        assert "is no time" in dragoman("history", key, "--at", "yesterday", cwd=worked).err

    def test_one_field_with_the_columns_behind_it(self, worked: Path) -> None:
        for key in sorted({event.subject for event in published(worked, "policy.events")}):
            _, steps, state = life(worked, key, field="premium.amount")
            last = steps[-1]["fields"][0]
            assert state["state"]["premium.amount"] == last["new"]
            column = next(one for one in last["columns"] if one["column"] == "prem_amt")
            assert f"{column['new'] / 100:.2f}" == last["new"]
            setter = state["set_by"]["premium.amount"]
            assert setter["version"] == steps[-1]["version"]
            named = {event["type"] for event in setter["events"]}
            assert named <= {"PolicyQuoted.v1", "PolicyBound.v1", "PolicyEndorsed.v1", "CoverageChanged.v1"}
        told = dragoman("history", key, "--field", "premum", cwd=worked)
        assert told.err.splitlines()[0] == "error history.field-unknown"
        assert "premium.amount" in told.err

    def test_an_unknown_key(self, worked: Path) -> None:
        key = busiest(worked)
        told = dragoman("history", key.replace("0000", "000"), cwd=worked)
        assert (told.code, told.err.splitlines()[0]) == (2, "error history.key-unknown")
        assert "did you mean 'P0000" in " ".join(told.err.split())
        told = dragoman("history", key, "--translator", "claim", cwd=worked)
        assert "Nothing is known of" in told.err
        assert "in claim" in " ".join(told.err.split())
        assert dragoman("history", key, "-t", "polcy", cwd=worked).err.startswith("error project.translator-unknown\n")

    def test_before_the_first_run(self, insurer: Path) -> None:
        assert dragoman("history", "P00000001", cwd=insurer).err.splitlines()[0] == "error log.missing"

    def test_every_translator_that_has_the_key(self, worked: Path) -> None:
        text = (worked / "mappings" / "policy.yaml").read_text(encoding="utf-8")
        assert "translators:" in (worked / "dragoman.yaml").read_text(encoding="utf-8")
        (worked / "mappings" / "again.yaml").write_text(text.replace("translator: policy", "translator: again"))
        yaml = (worked / "dragoman.yaml").read_text(encoding="utf-8")
        (worked / "dragoman.yaml").write_text(with_translator(yaml, "again"), encoding="utf-8")
        succeeds("run", cwd=worked)
        key = busiest(worked)
        assert [chapter.life.translator for chapter in chapters(opened(worked), Asked(key=key))] == ["policy", "again"]
        (only,) = chapters(opened(worked), Asked(key=key, translator="again"))
        assert only.life.translator == "again"
        told = succeeds("history", key, cwd=worked).out
        assert f"policy {key}" in told
        assert f"again {key}" in told


def with_translator(yaml: str, name: str) -> str:
    lines = []
    for line in yaml.splitlines():
        lines.append(line)
        if line.strip() == "- payment":
            lines.append(line.replace("payment", name))
        elif line.startswith("translators:") and "payment" in line:
            lines[-1] = line.replace("payment", f"payment, {name}")
    return "\n".join(lines) + "\n"


class TestHowFar:
    def test_streams_that_were_cut_are_named_and_the_rest_is_still_told(self, worked: Path) -> None:
        key = busiest(worked)
        _, steps, _ = life(worked, key)
        with closing(EmbeddedLog(worked / "var" / "log.db")) as log:
            log.compact("policy.state")
            for number in range(3):
                log.expire("legacy.policy", number, log.end("legacy.policy", number) // 2)
                log.expire("policy.events", number, log.end("policy.events", number) // 2)
        head, cut, state = life(worked, key)
        assert (head["whole"], head["states_from_version"]) == (False, state["version"])
        kept = [step for step in steps if step["state"] is not None]
        assert state["state"] == kept[-1]["state"]["data"]
        told = succeeds("history", key, cwd=worked).out
        assert "The feed is kept since" in told
        assert "before that it has expired" in told
        assert "older ones compacted away" in told
        assert not any(step["differences"] for step in cut)
        early = life(worked, key, at=datetime.fromisoformat(kept[1]["time"]))[2]
        assert early["told_by"] in ("rows", "nothing")
        if early["told_by"] == "rows":
            assert early["state"] == kept[1]["state"]["data"]
            assert (
                "computed from the rows by today's mapping"
                in succeeds("history", key, "--at", kept[1]["time"], cwd=worked).out
            )

    def test_what_another_mapping_says_is_no_news_but_said(self, worked: Path) -> None:
        key = busiest(worked)
        replace(
            worked / "mappings" / "policy.yaml",
            "premium:\n      amount: prem_amt / 100 ",
            "premium:\n      amount: prem_amt / 10 ",
        )
        _, steps, state = life(worked, key)
        assert all(step["differences"] for step in steps if step["state"] is not None)
        assert state["told_by"] == "stream"
        told = succeeds("history", key, cwd=worked).out
        assert "today's mapping" in told
        assert "premium.amount: published" in told

    def test_changes_that_no_worker_has_read(self, worked: Path) -> None:
        key = busiest(worked)
        with application(worked, seed=9) as programs:
            programs.run(1)
        assert {step["standing"] for step in life(worked, key)[1]} == {"done"}
