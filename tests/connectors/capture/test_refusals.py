"""What cannot be captured is said, with a code, and nothing is passed on."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from connectors.capture import CaptureSpec, Feed, SqliteCapture, errors, install, uninstall
from tests.connectors.capture.support import FEEDS, NOW, Legacy, schema, table
from translators.errors import DragomanError
from translators.schema import Encoding


def test_database_that_is_not_there(tmp_path: Path) -> None:
    capture = SqliteCapture(tmp_path / "none.db", CaptureSpec(schema=schema(), feeds=FEEDS), lambda: NOW)
    with pytest.raises(errors.DatabaseMissing):
        capture.position()
    with pytest.raises(errors.DatabaseMissing):
        capture.snapshot()
    assert not (tmp_path / "none.db").exists()


def test_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    path.write_bytes(b"these are not the tables you are looking for" * 100)
    capture = SqliteCapture(path, CaptureSpec(schema=schema(), feeds=FEEDS), lambda: NOW)
    with pytest.raises(errors.CaptureError, match="not a database") as caught:
        capture.position()
    assert (caught.value.code, caught.value.transient) == ("capture.failed", False)
    capture.close()


def test_locked_database_is_transient(legacy: Legacy) -> None:
    legacy.connection.execute("PRAGMA journal_mode = DELETE")
    legacy.connection.execute("BEGIN EXCLUSIVE")
    with pytest.raises(errors.DatabaseLocked) as caught:
        legacy.capture.changes(0, 10)
    assert caught.value.transient
    legacy.connection.execute("ROLLBACK")
    assert legacy.capture.changes(0, 10) == ([], 0)


def test_no_triggers(legacy: Legacy) -> None:
    uninstall(legacy.connection)
    with pytest.raises(errors.TriggersMissing, match="_dragoman_bi_head is not there"):
        legacy.capture.position()
    left = legacy.connection.execute("SELECT name FROM sqlite_master WHERE name LIKE '%dragoman%'").fetchall()
    assert left == []


def test_trigger_dropped_while_running(legacy: Legacy) -> None:
    legacy.commit("INSERT INTO item (id) VALUES (1)")
    assert legacy.capture.position() == 1
    legacy.connection.execute("DROP TRIGGER _dragoman_au_item")
    legacy.commit("UPDATE item SET flag = 1")
    with pytest.raises(errors.TriggersMissing, match="_dragoman_au_item"):
        legacy.capture.changes(1, 10)


def test_new_unique_index_needs_new_triggers(legacy: Legacy) -> None:
    legacy.connection.execute("CREATE UNIQUE INDEX item_day ON item (day)")
    with pytest.raises(errors.TriggersMissing, match="is another one"):
        legacy.capture.position()
    install(legacy.connection, legacy.spec.tables, legacy.spec.marker_table)
    assert legacy.capture.position() == 0


@pytest.mark.parametrize(
    ("ddl", "difference"),
    [
        ("ALTER TABLE item ADD COLUMN extra TEXT", "column extra is new"),
        ("ALTER TABLE item RENAME COLUMN flag TO flagged", "column flagged is new"),
        ("ALTER TABLE item RENAME TO article", "there is no such table"),
        ("ALTER TABLE mark ADD COLUMN extra TEXT", "column extra is new"),
    ],
)
def test_schema_that_moved_on(legacy: Legacy, ddl: str, difference: str) -> None:
    legacy.commit("INSERT INTO item (id) VALUES (1)")
    assert legacy.capture.position() == 1
    legacy.connection.execute(ddl)
    for ask in (legacy.capture.position, legacy.capture.snapshot, lambda: legacy.capture.changes(0, 10)):
        with pytest.raises(errors.SchemaDrift, match=difference):
            ask()
    with pytest.raises(errors.SchemaDrift, match=difference):
        install(legacy.connection, legacy.spec.tables, legacy.spec.marker_table)


def test_install_that_fails_changes_nothing(legacy: Legacy) -> None:
    legacy.connection.execute("ALTER TABLE item ADD COLUMN extra TEXT")
    before = legacy.connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    with pytest.raises(errors.SchemaDrift):
        install(legacy.connection, legacy.spec.tables, legacy.spec.marker_table)
    assert legacy.connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall() == before


def test_install_again_keeps_the_changes(legacy: Legacy) -> None:
    legacy.commit("INSERT INTO item (id) VALUES (1)")
    install(legacy.connection, legacy.spec.tables, legacy.spec.marker_table)
    legacy.commit("INSERT INTO item (id) VALUES (2)")
    assert [c["after"]["id"] for c in legacy.read()] == [1, 2]


def test_row_before_any_marker(legacy: Legacy) -> None:
    legacy.connection.execute("INSERT INTO item (id) VALUES (1)")
    with pytest.raises(errors.MarkerMissing, match="Row 1 \\(table item\\)"):
        legacy.capture.changes(0, 10)
    legacy.commit("INSERT INTO item (id) VALUES (2)")
    snapshot = legacy.capture.snapshot()
    assert sum(len(batch) for batch in snapshot) == 3
    assert legacy.capture.changes(snapshot.position, 10) == ([], 2)


def test_marker_whose_time_has_no_zone(legacy: Legacy) -> None:
    legacy.connection.execute("BEGIN")
    legacy.connection.execute("INSERT INTO mark (at) VALUES ('2026-01-02 03:04:05')")
    legacy.connection.execute("INSERT INTO item (id) VALUES (1)")
    legacy.connection.execute("COMMIT")
    with pytest.raises(errors.MarkerUnusable, match="no instant with a zone"):
        legacy.capture.changes(0, 10)


def test_text_that_is_not_utf_8_is_not_guessed_nor_shown(legacy: Legacy) -> None:
    legacy.commit("INSERT INTO item (id, day) VALUES (1, CAST(x'736563726574ff' AS TEXT))")
    for ask in (lambda: legacy.capture.changes(0, 10), lambda: list(legacy.capture.snapshot())):
        with pytest.raises(errors.RowUnreadable) as caught:
            ask()
        assert caught.value.fields["table"] == "item"
        assert "secret" not in str(caught.value)


def test_database_restored_from_an_older_copy(legacy: Legacy) -> None:
    legacy.commit("INSERT INTO item (id) VALUES (1)")
    with pytest.raises(errors.PositionAhead) as caught:
        legacy.capture.changes(9, 10)
    assert (caught.value.fields["position"], caught.value.fields["end"]) == (9, 1)


def test_pruned_changes_do_not_move_the_position(legacy: Legacy) -> None:
    legacy.commit("INSERT INTO item (id) VALUES (1)", "INSERT INTO item (id) VALUES (2)")
    legacy.connection.execute("DELETE FROM _dragoman_changes")
    assert legacy.capture.changes(legacy.capture.position(), 10) == ([], 2)


def test_null_in_a_routing_column(legacy: Legacy) -> None:
    legacy.connection.execute("CREATE TABLE free (no TEXT PRIMARY KEY, grp TEXT)")
    free = table("free", {"no": "text", "grp": "text"}, "no")
    changed = msgspec.structs.replace(schema(), tables={**schema().tables, "free": free})
    spec = CaptureSpec(schema=changed, feeds=(Feed(name="f", tables={"free": ("grp",)}, partitions=2),), marker="mark")
    install(legacy.connection, spec.tables, spec.marker_table)
    legacy.commit("INSERT INTO free VALUES ('A', NULL)")
    capture = SqliteCapture(legacy.path, spec, lambda: NOW)
    with pytest.raises(errors.RowUnreadable, match="cannot be part of a key"):
        capture.changes(0, 10)
    capture.close()


def feed(**tables: tuple[str, ...]) -> Feed:
    return Feed(name="f", tables=tables, partitions=1)


@pytest.mark.parametrize(
    ("feeds", "marker", "reason"),
    [
        ((feed(head=("no",)), feed(head=("no",))), None, "in more than one feed"),
        ((feed(nothing=("no",)),), None, "no table nothing"),
        ((feed(head=("none",)),), None, "no column none"),
        ((feed(head=()),), None, "no column routes"),
        ((feed(mark=("id",)),), "mark", "cannot be in a feed"),
        ((Feed(name="f", tables={"head": ("no",)}, partitions=0),), None, "no partition"),
        ((Feed(name="transaction", tables={"head": ("no",)}, partitions=1),), None, "can be called transaction"),
    ],
)
def test_feeds_that_make_no_sense(feeds: tuple[Feed, ...], marker: str | None, reason: str) -> None:
    with pytest.raises(errors.FeedsUnusable, match=reason):
        CaptureSpec(schema=schema(), feeds=feeds, marker=marker)


@pytest.mark.parametrize(
    ("marker", "reason"),
    [("none", "no such table"), ("line", "not one integer"), ("head", "not one integer"), ("plain", "0 timestamptz")],
)
def test_marker_tables_that_mark_nothing(marker: str, reason: str) -> None:
    plain = table("plain", {"id": "bigint not null", "at": "timestamp"}, "id")
    legacy = msgspec.structs.replace(schema(), tables={**schema().tables, "plain": plain})
    with pytest.raises(errors.MarkerUnusable, match=reason):
        CaptureSpec(schema=legacy, feeds=FEEDS, marker=marker)


def test_other_encodings_are_refused() -> None:
    other = msgspec.structs.replace(schema(), encoding=Encoding(decimal="precise"))
    with pytest.raises(errors.FeedsUnusable, match="encoding"):
        CaptureSpec(schema=other, feeds=FEEDS)


def kinds(root: type[DragomanError]) -> list[type[DragomanError]]:
    return [root, *(kind for child in root.__subclasses__() for kind in kinds(child))]


def test_every_error_has_its_own_code_and_a_hint() -> None:
    found = kinds(errors.CaptureError)
    assert len({kind.code for kind in found}) == len(found) == 10
    assert all(kind.code.startswith("capture.") and len(kind.hint) > 20 for kind in found)
