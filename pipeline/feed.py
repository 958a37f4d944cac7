"""What a translator's worker reads, what it writes, and who it is: the names that everybody agrees on."""

from __future__ import annotations

from typing import Literal

import msgspec

from pipeline.log.port import Log, TopicSpec


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    """Where a translator's changes come from.

    `transactions` is the topic of BEGIN and END; its ENDs prove a transaction over only if `exactly_once`: they are then
    never readable before the rows. `begins` says how the feed begins: with an initial snapshot, or empty. `unreadable`: what
    a record does that cannot be read or has no readable key.
    """

    topic: str
    transactions: str | None
    notifications: str | None
    begins: Literal["snapshot", "empty"]
    exactly_once: bool
    unreadable: Literal["stop", "dead-letter"] = "stop"


class Curated(msgspec.Struct, frozen=True, kw_only=True):
    """The topics that a translator writes."""

    events: TopicSpec
    state: TopicSpec
    dead_letters: TopicSpec
    changelog: TopicSpec

    @classmethod
    def of(cls, translator: str, partitions: int) -> Curated:
        """The topics of a translator, by convention."""
        return cls(
            events=TopicSpec(name=f"{translator}.events", kind="events", partitions=partitions),
            state=TopicSpec(name=f"{translator}.state", kind="state", partitions=partitions, compacted=True),
            changelog=TopicSpec(
                name=f"{translator}.changelog", kind="changelog", partitions=partitions, compacted=True
            ),
            dead_letters=TopicSpec(name=f"{translator}.dead-letters", kind="dead-letters", partitions=1),
        )


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who the worker publishes as: the project's namespace, the source and its epoch, the product's version."""

    namespace: str
    source: str
    source_epoch: int
    version: str


def group_of(translator: str) -> str:
    """The consumer group of a translator."""
    return f"dragoman.{translator}"


def read_again(log: Log, translator: str, feed: Feed) -> None:
    """Set a translator back to the beginning of its feed, markers included; no worker of it may be running."""
    topics = log.topics()
    names = [name for name in (feed.topic, feed.transactions, feed.notifications) if name in topics]
    log.commit(group_of(translator), {(n, p): 0 for n in names if n for p in range(topics[n].partitions)})
