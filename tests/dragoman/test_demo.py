"""`dragoman demo`: what it plants is what it finds, and it deletes no folder that is not its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.example import FolderEdited, make_folder
from tests.dragoman.support import dragoman, query, succeeds, write


def test_it_finds_what_it_planted(tmp_path: Path) -> None:
    told = succeeds("demo", "--dir", "demo", "--transactions", "200", "--seed", "5", cwd=tmp_path)
    lines = told.out.splitlines()
    report = Path(lines[-1])
    assert report.is_file()
    assert report.suffix == ".html"
    assert told.err == ""
    assert "for three reasons." in told.out
    assert "✓ adds up" in told.out
    for cause in ("is not in the code table", "Edited in the view by hand", "never reached the view"):
        assert cause in told.out
    project = tmp_path / "demo"
    again = dragoman("reconcile", "run", "--json", cwd=project)
    assert again.code == 1
    causes = {tuple(group["causes"]): len(group["keys"]) for group in again.lines[0]["causes"]}
    assert causes == {("parked",): 6, ("edited-in-view",): 1, ("consumer-missed",): 1}


def test_it_notices_when_something_else_is_found(tmp_path: Path) -> None:
    program = (
        "import dragoman.demo as demo, sqlite3\n"
        "def edit_two(story):\n"
        "    edit(story)\n"
        "    with sqlite3.connect(story.project.path(demo.VIEW_DATABASE)) as view:\n"
        "        view.execute(\"UPDATE policy_view SET product = 'other' WHERE policy_number = 'P00000002'\")\n"
        "edit = demo._Story._edit_by_hand\n"
        "demo._Story._edit_by_hand = edit_two\n"
        "from pathlib import Path\n"
        "assert demo.run_demo(Path('demo'), 200, 5) is False\n"
    )
    import subprocess
    import sys

    from tests.dragoman.support import environment

    run = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "✗ the report does not show what was planted" in run.stdout


def test_it_is_made_afresh_and_only_in_a_folder_of_its_own(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    write(mine / "precious.txt", "years of work")
    told = dragoman("demo", "--dir", "mine", cwd=tmp_path)
    assert (told.code, told.err.splitlines()[0]) == (2, "error demo.folder-not-ours")
    assert (mine / "precious.txt").read_text() == "years of work"
    write(tmp_path / "file", "")
    assert dragoman("demo", "--dir", "file", cwd=tmp_path).code == 2
    for _ in range(2):
        succeeds("demo", "--dir", "demo", "--transactions", "200", cwd=tmp_path)
    letters = query(tmp_path / "demo" / "var" / "letters.db", "SELECT count(*), count(DISTINCT event_id) FROM letter")
    assert letters[0][0] == letters[0][1] > 0


def test_it_keeps_what_somebody_changed_in_its_folder(tmp_path: Path) -> None:
    made = tmp_path / "demo"
    make_folder(made)
    make_folder(made)
    (made / "var").mkdir()
    write(made / "var" / "anything.db", "made by running")
    make_folder(made)
    mapping = made / "mappings" / "policy.yaml"
    write(mapping, mapping.read_text(encoding="utf-8") + "# mine\n")
    told = dragoman("demo", "--dir", "demo", cwd=tmp_path)
    assert (told.code, told.err.splitlines()[0]) == (2, "error demo.folder-edited")
    assert mapping.read_text(encoding="utf-8").endswith("# mine\n")
    write(mapping, mapping.read_text(encoding="utf-8").removesuffix("# mine\n"))
    make_folder(made)
    write(made / "mappings" / "policy.new.yaml", "mine")
    with pytest.raises(FolderEdited):
        make_folder(made)
