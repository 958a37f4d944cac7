"""Defects of a watch, of what it promises, and of what it says to a cutover."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

COVERAGE = "tests/reconcile/watch/test_coverage.py"
AUDIT = "tests/reconcile/watch/test_audit.py"
BUCKET = "tests/reconcile/watch/test_bucket.py"
WATCHER = "tests/reconcile/watch/test_watcher.py"
GATES = "tests/reconcile/test_gates.py"

WATCHES = (
    Mutant(
        "a watch forgets the last span of a side",
        "reconcile/watch/coverage.py",
        "        yield Span(side=side, after=after)\n",
        "",
        (COVERAGE,),
    ),
    Mutant(
        "a key counts as seen from when the look at its span ended",
        "reconcile/watch/coverage.py",
        "            if going.places:\n                return",
        "            going.begun = now\n            if going.places:\n                return",
        (f"{COVERAGE}::test_a_span_is_as_old_as_the_first_key_of_the_look_at_it",),
    ),
    Mutant(
        "a key of which nothing could be said counts as seen",
        "reconcile/watch/coverage.py",
        "        going.left |= {place.key for place in going.places} - known\n",
        "",
        (f"{COVERAGE}::test_a_key_that_never_holds_still_keeps_its_span_unseen_and_is_named",),
    ),
    Mutant(
        "spans are drawn alike, however many keys they have",
        "reconcile/watch/spans.py",
        "if dice.random() * self._most < span.keys:",
        "if span.keys:",
        (f"{AUDIT}::test_each_row_is_drawn_as_often_as_any_other",),
    ),
    Mutant(
        "a reading costs one token, however many keys it has",
        "reconcile/watch/bucket.py",
        "            self._tokens -= part\n",
        "            self._tokens -= 1\n",
        (f"{BUCKET}::test_what_is_asked_for_is_had_as_soon_as_the_rate_allows",),
    ),
    Mutant(
        "what is not used of a rate is kept for ever",
        "reconcile/watch/bucket.py",
        "min(float(self.burst), self._tokens + passed * self.rate * self.share)",
        "self._tokens + passed * self.rate * self.share",
        (f"{BUCKET}::test_over_any_time_no_more_than_the_rate_and_one_burst",),
    ),
    Mutant(
        "a database that was slow once stays so",
        "reconcile/watch/bucket.py",
        "min(1.0, self.share + _RISE)",
        "self.share",
        (f"{BUCKET}::test_a_slow_database_is_asked_for_less_and_a_quick_one_for_more_again",),
    ),
    Mutant(
        "a changed key that could not be judged is dropped",
        "reconcile/watch/watcher.py",
        "        self._late = (self._late | changed.keys) & left\n",
        "        self._late = set()\n",
        (f"{WATCHER}::test_a_pipeline_that_stands_is_told_and_proves_nothing",),
    ),
    Mutant(
        "a look that broke has judged its keys",
        "reconcile/run.py",
        "if self._ended else self._keys)",
        "if self._ended else ())",
        (f"{WATCHER}::test_a_side_that_cannot_be_read_is_told_and_closes_nothing",),
    ),
    Mutant(
        "any run lets a cutover go ahead",
        "reconcile/ledger/gates.py",
        "if run.gate or check.statement is not None",
        "if run.state",
        (GATES,),
    ),
)
