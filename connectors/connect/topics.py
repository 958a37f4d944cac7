"""Topics as they should be and as they are: what each is for, who owns it, and why it keeps its records for so long."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from connectors.connect.config import DAY_MS, EMITS, HISTORY, ConnectorSpec, MariaDBSource

Kind = Literal[
    "feed",
    "transaction",
    "notification",
    "heartbeat",
    "message",
    "signal",
    "history",
    "events",
    "state",
    "changelog",
    "dead letters",
    "control",
]

FOREVER = -1
_UNITS = {"hour": DAY_MS // 24, "day": DAY_MS, "week": 7 * DAY_MS, "year": 365 * DAY_MS}
_DURATION = re.compile(r"([1-9][0-9]{0,3}) +(hour|day|week|year)s?")


class WantedTopic(msgspec.Struct, frozen=True, kw_only=True):
    """A topic as it should be. `why` says why it keeps what it keeps, `owner` who answers for it."""

    name: str
    kind: Kind
    partitions: int
    replication: int
    settings: Mapping[str, str]
    why: str
    owner: str

    @property
    def about(self) -> str:
        """Partitions and retention in words."""
        number = f"{self.partitions:,} partition{'' if self.partitions == 1 else 's'}"
        return f"{number}, {kept(self.settings)}"


class LiveTopic(msgspec.Struct, frozen=True, kw_only=True):
    """A topic as it is. `settings` are all in force, `own` those that were given to it; `empty` if it holds no record."""

    name: str
    partitions: int
    replication: int
    settings: Mapping[str, str]
    own: Mapping[str, str]
    empty: bool


def topics_of(spec: ConnectorSpec, connector: str) -> Iterator[WantedTopic]:
    """The topics that a connector writes and reads."""
    retention = spec.retention_ms

    def one(name: str, kind: Kind, why: str, *, partitions: int = 1, keeps: int = retention) -> WantedTopic:
        return WantedTopic(
            name=name,
            kind=kind,
            partitions=partitions,
            replication=spec.replication,
            settings=deleted_after(keeps),
            why=why,
            owner=f"connector {connector}",
        )

    for feed in spec.feeds:
        yield one(
            spec.topic(feed), "feed", "A translator that is away for longer has to be loaded anew. It is never compacted: "
            "a key's rows are told by their order.", partitions=feed.partitions,
        )  # fmt: skip
    yield one(spec.transactions, "transaction", "As long as the feeds: without its END a transaction is never over.")
    yield one(
        spec.notifications, "notification", "As long as the feeds: who reads them again needs the word that a snapshot is "
        "over.",
    )  # fmt: skip
    yield one(spec.heartbeats, "heartbeat", "Only the last one says anything.", keeps=DAY_MS)
    if EMITS in (spec.beat or ""):
        why = "What the heartbeat writes into the database's log comes back here, and says nothing beside that."
        yield one(spec.messages, "message", why, keeps=DAY_MS)
    if spec.channel is not None:
        why = "A signal that the connector has not taken within a week is not wanted any more."
        yield one(spec.channel.topic, "signal", why, keeps=7 * DAY_MS)
    if isinstance(spec.source, MariaDBSource):
        why = "Without all of it the connector cannot read the binary log."
        yield one(f"{spec.prefix}.{HISTORY}", "history", why, keeps=FOREVER)


def deleted_after(milliseconds: int) -> dict[str, str]:
    """The settings of a topic whose records go by age, and by nothing else."""
    return {"cleanup.policy": "delete", "retention.ms": str(milliseconds), "retention.bytes": "-1"}


def milliseconds(text: str) -> int | None:
    """`14 days` in milliseconds; None for a text that is no such duration."""
    found = _DURATION.fullmatch(text.strip())
    return int(found[1]) * _UNITS[found[2]] if found else None


def duration(milliseconds: int) -> str:
    """`14 days`."""
    if milliseconds < 0:
        return "for ever"
    for name in ("year", "week", "day", "hour"):
        number, rest = divmod(milliseconds, _UNITS[name])
        if number and not rest and not (name == "week" and number % 52 and number > 1):
            return f"{number:,} {name}{'' if number == 1 else 's'}"
    return f"{milliseconds / 1000:,.0f} s"


def kept(settings: Mapping[str, str]) -> str:
    """How long a topic keeps its records, in words."""
    if "compact" in settings.get("cleanup.policy", "delete"):
        return "compacted"
    said = int(settings.get("retention.ms", "-1"))
    return "kept for ever" if said < 0 else f"kept {duration(said)}"
