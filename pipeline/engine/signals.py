"""How a connector on Kafka is asked for the rows of one key: by a signal in its signal topic."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from connectors.debezium.signals import reread
from pipeline.log.port import Log, Outgoing
from translators.schema import LegacySchema


class SignalTopic:
    """The signal topic of one connector (`signal.kafka.topic`). `prefix` is its `topic.prefix`, `now` tells milliseconds."""

    def __init__(self, log: Log, topic: str, prefix: str, schema: LegacySchema, now: Callable[[], int]) -> None:
        self._log = log
        self._topic = topic
        self._prefix = prefix
        self._schema = schema
        self._now = now

    def reread(self, tables: Mapping[str, tuple[str, ...]], run: str, key: str) -> None:
        """Ask for an incremental snapshot of one business key. `tables` has the columns of each table that hold the key.

        `ValueError` for a text that cannot be a key of these tables.
        """
        asked = reread(self._schema, self._prefix, run, tables, key)
        self._log.append(
            [Outgoing(topic=self._topic, partition=0, timestamp=self._now(), key=asked[0], value=asked[1])]
        )
