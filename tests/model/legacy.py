"""A legacy database in plain dicts: sessions that change orders, lines and payments side by side, commit and roll back.

Rows are locked by the session that changed them, as in a database; so transactions that run side by side change different
rows of one order, their log positions are mixed, and they commit in another order than they began.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from tests.model.dice import Dice
from tests.model.journal import Row, RowChange, Transaction

BASE_TIME = 1_795_166_836_000_000
BEFORE = 995
"""A position in the log before everything that is told."""
TABLES = {"orders": ("br", "no"), "order_line": ("br", "no", "ln"), "payment": ("pid",)}
"""The primary key of each table."""

ORDERS = (("A  ", 1), ("B/%", 1), ("A  ", 2), ("B/%", 20))
BIG = "a note so long that the database keeps it outside of the row"

Place = tuple[str, tuple[object, ...]]
"""A table and a primary key."""

EVERYWHERE = frozenset({"rekeyed parts", "renumbered roots"})
"""What may happen beyond plain changes, however many partitions the feed has."""

WHOLE = EVERYWHERE | {"moves", "truncates", "big values move"}
"""What may happen where the feed has one partition."""


def place(table: str, row: Row) -> Place:
    """Where a row stands."""
    return table, tuple(row[column] for column in TABLES[table])


@dataclass(frozen=True, slots=True)
class Logged:
    """One row change in the database's log."""

    change: RowChange
    lsn: int


@dataclass(frozen=True, slots=True)
class Commit:
    """One committed transaction: its id, what it changed, and the position of its commit and of the commit before."""

    txid: int
    logged: tuple[Logged, ...]
    lsn: int
    before: int | None
    time: int

    @property
    def transaction(self) -> Transaction:
        """The transaction as the journal tells it."""
        return Transaction(str(self.txid), self.time, tuple(logged.change for logged in self.logged))


@dataclass(slots=True)
class Session:
    """One connection: what its transaction did so far. `rows` are those it changed, as it sees them; it holds `tables`."""

    txid: int
    logged: list[Logged] = field(default_factory=list)
    rows: dict[Place, Row | None] = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)


class Database:
    """The rows, the sessions and the log. `features`: what may happen beyond plain changes."""

    def __init__(self, dice: Dice, features: Collection[str]) -> None:
        self.dice = dice
        self.features = features
        self.rows: dict[Place, Row] = {}
        self.commits: list[Commit] = []
        self.lsn = 1_000
        self.last_commit: int | None = None
        self._sessions: list[Session] = []
        self._txid = 700
        self._payments = 0
        self._shared_lsn = False
        self._deeds: tuple[Callable[[Session, tuple[str, int]], None], ...] = (
            self._touch, self._place, self._place, self._line, self._line, self._status, self._status, self._pay, self._pay,
            self._drop, self._drop, self._note, self._there_and_back, self._come_and_go, self._begin_anew, self._bad_status,
            *([self._renumber_line] if "rekeyed parts" in features else []),
            *([self._move_payment] * 2 if "moves" in features else []),
            *([self._renumber] * 2 if "renumbered roots" in features else []),
            *([self._truncate] if "truncates" in features else []),
        )  # fmt: skip

    def run(self, transactions: int) -> None:
        """So many commits more."""
        wanted = len(self.commits) + transactions
        while len(self.commits) < wanted:
            if len(self._sessions) < 2 and (not self._sessions or self.dice.chance(30)):
                self._txid += 1
                self._sessions.append(Session(self._txid))
            session = self._sessions[-1 if len(self._sessions) == 1 else self.dice.below(2)]
            for _ in range(1 + self.dice.below(3)):
                self._do(session)
            if len(self._sessions) == 2 or not self.dice.chance(40):
                self._end(session)

    def finish(self) -> None:
        """Commit what is open."""
        for session in list(self._sessions):
            self._commit(session)

    def commit(self, *changes: RowChange) -> None:
        """One transaction by hand, beside those that are open."""
        self._txid += 1
        session = Session(self._txid)
        for change in changes:
            self._change(session, change.table, change.before, change.after)
        self._commit(session)

    def _end(self, session: Session) -> None:
        if self.dice.chance(7):
            self._sessions.remove(session)  # rolled back: the log holds it, nobody ever sees it
        else:
            self._commit(session)

    def _commit(self, session: Session) -> None:
        if session in self._sessions:
            self._sessions.remove(session)
        for where, row in session.rows.items():
            if row is None:
                self.rows.pop(where, None)
            else:
                self.rows[where] = row
        if not session.logged:
            return
        self.lsn += 16
        time = BASE_TIME + len(self.commits) * 1_000
        self.commits.append(Commit(session.txid, tuple(session.logged), self.lsn, self.last_commit, time))
        self.last_commit = self.lsn

    def _do(self, session: Session) -> None:
        """One deed of a program, or what it did until it went back to a savepoint."""
        deed, order = self.dice.pick(self._deeds), self.dice.pick(ORDERS)
        if self._row(session, "orders", *order) is None and not self.dice.chance(25):
            deed = self._place
        before = replace(session, logged=[*session.logged], rows={**session.rows})
        deed(session, order)
        if self.dice.chance(6):
            session.rows, session.logged = before.rows, before.logged

    # --- what a session sees and may change ---

    def _row(self, session: Session, table: str, *key: object) -> Row | None:
        where = (table, key)
        return session.rows[where] if where in session.rows else self.rows.get(where)

    def _of(self, session: Session, table: str, order: tuple[str, int]) -> list[Row]:
        """The rows of an order that this session sees."""
        seen = {**self.rows, **session.rows}
        return [
            row for where, row in sorted(seen.items(), key=repr)
            if where[0] == table and row is not None and (row["br"], row["no"]) == order
        ]  # fmt: skip

    def _is_free(self, session: Session, where: Place) -> bool:
        others = [other for other in self._sessions if other is not session]
        return not any(where in other.rows or where[0] in other.tables for other in others)

    def _change(self, session: Session, table: str, before: Row | None, after: Row | None) -> None:
        """Change one row, unless another session holds it or the new key is taken."""
        places = [place(table, row) for row in (before, after) if row is not None]
        moved = len(places) == 2 and places[0] != places[1]
        taken = (
            (moved or before is None) and after is not None and self._row(session, table, *places[-1][1]) is not None
        )
        if taken or not all(self._is_free(session, where) for where in places):
            return
        if not self._shared_lsn:
            self.lsn += 8
        session.logged.append(Logged(RowChange(table, before, after), self.lsn))
        if before is not None:
            session.rows[places[0]] = None
        if after is not None:
            session.rows[places[-1]] = after

    def _update(self, session: Session, table: str, row: Row | None, **values: object) -> None:
        if row is not None:
            self._change(session, table, row, {**row, **values})

    # --- what programs do ---

    def _touch(self, session: Session, order: tuple[str, int]) -> None:
        row = self._row(session, "orders", *order)
        if row is not None:
            self._update(session, "orders", row, touched=row["touched"] + 1)

    def _place(self, session: Session, order: tuple[str, int]) -> None:
        """Insert an order; its lines by COPY, all at one position of the log, now and then before it."""
        lines = self.dice.below(3)
        root_last = self.dice.chance(20)
        if not root_last:
            self._insert(session, order)
        copied = self.dice.chance(50)
        for number in range(1, 1 + lines):
            before = len(session.logged)
            self._line_of(session, order, number, 1)
            self._shared_lsn = self._shared_lsn or (copied and len(session.logged) > before)
        self._shared_lsn = False
        if root_last:
            self._insert(session, order)

    def _insert(self, session: Session, order: tuple[str, int]) -> None:
        note = self.dice.pick((None, BIG, "n"))
        self._change(
            session, "orders", None, dict(zip(("br", "no"), order, strict=True), sts="N", note=note, touched=0)
        )

    def _line_of(self, session: Session, order: tuple[str, int], number: int, quantity: int) -> None:
        self._change(session, "order_line", None, {"br": order[0], "no": order[1], "ln": number, "qty": quantity})

    def _line(self, session: Session, order: tuple[str, int]) -> None:
        number, quantity = 1 + self.dice.below(3), self.dice.below(4)
        row = self._row(session, "order_line", *order, number)
        if row is None:
            self._line_of(session, order, number, quantity)
        elif quantity == 0:
            self._change(session, "order_line", row, None)
        else:
            self._update(session, "order_line", row, qty=quantity)

    def _status(self, session: Session, order: tuple[str, int]) -> None:
        self._update(session, "orders", self._row(session, "orders", *order), sts=self.dice.pick("SNC"))

    def _bad_status(self, session: Session, order: tuple[str, int]) -> None:
        self._update(session, "orders", self._row(session, "orders", *order), sts="X")

    def _note(self, session: Session, order: tuple[str, int]) -> None:
        note = self.dice.pick((BIG, "n", BIG + "!", None))
        self._update(session, "orders", self._row(session, "orders", *order), note=note)

    def _pay(self, session: Session, order: tuple[str, int]) -> None:
        paid = self._of(session, "payment", order)
        what = self.dice.below(3) if paid else 0
        if what == 0:
            self._payments += 1
            amount = self.dice.pick(("10.00", "0.50", "-3.25"))
            self._change(
                session, "payment", None, {"pid": self._payments, "br": order[0], "no": order[1], "amt": amount}
            )
        elif what == 1:
            self._update(session, "payment", paid[0], amt=self.dice.pick(("11.00", "0.50", None)))
        else:
            self._change(session, "payment", paid[0], None)

    def _drop(self, session: Session, order: tuple[str, int]) -> None:
        """Delete an order and what belongs to it; or the order alone, so that its rows are left over."""
        alone, root_first = self.dice.chance(20), self.dice.chance(50)
        root = self._row(session, "orders", *order)
        if root is None:
            return
        if root_first or alone:
            self._change(session, "orders", root, None)
        for table in () if alone else ("order_line", "payment"):
            for row in self._of(session, table, order):
                self._change(session, table, row, None)
        if not (root_first or alone):
            self._change(session, "orders", root, None)

    def _there_and_back(self, session: Session, order: tuple[str, int]) -> None:
        """A -> C -> A."""
        row = self._row(session, "orders", *order)
        if row is not None:
            self._update(session, "orders", row, sts="C")
            self._update(session, "orders", self._row(session, "orders", *order), sts=row["sts"])

    def _come_and_go(self, session: Session, order: tuple[str, int]) -> None:
        """Insert and delete a row that was not there."""
        if self._row(session, "orders", *order) is None:
            self._insert(session, order)
            self._line_of(session, order, 9, 1)
            self._gone(session, "order_line", *order, 9)
            self._gone(session, "orders", *order)

    def _begin_anew(self, session: Session, order: tuple[str, int]) -> None:
        """Delete and insert again, which the business may not notice."""
        if self._row(session, "orders", *order) is not None:
            self._gone(session, "orders", *order)
            self._insert(session, order)

    def _gone(self, session: Session, table: str, *key: object) -> None:
        row = self._row(session, table, *key)
        if row is not None:
            self._change(session, table, row, None)

    def _renumber_line(self, session: Session, order: tuple[str, int]) -> None:
        """Another primary key for a line: another number, or another order."""
        lines = self._of(session, "order_line", order)
        if lines:
            br, no = self.dice.pick((order, ORDERS[0], ORDERS[1]))
            self._update(session, "order_line", lines[0], br=br, no=no, ln=1 + self.dice.below(4))

    def _move_payment(self, session: Session, order: tuple[str, int]) -> None:
        """A payment was booked for the wrong order."""
        paid = self._of(session, "payment", order)
        if paid:
            br, no = self.dice.pick(ORDERS)
            self._update(session, "payment", paid[0], br=br, no=no)

    def _renumber(self, session: Session, order: tuple[str, int]) -> None:
        """Another number for an order; what belongs to it follows, or does not."""
        root, target = self._row(session, "orders", *order), self.dice.pick(ORDERS)
        follow = not self.dice.chance(25)
        if root is None:
            return
        if "big values move" not in self.features and root["note"] is not None:
            return  # what is too big to be sent again is on another partition, or nobody has seen it
        self._update(session, "orders", root, br=target[0], no=target[1])
        for table in ("order_line", *(["payment"] if "moves" in self.features else [])) if follow else ():
            for row in self._of(session, table, order):
                self._update(session, table, row, br=target[0], no=target[1])

    def _truncate(self, session: Session, order: tuple[str, int]) -> None:
        """Empty a table, if nobody else has changed anything there: it takes the whole of it."""
        table = self.dice.pick(("payment", "order_line", "orders"))
        others = (other for other in self._sessions if other is not session)
        if any(where[0] == table for other in others for where in other.rows):
            return
        self.lsn += 8
        session.logged.append(Logged(RowChange(table, None, None), self.lsn))
        session.tables.add(table)
        seen = {**self.rows, **session.rows}
        session.rows.update({where: None for where in seen if where[0] == table})
