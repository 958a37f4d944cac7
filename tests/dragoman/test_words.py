"""The words of the command: help, version, completion, the tone of errors, defects."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import dragoman
from dragoman.console import cells, clean, count, table, wrapped
from dragoman.forms import Environment
from dragoman.settings import masked
from tests.dragoman.support import dragoman as command
from tests.dragoman.support import succeeds

COMMANDS = (
    *(
        "demo",
        "lint",
        "test",
        "map",
        "functions",
        "run",
        "events",
        "history",
        "dlq",
        "parked",
        "status",
        "reconcile",
        "report",
    ),
    "doctor",
    "connectors",
)


def test_help_names_every_command_and_the_exit_codes(tmp_path: Path) -> None:
    told = succeeds("--help", cwd=tmp_path).out
    for name in COMMANDS:
        assert f"\n  {name} " in told
    assert "Exit codes: 0 all is well; 1 something was found" in " ".join(told.split())


@pytest.mark.parametrize("words", [*((name,) for name in COMMANDS), ("parked", "release"), ("reconcile", "run")])
def test_help_of_every_command(words: tuple[str, ...], tmp_path: Path) -> None:
    assert "Usage:" in succeeds(*words, "--help", cwd=tmp_path).out


def test_the_version(tmp_path: Path) -> None:
    assert succeeds("--version", cwd=tmp_path).out == f"dragoman {dragoman.__version__}\n"


@pytest.mark.parametrize(("shell", "sign"), [("bash", "complete"), ("zsh", "#compdef"), ("fish", "complete")])
def test_completion(tmp_path: Path, shell: str, sign: str) -> None:
    told = succeeds("--show-completion", shell, cwd=tmp_path, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert sign in told.out


def test_help_imports_nothing_heavy() -> None:
    import subprocess

    from tests.dragoman.support import environment

    program = (
        "import sys, dragoman.app; "
        "print({'pydantic', 'sqlalchemy', 'ruamel', 'jinja2', 'msgspec', 'rich', 'sqlite3'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, check=False
    )
    assert (run.stdout, run.stderr) == ("set()\n", "")


def test_what_nobody_foresaw_is_a_defect_with_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from dragoman import app, cli

    def broken() -> None:
        raise KeyError("\x1b[31mnobody")

    monkeypatch.setattr(app, "app", broken)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = capsys.readouterr()
    assert (ended.value.code, told.out) == (2, "")
    assert told.err.startswith("error dragoman.defect\n")
    assert "Traceback" in told.err
    assert "\x1b" not in told.err


def test_an_error_of_ours_has_no_traceback(tmp_path: Path) -> None:
    told = command("run", cwd=tmp_path, COLUMNS="60")
    assert "Traceback" not in told.err
    lines = told.err.splitlines()
    assert all(len(line) <= 60 or " " not in line.strip() for line in lines)
    assert [line[:9] for line in lines if line.startswith("  next")] == ["  next   "]


def test_secrets_are_not_shown() -> None:
    assert masked("postgresql://me:secret@host/db") == "postgresql://me:***@host/db"
    assert masked("postgresql://me@host/db") == "postgresql://me@host/db"
    assert "secret" not in repr(Environment({"PASSWORD": "secret"}))


def test_text_that_would_move_the_cursor() -> None:
    assert clean("a\x1b[2Jb\u202ec\x9bd\ue000") == "a\ufffd[2Jb\ufffdc\ufffdd\ue000"
    assert clean("one\ntwo\tthree") == "one two three"
    assert clean("\ud800") == "?"


def test_columns_align_by_what_is_seen() -> None:
    assert table([("a", "1"), ("日本", "22")], "<>", indent="") == ["a      1", "日本  22"]
    assert [cells(text) for text in ("abc", "日本", "e\u0301")] == [3, 4, 1]


def test_wrapping_keeps_words_and_indents() -> None:
    text = "one two three four five six seven eight nine ten"
    lines = wrapped(text, 40, "    ", "  next  ")
    assert lines == ["  next  one two three four five six seven", "    eight nine ten"] or all(
        len(x) <= 42 for x in lines
    )
    assert " ".join(" ".join(lines).split()[1:]) == text


def test_counting() -> None:
    assert [count(n, "key") for n in (0, 1, 2, 1234)] == ["0 keys", "1 key", "2 keys", "1,234 keys"]
