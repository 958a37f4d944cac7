"""A plan in words: what is made, what a change restarts or destroys, and what is refused with what to do instead."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from connectors.connect import ConnectorSpec, connector_config
from connectors.connect.config import SignalChannel
from connectors.connect.effects import differences
from connectors.connect.plan import Live, Plan, Wanted, moved, plan_of
from connectors.connect.routes import Route, routes_of
from connectors.connect.states import ConnectorStatus, TaskStatus
from connectors.connect.topics import LiveTopic, WantedTopic, duration, milliseconds, topics_of
from tests.connectors.connect.test_config import MARIADB, ORDERS, SPEC, feed

CONFIG = connector_config(SPEC)
HELD = {**CONFIG, "name": "legacy"}
DAY = 24 * 60 * 60 * 1000


def topic(name: str = "legacy.order", kind: Any = "feed", partitions: int = 4, **settings: str) -> WantedTopic:
    said = settings or {"cleanup_policy": "delete", "retention_ms": str(14 * DAY)}
    return WantedTopic(
        name=name,
        kind=kind,
        partitions=partitions,
        replication=1,
        settings={key.replace("_", "."): value for key, value in said.items()},
        why="so",
        owner="us",
    )


def as_is(
    wanted: WantedTopic, *, empty: bool = False, partitions: int = 0, replication: int = 1, **other: str
) -> LiveTopic:
    settings = {**wanted.settings, **{key.replace("_", "."): value for key, value in other.items()}}
    return LiveTopic(
        name=wanted.name,
        partitions=partitions or wanted.partitions,
        replication=replication,
        settings=settings,
        own=settings,
        empty=empty,
    )


def status(state: str = "RUNNING", task: str = "RUNNING") -> ConnectorStatus:
    tasks = (TaskStatus(id=0, state=task, worker="w", trace="boom"),)
    return ConnectorStatus(name="legacy", state=state, worker="w", trace=None, tasks=tasks)


WANTED = Wanted(connector="legacy", config=CONFIG, topics=(topic(),))
LIVE = Live(
    config=HELD,
    status=status(),
    others={},
    plugins={CONFIG["connector.class"]: "3.6"},
    wrong=(),
    topics={"legacy.order": as_is(topic())},
)


def planned(**live: Any) -> Plan:
    return plan_of(WANTED, msgspec.structs.replace(LIVE, **live))


def found(config: dict[str, str]) -> dict[str, str]:
    """What changes from another configuration to the declared one, with its effect."""
    return {line.what: line.effect for line in differences(config, CONFIG)}


def test_what_is_as_declared_stays() -> None:
    plan = planned()
    assert plan.changes == ()
    assert plan.notes == ()


def test_what_is_not_there_is_made() -> None:
    plan = planned(config=None, status=None, topics={})
    assert [(item.kind, item.name, item.action) for item in plan.changes] == [
        ("feed", "legacy.order", "create"),
        ("connector", "legacy", "create"),
    ]


def test_a_setting_of_ones_own_restarts_and_no_more() -> None:
    assert found({**HELD, "max.batch.size": "1"}) == {"- max.batch.size (was 1)": "restarts"}
    assert found({**HELD, "heartbeat.interval.ms": "5"}) == {"~ heartbeat.interval.ms: 5 → 1000": "restarts"}


@pytest.mark.parametrize(
    ("setting", "value", "effect"),
    [
        ("topic.prefix", "other", "refused"),
        ("slot.name", "other", "refused"),
        ("connector.class", "io.debezium.connector.mariadb.MariaDbConnector", "refused"),
        ("database.hostname", "elsewhere", "destructive"),
        ("publication.name", "other", "destructive"),
        ("decimal.handling.mode", "double", "destructive"),
        ("value.converter.schemas.enable", "true", "destructive"),
        ("exactly.once.support", "requested", "destructive"),
        ("snapshot.mode", "always", "restarts"),
    ],
)
def test_what_a_setting_means(setting: str, value: str, effect: str) -> None:
    (line,) = [one for one in differences({**HELD, setting: value}, CONFIG) if setting in one.what]
    assert line.effect == effect
    assert line.why
    assert bool(line.instead) == (effect == "refused")


def test_a_guarded_setting_that_was_set_otherwise_says_what_may_be_lost() -> None:
    (line,) = differences({**HELD, "errors.tolerance": "all"}, CONFIG)
    assert "reconcile" in line.why
    missing = {key: value for key, value in HELD.items() if key != "errors.tolerance"}
    (line,) = differences(missing, CONFIG)
    assert line.why == ""


def test_no_secret_is_shown_or_kept() -> None:
    live = {**HELD, "database.password": "hunter2", "driver.sslpassword": "hunter3"}
    plan = planned(config=live, others={"x": {"database.password": "hunter4"}})
    told = msgspec.json.encode(plan).decode()
    assert "hunter" not in told
    assert "~ database.password: *** → ${env:PW}" in told


CHANGELOG = topic("p.changelog", "changelog", cleanup_policy="compact")


def changed(spec: ConnectorSpec) -> dict[str, str]:
    """What changes from the declared configuration to another one."""
    return {line.what: line.effect for line in differences(HELD, connector_config(spec))}


def test_routing_is_compared_by_what_it_does() -> None:
    assert routes_of(CONFIG) == {
        "public.ord": Route(topic="legacy.order", columns=("o_id",), partitions=4),
        "public.ordlin": Route(topic="legacy.order", columns=("l_ord",), partitions=4),
        "public.ordlin2": Route(topic="legacy.order", columns=("l_ord",), partitions=4),
        "public.item": Route(topic="legacy.item"),
    }
    item = SPEC.feeds[1]
    assert changed(replace(SPEC, feeds=(item, ORDERS))) == {
        "~ the routing is written otherwise, and does the same": "restarts"
    }
    more = feed("pay", {"public.pay": ("p_id",)})
    assert changed(replace(SPEC, feeds=(ORDERS, more, item))) == {"+ table public.pay → legacy.pay by p_id": "restarts"}
    assert changed(replace(SPEC, feeds=(ORDERS,))) == {"- table public.item (was in legacy.item)": "destructive"}
    wider = feed("order", dict(ORDERS.tables), 8)
    assert changed(replace(SPEC, feeds=(wider, item))) == {
        f"~ table public.{table}: 4 → 8 partitions": "refused" for table in ("ord", "ordlin", "ordlin2")
    }
    other = feed("order", {**ORDERS.tables, "public.ord": ("o_x",)})
    assert changed(replace(SPEC, feeds=(other, item))) == {"~ table public.ord: by o_id → by o_x": "refused"}
    moved_table = feed("thing", {"public.item": ()}, 1)
    assert changed(replace(SPEC, feeds=(ORDERS, moved_table))) == {
        "~ table public.item: legacy.item → legacy.thing": "refused"
    }


def test_a_routing_of_others_is_not_guessed() -> None:
    theirs = {**HELD, "transforms.feed0.topic.regex": "("}
    assert routes_of(theirs) is None
    assert found(theirs) == {"~ the routing, which is not Dragoman's": "destructive"}


@pytest.mark.parametrize(
    ("wanted", "live", "what", "effect"),
    [
        (topic(), {"partitions": 6}, "6 → 4 partitions", "refused"),
        (topic(), {"partitions": 6, "empty": True}, "6 → 4 partitions", "refused"),
        (topic("t", "transaction", 1), {"partitions": 3}, "3 → 1 partitions", "refused"),
        (topic(), {"cleanup_policy": "compact"}, "cleanup.policy: compact → delete", "refused"),
        (topic(), {"cleanup_policy": "compact,delete"}, "cleanup.policy: compact,delete → delete", "refused"),
        (topic(), {"cleanup_policy": "compact", "empty": True}, "cleanup.policy: compact → delete", "safe"),
        (CHANGELOG, {"cleanup_policy": "delete"}, "cleanup.policy: delete → compact", "refused"),
        (topic(), {"retention_ms": str(DAY)}, "retention.ms: 1 day → 14 days", "safe"),
        (topic(), {"retention_ms": "-1"}, "retention.ms: for ever → 14 days", "destructive"),
        (topic(), {"retention_ms": str(15 * DAY)}, "retention.ms: 15 days → 14 days", "destructive"),
        (topic(), {"retention_ms": "-1", "empty": True}, "retention.ms: for ever → 14 days", "safe"),
        (topic(segment_bytes="9"), {"segment_bytes": "1"}, "segment.bytes: 1 → 9", "safe"),
        (topic(), {"replication": 0}, "0 → 1 replicas", "refused"),
    ],
)  # fmt: skip
def test_what_may_become_of_a_topic(wanted: WantedTopic, live: dict[str, Any], what: str, effect: str) -> None:
    plan = plan_of(
        msgspec.structs.replace(WANTED, topics=(wanted,)),
        msgspec.structs.replace(LIVE, topics={wanted.name: as_is(wanted, **live)}),
    )
    assert [(line.what, line.effect, bool(line.instead)) for line in plan.items[0].lines] == [
        (what, effect, effect == "refused")
    ]
    assert plan.items[0].action == "change"


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        ({"topic.prefix": "legacy"}, "topic.prefix = legacy is the connector old's"),
        ({"slot.name": "dragoman", "database.hostname": "db", "database.port": "5432"}, "slot.name = dragoman is"),
        ({"slot.name": "dragoman", "database.hostname": "elsewhere", "database.port": "5432"}, None),
    ],
)
def test_two_connectors_cannot_have_the_same(theirs: dict[str, str], said: str | None) -> None:
    refused = planned(others={"old": theirs}).lines("refused")
    assert [line.what.startswith(said or "") for _, line in refused] == ([True] if said else [])


def test_what_the_worker_cannot_do_is_refused() -> None:
    (missing,) = planned(plugins={}).lines("refused")
    assert "PostgresConnector" in missing[1].what
    (tried,) = planned(wrong=(("database.hostname", "refused"),)).lines("refused")
    assert tried[1].what == "database.hostname: refused"


def test_one_that_has_failed_is_started_again_and_one_that_rests_is_left() -> None:
    failed = planned(status=status(task="FAILED"))
    assert [(item.action, item.why) for item in failed.changes] == [("restart", "It has failed: boom")]
    paused = planned(status=status("PAUSED", "PAUSED"))
    assert paused.changes == ()
    assert "PAUSED" in paused.notes[0]


def test_topics_that_nobody_declares_are_named() -> None:
    stranger = as_is(topic("legacy.old"))
    others = as_is(topic("other.order"))
    plan = planned(topics={**LIVE.topics, "legacy.old": stranger, "other.order": others})
    assert ["legacy.old" in note for note in plan.notes] == [True]
    assert "other.order" not in plan.notes[0]


def test_a_plan_is_the_same_until_something_moves() -> None:
    plan = planned()
    assert planned().digest == plan.digest
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan
    beat = planned(status=status(task="UNASSIGNED"))
    assert beat.digest == plan.digest
    assert moved(plan, planned(status=status("PAUSED", "PAUSED"))) == ["the connector"]
    assert moved(plan, planned(status=status(task="FAILED"))) == ["the connector"]
    assert moved(plan, planned(config={**HELD, "a": "b"})) == ["the connector"]
    assert moved(plan, planned(topics={"legacy.order": as_is(topic(), partitions=9)})) == ["the topics"]
    declared = msgspec.structs.replace(WANTED, config={**CONFIG, "a": "b"})
    assert moved(plan, plan_of(declared, LIVE)) == ["what the project declares"]


def test_the_topics_of_a_connector() -> None:
    beat = "SELECT pg_logical_emit_message(false, 'd', '')"
    spec = replace(SPEC, channel=SignalChannel(topic="signals", bootstrap="k:1"), replication=3, beat=beat)
    told = {one.name: (one.kind, one.partitions, one.settings["retention.ms"]) for one in topics_of(spec, "legacy")}
    assert told == {
        "legacy.order": ("feed", 4, str(14 * DAY)),
        "legacy.item": ("feed", 1, str(14 * DAY)),
        "legacy.transaction": ("transaction", 1, str(14 * DAY)),
        "legacy.notification": ("notification", 1, str(14 * DAY)),
        "__debezium-heartbeat.legacy": ("heartbeat", 1, str(DAY)),
        "legacy.message": ("message", 1, str(DAY)),
        "signals": ("signal", 1, str(7 * DAY)),
    }
    assert all(
        one.settings["cleanup.policy"] == "delete" and one.replication == 3 and one.why for one in topics_of(spec, "x")
    )
    assert "message" not in {one.kind for one in topics_of(SPEC, "legacy")}
    maria = {one.kind: one for one in topics_of(replace(SPEC, source=MARIADB), "legacy")}
    assert (maria["history"].name, maria["history"].settings["retention.ms"]) == ("legacy.schema-history", "-1")


@pytest.mark.parametrize(
    ("text", "number", "words"),
    [
        ("14 days", 14 * DAY, "14 days"),
        ("1 day", DAY, "1 day"),
        ("2 weeks", 14 * DAY, "14 days"),
        ("36 hours", 36 * DAY // 24, "36 hours"),
        ("1 year", 365 * DAY, "1 year"),
        ("400 days", 400 * DAY, "400 days"),
        ("kept while it exists", None, ""),
        ("0 days", None, ""),
    ],
)
def test_durations(text: str, number: int | None, words: str) -> None:
    assert milliseconds(text) == number
    if number is not None:
        assert duration(number) == words
