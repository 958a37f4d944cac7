"""Programs that work on the same orders side by side: small transactions without end, and large ones when asked for.

They lock rows of each other, change rows that others have just changed, go back to savepoints and give up; nothing that they
know is needed afterwards, since the database's own witness tells what was committed.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Sequence

from tests.killed.legacy import Legacy, Refused, Session

BIG = "a note so long that the database keeps it outside of the row; " * 40
BRANCHES = ("A", "B", "C")
_KEPT = 60
"""How many orders the programs have in mind: few, so that they meet."""

Order = tuple[str, int]
_OF = "br = %s AND no = %s"


class Numbers:
    """Numbers that nobody else gets, and the orders that all programs have in mind."""

    def __init__(self) -> None:
        self._orders, self._payments = itertools.count(1), itertools.count(1)
        self._known: list[Order] = []

    def new_order(self, chance: random.Random) -> Order:
        """An order that is not there yet, and from now on in everybody's mind."""
        order = self.unknown_order(chance)
        self._known = [*self._known[-_KEPT:], order]
        return order

    def unknown_order(self, chance: random.Random) -> Order:
        """An order that is not there yet."""
        return chance.choice(BRANCHES), next(self._orders)

    def payment(self) -> int:
        """A payment that is not there yet."""
        return next(self._payments)

    def known(self, chance: random.Random) -> Order:
        """An order of which somebody has heard."""
        known = self._known
        return chance.choice(known) if known else self.new_order(chance)


class Program:
    """One connection and its chance. `alone`: rows may move between orders, since the feed has one partition."""

    def __init__(self, legacy: Legacy, numbers: Numbers, seed: int) -> None:
        self.session: Session = legacy.session()
        self._numbers = numbers
        self._chance = random.Random(seed)
        self._alone = legacy.partitions == 1
        self._ignore = "IGNORE " if legacy.connector == "mariadb" else ""
        self._on_conflict = "" if legacy.connector == "mariadb" else " ON CONFLICT DO NOTHING"
        deeds: list[Callable[[Order], None]] = [
            self._place, self._place, self._line, self._line, self._line, self._status, self._status, self._touch, self._note,
            self._pay, self._pay, self._drop, self._there_and_back, self._come_and_go, self._begin_anew,
            self._renumber_line, self._renumber,
        ]  # fmt: skip
        self._deeds = [*deeds, self._move_payment, self._move_payment] if self._alone else deeds

    def transaction(self) -> None:
        """A few deeds, some of them taken back; now and then all of it."""
        try:
            for _ in range(self._chance.randint(1, 4)):
                self._deed()
            if self._chance.random() < 0.1:
                self.session.rollback()
            else:
                self.session.commit()
        except Refused:
            self.session.rollback()

    def _deed(self) -> None:
        order = self._numbers.known(self._chance)
        back = self._chance.random() < 0.15
        if back:
            self.session.execute("SAVEPOINT deed")
        self._chance.choice(self._deeds)(order)
        if back:
            self.session.execute("ROLLBACK TO SAVEPOINT deed")

    # --- small things ---

    def _do(self, statement: str, *values: object) -> int:
        return self.session.execute(statement, values)

    def _insert(self, table: str, *rows: Sequence[object]) -> int:
        marks = ", ".join(f"({', '.join(['%s'] * len(row))})" for row in rows)
        values = [value for row in rows for value in row]
        return self._do(f"INSERT {self._ignore}INTO {table} VALUES {marks}{self._on_conflict}", *values)

    def _place(self, _: Order) -> None:
        """A new order, its lines after it or before it."""
        order = self._numbers.new_order(self._chance)
        lines = [(*order, number, self._chance.randint(1, 9)) for number in range(1, self._chance.randint(1, 6))]
        root_last = self._chance.random() < 0.2
        if root_last and lines:
            self._insert("order_line", *lines)
        note = self._chance.choice((None, "n", BIG))
        self._insert("orders", (*order, "N", note, 0))
        if not root_last and lines:
            self._insert("order_line", *lines)

    def _line(self, order: Order) -> None:
        number, quantity = self._chance.randint(1, 5), self._chance.randint(0, 9)
        if quantity == 0:
            self._do(f"DELETE FROM order_line WHERE {_OF} AND ln = %s", *order, number)
        elif not self._do(f"UPDATE order_line SET qty = %s WHERE {_OF} AND ln = %s", quantity, *order, number):
            self._insert("order_line", (*order, number, quantity))

    def _status(self, order: Order) -> None:
        self._do(f"UPDATE orders SET sts = %s WHERE {_OF}", self._chance.choice("SNC"), *order)

    def _touch(self, order: Order) -> None:
        self._do(f"UPDATE orders SET touched = touched + 1 WHERE {_OF}", *order)

    def _note(self, order: Order) -> None:
        self._do(f"UPDATE orders SET note = %s WHERE {_OF}", self._chance.choice((BIG, "n", BIG + "!", None)), *order)

    def _pay(self, order: Order) -> None:
        what = self._chance.randint(0, 3)
        if what < 2:
            self._insert("payment", (self._numbers.payment(), *order, self._chance.choice(("10.00", "0.50", "-3.25"))))
        elif what == 2:
            self._do(f"UPDATE payment SET amt = amt + 1 WHERE {_OF}", *order)
        else:
            self._do(f"DELETE FROM payment WHERE {_OF}", *order)

    def _drop(self, order: Order) -> None:
        """An order and what belongs to it; or the order alone, so that its rows are left over."""
        self._do(f"DELETE FROM orders WHERE {_OF}", *order)
        if self._chance.random() < 0.7:
            self._do(f"DELETE FROM order_line WHERE {_OF}", *order)
            self._do(f"DELETE FROM payment WHERE {_OF}", *order)

    def _there_and_back(self, order: Order) -> None:
        """A -> C -> A."""
        for status in ("C", "N"):
            self._do(f"UPDATE orders SET sts = %s WHERE {_OF} AND sts <> 'S'", status, *order)

    def _come_and_go(self, _: Order) -> None:
        order = self._numbers.unknown_order(self._chance)
        self._insert("orders", (*order, "N", None, 0))
        self._insert("order_line", (*order, 1, 1))
        self._do(f"DELETE FROM order_line WHERE {_OF}", *order)
        self._do(f"DELETE FROM orders WHERE {_OF}", *order)

    def _begin_anew(self, order: Order) -> None:
        if self._do(f"DELETE FROM orders WHERE {_OF}", *order):
            self._insert("orders", (*order, "N", None, 0))

    def _renumber_line(self, order: Order) -> None:
        """Another primary key for a line: another number, or another order."""
        to = order if self._chance.random() < 0.5 else self._numbers.known(self._chance)
        number = self._chance.randint(10, 30_000)
        self._do(f"UPDATE order_line SET br = %s, no = %s, ln = %s WHERE {_OF} AND ln = %s", *to, number, *order, 1)

    def _renumber(self, order: Order) -> None:
        """Another number for an order; its lines follow, and its payments where rows can move, or are made anew.

        With several partitions a note that is not sent again stays behind on another one.
        """
        to = self._numbers.unknown_order(self._chance)
        small = "" if self._alone else " AND (note IS NULL OR note = 'n')"
        if not self._do(f"UPDATE orders SET br = %s, no = %s WHERE {_OF}{small}", *to, *order):
            return
        if self._chance.random() < 0.8:
            self._do(f"UPDATE order_line SET br = %s, no = %s WHERE {_OF}", *to, *order)
            if self._alone:
                self._do(f"UPDATE payment SET br = %s, no = %s WHERE {_OF}", *to, *order)
            elif self._do(f"DELETE FROM payment WHERE {_OF}", *order):
                self._insert("payment", (self._numbers.payment(), *to, "99.00"))

    def _move_payment(self, order: Order) -> None:
        """A payment was booked for the wrong order."""
        to = self._numbers.known(self._chance)
        self._do(f"UPDATE payment SET br = %s, no = %s WHERE {_OF}", *to, *order)

    # --- large things ---

    def load(self, rows: int) -> None:
        """One transaction of so many rows: new orders and, by COPY, their lines; what programs have in mind is touched too."""
        orders = [self._numbers.unknown_order(self._chance) for _ in range(max(1, rows // 16))]
        self.session.load("orders", [(*order, "N", None, 0) for order in orders])
        self.session.load("order_line", [(*order, number, 1) for number in range(1, 16) for order in orders])
        self._pay(self._numbers.known(self._chance))
        self.session.commit()
        self._loaded = orders

    def change_what_was_loaded(self) -> None:
        """One transaction that changes every line of the last load, sells some of its orders and drops others."""
        lowest, highest = self._loaded[0][1], self._loaded[-1][1]
        middle = (lowest + highest) // 2
        self._do("UPDATE order_line SET qty = qty + 1 WHERE no BETWEEN %s AND %s AND ln > 3", lowest, highest)
        self._do("UPDATE orders SET sts = 'S' WHERE no BETWEEN %s AND %s", lowest, middle)
        self._do("DELETE FROM order_line WHERE no BETWEEN %s AND %s", middle + 1, highest)
        self._do("DELETE FROM orders WHERE no BETWEEN %s AND %s", middle + 1, highest)
        self.session.commit()

    def large(self, rows: int) -> None:
        """A load, and a transaction that changes what it loaded."""
        try:
            self.load(rows)
            self.change_what_was_loaded()
        except Refused:
            self.session.rollback()


class Writers:
    """Programs in threads of their own, until `stop`. Each pauses between its transactions."""

    def __init__(self, legacy: Legacy, seed: int, programs: int, pause: float, large: int) -> None:
        self.numbers = Numbers()
        self._legacy = legacy
        self._pause, self._large = pause, large
        self._asked, self._stop = threading.Event(), threading.Event()
        self.failure: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._run, args=(seed + number, number == 0), daemon=True)
            for number in range(programs + 1)
        ]
        first = Program(legacy, self.numbers, seed)
        for _ in range(20):
            first.transaction()
        first.session.close()

    def start(self) -> None:
        """From now on they write."""
        for thread in self._threads:
            thread.start()

    def write_much(self) -> None:
        """Ask for large transactions, at once."""
        self._asked.set()

    def stop(self) -> None:
        """Let them finish what they are at."""
        self._stop.set()
        self._asked.set()
        for thread in self._threads:
            thread.join()
        if self.failure is not None:
            raise self.failure

    def _run(self, seed: int, large: bool) -> None:
        program = Program(self._legacy, self.numbers, seed)
        try:
            while not self._stop.is_set():
                if not large:
                    program.transaction()
                    time.sleep(self._pause)
                    continue
                self._asked.wait()
                self._asked.clear()
                if not self._stop.is_set():
                    program.large(self._large)
        except BaseException as error:  # noqa: BLE001 - `stop` raises it
            self.failure = error
        finally:
            program.session.close()
