"""What the captured tables of a PostgreSQL have to be. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from connectors.legacy.preflight_findings import Finding, Wanted, WantedTable, listed
from connectors.legacy.preflight_postgres import PostgresFacts, TableFacts
from connectors.legacy.preflight_postgres_server import error, info, quoted, user, warning

_GENERATED_PUBLISHED = 180_000
_KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}
_IDENTITIES = {"f": "full", "d": "default", "i": "index", "n": "nothing"}
SIGNAL_COLUMNS = "(id varchar(42) PRIMARY KEY, type varchar(32) NOT NULL, data varchar(2048))"


def of_tables(facts: PostgresFacts, wanted: Wanted) -> Iterator[Finding]:
    """Each captured table, then those that the connector writes to."""
    full = []
    for table in wanted.tables:
        found = facts.tables.get(table.name)
        if found is None:
            yield error(
                "table-missing",
                f"There is no table {table.name}.",
                advice="Correct the feed's `tables:`, or schema.yaml's `namespace`.",
            )
        elif found.kind in _KINDS:
            yield error(
                "table-kind",
                f"{table.name} is {_KINDS[found.kind]}, whose changes are in no log.",
                advice="Capture the tables behind it.",
            )
        else:
            yield from _storage(found)
            yield from _rights(found, facts, wanted)
            yield from _identity(found, table)
            yield from _columns(found, facts)
            full += [table.name] if found.identity == "f" else []
    if full:
        yield info("identity-full", f"The log has whole old rows of {listed(full)}, and grows by them.")
    yield from _written(facts, wanted)


def _storage(found: TableFacts) -> Iterator[Finding]:
    if found.persistence != "p":
        what = "unlogged" if found.persistence == "u" else "temporary"
        fix = (f"ALTER TABLE {quoted(found.name)} SET LOGGED",) if found.persistence == "u" else ()
        yield error("table-unlogged", f"{found.name} is {what}: its changes are in no log.", *fix)


def _rights(found: TableFacts, facts: PostgresFacts, wanted: Wanted) -> Iterator[Finding]:
    role = facts.role
    who = wanted.user or facts.me
    name = user(who)
    if role is None or not found.enters:
        schema = quoted(found.name.split(".", 1)[0])
        yield error(
            "schema-closed",
            f"{who} may not use the schema of {found.name}.",
            f"GRANT USAGE ON SCHEMA {schema} TO {name}",
        )
    if role is None or not found.selects:
        yield error(
            "select-missing",
            f"{who} may not read {found.name}: no snapshot can be taken.",
            f"GRANT SELECT ON {quoted(found.name)} TO {name}",
        )
    if role is None:
        return  # it is new, and what it may has just been said
    if found.secured and not (role.bypasses or role.superuser):
        yield warning(
            "row-security",
            f"Row security hides rows of {found.name} from {who} in a snapshot, and none in the log.",
            f"ALTER ROLE {name} BYPASSRLS",
        )


def _identity(found: TableFacts, table: WantedTable) -> Iterator[Finding]:
    """What the log has of a row that is changed or deleted."""
    full = f"ALTER TABLE {quoted(found.name)} REPLICA IDENTITY FULL"
    named, keyless = found.name, found.identity == "d" and not found.key
    if found.identity == "n" or keyless:
        why = "has no primary key" if keyless else "has REPLICA IDENTITY NOTHING"
        yield error(
            "identity-none",
            f"{named} {why}: once it is published, PostgreSQL refuses the application's updates and deletes.",
            full,
        )
    elif found.identity == "i":
        if not found.key or not set(found.key) <= set(found.indexed):
            yield error(
                "identity-index-wrong",
                f"{named} is identified by an index without its primary key: keys of deletes are invented.",
                full,
            )
        else:
            yield warning("identity-index", f"The log has only {listed(found.indexed)} of old rows of {named}.", full)
    elif found.identity == "d":
        lost = [column for column in table.routing if column not in found.key]
        if lost:
            yield error(
                "identity-routing",
                f"{named} is routed by {listed(lost)}, of which the log has no old value: its deletes come to a wrong "
                "partition, with invented values.",
                full,
            )
        elif table.identity == "full":
            yield error(
                "identity-differs",
                f"schema.yaml says that {named} has REPLICA IDENTITY FULL, and it has not: old values would be invented.",
                full,
                advice="Or say `replica_identity: default` of the table there: lint then tells what cannot be mapped.",
            )
        elif found.large:
            yield warning(
                "identity-default",
                f"The log leaves out unchanged large values of {named} ({listed(found.large)}), and old values.",
                full,
            )
    if found.identity != "f" and table.identity == "full" and found.identity == "i":
        yield error(
            "identity-differs",
            f"schema.yaml says that {named} has REPLICA IDENTITY FULL, and it has {_IDENTITIES[found.identity]}.",
            full,
        )
    if not found.key:
        yield warning(
            "no-key",
            f"{named} has no primary key: equal rows cannot be told apart, and it cannot be read again by a signal.",
            *([_key(found, table)] if table.key else []),
            advice="" if table.key else "Give it a primary key.",
        )


def _key(found: TableFacts, table: WantedTable) -> str:
    return f"ALTER TABLE {quoted(found.name)} ADD PRIMARY KEY ({', '.join(map(quoted, table.key))})"


def _columns(found: TableFacts, facts: PostgresFacts) -> Iterator[Finding]:
    if found.arrays and found.identity != "f":
        yield error(
            "array-left-out",
            f"Large unchanged arrays of {found.name} ({listed(found.arrays)}) come as NULL, and may not be NULL: the "
            "connector ends.",
            f"ALTER TABLE {quoted(found.name)} REPLICA IDENTITY FULL",
        )
    if found.generated and facts.version < _GENERATED_PUBLISHED:
        yield warning(
            "generated-column",
            f"{listed(found.generated)} of {found.name} are generated: they are in snapshots, and not in changes.",
            advice="Leave them out of schema.yaml, and let the mapping say what they compute.",
        )


def _written(facts: PostgresFacts, wanted: Wanted) -> Iterator[Finding]:
    """The tables of signals and heartbeats: there, and open to the connector's user."""
    who = wanted.user or facts.me
    for name in wanted.written:
        found = facts.tables.get(name)
        opened = (
            f"GRANT USAGE ON SCHEMA {quoted(name.split('.', 1)[0])} TO {user(who)}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {quoted(name)} TO {user(who)}",
        )
        if found is None and name == wanted.signals:
            made = f"CREATE TABLE {quoted(name)} {SIGNAL_COLUMNS}"
            yield error(
                "signal-table-missing", f"There is no table {name}, to which the connector writes.", made, *opened
            )
        elif found is None:
            yield error(
                "heartbeat-table-missing",
                f"There is no table {name}, to which the connector writes.",
                advice="Make it as the statement of `capture.heartbeat` wants it.",
            )
        elif facts.role is None or not (found.writes and found.selects and found.enters):
            yield error("write-missing", f"{who} may not write to {name}.", *opened)
