"""The accounting as people read it: one table per translator, each sum proven on the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dragoman.console import console, count, paragraph, say, say_table
from pipeline.accounting import Accounting, Line, total

_OUTCOMES = ("translated", "loaded", "ignored", "rejected", "parked", "in flight")
_NEVER_HIDDEN = 5
"""The first outcomes are shown even where they are zero: they are the sum in the head of the table."""


def say_accounts(accounts: Sequence[Accounting]) -> None:
    """All tables, then the events by type, then whether everything adds up."""
    lines = [line for one in accounts for line in one.lines]
    shown = _OUTCOMES if any(line.in_flight for line in lines) else _OUTCOMES[:_NEVER_HIDDEN]
    for one in accounts:
        _say_one(one, shown)
    _say_events(accounts)
    _say_sum(accounts, total(lines))


def _say_one(one: Accounting, shown: Sequence[str]) -> None:
    wide = console().width >= 76 + 12 * (len(shown) - _NEVER_HIDDEN)
    equals, plus = ("=", "+") if wide else ("", "")
    head = [one.translator, "changes"]
    for at, name in enumerate(shown):
        head += [plus if at else equals, name]
    rows = [head]
    lines = one.lines if len(one.lines) == 1 else (*one.lines, total(one.lines))
    for line in lines:
        row = [line.table, f"{line.changes:,}"]
        for name in shown:
            row += ["", f"{_number(line, name):,}"]
        rows.append(row)
    if not wide:
        rows = [row[:2] + row[3::2] for row in rows]
    say()
    say_table(rows, "<" + ">" * (len(rows[0]) - 1))
    _say_notes(one)


def _number(line: Line, name: str) -> int:
    match name:
        case "ignored":
            return sum(line.ignored.values())
        case "in flight":
            return line.in_flight
        case _:
            number: int = getattr(line, name)
            return number


def _say_notes(one: Accounting) -> None:
    whole = total(one.lines)
    notes = [f"{reason} {number:,}" for reason, number in sorted(whole.ignored.items(), key=lambda item: -item[1])]
    if notes:
        paragraph(f"ignored: {'; '.join(notes)}", "           ", "  ")
    apart = []
    if whole.repeats:
        apart.append(f"{count(whole.repeats, 'repeat')}, read before and counted then")
    if whole.late:
        apart.append(f"{whole.late:,} late, counted as steps of their own")
    if apart:
        paragraph(f"beside the sum: {'; '.join(apart)}", "           ", "  ")
    for line in one.lines:
        if not line.fits:
            problem = f"{line.table}: {line.changes:,} changes, but {line.outcomes:,} outcomes"
            say(("  ✗ ", "bold red"), (problem, "red"))


def _say_events(accounts: Iterable[Accounting]) -> None:
    rows = [(kind, f"{number:,}") for one in accounts for kind, number in one.events.items()]
    if not rows:
        return
    say()
    say_table([("events", ""), *rows, ("all", f"{sum(n for one in accounts for n in one.events.values()):,}")], "<>")


def _say_sum(accounts: Sequence[Accounting], whole: Line) -> None:
    say()
    if all(one.fits for one in accounts):
        say(("  ✓ ", "bold green"), f"adds up: {count(whole.changes, 'change')}, each with one outcome per translator")
        return
    say(("  ✗ ", "bold red"), ("the sums do not fit", "bold"))
    paragraph(
        "Changes were read that have no outcome, or outcomes exist without a change: something was lost or counted "
        "twice. Keep the log and the state as they are, and report this as a defect."
    )
