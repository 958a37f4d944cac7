"""How the legacy insurer's programs write rows: padding, fillers, cents and decimals, one marker row a transaction."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any, Protocol

NO_DATE = "00000000"
PRODUCTS = {
    "HOME": ("FIRE", "WATR", "GLAS"),
    "MOTO": ("TPLI", "COLL", "GLAS"),
    "LIAB": ("TPLI",),
    "HHLD": ("FIRE", "THFT"),
}
_LOSSES = {"FIRE": "FIR", "WATR": "WTR", "THFT": "THF", "GLAS": "STM", "TPLI": "ACC", "COLL": "ACC"}
_ITEMS = ("Parquet", "Bicycle", "Skylight", "Küche, 2. Stock", "Ordinateur", "Fence 日本 style", "")
USERS = ("MWEBER", "JKLEIN", "ANOWAK", "BATCH")


class Cursor(Protocol):
    """What a statement answers."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...


class Database(Protocol):
    """A connection to the legacy, in autocommit, whichever database it is: SQLite's own, or `postgres.Postgres`."""

    def execute(self, sql: str, values: Sequence[Any] = ..., /) -> Cursor: ...


@contextmanager
def transaction(connection: Database, at: datetime, user: str, code: str) -> Iterator[None]:
    """One transaction of the application: its marker row first, then what the caller writes; undone if that raises."""
    connection.execute("BEGIN")
    try:
        connection.execute(
            "INSERT INTO txlog (tx_ts, usr_id, trn_cd) VALUES (?, ?, ?)",
            (at.isoformat(timespec="microseconds").replace("+00:00", "Z"), user.ljust(8), code.ljust(4)),
        )
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def day(at: date) -> str:
    """A day as the legacy writes it."""
    return at.strftime("%Y%m%d")


def stamp(at: datetime) -> str:
    """A moment as the legacy writes it."""
    return at.strftime("%Y%m%d%H%M%S")


def decimal(amount: int) -> str:
    """An amount of cents as a decimal with two places."""
    return f"{amount // 100}.{amount % 100:02d}"


def cents(amount: str | None) -> int:
    """The cents of a decimal with two places; none is nothing."""
    return 0 if amount is None else int(amount.replace(".", ""))


def premium(shares: int, discount: str | None) -> int:
    """The premium in cents: what the coverages cost, less the discount in per cent."""
    return shares * (10_000 - cents(discount)) // 10_000


class Writer:
    """Writes rows as the application's modules do; the caller opens the transaction."""

    def __init__(self, connection: Database, dice: random.Random) -> None:
        self.connection = connection
        self.dice = dice

    def insert(self, table: str, *values: object) -> None:
        """One row, all columns in order."""
        marks = ", ".join("?" * len(values))
        self.connection.execute(f"INSERT INTO {table} VALUES ({marks})", values)  # noqa: S608 (table names are ours)

    def policy(self, pol_no: str, status: str, party: int, at: datetime, since: date | None) -> None:
        """A policy with one to three coverages. A quote has no dates yet."""
        product = self.dice.choice(list(PRODUCTS))
        discount = self.dice.choice([None, "0.00", "5.00", "12.50"])
        kinds = PRODUCTS[product][: self.dice.randint(1, 3)]
        shares = [self.dice.randrange(2_000, 90_000) for _ in kinds]
        until = None if since is None else since + timedelta(days=364)
        cancelled = status == "C" and since is not None
        self.insert(
            "polmst",
            pol_no,
            product,
            status.ljust(2),
            party,
            self.dice.choice([f"AG{self.dice.randrange(20):04d}", " " * 6, None]),
            NO_DATE if since is None else day(since),
            NO_DATE if until is None else day(until),
            day(since + timedelta(days=90)) if cancelled and since is not None else NO_DATE,
            self.dice.choice(["01", "02", "03", "09"]) if cancelled else self.dice.choice(["  ", None]),
            premium(sum(shares), discount),
            "EUR",
            self.dice.choice("MQA"),
            discount,
            self.dice.choice(USERS).ljust(8),
            stamp(at),
            stamp(at),
        )
        for number, (kind, share) in enumerate(zip(kinds, shares, strict=True), start=1):
            self.coverage(pol_no, number, kind, share, at)

    def coverage(self, pol_no: str, number: int, kind: str, share: int, at: datetime) -> None:
        """One coverage that costs `share` cents a year."""
        sum_insured = self.dice.randrange(100, 50_000) * 10_000
        deductible = self.dice.choice([None, "150.00", "300.00", "1000.00"])
        self.insert("covdtl", pol_no, number, kind, sum_insured, deductible, share, stamp(at))

    def claim(self, clm_no: str, pol_no: str, status: str, at: datetime) -> list[int]:
        """A claim with one to five lines; the claimed cents of each. A claim that is not new has accepted lines."""
        kind = self.dice.choice(list(_LOSSES))
        amounts = [self.dice.randrange(5_000, 400_000) for _ in range(self.dice.randint(1, 5))]
        lost = at.date() - timedelta(days=self.dice.randrange(1, 20))
        closed = status in ("RJ", "ST")
        accepted = status in ("AC", "ST")
        self.insert(
            "clmhdr",
            clm_no,
            pol_no,
            status,
            _LOSSES[kind],
            day(lost),
            day(at.date()),
            day(at.date()) if closed else NO_DATE,
            self.dice.choice([None, "", "Pipe burst overnight", "Sturmschäden am Dach  ", "Vélo volé « à la gare »"]),
            0 if closed else sum(amounts),
            decimal(sum(amounts)) if status == "ST" else None,
            "EUR",
            self.dice.choice(["10", "20", "30", "99"]) if status == "RJ" else self.dice.choice(["  ", None]),
            self.dice.choice([*(user.ljust(8) for user in USERS), " " * 8, None]),
            stamp(at),
        )
        for number, amount in enumerate(amounts, start=1):
            shown = decimal(amount)
            self.insert("clmlin", clm_no, number, kind, self.dice.choice(_ITEMS), shown, shown if accepted else None)
        return amounts

    def payment(self, clm_no: str, party: int, amount: int, status: str, at: datetime) -> int:
        """The next payment of a claim; its number."""
        sql = "SELECT coalesce(max(pay_seq), 0) + 1 FROM clmpay WHERE clm_no = ?"
        number: int = self.connection.execute(sql, (clm_no,)).fetchone()[0]
        by_bank = self.dice.random() < 0.8
        account = f"DE{self.dice.randrange(100):02d} 5001 0517 {self.dice.randrange(10_000):04d} 0000 00"
        self.insert(
            "clmpay",
            clm_no,
            number,
            party,
            status,
            decimal(amount),
            "EUR",
            "BT" if by_bank else "CQ",
            account if by_bank else None,
            day(at.date()),
            day(at.date()) if status == "I" else NO_DATE,
            NO_DATE,
            "  ",
        )
        return number


class Pool:
    """Keys to draw from at random, in constant time and in the same order each time."""

    def __init__(self, dice: random.Random, keys: list[str]) -> None:
        self._dice = dice
        self._keys = keys

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: str) -> None:
        self._keys.append(key)

    def pick(self) -> str:
        """One key, which stays."""
        return self._dice.choice(self._keys)

    def take(self) -> str:
        """One key, which leaves."""
        at = self._dice.randrange(len(self._keys))
        self._keys[at], self._keys[-1] = self._keys[-1], self._keys[at]
        return self._keys.pop()
