"""The routing of a configuration tried on the names of its tables, as the worker will carry it out.

What the transforms do: https://debezium.io/documentation/reference/stable/transformations/topic-routing.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from connectors.connect.config import ConnectorSpec, topic_of
from connectors.connect.errors import FeedsUnroutable

_ROUTER = "io.debezium.transforms.ByLogicalTableRouter"


def try_routing(spec: ConnectorSpec, config: Mapping[str, str]) -> None:
    """`FeedsUnroutable` unless each table's rows reach its feed's topic, and no other topic of the connector is moved."""
    topics = {topic_of(spec.prefix, table): spec.topic(feed) for feed in spec.feeds for table in feed.tables}
    topics |= {topic: topic for topic in (spec.transactions, spec.notifications)}
    for topic, wanted in topics.items():
        reached = _routed(config, topic)
        if reached != wanted:
            raise FeedsUnroutable(
                prefix=spec.prefix, reason=f"records of {topic} would go to {reached}, not to {wanted}"
            )


def _routed(config: Mapping[str, str], topic: str) -> str:
    for name in filter(None, config["transforms"].split(",")):
        if config[f"transforms.{name}.type"] != _ROUTER:
            continue
        pattern = config[f"transforms.{name}.topic.regex"]
        # Whether a topic is routed is asked of its whole name; what is replaced is the first place that the pattern finds.
        if re.fullmatch(pattern, topic):
            replacement = config[f"transforms.{name}.topic.replacement"]
            topic = re.sub(pattern, replacement.replace("\\", r"\\"), topic, count=1)
    return topic
