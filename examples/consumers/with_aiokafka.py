"""A view built from a state stream with aiokafka: python -m examples.consumers.with_aiokafka BROKERS TOPIC DATABASE

The state stream is written in transactions, so it is read with `read_committed`. Offsets are committed last, after what they
cover is in the database: a crash between the two repeats, and the handler does not mind.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import closing

from aiokafka import AIOKafkaConsumer

from examples.consumers.curated import fact_of
from examples.consumers.policies import opened, show


async def follow(brokers: str, topic: str, path: str) -> None:
    """Until SIGTERM. An error ends it before anything that it concerns is committed."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=brokers,
        group_id=f"policy-view.{topic}",
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        with closing(opened(path)) as database:
            while not ended.is_set():
                found = await consumer.getmany(timeout_ms=500, max_records=1_000)
                with database:
                    for records in found.values():
                        for record in records:
                            show(database, fact_of(record.value, record.headers))
                if found:
                    await consumer.commit()
    finally:
        await consumer.stop()


if __name__ == "__main__":
    asyncio.run(follow(*sys.argv[1:4]))
