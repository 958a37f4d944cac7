"""How large a published record may be: what no broker and no consumer with usual settings would take is rejected whole."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import cast

from pipeline.log.port import Outgoing
from translators.problem import Problem
from translators.translator import Refused

MAX_RECORD_BYTES = 1_000_000
"""Key, value and headers of one record, uncompressed. A topic takes batches of 1,048,588 bytes unless told otherwise."""


def check_sizes(records: Iterable[Outgoing]) -> None:
    """`Refused` with `aggregate.too-large` for the first record that is over the limit."""
    for record in records:
        size = size_of(record)
        if size > MAX_RECORD_BYTES:
            raise Refused(
                Problem(
                    code="aggregate.too-large",
                    cause="semantic",
                    message=f"a record of {record.topic} would have {size:,} bytes; at most {MAX_RECORD_BYTES:,} are published",
                    hint="Say less of it in the mapping, such as a count in place of all parts, or cut the aggregate smaller.",
                )
            )


def size_of(record: Outgoing) -> int:
    """The bytes of a record's key, value and headers, whose names are ASCII and none of which is null."""
    headers = cast("Iterable[tuple[str, bytes]]", record.headers)
    return len(record.key or b"") + len(record.value or b"") + sum(map(len, chain.from_iterable(headers)))
