"""A view in tables of its own: header and children by a surrogate key, in PostgreSQL, MariaDB and SQLite."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine

from reconcile.causes import version
from reconcile.check import CheckMalformed, read_check
from reconcile.repair import look, planned
from reconcile.run import RunResult
from tests.reconcile.portal import CHECKPOINT, Portal, declared, disposed
from tests.reconcile.world import World

KEYS = ("A1", "A2", "a2", "B/1", "B%2", "Ü", "C1", "C2", "C3")


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    name = f"portal_{uuid.uuid4().hex[:8]}"
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'portal.db'}"
    elif request.param == "postgresql":
        server = request.getfixturevalue("postgres_server")
        request.getfixturevalue("postgres").execute(f"CREATE DATABASE {name}")
        url = f"postgresql+psycopg://dragoman@{server.at}/{name}"
    else:
        server = request.getfixturevalue("mariadb_server")
        collation = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        request.getfixturevalue("mariadb").cursor().execute(f"CREATE DATABASE {name} {collation}")
        url = f"mariadb+pymysql://root@{server.at}/{name}?charset=utf8mb4"
    with disposed(create_engine(url)) as made:
        yield made


@pytest.fixture
def portal(world: World, engine: Engine) -> Portal:
    made = Portal(world, engine)
    for number, key in enumerate(KEYS):
        world.write(key, name=f"thing {number}", cents=100 + number, lines=((1, "1.50"), (2, None), (10, "7.00")))
    made.flow()
    return made


def found(result: RunResult) -> dict[str, tuple[str, list[str]]]:
    assert result.incomplete is None, result.incomplete
    return {one.key: (one.kind, [cause.name for cause in one.causes]) for one in result.findings}


def test_each_class_is_found_and_nothing_else(portal: Portal) -> None:
    clean = portal.check()
    assert (found(clean), clean.exit_code, clean.compared, clean.view_rows) == ({}, 0, 9, 9)
    world, sql = portal.world, portal.sql
    # Lines without an item: the mapping leaves them out, and so does the view.
    world.legacy.execute("INSERT INTO itmlin VALUES ('GONE        ', 1, '1.00')")
    sql("INSERT INTO things (code, title, cents, contact) SELECT code, title, 7, contact FROM things WHERE code = 'A1'")
    line = "INSERT INTO thing_lines (thing_id, line_no, quantity) VALUES (:id, :no, '1.50')"
    sql(line, id=portal.id_of("A2"), no=1)
    sql("UPDATE things SET title = 'else' WHERE code = 'a2'")
    sql("DELETE FROM things WHERE code = 'B/1'")
    sql("INSERT INTO things (code, title, cents) VALUES ('X9', 'invented', 1)")
    sql("UPDATE thing_lines SET quantity = '9.99' WHERE line_no = 10 AND thing_id = :id", id=portal.id_of("C1"))
    portal.losing = {"C2", "C3"}
    world.write("C2", name="newer", lines=((1, "1.50"),))
    world.delete("C3")
    portal.flow()
    result = portal.check()
    gone = sql("SELECT thing_id FROM thing_lines WHERE thing_id NOT IN (SELECT id FROM things) GROUP BY thing_id")[0][0]
    assert found(result) == {
        "A1": ("duplicate", ["duplicate-rows"]),
        "A2": ("duplicate", ["duplicate-rows"]),
        "a2": ("mismatch", ["consumer-misapplied"]),
        "B%2F1": ("missing", ["consumer-missed"]),
        "X9": ("extra", ["edited-in-view"]),
        "C1": ("mismatch", ["consumer-misapplied"]),
        "C2": ("stale", ["consumer-missed"]),
        "C3": ("extra", ["deleted-not-applied"]),
        f"thing_lines: thing_id {gone}": ("orphan", ["orphan-rows"]),
    }
    assert (result.exit_code, result.coverage, result.compared) == (1, 1.0, 11)
    assert result.agree == 2
    evidence = {one.key: one.causes[0].evidence for one in result.findings}
    first, second = (one[0] for one in sql("SELECT id FROM things WHERE code = 'A1' ORDER BY id"))
    assert evidence["A1"] == (
        f"portal has 2 rows of it, of the ids {first}, {second}",
        f"the row {second} says otherwise than {first}: amount, lines, lines.sequence, lines.quantity",
    )
    lines = sql("SELECT id FROM thing_lines WHERE line_no = 1 AND thing_id = :id ORDER BY id", id=portal.id_of("A2"))
    assert evidence["A2"] == (
        f"lines has more than once sequence 1, in the rows of the ids {lines[0][0]}, {lines[1][0]}",
    )
    assert evidence[f"thing_lines: thing_id {gone}"] == (
        f"3 rows of thing_lines have thing_id {gone}, which no header has",
    )
    assert "row is still as an older one has it" in next(f for f in result.findings if f.key == "C2").causes[0].text


def test_a_row_that_is_there_twice_is_found_though_both_say_the_same(portal: Portal) -> None:
    text = (
        "check: c\nmapping: item\nview: portal\nlimit: 0\nowner: o\ntables:\n  database: x\n  table: things\n  id: id\n"
        f"  key: {{code: number}}\n  columns: {{title: name}}\n  {CHECKPOINT}\n"
    )
    check = read_check(text, "checks/c.yaml")
    assert found(portal.check(check)) == {}
    portal.sql("INSERT INTO things (code, title) SELECT code, title FROM things WHERE code = 'A1'")
    assert found(portal.check(check)) == {"A1": ("duplicate", ["duplicate-rows"])}


def test_a_slice_of_the_view_is_all_that_counts(portal: Portal) -> None:
    """What is softly deleted is not there, and its children are nobody's orphans."""
    portal.world.delete("C1")
    portal.flow()
    assert portal.sql("SELECT count(*) FROM things WHERE removed_at IS NOT NULL")[0][0] == 1
    assert found(portal.check()) == {}
    portal.sql("UPDATE things SET removed_at = NULL WHERE code = 'C1'")
    assert found(portal.check()) == {"C1": ("extra", ["deleted-not-applied"])}


def test_a_key_that_moves_is_never_called_different(portal: Portal) -> None:
    """With a checkpoint or a group, while the pipeline lags one wait behind and a key is written at each."""
    world, numbers = portal.world, iter(range(1_000))

    def work() -> None:
        portal.flow()
        world.write("A1", name=f"hot {next(numbers)}")

    world.write("A2", name="moved once")
    world.clock.on_wait = work
    for check in (declared(), declared(group="portal")):
        result = portal.check(check)
        assert (found(result), result.confirmed) == ({}, 0)
        assert (result.in_flight + result.unconfirmed, result.exact) == (
            result.compared - result.agree,
            not check.group,
        )
    world.clock.on_wait = portal.flow
    assert portal.check().exit_code == 0


def test_the_weaker_strength_is_said_and_decides_over_no_cutover(portal: Portal) -> None:
    portal.sql("UPDATE things SET title = 'else' WHERE code = 'A1'")
    weak = portal.check(declared(group="portal"))
    assert found(weak) == {"A1": ("mismatch", ["consumer-misapplied"])}
    assert not weak.exact and "differences were looked at twice" in weak.hops[-1].detail
    gate = portal.check(declared(group="portal"), gate=True)
    assert gate.incomplete is not None and gate.incomplete.code == "reconcile.gate-inexact"
    exact = portal.check(gate=True)
    assert (found(exact), exact.exact, exact.aligned) == ({"A1": ("mismatch", ["consumer-misapplied"])}, True, True)


def test_what_has_not_come_is_lag(portal: Portal) -> None:
    portal.world.write("A1", name="under way")
    portal.world.capture()
    portal.world.publish()
    result = portal.check()
    assert result.incomplete is not None and result.incomplete.code == "reconcile.lag"
    assert result.confirmed == 0


def test_a_version_column_says_what_a_row_was_built_from(portal: Portal) -> None:
    portal.losing = {"A1"}
    portal.world.write("A1", name="newer")
    portal.flow()
    portal.sql("UPDATE things SET title = 'else' WHERE code IN ('A1', 'A2')")
    result = portal.check(declared(version=True))
    assert found(result) == {"A1": ("stale", ["consumer-missed"]), "A2": ("mismatch", ["consumer-misapplied"])}
    (seen,) = portal.sql("SELECT seen FROM things WHERE code = 'A1'")[0]
    missed = next(one for one in result.findings if one.key == "A1").causes[0]
    assert version(seen) in missed.evidence[0]


def test_an_order_that_the_view_keeps_is_compared(portal: Portal) -> None:
    """With `order:` the elements stand as they are; the numbers of the legacy's lines say the same order."""
    assert found(portal.check(declared(order="order: line_no"))) == {}
    backwards = portal.check(declared(order="order: id"))
    assert {one.kind for one in backwards.findings} == {"mismatch"} and len(backwards.findings) == len(KEYS)


def test_rows_come_in_pages_and_those_of_one_key_together(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconcile.own_view.PAGE", 4)
    view = portal.view(declared())
    with view.rows() as rows:
        keys = [row.key for row in rows]
    assert keys == sorted(key.replace("%", "%25").replace("/", "%2F") for key in KEYS)
    portal.sql("INSERT INTO things (code, title) SELECT code, 'twin' FROM things")
    with view.rows() as rows:
        assert [(row.key, len(row.ids)) for row in rows] == [(key, 2) for key in keys]
    assert {key: len(row.ids) for key, row in view.read_keys(["A2", "B%2F1", "none"]).items()} == {"A2": 2, "B%2F1": 2}


def test_what_is_not_there_is_one_error(portal: Portal) -> None:
    text = (
        "check: c\nmapping: item\nview: portal\nlimit: 0\nowner: o\ntables:\n  database: x\n  table: things\n  id: nr\n"
        "  key: {code: number}\n  columns: {titel: name, cents +: amount}\n  " + CHECKPOINT + "\n"
        "  children:\n    lines: {table: nothing, parent: p, order: id, columns: {line_no: sequence}}\n"
    )
    result = portal.check(read_check(text, "checks/c.yaml"))
    assert result.incomplete is not None and result.exit_code == 2
    assert result.incomplete.code == "reconcile.view-unlike"
    for said in (
        "the table nothing (checks/c.yaml:14:20)",
        "the column things.nr (checks/c.yaml:9:7)",
        "the column things.titel (checks/c.yaml:11:13)",
        "`cents +` of things: ",
    ):
        assert said in result.incomplete.message
    assert portal.view(declared()).unmentioned() == ("things.seen",)


def test_a_repair_goes_through_the_stream_and_takes_no_row_away(portal: Portal) -> None:
    """What is published again heals the model by its own consumer; what is there twice stays a person's."""
    portal.sql("UPDATE things SET title = 'else' WHERE code = 'A1'")
    portal.sql("INSERT INTO things (code, title) VALUES ('A2', 'twin')")
    check = declared()
    seen = look(check, portal.sides(check), ["A1", "A2"])
    items, left = planned(seen, {}, rereads=True, keeps_rows=True)
    assert [(one.key, one.action, one.deletes) for one in items] == [("A1", "republish", False)]
    assert [(one.key, "publishing takes no row away" in one.why) for one in left] == [("A2", True)]
    portal.world.publish_state("A1", portal.world.model["A1"])
    portal.follow()
    again = look(check, portal.sides(check), ["A1", "A2"])
    assert (again.agreed, [one.kind for one in again.findings]) == (("A1",), ["duplicate"])


CASES: dict[str, tuple[Callable[[str], str], str]] = {
    "no id": (lambda text: text.replace("  id: id\n  key", "  key"), "tables lacks the key 'id'"),
    "an unknown key": (lambda text: text.replace("  where:", "  filter:"), "tables has the unknown key 'filter'"),
    "no order": (lambda text: text.replace("identity: sequence", ""), "nothing says which element of lines a row is"),
    "identity": (lambda text: text.replace("identity: sequence", "identity: seq"), "identity names 'seq'"),
    "twice": (lambda text: text.replace("contact: owner", "contact: name"), "name is shown twice"),
    "no progress": (lambda text: text.replace(CHECKPOINT, ""), "nothing says how far the view has come"),
    "two of them": (
        lambda text: text.replace("limit: 0", "limit: 0\ngroup: g"),
        "the view has a checkpoint, and a group",
    ),
    "a query": (
        lambda text: text + "freshness:\n  within: 5m\n",
        "tables is for checks of rows",
    ),
    "the stream": (
        lambda text: text.replace("view: portal", "against: stream"),
        "tables is no part of a check against",
    ),
}


@pytest.mark.parametrize(("change", "said"), CASES.values(), ids=CASES)
def test_what_is_said_wrongly_is_told_at_its_place(change: Callable[[str], str], said: str) -> None:
    from tests.reconcile.portal import CHECK

    text = CHECK.format(beside="", below=CHECKPOINT, order="identity: sequence")
    assert read_check(text, "checks/p.yaml").tables is not None
    with pytest.raises(CheckMalformed) as raised:
        read_check(change(text), "checks/p.yaml")
    assert said in raised.value.message
    assert raised.value.where is not None and raised.value.where.startswith("checks/p.yaml:")


def test_a_check_of_tables_is_kept_and_read_again(portal: Portal) -> None:
    """A run is written down with its check."""
    import msgspec

    result: Any = portal.check()
    assert msgspec.json.decode(msgspec.json.encode(result), type=RunResult) == result
