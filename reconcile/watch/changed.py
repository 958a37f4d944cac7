"""The keys that just changed, as the feed tells them: read on from where a look before has come to."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from connectors.debezium.decode import Decoder
from pipeline.log.port import Log, OffsetExpired, TopicPartition
from translators.change import Change
from translators.translator import Refused, Translator, keys_of

MOST = 50_000
"""Records that may wait to be read; of more the rest is left to the looks at all keys."""

_FETCH = 500


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """Keys that changed, and the offsets to go on at. `skipped` are records that were left out: too many, or expired."""

    keys: frozenset[str]
    offsets: dict[int, int]
    skipped: int = 0

    @classmethod
    def none(cls, offsets: Mapping[int, int]) -> Changed:
        """Nothing was read."""
        return cls(keys=frozenset(), offsets=dict(offsets))


class FeedTail:
    """The feed of one translator, read beside its worker. A record of a key that cannot be read is the worker's affair."""

    def __init__(self, log: Log, topic: str, decoder: Decoder, translator: Translator) -> None:
        self._log = log
        self._topic = topic
        self._decoder = decoder
        self._translator = translator

    def now(self) -> dict[int, int]:
        """The offsets of what is still to come."""
        spec = self._log.topics().get(self._topic)
        return {} if spec is None else {part: self._log.end(self._topic, part) for part in range(spec.partitions)}

    def read(self, since: Mapping[int, int], limit: int) -> Changed:
        """About `limit` keys that changed since these offsets; partitions that are not among them begin at their end."""
        keys: set[str] = set()
        offsets: dict[int, int] = {}
        skipped = 0
        for part, end in self.now().items():
            offset = since.get(part, end)
            if end - offset > MOST:
                skipped, offset = skipped + end - offset, end
            while offset < end and len(keys) < limit:
                following = self._page((self._topic, part), offset, keys)
                if following is None:
                    skipped, following = skipped + end - offset, end
                if following <= offset:
                    break
                offset = following
            offsets[part] = offset
        return Changed(keys=frozenset(keys), offsets=offsets, skipped=skipped)

    def _page(self, place: TopicPartition, offset: int, keys: set[str]) -> int | None:
        topic, part = place
        try:
            page = self._log.read(topic, part, offset, _FETCH)
        except OffsetExpired:
            return None
        for one in page.records:
            change = self._decoder.decode(topic, part, one.offset, one.key, one.value, one.headers)
            if isinstance(change, Change) and change.table in self._translator.tables:
                try:
                    keys.update(keys_of(self._translator, change))
                except (KeyError, Refused):
                    continue
        return page.next
