"""What stands in the way at Kafka Connect: our own connector passes as one of others, and each thing that is wrong is named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec
import pytest

from connectors.connect import ConnectorSpec, MariaDBSource, PostgresSource, connector_config
from connectors.connect.config import SignalChannel
from connectors.connect.preflight import RULES, ConnectFacts, Relied, of_connect
from connectors.feeds import Feed
from translators.schema import Encoding

POSTGRES = "io.debezium.connector.postgresql.PostgresConnector"
MARIADB = "io.debezium.connector.mariadb.MariaDbConnector"
PLUGINS = {POSTGRES: "3.6.3.Final", MARIADB: "3.5.0.Final"}
SECRET = "${env:LEGACY_PASSWORD}"  # noqa: S105 - where it is, not what it is
LOGIN = {"host": "db", "port": 5432, "user": "me", "password": SECRET}
SPEC = ConnectorSpec(
    prefix="legacy",
    source=PostgresSource(**LOGIN, database="erp", slot="s", publication="p"),  # type: ignore[arg-type]
    feeds=(Feed(name="order", tables={"public.ord": ("o_id",)}, partitions=4),),
    signals="public.signal",
    channel=SignalChannel(topic="signals", bootstrap="b:9092"),
)
OURS = connector_config(SPEC)
RELIED = Relied(
    connector="legacy",
    kind=POSTGRES,
    prefix="legacy",
    tables=("public.ord",),
    exactly_once=True,
    transactions="legacy.transaction",
    notifications="legacy.notification",
    signals="public.signal",
    signal_topic="signals",
    routed=True,
)
MINIMAL = {"connector.class": POSTGRES, "topic.prefix": "legacy", "table.include.list": "public.ord"}


def found(config: Mapping[str, str] | None, relied: Relied = RELIED, **facts: object) -> dict[str, str]:
    seen = ConnectFacts(version="4.3.0", plugins=PLUGINS, config=config)
    told = of_connect(msgspec.structs.replace(seen, **facts), relied)
    return {one.code.removeprefix("connect."): one.severity for one in told}


def test_our_own_connector_passes_as_one_of_others() -> None:
    assert found(OURS) == {}
    maria = replace(SPEC, source=MariaDBSource(**LOGIN, server_id=7, bootstrap="b:9092"))  # type: ignore[arg-type]
    relied = msgspec.structs.replace(RELIED, kind=MARIADB)
    assert found(connector_config(maria), relied) == {}


def test_a_connector_that_says_only_what_it_must_is_told_what_its_defaults_do() -> None:
    assert found(MINIMAL) == {
        "converter-unsaid": "info",
        "not-exactly-once": "error",
        "no-transactions": "error",
        "tombstones": "error",
        "no-notifications": "error",
        "no-signals": "error",
        "drops-values": "warning",
        "skips-truncates": "warning",
        "no-heartbeat": "warning",
        "publishes-all": "warning",
        "other-decoding": "warning",
    }


def test_what_nothing_depends_on_is_not_asked_for() -> None:
    alone = Relied(connector="legacy", kind=POSTGRES, prefix="legacy", begins="empty", tables=("public.ord",))
    told = found({**MINIMAL, "snapshot.mode": "no_data"}, alone)
    assert {code for code, severity in told.items() if severity == "error"} == set()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"connector.class": MARIADB}, "other-kind"),
        ({"topic.prefix": "other"}, "other-prefix"),
        ({"table.include.list": "public.orders"}, "table-left-out"),
        ({"table.include.list": "", "table.exclude.list": r"public\.o.*"}, "table-left-out"),
        ({"transforms.u.type": "io.debezium.transforms.ExtractNewRecordState"}, "unwrapped"),
        ({"decimal.handling.mode": "string"}, "values-differ"),
        ({"time.precision.mode": "connect"}, "values-differ"),
        ({"value.converter.decimal.format": "NUMERIC"}, "values-differ"),
        ({"snapshot.mode": "no_data"}, "no-snapshot"),
        ({"errors.tolerance": "all"}, "tolerates-errors"),
        ({"value.converter.replace.null.with.default": "true"}, "null-becomes-default"),
        ({"value.converter": "io.confluent.connect.avro.AvroConverter"}, "null-becomes-default"),
        ({"notification.sink.topic.name": "other"}, "no-notifications"),
        ({"signal.kafka.topic": "other"}, "no-signals"),
        ({"database.password": "hunter2"}, "secret-in-clear"),
    ],
)
def test_what_is_wrong_with_a_connector_of_others(changes: dict[str, str], code: str) -> None:
    assert list(found({**OURS, **changes})) == [code]


def test_a_finding_says_what_to_set_and_why_and_no_secret() -> None:
    facts = ConnectFacts(
        version="4.3.0", plugins=PLUGINS, config={**OURS, "skipped.operations": "t", "database.password": "hunter2"}
    )
    truncates, secret = of_connect(facts, RELIED)
    assert truncates.message == "legacy has skipped.operations=t, and not none."
    assert truncates.advice.startswith("Set skipped.operations=none: truncates are told")
    assert "hunter2" not in secret.message + secret.advice
    for rule in RULES:
        assert rule.code and rule.severity in ("error", "warning")


def test_values_are_compared_with_what_the_schema_says() -> None:
    texts = Encoding(decimal="string")
    assert found(connector_config(replace(SPEC, encoding=texts)), msgspec.structs.replace(RELIED, encoding=texts)) == {}


DECLARED = msgspec.structs.replace(RELIED, declared=OURS)


@pytest.mark.parametrize(
    ("config", "facts", "said"),
    [
        ({**OURS, "name": "legacy"}, {}, {}),
        (None, {}, {"not-applied": "info"}),
        ({**OURS, "max.batch.size": "1"}, {}, {"differs": "warning"}),
        (OURS, {"wrong": (("database.hostname", "refused"),)}, {"config-refused": "error"}),
        (OURS, {"others": {"twin": {**OURS, "topic.prefix": "x"}}}, {"conflict": "error"}),
        (OURS, {"plugins": {}}, {"plugin-missing": "error"}),
        (OURS, {"plugins": {POSTGRES: "2.7.4.Final"}}, {"plugin-older": "info"}),
        (OURS, {"plugins": {POSTGRES: "2.6.0.Final"}}, {"plugin-unproven": "warning"}),
        (OURS, {"version": "3.5.2"}, {"worker-older": "warning"}),
        (OURS, {"version": "3.2.0"}, {"worker-older": "warning"}),
    ],
)
def test_the_worker_and_a_connector_that_is_declared(
    config: Mapping[str, str] | None, facts: dict[str, object], said: dict[str, str]
) -> None:
    assert found(config, DECLARED, **facts) == said


def test_a_worker_without_what_is_needed_is_an_error() -> None:
    seen = ConnectFacts(version="3.2.0", plugins=PLUGINS, config=OURS)
    told = [one.severity for one in of_connect(seen, DECLARED) if one.code == "connect.worker-older"]
    assert told == ["error", "error", "warning"]


def test_a_connector_that_is_not_there_and_nobody_declares() -> None:
    assert found(None) == {"missing": "error"}
