"""What the report says of one cause and of single keys: how many, why, since when, what to do, and all of it side by side."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import UTC, datetime

from reconcile.causes import PROVE
from reconcile.finding import Cause, Finding, finding_id
from reconcile.groups import Group
from reconcile.page import (
    CauseText,
    CommandText,
    GroupText,
    LifeText,
    RowText,
    SampleText,
    TableText,
    Time,
)
from reconcile.remedies import mends
from reconcile.run import RunResult

SAMPLES = 3
"""Keys of one cause that are shown field by field."""

SHOWN_KEYS = 60
"""Keys of one cause that are listed."""

ABREAST = 6
"""Columns of a legacy table that are shown side by side; with more of them, each is written with its name."""

CHANGED = {
    "view": "the view, through the pipeline",
    "legacy": "the legacy",
    "extract": "the extract",
    "either": "one of the two sides, to be decided",
}
"""The side that is to be changed, in words."""


def group_text(group: Group, result: RunResult) -> GroupText:
    """One line of the causes."""
    causes, commands = [], set()
    for cause in group.causes:
        command = "" if cause.command in commands or cause.lead == PROVE else cause.command
        commands.add(cause.command)
        causes.append(CauseText(name=cause.name, title=cause.title, text=cause.text, lead=cause.lead, command=command))
    more = len(group.keys) - SHOWN_KEYS
    return GroupText(
        count=f"{len(group.keys):,}",
        unit="key" if len(group.keys) == 1 else "keys",
        causes=tuple(causes),
        evidence=(
            *(trait.text for trait in result.traits if trait.reason == group.reason),
            *(f"{group.example}: {line}" for cause in group.causes for line in cause.evidence),
        ),
        shown_keys=group.keys[:SHOWN_KEYS],
        more_keys=f"{more:,}" if more > 0 else "",
        kinds=", ".join(kind if len(group.kinds) == 1 else f"{count:,} {kind}" for kind, count in group.kinds),
        fields=_field_list(group),
        since=None if group.since is None else time_of(group.since),
        bound=group.bound,
        waits=f"{group.waits:,} later {'step' if group.waits == 1 else 'steps'}" if group.waits else "",
        places=tuple(dict.fromkeys(cause.where for cause in group.causes if cause.where)),
        owners=tuple(dict.fromkeys(cause.owner for cause in group.causes)),
        steps=tuple(_steps(group, result)),
        accept=f'dragoman reconcile accept {finding_id(result.check.check, group.example)} --until DATE --reason "..."',
        change=", ".join(dict.fromkeys(_changed(cause, result) for cause in group.causes)),
        seen="" if group.first_seen is None or _is_new(group, result) else time_of(group.first_seen).text,
        accepted=f"{group.accepted:,} accepted" if group.accepted else "",
        new=_is_new(group, result),
    )


def _changed(cause: Cause, result: RunResult) -> str:
    stream = result.check.stream and cause.change == "view"
    return "what is published, through the pipeline" if stream else CHANGED[cause.change]


def _field_list(group: Group) -> str:
    names = [name if count == len(group.keys) else f"{name} ({count:,})" for name, count in group.fields[:6]]
    rest = len(group.fields) - len(names)
    return ", ".join(names) + (f" and {rest} more" if rest else "")


def _is_new(group: Group, result: RunResult) -> bool:
    """Whether no run before this one saw any of it; unknown without a ledger, and then not said."""
    return group.first_seen == result.started and len(result.history.runs) > 1


def _steps(group: Group, result: RunResult) -> Iterator[CommandText]:
    """What mends it, where the pipeline can, and then what proves it."""
    names = tuple(cause.name for cause in group.causes)
    mended = mends(names) is not None
    if mended:
        command = f"dragoman reconcile repair {shlex.quote(result.check.check)} --cause {names[0]} --dry-run"
        yield CommandText("See what mends it through the pipeline, and how it is carried out:", command)
    if mended or any(cause.lead == PROVE for cause in group.causes):
        yield CommandText(PROVE, f"dragoman reconcile run {shlex.quote(result.check.check)}")


def time_of(moment: datetime) -> Time:
    """An instant as the report writes it."""
    utc = moment.astimezone(UTC)
    return Time(utc.isoformat(timespec="milliseconds"), f"{utc.day} {utc:%b %Y %H:%M:%S}")


def samples_of(result: RunResult) -> Iterator[SampleText]:
    """Some keys of each cause, side by side."""
    found = {finding.key: finding for finding in result.findings}
    for group in result.groups:
        detailed = [found[key] for key in group.keys if found[key].rows]
        for finding in detailed[:SAMPLES]:
            yield _sample(finding)


def _sample(finding: Finding) -> SampleText:
    return SampleText(
        key=finding.key,
        title="; ".join(cause.title for cause in finding.causes),
        kind=finding.kind,
        id=finding.id,
        tables=tuple(_tables(finding)),
        rows=tuple(
            RowText(
                name=row.field if row.element is None else f"{row.field} · element {row.element}",
                legacy=row.legacy,
                published=row.published,
                view=row.view,
                differs=row.differs,
            )
            for row in finding.rows
        ),
        life=tuple(
            LifeText(None if moment.time is None else time_of(moment.time), moment.what, moment.text)
            for moment in finding.life
        ),
    )


def _tables(finding: Finding) -> Iterator[TableText]:
    """The legacy rows, a table for each of its tables."""
    for name in dict.fromkeys(row.table for row in finding.legacy):
        rows = [row.columns for row in finding.legacy if row.table == name]
        yield TableText(
            name=name,
            columns=tuple(column for column, _ in rows[0]),
            rows=tuple(tuple(text for _, text in row) for row in rows),
            wide=len(rows[0]) > ABREAST,
        )
