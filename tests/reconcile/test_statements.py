"""Checks that ask by queries: what counts as a difference while both sides move, what is refused, what a report may show."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

from dragoman.stack.server import Server
from reconcile.answers import SideAnswers
from reconcile.check import CheckMalformed, CheckSpec, read_check
from reconcile.declared import Query
from reconcile.errors import ReconcileError
from reconcile.fence import Fence, Halted, Hop, Pace
from reconcile.figures import MOST, Answer, QueryUnusable, alike
from reconcile.run import RunResult
from reconcile.statements import ROUNDS, ask

HEAD = "check: c\nmapping: policy\nview: policy_view\nlimit: 0\nowner: Team\nshown: [n]\n"
COMPARE = HEAD + "compare:\n  by: g\n  legacy: L\n  view: V\n"
INVARIANT = HEAD + "invariant:\n  says: All is well\n  view: V\n"
BEGAN = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)


class Script:
    """Answers as they were written down, one for each question; the last one for all that follow."""

    def __init__(self, legacy: Sequence[Any], view: Sequence[Any], stop: str | None = None, seconds: float = 0) -> None:
        self._legacy, self._view = list(legacy), list(view)
        self.now, self._stop = BEGAN, stop
        self.passed: list[int] = []
        self._position = count(1)
        self.fence = Fence((Hop("View", self._begin, lambda: "there"),), Pace(clock=self.clock, wait=self._wait))
        self._seconds = seconds

    def clock(self) -> datetime:
        return self.now

    def _wait(self, time: timedelta) -> None:
        self.now += time

    def _begin(self, position: int) -> Callable[[], str | None]:
        self.passed.append(position)
        if self._stop == "stopped":
            raise Halted("stopped", "no worker")
        until = self.now + timedelta(seconds=self._seconds)
        return lambda: None if self.now >= until and self._stop is None else "behind"

    def legacy(self, queries: Sequence[Query]) -> tuple[int, list[Answer]]:
        return next(self._position), [answer(_next(self._legacy)) for _ in queries]

    def view(self, query: Query) -> Answer:
        return answer(_next(self._view))

    def extract(self, query: Query) -> Answer:
        return answer(_next(self._view))


def _next(answers: list[Any]) -> Any:
    return answers.pop(0) if len(answers) > 1 else answers[0]


def answer(rows: Any) -> Answer:
    """From `{"a": 1}` the rows of the columns g and n."""
    return Answer(("g", "n"), [(group, number) for group, number in rows.items()])


def asked(text: str, script: Script) -> RunResult:
    return ask(read_check(text, "c.yaml"), script, "v1", run="r", clock=script.clock)


def counts(result: RunResult) -> tuple[int, int, int, int, int]:
    parts = (result.agree, result.confirmed, result.in_flight, result.unconfirmed, result.not_covered)
    assert sum(parts) == result.compared
    return parts


def test_what_agrees_is_clean_once_the_fence_is_passed() -> None:
    script = Script([{"a": 1, "b": None}], [{"b": None, "a": Decimal("1.00")}])
    result = asked(COMPARE, script)
    assert (counts(result), result.exit_code, result.coverage) == ((2, 0, 0, 0, 0), 0, 1.0)
    assert script.passed


def test_what_differs_and_holds_still_is_confirmed_with_its_figures() -> None:
    result = asked(COMPARE, Script([{"a": 1, "b": 2, "c": 3}], [{"a": 1, "b": 3, "d": 4}]))
    assert (counts(result), result.exit_code) == ((1, 3, 0, 0, 0), 1)
    assert {f.key: (f.kind, f.fields) for f in result.findings} == {
        "b": ("mismatch", ("n",)),
        "c": ("missing", ()),
        "d": ("extra", ()),
    }
    (b, *_) = result.findings
    assert b.causes[0].evidence == ("n: the legacy 2, the view 3",)
    assert (b.rows[0].legacy, b.rows[0].view) == ("2", "3")


def test_no_value_is_told_that_may_not_be_shown() -> None:
    hidden = COMPARE.replace("shown: [n]\n", "")
    (finding,) = asked(hidden, Script([{"a": 417}], [{"a": 418}])).findings
    assert "41" not in str(msgspec.to_builtins(finding)).replace(finding.id, "")


def test_a_tolerance_is_of_a_column() -> None:
    wide = COMPARE + "  tolerance: {n: 0.5}\n"
    assert asked(wide, Script([{"a": 1}], [{"a": 1.5}])).confirmed == 0
    assert asked(wide, Script([{"a": 1}], [{"a": 1.51}])).confirmed == 1


def test_what_the_view_had_not_yet_is_in_flight() -> None:
    result = asked(COMPARE, Script([{"a": 2}], [{"a": 1}, {"a": 2}]))
    assert (counts(result), result.exit_code) == ((0, 0, 1, 0, 0), 0)


def test_a_difference_that_is_another_one_each_time_is_not_confirmed() -> None:
    """Two changes that cancel each other out in the legacy's figures: the view shows one of them for a moment."""
    result = asked(COMPARE, Script([{"a": 5}], [{"a": 4}, {"a": 6}, {"a": 4}, {"a": 5}]))
    assert counts(result) == (0, 0, 1, 0, 0)


def test_what_never_holds_still_is_said_to_be_unproven() -> None:
    numbers = [{"a": number} for number in range(100, 200)]
    script = Script(numbers, [{"a": 1}])
    result = asked(COMPARE, script)
    assert (counts(result), result.exit_code) == ((0, 0, 0, 1, 0), 2)
    assert len(script.passed) == ROUNDS - 1


def test_behind_the_fence_or_not_at_all() -> None:
    result = asked(COMPARE, Script([{"a": 2, "b": 1}], [{"a": 1, "b": 1}], stop="lag"))
    assert (counts(result), result.exit_code) == ((1, 0, 0, 0, 1), 2)
    assert result.incomplete is not None and result.incomplete.code == "reconcile.lag"


@pytest.mark.parametrize(
    ("legacy", "view", "code"),
    [
        ({}, {}, "reconcile.nothing-compared"),
        ({"a": 1}, {}, "reconcile.side-empty"),
        ({}, {"a": 1}, "reconcile.side-empty"),
    ],
)
def test_an_empty_side_proves_nothing(legacy: dict[str, int], view: dict[str, int], code: str) -> None:
    result = asked(COMPARE, Script([legacy], [view]))
    assert result.incomplete is not None
    assert (result.incomplete.code, result.exit_code) == (code, 2)


def test_an_invariant_is_broken_by_rows_that_break_it_behind_the_fence_too() -> None:
    result = asked(INVARIANT, Script([{}], [{"x": 1, "y": 1, "z": 1}, {"x": 1, "z": 2}]))
    assert (counts(result), result.exit_code) == ((0, 1, 1, 1, 0), 2)
    assert [finding.key for finding in result.findings] == ["x"]
    result = asked(INVARIANT, Script([{}], [{}]))
    assert (counts(result), result.exit_code) == ((1, 0, 0, 0, 0), 0)
    result = asked(INVARIANT, Script([{}], [{"x": 1}], stop="stopped"))
    assert (counts(result), result.exit_code) == ((0, 0, 0, 0, 1), 2)


def test_fresh_is_what_passes_the_fence_in_time() -> None:
    text = HEAD + "freshness:\n  within: 2m\n"
    assert asked(text, Script([{}], [{}], seconds=90)).exit_code == 0
    result = asked(text, Script([{}], [{}], seconds=180))
    assert (result.exit_code, result.findings[0].kind) == (1, "stale")
    assert asked(text, Script([{}], [{}], stop="stopped")).exit_code == 2


@pytest.mark.parametrize(
    ("newest", "code"),
    [(BEGAN - timedelta(minutes=1), 0), ("2026-11-20 05:59:00", 0), ("2026-11-20 05:57:59", 1), (None, 1)],
)
def test_fresh_is_what_a_query_says(newest: object, code: int) -> None:
    script = Script([{}], [{}])
    script.view = lambda query: Answer(("t",), [(newest,)])  # type: ignore[method-assign]
    assert asked(HEAD + "freshness:\n  within: 2m\n  view: V\n", script).exit_code == code


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (HEAD + "compare:\n  by: g\n  legacy: L\n", "compare has 1 of the sides"),
        (HEAD + "compare:\n  by: g\n  legacy: L\n  view: V\n  tolerance: {n: -1}\n", "the tolerance of n is '-1'"),
        (HEAD + "compare:\n  by: g\n  view: V\n  extract: {file: a.xlsx, sql: S}\n", "of no known kind"),
        (HEAD + "invariant:\n  says: so\n", "invariant has 0 queries"),
        (HEAD + "freshness:\n  within: soon\n", "within is 'soon'"),
        (INVARIANT + "freshness:\n  within: 1h\n", "asks invariant and freshness"),
    ],
)
def test_what_is_said_wrongly_is_told_at_its_place(text: str, told: str) -> None:
    with pytest.raises(CheckMalformed, match="(?s)" + told.replace("(", r"\(")) as error:
        read_check(text, "checks/c.yaml")
    assert str(error.value.where).startswith("checks/c.yaml:")


class _Snapshot:
    position = 7

    def __init__(self, connection: Any) -> None:
        self.connection = connection


class _Reader:
    """A legacy that is only asked by queries."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def snapshot(self) -> Any:
        from contextlib import contextmanager

        @contextmanager
        def opened() -> Iterator[_Snapshot]:
            with self._engine.connect() as connection:
                yield _Snapshot(connection)

        return opened()


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'db'}"
    elif request.param == "postgresql":
        server: Server = request.getfixturevalue("postgres_server")
        url = f"postgresql+psycopg://dragoman@{server.host}:{server.port}/postgres"
    else:
        server = request.getfixturevalue("mariadb_server")
        url = f"mysql+pymysql://root@{server.host}:{server.port}/mysql"
    made = create_engine(url, poolclass=NullPool)
    yield made
    made.dispose()


def of(engine: Engine, folder: Path) -> SideAnswers:
    return SideAnswers(_Reader(engine), engine, Fence((), Pace(clock=lambda: BEGAN, wait=lambda _: None)), folder)  # type: ignore[arg-type]


def query(sql: str, **more: Any) -> Query:
    return Query(**{"side": "view", "sql": sql, "where": "checks/c.yaml:7:3", **more})


def test_every_database_says_the_same(engine: Engine, tmp_path: Path) -> None:
    sql = "SELECT 'x%y' AS g, 3 AS n, CAST(1.50 AS DECIMAL(9,2)) AS d, NULL AS empty"
    answers = of(engine, tmp_path)
    for found in (answers.view(query(sql)), answers.legacy([query(sql)])[1][0]):
        assert found.columns == ("g", "n", "d", "empty")
        assert [alike(value) for value in found.rows[0]] == ["x%y", Decimal(3), Decimal("1.5"), None]


def test_a_query_writes_nothing_and_is_told_at_its_place_when_it_cannot_be_used(engine: Engine, tmp_path: Path) -> None:
    answers = of(engine, tmp_path)
    wanted = ("CREATE TABLE made_by_a_check (n INT)", "SELECT nothing_like_it", "SELECT 1 AS a, 2 AS a")
    for sql in wanted:
        with pytest.raises(QueryUnusable) as error:
            answers.view(query(sql))
        assert error.value.where == "checks/c.yaml:7:3"
    with engine.connect() as connection, pytest.raises(Exception, match="made_by_a_check"):
        connection.exec_driver_sql("SELECT * FROM made_by_a_check")


def test_an_extract_is_a_table_and_nothing_else_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("g,n,at\nx,1.5,2026-11-20\n")
    (tmp_path / "secret.csv").write_text("s\n1\n")
    answers = of(create_engine("sqlite://"), tmp_path)
    found = answers.extract(query("SELECT * FROM extract", side="extract", file="a.csv"))
    assert [alike(value) for value in found.rows[0]] == ["x", Decimal("1.5"), "2026-11-20"]
    for sql, file in (
        (f"SELECT * FROM read_csv('{tmp_path / 'secret.csv'}')", "a.csv"),
        ("SELECT * FROM extract", "gone.csv"),
        ("SELECT nope FROM extract", "a.csv"),
        (f"SELECT * FROM extract, range({MOST + 1})", "a.csv"),
    ):
        with pytest.raises(QueryUnusable):
            answers.extract(query(sql, side="extract", file=file))


def test_groups_are_told_apart() -> None:
    script = Script([{}], [{}])
    script.legacy = lambda queries: (1, [Answer(("g", "n"), [("a", 1), ("a", 2)])])  # type: ignore[method-assign]
    result = asked(COMPARE, script)
    assert result.incomplete is not None and "it answers a twice" in result.incomplete.message
    script = Script([{"a": 1}], [{}])
    script.view = lambda query: Answer(("g", "m"), [("a", 1)])  # type: ignore[method-assign]
    result = asked(COMPARE, script)
    assert result.incomplete is not None and "it answers the columns g, m" in result.incomplete.message


def test_values_are_made_alike() -> None:
    noon = datetime(2026, 11, 20, 12, 0, 0, 500_000, tzinfo=UTC)
    assert [alike(value) for value in (True, 0.1, date(2026, 1, 2), noon, noon.replace(microsecond=0), b"\xff")] == [
        Decimal(1),
        Decimal("0.1"),
        "2026-01-02",
        "2026-11-20 12:00:00.5",
        "2026-11-20 12:00:00",
        "ff",
    ]


def test_errors_of_a_check_are_of_the_reconciler() -> None:
    assert issubclass(QueryUnusable, ReconcileError)
    assert CheckSpec(check="c", mapping="m", view="v", limit=0, owner="o").statement is None
