"""The derived configuration: where each table's rows go, and what must never be lost."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.connect import ConnectorSpec, MariaDBSource, PostgresSource, connector_config
from connectors.connect.errors import FeedsUnroutable
from connectors.feeds import Feed
from translators.schema import Encoding

PASSWORD = "${env:PW}"  # noqa: S105 - where it is, not what it is
POSTGRES = PostgresSource(
    host="db", port=5432, user="cdc", password=PASSWORD, database="erp", slot="dragoman", publication="dragoman"
)
MARIADB = MariaDBSource(host="db", port=3306, user="cdc", password=PASSWORD, server_id=4711, bootstrap="k:9092")


def feed(name: str, tables: dict[str, tuple[str, ...]], partitions: int = 4) -> Feed:
    """A feed of several partitions."""
    return Feed(name=name, tables=tables, partitions=partitions)


ORDERS = feed("order", {"public.ord": ("o_id",), "public.ordlin": ("l_ord",), "public.ordlin2": ("l_ord",)})
SPEC = ConnectorSpec(prefix="legacy", source=POSTGRES, feeds=(ORDERS, feed("item", {"public.item": ()}, 1)))


def routed(config: dict[str, str], topic: str) -> tuple[str, str | None, str | None]:
    """(topic, routing fields, partitions) of a row, as Debezium's documentation says that the transforms work.

    https://debezium.io/documentation/reference/stable/transformations/topic-routing.html
    https://debezium.io/documentation/reference/stable/transformations/partition-routing.html
    """
    fields = number = None
    for name in config["transforms"].split(","):
        own = {
            k.removeprefix(f"transforms.{name}."): v for k, v in config.items() if k.startswith(f"transforms.{name}.")
        }
        if own["type"].endswith("ByLogicalTableRouter"):
            if re.fullmatch(own["topic.regex"], topic):
                topic = re.sub(own["topic.regex"], own["topic.replacement"].replace("\\", r"\\"), topic, count=1)
        elif re.fullmatch(config[f"predicates.{own['predicate']}.pattern"], topic):
            assert fields is None
            fields, number = own["partition.payload.fields"], own["partition.topic.num"]
    return topic, fields, number


def test_each_table_is_routed_by_its_own_columns_into_its_feed() -> None:
    config = connector_config(SPEC)
    assert routed(config, "legacy.public.ord") == ("legacy.order", "change.o_id", "4")
    assert routed(config, "legacy.public.ordlin") == ("legacy.order", "change.l_ord", "4")
    assert routed(config, "legacy.public.ordlin2") == ("legacy.order", "change.l_ord", "4")
    assert routed(config, "legacy.public.item") == ("legacy.item", None, None)
    for other in ("legacy.transaction", "legacy.notification", "legacy.public.xord", "legacyXpublic.ord"):
        assert routed(config, other) == (other, None, None)


NAME = st.text(st.sampled_from("abx_$.-é "), min_size=1, max_size=6)


@given(st.lists(st.lists(NAME.map(lambda n: f"s.{n}"), min_size=1, max_size=4, unique=True), min_size=1, max_size=4))
def test_whatever_the_names_each_table_reaches_its_own_feed_or_all_are_refused(names: list[list[str]]) -> None:
    feeds = tuple(feed(f"feed{at}", {table: (f"c{at}",) for table in tables}) for at, tables in enumerate(names))
    spec = replace(SPEC, feeds=feeds)
    topics = [re.sub("[^A-Za-z0-9._-]", "_", f"legacy.{table}") for tables in names for table in tables]
    if len(set(topics)) < len(topics):
        with pytest.raises(FeedsUnroutable):
            connector_config(spec)
        return
    config = connector_config(spec)
    found = [routed(config, topic) for topic in topics]
    assert found == [(f"legacy.feed{at}", f"change.c{at}", "4") for at, tables in enumerate(names) for _ in tables]
    included = config["table.include.list"].split(",")
    assert all(any(re.fullmatch(one, table) for one in included) for tables in names for table in tables)


@pytest.mark.parametrize("source", [POSTGRES, MARIADB])
def test_what_must_not_be_lost(source: PostgresSource | MariaDBSource) -> None:
    config = connector_config(replace(SPEC, source=source))
    wanted = {
        "tombstones.on.delete": "false",
        "skipped.operations": "none",
        "provide.transaction.metadata": "true",
        "exactly.once.support": "required",
        "event.converting.failure.handling.mode": "fail",
        "errors.tolerance": "none",
        "decimal.handling.mode": "precise",
        "binary.handling.mode": "bytes",
        "key.converter.replace.null.with.default": "false",
        "value.converter.replace.null.with.default": "false",
        "topic.creation.default.partitions": "1",
        "notification.sink.topic.name": "legacy.notification",
        "database.password": "${env:PW}",
        "tasks.max": "1",
    }
    assert {name: config.get(name) for name in wanted} == wanted
    assert int(config["heartbeat.interval.ms"]) > 0
    assert "compact" not in str(config)
    created = [config[f"topic.creation.{group}.partitions"] for group in config["topic.creation.groups"].split(",")]
    assert created == ["4", "1"]


def test_a_publication_is_never_of_all_tables() -> None:
    assert connector_config(SPEC)["publication.autocreate.mode"] == "disabled"
    making = replace(POSTGRES, makes_publication=True)
    assert connector_config(replace(SPEC, source=making))["publication.autocreate.mode"] == "filtered"


def test_values_are_written_as_schema_yaml_says_that_they_are_read() -> None:
    encoding = Encoding(decimal="numeric", time="isostring", binary="hex", bigint_unsigned="precise", unavailable="?")
    config = connector_config(replace(SPEC, source=MARIADB, encoding=encoding))
    assert config["decimal.handling.mode"] == "precise"
    assert config["value.converter.decimal.format"] == "NUMERIC"
    assert config["time.precision.mode"] == "isostring"
    assert config["binary.handling.mode"] == "hex"
    assert config["bigint.unsigned.handling.mode"] == "precise"
    assert config["unavailable.value.placeholder"] == "?"
    # MariaDB's connector has no plain "adaptive".
    plain = replace(SPEC, source=MARIADB, encoding=Encoding())
    assert connector_config(plain)["time.precision.mode"] == "adaptive_time_microseconds"


def test_signals_heartbeats_and_overrides() -> None:
    spec = replace(SPEC, signals="public.sig", beat="UPDATE beat SET at = now()", exactly_once=False)
    config = connector_config(replace(spec, overrides={"snapshot.mode": "no_data"}))
    assert config["signal.data.collection"] == "public.sig"
    assert config["heartbeat.action.query"] == "UPDATE beat SET at = now()"
    assert config["exactly.once.support"] == "requested"
    assert config["snapshot.mode"] == "no_data"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (replace(SPEC, prefix="a b"), "prefix"),
        (replace(SPEC, source=replace(POSTGRES, slot="Dragoman")), "slot"),
        (replace(SPEC, feeds=(ORDERS, feed("again", {"public.ord": ("o_id",)}))), "two feeds"),
        (replace(SPEC, feeds=(feed("f", {"s.a b": ("x",), "s.a_b": ("x",)}),)), "one topic"),
        (replace(SPEC, feeds=(feed("transaction", {"s.a": ("x",)}),)), "transaction"),
        (replace(SPEC, feeds=(feed("s.a", {"s.a": ("x",)}),)), "called s.a"),
        (replace(SPEC, feeds=(feed("f", {"a": ("x",)}),)), "schema and a table"),
        (replace(SPEC, feeds=(feed("f", {"s.a": ("x",), "s.b": ("x", "y")}),)), "as many routing columns"),
        (replace(SPEC, feeds=(feed("f", {"s.a": ()}),)), "routing columns"),
        (replace(SPEC, feeds=(feed("f", {}),)), "tables"),
        (replace(SPEC, feeds=(feed("f", {"s.a": ("x",)}, 0),)), "partitions"),
    ],
)
def test_what_no_connector_can_serve_is_refused(spec: ConnectorSpec, reason: str) -> None:
    with pytest.raises(FeedsUnroutable, match=reason):
        connector_config(spec)
