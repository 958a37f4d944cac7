"""The routing of a configuration tried on the names of its tables, as the worker will carry it out."""

from __future__ import annotations

from collections.abc import Mapping

from connectors.connect.config import ConnectorSpec, topic_of
from connectors.connect.errors import FeedsUnroutable
from connectors.connect.routes import reached


def try_routing(spec: ConnectorSpec, config: Mapping[str, str]) -> None:
    """`FeedsUnroutable` unless each table's rows reach its feed's topic, and no other topic of the connector is moved."""
    topics = {topic_of(spec.prefix, table): spec.topic(feed) for feed in spec.feeds for table in feed.tables}
    topics |= {topic: topic for topic in (spec.transactions, spec.notifications, spec.heartbeats, spec.messages)}
    for topic, wanted in topics.items():
        found = reached(config, topic)
        if found != wanted:
            raise FeedsUnroutable(prefix=spec.prefix, reason=f"records of {topic} would go to {found}, not to {wanted}")
