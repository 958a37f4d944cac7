"""The legacy insurer: its tables, a stock of old data, and the application that writes them, all from one seed.

Every transaction writes its row in `txlog` first. The same seed and clock give the same database, row by row. It is at home
in SQLite, which `build` makes, and in PostgreSQL (`postgres.py`).
"""

from __future__ import annotations

import random
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from .writer import PRODUCTS, USERS, Database, Pool, Writer, cents, day, decimal, premium, stamp, transaction

Clock = Callable[[], datetime]

OPENED = datetime(2026, 1, 2, 6, 0, tzinfo=UTC)
"""When the stock of old data was loaded."""

UNKNOWN_STATUS = "SU"
"""The code that nobody told the integration team of: suspended."""

SCHEMA = Path(__file__).with_name("schema.sql")

_IN_SQLITE = (
    # It has no exact decimal and no time: both are text, a decimal with exactly its scale.
    (r"NUMERIC\(\d+,\d+\)", "TEXT"),
    ("TIMESTAMPTZ", "TEXT"),
    ("BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT"),
)
_NAMES = ("Weber", "Klein", "Müller", "Ødegård", "O'Brien", "Nowak", "Şahin", "Rossi")


def build(connection: sqlite3.Connection) -> None:
    """Make the empty tables, with a write-ahead log, so that readers and writers do not wait for each other."""
    connection.execute("PRAGMA journal_mode = WAL")
    schema = SCHEMA.read_text(encoding="utf-8")
    for word, own in _IN_SQLITE:
        schema = re.sub(word, own, schema)
    connection.executescript(schema)


def initial_load(connection: Database, seed: int, policies: int, claims: int) -> None:
    """Fill the tables with old data in one transaction: agents, parties, `policies` policies, `claims` claims."""
    _Load(connection, random.Random(seed)).run(policies, claims)


def steady_clock(start: datetime, step: timedelta) -> Clock:
    """A clock that moves on by `step` each time it is read."""
    now = start - step

    def tick() -> datetime:
        nonlocal now
        now += step
        return now

    return tick


class _Load(Writer):
    """The stock of old data."""

    def run(self, policies: int, claims: int) -> None:
        with transaction(self.connection, OPENED, "BATCH", "LOAD"):
            for agent in range(20):
                self.insert("agtmst", f"AG{agent:04d}", f"Agency {_NAMES[agent % len(_NAMES)]}", "12.50")
            parties = max(1, policies // 2)
            for party in range(parties):
                name = _NAMES[party % len(_NAMES)]
                self.insert("ptymst", 100_000 + party, "P", name, "19700101", f"{party % 99_999:05d}".ljust(10), "Köln")
            for number in range(1, policies + 1):
                status = self.dice.choices("QACL", [12, 70, 10, 8])[0]
                since = None if status == "Q" else OPENED.date() - timedelta(days=self.dice.randrange(360))
                self.policy(f"P{number:08d}".ljust(10), status, 100_000 + number % parties, OPENED, since)
            for number in range(1, claims + 1):
                self._claim(f"C{number:07d}".ljust(12), f"P{self.dice.randint(1, policies):08d}".ljust(10))

    def _claim(self, clm_no: str, pol_no: str) -> None:
        status = self.dice.choices(["RG", "AC", "RJ", "ST"], [30, 25, 10, 35])[0]
        amounts = self.claim(clm_no, pol_no, status, OPENED)
        if status == "ST":
            self.payment(clm_no, 100_000, sum(amounts), "I", OPENED)


class Application(Writer):
    """The insurer's programs. Takes the database as it finds it; `clock` gives each transaction's time (UTC).

    Several may work at once: each takes its `share`, the `n`th of `of`, of what there is. All have to be made before one works.
    """

    _MIX: tuple[tuple[str, int], ...] = (
        ("quote", 14),
        ("bind", 14),
        ("endorse", 14),
        ("change_coverage", 11),
        ("edit_back_and_forth", 3),
        ("cancel", 4),
        ("lapse", 2),
        ("drop_quote", 1),
        ("amend_suspended", 1),
        ("register_claim", 12),
        ("fast_track_claim", 2),
        ("accept_claim", 9),
        ("reject_claim", 3),
        ("adjust_reserve", 2),
        ("settle_claim", 7),
        ("issue_payment", 8),
        ("reverse_payment", 2),
        ("move_party", 2),
        ("give_up", 1),
    )

    def __init__(self, connection: Database, seed: int, clock: Clock, share: tuple[int, int] = (0, 1)) -> None:
        super().__init__(connection, random.Random(seed))
        self.clock = clock
        self._number, self._of = share
        policies = "SELECT pol_no FROM polmst WHERE trim(pol_sts) = ? ORDER BY pol_no"
        claims = "SELECT clm_no FROM clmhdr WHERE clm_sts = ? ORDER BY clm_no"
        payments = "SELECT clm_no, pay_seq FROM clmpay WHERE pay_sts = ? ORDER BY clm_no, pay_seq"
        self.quoted, self.active, self.suspended = (self._pool(policies, s) for s in ("Q", "A", UNKNOWN_STATUS))
        self.registered, self.accepted = (self._pool(claims, s) for s in ("RG", "AC"))
        self.authorized, self.issued = (self._pool(payments, s) for s in ("A", "I"))
        self.policies, self.claims = self._last("polmst", "pol_no"), self._last("clmhdr", "clm_no")
        self.parties: tuple[int, int] = connection.execute("SELECT min(pty_no), max(pty_no) FROM ptymst").fetchone()

    def run(self, transactions: int) -> Counter[str]:
        """Do `transactions` transactions, drawn from what the data allow; how often each kind was done."""
        done: Counter[str] = Counter()
        names, weights = zip(*self._MIX, strict=True)
        needs = {
            "bind": self.quoted, "drop_quote": self.quoted, "endorse": self.active, "change_coverage": self.active,
            "edit_back_and_forth": self.active, "cancel": self.active, "lapse": self.active,
            "amend_suspended": self.suspended, "register_claim": self.active, "fast_track_claim": self.active,
            "accept_claim": self.registered, "reject_claim": self.registered, "settle_claim": self.accepted,
            "adjust_reserve": self.accepted, "issue_payment": self.authorized, "reverse_payment": self.issued,
        }  # fmt: skip
        while done.total() < transactions:
            name = self.dice.choices(names, weights)[0]
            if name not in needs or len(needs[name]):
                getattr(self, f"_{name}")(self.clock())
                done[name] += 1
        return done

    def nightly_job(self) -> int:
        """The nightly recalculation: touches every policy in one transaction, and changes nothing that matters."""
        at = self.clock()
        with transaction(self.connection, at, "BATCH", "RCLC"):
            return self.connection.execute("UPDATE polmst SET rct_ts = ?", (stamp(at),)).rowcount

    def unmapped_code(self, policies: int) -> list[str]:
        """Suspend some policies in force: a status that no mapping knows. The policies' numbers."""
        taken = [self.active.take() for _ in range(min(policies, len(self.active)))]
        for pol_no in taken:
            self._update_policy("SUSP", self.clock(), pol_no, pol_sts=UNKNOWN_STATUS)
            self.suspended.add(pol_no)
        return [pol_no.strip() for pol_no in taken]

    def _quote(self, at: datetime) -> None:
        self.policies += self._of
        pol_no = f"P{self.policies:08d}".ljust(10)
        with self._transaction(at, "QUOT"):
            self.policy(pol_no, "Q", self._party(), at, None)
        self.quoted.add(pol_no)

    def _bind(self, at: datetime) -> None:
        pol_no, since = self.quoted.take(), at.date() + timedelta(days=self.dice.randrange(30))
        self._update_policy(
            "BIND", at, pol_no, pol_sts="A ", eff_dt=day(since), exp_dt=day(since + timedelta(days=364))
        )
        self.active.add(pol_no)

    def _endorse(self, at: datetime) -> None:
        self._reprice(at, "ENDO", self.active.pick())

    def _amend_suspended(self, at: datetime) -> None:
        self._reprice(at, "ENDO", self.suspended.pick())

    def _reprice(self, at: datetime, code: str, pol_no: str) -> None:
        old = self._one("SELECT dsc_pct FROM polmst WHERE pol_no = ?", pol_no)
        discount = self.dice.choice([d for d in ("2.50", "7.50", "15.00") if d != old])
        self._update_policy(code, at, pol_no, dsc_pct=discount, prem_amt=premium(self._shares(pol_no), discount))

    def _change_coverage(self, at: datetime) -> None:
        pol_no = self.active.pick()
        rows = self.connection.execute("SELECT cov_seq, cov_cd FROM covdtl WHERE pol_no = ?", (pol_no,)).fetchall()
        product = self._one("SELECT trim(prd_cd) FROM polmst WHERE pol_no = ?", pol_no)
        missing = [kind for kind in PRODUCTS[str(product)] if kind not in {kind for _, kind in rows}]
        with self._transaction(at, "COVC"):
            if missing:
                number = max(number for number, _ in rows) + 1
                self.coverage(pol_no, number, missing[0], self.dice.randrange(2_000, 90_000), at)
            elif len(rows) > 1 and self.dice.random() < 0.4:
                self.connection.execute("DELETE FROM covdtl WHERE pol_no = ? AND cov_seq = ?", (pol_no, rows[-1][0]))
            else:
                sql = "UPDATE covdtl SET sum_ins = sum_ins * 2, cov_prm = cov_prm + 500, upd_ts = ? WHERE pol_no = ?"
                self.connection.execute(sql, (stamp(at), pol_no))
            discount = self._one("SELECT dsc_pct FROM polmst WHERE pol_no = ?", pol_no)
            self._set_policy(at, pol_no, prem_amt=premium(self._shares(pol_no), discount))

    def _edit_back_and_forth(self, at: datetime) -> None:
        """Somebody cancels the wrong policy and takes it back before saving: the transaction changes nothing."""
        pol_no = self.active.pick()
        with self._transaction(at, "EDIT"):
            self._set_policy(at, pol_no, pol_sts="C ")
            self._set_policy(at, pol_no, pol_sts="A ")

    def _cancel(self, at: datetime) -> None:
        reason = self.dice.choice(["01", "02", "03", "09"])
        self._update_policy("CANC", at, self.active.take(), pol_sts="C ", cxl_dt=day(at.date()), cxl_rsn=reason)

    def _lapse(self, at: datetime) -> None:
        self._update_policy("LAPS", at, self.active.take(), pol_sts="L ")

    def _drop_quote(self, at: datetime) -> None:
        pol_no = self.quoted.take()
        with self._transaction(at, "DROP"):
            self.connection.execute("DELETE FROM covdtl WHERE pol_no = ?", (pol_no,))
            self.connection.execute("DELETE FROM polmst WHERE pol_no = ?", (pol_no,))

    def _register_claim(self, at: datetime) -> None:
        with self._transaction(at, "CLRG"):
            self.registered.add(self._new_claim("RG", at))

    def _fast_track_claim(self, at: datetime) -> None:
        with self._transaction(at, "CLFT"):
            self.accepted.add(self._new_claim("AC", at))

    def _new_claim(self, status: str, at: datetime) -> str:
        self.claims += self._of
        clm_no = f"C{self.claims:07d}".ljust(12)
        self.claim(clm_no, self.active.pick(), status, at)
        return clm_no

    def _accept_claim(self, at: datetime) -> None:
        """Each line is accepted whole or not at all, at least one is; now and then half is paid at once."""
        clm_no = self.registered.take()
        sql = "SELECT lin_no, clm_amt FROM clmlin WHERE clm_no = ? ORDER BY lin_no"
        lines = self.connection.execute(sql, (clm_no,)).fetchall()
        taken = [line for line in lines if self.dice.random() < 0.8] or lines[:1]
        with self._transaction(at, "CLAC"):
            for number, amount in taken:
                sql = "UPDATE clmlin SET acc_amt = ? WHERE clm_no = ? AND lin_no = ?"
                self.connection.execute(sql, (amount, clm_no, number))
            total = sum(cents(amount) for _, amount in taken)
            self._set_claim(at, clm_no, clm_sts="AC", rsv_amt=total)
            if self.dice.random() < 0.3:
                self._authorize(clm_no, total // 2, at)
        self.accepted.add(clm_no)

    def _reject_claim(self, at: datetime) -> None:
        with self._transaction(at, "CLRJ"):
            reason = self.dice.choice(["10", "20", "30", "99"])
            clm_no = self.registered.take()
            self._set_claim(at, clm_no, clm_sts="RJ", rsv_amt=0, cls_dt=day(at.date()), rej_rsn=reason)

    def _adjust_reserve(self, at: datetime) -> None:
        with self._transaction(at, "CLRS"):
            self._set_claim(at, self.accepted.pick(), rsv_amt=self.dice.randrange(1_000, 500_000))

    def _settle_claim(self, at: datetime) -> None:
        """The claim's screen closes the claim and writes the payment of what is still owed, in one transaction."""
        clm_no = self.accepted.take()
        accepted = self._sum("SELECT acc_amt FROM clmlin WHERE clm_no = ?", clm_no)
        owed = accepted - self._sum("SELECT pay_amt FROM clmpay WHERE clm_no = ? AND pay_sts <> 'R'", clm_no)
        with self._transaction(at, "CLST"):
            self._set_claim(at, clm_no, clm_sts="ST", rsv_amt=0, set_amt=decimal(accepted), cls_dt=day(at.date()))
            if owed:
                self._authorize(clm_no, owed, at)

    def _issue_payment(self, at: datetime) -> None:
        payment = self.authorized.take()
        self._update_payment("PYIS", at, payment, pay_sts="I", iss_dt=day(at.date()))
        self.issued.add(payment)

    def _reverse_payment(self, at: datetime) -> None:
        reason = self.dice.choice(["B1", "D1", "E1"])
        self._update_payment("PYRV", at, self.issued.take(), pay_sts="R", rev_dt=day(at.date()), rev_rsn=reason)

    def _move_party(self, at: datetime) -> None:
        with self._transaction(at, "PTMV"):
            sql = "UPDATE ptymst SET pst_cd = ? WHERE pty_no = ?"
            self.connection.execute(sql, (f"{self.dice.randrange(99_999):05d}".ljust(10), self._party()))

    def _give_up(self, at: datetime) -> None:
        """A clerk fills in a quote and closes the screen: nothing of it is ever committed."""
        with suppress(_GivenUp), self._transaction(at, "QUOT"):
            self.policy("P99999999 ", "Q", self._party(), at, None)
            raise _GivenUp

    def _authorize(self, clm_no: str, amount: int, at: datetime) -> None:
        self.authorized.add(f"{clm_no}{self.payment(clm_no, self._party(), amount, 'A', at)}")

    def _update_policy(self, code: str, at: datetime, pol_no: str, **columns: object) -> None:
        with self._transaction(at, code):
            self._set_policy(at, pol_no, **columns)

    def _set_policy(self, at: datetime, pol_no: str, **columns: object) -> None:
        user = self.dice.choice(USERS).ljust(8)
        self._set("polmst", "pol_no = ?", (pol_no,), {**columns, "upd_usr": user, "upd_ts": stamp(at)})

    def _set_claim(self, at: datetime, clm_no: str, **columns: object) -> None:
        self._set("clmhdr", "clm_no = ?", (clm_no,), {**columns, "upd_ts": stamp(at)})

    def _update_payment(self, code: str, at: datetime, payment: str, **columns: object) -> None:
        with self._transaction(at, code):
            self._set("clmpay", "clm_no = ? AND pay_seq = ?", (payment[:12], int(payment[12:])), columns)

    def _set(self, table: str, where: str, key: tuple[object, ...], columns: dict[str, object]) -> None:
        changes = ", ".join(f"{column} = ?" for column in columns)
        self.connection.execute(f"UPDATE {table} SET {changes} WHERE {where}", (*columns.values(), *key))  # noqa: S608

    @contextmanager
    def _transaction(self, at: datetime, code: str) -> Iterator[None]:
        with transaction(self.connection, at, self.dice.choice(USERS), code):
            yield

    def _party(self) -> int:
        return self.dice.randint(*self.parties)

    def _shares(self, pol_no: str) -> int:
        return int(self._one("SELECT sum(cov_prm) FROM covdtl WHERE pol_no = ?", pol_no))

    def _sum(self, sql: str, key: str) -> int:
        return sum(cents(amount) for (amount,) in self.connection.execute(sql, (key,)))

    def _one(self, sql: str, *key: object) -> Any:
        return self.connection.execute(sql, key).fetchone()[0]

    def _pool(self, sql: str, status: str) -> Pool:
        keys = ["".join(map(str, key)) for key in self.connection.execute(sql, (status,))]
        return Pool(self.dice, keys[self._number :: self._of])

    def _last(self, table: str, key: str) -> int:
        """Below the first number that is this program's: from there on it takes every `of`th."""
        newest: int = self._one(f"SELECT coalesce(max(CAST(substr({key}, 2) AS INTEGER)), 0) FROM {table}")  # noqa: S608
        return newest + self._number - self._of + 1


class _GivenUp(Exception):
    """The clerk closed the screen."""
