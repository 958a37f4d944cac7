"""From candidates to drift: a difference counts only if the source held still and the view, past the fence, differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from reconcile.compare import Comparison, Expected, compare, expected_of
from reconcile.evidence import Evidence, Witness
from reconcile.fence import Fence, FenceResult
from reconcile.sources import LegacyReader
from reconcile.view import ViewRow, ViewSide
from translators.aggregate import Rows

ROUNDS = 5
"""How often a key that moves is looked at again before it is left unconfirmed."""


class Confirmed(msgspec.Struct, frozen=True):
    """One key that differs, what was known of it while it held still, and the legacy's rows of it.

    `known` is what the rows that the translator keeps mean today; `None` where it keeps none.
    """

    comparison: Comparison
    evidence: Evidence
    rows: Rows
    known: Expected | None = None


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch of candidates. `fence` is that of the first round, or the one that was not passed.

    `in_flight` agreed behind the fence; `unconfirmed` never held still; `unjudged` are left over because the fence was
    not passed.
    """

    confirmed: tuple[Confirmed, ...]
    in_flight: int
    unconfirmed: tuple[str, ...]
    unjudged: tuple[str, ...]
    fence: FenceResult


class Aligned(msgspec.Struct, frozen=True):
    """A moment of the source that both sides were compared at, behind its fence: the candidates' rows and its position."""

    rows: Mapping[str, Rows]
    position: int
    fence: FenceResult


class Confirmer:
    """Looks again at candidates, behind a fence, until they hold still. Reads only."""

    def __init__(self, reader: LegacyReader, view: ViewSide, fence: Fence, witness: Witness) -> None:
        self._reader = reader
        self._view = view
        self._fence = fence
        self._witness = witness

    def settle(self, keys: Sequence[str], aligned: Aligned | None = None) -> Settled:
        """Source image, fence, view, source image: for each key until it holds still, at most `ROUNDS` times.

        The first image and its fence are those of `aligned`, if there is one. Where the fence is not exact, a key has to hold
        still, and to differ in the same way, in two rounds.
        """
        pending, in_flight = list(keys), 0
        confirmed: list[Confirmed] = []
        fences: list[FenceResult] = []
        seen: dict[str, Comparison] = {}
        while len(fences) < ROUNDS and (pending or not fences):
            first = aligned if aligned is not None and not fences else self._first(pending)
            before, position = first.rows, first.position
            fences.append(first.fence)
            if fences[-1].stop is not None:
                return _settled(confirmed, in_flight, [], pending, fences[-1])
            agreed, still, pending = self._look_again(pending, before, position)
            in_flight += agreed
            sure, seen = self._seen_twice(still, seen)
            confirmed += sure
            pending += seen
        return _settled(confirmed, in_flight, pending, [], fences[0])

    def _first(self, pending: Sequence[str]) -> Aligned:
        with self._reader.snapshot() as snapshot:
            rows, position = snapshot.read_keys(pending), snapshot.position
        return Aligned(rows, position, self._fence.wait_for(position))

    def _seen_twice(
        self, still: Sequence[Confirmed], before: Mapping[str, Comparison]
    ) -> tuple[list[Confirmed], dict[str, Comparison]]:
        """Which are confirmed, and which have to be seen once more, after a while: none where the fence is exact."""
        apart = self._fence.apart
        if apart is None:
            return list(still), {}
        sure = [one for one in still if before.get(one.comparison.key) == one.comparison]
        first = {one.comparison.key: one.comparison for one in still if one not in sure}
        if first:
            self._fence.pace.wait(apart)
        return sure, first

    def _look_again(
        self, pending: list[str], before: Mapping[str, Rows], position: int
    ) -> tuple[int, list[Confirmed], list[str]]:
        """How many agree now, which differ while their source holds still, and which move."""
        shown = self._view.read_keys(pending)
        differing = {key: was for key in pending if (was := self._compared(key, before, shown)) is not None}
        agreed = len(pending) - len(differing)
        if not differing:
            return agreed, [], []
        evidence = self._witness.of({key: shown.get(key) for key in differing})
        with self._reader.snapshot() as snapshot:
            after, touched = snapshot.read_keys(list(differing)), snapshot.touched(position)
        still: list[Confirmed] = []
        moving: list[str] = []
        for key, was in differing.items():
            if self._compared(key, after, shown) is None:
                agreed += 1
            elif touched is not None and key not in touched and before.get(key) == after.get(key):
                still.append(Confirmed(was, evidence[key], after.get(key) or {}, self._known(evidence[key])))
            else:
                moving.append(key)
        return agreed, still, moving

    def _known(self, evidence: Evidence) -> Expected | None:
        stored = evidence.stored
        if stored is None:
            return Expected(None) if evidence.published is None and not evidence.waiting else None
        if not stored.rows:
            return Expected(None) if stored.version and not stored.published else None
        return expected_of(self._reader.translator, stored.rows, self._view.shape)

    def _compared(self, key: str, source: Mapping[str, Rows], shown: Mapping[str, ViewRow]) -> Comparison | None:
        expected = expected_of(self._reader.translator, source.get(key), self._view.shape)
        return compare(key, expected, shown.get(key), self._view.shape)


def _settled(
    confirmed: list[Confirmed], in_flight: int, hot: list[str], unjudged: list[str], fence: FenceResult
) -> Settled:
    return Settled(
        confirmed=tuple(confirmed),
        in_flight=in_flight,
        unconfirmed=tuple(hot),
        unjudged=tuple(unjudged),
        fence=fence,
    )
