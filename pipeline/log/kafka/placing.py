"""The partition of a key as Kafka's own producers choose it."""

from __future__ import annotations

from functools import lru_cache

from aiokafka.partitioner import murmur2


@lru_cache(maxsize=1 << 16)
def partition_of(key: bytes | None, partitions: int) -> int:
    """Murmur2 of the key's bytes, as every Kafka client has it by default; a null key is on 0, where all of them meet."""
    return 0 if key is None else (murmur2(key) & 0x7FFFFFFF) % partitions
