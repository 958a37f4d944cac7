"""What the servers have to do whoever starts them: this machine (`--stack=native`) or an engine (`--stack=docker`)."""

from __future__ import annotations

import json
from contextlib import closing

import psycopg
import pytest

from pipeline.log.kafka.log import KafkaLog
from pipeline.log.port import Outgoing, TopicSpec
from pipeline.log.reading import read_through
from tests.servers.shared import AnyServer

ROWS = {number: f"Küche {number}" for number in range(300)}
PARTITIONS = 3


@pytest.fixture
def table(postgres: psycopg.Connection, unused_name: str) -> str:
    """A table with rows, whose changes a slot keeps."""
    postgres.execute(f"CREATE TABLE {unused_name} (no INT PRIMARY KEY, txt TEXT)".encode())
    postgres.execute(f"SELECT pg_create_logical_replication_slot('{unused_name}', 'test_decoding')".encode())
    with postgres.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {unused_name} VALUES (%s, %s)".encode(), ROWS.items())
    return unused_name


def test_rows_go_to_kafka_and_come_back(kafka: AnyServer, postgres: psycopg.Connection, table: str) -> None:
    topic = f"{table}.rows"
    with closing(KafkaLog(kafka.at)) as log:
        log.create(TopicSpec(name=topic, kind="feed", partitions=PARTITIONS))
        found = postgres.execute(f"SELECT no, txt FROM {table} ORDER BY no".encode()).fetchall()
        log.append(
            [
                Outgoing(
                    topic=topic,
                    partition=number % PARTITIONS,
                    timestamp=1_795_000_000_000 + number,
                    key=str(number).encode(),
                    value=json.dumps({"no": number, "txt": text}).encode(),
                    headers=(("written", b"here"),),
                )
                for number, text in found
            ]
        )
    with closing(KafkaLog(kafka.at)) as log:
        back = [
            json.loads(record.value or b"")
            for partition in range(PARTITIONS)
            for records in read_through(log, topic, partition)
            for record in records
        ]
        assert log.topics()[topic].partitions == PARTITIONS
    postgres.execute(f"CREATE TABLE {table}_back (no INT PRIMARY KEY, txt TEXT)".encode())
    with postgres.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {table}_back VALUES (%(no)s, %(txt)s)".encode(), back)
    again = postgres.execute(f"SELECT no, txt FROM {table}_back".encode()).fetchall()
    assert dict(again) == ROWS


def test_a_topic_is_made_only_by_who_declares_it(kafka: AnyServer, unused_name: str) -> None:
    with closing(KafkaLog(kafka.at)) as log:
        assert unused_name not in log.topics()
        log.create(TopicSpec(name=unused_name, kind="feed", partitions=2))
        assert log.topics()[unused_name].partitions == 2


def test_the_database_tells_its_changes(postgres: psycopg.Connection, table: str) -> None:
    peek = f"SELECT data FROM pg_logical_slot_peek_changes('{table}', NULL, NULL) WHERE data LIKE 'table %'"
    told = [line for (line,) in postgres.execute(peek.encode()).fetchall()]
    assert len(told) == len(ROWS)
    assert f"public.{table}: INSERT: no[integer]:7 txt[text]:'Küche 7'" in told[7]
    postgres.execute(f"SELECT pg_drop_replication_slot('{table}')".encode())
