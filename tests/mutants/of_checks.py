"""Defects of a check while both sides move."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

MOVING = "tests/reconcile/test_moving.py"
ORACLE = "tests/reconcile/oracle/test_oracle.py"
FOUND = "test_what_was_seeded_is_found_and_nothing_else"

DRIFT = "tests/reconcile/test_drift.py"
PLANS = "tests/reconcile/test_plans.py"
SUMS = "tests/reconcile/test_sum_plan.py"
SWAPPED = "values of two rows swapped, in one chunk each"

CHECKS = (
    Mutant(
        "a check skips a block that differs",
        "reconcile/blocks.py",
        "run = _same(ours, left.at, theirs, right.at)",
        "run = min(len(ours) - left.at, len(theirs) - right.at)",
        (DRIFT,),
    ),
    Mutant(
        "lines that differ are the same values",
        "reconcile/compare.py",
        "        differ = set(sides.differing(both)) if both else set()\n",
        "        differ = set[str]()\n",
        (DRIFT,),
    ),
    Mutant(
        "a window ends before the parts of its last thing",
        "reconcile/legacy_lines.py",
        "                count = bisect_right(self._lines, key, key=self._key)\n",
        "                count = bisect_right(self._lines, key, key=self._key) - 1\n",
        (f"{PLANS}::test_nothing_differs_and_nothing_is_read_again",),
    ),
    Mutant(
        "pairs of rows cancel in a chunk",
        "reconcile/chunk_sums.py",
        "func.sum(hashed)",
        "func.bit_xor(hashed)",
        (f"{SUMS}::test_pairs_do_not_cancel",),
    ),
    Mutant(
        "columns of two rows cancel in a chunk",
        "reconcile/chunk_sums.py",
        'func.hashint8extended(func.hash_record_extended(row, literal_column("0")), literal_column("0"))',
        'func.hash_record_extended(row, literal_column("0"))',
        (f"{SUMS}::test_what_is_seeded_is_found_as_by_values[texts-{SWAPPED}]",),
    ),
    Mutant(
        "the count of a chunk is ignored",
        "reconcile/chunk_sums.py",
        "ours.get(one) != theirs.get(one)",
        "ours.get(one, ())[1:] != theirs.get(one, ())[1:]",
        (f"{SUMS}::test_a_chunk_has_its_count_and_its_sum",),
    ),
    Mutant(
        "a check takes NULL for anything",
        "reconcile/content.py",
        "        return left is right\n    if type(left)",
        "        return True\n    if type(left)",
        (f"{ORACLE}::test_each_corruption_is_one[edited_to_null]",),
    ),
    Mutant(
        "a check that broke is clean",
        "reconcile/run.py",
        "        work.stopped(told(error))\n",
        "        pass\n",
        ("tests/reconcile/test_incomplete.py",),
    ),
    Mutant(
        "the fence waits for nothing",
        "reconcile/fence.py",
        "            while (missing := waiting()) is not None:\n",
        "            while (missing := None if waiting() else None) is not None:\n",
        (f"{MOVING}::test_what_is_committed_and_not_to_be_read_yet_is_waited_for", f"{ORACLE}::{FOUND}"),
    ),
    Mutant(
        "a gate does not wait before it compares",
        "reconcile/run.py",
        "            passed = fence.wait_for(legacy.position)\n",
        "            passed = FenceResult(position=legacy.position, hops=())\n",
        (f"{MOVING}::test_a_gate_compares_everything_once_the_view_has_passed_one_position",),
    ),
    Mutant(
        "the fence goes to the stable end",
        "reconcile/fence.py",
        "{(topic, partition): log.end(topic, partition) for",
        "{(topic, partition): log.read(topic, partition, 0, 10**9).next for",
        (f"{MOVING}::test_what_is_committed_and_not_to_be_read_yet_is_waited_for",),
    ),
    Mutant(
        "what moved in between is taken for still",
        "reconcile/confirm.py",
        "key not in touched and before.get(key) == after.get(key)",
        "before.get(key) == after.get(key)",
        (f"{MOVING}::test_back_to_what_it_was_is_still_a_movement",),
    ),
    Mutant(
        "the second look at the source is not compared",
        "reconcile/confirm.py",
        "            if self._compared(key, after, shown) is None:\n",
        "            if False:\n",
        (MOVING,),
    ),
    Mutant(
        "behind a consumer group one look is enough",
        "reconcile/confirm.py",
        "        if apart is None:\n",
        "        if True:\n",
        (MOVING,),
    ),
    Mutant(
        "an offset that expired is behind",
        "reconcile/fence.py",
        "        if offset is None and mark:\n",
        "        if False:\n",
        ("tests/reconcile/test_incomplete.py::test_an_offset_that_is_not_kept_is_unknown_and_no_lag",),
    ),
    Mutant(
        "a check forgets the candidates of the last batch",
        "reconcile/run.py",
        "            batch, waiting = waiting[:BATCH], waiting[BATCH:]\n",
        "            batch, waiting = waiting[:-1][:BATCH], waiting[BATCH:]\n",
        (f"{ORACLE}::test_each_corruption_is_one[row_gone]",),
    ),
)
