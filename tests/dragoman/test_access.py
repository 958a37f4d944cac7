"""How a source says that its brokers and Kafka Connect are reached: what is taken, what is refused, and where secrets are."""

from __future__ import annotations

import json
import ssl
from base64 import b64encode
from pathlib import Path

import jsonschema_rs
import pytest

from dragoman.access import connect_client
from dragoman.kafka_source import Kafka
from dragoman.project import Project
from dragoman.settings import read_settings
from tests.dragoman.support import ROOT, make_shop, write
from tests.dragoman.test_schemas import plain
from translators.errors import DragomanError
from translators.yaml_text import load

KAFKA = """kind: kafka
bootstrap: broker-1:9092
begins: empty
feeds: {order: {topic: srv.order, partitions: 4, tables: {orders: o_id, order_line: ol_o_id}}}
transactions: srv.transaction
exactly_once: true
"""


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A project whose source a test writes."""
    return make_shop(tmp_path / "shop")


def test_a_source_on_kafka_says_how_its_brokers_are_reached(keys: Path) -> None:
    told = "security: {protocol: SASL_SSL, mechanism: SCRAM-SHA-512, user: w, password: '${PW}'}\n"
    web = "connect: {url: 'https://connect:8083', connector: legacy, user: w, password_file: secrets/web}\n"
    write(keys / "sources" / "shop.yaml", KAFKA + told + web)
    (keys / "secrets").mkdir()
    (keys / "secrets" / "web").write_text("file-secret\n", "utf-8")
    origin = Project(read_settings(keys, {"PW": "pw-secret"})).source.origin
    assert isinstance(origin, Kafka) and origin.connector is not None
    assert "secret" not in repr(origin).replace("secrets/web", "")
    security = origin.security()
    assert "pw-secret" not in repr(security)
    options = security.options()
    context = options.pop("ssl_context")
    assert context.check_hostname and context.verify_mode == ssl.CERT_REQUIRED
    assert options == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "w",
        "sasl_plain_password": "pw-secret",
    }
    with connect_client(origin.connector) as client:
        request = client._client.build_request("GET", "https://connect:8083/")
        assert client._client.auth is not None
        sent = next(client._client.auth.sync_auth_flow(request))
    assert sent.headers["Authorization"] == f"Basic {b64encode(b'w:file-secret').decode()}"


@pytest.mark.parametrize(
    ("security", "code"),
    [
        ("{protocol: TLS}", "project.malformed"),
        ("{protocol: SSL, user: w}", "source.access-incomplete"),
        ("{protocol: SSL, key: k.pem}", "source.access-incomplete"),
        ("{protocol: SASL_SSL, user: w, password: '${PW}'}", "source.access-incomplete"),
        ("{protocol: SASL_SSL, mechanism: PLAIN, user: w}", "source.access-incomplete"),
        ("{protocol: SASL_SSL, mechanism: PLAIN, password: '${PW}'}", "source.access-incomplete"),
        ("{protocol: SASL_SSL, mechanism: GSSAPI, user: w, password: '${PW}'}", "project.malformed"),
        ("{protocol: SASL_SSL, mechanism: PLAIN, user: w, password: hunter2}", "project.secret-written"),
        ("{protocol: SASL_SSL, mechanism: PLAIN, user: w, password: '${PW}', password_file: p}", "project.malformed"),
        ("{protocol: SASL_PLAINTEXT, mechanism: PLAIN, user: w, password: '${PW}'}", "source.password-in-clear"),
        (
            "{protocol: SASL_PLAINTEXT, mechanism: SCRAM-SHA-256, user: w, password: '${PW}', ca: c}",
            "source.access-incomplete",
        ),
    ],
)
def test_an_access_that_cannot_be_is_refused_with_its_place(keys: Path, security: str, code: str) -> None:
    write(keys / "sources" / "shop.yaml", f"{KAFKA}security: {security}\n")
    with pytest.raises(DragomanError) as raised:
        _ = Project(read_settings(keys, {"PW": "pw-secret"})).source
    assert raised.value.code == code
    assert str(raised.value.where).startswith("sources/shop.yaml")
    assert "hunter2" not in str(raised.value)
    assert not editor_takes(f"{KAFKA}security: {security}\n")


def editor_takes(text: str) -> bool:
    """Whether the file fits the JSON Schema that editors are given."""
    found = json.loads((ROOT / "dragoman" / "schemas" / "source.json").read_text("utf-8"))
    return bool(jsonschema_rs.validator_for(found).is_valid(plain(load(text, "source.yaml"))))


@pytest.mark.parametrize(
    "security",
    [
        "{protocol: SSL}",
        "{protocol: SSL, ca: ca.pem, certificate: c.pem, key: k.pem, key_password_file: p}",
        "{protocol: SASL_SSL, mechanism: PLAIN, user: w, password: '${PW}'}",
        "{protocol: SASL_PLAINTEXT, mechanism: SCRAM-SHA-512, user: w, password_file: /run/secrets/kafka}",
    ],
)
def test_an_access_that_can_be_is_taken_by_editors_too(keys: Path, security: str) -> None:
    web = "connect: {url: 'https://c:8083', connector: legacy, user: w, password: '${PW}', ca: ca.pem}\n"
    write(keys / "sources" / "shop.yaml", f"{KAFKA}security: {security}\n{web}")
    assert Project(read_settings(keys, {})).source
    assert editor_takes(f"{KAFKA}security: {security}\n{web}")
