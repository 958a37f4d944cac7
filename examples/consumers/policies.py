"""Two idempotent handlers: a view of policies, and letters about them. Neither minds what is said twice, or late."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from examples.consumers.curated import Fact

TABLES = """
CREATE TABLE IF NOT EXISTS policy (
    policy_number TEXT PRIMARY KEY, sequence TEXT NOT NULL, gone INTEGER NOT NULL, status TEXT, premium TEXT
);
CREATE TABLE IF NOT EXISTS letter (event_id TEXT PRIMARY KEY, policy_number TEXT NOT NULL, body TEXT NOT NULL);
"""

# A deleted policy stays as a row without content: an older record that comes late must not bring it back.
UPSERT = """
INSERT INTO policy (policy_number, sequence, gone, status, premium) VALUES (:key, :sequence, :gone, :status, :premium)
ON CONFLICT (policy_number) DO UPDATE
SET sequence = excluded.sequence, gone = excluded.gone,
    status = CASE WHEN :status_is_absent THEN policy.status ELSE excluded.status END,
    premium = CASE WHEN :premium_is_absent THEN policy.premium ELSE excluded.premium END
WHERE excluded.sequence > policy.sequence
"""

LETTERS = {
    "PolicyBound.v1": "Welcome. Your policy {policyNumber} is in force from {effectiveFrom}.",
    "PolicyCancelled.v1": "Your policy {policyNumber} ends on {cancelledOn}.",
}


def opened(path: str) -> sqlite3.Connection:
    """The consumer's own database."""
    database = sqlite3.connect(path, timeout=30)
    with closing(database.executescript(TABLES)):
        return database


def show(database: sqlite3.Connection, fact: Fact) -> None:
    """Apply a state, of whatever class: only what is newer counts."""
    data = fact.data or {}
    values = {
        "key": fact.key,
        "sequence": fact.sequence,
        "gone": fact.data is None,
        "status": data.get("status"),
        "premium": (data.get("premium") or {}).get("amount"),
        "status_is_absent": "status" in fact.absent,
        "premium_is_absent": not fact.absent.isdisjoint({"premium", "premium.amount"}),
    }
    database.execute(UPSERT, values)


def write_letter(database: sqlite3.Connection, fact: Fact) -> None:
    """Write the letter for an event, once for each id: the id is kept in the same transaction as the letter."""
    template = LETTERS.get(fact.contract)
    if template is None or fact.data is None:
        return
    values = (fact.id, fact.data["policyNumber"], template.format_map(fact.data))
    database.execute("INSERT INTO letter VALUES (?, ?, ?) ON CONFLICT (event_id) DO NOTHING", values)
