"""Translation alone: the insurer's policy mapping, generated, against the same written by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bench import by_hand
from bench.corpus import insurer, live
from bench.measure import ratio
from dragoman.wiring import works
from translators.aggregate import Rows
from translators.compiled import CompiledTranslator
from translators.facts import UNKNOWN, Facts
from translators.translator import translate

TRANSACTIONS = 4_000


@dataclass
class Result:
    """Microseconds of processor time a step, and ours as a multiple of the other; the same of a state alone."""

    steps: int
    ours: float
    by_hand: float
    times: float
    state_fields: int
    state_ours: float
    state_by_hand: float
    state_times: float

    def said(self) -> str:
        """One line of the report."""
        return (
            f"translation alone  {self.ours:>10.2f} us a step, {self.times:.2f} x the same written by hand "
            f"({self.by_hand:.2f} us; {self.steps:,} steps)\n"
            f"a state alone      {self.state_ours:>10.2f} us, {self.state_times:.2f} x the same written by hand "
            f"({self.state_by_hand:.2f} us; {self.state_fields} fields)"
        )


@dataclass
class _Listening:
    """Notes the rows that a translator is asked about: the real steps of a run."""

    inner: CompiledTranslator
    steps: list[tuple[Rows, Rows]] = field(default_factory=list)

    def events(self, old: Any, new: Any, old_rows: Rows, new_rows: Rows, facts: Facts = UNKNOWN) -> Any:
        self.steps.append((old_rows, new_rows))
        return CompiledTranslator.events(self.inner, old, new, old_rows, new_rows, facts)


def real_steps() -> tuple[CompiledTranslator, list[tuple[Rows, Rows]]]:
    """The policy translator and the rows before and after each of its steps in a run of the example."""
    with insurer(TRANSACTIONS) as (project, connection):
        listening = _Listening(project.translator("policy"))
        with works(project) as running:
            (worker,) = [one for one in running.workers if one.translator.name == "policy"]
            worker.translator.events = listening.events  # type: ignore[method-assign]
            running.engine.run()
            live(connection, TRANSACTIONS)
            running.engine.run()
    return listening.inner, listening.steps


def written_by_hand(old_rows: Rows, new_rows: Rows) -> Any:
    """The same as `translate`, by hand."""
    old, new = by_hand.state(old_rows), by_hand.state(new_rows)
    found, ignored = by_hand.events(old, new, new_rows)
    return new, old != new, found, ignored


def run() -> Result:
    """Check that both give the same, then time them."""
    translator, steps = real_steps()
    for old_rows, new_rows in steps:
        translation = translate(translator, old_rows, new_rows)
        state, changed, found, _ = written_by_hand(old_rows, new_rows)
        same = (translation.state, translation.changed, list(translation.events)) == (state, changed, found)
        if not same:
            raise AssertionError(f"not the same: {translation} {state} {found}")
    ours, other, times = ratio(
        lambda: [translate(translator, old, new) for old, new in steps],
        lambda: [written_by_hand(old, new) for old, new in steps],
    )
    alone = ratio(
        lambda: [translator.state(new) for _, new in steps],
        lambda: [by_hand.state(new) for _, new in steps],
    )
    each = 1e6 / len(steps)
    return Result(
        steps=len(steps),
        ours=ours * each,
        by_hand=other * each,
        times=times,
        state_fields=len(translator.bound.fields),
        state_ours=alone[0] * each,
        state_by_hand=alone[1] * each,
        state_times=alone[2],
    )
