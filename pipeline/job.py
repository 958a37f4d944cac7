"""What the worker of one translator works with, the same for all of its partitions."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from connectors.debezium.decode import Decoder
from connectors.debezium.records import Decoded
from pipeline.bounds import Limits
from pipeline.cloudevents import Producer
from pipeline.decoding import decoded
from pipeline.feed import Curated, Feed, Identity, group_of
from pipeline.log.port import Log, Record
from pipeline.state.port import Lifecycle, StateStore
from translators.translator import Translator

BATCH = 1_000


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One translator over one feed, with its log, its store and the topics that it writes.

    `changelog`: what is kept is told to a topic, too, so that a worker elsewhere can go on with it. `progress` is told of
    each batch: the translator's name and how many records it had. `passed` says how far the connector has come: the commit
    position that its own committed offset has reached, 0 while that is the end of its initial snapshot, `None` where it is in
    the midst of one or nobody can tell now. `source` asks for the identity of the source's log (PostgreSQL's system
    identifier), `None` where nobody can. `parking` says how much may be parked.
    `reread` asks the source to read the rows of one key again (the run's name, the key), as an incremental snapshot would;
    it may be asked twice, and raises `ValueError` for a text that can be no key. `None` where a source cannot be asked.
    """

    log: Log
    store: StateStore
    translator: Translator
    decoder: Decoder
    feed: Feed
    identity: Identity
    curated: Curated
    batch_size: int
    progress: Callable[[str, int], None]
    changelog: bool = False
    passed: Callable[[], int | None] = lambda: None
    source: Callable[[], str | None] = lambda: None
    parking: Limits = Limits()
    reread: Callable[[str, str], None] | None = None

    @property
    def group(self) -> str:
        """The consumer group whose offsets say how far the translator came."""
        return group_of(self.translator.name)

    @property
    def alone(self) -> bool:
        """Whether the feed has one partition, so that all rows of all aggregates are on it."""
        return self.curated.events.partitions == 1

    def decode(self, record: Record) -> Decoded:
        """What a record is; never raises for what is in it."""
        return decoded(self.decoder, record)

    def producer(self, life: Lifecycle) -> Producer:
        """Who publishes in this life of the state.

        Without rows each source epoch is a life of its own: its feed may be made anew, and versions are places in it.
        """
        lives = life.state_epoch if self.translator.keeps_rows else life.state_epoch + life.source_epoch - 1
        return Producer(
            namespace=self.identity.namespace,
            context=self.translator.context,
            source=self.identity.source,
            source_epoch=life.source_epoch,
            translator=self.translator.name,
            state_epoch=lives,
            generation=life.generation,
            mapping_version=life.mapping_version,
            producer_version=self.identity.version,
            events_topic=self.curated.events.name,
            state_topic=self.curated.state.name,
        )
