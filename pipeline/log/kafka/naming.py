"""What a topic is, read off its name: a broker keeps no such thing, and a feed's topics are made by its connector."""

from __future__ import annotations

from pipeline.control import CONTROL_TOPIC
from pipeline.log.port import Kind, TopicConflict, TopicSpec

_CURATED: dict[str, Kind] = {
    "state": "state",
    "changelog": "changelog",
    "events": "events",
    "dead-letters": "dead-letters",
}
_BESIDE_A_FEED: dict[str, Kind] = {
    "transaction": "transaction",
    "notification": "notification",
    "notifications": "notification",
}


def kind_of(name: str) -> Kind:
    """`TRANSLATOR.state` and its like are curated; a feed's topics have a prefix of more words, or another last one."""
    words = name.split(".")
    if name == CONTROL_TOPIC.name:
        return "control"
    if name.startswith("__debezium-heartbeat"):
        return "heartbeat"
    if len(words) <= 2 and words[-1] in _CURATED:
        return _CURATED[words[-1]]
    return _BESIDE_A_FEED.get(words[-1], "feed")


def check_name(topic: TopicSpec) -> None:
    """`log.topic-conflict` if the name says another kind than the topic is to have: nobody could tell it later."""
    said = kind_of(topic.name)
    if said != topic.kind:
        raise TopicConflict(topic=topic.name, found=f"a name of kind {said}", wanted=f"kind {topic.kind}")
