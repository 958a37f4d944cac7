"""What a PostgreSQL server, the connector's user, its slot and its publication have to be. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.dialects import postgresql

from connectors.legacy.preflight_findings import Finding, Wanted, listed, literal
from connectors.legacy.preflight_postgres import PostgresFacts, Publication, Role, Slot

MUCH_RETAINED = 1 << 30
"""Bytes of log that a slot may keep before it is said."""
RESTART = "Then restart the server: this is read at its start only."
_EMITS = "SELECT pg_logical_emit_message(false, 'dragoman', now()::text)"
_LONG = 1.0
_quote = postgresql.dialect().identifier_preparer.quote  # type: ignore[no-untyped-call]


def quoted(name: str) -> str:
    """`schema.table` as an SQL name."""
    return ".".join(_quote(part) for part in name.split(".", 1))


def user(name: str) -> str:
    """A user as an SQL name."""
    return str(_quote(name))


def error(code: str, message: str, *fix: str, advice: str = "") -> Finding:
    """What must be mended before anything is deployed."""
    return Finding(code=f"postgres.{code}", severity="error", message=message, fix=fix, advice=advice)


def warning(code: str, message: str, *fix: str, advice: str = "") -> Finding:
    """What will cost something one day."""
    return Finding(code=f"postgres.{code}", severity="warning", message=message, fix=fix, advice=advice)


def info(code: str, message: str, *fix: str, advice: str = "") -> Finding:
    """What is good to know."""
    return Finding(code=f"postgres.{code}", severity="info", message=message, fix=fix, advice=advice)


def of_server(facts: PostgresFacts, wanted: Wanted) -> Iterator[Finding]:
    """Settings and capacity."""
    said = facts.settings
    if facts.standby and facts.version < 160_000:
        yield error(
            "standby",
            "This server is a standby, and standbys decode their log from version 16 on.",
            advice="Let `database:` and `capture:` name the primary, or upgrade.",
        )
    if said["wal_level"] != "logical":
        if "rds.logical_replication" in said:
            yield error(
                "wal-level",
                f"wal_level is {said['wal_level']}: the log has no rows.",
                advice="Set rds.logical_replication to 1 in the database's parameter group, then restart it.",
            )
        else:
            message = f"wal_level is {said['wal_level']}: the log has no rows that could be decoded."
            yield error("wal-level", message, "ALTER SYSTEM SET wal_level = 'logical'", advice=RESTART)
    if said.get("max_slot_wal_keep_size") == "-1":
        yield warning(
            "wal-unlimited",
            "A slot keeps the log for as long as its connector is away, until the disk is full.",
            "ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'",
            "SELECT pg_reload_conf()",
            advice="Choose what the disk can hold; over it the slot is lost and a new snapshot is needed.",
        )
    if (timeout := said.get("idle_replication_slot_timeout", "0")) != "0":
        yield warning(
            "slot-timeout",
            f"A slot that is idle for {timeout} s is dropped by the server: a connector that is away so long loses changes.",
            "ALTER SYSTEM SET idle_replication_slot_timeout = 0",
            "SELECT pg_reload_conf()",
        )
    yield from _capacity(facts, wanted)
    shown = ("wal_sender_timeout", "logical_decoding_work_mem", "sync_replication_slots", "synchronized_standby_slots")
    known = ", ".join(f"{name} {said[name]}" for name in shown if said.get(name))
    yield info("settings", f"PostgreSQL {facts.version // 10_000}, {known}.")


def _capacity(facts: PostgresFacts, wanted: Wanted) -> Iterator[Finding]:
    """A slot is needed only if there is none of that name, and a sender only if the connector has none already."""
    for what, code, limit, taken, needed in (
        ("slot", "no-free-slot", "max_replication_slots", facts.slots, facts.slot is None),
        ("sender", "no-free-sender", "max_wal_senders", facts.senders, facts.slot is None or not facts.slot.active),
    ):
        most = int(facts.settings[limit])
        if needed and wanted.captured and taken >= most:
            message = f"All {most} of {limit} are taken: the connector gets no {what}."
            yield error(code, message, f"ALTER SYSTEM SET {limit} = {taken + 4}", advice=RESTART)
        elif what == "slot" and taken + needed >= most:
            message = f"No slot is left for a second connector: max_replication_slots is {most}."
            yield info("no-second-slot", message, f"ALTER SYSTEM SET {limit} = {taken + 4}", advice=RESTART)


def of_role(facts: PostgresFacts, wanted: Wanted) -> Iterator[Finding]:
    """The connector's user."""
    role = facts.role
    if role is None:
        name = _quote(wanted.user or "")
        yield error(
            "role-missing",
            f"There is no user {wanted.user}.",
            f"CREATE ROLE {name} LOGIN REPLICATION",
            advice=f"Then give it a password (`\\password {name}` in psql).",
        )
        return
    name = _quote(role.name)
    if not role.login:
        yield error("role-login", f"{role.name} may not log in.", f"ALTER ROLE {name} LOGIN")
    if not role.connects:
        fix = f"GRANT CONNECT ON DATABASE {_quote(facts.database)} TO {name}"
        yield error("role-connect", f"{role.name} may not connect to {facts.database}.", fix)
    if not role.replicates:
        fix = f"ALTER ROLE {name} REPLICATION"
        if "rds.logical_replication" in facts.settings:
            fix = f"GRANT rds_replication TO {name}"
        yield error("role-replication", f"{role.name} may not read the log (REPLICATION).", fix)
    yield from _probe(facts, role)


def _probe(facts: PostgresFacts, role: Role) -> Iterator[Finding]:
    if facts.probe is None:
        if facts.me != role.name:
            yield info(
                "probe-left-out",
                f"Whether the server takes replication connections of {role.name} was not tried: this looks as {facts.me}.",
                advice=f"Run it once with {role.name} in the URL of `database:` to try.",
            )
    elif facts.probe and role.replicates:
        yield error(
            "replication-refused",
            f"The server refuses a replication connection to {facts.database}: {facts.probe}.",
            advice=f"Let pg_hba.conf have a line for it (`host {facts.database} {role.name} <address> scram-sha-256`), and "
            "go to the server itself: a pooler such as PgBouncer cannot be in between.",
        )


def of_slot(facts: PostgresFacts, wanted: Wanted) -> Iterator[Finding]:
    """The connector's slot, and what a new one would wait for."""
    if facts.slot is not None:
        yield from _slot(facts.slot, facts, wanted)
    elif wanted.slot is not None:
        yield from _waits(facts)
    if wanted.settings.get("slot.failover") == "true" and (facts.version < 170_000 or facts.standby):
        yield error(
            "slot-failover",
            "slot.failover needs version 17 and a primary.",
            advice="Take slot.failover out of `capture.overrides`: after a failover the slot is gone.",
        )


def _slot(slot: Slot, facts: PostgresFacts, wanted: Wanted) -> Iterator[Finding]:
    name = slot.slot_name
    drop = f"SELECT pg_drop_replication_slot({literal(name)})"
    other = "Or give the connector a slot of another name: `capture.slot`."
    if slot.slot_type != "logical" or slot.plugin != "pgoutput" or slot.database != facts.database:
        what = f"{slot.plugin} of {slot.database}" if slot.slot_type == "logical" else "physical"
        yield error("slot-foreign", f"The slot {name} is {what}, not pgoutput of {facts.database}.", drop, advice=other)
        return
    if slot.wal_status == "lost" or slot.conflicting or slot.invalidation_reason:
        yield lost(name, slot.invalidation_reason, drop)
        return
    if slot.wal_status == "unreserved":
        yield warning(
            "slot-unreserved",
            f"The slot {name} is about to be lost: it keeps more log than max_slot_wal_keep_size allows.",
            "ALTER SYSTEM SET max_slot_wal_keep_size = -1",
            "SELECT pg_reload_conf()",
            advice="And start the connector now: the next checkpoint takes the log away.",
        )
    if slot.active and wanted.running is False:
        yield error(
            "slot-taken",
            f"The slot {name} is used by process {slot.active_pid}, though the connector does not run: each change would go "
            "to one of the two only.",
            f"SELECT pg_terminate_backend({slot.active_pid})",
            advice="First end what uses it, or it comes back. " + other,
        )
    if (slot.retained or 0) >= MUCH_RETAINED:
        yield warning(
            "slot-retains",
            f"The slot {name} keeps {(slot.retained or 0) / 1e9:,.1f} GB of log.",
            advice=f"Start the connector; if it runs, give it `capture.heartbeat: {_EMITS}`. A slot that nobody needs is "
            f"dropped with {drop}.",
        )


def lost(name: str, reason: str | None, drop: str) -> Finding:
    """A slot whose log is gone: nothing goes on from now as if nothing had been."""
    return error(
        "slot-lost",
        f"The slot {name} is lost{f' ({reason})' if reason else ''}: changes since it was read last were not captured.",
        drop,
        advice="Better with the connector's offsets: `dragoman connectors destroy`, raise `epoch:` of the source, `dragoman "
        "connectors apply`. All tables are then read anew, and what is gone is taken back. Going on now would hide the gap.",
    )


def _waits(facts: PostgresFacts) -> Iterator[Finding]:
    long = [one for one in facts.open if one.seconds is None or one.seconds >= _LONG]
    if long:
        told = [f"{one.pid}{f' ({one.user}, {one.seconds:,.0f} s)' if one.seconds else ''}" for one in long]
        yield warning(
            "open-transactions",
            f"The slot cannot be made before these transactions are over: process {listed(told)}.",
            *(f"SELECT pg_terminate_backend({one.pid})" for one in long),
            advice="Better wait until they end by themselves.",
        )
    if facts.prepared:
        yield warning(
            "prepared-transactions",
            f"The slot cannot be made before prepared transactions are over: {listed([gid for gid, _ in facts.prepared])}.",
            *(f"ROLLBACK PREPARED {literal(gid)}" for gid, _ in facts.prepared),
            advice=f"Or COMMIT PREPARED, as who prepared them says; connected to {listed([db for _, db in facts.prepared])}.",
        )


def of_publication(facts: PostgresFacts, wanted: Wanted) -> Iterator[Finding]:
    """What the publication lets through, and which tables it has."""
    if wanted.publication is None:
        return
    name, found = _quote(wanted.publication), facts.publication
    named = [*dict.fromkeys([*(table.name for table in wanted.tables), *wanted.written])]
    # The signal table is made by what is said before this.
    tables = [one for one in named if one in facts.tables or one == wanted.signals]
    if found is None:
        if wanted.makes_publication:
            yield from _may_make(facts, tables)
        elif tables:
            yield error("publication-missing", f"There is no publication {wanted.publication}.", _made(name, tables))
        return
    yield from _flags(name, found, facts, tables)
    partitioned = [one for one in tables if one in facts.tables and facts.tables[one].kind == "p"]
    if partitioned and not found.via_root:
        yield warning(
            "publication-per-partition",
            f"Changes of {listed(partitioned)} come under the names of their partitions, which no feed has.",
            f"ALTER PUBLICATION {name} SET (publish_via_partition_root = true)",
        )
    published = {one.name: one for one in facts.published}
    if missing := [one for one in tables if one not in published and not found.all_tables]:
        fix = f"ALTER PUBLICATION {name} ADD TABLE {', '.join(map(quoted, missing))}"
        yield error("publication-lacks-table", f"{wanted.publication} does not have {listed(missing)}.", fix)
    for one in facts.published:
        if one.name in tables and (one.columns or one.filtered):
            what = " and ".join(w for w, is_so in (("columns", one.columns), ("rows", one.filtered)) if is_so)
            again = quoted(one.name)
            yield warning(
                "publication-hides",
                f"{wanted.publication} leaves out {what} of {one.name}, and nothing in the feed says so.",
                f"ALTER PUBLICATION {name} DROP TABLE {again}",
                f"ALTER PUBLICATION {name} ADD TABLE {again}",
            )
        elif one.keyless and one.name not in tables:
            yield error(
                "publication-breaks",
                f"{one.name} is published and has no identity: PostgreSQL refuses the application's updates and deletes.",
                f"ALTER TABLE {quoted(one.name)} REPLICA IDENTITY FULL",
            )


def _flags(name: str, found: Publication, facts: PostgresFacts, tables: list[str]) -> Iterator[Finding]:
    if found.all_tables:
        breaks = f" It refuses updates and deletes of {listed(facts.keyless)} now." if facts.keyless else ""
        yield warning(
            "publication-all-tables",
            f"{name} is of all tables: a table without a key, new ones too, cannot be updated any more.{breaks}",
            f"DROP PUBLICATION {name}",
            _made(name, tables),
            advice="The connector must rest meanwhile.",
        )
    if not (found.inserts and found.updates and found.deletes and found.truncates):
        ops = ("insert", "update", "delete", "truncate")
        kept = (found.inserts, found.updates, found.deletes, found.truncates)
        missing = [op for op, is_kept in zip(ops, kept, strict=True) if not is_kept]
        fix = f"ALTER PUBLICATION {name} SET (publish = '{', '.join(ops)}')"
        yield error("publication-lacks-operation", f"{name} leaves out {', '.join(missing)}.", fix)


def _made(name: str, tables: list[str]) -> str:
    """Via the root, since a feed knows a partitioned table by its own name only; for others it says nothing."""
    listed_all = ", ".join(map(quoted, tables))
    return f"CREATE PUBLICATION {name} FOR TABLE {listed_all} WITH (publish_via_partition_root = true)"


def _may_make(facts: PostgresFacts, tables: list[str]) -> Iterator[Finding]:
    """Whether the connector's user can make its publication itself."""
    role = facts.role
    if role is None or role.superuser:
        return
    if not role.creates:
        fix = f"GRANT CREATE ON DATABASE {_quote(facts.database)} TO {_quote(role.name)}"
        yield error("publication-not-makable", f"{role.name} may not make a publication in {facts.database}.", fix)
    foreign = [facts.tables[one] for one in tables if one in facts.tables and not facts.tables[one].owned]
    if foreign:
        owners = dict.fromkeys(one.owner for one in foreign)
        yield error(
            "publication-not-owner",
            f"{role.name} cannot publish what it does not own: {listed([one.name for one in foreign])}.",
            *(f"GRANT {_quote(owner)} TO {_quote(role.name)}" for owner in owners),
            advice="Better let the owner make it, and leave `makes_publication` out.",
        )


def of_heartbeat(facts: PostgresFacts, wanted: Wanted) -> Iterator[Finding]:
    """Whether something moves the position while the captured tables are idle."""
    if wanted.beat is None and wanted.captured:
        beside = f", while {facts.others} other databases of this server write" if facts.others else ""
        yield warning(
            "no-heartbeat",
            f"Nothing moves the slot while the captured tables are idle{beside}: the log is kept, and lag cannot be told.",
            advice=f"Say `capture.heartbeat: {_EMITS}`: it needs no table and no right to write.",
        )
