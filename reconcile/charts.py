"""The history of a check as small charts: bars with their places worked out, so that the page needs no script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import msgspec

from reconcile.past import History, Past

WIDTH, HEIGHT = 600, 84
"""The drawing's size, in units of its own."""

SMALL = 40
"""The height of the small ones, one for each cause."""

CAUSES = 12
"""Causes that are drawn."""

_SLOT, _BAR, _LEAST = 20, 13, 4
"""A run's share of the width, its bar's width, and the height of the smallest bar that is not nothing."""

_SIGNS = {"clean": "✓", "tolerated": "≈", "drift": "≠", "broken": "!"}
_TONES = {"clean": "good", "tolerated": "warn", "drift": "bad", "broken": "unsure"}


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One run: a bar from `y` downwards and what it stands for. `sign` says without colour how the run came out."""

    x: int
    middle: float
    y: int
    height: int
    tone: str
    sign: str
    title: str


class RunText(msgspec.Struct, frozen=True, kw_only=True):
    """One run as a line of the table beside the chart."""

    run: str
    started: str
    sign: str
    came_out: str
    confirmed: str
    coverage: str
    causes: str


class CauseChart(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of one cause, run by run; `now` is the last run's, `said` all of them in words."""

    name: str
    now: str
    bars: tuple[Bar, ...]
    said: str


class HistoryText(msgspec.Struct, frozen=True, kw_only=True):
    """The history of one check. `most` is what the highest bar stands for."""

    differences: tuple[Bar, ...]
    coverages: tuple[Bar, ...]
    width: int
    most: str
    first: str
    last: str
    said: str
    proven: str
    runs: tuple[RunText, ...]
    by_cause: tuple[CauseChart, ...]


def history_text(history: History) -> HistoryText | None:
    """The history as the page shows it; none before there are two runs to compare."""
    runs = history.runs
    if len(runs) < 2:
        return None
    most = max(run.confirmed for run in runs)
    places = list(enumerate(runs, WIDTH // _SLOT - len(runs)))
    return HistoryText(
        differences=tuple(_bar(at, run, run.confirmed / most if most else 0.0) for at, run in places),
        coverages=tuple(_bar(at, run, run.coverage) for at, run in places),
        width=WIDTH,
        most=f"{most:,}",
        first=_day(runs[0].started),
        last=_day(runs[-1].started),
        said=_said(runs),
        proven=_proven(history),
        runs=tuple(_line(run) for run in reversed(runs)),
        by_cause=tuple(_of_causes(places)),
    )


def _of_causes(places: Sequence[tuple[int, Past]]) -> Iterator[CauseChart]:
    """A chart for each cause, all on one scale, those that the last run has first."""
    last = places[-1][1].causes
    most = max((count for _, run in places for count in run.causes.values()), default=0)
    names = sorted({name for _, run in places for name in run.causes}, key=lambda name: (-last.get(name, 0), name))
    for name in names[:CAUSES]:
        counts = [run.causes.get(name, 0) for _, run in places]
        yield CauseChart(
            name=name,
            now=f"{counts[-1]:,}",
            bars=tuple(_small(at, run, name, most) for at, run in places if run.causes.get(name)),
            said=f"{name}, run by run: {', '.join(f'{count:,}' for count in counts)}.",
        )


def _small(at: int, run: Past, name: str, most: int) -> Bar:
    count = run.causes[name]
    height = max(_LEAST, round(count / most * SMALL))
    x = at * _SLOT + (_SLOT - _BAR) // 2
    title = f"{run.run}: {count:,} {name}"
    return Bar(x=x, middle=x + _BAR / 2, y=SMALL - height, height=height, tone=_TONES[run.state], sign="", title=title)


def _bar(at: int, run: Past, share: float) -> Bar:
    height = max(_LEAST, round(share * HEIGHT)) if share else 0
    x = at * _SLOT + (_SLOT - _BAR) // 2
    return Bar(
        x=x,
        middle=x + _BAR / 2,
        y=HEIGHT - height,
        height=height,
        tone=_TONES[run.state],
        sign=_SIGNS[run.state],
        title=f"{run.run}: {_came_out(run)}, {run.confirmed:,} differ, {percent(run.coverage)} covered",
    )


def _line(run: Past) -> RunText:
    return RunText(
        run=run.run,
        started=_moment(run.started),
        sign=_SIGNS[run.state],
        came_out=_came_out(run),
        confirmed=f"{run.confirmed:,}",
        coverage=percent(run.coverage),
        causes=", ".join(f"{count:,} {name}" for name, count in sorted(run.causes.items())),
    )


def _came_out(run: Past) -> str:
    words = {"clean": "clean and complete", "tolerated": "tolerated", "drift": "drift", "broken": "incomplete"}
    return words[run.state] + (f", {run.accepted:,} accepted" if run.accepted else "")


def _said(runs: Sequence[Past]) -> str:
    """The chart in a sentence, for those who do not see it."""
    counts = {state: sum(run.state == state for run in runs) for state in _SIGNS}
    words = {"clean": "clean and complete", "tolerated": "tolerated", "drift": "with drift", "broken": "incomplete"}
    told = [f"{count:,} {words[state]}" for state, count in counts.items() if count]
    return f"The last {len(runs):,} runs: {', '.join(told)}."


def _proven(history: History) -> str:
    proven = history.proven
    if proven is None:
        return "No run of this check was clean and complete so far."
    if proven.runs == 1:
        return f"The last clean and complete run began {_moment(proven.until)}; the one before it was not."
    hours = proven.gap.total_seconds() / 3600
    gap = f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} h" if hours >= 2 else f"{hours * 60:.0f} min"
    return (
        f"Clean and complete in {proven.runs:,} runs on end, from {_moment(proven.since)} to {_moment(proven.until)}, "
        f"never more than {gap} apart."
    )


def percent(share: float) -> str:
    """A share in per cent, never rounded up to 100."""
    return "100.00 %" if share == 1 else f"{min(int(share * 10_000) / 100, 99.99):.2f} %"


def _day(moment: datetime) -> str:
    utc = moment.astimezone(UTC)
    return f"{utc.day} {utc:%b}"


def _moment(moment: datetime) -> str:
    return f"{_day(moment)} {moment.astimezone(UTC):%H:%M}"
