"""The connector that a source declares: what the file says becomes its settings, and what would lose something is refused."""

from __future__ import annotations

from pathlib import Path

import jsonschema_rs
import pytest

from connectors.connect.config import MariaDBSource
from dragoman.project import Project
from dragoman.settings import read_settings
from tests.dragoman.support import ROOT, dragoman, make_shop, replace, succeeds, write
from tests.dragoman.test_schemas import plain, schema
from translators.errors import DragomanError
from translators.yaml_text import load

SOURCE = """kind: kafka
bootstrap: broker-1:9092
begins: snapshot
exactly_once: true
transactions: legacy.transaction
notifications: legacy.notification
signals: public.dragoman_signal
signal_topic: legacy-signals
feeds:
  order:
    topic: legacy.order
    partitions: 4
    tables:
      orders: o_id
      order_line: ol_o_id
capture:
  host: db.example.com
  user: dragoman
  password: ${env:LEGACY_PASSWORD}
  database: erp
  slot: dragoman
  publication: dragoman
  heartbeat: UPDATE heartbeat SET at = now()
  replication: 3
  overrides:
    max.batch.size: 4096
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A project whose source declares its connector."""
    folder = make_shop(tmp_path / "shop")
    write(folder / "sources" / "shop.yaml", SOURCE)
    return folder


def settings(shop: Path) -> dict[str, str]:
    return {line["setting"]: line["value"] for line in succeeds("connectors", "explain", "--json", cwd=shop).lines}


def test_what_the_file_says_becomes_settings(shop: Path) -> None:
    told = settings(shop)
    wanted = {
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "topic.prefix": "legacy",
        "database.hostname": "db.example.com",
        "database.port": "5432",
        "database.password": "${env:LEGACY_PASSWORD}",
        "table.include.list": r"public\.orders,public\.order_line",
        "publication.autocreate.mode": "disabled",
        "exactly.once.support": "required",
        "heartbeat.action.query": "UPDATE heartbeat SET at = now()",
        "topic.creation.default.replication.factor": "3",
        "topic.creation.feed0.partitions": "4",
        "signal.data.collection": "public.dragoman_signal",
        "signal.enabled.channels": "source,kafka",
        "signal.kafka.topic": "legacy-signals",
        "notification.sink.topic.name": "legacy.notification",
        "max.batch.size": "4096",
    }
    assert {name: told.get(name) for name in wanted} == wanted


def test_explain_gives_the_reason_of_one_setting(shop: Path) -> None:
    out = succeeds("connectors", "explain", "tombstones.on.delete", cwd=shop).out
    assert "tombstones.on.delete = false  [guarded]" in out
    assert "another partition than its aggregate" in " ".join(out.split())
    told = dragoman("connectors", "explain", "tombstone.on.delete", cwd=shop)
    assert told.code == 2
    assert "did you mean" in told.err
    assert "tombstones.on.delete" in told.err
    routing = succeeds("connectors", "explain", "transforms", cwd=shop).out
    assert "transforms.feed0.topic.replacement = legacy.order" in routing
    assert "tombstones" not in routing


def test_only_what_overrides_says_is_shown_as_overridden(shop: Path) -> None:
    told = succeeds("connectors", "explain", "--json", cwd=shop).lines
    assert [one["setting"] for one in told if one["origin"] == "overridden"] == ["max.batch.size"]


@pytest.mark.parametrize("command", ["plan", "apply", "pause", "destroy"])
def test_without_a_worker_nothing_can_be_planned_or_done(shop: Path, command: str) -> None:
    told = dragoman("connectors", command, cwd=shop)
    assert (told.code, told.err.splitlines()[0]) == (2, "error connectors.worker-unsaid")


def test_how_long_topics_keep_a_record_is_said_once(shop: Path) -> None:
    spec = Project(read_settings(shop, {})).source.capture
    assert spec is not None
    assert spec.retention_ms == 14 * 86_400_000
    replace(shop / "sources" / "shop.yaml", "  replication: 3\n", "  replication: 3\n  retention: 3 weeks\n")
    spec = Project(read_settings(shop, {})).source.capture
    assert spec is not None
    assert spec.retention_ms == 21 * 86_400_000


def test_a_slot_is_not_left_behind_without_a_word(shop: Path) -> None:
    at = "connect: {url: 'http://127.0.0.1:1', connector: legacy}\n"
    write(shop / "sources" / "shop.yaml", SOURCE + at)
    told = dragoman("connectors", "destroy", "--yes", cwd=shop)
    assert (told.code, told.err.splitlines()[0]) == (2, "error connectors.slot-stays")
    unmeant = dragoman("connectors", "destroy", "--keep-slot", cwd=shop)
    assert (unmeant.code, unmeant.err.splitlines()[0]) == (2, "error connect.unconfirmed")
    assert "drop the slot" not in unmeant.out
    assert "forget its offsets" not in unmeant.out


def test_a_source_without_a_connector_says_so(tmp_path: Path) -> None:
    told = dragoman("connectors", "explain", cwd=make_shop(tmp_path / "shop"))
    assert told.code == 2
    assert "connectors.none-declared" in told.err


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("${env:LEGACY_PASSWORD}", "hunter2", "connect.secret-in-clear"),
        ("    max.batch.size: 4096", "    tombstones.on.delete: true", "connect.setting-guarded"),
        ("    max.batch.size: 4096", "    transforms.feed0.topic.regex: x", "connect.setting-guarded"),
        ("    max.batch.size: 4096", "    driver.trustStorePassword: hunter2", "connect.secret-in-clear"),
        ("    partitions: 4\n", "", "capture.partitions-unsaid"),
        ("topic: legacy.order", "topic: orders", "capture.named-otherwise"),
        ("transactions: legacy.transaction", "transactions: tx", "capture.named-otherwise"),
        ("notifications: legacy.notification", "notifications: news", "capture.named-otherwise"),
        ("  slot: dragoman\n", "  slot: Dragoman\n", "connect.feeds-unroutable"),
        ("  replication: 3\n", "  retention: a while\n", "capture.retention"),
        ("  slot: dragoman\n", "", "project.malformed"),
        ("  slot: dragoman\n", "  slot: dragoman\n  server_id: 3\n", "project.malformed"),
        ("order_line: ol_o_id", "order_line: [ol_o_id, ol_no]", "connect.feeds-unroutable"),
    ],
)
def test_what_would_lose_something_is_refused(shop: Path, old: str, new: str, code: str) -> None:
    replace(shop / "sources" / "shop.yaml", old, new)
    with pytest.raises(DragomanError) as refused:
        _ = Project(read_settings(shop, {})).source
    assert refused.value.code == code
    assert "hunter2" not in refused.value.message + refused.value.advice


def test_an_override_never_shows_a_secret(shop: Path) -> None:
    replace(shop / "sources" / "shop.yaml", "max.batch.size: 4096", "database.password: hunter2")
    told = dragoman("connectors", "explain", cwd=shop)
    assert "connect.secret-in-clear" in told.err
    assert "hunter2" not in told.err + told.out


def as_mariadb(shop: Path, connector: str) -> None:
    """The same source over a database of another kind."""
    replace(shop / "schema.yaml", "connector: postgresql", f"connector: {connector}")
    source = shop / "sources" / "shop.yaml"
    replace(source, "  database: erp\n  slot: dragoman\n  publication: dragoman\n", "  server_id: 4711\n")


def test_a_mariadb_is_declared_by_its_own_keys(shop: Path) -> None:
    as_mariadb(shop, "mariadb")
    spec = Project(read_settings(shop, {})).source.capture
    assert spec is not None
    assert spec.source == MariaDBSource(
        host="db.example.com",
        port=3306,
        user="dragoman",
        password="${env:LEGACY_PASSWORD}",  # noqa: S106 - where it is, not what it is
        server_id=4711,
        bootstrap="broker-1:9092",
    )


def test_a_database_of_another_kind_is_refused(shop: Path) -> None:
    as_mariadb(shop, "mysql")
    with pytest.raises(DragomanError) as refused:
        _ = Project(read_settings(shop, {})).source
    assert refused.value.code == "capture.unsupported"


def test_editors_accept_it(shop: Path) -> None:
    check = jsonschema_rs.validator_for(schema("source"))
    assert check.is_valid(plain(load(SOURCE, "x")))
    mariadb = SOURCE.replace("  database: erp\n  slot: dragoman\n  publication: dragoman\n", "  server_id: 4711\n")
    assert check.is_valid(plain(load(mariadb, "x")))
    for broken in (
        SOURCE.replace("${env:LEGACY_PASSWORD}", "hunter2"),
        SOURCE.replace("  slot: dragoman\n", ""),
        SOURCE.replace("  slot:", "  server_id: 1\n  slot:"),
        SOURCE.replace("  host:", "  hots:"),
    ):
        assert not check.is_valid(plain(load(broken, "x")))


def test_the_page_on_connectors_shows_a_source_that_can_be_read(shop: Path) -> None:
    page = (ROOT / "docs" / "connectors.md").read_text("utf-8")
    shown = page.split("```yaml\n")[1].split("```")[0]
    write(shop / "sources" / "shop.yaml", shown)
    assert settings(shop)["max.batch.size"] == "4096"
