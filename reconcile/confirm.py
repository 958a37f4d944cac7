"""From candidates to drift: a difference counts only if the source held still and the view, past the fence, differs."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from reconcile.compare import Comparison, compare, expected_of
from reconcile.fence import Fence, FenceResult
from reconcile.sources import LegacyReader
from reconcile.view import ViewSide

ROUNDS = 5
"""How often a key that moves is looked at again before it is left unconfirmed."""

KEYS_AT_ONCE = 1_000
"""Candidates whose rows are held in memory together."""


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch of candidates. `fence` is that of the first round, or the one that was not passed.

    `in_flight` agreed behind the fence; `unconfirmed` never held still; `unjudged` are left over because the fence was
    not passed.
    """

    confirmed: tuple[Comparison, ...]
    in_flight: int
    unconfirmed: tuple[str, ...]
    unjudged: tuple[str, ...]
    fence: FenceResult


def settle(keys: Sequence[str], reader: LegacyReader, view: ViewSide, fence: Fence) -> Settled:
    """Source image, fence, view, source image: for each key until it holds still, at most `ROUNDS` times."""
    pending, confirmed, in_flight = list(keys), [], 0
    first: FenceResult | None = None
    for _ in range(ROUNDS):
        with reader.snapshot() as before:
            rows_before, position = before.read_keys(pending), before.position
        passed = fence.wait_for(position)
        first = first or passed
        if passed.stop is not None:
            return _settled(confirmed, in_flight, [], pending, passed)
        shown = view.read_keys(pending)
        with reader.snapshot() as after:
            rows_after, touched = after.read_keys(pending), after.touched(position)
        moving = []
        for key in pending:
            was = _compared(key, reader, rows_before, shown, view)
            now = _compared(key, reader, rows_after, shown, view)
            if was is None or now is None:
                in_flight += 1
            elif touched is not None and key not in touched and rows_before.get(key) == rows_after.get(key):
                confirmed.append(was)
            else:
                moving.append(key)
        pending = moving
        if not pending:
            break
    assert first is not None
    return _settled(confirmed, in_flight, pending, [], first)


def _compared(key, reader, rows, shown, view):  # type: ignore[no-untyped-def]
    expected = expected_of(reader.translator, rows.get(key), view.shape)
    return compare(key, expected, shown.get(key), view.shape)


def _settled(
    confirmed: list[Comparison], in_flight: int, hot: list[str], unjudged: list[str], fence: FenceResult
) -> Settled:
    return Settled(
        confirmed=tuple(confirmed),
        in_flight=in_flight,
        unconfirmed=tuple(hot),
        unjudged=tuple(unjudged),
        fence=fence,
    )
