"""The report as a file: the answer first, every figure, nothing that a value could break, nothing that is personal."""

from __future__ import annotations

import json
import re
import shlex
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import timedelta
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
from typer.main import get_command

from dragoman.app import app
from reconcile.groups import grouped
from reconcile.pages import page_of
from reconcile.parquet import write_parquet
from reconcile.past import History, Past, Proven
from reconcile.report import ReportUnwritable, findings_lines, harmless, prose, render, write_report
from reconcile.run import RunResult
from reconcile.slices import Slice
from tests.reconcile.test_drift import edited_field, lose, lost_update, misapplied, not_captured, refused_and_parked
from tests.reconcile.world import CHECK, START, World

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\" ' & \u202egpj.exe\u0007\u2028{{ 7*7 }}"


PAST = Past(run="r-0", started=START, state="clean", coverage=1.0, confirmed=0, accepted=0)


def with_history(result: RunResult, history: History) -> RunResult:
    """The result as the ledger gives it back where nothing of it was known."""
    found = tuple(msgspec.structs.replace(f, first_seen=result.started) for f in result.findings)
    return msgspec.structs.replace(result, findings=found, groups=grouped(found), history=history)


class Outline(HTMLParser):
    """Tags with their attributes, and the text, as a browser would take them apart."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def full(world: World) -> World:
    for number in range(1, 9):
        world.write(f"A{number}", f"bolt {number}", 100 * number, owner="Ada Lovelace", lines=((1, "2.50"), (2, None)))
    world.flow()
    return world


@pytest.fixture
def drifted(full: World) -> Iterator[RunResult]:
    """Parked, edited (a personal field as well), missed with hostile values, and one in flight."""
    refused_and_parked(full)
    edited_field(full)
    full.sql("UPDATE item_view SET owner = 'Grace Hopper' WHERE number = 'A4'")
    full.clock.wait(timedelta(minutes=31))
    lose(full, "A5", lambda: full.write("A5", HOSTILE, 1, owner="Ada Lovelace"))
    full.sql("UPDATE item_view SET name = ? WHERE number = 'A6'", "x" * 10_000)
    full.write("A7", "moved")
    full.clock.on_wait = full.flow
    yield full.run()


def test_the_answer_comes_first_and_the_figures_add_up(drifted: RunResult) -> None:
    page = Outline(render([drifted], "r.findings.jsonl"))
    assert page.text.index("4 of 8 differ , for three reasons.") < page.text.index("Why they differ")
    assert "3 + 4 + 1 + 0 + 0 = 8 keys" in page.text
    assert "Nothing is unexplained, and everything was compared." in page.text
    for said in ("code.unmapped", "mappings/item.yaml:18:12", "dl-20511", "Stock integration", "Item read model"):
        assert said in page.text
    assert "dragoman parked list --translator item" in page.text


def test_headings_have_an_order_and_tables_have_scopes(drifted: RunResult) -> None:
    for results in ([drifted], [drifted, drifted]):
        page = Outline(render(results, "r.findings.jsonl"))
        levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))
        assert all(attributes.get("scope") in ("col", "row") for tag, attributes in page.tags if tag == "th")
        tags = [tag for tag, _ in page.tags]
        assert tags.count("caption") == tags.count("table")
        ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
        assert len(ids) == len(set(ids))


def test_a_value_can_break_nothing(drifted: RunResult) -> None:
    text = render([drifted], "r.findings.jsonl")
    page = Outline(text)
    assert not {"script", "img", "iframe", "link", "object"} & {tag for tag, _ in page.tags}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on") or name == "style"]
    assert "\u202e" not in text
    assert "\u0007" not in text
    assert "\u2028" not in text
    assert "[U+202E]gpj.exe[U+0007][U+2028]{{ 7*7 }}" in page.text
    assert "x" * 400 not in text
    assert "(10,000 characters)" in page.text


def test_no_personal_value_is_in_any_file(drifted: RunResult) -> None:
    page, lines = render([drifted], "r.findings.jsonl"), "\n".join(findings_lines([drifted]))
    for name in ("Ada", "Lovelace", "Grace", "Hopper"):
        assert name not in page
        assert name not in lines
    assert "•••" in page
    edited = next(f for f in drifted.findings if f.key == "A4")
    assert edited.fields == ("owner",)


def test_the_policy_allows_the_style_of_the_page_and_nothing_else(drifted: RunResult) -> None:
    text = render([drifted], "r.findings.jsonl")
    (policy,) = [a["content"] for t, a in Outline(text).tags if a.get("http-equiv") == "Content-Security-Policy"]
    style = text.partition("<style>")[2].partition("</style>")[0]
    allowed = b64encode(sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'"
    assert "url(" not in style
    assert "@import" not in style


def test_findings_are_one_object_a_line(drifted: RunResult) -> None:
    lines = list(findings_lines([drifted]))
    assert all(line.isascii() and "\n" not in line for line in lines)
    found = [json.loads(line) for line in lines]
    assert [f["key"] for f in found] == [f.key for f in drifted.findings]
    missed = next(f for f in found if f["key"] == "A5")
    assert (missed["kind"], missed["causes"][0]["name"], missed["run"]) == ("stale", "consumer-missed", drifted.run)
    assert {row["field"] for row in missed["rows"]} == {"name", "amount", "lines", "lines.sequence", "lines.quantity"}


def test_a_clean_run_says_so_in_one_sentence(full: World) -> None:
    page = Outline(render([full.run()], "r.findings.jsonl"))
    assert "All 8 agree." in page.text
    assert "Why they differ" not in page.text


def test_an_incomplete_run_is_never_called_clean(full: World) -> None:
    full.write("A1", "new")
    result = full.run()
    page = Outline(render([result], "r.findings.jsonl"))
    assert "Not proven : 1 of 8 could not be judged, since the pipeline is behind." in page.text
    assert "agree." not in page.text
    assert "capture has read up to" in page.text


def test_a_share_is_never_rounded_up_to_everything(full: World) -> None:
    result = msgspec.structs.replace(full.run(), compared=1_000_000, not_covered=1)
    assert page_of(result, 1).coverage == "99.99 %"
    assert result.exit_code == 2


def test_several_checks_begin_with_one_table(full: World, drifted: RunResult) -> None:
    clean = full.run(msgspec.structs.replace(CHECK, check="other_view"))
    page = Outline(render([drifted, msgspec.structs.replace(clean, findings=(), confirmed=0, groups=())], "f.jsonl"))
    anchors = {attributes["href"] for tag, attributes in page.tags if tag == "a"}
    assert anchors == {f"#{attributes['id']}" for _, attributes in page.tags if "id" in attributes}


def test_the_history_is_drawn_and_told(drifted: RunResult) -> None:
    days = [msgspec.structs.replace(PAST, run=f"r-{day}", started=START + timedelta(days=day)) for day in range(4)]
    days[2] = msgspec.structs.replace(days[2], state="broken", coverage=0.25)
    days[3] = msgspec.structs.replace(days[3], state="drift", confirmed=4, run=drifted.run, started=drifted.started)
    proven = Proven(since=days[0].started, until=days[1].started, runs=2, gap=timedelta(days=1))
    page = Outline(render([with_history(drifted, History(runs=tuple(days), proven=proven))], "f.jsonl"))
    assert "The last 4 runs: 2 clean and complete, 1 with drift, 1 incomplete." in page.text
    assert (
        "Clean and complete in 2 runs on end, from 20 Nov 06:14 to 21 Nov 06:14, never more than 24 h apart."
        in page.text
    )
    heights = [attributes["height"] for tag, attributes in page.tags if tag == "rect"]
    assert heights == ["0", "0", "0", "84", "84", "84", "21", "84"]
    assert "nothing was known of them" not in page.text
    assert "All of this is new." in page.text


def test_one_run_has_no_history(drifted: RunResult) -> None:
    page = Outline(render([with_history(drifted, History(runs=(PAST,)))], "f.jsonl"))
    assert "The last runs" not in page.text
    assert "new" not in page.text.split()


def test_the_history_of_each_cause_is_drawn_and_told(drifted: RunResult) -> None:
    counts: list[dict[str, int]] = [{}, {"parked": 4}, {"parked": 2, "edited-in-view": 1}]
    runs = [
        msgspec.structs.replace(PAST, run=f"r-{n}", confirmed=sum(c.values()), causes=c) for n, c in enumerate(counts)
    ]
    page = Outline(render([with_history(drifted, History(runs=tuple(runs)))], "f"))
    labels = [a["aria-label"] for tag, a in page.tags if tag == "svg"]
    assert labels[2:] == ["parked, run by run: 0, 4, 2.", "edited-in-view, run by run: 0, 0, 1."]
    heights = [a["height"] for tag, a in page.tags if tag == "rect"][-3:]
    assert heights == ["40", "20", "10"], "all causes are drawn on one scale"
    assert "1 edited-in-view, 2 parked" in page.text
    without = Outline(render([with_history(drifted, History(runs=(PAST, PAST)))], "f"))
    assert len([tag for tag, _ in without.tags if tag == "svg"]) == 2


def test_fields_say_by_how_much_they_are_off(full: World) -> None:
    full.sql("UPDATE item_view SET amount = '12.50' WHERE number = 'A3'")
    full.sql("UPDATE item_view SET amount = '0.50' WHERE number = 'A4'")
    full.write("A6", "bolt 6", 600, owner="16", lines=((1, "2.50"), (2, None)))
    full.flow()
    full.sql("UPDATE item_view SET owner = '17' WHERE number = 'A6'")
    full.sql("UPDATE item_line_view SET quantity = '1000002.50' WHERE number = 'A5' AND sequence = 1")
    result = full.run()
    sums = {one.field: (one.numbers, str(one.total), str(one.largest)) for one in result.sums}
    assert sums == {"amount": (2, "6.00", "9.50"), "lines.quantity": (1, "1000000.00", "1000000.00")}
    page = Outline(render([result], "f")).text
    assert "amount 2 50 % +6.00 at most 9.50" in page
    assert "lines.quantity 1 25 % +1,000,000.00 at most 1,000,000.00" in page
    full.sql("DELETE FROM item_view")
    assert "off by, in sum" not in Outline(render([full.run()], "f")).text


def test_all_keys_that_differ_are_a_parquet_file(drifted: RunResult, tmp_path: Path) -> None:
    drifted = msgspec.structs.replace(
        drifted, findings=tuple(msgspec.structs.replace(one, accepted_until=START.date()) for one in drifted.findings)
    )
    file = tmp_path / "it's.parquet"
    assert write_parquet([drifted, drifted], file) == 8
    rows = duckdb.execute(
        "SELECT key, kind, causes[1].name, causes[1].change, accepted_until FROM read_parquet(?)", [str(file)]
    )
    found = rows.fetchall()
    assert len(found) == 8
    assert found[:2] == [
        ("A3", "refused", "parked", "view", START.date()),
        ("A4", "mismatch", "edited-in-view", "view", START.date()),
    ]
    for name in (b"Ada", b"Grace"):
        assert name not in file.read_bytes()
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".parquet"] == ["it's.parquet"]
    with pytest.raises(ReportUnwritable):
        write_parquet([drifted], tmp_path / "nowhere" / "f.parquet")
    assert write_parquet([msgspec.structs.replace(drifted, findings=())], file) == 0
    assert duckdb.execute("SELECT count(*) FROM read_parquet(?)", [str(file)]).fetchone() == (0,)


def test_a_sample_shows_the_legacy_rows_and_the_last_records(full: World) -> None:
    for name in ("one", "two", "three", "four", "five"):
        full.write("A2", name, owner="Ada Lovelace", lines=((1, "7.00"),))
        full.flow()
    lose(full, "A2", lambda: full.write("A2", "six", 600, owner="Grace Hopper", lines=((1, None),)))
    columns = frozenset({"item.itm_no", "item.nam", "item.amt", "itmlin.seq", "itmlin.qty"})
    result = full.run(shown=columns)
    (finding,) = result.findings
    assert [(row.table, dict(row.columns)) for row in finding.legacy] == [
        ("item", {"itm_no": "A2", "nam": "six", "amt": "600", "own": "•••"}),
        ("itmlin", {"itm_no": "•••", "seq": "1", "qty": "∅"}),
    ]
    told = [moment.text.partition(" at ")[0] for moment in finding.life if moment.what == "published"]
    assert told == ["version 4", "version 5", "version 6", "version 7"]
    page = Outline(render([result], "f.jsonl"))
    assert "legacy rows of itmlin" in page.text
    assert "Hopper" not in page.text
    assert "dragoman reconcile repair item_view --cause consumer-missed --dry-run" in page.text


def test_a_wide_legacy_row_is_written_value_by_value(drifted: RunResult) -> None:
    one = next(f for f in drifted.findings if f.legacy)
    columns = tuple((f"col_{n}", f"value {n}") for n in range(7))
    row = msgspec.structs.replace(one.legacy[0], columns=columns)
    found = (msgspec.structs.replace(one, legacy=(row, row)),)
    page = Outline(render([msgspec.structs.replace(drifted, findings=found, groups=grouped(found))], ""))
    assert page.text.count(" ".join(f"{name} {text}" for name, text in columns)) == 2
    assert ("table", {"class": "legacy"}) not in page.tags


def test_slices_say_what_is_beside_only_where_something_is(drifted: RunResult) -> None:
    quiet = Slice(field="name", value="bolt", compared=4, agree=3, confirmed=1)
    busy = msgspec.structs.replace(quiet, compared=5, in_flight=1)
    said = [Outline(render([msgspec.structs.replace(drifted, slices=(one,))], "")).text for one in (quiet, busy)]
    assert ["share beside" in text for text in said] == [False, True]


def test_a_check_that_is_not_called_as_its_view_says_its_name(drifted: RunResult) -> None:
    other = msgspec.structs.replace(drifted, check=msgspec.structs.replace(drifted.check, check="item_again"))
    assert "item_again: item → item_view" in Outline(render([other], "")).text
    assert "item_view: item" not in Outline(render([drifted], "")).text


def test_without_leave_no_legacy_value_is_shown(drifted: RunResult) -> None:
    texts = {text for f in drifted.findings for row in f.legacy for _, text in row.columns}
    assert texts == {"•••"}


def test_ten_thousand_rows_are_read_as_a_few_lines(drifted: RunResult) -> None:
    missed = next(f for f in drifted.findings if f.key == "A5")
    edited = next(f for f in drifted.findings if f.key == "A3")
    many = [msgspec.structs.replace(missed, key=f"K{n}", rows=(), life=(), legacy=()) for n in range(8_000)]
    some = [msgspec.structs.replace(edited, key=f"L{n}", rows=(), life=(), legacy=()) for n in range(2_000)]
    found = (*drifted.findings, *many, *some)
    text = render([msgspec.structs.replace(drifted, findings=found, groups=grouped(found))], "f.jsonl")
    counts = re.findall(r'<p class="count">([\d,]+)', text)
    assert counts[:2] == ["8,001", "2,001"]
    assert len(counts) <= 5
    assert len(text) < 120_000


def test_a_run_can_be_kept_and_its_report_made_again(drifted: RunResult) -> None:
    kept = msgspec.json.decode(msgspec.json.encode([drifted]), type=list[RunResult])
    assert render(kept, "f.jsonl") == render([drifted], "f.jsonl")


def test_both_files_are_written_whole(tmp_path: Path, drifted: RunResult) -> None:
    page, lines = write_report([drifted], tmp_path / "reports", "r-1")
    assert (page.name, lines.name) == ("r-1.html", "r-1.findings.jsonl")
    assert page.read_text("utf-8").endswith("</html>")
    assert lines.read_text("utf-8").count("\n") == drifted.confirmed
    for_machines = {"r-1.junit.xml", "r-1.openmetrics"}
    assert {path.name for path in (tmp_path / "reports").iterdir()} == {page.name, lines.name} | for_machines


def test_a_folder_that_is_none_is_told(tmp_path: Path, drifted: RunResult) -> None:
    (tmp_path / "reports").write_text("a file", "utf-8")
    with pytest.raises(ReportUnwritable):
        write_report([drifted], tmp_path / "reports", "r-1")


def test_prose_makes_code_of_backticks_and_of_nothing_else() -> None:
    assert str(prose("run `dragoman <x>` & wait")) == "run <code>dragoman &lt;x&gt;</code> &amp; wait"
    assert str(prose("a stray ` stays <b>")) == "a stray ` stays &lt;b&gt;"
    assert str(prose("`\u202e`")) == "<code>[U+202E]</code>"


def test_what_cannot_be_seen_is_named() -> None:
    assert harmless("a\u200bb\x00c\td\ne\ud800") == "a[U+200B]b[U+0000]c\td\ne[U+D800]"


@pytest.mark.parametrize("corrupt", [edited_field, lost_update, not_captured, misapplied])
def test_the_page_says_what_mends_it_and_then_what_proves_it(full: World, corrupt: Callable[[World], None]) -> None:
    corrupt(full)
    (group,) = page_of(full.run(), 1).groups
    mend, prove = group.steps
    assert mend.command == f"dragoman reconcile repair item_view --cause {group.causes[0].name} --dry-run"
    assert prove.command == "dragoman reconcile run item_view"
    for step in (mend.command, group.accept.replace("DATE", "2999-12-31")):
        _, *words = shlex.split(step)
        command: Any = get_command(app)
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        command.make_context("dragoman", words)
