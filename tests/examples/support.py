"""The insurer's project as its files say it, read with what the tests need and no more."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import import_module
from inspect import isclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from connectors.capture import Captured, CaptureSpec, Feed, SqliteCapture, install
from connectors.debezium.decode import Decoder
from examples.insurer.legacy.generator import Application, build, initial_load, steady_clock
from translators.change import Change
from translators.compiled import CompiledTranslator, compile_mapping
from translators.contract import Contract
from translators.mapping import read_mapping
from translators.schema import LegacySchema
from translators.schema_text import read_schema

PROJECT = Path(__file__).parents[2] / "examples" / "insurer"
CONTEXTS = ("policy", "claim", "payment")
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def yaml(name: str) -> Any:
    """A file of the project, its scalars as YAML types them."""
    return YAML(typ="safe", pure=True).load(PROJECT / name)


@cache
def legacy_schema() -> LegacySchema:
    return read_schema((PROJECT / "schema.yaml").read_text(encoding="utf-8"), "schema.yaml")


@cache
def contracts() -> dict[str, type[Contract]]:
    found = {}
    for context in CONTEXTS:
        for value in vars(import_module(f"examples.insurer.contracts.{context}")).values():
            if isclass(value) and issubclass(value, Contract) and value is not Contract:
                found[value.promise.type] = value
    return found


@cache
def translator(name: str) -> CompiledTranslator:
    file = f"mappings/{name}.yaml"
    text = (PROJECT / file).read_text(encoding="utf-8")
    return compile_mapping(read_mapping(text, file), text, legacy_schema(), contracts())


def spec() -> CaptureSpec:
    """What `sources/legacy.yaml` says."""
    source = yaml("sources/legacy.yaml")
    feeds = tuple(
        Feed(name=name, tables={t: tuple(c) for t, c in feed["tables"].items()}, partitions=feed["partitions"])
        for name, feed in source["feeds"].items()
    )
    return CaptureSpec(schema=legacy_schema(), feeds=feeds, marker=source["marker"])


def a_legacy(path: Path, seed: int, policies: int = 60, claims: int = 25) -> tuple[sqlite3.Connection, Application]:
    """A legacy with its old data, before any trigger, and the application on it."""
    connection = sqlite3.connect(path, isolation_level=None)
    build(connection)
    connection.execute("PRAGMA synchronous = OFF")
    initial_load(connection, seed, policies, claims)
    clock = steady_clock(datetime(2026, 3, 2, 7, 30, tzinfo=UTC), timedelta(seconds=41))
    return connection, Application(connection, seed + 1, clock)


def captured(path: Path, connection: sqlite3.Connection) -> SqliteCapture:
    """The capture of a legacy, its triggers installed."""
    install(connection, spec().tables, spec().marker_table)
    return SqliteCapture(path, spec(), lambda: NOW)


def changes(records: Iterable[Captured]) -> list[Change]:
    """The row changes among records; a record that cannot be read fails the test."""
    decoder = Decoder(legacy_schema(), "legacy.notification")
    found = []
    for offset, r in enumerate(records):
        decoded = decoder.decode(r.topic, r.partition, offset, r.key, r.value, r.headers)
        assert type(decoded).__name__ != "Unreadable", decoded
        if isinstance(decoded, Change):
            found.append(decoded)
    return found
