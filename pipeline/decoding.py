"""Records of a feed, as the log has them, decoded."""

from __future__ import annotations

from connectors.debezium.decode import Decoder
from connectors.debezium.records import Decoded
from pipeline.log.port import Outgoing, Record
from translators.change import Change


def decoded(decoder: Decoder, record: Record | Outgoing) -> Decoded:
    """What a record is, with the other key of a row whose key was changed; never raises for what is in it.

    A recording may name neither partition nor offset.
    """
    found = decoder.decode(
        record.topic, record.partition or 0, record.offset or 0, record.key, record.value, record.headers
    )
    return decoder.with_moved(found, record.headers) if isinstance(found, Change) else found
