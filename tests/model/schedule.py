"""One schedule: a feed that arrives in pieces, and workers that are replaced, killed and given commands meanwhile.

Everything in it is drawn from dice; `play` ends with the verdict of the oracle. `Schedule.story` tells what happened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from pipeline import control
from pipeline.control import Command
from pipeline.failpoint import arm
from pipeline.feed import Feed
from pipeline.log.port import Outgoing
from pipeline.worker import TranslatorWorker
from tests.model import product
from tests.model.dice import Dice
from tests.model.faults import SEAMS, GrowingLog, Killed, WatchedState, disarm, in_process
from tests.model.journal import Transaction
from tests.model.judge import judge
from tests.model.legacy import TABLES
from tests.model.meaning import FIXED, KNOWN
from tests.model.oracle import Oracle
from tests.model.source import Life, Proof, Slice, arriving, life
from tests.model.wire import MariaDb, Postgres, Wire


class Schedule:
    """A log, a store, and the worker of the moment."""

    def __init__(self, dice: Dice, wire: Wire, feed: Feed, proof: Proof, batches: int | None = None) -> None:
        """`batches`: their size, where it may not be drawn."""
        self.log, self.store = GrowingLog(), WatchedState()
        self.wire = wire
        self.deaths = 0
        self.story: list[str] = []
        self._dice = dice
        self._feed = feed
        self._proof = proof
        self._batches = batches
        self._fixed = False
        self.store.begins_live = feed.begins == "empty"
        product.create_topics(self.log, wire.partitions)
        self.worker = self._new_worker()

    @property
    def codes(self) -> Mapping[str, str]:
        """What the mapping of the moment knows."""
        return FIXED if self._fixed else KNOWN

    def run(self, slices: Iterator[Slice]) -> None:
        """Let everything arrive, and everything happen that may happen meanwhile."""
        passed = None
        for one in slices:
            self.story.append(f"arrives: {[_told(record) for record in one.records]}")
            passed = one.passed
            self._arrives(one.records, passed if self._dice.chance(60) else None)
            self._happen(self._dice.below(16))
        self.log.all_arrived()
        self.log.hidden.clear()
        self.log.flushed(passed)
        self._quiesce()

    def _arrives(self, records: list[Outgoing], passed: int | None) -> None:
        """At once, or within the next turns; or it is there and cannot be read for a while."""
        how = self._dice.below(8)
        if how < 3:
            self.log.hidden.clear()
        if how in (5, 6):
            self.log.arriving.append((self._dice.below(12), records, passed))
            return
        self.log.all_arrived()
        if how == 7 and self._feed.exactly_once:
            self.log.hide(records)
        else:
            self.log.append(records)
        self.log.flushed(passed)

    def release_all(self) -> None:
        """The mapping is corrected, and everything that waits is released."""
        self._replace(fixed=True)
        for key in sorted(self.store.waiting_keys()):
            self._command("release", key)
        self._quiesce()
        assert not self.store.waiting_keys()

    def _happen(self, what: int) -> None:
        if what in (9, 10):
            seam = f"{self._dice.pick(SEAMS)}:{1 + self._dice.below(3)}"
            self.story.append(f"dies at {seam}, if it comes there")
            arm(seam)
        elif what == 11:
            self.log.tear = self._dice.below(8)
        elif what == 12:
            self._replace(fixed=self._dice.chance(30))
        elif what in (13, 14):
            waiting = sorted(self.store.waiting_keys()) or ["A/1"]
            self._command(self._dice.pick(("release", "discard")), self._dice.pick(waiting))
        if what < 15:
            self._turn()

    def _command(self, action: str, key: str) -> None:
        self.story.append(f"{action} {key}")
        branch, _, number = key.partition("/")
        at = self.wire.partition({"br": branch, "no": number})
        command = Command(action=action, translator="order", key=key, partition=at)  # type: ignore[arg-type]
        self.store.commands[control.send(self.log, command, 0)] = (action, key)

    def _turn(self) -> int:
        """One turn; a worker that dies in it is replaced."""
        try:
            read = self.worker.turn()
        except Killed:
            self.deaths += 1
            disarm()
            self.story.append("died")
            self._replace(fixed=self._dice.chance(30))
            return 1
        else:
            self.story.append(f"turn: {read} read")
            return read
        finally:
            disarm()

    def _quiesce(self) -> None:
        self.log.tear = None
        while self._turn():
            pass

    def _replace(self, *, fixed: bool) -> None:
        """Another worker takes over; perhaps with the mapping that knows one code more, from then on."""
        self._fixed = self._fixed or fixed
        self.worker = self._new_worker()

    def _new_worker(self) -> TranslatorWorker:
        self.store.codes = self.codes
        size = self._dice.pick((1_000, 1, 3, 7)) if self._batches is None else self._batches
        self.story.append(f"worker with {'the fixed' if self._fixed else 'the first'} mapping, batches of {size}")
        asked: Callable[[], int | None] = (lambda: self.log.passed) if self._proof != "later" else lambda: None
        return product.worker(
            self.log, self.store, self._feed, self.wire.connector, fixed=self._fixed, batch_size=size, passed=asked
        )


def play(source: Dice, connector: Dice, worker: Dice) -> Schedule:
    """One schedule, with its verdict: an assertion fails if the product did not do what the oracle says."""
    kind = connector.pick((Postgres, Postgres, MariaDb))
    wire = kind(connector.pick((1, 2, 3)))
    proof: Proof = connector.pick(("end", "later", "passed"))
    exactly_once = proof == "end"
    lived = life(source, wire, proof)
    feed = Feed(
        topic=product.FEED,
        transactions=product.TRANSACTIONS,
        notifications=product.NOTIFICATIONS,
        begins="empty" if lived.loaded is None else "snapshot",
        exactly_once=exactly_once,
    )
    lanes = arriving(connector, wire, lived, exactly_once=exactly_once)
    with in_process():
        # One step a batch, so that it is seen between which steps a row was compared.
        schedule = Schedule(worker, wire, feed, proof, 1 if lived.rereading else None)
        try:
            schedule.run(lanes.slices(connector))
            if worker.chance(50):
                schedule.release_all()
            verdict(schedule, lived.journal(wire), lived)
        except BaseException as error:
            error.add_note("\n".join([*map(str, lived.journal(wire)), *schedule.story]))
            raise
    return schedule


def verdict(schedule: Schedule, journal: Sequence[Transaction], lived: Life) -> None:
    """Ask the oracle."""
    run = lived.rereading
    oracle = Oracle(
        journal,
        TABLES,
        lived.loaded or (),
        unseen=lived.unseen,
        reread=() if run is None else [(one.at, one.table, one.row) for one in run.rows],
        failed=run is not None and run.failed is not None,
        alone=schedule.wire.partitions == 1,
    )
    oracle.replay(schedule.store.moments)
    for table, _ in lived.cut:
        oracle.counts[table, "loaded"] += 1
    if run is not None:
        oracle.assert_complete()
    judge(schedule.log, schedule.store, oracle, once=not schedule.deaths)
    assert schedule.worker.in_flight.total() == lived.closers


def _told(record: Outgoing) -> str:
    return f"{record.topic} {record.partition}: {(record.value or b'').decode()}"
