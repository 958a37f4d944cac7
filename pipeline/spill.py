"""The changes of a transaction that is too large to be kept in memory: in a file of its own that nobody else sees.

An open step is read again from the feed after a restart, so the file outlives nothing: SQLite makes it without a name
and the system takes it back when the process ends, however it ends.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Hashable, Iterator

from pipeline.state.codec import decode_change, encode_change
from translators.change import Change

_CACHE_KIB = 16 * 1024

_SCHEMA = f"""
PRAGMA cache_size = -{_CACHE_KIB};
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE spilled (
    number INTEGER PRIMARY KEY, identity BLOB NOT NULL UNIQUE, key BLOB NOT NULL, body BLOB NOT NULL
);
CREATE INDEX of_key ON spilled (key, number);
"""


class Spill:
    """Changes with their business keys, each identity once, in the order in which they came."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(_SCHEMA)
        self._db.execute("BEGIN")

    def add(self, identity: Hashable, key: str, change: Change) -> bool:
        """Keep a change; false if its identity is kept already."""
        row = (_bytes(repr(identity)), _bytes(key), encode_change(change))
        done = self._db.execute("INSERT OR IGNORE INTO spilled (identity, key, body) VALUES (?, ?, ?)", row)
        return done.rowcount == 1

    def by_key(self) -> Iterator[tuple[str, list[Change]]]:
        """The changes of each key, keys in the order in which they were touched first."""
        first = "SELECT key, MIN(number) FROM spilled GROUP BY key ORDER BY 2"
        for key, _ in self._db.execute(first):
            rows = self._db.execute("SELECT body FROM spilled WHERE key = ? ORDER BY number", (key,))
            yield key.decode("utf-8", "surrogatepass"), [decode_change(body) for (body,) in rows]

    def close(self) -> None:
        """Give the room back. Safe to repeat."""
        self._db.close()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
