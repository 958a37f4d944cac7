"""A log on the shared broker, and bare aiokafka beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing

import pytest

from dragoman.stack.server import Server
from pipeline.log.kafka.log import KafkaLog
from tests.pipeline.log.kafka.apart import Apart
from tests.pipeline.log.kafka.bare import Bare


@pytest.fixture
def log(kafka: Server, unused_name: str) -> Iterator[Apart]:
    with closing(Apart(KafkaLog(kafka.at, patience=30), unused_name)) as log:
        yield log


@pytest.fixture
def bare(kafka: Server) -> Iterator[Bare]:
    with asyncio.Runner() as runner:
        yield Bare(kafka.at, runner)
