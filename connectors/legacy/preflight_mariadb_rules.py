"""What a MariaDB has to be before a connector reads it; the same rules for MySQL, of which none was tried on one. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from sqlalchemy.dialects import mysql

from connectors.legacy.preflight_findings import Finding, Severity, Wanted, listed
from connectors.legacy.preflight_mariadb import Grant, MariaDBFacts, MyTable, named

SHORT_RETENTION = 3 * 86_400
"""Seconds of binary log that outlast a weekend."""
_FILE = "Write it into the server's configuration file as well, or a restart takes it back."
_quote = mysql.dialect().identifier_preparer.quote
_SIGNAL_COLUMNS = "(id VARCHAR(42) PRIMARY KEY, type VARCHAR(32) NOT NULL, data VARCHAR(2048))"
_EVERYWHERE = (
    ("REPLICATION SLAVE", ("REPLICATION SLAVE",), "read the binary log"),
    ("REPLICATION CLIENT", ("REPLICATION CLIENT", "BINLOG MONITOR"), "ask where the binary log stands"),
    ("SHOW DATABASES", ("SHOW DATABASES",), "see the databases"),
)

_SHOWN = (
    *("gtid_strict_mode", "gtid_domain_id", "lower_case_table_names", "wait_timeout", "net_write_timeout"),
    *("max_allowed_packet", "read_only", "super_read_only", "require_secure_transport"),
)


def _quoted(name: str) -> str:
    return ".".join(_quote(part) for part in name.split(".", 1))


def _found(severity: Severity, code: str, message: str, *fix: str, advice: str = "") -> Finding:
    return Finding(code=f"mariadb.{code}", severity=severity, message=message, fix=fix, advice=advice)


def of_mariadb(facts: MariaDBFacts, wanted: Wanted) -> Iterator[Finding]:
    """All rules over what was seen; on MySQL each says that it is not proven there."""
    for rule in (_log, _retention, _identities, _settings, _zone, _rights, _tables):
        for finding in rule(facts, wanted):
            if facts.is_mariadb:
                yield finding
            else:
                code = finding.code.replace("mariadb.", "mysql.")
                yield msgspec.structs.replace(finding, code=code, proven=False)


def _log(facts: MariaDBFacts, wanted: Wanted) -> Iterator[Finding]:
    said = facts.variables
    if said.get("log_bin") != "ON":
        yield _found(
            "error",
            "no-binary-log",
            "The server writes no binary log.",
            advice="Write `log_bin = binlog` under [mysqld] in the server's configuration file, then restart it.",
        )
    elif facts.logs == ():
        yield _found("error", "no-binary-logs", "There is no file of the binary log.", "FLUSH BINARY LOGS")
    for variable, value, why in (
        ("binlog_format", "ROW", "rows"),
        ("binlog_row_image", "FULL", "whole rows"),
    ):
        if said.get(variable, value) != value:
            yield _found(
                "error",
                variable.replace("_", "-"),
                f"{variable} is {said[variable]}: the binary log does not have {why}.",
                f"SET GLOBAL {variable} = '{value}'",
                advice=f"Sessions that are open keep what they had: let the application connect anew. {_FILE}",
            )
    if said.get("binlog_row_value_options"):
        yield _found(
            "error",
            "partial-json",
            "The binary log has only what changed of a JSON document.",
            "SET GLOBAL binlog_row_value_options = ''",
            advice=_FILE,
        )
    if said.get("log_bin_compress") == "ON":
        yield _found(
            "error",
            "log-compressed",
            "The binary log is compressed (log_bin_compress), which the connector cannot read.",
            "SET GLOBAL log_bin_compress = OFF",
            "FLUSH BINARY LOGS",
            advice=_FILE,
        )
    updates = said.get("log_replica_updates", said.get("log_slave_updates"))
    if facts.replicates and updates == "OFF":
        yield _found(
            "error",
            "replica-logs-nothing",
            "This server is a replica, and what it replicates is not in its own binary log.",
            advice="Write `log_slave_updates = ON` under [mysqld] in its file, restart it, or name the primary.",
        )


def _retention(facts: MariaDBFacts, wanted: Wanted) -> Iterator[Finding]:
    said = facts.variables.get("binlog_expire_logs_seconds")
    if said is None:
        return
    if (seconds := int(said)) == 0:
        yield _found("info", "log-kept-for-ever", "Files of the binary log are never removed: mind the disk.")
    elif seconds < SHORT_RETENTION:
        yield _found(
            "warning",
            "log-kept-briefly",
            f"The binary log is kept for {seconds / 3600:,.1f} hours: a connector that is away longer needs a new snapshot.",
            f"SET GLOBAL binlog_expire_logs_seconds = {SHORT_RETENTION}",
            advice=f"Choose what your longest outage takes. {_FILE}",
        )


def _identities(facts: MariaDBFacts, wanted: Wanted) -> Iterator[Finding]:
    said = facts.variables
    own = int(said.get("server_id", "1"))
    if own == 0:
        yield _found("error", "server-id-zero", "server_id is 0: nobody may read the log.", "SET GLOBAL server_id = 1")
    used = {own, *(facts.replicas or ())} if wanted.running is not True else {own}
    if wanted.server_id in used:
        free = next(n for n in range(184_001, 200_000) if n not in used)
        yield _found(
            "error",
            "server-id-taken",
            f"The number {wanted.server_id} is that of the server or of a replica: two of one number end each other.",
            advice=f"Say `server_id: {free}` under `capture:`; nobody has that one here.",
        )
    if facts.replicas is None and wanted.server_id is not None:
        yield _found(
            "info",
            "replicas-unseen",
            f"{facts.me} may not see which numbers replicas have.",
            f"GRANT {'REPLICATION MASTER ADMIN' if facts.is_mariadb else 'REPLICATION SLAVE'} ON *.* TO {named(facts.me)}",
        )
    if said.get("gtid_mode") == "OFF":
        yield _found("warning", "gtid-off", "gtid_mode is OFF: after a failover nobody knows where to go on.")
    elif said.get("enforce_gtid_consistency", "ON") not in ("ON", "1"):
        yield _found(
            "warning",
            "gtid-inconsistent",
            "GTIDs are on, and statements that break them are let through.",
            "SET GLOBAL enforce_gtid_consistency = ON",
        )


def _settings(facts: MariaDBFacts, wanted: Wanted) -> Iterator[Finding]:
    said = facts.variables
    if said.get("encrypt_binlog") == "ON":
        yield _found("info", "log-encrypted", "The binary log is encrypted on disk; connectors read it all the same.")
    annotates = said.get("binlog_annotate_row_events", said.get("binlog_rows_query_log_events", "ON"))
    if wanted.settings.get("include.query") == "true" and annotates == "OFF":
        variable = "binlog_annotate_row_events" if facts.is_mariadb else "binlog_rows_query_log_events"
        yield _found(
            "warning",
            "queries-left-out",
            "`include.query` is set, and the binary log has no queries.",
            f"SET GLOBAL {variable} = ON",
            advice=_FILE,
        )
    if said.get("partial_revokes") == "ON":
        yield _found(
            "warning",
            "partial-revokes",
            "partial_revokes is ON: what a global right gives may be taken away per database.",
        )
    known = ", ".join(f"{name} {said[name]}" for name in _SHOWN if said.get(name))
    yield _found("info", "settings", f"{said.get('version', '')}, {known}.")


def _zone(facts: MariaDBFacts, wanted: Wanted) -> Iterator[Finding]:
    timed = [facts.tables[t.name].name for t in wanted.tables if t.name in facts.tables and facts.tables[t.name].timed]
    if facts.variables.get("time_zone") == "SYSTEM" and timed:
        system = facts.variables.get("system_time_zone", "")
        is_utc = system in ("UTC", "GMT", "Etc/UTC")
        yield _found(
            "warning",
            "zone-of-the-machine",
            f"The server takes its time zone from its machine ({system}): times of {listed(timed)} would mean something else "
            "after a move.",
            *(["SET GLOBAL time_zone = '+00:00'"] if is_utc else []),
            advice=_FILE if is_utc else "Name the zone: load mysql_tzinfo_to_sql, then SET GLOBAL time_zone.",
        )


def _rights(facts: MariaDBFacts, wanted: Wanted) -> Iterator[Finding]:
    if facts.account is None:
        yield _found(
            "error",
            "user-missing",
            f"There is no user {wanted.user}.",
            f"CREATE USER {named(f'{wanted.user}@%')} IDENTIFIED VIA mysql_native_password USING 'invalid'"
            if facts.is_mariadb
            else f"CREATE USER {named(f'{wanted.user}@%')} ACCOUNT LOCK",
            advice="Then give it a password: SET PASSWORD FOR it = PASSWORD('...').",
        )
        return
    account = named(facts.account)
    if facts.grants is None:
        yield _found(
            "info",
            "grants-unseen",
            f"{facts.me} may not see the rights of {account}.",
            advice="Run this once with that user in the URL of `database:`.",
        )
        return
    globally = frozenset().union(*(g.rights for g in facts.grants if g.on == "*.*"))
    needed = list(_EVERYWHERE)
    if wanted.settings.get("snapshot.locking.mode") != "none":
        needed.append(
            ("RELOAD", ("RELOAD", "FLUSH_TABLES", "LOCK TABLES"), "hold the tables still when a snapshot begins")
        )
    for right, names, purpose in needed:
        if not globally & {*names, "ALL PRIVILEGES"}:
            yield _found(
                "error",
                f"right-{right.lower().replace(' ', '-')}",
                f"{account} may not {purpose} ({right}).",
                f"GRANT {right} ON *.* TO {account}",
            )
    for table in wanted.tables:
        if table.name in facts.tables and not _may(facts.grants, table.name, "SELECT"):
            yield _found(
                "error",
                "right-select",
                f"{account} may not read {table.name}.",
                f"GRANT SELECT ON {_quoted(table.name)} TO {account}",
            )
    for name in wanted.written:
        lacking = [r for r in ("SELECT", "INSERT", "UPDATE", "DELETE") if not _may(facts.grants, name, r)]
        if name in facts.tables and lacking:
            fix = f"GRANT {', '.join(lacking)} ON {_quoted(name)} TO {account}"
            yield _found("error", "right-write", f"{account} may not {', '.join(lacking)} on {name}.", fix)


def _may(grants: tuple[Grant, ...], table: str, right: str) -> bool:
    return any(grant.rights & {right, "ALL PRIVILEGES", "ALL"} and grant.covers(table) for grant in grants)


def _tables(facts: MariaDBFacts, wanted: Wanted) -> Iterator[Finding]:
    for table in wanted.tables:
        found = facts.tables.get(table.name)
        if found is None:
            yield _found(
                "error",
                "table-missing",
                f"There is no table {table.name}, or {facts.me} may not see it.",
                advice="Correct the feed's `tables:` or schema.yaml's `namespace`; or GRANT SELECT on it to who looks.",
            )
        elif found.kind != "BASE TABLE":
            advice = "Capture the tables behind it."
            yield _found("error", "table-kind", f"{table.name} is a {found.kind.lower()}.", advice=advice)
        else:
            yield from _key(found, table.key)
    for name in wanted.written:
        if name not in facts.tables:
            is_signal = name == wanted.signals
            yield _found(
                "error",
                "signal-table-missing" if is_signal else "heartbeat-table-missing",
                f"There is no table {name}, to which the connector writes.",
                *([f"CREATE TABLE {_quoted(name)} {_SIGNAL_COLUMNS}"] if is_signal else []),
                advice="" if is_signal else "Make it as the statement of `capture.heartbeat` wants it.",
            )


def _key(found: MyTable, key: tuple[str, ...]) -> Iterator[Finding]:
    if not found.keyed:
        columns = ", ".join(map(_quote, key))
        yield _found(
            "warning",
            "no-key",
            f"{found.name} has no primary key: equal rows cannot be told apart, and it cannot be read again by a signal.",
            *([f"ALTER TABLE {_quoted(found.name)} ADD PRIMARY KEY ({columns})"] if key else []),
            advice="" if key else "Give it a primary key.",
        )
