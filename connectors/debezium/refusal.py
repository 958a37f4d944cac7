"""Why a record cannot be read: the one table of codes, and the exception that carries one to the decoder's edge."""

from __future__ import annotations

from translators.problem import Problem

CODES: dict[str, tuple[str, str]] = {
    "record.bad-avro": (
        "the record's {what} is not what its Avro schema says",
        "Look at the connector's converters, and whether the registry is the one that the connector writes to.",
    ),
    "record.bad-envelope": (
        "the record has an envelope whose {what} is not what Debezium writes",
        "Look at the transforms of the connector: one of them changes the record.",
    ),
    "record.bad-json": (
        "the record's {what} is no JSON",
        "Set the connector's key and value converters to JsonConverter.",
    ),
    "record.bad-schema": (
        "the schema inside the record cannot be read: {what}",
        "Look at the connector's converters and transforms.",
    ),
    "record.bad-text": (
        "column {column} holds the character U+0000, which no text column can hold",
        "Clean the value at the source.",
    ),
    "record.bad-time": (
        "the record's source time is no time",
        "Look at the transforms of the connector: one of them changes the record.",
    ),
    "record.bad-value": (
        "column {column} does not hold a value of its type, {what}",
        "Compare the column's type and `encoding` in schema.yaml with the source and the connector's settings.",
    ),
    "record.before-missing": (
        "schema.yaml says that {table} sends whole old rows, but this record has none",
        "Set `replica_identity` in schema.yaml to what the database has, or ALTER TABLE ... REPLICA IDENTITY FULL.",
    ),
    "record.column-missing": (
        "the record does not have column {column}, which schema.yaml says the table has{what}",
        "A dropped or renamed column is not sent, nor is a generated one with changes: correct schema.yaml and what uses it.",
    ),
    "record.connector-unknown": (
        "the record was written by a connector that is not known",
        "Feeds of PostgreSQL, MariaDB, MySQL and of our own SQLite capture are read.",
    ),
    "record.connector-unproven": (
        "the record was written by the {what} connector, which is not proven yet",
        "Feeds of PostgreSQL, MariaDB, MySQL and of our own SQLite capture are read.",
    ),
    "record.flattened": (
        "the record is a bare row without Debezium's envelope",
        "Take ExtractNewRecordState out of the connector's transforms.",
    ),
    "record.key-columns": (
        "the record's key does not have column {column}",
        "Set the table's `key` in schema.yaml to its primary key, and see message.key.columns of the connector.",
    ),
    "record.key-unproven": (
        "the key of a deleted row cannot be trusted under the replica identity of {table}",
        "ALTER TABLE ... REPLICA IDENTITY DEFAULT or FULL, and the same in schema.yaml.",
    ),
    "record.key-unusable": (
        "the key column {column} holds no value that a key can have",
        "A key needs columns that are never null, of types that schema.yaml can name.",
    ),
    "record.no-key": (
        "the record has no key, and schema.yaml names none for {table}",
        "Give the table a primary key, or name its key columns in schema.yaml and message.key.columns.",
    ),
    "record.no-position": (
        "the record has no log position",
        "Look at the transforms of the connector: one of them changes the record.",
    ),
    "record.no-registry": (
        "the record's {what} is Avro, and the project names no schema registry",
        "Name the schema registry of the source, or set the connector's converters to JsonConverter.",
    ),
    "record.no-transaction": (
        "the record has no transaction id",
        "MySQL without GTIDs needs provide.transaction.metadata=true; else a transform of the connector changes the record.",
    ),
    "record.null-value": (
        "column {column} is null, but schema.yaml says it never is",
        "Take `not null` from the column in schema.yaml, if the source allows null.",
    ),
    "record.number-too-large": (
        "the record's {what} holds a number with too many digits",
        "Leave the column out by column.exclude.list, or write decimals as strings.",
    ),
    "record.string-key": (
        "the record's key was written by StringConverter and cannot be read back",
        "Set key.converter to JsonConverter.",
    ),
    "record.too-deep": (
        "the record's {what} is nested too deeply",
        "Look at the connector's converters: Debezium writes nothing like it.",
    ),
    "record.too-large": (
        "the record is larger than {what} bytes",
        "Leave the large column out by column.exclude.list.",
    ),
    "record.type-mismatch": (
        "column {column} is {what}",
        "Make schema.yaml agree with the source; decimals need decimal.handling.mode precise or string.",
    ),
    "record.unknown-op": (
        "the record's op is none of c, u, d, r, t, m",
        "A newer connector may have written it; it must not be ignored.",
    ),
    "record.unknown-schema": (
        "the record's {what} has a schema that the registry does not know",
        "Is the registry the one that the connector writes to, with ids of four bytes in front of the record?",
    ),
    "record.unknown-shape": (
        "the record is none of the kinds that Debezium writes",
        "Does the topic belong to the feed?",
    ),
    "record.unknown-snapshot": (
        "the record does not say clearly whether a snapshot wrote it",
        "Look at the transforms of the connector: one of them changes the record.",
    ),
    "record.unknown-table": (
        "table {table} is not in schema.yaml, and the record carries no schema",
        "Add the table to schema.yaml, or leave it out by table.include.list.",
    ),
}
"""Code: message and advice. A message never holds a value of the record, since the column may be classified."""


class Refusal(Exception):
    """A record cannot be read, for the reason `code`; caught where the record entered, and nowhere else."""

    def __init__(self, code: str, what: str = "", *, column: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.what = what
        self.column = column
        self.table: str | None = None

    def problem(self, table: str | None) -> Problem:
        """The reason as a value, for a record of this table."""
        message, hint = CODES[self.code]
        return Problem(
            code=self.code,
            cause="technical",
            message=message.format(what=self.what, table=table, column=self.column),
            columns=() if self.column is None or table is None else (f"{table}.{self.column}",),
            hint=hint,
        )
