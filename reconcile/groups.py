"""Findings of one reason told as one line: ten thousand rows are a handful of causes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import blake2b

import msgspec

from reconcile.finding import Cause, Finding

_BY_FIELD = frozenset({"consumer-misapplied", "capture-or-mapping", "mapping-changed", "not-published"})
"""Causes whose fields are the pattern; the others hit a key, whatever fields that shows in."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The findings that share their causes (and fields, where those are the pattern).

    `causes` are those of the earliest finding, whose key is `example`; `fields` are counted over all, most frequent
    first; `waits` sums the later steps that wait; `since` is the earliest, and with `bound` it began after that.
    `first_seen` is the run that first saw one of them, `accepted` counts those that may stand for now. `reason` names the
    group, the same in every run.
    """

    example: str
    causes: tuple[Cause, ...]
    keys: tuple[str, ...]
    fields: tuple[tuple[str, int], ...]
    kinds: tuple[tuple[str, int], ...]
    since: datetime | None
    bound: bool
    waits: int
    first_seen: datetime | None = None
    accepted: int = 0
    reason: str = ""


def grouped(findings: Iterable[Finding]) -> tuple[Group, ...]:
    """The groups, largest first."""
    members: dict[tuple[object, ...], list[Finding]] = {}
    for finding in findings:
        members.setdefault(_reason(finding), []).append(finding)
    groups = [_group(found, reason) for reason, found in members.items()]
    return tuple(sorted(groups, key=lambda group: (-len(group.keys), group.causes[0].title, group.keys)))


def _reason(finding: Finding) -> tuple[object, ...]:
    names = tuple(cause.name for cause in finding.causes)
    fields = finding.fields if _BY_FIELD.intersection(names) else ()
    return (names, tuple(cause.pattern for cause in finding.causes), fields)


def _group(found: Sequence[Finding], reason: tuple[object, ...]) -> Group:
    first = min(found, key=lambda finding: (finding.since is None, finding.since, finding.key))
    return Group(
        example=first.key,
        causes=first.causes,
        keys=tuple(finding.key for finding in found),
        fields=tuple(Counter(field for finding in found for field in finding.fields).most_common()),
        kinds=tuple(Counter(finding.kind for finding in found).most_common()),
        since=first.since,
        bound=first.causes[0].bound,
        waits=sum(cause.waits for finding in found for cause in finding.causes),
        first_seen=min((f.first_seen for f in found if f.first_seen is not None), default=None),
        accepted=sum(finding.accepted_until is not None for finding in found),
        reason=blake2b(repr(reason).encode(), digest_size=6).hexdigest(),
    )
