"""Why a connector is set as it is: one reason for each setting that is derived, and which of them nobody may override."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import msgspec

from connectors.connect.secrets import shown


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why settings whose whole name fits `settings` are as they are. A `guarded` one cannot be overridden: data would be lost
    or come out of order."""

    settings: str
    why: str
    guarded: bool = False


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """One setting, its value as it may be shown, and why it is so. `origin` says whether the project overrides it."""

    setting: str
    value: str
    why: str
    guarded: bool
    origin: str


def _reason(settings: str, why: str) -> Reason:
    return Reason(settings=settings, why=why)


def _guard(settings: str, why: str) -> Reason:
    return Reason(settings=settings, why=why, guarded=True)


REASONS = (
    _guard(r"connector\.class", "Who reads the database's log: as schema.yaml names its kind."),
    _guard(r"tasks\.max", "A database has one log, and one task reads it."),
    _reason(r"database\.(hostname|port|user|dbname)", "Where the legacy database is, and who reads it."),
    _guard(
        r"database\.password",
        "Where the worker finds the password, not what it is: Connect repeats in its answers whatever is written here.",
    ),
    _guard(r"database\.server\.id", "The connector's own number among all replicas: two of one number end each other."),
    _guard(r"database\.include\.list", "Only the databases of the captured tables are read."),
    _guard(
        r"topic\.prefix",
        "Begins every topic and names the connector's offsets: another one reads the whole database anew. It is `source` in "
        "schema.yaml.",
    ),
    _guard(r"table\.include\.list", "Exactly the tables of the feeds, as patterns of their whole names."),
    _reason(r"snapshot\.mode", "All rows are read once, then the log from where that began."),
    _guard(r"plugin\.name", "PostgreSQL's own decoding; Debezium's default needs an extension on the server."),
    _guard(
        r"slot\.name",
        "The connector's own slot: it keeps the log for as long as the connector is away. Two connectors on one slot get half "
        "of the changes each.",
    ),
    _guard(
        r"publication\.(name|autocreate\.mode)",
        "The publication holds only captured tables. One of all tables makes PostgreSQL refuse the application's updates and "
        "deletes of every table that has no key.",
    ),
    _reason(r"(interval|hstore)\.handling\.mode", "As text that says all: Debezium's default loses months or shape."),
    _guard(
        r"schema\.history\.internal\.kafka\.(bootstrap\.servers|topic)",
        "Where the connector keeps the tables' history, without which it cannot read the binary log. The topic is its own.",
    ),
    _reason(r"schema\.history\.internal\.store\.only\.captured\.tables\.ddl", "Other tables' DDL is of no use here."),
    _guard(
        r"bigint\.unsigned\.handling\.mode",
        "As `encoding` in schema.yaml says that large unsigned numbers are read; `long` makes the largest negative.",
    ),
    _guard(
        r"(key|value)\.converter(\.schemas\.enable)?",
        "JSON without schemas: schema.yaml has the types, and they are lean.",
    ),
    _guard(r"(key|value)\.converter\.decimal\.format", "As `encoding` in schema.yaml says that decimals are read."),
    _guard(
        r"(key|value)\.converter\.replace\.null\.with\.default",
        "NULL in a column that has a default stays NULL; Connect would write the default.",
    ),
    _guard(
        r"(decimal|binary)\.handling\.mode|time\.precision\.mode|unavailable\.value\.placeholder",
        "As `encoding` in schema.yaml says that values are read: written otherwise they would be read wrongly.",
    ),
    _guard(
        r"event\.converting\.failure\.handling\.mode|errors\.tolerance",
        "A value or record that cannot be written stops the connector; otherwise it would be missing, with a line in a log.",
    ),
    _guard(
        r"provide\.transaction\.metadata|topic\.transaction",
        "The beginning and the end of each transaction are published: an aggregate's step is whole when its transaction is.",
    ),
    _reason(
        r"heartbeat\.interval\.ms",
        "The connector commits how far it is also when nothing changes, so that the log is not kept, and lag can be told.",
    ),
    _reason(
        r"connect\.keep\.alive\.interval\.ms",
        "An idle server says every four fifths of it that it is there, and only then is the last offset written down. With "
        "Debezium's default a check, and the last step of an idle partition, would wait for most of a minute.",
    ),
    _reason(r"heartbeat\.action\.query", "Moves the position of a database in which nothing else happens."),
    _reason(r"signal\..+", "By these the rows of single keys or tables are asked for again."),
    _guard(
        r"notification\.(enabled\.channels|sink\.topic\.name)",
        "Tells how snapshots go: the only reliable word that one is over.",
    ),
    _guard(
        r"tombstones\.on\.delete",
        "A tombstone has no row to be routed by, and would come to another partition than its aggregate. Feeds are never "
        "compacted.",
    ),
    _guard(r"skipped\.operations", "Truncates are told as well; Debezium's default skips them without a word."),
    _guard(
        r"exactly\.once\.support|transaction\.boundary",
        "`exactly_once: true` requires a worker that writes rows and offsets in one transaction; the connector is refused by "
        "one that does not.",
    ),
    _reason(r"topic\.creation\.default\.replication\.factor", "How many brokers have each topic."),
    _guard(
        r"topic\.creation\.default\.(partitions|cleanup\.policy)",
        "Topics beside the feeds have one partition: in several, nobody knows the order of BEGIN and END. None is compacted.",
    ),
    _guard(
        r"topic\.creation\.(groups|feed\d+\.(include|partitions))",
        "A feed has the partitions that the project says, for ever: with more, a key would move to another partition.",
    ),
    _guard(
        r"(transforms|predicates)(\..+)?",
        "The partition is chosen from the row's routing columns, then all tables of a feed go into its topic: all rows of an "
        "aggregate are in one partition, in the order of their commits. Patterns fit whole names only.",
    ),
)


def reason_of(setting: str) -> Reason | None:
    """The reason of a setting; None for one that Dragoman does not derive."""
    return next((reason for reason in REASONS if re.fullmatch(reason.settings, setting)), None)


def explained(config: Mapping[str, str], overrides: Mapping[str, str]) -> Iterator[Explained]:
    """Each setting of a configuration with its reason, in its order; secrets are hidden."""
    for setting, value in shown(config).items():
        reason = reason_of(setting)
        own = setting in overrides
        yield Explained(
            setting=setting,
            value=value,
            why="The project's own, under `overrides`." if own or reason is None else reason.why,
            guarded=reason is not None and reason.guarded,
            origin="overridden" if own else "derived",
        )
