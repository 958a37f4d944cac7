"""Defects that somebody could make, each as a change of one place in the code; the suite has to notice every one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """Replace `old`, which stands once in `file`, by `new`; at least one of `tests` must then fail."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


FOLD, CRASH, PARKING = "tests/pipeline/test_fold.py", "tests/pipeline/test_crash.py", "tests/pipeline/test_parking.py"

MUTANTS = (
    Mutant(
        "commit before acknowledge",
        "pipeline/publish.py",
        "    if batch.events or batch.dead_letters:\n",
        "    if offset is not None:\n        log.commit(group, dict([offset]))\n    if batch.events or batch.dead_letters:\n",
        (f"{CRASH}::test_killed_at_a_named_point_and_run_again[publish.after-events-2]",),
    ),
    Mutant(
        "state before publish",
        "pipeline/publish.py",
        "    if batch.events or batch.dead_letters:\n",
        "    store.save(batch.save)\n    batch.save = type(batch.save)(partition=batch.save.partition)\n"
        "    if batch.events or batch.dead_letters:\n",
        (f"{CRASH}::test_killed_at_a_named_point_and_run_again[publish.after-events-2]",),
    ),
    Mutant(
        "random id",
        "pipeline/cloudevents.py",
        '    return blake2b("\\x1f".join(made_of).encode(), digest_size=16).hexdigest()\n',
        "    return __import__('uuid').uuid4().hex\n",
        (f"{FOLD}::test_another_life_gives_the_same_ids_and_bytes",),
    ),
    Mutant(
        "now in the record",
        "pipeline/cloudevents.py",
        'headers.append(("ce_time", rfc3339(facts.time).encode()))',
        'headers.append(("ce_time", rfc3339(datetime.now(UTC)).encode()))',
        (f"{FOLD}::test_another_life_gives_the_same_ids_and_bytes",),
    ),
    Mutant(
        "swallowed exception",
        "pipeline/batch.py",
        "            return self._reject(facts, stored, news, refused.problem)\n",
        '            return Ignored("failed")\n',
        (f"{FOLD}::test_every_step_comes_out_whole_and_once",),
    ),
    Mutant(
        "the second pass replaces the first",
        "pipeline/grouping.py",
        "        if identity in transaction.changes:\n            return False\n",
        "        if identity in transaction.changes:\n"
        "            transaction.changes = {identity: (key, change)}\n            return False\n",
        (f"{FOLD}::test_overlapping_passes_of_a_killed_connector_are_one_transaction",),
    ),
    Mutant(
        "the watermark is asked before the ends",
        "pipeline/worker.py",
        "        ended = self._read_ends(marks)\n",
        "        end = self._log.end\n        highs = {p: end(self._feed.topic, p) for p in self._positions}\n"
        "        ended = self._read_ends(marks)\n"
        "        self._log.end = lambda t, p: highs[p] if t == self._feed.topic else end(t, p)\n"
        "        try:\n            return self._turn_mutated(marks, ended)\n        finally:\n"
        "            self._log.end = end\n\n    def _turn_mutated(self, marks, ended):\n",
        (f"{FOLD}::test_records_that_arrive_within_a_turn_are_not_taken_for_earlier_ones",),
    ),
    Mutant(
        "order of arrival instead of order of position",
        "translators/aggregate.py",
        "        news.sort(key=_order)\n",
        "        pass\n",
        (f"{FOLD}::test_overlapping_passes_of_a_killed_connector_are_one_transaction",),
    ),
    Mutant(
        "offsets pass an open step",
        "pipeline/worker.py",
        "        offset = self._positions[partition] if grouping.first_offset is None else grouping.first_offset\n",
        "        offset = self._positions[partition]\n",
        (f"{FOLD}::test_arrival_in_slices_and_between_turns_changes_nothing",),
    ),
    Mutant(
        "no tombstone",
        "pipeline/batch.py",
        "            if translation.changed:\n",
        "            if translation.changed and translation.state is not None:\n",
        (f"{FOLD}::test_every_step_comes_out_whole_and_once",),
    ),
    Mutant(
        "repeats are read again",
        "translators/aggregate.py",
        "if c.position > positions.get(c.table, {}).get(c.row_key, -1)]",
        "if c.position >= 0]",
        (f"{FOLD}::test_reading_again_publishes_nothing_and_counts_repeats",),
    ),
    Mutant(
        "a snapshot is news",
        "pipeline/batch.py",
        "                loading=True,\n",
        "                loading=False,\n",
        (f"{FOLD}::test_a_snapshot_is_no_news_and_what_follows_is",),
    ),
    Mutant(
        "a release forgets what waits behind",
        "pipeline/parking.py",
        "    for index, step in enumerate(waiting):\n",
        "    for index, step in enumerate(waiting[:1]):\n",
        (f"{PARKING}::test_released_under_a_fixed_mapping_it_is_as_if_nothing_had_happened",),
    ),
)
