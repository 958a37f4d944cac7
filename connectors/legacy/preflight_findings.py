"""What a preflight finds, and what a connector wants of its database: values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from typing import Literal

import msgspec

from connectors.connect.config import ConnectorSpec, PostgresSource
from translators.schema import LegacySchema

Severity = Literal["error", "warning", "info"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that stands in the way. `fix` are statements for somebody who may execute them, as they stand; `advice` is
    what no statement can do, or what comes after them. `proven`: whether the rule was tried on such a server."""

    code: str
    severity: Severity
    message: str
    fix: tuple[str, ...] = ()
    advice: str = ""
    proven: bool = True


class WantedTable(msgspec.Struct, frozen=True, kw_only=True):
    """A captured table, named as the database does. `routing` are the columns that choose its partition, where there are
    several; `identity` what schema.yaml says of its replica identity, `key` of its primary key."""

    name: str
    key: tuple[str, ...] = ()
    routing: tuple[str, ...] = ()
    identity: Literal["full", "default", "index", "nothing"] = "full"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a database. `user` is the connector's own, None for the one who looks; `running` whether the connector
    runs now, None where nobody can tell: what it uses itself is in nobody's way. `namespace` is that of unqualified names."""

    tables: tuple[WantedTable, ...]
    namespace: str = "public"
    user: str | None = None
    slot: str | None = None
    publication: str | None = None
    makes_publication: bool = False
    server_id: int | None = None
    signals: str | None = None
    beat: str | None = None
    captured: bool = True
    running: bool | None = None
    settings: Mapping[str, str] = {}

    @property
    def beat_table(self) -> str | None:
        """The table that the heartbeat writes to; None if it writes to none, or nobody can tell."""
        found = _WRITES.match(self.beat or "")
        name = found[1].replace('"', "").replace("`", "") if found else None
        return name if name is None or "." in name else f"{self.namespace}.{name}"

    @property
    def written(self) -> tuple[str, ...]:
        """The tables that the connector's user writes to."""
        return tuple(dict.fromkeys(name for name in (self.signals, self.beat_table) if name))


_WRITES = re.compile(r"(?i)\s*(?:insert\s+into|update(?:\s+only)?|delete\s+from)\s+([\w.\"`$]+)")


def wanted_of(spec: ConnectorSpec, schema: LegacySchema, running: bool | None = None) -> Wanted:
    """What a declared connector wants."""
    tables = []
    for feed in spec.feeds:
        for name, routing in feed.tables.items():
            known = schema.tables.get(name.removeprefix(f"{schema.namespace}."))
            tables.append(
                WantedTable(
                    name=name,
                    key=known.key if known else (),
                    routing=routing if feed.partitions > 1 else (),
                    identity=known.replica_identity if known else "full",
                )
            )
    source = spec.source
    common = {"signals": spec.signals, "beat": spec.beat, "running": running, "settings": spec.overrides}
    if isinstance(source, PostgresSource):
        return Wanted(
            tables=tuple(tables),
            namespace=schema.namespace,
            user=source.user,
            slot=source.slot,
            publication=source.publication,
            makes_publication=source.makes_publication,
            **common,  # type: ignore[arg-type]
        )
    return Wanted(
        tables=tuple(tables),
        namespace=schema.namespace,
        user=source.user,
        server_id=source.server_id,
        **common,  # type: ignore[arg-type]
    )


def queries(file: str) -> dict[str, str]:
    """The named statements of one of this package's files."""
    text = resources.files(__package__ or "").joinpath(file).read_text(encoding="utf-8")
    parts = (part.split("\n", 1) for part in text.split("-- name: ")[1:])
    return {name.strip(): _uncommented(body) for name, body in parts}


def _uncommented(body: str) -> str:
    return "\n".join(line for line in body.splitlines() if not line.startswith("--")).strip()


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def listed(names: tuple[str, ...] | list[str], most: int = 5) -> str:
    """`a, b, c`, and how many more."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
