"""Every setting has its reason, what keeps data safe cannot be changed, and the routing is tried before it is applied."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from connectors.connect import ConnectorSpec, connector_config
from connectors.connect.errors import FeedsUnroutable
from connectors.connect.reasons import REASONS, explained, reason_of
from connectors.connect.trial import try_routing
from tests.connectors.connect.test_config import MARIADB, POSTGRES, SPEC, feed

FULL = replace(SPEC, beat="UPDATE beat SET at = now()", signals="public.sig")
CONFIGS = [connector_config(FULL), connector_config(replace(FULL, source=MARIADB))]


@pytest.mark.parametrize("config", CONFIGS)
def test_each_setting_has_exactly_one_reason(config: dict[str, str]) -> None:
    for setting in config:
        assert len([r for r in REASONS if re.fullmatch(r.settings, setting)]) == 1, setting


def test_no_reason_is_for_nothing() -> None:
    settings = {setting for config in CONFIGS for setting in config}
    idle = [r.settings for r in REASONS if not any(re.fullmatch(r.settings, s) for s in settings)]
    assert idle == []


@pytest.mark.parametrize(
    "setting",
    [
        "tombstones.on.delete",
        "skipped.operations",
        "publication.autocreate.mode",
        "decimal.handling.mode",
        "unavailable.value.placeholder",
        "exactly.once.support",
        "value.converter.replace.null.with.default",
        "transforms",
        "transforms.feed0.topic.regex",
        "topic.creation.feed0.partitions",
        "errors.tolerance",
        "database.password",
        "slot.name",
    ],
)
def test_what_keeps_data_safe_is_guarded(setting: str) -> None:
    reason = reason_of(setting)
    assert reason is not None
    assert reason.guarded


def test_what_is_the_project_s_own_is_said_to_be() -> None:
    own = {"snapshot.mode": "no_data", "max.batch.size": "4096"}
    told = {one.setting: one for one in explained(connector_config(replace(SPEC, overrides=own)), own)}
    assert {one.setting for one in told.values() if one.origin == "overridden"} == set(own)
    assert told["snapshot.mode"].value == "no_data"
    assert not told["max.batch.size"].guarded


def test_a_secret_is_hidden_and_a_reference_to_it_is_not() -> None:
    def password(source: ConnectorSpec) -> str:
        return next(o.value for o in explained(connector_config(source), {}) if o.setting == "database.password")

    assert password(SPEC) == "${env:PW}"
    assert password(replace(SPEC, source=replace(POSTGRES, password="hunter2"))) == "***"  # noqa: S106 - an example


def test_routing_that_works_passes() -> None:
    for spec in (
        SPEC,
        replace(SPEC, source=MARIADB),
        replace(SPEC, feeds=(feed("f", {"s.a": ("x",), "s.ab": ("x",)}),)),
    ):
        try_routing(spec, connector_config(spec))


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        # The router replaces the first find only: of `ordlin` that is `ord`, and the rest of the name stays.
        (r"(?:legacy\.public\.ord|legacy\.public\.ordlin|legacy\.public\.ordlin2)", "legacy.orderlin"),
        (r"legacy\.(?:public\.ord.*|transaction)", "legacy.transaction would go to legacy.order"),
        (r"^legacy\.public\.ord$", "would go to legacy.public.ordlin"),
    ],
)
def test_routing_that_sends_a_table_elsewhere_is_refused(pattern: str, wanted: str) -> None:
    config = connector_config(SPEC) | {"transforms.feed0.topic.regex": pattern}
    with pytest.raises(FeedsUnroutable, match=wanted):
        try_routing(SPEC, config)
