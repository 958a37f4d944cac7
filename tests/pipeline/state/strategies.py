"""Random things to keep: every kind of value, whole aggregates, waiting steps, saves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from pipeline.state.port import Pin, Save, Stored, Waiting
from translators.change import Change, Coordinate
from translators.problem import Problem
from translators.values import Opaque, OutOfRange, Row, Unavailable, Value

KEYS = ["", "a", "a/b", "a%2Fb", "b", "nul\0in it", "nul\0in it too", "é", "\uffff", "\U0001f600", "Z" * 300]
"""Keys whose order differs between code points, UTF-16 and most collations."""

ANY_TEXT = st.one_of(st.text(max_size=20), st.text("a\ud83d\ude00", max_size=3))
"""Text as JSON can spell it: lone surrogates are in it."""

NUMBERS = st.one_of(
    st.integers(),
    st.sampled_from([2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**400, -(10**400)]),
)
OFFSETS = st.builds(timezone, st.timedeltas(timedelta(hours=-23), timedelta(hours=23)))
ZONES = st.one_of(st.none(), st.just(UTC), OFFSETS)


def _unfolded(moment: Any) -> Any:
    return moment.replace(fold=0)


VALUES: st.SearchStrategy[Value] = st.one_of(
    st.none(),
    st.booleans(),
    NUMBERS,
    st.floats(),
    st.decimals(),
    ANY_TEXT,
    st.binary(max_size=20),
    st.dates(),
    st.datetimes(timezones=ZONES).map(_unfolded),
    st.times(timezones=ZONES).map(_unfolded),
    st.timedeltas(),
    st.builds(Opaque, ANY_TEXT),
    st.builds(Unavailable, ANY_TEXT),
    st.builds(OutOfRange, ANY_TEXT),
)
ROWS: st.SearchStrategy[Row] = st.dictionaries(st.sampled_from(["id", "amt", "ts", "nôte", "x"]), VALUES, max_size=5)
PARTITIONS = st.integers(0, 2)
TABLES = st.sampled_from(["polmst", "covdtl"])
PROBLEMS = st.builds(
    Problem,
    code=st.just("code.unmapped"),
    cause=st.sampled_from(["technical", "semantic"]),
    message=ANY_TEXT,
    field=st.one_of(st.none(), ANY_TEXT),
    columns=st.lists(st.text(max_size=3), max_size=3).map(tuple),
)


def stored(
    text: st.SearchStrategy[str] = ANY_TEXT, partitions: st.SearchStrategy[int] = PARTITIONS
) -> st.SearchStrategy[Stored]:
    """What may be kept of a key; `text` makes the row keys."""
    return st.builds(
        Stored,
        partition=partitions,
        rows=st.dictionaries(TABLES, st.dictionaries(text, ROWS, max_size=3), max_size=2),
        positions=st.dictionaries(TABLES, st.dictionaries(text, st.integers(0, 2**80), max_size=3), max_size=2),
        version=st.integers(0, 2**62),
        loading=st.booleans(),
        partial=st.booleans(),
        published=st.booleans(),
        unmapped=st.one_of(st.none(), PROBLEMS),
        epoch=st.integers(1, 3),
    )


CHANGES = st.builds(
    Change,
    table=TABLES,
    op=st.sampled_from(["c", "u", "d", "r"]),
    row_key=ANY_TEXT,
    before=st.one_of(st.none(), ROWS),
    after=st.one_of(st.none(), ROWS),
    position=st.integers(0, 2**80),
    transaction=st.one_of(st.none(), st.text(max_size=5)),
    committed_after=st.one_of(st.none(), st.integers(0, 2**63)),
    time=st.one_of(st.none(), st.datetimes(timezones=st.just(UTC)).map(_unfolded)),
    at=st.builds(Coordinate, topic=st.just("feed"), partition=st.integers(-1, 5), offset=st.integers(-1, 2**62)),
    flagged=st.lists(st.text(max_size=3), max_size=2).map(tuple),
    moved=st.one_of(st.none(), ROWS),
    counted=st.booleans(),
)


def waiting(
    keys: st.SearchStrategy[str] = ANY_TEXT, partitions: st.SearchStrategy[int] = PARTITIONS
) -> st.SearchStrategy[Waiting]:
    """Steps that may wait, of the given keys and partitions."""
    return st.builds(
        Waiting,
        key=keys,
        partition=partitions,
        version=st.integers(0, 11),
        changes=st.lists(CHANGES, max_size=2).map(tuple),
        dead_letter=st.just("dl-1"),
        problem=st.one_of(st.none(), PROBLEMS),
        first_seen=st.integers(0, 3),
        mapping_version=st.just("v1"),
    )


def saves() -> st.SearchStrategy[Save]:
    """Batches of few partitions over few keys, so that they meet each other."""
    return PARTITIONS.flatmap(lambda partition: saves_of(st.just(partition)))


def saves_of(partitions: st.SearchStrategy[int]) -> st.SearchStrategy[Save]:
    """Batches of one partition."""
    keys = st.sampled_from(KEYS)
    build: Callable[..., Save] = Save
    return st.builds(
        build,
        partition=partitions,
        aggregates=st.dictionaries(keys, stored(st.text(max_size=3), partitions), max_size=4),
        waiting=st.lists(waiting(keys, partitions), max_size=3),
        settled=st.lists(st.tuples(keys, st.integers(0, 11)), max_size=3),
        counts=st.dictionaries(
            st.tuples(TABLES, st.sampled_from(["read", "ignored: é"])), st.integers(-5, 10**6), max_size=3
        ),
        pins=st.lists(
            st.builds(
                Pin,
                command=st.integers(0, 12),
                partition=partitions,
                at=st.integers(0, 9),
                result=st.text(max_size=3),
            ),
            max_size=2,
        ),
        live=st.sampled_from([None, True, False]),
        logged=st.one_of(st.none(), st.integers(1, 2**62)),
    )
