"""What bites whoever reads these feeds, listed, each with the tests that show it on a captured record, or why none can.

`TRAPS` are the twenty that bite first, `STACK` what was seen on a real distributed stack while connectors were killed.
"""

from __future__ import annotations

import importlib
from collections import defaultdict
from itertools import pairwise

import pytest

from connectors.debezium.records import TransactionMark
from tests.connectors.debezium.captures import orders
from tests.connectors.debezium.test_orders import whole
from translators.change import Change

MANAGER = "a matter of deploying or managing the connector: no record shows it"
Shown = tuple[str, ...]

TRAPS: dict[int, tuple[str, Shown | str]] = {
    1: (
        "PostgreSQL's transaction.id differs on BEGIN, every row and END",
        ("test_traps.test_begin_rows_and_end_of_one_transaction_carry_different_ids_and_are_one",),
    ),
    2: (
        "the old row of a default replica identity is made up but for its key",
        (
            "test_traps.test_the_old_row_of_a_default_identity_is_its_key_and_nothing_made_up",
            "test_traps.test_without_a_declared_identity_the_old_row_is_not_trusted_either",
        ),
    ),
    3: (
        "the key of a delete under an index identity is made up",
        # No table of the captures has such an identity: a captured delete is read as if it had.
        ("test_traps.test_the_key_of_a_delete_under_an_index_identity_is_refused",),
    ),
    4: ("a publication of all tables refuses the application's writes", MANAGER),
    5: (
        "a null is sent as the column's default",
        (
            "test_golden.test_defaults_that_the_converter_put_in_place_of_null_are_read_as_sent",
            "test_golden.test_declared_columns_of_a_default_identity",
            "test_avro.test_the_same_rows_in_avro_and_in_json_are_the_same_values",
        ),
    ),
    6: ("source.snapshot is null", ("test_traps.test_a_snapshot_mark_of_null_means_streaming",)),
    7: (
        "many rows share one LSN",
        (
            "test_traps.test_rows_of_one_copy_share_a_position_and_are_told_apart_by_their_keys",
            "test_traps.test_a_change_of_the_key_is_a_delete_a_tombstone_and_an_insert",
            "test_golden.test_truncates",
        ),
    ),
    8: ("LSNs do not rise with arrival", ("test_traps.test_positions_do_not_rise_with_arrival",)),
    9: (
        "truncates have no key and no rows, messages not even fields for them",
        ("test_traps.test_a_truncate_has_no_key_and_no_rows", "test_traps.test_a_log_message_has_no_rows_at_all"),
    ),
    10: ("a tombstone without a key", ("test_traps.test_a_tombstone_may_have_no_key",)),
    11: (
        "values that were not sent, in disguise or as null",
        (
            "test_traps.test_every_disguise_of_a_value_that_was_not_sent",
            "test_traps.test_a_null_array_beside_a_new_key_may_be_a_value_that_was_not_sent",
            "test_traps.test_the_disguise_of_uuids_is_that_of_java",
        ),
    ),
    12: (
        "an unsigned bigint arrives below zero",
        (
            "test_mariadb.test_every_type_as_a_snapshot_reads_it",
            "test_mariadb.test_every_type_as_the_binlog_tells_it",
            "test_mariadb.test_unsigned_numbers_in_both_modes",
        ),
    ),
    13: (
        "BOOL, JSON and commas in enums differ by the way in",
        (
            # The captured table was read by a snapshot only: its record is rewritten as DDL would have had it.
            "test_mariadb.test_truth_values_and_json_differ_by_the_way_in_and_are_the_same",
            "test_mariadb.test_the_comma_of_an_enum_is_one_value_on_both_ways_in",
            "test_mariadb.test_every_type_as_the_binlog_tells_it",
        ),
    ),
    14: (
        "Avro libraries round decimals and refuse scales over the precision",
        (
            "test_avro.test_the_same_rows_in_avro_and_in_json_are_the_same_values",
            "test_avro.test_decimals_are_exact_where_libraries_round_or_give_up",
        ),
    ),
    15: ("NaN is lost by precise decimals", ("test_traps.test_nan_is_lost_by_precise_decimals_and_kept_as_text",)),
    16: (
        "BEGIN without END, END of nothing",
        (
            "test_mariadb.test_a_begin_without_an_end_is_that_of_a_statement_that_changes_tables",
            "test_golden.test_every_mark_says_what_it_says",
        ),
    ),
    17: ("RUNNING is not health", MANAGER),
    18: ("Connect returns secrets", MANAGER),
    19: ("Connect validates no offsets", MANAGER),
    20: (
        "rows of one LSN lost after a restart",
        "what was lost has no record; it did not reproduce in 36,500 rows either",
    ),
}

STACK: dict[int, tuple[str, Shown | str]] = {
    1: (
        "repeats differ in total_order and sequence, and passes overlap",
        # The captures were not killed: a captured record is repeated as a killed connector repeats it.
        ("test_traps.test_the_same_record_twice_has_the_same_identity_whatever_the_restart_changed",),
    ),
    2: (
        "END counts lie after a kill",
        "no captured feed was killed; where none was, test_orders shows that they are right",
    ),
    3: ("ByLogicalTableRouter replaces the first find", MANAGER),
    4: (
        "BEGIN and END lie on different partitions",
        ("test_reference.test_begin_and_end_lie_on_different_partitions",),
    ),
    5: (
        "an incremental snapshot that failed still says COMPLETED",
        "not captured; notifications keep each table's status",
    ),
    6: ("ADD COLUMN with a default has no event for old rows", ("test_traps.test_columns_come_and_go",)),
    7: (
        "a changed key with values that were not sent",
        (
            "test_traps.test_a_change_of_the_key_is_a_delete_a_tombstone_and_an_insert",
            "test_header_keys.test_the_key_of_a_moved_row_in_each_encoding_of_headers",
        ),
    ),
    8: ("tombstones of a routed feed lie elsewhere", ("test_reference.test_tombstones_lie_on_other_partitions",)),
    9: (
        "transaction ids are not in commit order, but within a partition rows are",
        # The recorded feed had one writer, so that its ids happen to rise as well.
        ("test_reference.test_within_a_partition_rows_are_in_the_order_of_commits",),
    ),
    10: ("exactly-once feeds have gaps in their offsets", ("test_reference.test_offsets_have_gaps",)),
    11: ("a deleted connector keeps its offsets", MANAGER),
    12: ("loss inside a group of one LSN", "it did not reproduce"),
    13: (
        "MariaDB: zero dates, BEGIN without END",
        (
            # A zero date in a NOT NULL column arrives as 1970-01-01, which nothing tells from that day.
            "test_mariadb.test_zero_dates_and_the_ends_of_time",
            "test_mariadb.test_a_begin_without_an_end_is_that_of_a_statement_that_changes_tables",
        ),
    ),
}


def test_every_number_is_there() -> None:
    assert list(TRAPS) == list(range(1, 21)) and list(STACK) == list(range(1, 14))


NAMED = [name for table in (TRAPS, STACK) for _, shown in table.values() if isinstance(shown, tuple) for name in shown]


@pytest.mark.parametrize("name", NAMED)
def test_every_named_test_exists(name: str) -> None:
    module, _, test = name.partition(".")
    assert callable(getattr(importlib.import_module(f"tests.connectors.debezium.{module}"), test))


def test_begin_and_end_lie_on_different_partitions() -> None:
    places: dict[str, list[int]] = defaultdict(list)
    for one in whole():
        if isinstance(one, TransactionMark):
            places[one.transaction].append(one.at.partition)
    apart = sum(begin != end for begin, end in places.values())
    assert len(places) - apart < apart < len(places)


def test_tombstones_lie_on_other_partitions() -> None:
    places = {(one.topic, one.key): one.partition for one in orders() if one.value is not None}
    tombstones = [one for one in orders() if one.value is None]
    elsewhere = [one for one in tombstones if places.get((one.topic, one.key)) != one.partition]
    assert (len(tombstones), len(elsewhere) > 200) == (511, True)


def test_within_a_partition_rows_are_in_the_order_of_commits() -> None:
    by_partition: dict[tuple[str, int], list[Change]] = defaultdict(list)
    for one in whole():
        if isinstance(one, Change) and one.transaction is not None:
            by_partition[one.at.topic, one.at.partition].append(one)
    for changes in by_partition.values():
        commits = [one.committed_after or 0 for one in changes]
        assert len(set(commits)) > 100 and commits == sorted(commits)


def test_offsets_have_gaps() -> None:
    offsets: dict[tuple[str, int], list[int]] = defaultdict(list)
    for one in orders():
        offsets[one.topic, one.partition].append(one.offset)
    gaps = sum(later - earlier > 1 for found in offsets.values() for earlier, later in pairwise(found))
    assert gaps > 100
