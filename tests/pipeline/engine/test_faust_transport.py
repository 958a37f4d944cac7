"""Faust's private methods that are replaced or leant upon are those that were read: a release that changes one is looked at."""

from __future__ import annotations

import hashlib
import inspect
from importlib.metadata import version
from typing import Any

import pytest
from aiokafka.consumer.fetcher import Fetcher as Records
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import TopicPartitionState
from faust.app.base import App
from faust.tables.recovery import Recovery
from faust.transport.consumer import Consumer, Fetcher
from faust.transport.drivers import aiokafka as stock

from pipeline.engine.faust import transport as ours

READ = {
    "faust-streaming": "0.15.3",
    "mode-streaming": "0.7.1",
    "aiokafka": "0.14.0",
}
REPLACED: dict[Any, tuple[str, ...]] = {
    ours.RestingListener: ("on_partitions_assigned",),
    ours.BulkThread: ("_create_worker_consumer", "_fetch_records"),
    ours.BulkConsumer: (
        "_new_consumer_thread",
        "_drain_messages",
        "perform_seek",
        "commit",
        "verify_event_path",
        "on_partitions_revoked",
        "on_partitions_assigned",
    ),
    ours.BulkApp: ("_new_transport",),
}
ADDED: dict[Any, tuple[str, ...]] = {
    ours.RestingListener: (),
    ours.BulkThread: ("_member", "rest", "_seek"),
    ours.BulkConsumer: ("_member",),
    ours.BulkApp: (),
}
DIGESTS = {
    "AIOKafkaConsumerThread._create_worker_consumer": "c2701bfc3e6f6cad",
    "AIOKafkaConsumerThread._fetch_records": "39a2c6c79fc1455a",
    "AIOKafkaConsumerThread.getmany": "26fc5fc9f3b667e1",
    "App._new_transport": "42db531312dd776f",
    "App._on_partitions_assigned": "de932b7927db85b3",
    "App._on_partitions_revoked": "d5c895bbe57dc73a",
    "Consumer._commit_handler": "4e5da5df073082d6",
    "Consumer._drain_messages": "44a2500309e83c63",
    "Consumer._new_consumer_thread": "0870ec53dea75083",
    "Consumer.commit": "a354437baaa08bf8",
    "Consumer.on_partitions_assigned": "29ce96596f05a18c",
    "Consumer.on_partitions_revoked": "d04b7ae72c6fc206",
    "Consumer.perform_seek": "0e8c130ff4b0afd8",
    "Consumer.verify_event_path": "a17e8f0610e1abcb",
    "ConsumerRebalanceListener.on_partitions_assigned": "1c1f8406ad3698a6",
    "Fetcher._fetcher": "68f894f0b577d810",
    "Recovery._resume_streams": "d986a6710c1aca98",
    "aiokafka.FetchResult.getall": "3e717e30de5068d5",
    "aiokafka.Fetcher.fetched_records": "be4348896b9b66af",
    "aiokafka.GroupCoordinator._on_join_complete": "0b0b3d204b408f3c",
    "aiokafka.GroupCoordinator.check_errors": "ba6ca51ad34838d9",
    "aiokafka.TopicPartitionState": "2b83334afadf6d98",
}


def digest(of: Any) -> str:
    return hashlib.sha256(inspect.getsource(of).encode()).hexdigest()[:16]


def replaced() -> dict[str, Any]:
    """The stock methods behind ours."""
    return {
        f"{base.__name__}.{name}": getattr(base, name)
        for kind, names in REPLACED.items()
        for base in kind.__bases__
        for name in names
    }


def leant_upon() -> dict[str, Any]:
    """What decides when ours are called, and when a position moves."""
    return {
        "Fetcher._fetcher": Fetcher._fetcher.fun,
        "Consumer._commit_handler": Consumer._commit_handler.fun,
        "AIOKafkaConsumerThread.getmany": stock.AIOKafkaConsumerThread.getmany,
        "App._on_partitions_revoked": App._on_partitions_revoked,
        "App._on_partitions_assigned": App._on_partitions_assigned,
        "Recovery._resume_streams": Recovery._resume_streams,
        "aiokafka.Fetcher.fetched_records": Records.fetched_records,
        "aiokafka.FetchResult.getall": FetchResult.getall,
        "aiokafka.GroupCoordinator.check_errors": GroupCoordinator.check_errors,
        "aiokafka.GroupCoordinator._on_join_complete": GroupCoordinator._on_join_complete,
        "aiokafka.TopicPartitionState": TopicPartitionState,
    }


def test_the_releases_are_those_that_were_read() -> None:
    assert {name: version(name) for name in READ} == READ


def test_each_method_stands_for_one_of_the_stock_and_takes_what_it_takes() -> None:
    for kind, names in REPLACED.items():
        (base,) = kind.__bases__
        own = {name for name, found in vars(kind).items() if inspect.isfunction(found) or isinstance(found, property)}
        assert own == {*names, *ADDED[kind]}
        assert not [name for name in ADDED[kind] if hasattr(base, name)]
        for name in names:
            mine, theirs = (list(inspect.signature(getattr(of, name)).parameters) for of in (kind, base))
            assert mine == theirs, name


@pytest.mark.parametrize("name", sorted(replaced() | leant_upon()))
def test_the_source_behind_is_the_one_that_was_read(name: str) -> None:
    assert digest((replaced() | leant_upon())[name]) == DIGESTS[name]


def test_an_event_that_passes_faust_is_never_committed() -> None:
    """Not by its commit timer, not at the end: both go through `Consumer.commit`."""
    for caller in (Consumer._commit_handler.fun, Consumer.commit_and_end_transactions):
        assert "self.commit(" in inspect.getsource(caller)
    assert ours.BulkConsumer.commit is not Consumer.commit
