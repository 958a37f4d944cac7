"""What has to change so that the live side is as the project declares it: in words, before anything is done. Pure.

The side of Connect and that of Kafka are read elsewhere and come in as values; a plan goes out as a value that may be shown
and kept, for it has no secret. `digest` names the plan together with what it was made from: one that is made later from the
same has the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from connectors.connect.effects import Effect, Line, differences
from connectors.connect.secrets import shown
from connectors.connect.states import ConnectorStatus
from connectors.connect.topic_plan import topic_lines
from connectors.connect.topics import LiveTopic, WantedTopic

Action = Literal["create", "change", "restart", "keep"]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the project declares.."""

    connector: str
    config: Mapping[str, str]
    topics: tuple[WantedTopic, ...]


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """What there is: the connector, the others of the cluster with their configurations, the plug-ins (class -> version),
    what the worker finds wrong with the declared configuration, and the topics."""

    config: Mapping[str, str] | None
    status: ConnectorStatus | None
    others: Mapping[str, Mapping[str, str]]
    plugins: Mapping[str, str]
    wrong: tuple[tuple[str, str], ...]
    topics: Mapping[str, LiveTopic]


class Item(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One connector or topic, what becomes of it, and the differences."""

    kind: str
    name: str
    action: Action
    about: str
    owner: str = ""
    why: str = ""
    lines: tuple[Line, ...] = ()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. The three marks say from what it was made: what the project declares, the live connectors, the topics."""

    connector: str
    items: tuple[Item, ...]
    notes: tuple[str, ...]
    declared: str
    connectors: str
    topics: str

    @property
    def digest(self) -> str:
        """The plan's name: short enough to be typed."""
        return _mark([self.declared, self.connectors, self.topics])[:12]

    @property
    def changes(self) -> tuple[Item, ...]:
        """The items that do not stay as they are."""
        return tuple(item for item in self.items if item.action != "keep")

    def lines(self, effect: Effect) -> list[tuple[Item, Line]]:
        """The differences that have an effect."""
        return [(item, line) for item in self.items for line in item.lines if line.effect == effect]


def plan_of(wanted: Wanted, live: Live) -> Plan:
    """The plan by which the live side becomes as wanted."""
    topics = tuple(_topic(topic, live.topics.get(topic.name)) for topic in wanted.topics)
    named = {topic.name for topic in wanted.topics}
    return Plan(
        connector=wanted.connector,
        items=(*topics, _connector(wanted, live)),
        notes=tuple(_notes(wanted, live)),
        declared=_mark([shown(wanted.config), wanted.topics]),
        connectors=_mark([_held(live), _condition(live.status), tuple(conflicts(wanted, live.others))]),
        topics=_mark(
            sorted(
                (t.name, t.partitions, t.replication, dict(t.settings)) for t in live.topics.values() if t.name in named
            )
        ),
    )


def moved(before: Plan, now: Plan) -> list[str]:
    """What is not as it was when the earlier plan was made."""
    told = {"what the project declares": "declared", "the connector": "connectors", "the topics": "topics"}
    return [what for what, field in told.items() if getattr(before, field) != getattr(now, field)]


def _topic(wanted: WantedTopic, live: LiveTopic | None) -> Item:
    lines = () if live is None else tuple(topic_lines(wanted, live))
    action: Action = "create" if live is None else "change" if lines else "keep"
    return Item(
        kind=wanted.kind,
        name=wanted.name,
        action=action,
        about=wanted.about,
        owner=wanted.owner,
        why=wanted.why,
        lines=lines,
    )


def _connector(wanted: Wanted, live: Live) -> Item:
    lines = [*conflicts(wanted, live.others), *_plugin(wanted, live.plugins)]
    lines += [
        Line(what=f"{setting}: {why}", effect="refused", why="The worker tried it.", instead="Mend what it names.")
        for setting, why in live.wrong
    ]
    held = _held(live)
    if held is not None:
        lines += differences(held, shown(wanted.config))
    failure = live.status.failure if live.status else None
    action: Action = "create" if held is None else "change" if lines else "restart" if failure else "keep"
    about = (
        live.status.words
        if live.status and held is not None
        else f"{wanted.config['connector.class'].rpartition('.')[2]}"
    )
    why = f"It has failed: {failure}" if failure else ""
    return Item(kind="connector", name=wanted.connector, action=action, about=about, why=why, lines=tuple(lines))


def _held(live: Live) -> dict[str, str] | None:
    return None if live.config is None else shown(live.config)


def conflicts(wanted: Wanted, others: Mapping[str, Mapping[str, str]]) -> Iterator[Line]:
    """What another connector of the cluster has already, and two cannot have."""
    ours = wanted.config
    for name, theirs in sorted(others.items()):
        same_server = all(ours.get(f"database.{one}") == theirs.get(f"database.{one}") for one in ("hostname", "port"))
        for setting, everywhere, why in (
            ("topic.prefix", True, "Both would write to the same topics."),
            ("slot.name", False, "Each would get half of the changes, and both would say RUNNING."),
            ("database.server.id", False, "They would end each other's connection, again and again."),
        ):
            if (
                ours.get(setting) is not None
                and ours.get(setting) == theirs.get(setting)
                and (everywhere or same_server)
            ):
                yield Line(
                    what=f"{setting} = {ours[setting]} is the connector {name}'s",
                    effect="refused",
                    why=why,
                    instead=f"Choose another one, or delete {name}. If it is this connector under its name before, write that "
                    "name under `connect:`.",
                )


def _plugin(wanted: Wanted, plugins: Mapping[str, str]) -> Iterator[Line]:
    if wanted.config["connector.class"] not in plugins:
        yield Line(
            what=f"the worker has no {wanted.config['connector.class']}",
            effect="refused",
            why="Its plugin.path does not hold this connector of Debezium.",
            instead="Unpack the connector's plugin archive into a folder of plugin.path, and start the worker again.",
        )


def _notes(wanted: Wanted, live: Live) -> Iterator[str]:
    if live.status is not None and live.status.state in ("PAUSED", "STOPPED"):
        yield (
            f"The connector is {live.status.state}, because somebody said so: it stays so, and the log of the database grows "
            "meanwhile. `dragoman connectors resume` lets it go on."
        )
    prefix = f"{wanted.config['topic.prefix']}."
    named = {topic.name for topic in wanted.topics}
    strangers = sorted(name for name in live.topics if name not in named and name.startswith(prefix))
    if strangers:
        yield f"Nothing here declares {', '.join(strangers)}: left alone, as are the topics in which Connect keeps its own."


def _condition(status: ConnectorStatus | None) -> str:
    """The state as far as a plan depends on it: that tasks come and go does not make it stale."""
    if status is None:
        return "none"
    return "failed" if status.failure else status.state if status.state in ("PAUSED", "STOPPED") else "up"


def _mark(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()
