"""What it means to change a connector's setting: what is lost by it, or why it is refused and what to do instead."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from connectors.connect.reasons import reason_of
from connectors.connect.routes import ROUTING, Route, routes_of
from connectors.connect.secrets import shown

Effect = Literal["safe", "restarts", "destructive", "refused"]


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One difference in words, what it brings about, and for what is refused what to do instead."""

    what: str
    effect: Effect
    why: str = ""
    instead: str = ""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from changing the settings whose whole name fits `settings`."""

    settings: str
    effect: Effect
    why: str
    instead: str = ""


_ANEW = (
    "Set it back. If it has to be so: `dragoman connectors destroy`, another connector's name under `connect:`, a raised "
    "`epoch`, and `dragoman connectors apply`, which reads everything anew."
)

RULES = (
    Rule(
        settings=r"topic\.prefix|connector\.class",
        effect="refused",
        why="By it the connector finds how far it is: with another one the whole database is read anew, into other topics.",
        instead=_ANEW,
    ),
    Rule(
        settings=r"slot\.name",
        effect="refused",
        why="Another slot begins now: what was changed before is not in it, and nothing would say so.",
        instead=_ANEW,
    ),
    Rule(
        settings=r"schema\.history\.internal\.kafka\.topic",
        effect="refused",
        why="In another topic there is no history, and the binary log cannot be read.",
        instead=_ANEW,
    ),
    Rule(
        settings=r"database\.(hostname|port|dbname)",
        effect="destructive",
        why="The position is one in the log of the database before. Right only if this is the same database at another "
        "address; else raise `epoch` and read it anew.",
    ),
    Rule(
        settings=r"publication\.name",
        effect="destructive",
        why="What the other publication does not hold is not captured from then on, and nothing says so.",
    ),
    Rule(
        settings=r"(key|value)\.converter(\..+)?|.+\.handling\.mode|time\.precision\.mode|unavailable\.value\.placeholder",
        effect="destructive",
        why="The feeds then hold values written in two ways, and schema.yaml says one. First let every translator read its "
        "feed to the end, with the connector stopped.",
    ),
    Rule(
        settings=r"exactly\.once\.support",
        effect="destructive",
        why="It decides what proves that a transaction is over. First let every translator read its feed to the end, with "
        "the connector stopped.",
    ),
    Rule(
        settings=r"snapshot\.mode",
        effect="restarts",
        why="It only matters before the connector's first offset: `dragoman connectors offsets` shows whether there is one.",
    ),
)

_DRIFT = (
    "It was set otherwise at the worker, and it keeps data safe: what was lost meanwhile is not known. `dragoman reconcile "
    "run` afterwards."
)


def differences(live: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[Line]:
    """What has to change from one configuration to the other; secrets are hidden."""
    old, new = shown(live), shown(wanted)
    for setting in sorted({*live, *wanted} - {"name"}):
        if live.get(setting) == wanted.get(setting) or ROUTING.fullmatch(setting):
            continue
        yield _difference(setting, old.get(setting), new.get(setting))
    if any(live.get(one) != wanted.get(one) for one in {*live, *wanted} if ROUTING.fullmatch(one)):
        yield from _of_routes(live, wanted)


def _difference(setting: str, old: str | None, new: str | None) -> Line:
    if old is None:
        what = f"+ {setting} = {new}"
    elif new is None:
        what = f"- {setting} (was {old})"
    else:
        what = f"~ {setting}: {old} → {new}"
    for rule in RULES:
        if re.fullmatch(rule.settings, setting):
            return Line(what=what, effect=rule.effect, why=rule.why, instead=rule.instead)
    reason = reason_of(setting)
    drifted = old is not None and reason is not None and reason.guarded
    return Line(what=what, effect="restarts", why=_DRIFT if drifted else "")


def _of_routes(live: Mapping[str, str], wanted: Mapping[str, str]) -> Iterator[Line]:
    old, new = routes_of(live), routes_of(wanted) or {}
    if old is None:
        yield Line(
            what="~ the routing, which is not Dragoman's",
            effect="destructive",
            why="Where rows went until now cannot be told. Right only if no translator has read them.",
        )
        return
    found = False
    for table in sorted({*old, *new}):
        for line in _of_table(table, old.get(table), new.get(table), wanted.get("publication.name")):
            found = True
            yield line
    if not found:
        yield Line(what="~ the routing is written otherwise, and does the same", effect="restarts")


def _of_table(table: str, old: Route | None, new: Route | None, publication: str | None) -> Iterator[Line]:
    if old == new:
        return
    if old is None and new is not None:
        member = f" It has to be in the publication {publication}." if publication else ""
        yield Line(
            what=f"+ table {table} → {new.words}",
            effect="restarts",
            why=f"Only what changes from then on is read: a snapshot of the table brings the rows that it has.{member}",
        )
    elif new is None and old is not None:
        yield Line(
            what=f"- table {table} (was in {old.topic})",
            effect="destructive",
            why="What changes in it from then on is not captured; only a snapshot brings it back.",
        )
    elif old is not None and new is not None:
        yield _rerouted(table, old, new)


def _rerouted(table: str, old: Route, new: Route) -> Line:
    if old.topic != new.topic:
        what, why = f"{old.topic} → {new.topic}", "Its rows would be in two topics, with no order between them."
    elif old.partitions != new.partitions:
        what = f"{old.partitions} → {new.partitions} partitions"
        why = "A key's later rows would be on another partition than its earlier ones, with no order between them."
    else:
        what = f"by {', '.join(old.columns) or 'no column'} → by {', '.join(new.columns) or 'no column'}"
        why = "A thing's later rows would be on another partition than its earlier ones, with no order between them."
    return Line(
        what=f"~ table {table}: {what}",
        effect="refused",
        why=why,
        instead="Set it back. If it has to be so, give the feed another name, so that it begins with a topic of its own, and "
        "destroy the connector before.",
    )
