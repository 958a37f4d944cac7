"""Topics as they are against topics as they should be: what is made, what is set, and what order or state forbids."""

from __future__ import annotations

from collections.abc import Iterator

from connectors.connect.effects import Line
from connectors.connect.topics import LiveTopic, WantedTopic, duration

_KEYED = ("feed", "state", "changelog", "events")


def topic_lines(wanted: WantedTopic, live: LiveTopic) -> Iterator[Line]:
    """What has to change, or may not."""
    if wanted.partitions != live.partitions:
        yield _partitions(wanted, live)
    for setting, value in wanted.settings.items():
        found = live.settings.get(setting)
        if found is not None and not _same(setting, found, value):
            yield _setting(wanted, live, setting, found)
    if live.replication < wanted.replication:
        yield Line(
            what=f"{live.replication} → {wanted.replication} replicas",
            effect="refused",
            why="Kafka moves replicas only by an explicit assignment.",
            instead="Use kafka-reassign-partitions, or set `replication` back.",
        )


def _partitions(wanted: WantedTopic, live: LiveTopic) -> Line:
    what = f"{live.partitions} → {wanted.partitions} partitions"
    if live.empty:
        return Line(
            what=what,
            effect="refused",
            why="The topic holds no record yet, and may be made anew; Dragoman deletes no topic by itself.",
            instead=f"`kafka-topics --delete --topic {wanted.name}`, then plan again.",
        )
    if wanted.kind in _KEYED:
        why = (
            "A key's partition depends on the number: its later records would be on another one than its earlier ones."
        )
        instead = f"Say {live.partitions} again. If more are needed, begin a feed of another name, with a snapshot."
    else:
        why = "Its records have different keys, and between partitions nobody knows their order."
        instead = (
            "Begin under another `source` in schema.yaml, or destroy the connector with its topics and begin anew."
        )
    return Line(what=what, effect="refused", why=why, instead=instead)


def _setting(wanted: WantedTopic, live: LiveTopic, setting: str, found: str) -> Line:
    value = wanted.settings[setting]
    if setting == "cleanup.policy":
        return _policy(wanted, live, found, value)
    if setting == "retention.ms":
        what = f"{setting}: {duration(int(found))} → {duration(int(value))}"
        if not live.empty and _shorter(int(value), int(found)):
            return Line(what=what, effect="destructive", why="The broker deletes what is older, at once and for good.")
        return Line(what=what, effect="safe")
    return Line(what=f"{setting}: {found} → {value}", effect="safe")


def _policy(wanted: WantedTopic, live: LiveTopic, found: str, value: str) -> Line:
    what = f"cleanup.policy: {found} → {value}"
    if live.empty:
        return Line(what=what, effect="safe")
    lost = {
        "feed": "What was compacted away is missing in the order of a key's rows",
        "changelog": "What was deleted by age is missing in the translator's state",
        "state": "Keys whose last record was deleted by age are missing for every reader",
    }.get(wanted.kind, "What was cleaned away by the other rule is missing")
    return Line(
        what=what,
        effect="refused",
        why=f"{lost}, and the setting does not bring it back.",
        instead=f"Find out who set it. Set `cleanup.policy={value}` by hand, then load the translators anew with a snapshot.",
    )


def _shorter(new: int, old: int) -> bool:
    return new >= 0 and (old < 0 or new < old)


def _same(setting: str, found: str, value: str) -> bool:
    if setting == "cleanup.policy":
        return set(found.split(",")) == set(value.split(","))
    return found == value
