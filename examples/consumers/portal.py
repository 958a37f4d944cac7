"""A read model in a schema of its own: a header with a surrogate key, children that refer to it, amounts in cents.

`take` gets the records of one partition of the state stream, as they were polled (the loop around it is that of
`with_aiokafka.py`; it begins where `positions` says, and commits nothing to Kafka). Rows and position are one transaction, so
that the check in `portal_policy.yaml` knows exactly how far the model is. Nothing in the schema makes the number unique: the
check would tell.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from decimal import Decimal

from examples.consumers.curated import Fact

TABLES = """
CREATE TABLE IF NOT EXISTS policies (
    id INTEGER PRIMARY KEY, number TEXT NOT NULL, state TEXT, kind TEXT, starts TEXT, ends TEXT,
    premium_cents INTEGER, currency TEXT, seen TEXT NOT NULL, removed_at TEXT
);
CREATE INDEX IF NOT EXISTS policies_number ON policies (number);
CREATE TABLE IF NOT EXISTS policy_covers (
    id INTEGER PRIMARY KEY, policy_id INTEGER NOT NULL REFERENCES policies, line INTEGER NOT NULL, cover TEXT, sum_cents INTEGER
);
CREATE INDEX IF NOT EXISTS policy_covers_policy ON policy_covers (policy_id);
CREATE TABLE IF NOT EXISTS positions (part INTEGER PRIMARY KEY, upcoming INTEGER NOT NULL);
"""
FIND = "SELECT id, seen FROM policies WHERE number = ?"
ADD = "INSERT INTO policies (number, seen) VALUES (?, '')"
SHOW = """
UPDATE policies SET state = ?, kind = ?, starts = ?, ends = ?, premium_cents = ?, currency = ?, seen = ?, removed_at = NULL
WHERE id = ?
"""
REMOVE = "UPDATE policies SET removed_at = CURRENT_TIMESTAMP, seen = ? WHERE id = ?"
COVER = "INSERT INTO policy_covers (policy_id, line, cover, sum_cents) VALUES (?, ?, ?, ?)"
PASSED = "INSERT INTO positions VALUES (?, ?) ON CONFLICT (part) DO UPDATE SET upcoming = excluded.upcoming"


def opened(path: str) -> sqlite3.Connection:
    """The model's database."""
    database = sqlite3.connect(path, timeout=30)
    with closing(database.executescript(TABLES)):
        return database


def position(database: sqlite3.Connection, partition: int) -> int:
    """Where to go on."""
    found = database.execute("SELECT upcoming FROM positions WHERE part = ?", (partition,)).fetchone()
    return 0 if found is None else int(found[0])


def take(database: sqlite3.Connection, partition: int, facts: Iterable[Fact], upcoming: int) -> None:
    """Apply records of a partition, up to the offset `upcoming`: all of it or nothing."""
    with database:
        for fact in facts:
            show(database, fact)
        database.execute(PASSED, (partition, upcoming))


def show(database: sqlite3.Connection, fact: Fact) -> None:
    """Apply a state, of whatever class: only what is newer counts."""
    found = database.execute(FIND, (fact.key,)).fetchone()
    if found is None:
        database.execute(ADD, (fact.key,))
        found = database.execute(FIND, (fact.key,)).fetchone()
    header, seen = found
    if fact.sequence <= seen:
        return
    if fact.data is None:
        database.execute(REMOVE, (fact.sequence, header))
        return
    data, premium = fact.data, fact.data["premium"]
    values = (data["status"], data["product"], data["effectiveFrom"], data["effectiveTo"])
    database.execute(SHOW, (*values, cents(premium["amount"]), premium["currency"], fact.sequence, header))
    database.execute("DELETE FROM policy_covers WHERE policy_id = ?", (header,))
    for one in data["coverages"]:
        database.execute(COVER, (header, one["sequence"], one["kind"], cents(one["sumInsured"])))


def cents(amount: str) -> int:
    """An amount, as the model counts it."""
    return int(Decimal(amount) * 100)
