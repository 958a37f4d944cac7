"""What the ledger remembers of a run that goes on: its ranges of keys, each with what it came to once it is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection, Engine, delete, insert, select, update

from pipeline.failpoint import failpoint
from reconcile.errors import NothingToResume, ResumeChanged, ResumeLate
from reconcile.ledger.opening import told
from reconcile.ledger.tables import RANGES
from reconcile.ranges import Looked, Resumed
from reconcile.streams import KeyRange

WITHIN = timedelta(hours=24)
"""How old a run may be that is gone on with: what it found stands beside what is found now."""


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """The run of a check whose ranges are remembered. `basis` names what it goes by, each with a digest."""

    run: str
    began: datetime
    basis: Mapping[str, str]
    by_length: bool
    ranges: tuple[KeyRange, ...]
    done: Mapping[KeyRange, Looked]


class LedgerRanges:
    """See `reconcile.ranges.RangeBook`: the ranges of one `run`, in place of those of the run that it goes on with."""

    def __init__(
        self, engine: Engine, check: str, run: str, now: datetime, basis: Mapping[str, str], before: Begun | None = None
    ) -> None:
        self.by_length = before is not None and before.by_length
        self.ranges: Sequence[KeyRange] = () if before is None else before.ranges
        self.done: Mapping[KeyRange, Looked] = {} if before is None else before.done
        self.resumed = None if before is None else Resumed(run=before.run, began=before.began, ranges=len(before.done))
        self._engine = engine
        self._check = check
        self._run = run
        self._began = now if before is None else before.began
        self._basis = basis
        self._numbers: dict[KeyRange, int] = {}

    def begin(self, ranges: Sequence[KeyRange], by_length: bool) -> None:
        """See the port."""
        self._numbers = {keys: number for number, keys in enumerate(ranges)}
        known = {"run": self._run, "began": self._began, "basis": dict(self._basis), "by_length": by_length}
        rows = [
            {
                "check": self._check,
                "number": number,
                **known,
                "keys": _plain(keys),
                "looked": _plain(self.done.get(keys)),
            }
            for keys, number in self._numbers.items()
        ]
        with told(), self._engine.begin() as connection:
            forget(connection, self._check)
            # A check in one range begins anew anyway.
            if len(rows) > 1:
                connection.execute(insert(RANGES), rows)

    def finished(self, keys: KeyRange, looked: Looked) -> None:
        """See the port."""
        here = (RANGES.c.check == self._check, RANGES.c.run == self._run, RANGES.c.number == self._numbers[keys])
        with told(), self._engine.begin() as connection:
            connection.execute(update(RANGES).where(*here).values(looked=_plain(looked)))
        failpoint("reconcile.after-range")


def begun_ranges(engine: Engine, check: str) -> Begun | None:
    """The run of a check that did not reach its end, if it has finished a range."""
    query = select(RANGES).where(RANGES.c.check == check).order_by(RANGES.c.number)
    with told(), engine.begin() as connection:
        rows = connection.execute(query).mappings().all()
    if not any(row["looked"] for row in rows):
        return None
    ranges = tuple(msgspec.convert(row["keys"], KeyRange) for row in rows)
    looked = (row["looked"] and msgspec.convert(row["looked"], Looked) for row in rows)
    return Begun(
        run=rows[0]["run"],
        began=rows[0]["began"],
        basis=rows[0]["basis"],
        by_length=rows[0]["by_length"],
        ranges=ranges,
        done={keys: one for keys, one in zip(ranges, looked, strict=True) if one},
    )


def resumable(before: Begun | None, check: str, basis: Mapping[str, str], *, repaired: bool, now: datetime) -> Begun:
    """The run, if it may be gone on with: what it goes by is as it was, and nothing was repaired that it had seen."""
    if before is None:
        raise NothingToResume(check=check)
    changed = [name for name, digest in basis.items() if before.basis.get(name) != digest]
    if changed:
        raise ResumeChanged(what=f"the {' and the '.join(changed)} {'has' if len(changed) == 1 else 'have'}")
    if repaired:
        raise ResumeChanged(what="keys were repaired, and what they were seen as has")
    if now - before.began > WITHIN:
        raise ResumeLate(hours=int(WITHIN.total_seconds() // 3600))
    return before


def forget(connection: Connection, check: str) -> None:
    """Nothing is left to go on with."""
    connection.execute(delete(RANGES).where(RANGES.c.check == check))


def _plain(value: KeyRange | Looked | None) -> object:
    return None if value is None else msgspec.to_builtins(value)
