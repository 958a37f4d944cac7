"""What a source's file may declare beside its feeds: a schema registry, the connector's signal table."""

from __future__ import annotations

import json
import shutil
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from connectors.debezium.records import Signal
from dragoman.kafka_source import Connector, Kafka
from dragoman.project import Project
from dragoman.proven import connectors_of, unproven
from dragoman.settings import read_settings
from dragoman.source import NoProof
from pipeline.log.memory import MemoryLog
from pipeline.log.port import Outgoing, TopicSpec
from tests.connectors.debezium.captures import DATA, capture, schema_texts
from tests.dragoman.support import dragoman, make_shop, replace, succeeds, write
from translators.change import Change
from translators.errors import DragomanError

SOURCE = """kind: recording
path: feed.jsonl.gz
encoding: base64
begins: snapshot
feeds: {key: {topic: srv.public.k, tables: k}}
"""
MAPPING = """translator: key
context: keys
root: {table: k, key: [a, b]}
state:
  contract: Key.v1
  fields:
    first: a
    second: b
    value: TRIM(v)
ignore:
  - {when: NOT CHANGED(*), reason: nothing}
events:
  - {type: KeyBound.v1, when: CREATED}
  - {type: KeyEnded.v1, when: DELETED}
  - {type: KeyValued.v1, when: NEW.value IS DISTINCT FROM OLD.value}
"""
CONTRACTS = '''"""Keys."""
from typing import ClassVar, Literal

from dragoman import Contract, Promise


def promise(name: str, kind: Literal["state", "event"]) -> Promise:
    return Promise(
        name=name, version=1, kind=kind, context="keys", owner="Keys", intent="Tell keys.",
        business_key=("first", "second"), retention="1 day", lag_objective="1 s",
    )


class Key(Contract):
    """A key."""
    promise: ClassVar[Promise] = promise("Key", "state")
    first: int
    second: int
    value: str | None


class KeyBound(Key):
    """Bound."""
    promise: ClassVar[Promise] = promise("KeyBound", "event")


class KeyEnded(Key):
    """Ended."""
    promise: ClassVar[Promise] = promise("KeyEnded", "event")


class KeyValued(Key):
    """Valued."""
    promise: ClassVar[Promise] = promise("KeyValued", "event")
'''


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A project over the Avro capture, without its schemas."""
    folder = tmp_path / "keys"
    for name in ("sources", "mappings", "contracts"):
        (folder / name).mkdir(parents=True)
    write(
        folder / "dragoman.yaml",
        "project: keys\nnamespace: com.example.keys\ntranslators: key\nsource: keys\nlog: var/log.db\nstate: var/state.db\n",
    )
    write(folder / "sources" / "keys.yaml", SOURCE)
    write(folder / "mappings" / "key.yaml", MAPPING)
    write(folder / "contracts" / "key.py", CONTRACTS)
    shutil.copy(DATA / "debezium" / "schema.yaml", folder / "schema.yaml")
    shutil.copy(DATA / "debezium" / "v_avro.jsonl.gz", folder / "feed.jsonl.gz")
    return folder


def declare(project: Path, text: str) -> None:
    """Add to the source's file."""
    path = project / "sources" / "keys.yaml"
    write(path, path.read_text("utf-8") + text)


@contextmanager
def served(password: str) -> Iterator[str]:
    """A registry of the capture's schemas at a URL, which asks for a user and a password."""
    wanted = f"Basic {b64encode(f'reader:{password}'.encode()).decode()}"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = schema_texts().get(int(self.path.removeprefix("/schemas/ids/")))
            allowed = self.headers.get("Authorization") == wanted
            self.send_response(401 if not allowed else 404 if text is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps({"error_code": 40403} if text is None else {"schema": text}).encode())

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def project_at(folder: Path) -> Project:
    """The project, read in this process."""
    return Project(read_settings(folder, {}))


def loaded(project: Path, **variables: str) -> int:
    """How many rows a run loads."""
    lines = succeeds("run", "--json", cwd=project, **variables).lines
    return int(next(one for one in lines if one.get("translator") == "key")["tables"][0]["loaded"])


class TestRegistry:
    def test_without_one_avro_stops_the_feed(self, keys: Path) -> None:
        told = dragoman("run", cwd=keys)
        assert (told.code, told.err.splitlines()[0]) == (2, "error feed.record-unreadable")
        assert "record.no-registry" in told.err

    def test_schemas_in_a_file_of_the_project(self, keys: Path) -> None:
        shutil.copy(DATA / "debezium" / "sr.json", keys / "schemas.json")
        declare(keys, "registry: {path: schemas.json}\n")
        assert loaded(keys) == 9

    def test_a_registry_over_http_with_a_password(self, keys: Path) -> None:
        with served("geheim") as url:
            declare(keys, f"registry:\n  url: {url}\n  user: reader\n  password: ${{REGISTRY_KEY}}\n")
            refused = dragoman("run", cwd=keys, REGISTRY_KEY="falsch")
            assert (refused.code, refused.err.splitlines()[0]) == (2, "error registry.refused")
            assert "falsch" not in refused.err
            missing = dragoman("run", cwd=keys)
            assert (missing.code, missing.err.splitlines()[0]) == (2, "error project.variable-missing")
            assert "sources/keys.yaml:9:13" in missing.err
            assert dragoman("lint", cwd=keys).err == ""
            assert loaded(keys, REGISTRY_KEY="geheim") == 9

    def test_an_outage_loses_nothing(self, keys: Path) -> None:
        declare(keys, "registry: {url: '${REGISTRY}'}\n")
        told = dragoman("run", cwd=keys, REGISTRY="http://127.0.0.1:9")
        assert (told.code, told.err.splitlines()[0]) == (2, "error registry.unreachable")
        shutil.copy(DATA / "debezium" / "sr.json", keys / "schemas.json")
        replace(keys / "sources" / "keys.yaml", "url: '${REGISTRY}'", "path: schemas.json")
        assert loaded(keys) == 9

    @pytest.mark.parametrize(
        ("declared", "code"),
        [
            ("registry: {url: 'http://a', user: b, password: geheim}\n", "project.secret-written"),
            ("registry: {url: 'http://a', user: b, password: '${P:-geheim}'}\n", "project.secret-written"),
            ("registry: {url: 'http://a', password: '${P}'}\n", "project.malformed"),
            ("registry: {url: 'http://a', path: b}\n", "project.malformed"),
            ("registry: {url: 'ftp://a'}\n", "registry.url"),
            ("registry: {url: 'http://reader:geheim@a'}\n", "registry.url"),
            ("registry: {url: 'http://[a'}\n", "registry.url"),
        ],
    )
    def test_what_is_refused_with_its_place(self, keys: Path, declared: str, code: str) -> None:
        declare(keys, declared)
        with pytest.raises(DragomanError) as raised:
            _ = project_at(keys).source
        assert raised.value.code == code
        assert str(raised.value.where).startswith("sources/keys.yaml:6:")
        assert "geheim" not in f"{raised.value.message} {raised.value.advice}"

    def test_avro_is_no_text(self, keys: Path) -> None:
        declare(keys, "registry: {path: schemas.json}\n")
        replace(keys / "sources" / "keys.yaml", "encoding: base64", "encoding: text")
        assert "feed.registry-text" in dragoman("lint", cwd=keys).out

    def test_doctor_says_what_is_wrong_with_the_schemas(self, keys: Path) -> None:
        declare(keys, "registry: {path: schemas.json}\n")
        found = {one["what"]: one for one in dragoman("doctor", "--json", cwd=keys).lines}
        assert found["schema registry"]["code"] == "registry.schemas-unreadable"
        shutil.copy(DATA / "debezium" / "sr.json", keys / "schemas.json")
        found = {one["what"]: one for one in dragoman("doctor", "--json", cwd=keys).lines}
        assert found["schema registry"]["severity"] == "ok"


class TestConnector:
    def test_one_that_is_proven(self, keys: Path) -> None:
        assert connectors_of(project_at(keys), None) == ["postgresql"]
        assert unproven(["postgresql", "sqlite", "mariadb"]) == []

    def test_mysql_is_marked_by_doctor_and_status(self, tmp_path: Path) -> None:
        shop = make_shop(tmp_path / "shop")
        succeeds("run", cwd=shop)
        assert "unproven" not in succeeds("status", "--json", cwd=shop).out
        replace(shop / "schema.yaml", "connector: postgresql", "connector: mysql")
        (one,) = [one for one in dragoman("doctor", "--json", cwd=shop).lines if one["what"] == "connector"]
        assert (one["severity"], one["code"]) == ("warning", "connector.unproven")
        assert "! The connector mysql is not proven yet" in succeeds("status", cwd=shop).out
        last = succeeds("status", "--json", cwd=shop).lines[-1]
        assert last["warning"] == "connector.unproven"

    def test_what_the_records_say_counts_too(self, keys: Path) -> None:
        record = json.dumps(
            {"before": None, "after": {"a": 1}, "op": "c", "source": {"connector": "mysql", "table": "k"}}
        )
        log = MemoryLog()
        log.create(TopicSpec(name="srv.public.k", kind="feed", partitions=2))
        log.append(
            [
                Outgoing(topic="srv.public.k", partition=0, timestamp=0, key=None, value=b"x", headers=()),
                Outgoing(topic="srv.public.k", partition=1, timestamp=0, key=None, value=record.encode(), headers=()),
            ]
        )
        assert connectors_of(project_at(keys), log) == ["postgresql", "mysql"]


class TestSignals:
    def test_their_table_is_in_no_feed(self, keys: Path) -> None:
        declare(keys, "signals: public.k\n")
        told = dragoman("lint", cwd=keys)
        assert "feed.signal-table" in told.out
        assert "sources/keys.yaml:6:10" in told.out

    def test_no_mapping_reads_it(self, tmp_path: Path) -> None:
        project = make_shop(tmp_path / "shop")
        replace(project / "sources" / "shop.yaml", "      - order_line\n", "")
        write(
            project / "sources" / "shop.yaml",
            (project / "sources" / "shop.yaml").read_text("utf-8") + "signals: order_line\n",
        )
        told = dragoman("lint", cwd=project)
        assert "feed.signal-table" in told.out
        assert "The translator order reads order_line" in told.out

    def test_its_rows_are_commands(self, keys: Path) -> None:
        rows = [record for record in capture("v_st") if record.topic == "srv.public.sig" and record.value is not None]
        assert rows
        assert {type(project_at(keys).decoder().decode(*row)) for row in rows} == {Change}
        declare(keys, "signals: public.sig\n")
        assert {type(project_at(keys).decoder().decode(*row)) for row in rows} == {Signal}


class TestUnreadable:
    def test_it_stops_unless_the_source_says_otherwise(self, tmp_path: Path) -> None:
        shop = make_shop(tmp_path / "shop")
        (shop / "feed.jsonl.gz").unlink()
        write(
            shop / "feed.jsonl",
            json.dumps({"topic": "legacy.order", "key": None, "value": "{cut", "headers": {}}) + "\n",
        )
        source = shop / "sources" / "shop.yaml"
        replace(source, "feed.jsonl.gz", "feed.jsonl")
        assert dragoman("run", cwd=shop).err.splitlines()[0] == "error feed.record-unreadable"
        write(source, source.read_text("utf-8") + "unreadable: dead-letter\n")
        (line,) = succeeds("run", "--json", cwd=shop).lines[0]["tables"]
        assert (line["table"], line["read"], line["rejected"]) == ("(unreadable)", 1, 1)
        (one,) = succeeds("dlq", "list", "--json", cwd=shop).lines
        assert (one["topic"], one["partition"], one["offset"]) == ("legacy.order", 0, 0)
        assert "1 record is set aside" in succeeds("dlq", "list", cwd=shop).out
        (whole,) = succeeds("dlq", "show", one["id"], "--json", cwd=shop).lines
        assert b64decode(whole["record"]["value"]) == b"{cut"
        assert "record        legacy.order 0:0" in succeeds("dlq", "show", one["id"][:8], cwd=shop).out


KAFKA = """kind: kafka
bootstrap: broker-1:9092, broker-2:9092
begins: snapshot
feeds: {key: {topic: srv.k, partitions: 4, tables: {k: [b, a]}}}
transactions: srv.transaction
notifications: srv.notification
exactly_once: true
signals: public.dbz_signal
unreadable: dead-letter
"""


@pytest.mark.parametrize(
    ("said", "engine"), [("", "aiokafka"), ("engine: aiokafka\n", "aiokafka"), ("engine: faust\n", "faust")]
)
def test_a_source_on_kafka_says_what_keeps_its_workers(keys: Path, said: str, engine: str) -> None:
    write(keys / "sources" / "keys.yaml", KAFKA + said)
    origin = Project(read_settings(keys, {})).source.origin
    assert isinstance(origin, Kafka) and origin.engine == engine


def test_a_source_on_kafka_says_where_its_feeds_are(keys: Path) -> None:
    write(
        keys / "sources" / "keys.yaml",
        KAFKA + "connect: {url: 'http://connect:8083', connector: legacy}\ndatabase: ${DB}\n",
    )
    project = Project(read_settings(keys, {"DB": "postgresql://u:secret@h/d"}))
    origin = project.source.origin
    assert isinstance(origin, Kafka)
    assert origin.bootstrap == "broker-1:9092,broker-2:9092"
    assert origin.connector == Connector(url="http://connect:8083", name="legacy")
    assert origin.database is not None
    assert origin.database.reveal() == "postgresql://u:secret@h/d"
    assert "secret" not in repr(origin)
    feed = project.source.feed_of(project.made("key"))
    assert (feed.topic, feed.transactions, feed.notifications) == ("srv.k", "srv.transaction", "srv.notification")
    assert (feed.begins, feed.exactly_once, feed.unreadable) == ("snapshot", True, "dead-letter")


@pytest.mark.parametrize(
    ("of", "by", "code"),
    [
        ("broker-1:9092, broker-2:9092", "broker-1", "source.bootstrap"),
        ("broker-1:9092, broker-2:9092", "kafka://broker-1:9092", "source.bootstrap"),
        ("exactly_once: true", "database: postgresql://u:secret@h/d", "project.secret-written"),
        ("exactly_once: true", "connect: {url: 'http://c:8083'}", "project.malformed"),
        ("[b, a]", "v", "feed.routed-apart"),
        ("kind: kafka", "kind: kafak", "project.malformed"),
        ("kind: kafka", "kind: kafka\nengine: flink", "project.malformed"),
    ],
)
def test_what_is_wrong_with_a_source_on_kafka_is_said_with_its_place(keys: Path, of: str, by: str, code: str) -> None:
    write(keys / "sources" / "keys.yaml", KAFKA.replace(of, by))
    project = Project(read_settings(keys, {}))
    with pytest.raises(DragomanError) as raised:
        _ = project.translators
    assert raised.value.code == code
    assert str(raised.value.where).startswith("sources/keys.yaml")
    assert "secret@" not in str(raised.value)


PROVEN = {
    "transactions: t\nexactly_once: true\n": True,
    "transactions: t\n": False,
    "exactly_once: true\n": False,
    "": False,
}


@pytest.mark.parametrize("connect", ["", "connect: {url: 'http://c:8083', connector: legacy}\n"])
@pytest.mark.parametrize("said", PROVEN)
def test_parts_need_a_proof_that_a_transaction_is_over(tmp_path: Path, said: str, connect: str) -> None:
    shop = make_shop(tmp_path)
    source = next((shop / "sources").glob("*.yaml"))
    tables = "{" + ", ".join(f"{t}: {c}" for t, c in (("orders", "o_id"), ("order_line", "ol_o_id"))) + "}"
    write(
        source,
        "kind: kafka\nbootstrap: b:9092\nbegins: empty\n"
        f"feeds: {{order: {{topic: s.order, partitions: 4, tables: {tables}}}}}\n"
        f"{said}{connect}",
    )
    project = Project(read_settings(shop, {}))
    if PROVEN[said] or connect:
        assert project.translators
        return
    with pytest.raises(NoProof) as raised:
        _ = project.translators
    assert "connect:" in raised.value.advice
