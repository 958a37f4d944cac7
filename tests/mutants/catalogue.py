"""Defects that somebody could make, each as a change of one place in the code; the suite has to notice every one."""

from __future__ import annotations

from tests.mutants.mutant import Mutant
from tests.mutants.of_checks import CHECKS
from tests.mutants.of_watches import WATCHES

FOLD, CRASH, PARKING = "tests/pipeline/test_fold.py", "tests/pipeline/test_crash.py", "tests/pipeline/test_parking.py"
SCHEDULES = "tests/model/test_schedules.py::test_schedules[0]"
KAFKA = "tests/pipeline/log/kafka/test_kafka_transactions.py"
PROOFS, REREADS = "tests/pipeline/test_proofs.py", "tests/pipeline/test_rereads.py"
EXPRESSIONS = "tests/translators/expression"
BLOCKS = "tests/reconcile/test_blocks.py"
EDITS = f"{BLOCKS}::test_exactly_the_edits_are_found_whole_or_in_ranges"
VALUES, DUCKDB = f"{EXPRESSIONS}/test_values.py", f"{EXPRESSIONS}/test_duckdb.py"

MUTANTS = (
    Mutant(
        "commit before acknowledge",
        "pipeline/publish.py",
        "    if said:\n        job.log.append(said)\n",
        "    for one in writes:\n"
        "        if one.offset is not None:\n"
        "            job.log.commit(job.group, {(job.feed.topic, one.out.partition): one.offset})\n"
        "    if said:\n        job.log.append(said)\n",
        (SCHEDULES, f"{CRASH}::test_killed_at_a_named_point_and_run_again[publish.after-events-2]"),
    ),
    Mutant(
        "state before publish",
        "pipeline/publish.py",
        "    if said:\n        job.log.append(said)\n",
        "    for one in writes:\n"
        "        job.store.save(one.batch.save)\n"
        "        one.batch.save = type(one.batch.save)(partition=one.batch.save.partition)\n"
        "    if said:\n        job.log.append(said)\n",
        (SCHEDULES, f"{CRASH}::test_killed_at_a_named_point_and_run_again[publish.after-events-2]"),
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
        (SCHEDULES,),
    ),
    Mutant(
        "the second pass replaces the first",
        "pipeline/grouping.py",
        "        if identity in self._found:\n            return False\n",
        "        if identity in self._found:\n            self._found = {identity: placed}\n            return False\n",
        (SCHEDULES,),
    ),
    Mutant(
        "the watermark is asked before the ends",
        "pipeline/worker.py",
        "        beside = log.ends([CONTROL, *marks.places()])\n        if",
        "        highs = log.ends([partition.place for partition in self._partitions.values()])\n"
        "        beside = log.ends([CONTROL, *marks.places()])\n"
        "        found = {**beside, **highs}\n"
        "        log = type('Early', (), {'ends': lambda self, _: found})()\n"
        "        if",
        ("tests/pipeline/test_side_by_side.py::test_a_watermark_that_was_asked_before_the_end_proves_nothing",),
    ),
    Mutant(
        "order of arrival instead of order of position",
        "translators/aggregate.py",
        "        news.sort(key=_order)\n",
        "        pass\n",
        (SCHEDULES,),
    ),
    Mutant(
        "offsets pass an open step",
        "pipeline/partition.py",
        "        offset = self.position if first_open is None else first_open\n",
        "        offset = self.position\n",
        (SCHEDULES,),
    ),
    Mutant(
        "no tombstone",
        "pipeline/batch.py",
        "        if not translation.changed:\n",
        "        if not translation.changed or translation.state is None:\n",
        (SCHEDULES,),
    ),
    Mutant(
        "repeats are read again",
        "translators/aggregate.py",
        "if c.position > positions.get(c.table, {}).get(c.row_key, UNREAD)]",
        "if c.position >= 0]",
        (f"{FOLD}::test_reading_again_publishes_nothing_and_counts_repeats",),
    ),
    Mutant(
        "a snapshot is news",
        "pipeline/batch.py",
        "                loading=True,\n",
        "                loading=False,\n",
        (SCHEDULES,),
    ),
    Mutant(
        "a release forgets what waits behind",
        "pipeline/parking.py",
        "    for index, step in enumerate(waiting):\n",
        "    for index, step in enumerate(waiting[:1]):\n",
        (f"{PARKING}::test_released_under_a_fixed_mapping_it_is_as_if_nothing_had_happened",),
    ),
    Mutant(
        "no version guard",
        "pipeline/projection/fold.py",
        "        if slot.version is not None and event.sequence <= slot.version:\n",
        "        if False:\n",
        ("tests/pipeline/projection/test_versions.py",),
    ),
    Mutant(
        "stable end instead of high watermark",
        "pipeline/log/kafka/fetch.py",
        "        return OffsetRequest(-1, _READ_UNCOMMITTED,",
        "        return OffsetRequest(-1, _READ_COMMITTED,",
        (f"{KAFKA}::test_the_end_is_the_high_watermark_and_what_is_open_is_neither_shown_nor_passed",),
        "Kafka's jars, or Maven and a Maven Central to fetch them from",
    ),
    Mutant(
        "the connector's offset reached a transaction, not passed it",
        "pipeline/grouping.py",
        "            if passed > after if after is not None",
        "            if passed >= after if after is not None",
        (f"{PROOFS}::test_the_offset_has_to_pass_the_last_commit_before_not_only_reach_it",),
    ),
    Mutant(
        "an END closes without exactly-once",
        "pipeline/marks.py",
        "        return frozenset(ended) if self._job.feed.exactly_once else frozenset()\n",
        "        return frozenset(ended)\n",
        (f"{PROOFS}::test_an_end_that_is_readable_before_the_last_rows_closes_nothing_without_exactly_once",),
    ),
    Mutant(
        "a snapshot row does not wait for what was open before it",
        "pipeline/grouping.py",
        "            if first.until is None and first.behind & self._open.keys():\n",
        "            if False:\n",
        (f"{REREADS}::test_a_row_waits_for_the_transactions_that_were_open_before_it",),
    ),
    Mutant(
        "a snapshot is published before that is pinned",
        "pipeline/partition.py",
        "        batch.save.pins.append(Pin(command=REREAD, partition=self.partition, at=self.position))\n",
        "        batch.save.pins.append(Pin(command=REREAD, partition=self.partition, at=self.position, result='no'))\n",
        (f"{REREADS}::test_killed_while_it_is_published_it_goes_on_before_anything_else",),
    ),
    Mutant(
        "positions of another epoch count",
        "pipeline/batch.py",
        "        return stored if stored.epoch == epoch else",
        "        return stored if stored.epoch else",
        ("tests/pipeline/test_epochs.py::test_positions_of_the_epoch_before_make_no_repeats",),
    ),
    Mutant(
        "without rows a version is the position in the source's log",
        "pipeline/stateless.py",
        "        facts = facts_of(key, version_at(change.at.offset), changes,",
        "        facts = facts_of(key, abs(change.position), changes,",
        ("tests/pipeline/test_stateless.py::test_a_row_written_before_a_snapshot_and_committed_after_it_is_newer",),
    ),
    Mutant(
        "a renumbered thing is a deletion and a creation",
        "pipeline/step.py",
        "            if waiting.renumbers:\n",
        "            if False:\n",
        ("tests/pipeline/test_moves.py::test_a_renumbered_root_is_one_thing_with_another_number",),
    ),
    Mutant(
        "a negation is dropped",
        "translators/expression/parse.py",
        '        negated = operator == "NOT"\n',
        '        negated = operator == "NEVER"\n        operator = self.next().text if operator == "NOT" else operator\n',
        (f"{EXPRESSIONS}/test_parse.py",),
    ),
    Mutant(
        "the ambient decimal context",
        "translators/expression/number.py",
        '"*": CTX.multiply}',
        '"*": lambda a, b: Decimal(a) * b}',
        (f"{VALUES}::test_the_ambient_decimal_context_has_no_say",),
    ),
    Mutant(
        "half to even",
        "translators/expression/runtime.py",
        "CTX = Context(prec=100, rounding=ROUND_HALF_UP)",
        'CTX = Context(prec=100, rounding="ROUND_HALF_EVEN")',
        (f"{EXPRESSIONS}/test_catalogue.py",),
    ),
    Mutant(
        "str.upper",
        "translators/expression/runtime.py",
        "    return text.upper() if text.isascii() else text.translate(_UPPER)\n",
        "    return text.upper()\n",
        (VALUES,),
    ),
    Mutant(
        "strptime without its guard",
        "translators/expression/duckdb.py",
        "regexp_extract({args[0]}, '^{pattern}$')",
        "{args[0]}",
        (DUCKDB,),
    ),
    Mutant(
        "DuckDB's bare trim",
        "translators/expression/duckdb.py",
        '    return f"{call.name.lower()}({args[0]}, {d.quoted(call.data)})"\n',
        "    letter = '' if call.data == ' ' else f', {d.quoted(call.data)}'\n"
        '    return f"{call.name.lower()}({args[0]}{letter})"\n',
        (DUCKDB,),
    ),
    Mutant(
        "DuckDB moves constants over a comparison",
        "translators/expression/duckdb.py",
        """ "SET disabled_optimizers = 'expression_rewriter'")""",
        ")",
        (f"{EXPRESSIONS}/test_sql.py::test_a_comparison_raises_where_its_sum_does",),
    ),
    Mutant(
        "conditions are left to the engine's order",
        "translators/expression/dialect.py",
        "    if len(args) == 1 or not any(can_raise(part) for part in call.args):\n",
        "    if True:\n",
        (
            f"{EXPRESSIONS}/test_sql.py::test_a_condition_that_the_stream_cannot_compute_is_not_decided_by_its_other_side",
        ),
        "PostgreSQL",
    ),
    Mutant(
        "no collation",
        "translators/expression/postgres.py",
        """        return f'({text} COLLATE "C")' if kind.kind == "text" else text\n""",
        "        return text\n",
        (f"{EXPRESSIONS}/test_sql.py::test_text_is_compared_by_code_point_whatever_the_collation_of_the_database",),
        "PostgreSQL",
    ),
    Mutant(
        "a pattern may repeat what repeats",
        "translators/expression/pattern.py",
        "        if part.repeats or (most is None and part.chooses):\n",
        "        if most is None and part.chooses:\n",
        (f"{EXPRESSIONS}/test_pattern.py::test_what_engines_differ_on_or_could_choke_on_is_refused_with_advice",),
    ),
    Mutant(
        "an old row that the connector made up is read",
        "connectors/debezium/decode.py",
        "    return reader.row(old)[0] if plan.full else plan.only(reader.plain(old), names)\n",
        "    return reader.row(old)[0]\n",
        (
            "tests/connectors/debezium/test_traps.py::"
            "test_the_old_row_of_a_default_identity_is_its_key_and_nothing_made_up",
        ),
    ),
    Mutant(
        "what stands before a bad record is held up with it",
        "pipeline/partition.py",
        "            self._stop_before(stopped.at, batch)\n",
        "",
        ("tests/pipeline/test_stops.py::test_what_stands_before_a_bad_record_is_settled_and_committed",),
    ),
    Mutant(
        "a needed column that is gone is read as if it had never been",
        "connectors/debezium/rows.py",
        "        if column not in found and (needed is None or column in needed or column in table.key):\n",
        "        if column not in found and column in table.key:\n",
        ("tests/pipeline/test_schema_changes.py::test_a_needed_column_that_goes_stops_before_a_null_is_published",),
    ),
    Mutant(
        "nobody is told why a field is absent",
        "pipeline/cloudevents.py",
        "        headers += _absent(state)\n",
        "",
        ("tests/pipeline/test_unavailable.py",),
    ),
    Mutant(
        "a value that was not sent replaces the one that is kept",
        "translators/aggregate.py",
        "            table[change.row_key] = _repaired(change, table.get(change.row_key))\n",
        "            table[change.row_key] = change.after\n",
        ("tests/pipeline/test_unavailable.py",),
    ),
    Mutant(
        "the comparer skips a block that differs",
        "reconcile/blocks.py",
        "run = _same(ours, left.at, theirs, right.at)",
        "run = min(len(ours) - left.at, len(theirs) - right.at)",
        (EDITS,),
    ),
    Mutant(
        "a range of keys is closed at both ends",
        "reconcile/streams.py",
        "order[number] > bound[number])",
        "order[number] >= bound[number])",
        (EDITS,),
    ),
    Mutant(
        "the comparer takes NULL for an empty text",
        "reconcile/canonical.py",
        "[_NULL if text is None else",
        "['' if text is None else",
        (EDITS,),
    ),
    Mutant(
        "a side that cannot be read is at its end",
        "reconcile/streams.py",
        """            raise SideUnreadable(side=self.side, reason=getattr(error, "orig", None) or error) from error\n""",
        "            return\n",
        (f"{BLOCKS}::test_what_cannot_be_compared_is_an_error",),
    ),
    Mutant(
        "lines that are looked at together are the same",
        "reconcile/blocks.py",
        "                break\n            count += step",
        "                pass\n            count += step",
        (EDITS,),
    ),
    Mutant(
        "a key may come twice",
        "reconcile/blocks.py",
        "not self._last < key:",
        "not self._last <= key:",
        (f"{BLOCKS}::test_what_cannot_be_compared_is_an_error",),
    ),
    *CHECKS,
    *WATCHES,
)
