"""A guide whose commands run: every `console` block is executed, every `diff` block is applied to the project, and a block
that names a file (```yaml mappings/loan.yaml) is written.

python -m tests.docs.guide docs/tuning-a-mapping.md    writes what the commands print now into the guide
"""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.dragoman.support import application, environment, make_insurer, make_legacy, succeeds

_BLOCK = re.compile(r"^```(console|diff|\w+ \S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^--- (\S+)\n", re.MULTILINE)
_VOLATILE = (
    (re.compile(r"\b\d{1,2} [A-Z][a-z]{2} \d{2}:\d{2}(:\d{2})?"), "1 Jan 00:00"),
    (re.compile(r"\bin \d+\.\d+ s\b"), "in 0.00 s"),
)


def prepare_empty(folder: Path) -> Path:
    """A folder in which a guide makes its own project."""
    (folder / "project").mkdir()
    _command(folder)
    return folder / "project"


def prepare(folder: Path) -> Path:
    """The guide's project: the insurer after a working day, in a git repository, two policies with an unknown code."""
    project = make_insurer(folder / "insurer")
    make_legacy(project)
    succeeds("run", cwd=project)
    with application(project) as programs:
        programs.run(60)
        programs.unmapped_code(2)
        programs.run(40)
    succeeds("run", cwd=project)
    (folder / ".gitignore").write_text("var/\n__pycache__/\n", encoding="utf-8")
    _command(folder)
    for words in ("init -q", "add .", "commit -qm start"):
        shell(folder / "insurer", f"git -C .. {words}")
    return project


def _command(folder: Path) -> None:
    (folder / "bin").mkdir()
    command = folder / "bin" / "dragoman"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dragoman "$@"\n', encoding="utf-8")
    command.chmod(0o755)


def prepare_legacy(folder: Path) -> Path:
    """An empty folder beside the database of a small trading company."""
    with closing(sqlite3.connect(folder / "erp.db")) as connection:
        connection.executescript(TRADER)
    return prepare_empty(folder)


TRADER = """
CREATE TABLE cusmst (cus_no INTEGER PRIMARY KEY, cus_nm VARCHAR(60) NOT NULL, cus_typ CHAR(1) NOT NULL, ctry CHAR(2));
CREATE TABLE ordhdr (ord_no CHAR(10) PRIMARY KEY NOT NULL, cus_no INTEGER NOT NULL, ord_sts CHAR(10) NOT NULL,
                     ord_dt DATE NOT NULL, tot_amt DECIMAL(11,2) NOT NULL, ccy CHAR(3) NOT NULL);
CREATE TABLE ordlin (ord_no CHAR(10) NOT NULL, lin_no SMALLINT NOT NULL, art_no CHAR(8) NOT NULL, qty DECIMAL(9,3) NOT NULL,
                     PRIMARY KEY (ord_no, lin_no));
CREATE TABLE prtlog (line VARCHAR(80));
CREATE VIEW ordsum AS SELECT cus_no, SUM(tot_amt) FROM ordhdr GROUP BY cus_no;
INSERT INTO cusmst VALUES (100, 'Anna Berg', 'P', 'DE'), (101, 'Bergmann & Co', 'C', 'CH');
INSERT INTO ordhdr VALUES ('O000000001', 100, 'open', '2026-03-02', 120.50, 'EUR'),
  ('O000000002', 101, 'shipped', '2026-03-03', 99, 'CHF'), ('O000000003', 101, 'cancelled', '2026-03-03', 10, 'CHF');
INSERT INTO ordlin VALUES ('O000000001', 1, 'A-100', 2), ('O000000002', 1, 'A-100', 1.5), ('O000000002', 2, 'B-7', 1);
"""

PREPARED = {
    "tuning-a-mapping.md": prepare,
    "beyond-expressions.md": prepare_empty,
    "start-from-your-database.md": prepare_legacy,
}
"""The guides, each with what makes its project."""


def shell(project: Path, line: str) -> str:
    """What a line prints in the project's folder, errors included, as a terminal of 100 columns shows it."""
    person = {f"GIT_{who}_{what}": "somebody" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    path = f"{project.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    run = subprocess.run(
        ["bash", "-c", f"{{ {line}\n}} 2>&1"],
        cwd=project,
        env={**environment(**person), "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return run.stdout


def rendered(text: str, project: Path) -> str:
    """The guide with what its commands print in the project."""

    def block(match: re.Match[str]) -> str:
        if match[1] == "diff":
            _apply(project, match[2])
            return match[0]
        if match[1] != "console":
            file = project / match[1].split()[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(match[2], encoding="utf-8")
            return match[0]
        lines = [line for line in match[2].splitlines() if line.startswith("$ ")]
        out = "".join(f"{line}\n{_tidy(shell(project, line[2:]))}" for line in lines)
        return f"```console\n{out}```"

    return _BLOCK.sub(block, text)


def normal(text: str) -> str:
    """A text without what differs from run to run."""
    for pattern, instead in _VOLATILE:
        text = pattern.sub(instead, text)
    return re.sub(r" +$", "", text, flags=re.MULTILINE)


def _tidy(out: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in out.rstrip("\n").splitlines())


def _apply(project: Path, diff: str) -> None:
    """Change the file that the diff names; what it takes away has to be there."""
    named = _FILE.match(diff)
    assert named is not None, diff
    path = project / named[1]
    sides = {sign: "".join(f"{x[1:]}\n" for x in diff.splitlines()[1:] if x[0] in f" {sign}") for sign in "-+"}
    before = path.read_text(encoding="utf-8")
    assert sides["-"] in before, sides["-"]
    path.write_text(before.replace(sides["-"], sides["+"], 1), encoding="utf-8")


def main() -> None:
    """Write what the commands print now into the guides that are named."""
    for name in sys.argv[1:]:
        with TemporaryDirectory() as folder:
            guide = Path(name)
            project = PREPARED[guide.name](Path(folder))
            text = rendered(guide.read_text(encoding="utf-8"), project)
            guide.write_text(text, encoding="utf-8")
            shutil.rmtree(project)


if __name__ == "__main__":
    main()
