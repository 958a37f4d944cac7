"""Where a configuration sends the rows of each table, read off the configuration itself: ours, or one that a worker holds.

What the transforms do: https://debezium.io/documentation/reference/stable/transformations/topic-routing.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from connectors.connect.config import topic_of

ROUTING = re.compile(r"(transforms|predicates)(\..+)?|topic\.creation\..+|(table|database)\.include\.list")
"""The settings that say where rows go: they are compared by what they do."""

_ROUTER = "io.debezium.transforms.ByLogicalTableRouter"
_PARTITIONS = "io.debezium.transforms.partitions.PartitionRouting"


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """The topic of a table's rows, the columns that choose the partition, and among how many (1 where none do)."""

    topic: str
    columns: tuple[str, ...] = ()
    partitions: int = 1

    @property
    def words(self) -> str:
        """The route on a line."""
        return f"{self.topic} by {', '.join(self.columns)}" if self.columns else self.topic


def routes_of(config: Mapping[str, str]) -> dict[str, Route] | None:
    """The route of each captured table; None where the configuration is not of our making and cannot be told."""
    try:
        tables = [re.sub(r"\\(.)", r"\1", one) for one in config["table.include.list"].split(",")]
        return {table: _route(config, topic_of(config["topic.prefix"], table)) for table in tables}
    except (KeyError, ValueError, re.error):
        return None


def reached(config: Mapping[str, str], topic: str) -> str:
    """The topic to which the routers of a configuration send what was meant for another one."""
    return _route(config, topic).topic


def _route(config: Mapping[str, str], topic: str) -> Route:
    chosen: dict[str, Any] = {}
    for name in filter(None, config.get("transforms", "").split(",")):
        kind = config[f"transforms.{name}.type"]
        if kind == _PARTITIONS and _applies(config, name, topic):
            fields = config[f"transforms.{name}.partition.payload.fields"].split(",")
            chosen["columns"] = tuple(one.removeprefix("change.") for one in fields)
            chosen["partitions"] = int(config[f"transforms.{name}.partition.topic.num"])
        elif kind == _ROUTER:
            pattern = config[f"transforms.{name}.topic.regex"]
            # Whether a topic is routed is asked of its whole name; what is replaced is the first place that the pattern finds.
            if re.fullmatch(pattern, topic):
                replacement = config[f"transforms.{name}.topic.replacement"]
                topic = re.sub(pattern, replacement.replace("\\", r"\\"), topic, count=1)
    return Route(topic=topic, **chosen)


def _applies(config: Mapping[str, str], name: str, topic: str) -> bool:
    predicate = config.get(f"transforms.{name}.predicate")
    return predicate is None or re.fullmatch(config[f"predicates.{predicate}.pattern"], topic) is not None
