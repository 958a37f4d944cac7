"""DuckDB alone, on every machine: each entry over edge values as in Python."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from tests.translators.expression.edges import rows
from tests.translators.expression.engines import DuckDB, Tally, compare, must_raise
from tests.translators.expression.test_engines import asked_of, every_form
from translators.values import Row


def test_every_entry_says_the_same_in_duckdb() -> None:
    few: Sequence[Row] = rows(80, seed=9)
    duck, tally = DuckDB(few), Tally()
    asked = asked_of(every_form(), few, 100_000)
    compare(duck, asked, tally)
    must_raise(duck, asked, tally, 1)
    assert not tally.differences, "\n".join(tally.differences[:20])
    assert tally.compared["DuckDB"] > 60_000


def test_the_core_imports_neither_duckdb_nor_re2_until_they_are_needed() -> None:
    code = (
        "import sys\n"
        "from translators.expression import bind, parse\n"
        "from translators.expression.duckdb import to_duckdb\n"
        "from translators.expression.postgres import to_postgres\n"
        "assert not {'duckdb', 're2', '_re2'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
