"""The verdict on one key, three-way: what legacy says, what was published last, what the view shows.

Each leg has its own cause, so that a finding may have two: parked on the way in, and edited in the view as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from reconcile import causes
from reconcile.causes import Names
from reconcile.compare import Comparison, Kind
from reconcile.confirm import Confirmed
from reconcile.content import Content, ViewShape, content_of, differences
from reconcile.evidence import Evidence, Published
from reconcile.finding import Cause, FieldRow, Finding, Moment, finding_id
from reconcile.patterns import pattern_of
from reconcile.sides import field_rows, legacy_rows
from reconcile.view import ViewRow


def judge(confirmed: Confirmed, names: Names, shape: ViewShape, visible: frozenset[str] = frozenset()) -> Finding:
    """The finding of one confirmed difference; of the legacy's rows only the `visible` columns are shown."""
    comparison, evidence = confirmed.comparison, confirmed.evidence
    published = _content(evidence.published, shape)
    found = (*_inbound(comparison, evidence, published, names, shape), *_outbound(comparison, evidence, names, shape))
    rows = field_rows(comparison, published, shape)
    return Finding(
        id=finding_id(names.check, comparison.key),
        check=names.check,
        key=comparison.key,
        kind=_kind(comparison, found),
        causes=found or (causes.unexplained(names),),
        fields=_fields(comparison, rows),
        rows=rows,
        life=_life(evidence, comparison.row),
        legacy=legacy_rows(confirmed.rows, visible),
    )


def _fields(comparison: Comparison, rows: tuple[FieldRow, ...]) -> tuple[str, ...]:
    if comparison.kind == "refused":
        return tuple(dict.fromkeys(row.field for row in rows if row.differs))
    return tuple(dict.fromkeys(difference.field for difference in comparison.differences))


def _content(published: Published | None, shape: ViewShape) -> Content | None:
    return None if published is None or published.data is None else content_of(published.data, shape)


def _kind(comparison: Comparison, found: tuple[Cause, ...]) -> Kind:
    """A view that faithfully shows an older state is stale; one that shows what nobody said is a mismatch."""
    invented = {"edited-in-view", "consumer-misapplied"}
    faithful = comparison.kind == "mismatch" and not invented & {cause.name for cause in found}
    return "stale" if faithful else comparison.kind


def _inbound(
    comparison: Comparison, evidence: Evidence, published: Content | None, names: Names, shape: ViewShape
) -> Iterator[Cause]:
    """Legacy against the stream."""
    expected = comparison.expected
    if expected.problem is None and _agree(expected.content, published, shape):
        return
    if evidence.waiting:
        yield causes.parked(evidence, names)
    elif evidence.stored is not None and evidence.stored.unmapped is not None:
        yield causes.dead_lettered(evidence.stored.unmapped, names)
    elif expected.problem is None and _agree(expected.content, published, shape, _unsaid(evidence)):
        yield causes.not_sent(evidence, names)
    elif expected.problem is None and (last := evidence.published) and last.mapping_version != names.mapping_version:
        yield causes.mapping_changed(last, names)
    else:
        yield causes.capture_or_mapping(expected, evidence, names)


def _outbound(comparison: Comparison, evidence: Evidence, names: Names, shape: ViewShape) -> Iterator[Cause]:
    """The stream against the view."""
    row, published = comparison.row, evidence.published
    if row is not None and not row.intact:
        yield causes.edited(row, names)
    content = _content(published, shape)
    if _agree(content, None if row is None else row.content, shape, _unsaid(evidence)):
        return
    if published is None:
        yield from () if row is None else _never_published(row, evidence, names)
    elif row is None or row.sequence < published.sequence:
        lacking = evidence.lacking or published
        if evidence.view_parked is not None:
            yield causes.consumer_refused(lacking, evidence.view_parked, names)
        elif published.data is None:
            yield causes.deleted_not_applied(published.at, published.time, names)
        else:
            yield causes.consumer_missed(lacking, published, row, names)
    elif row.intact:
        pattern = None if content is None else pattern_of(content, row.content, shape)
        yield causes.patterned(causes.misapplied(published, row, names), pattern)


def _never_published(row: ViewRow, evidence: Evidence, names: Names) -> Iterator[Cause]:
    """A row of which the stream holds nothing: its tombstone is compacted away, or nobody ever published it."""
    if evidence.stored is not None and evidence.stored.version:
        yield causes.deleted_not_applied(None, None, names)
    elif row.intact:
        yield causes.invented(row, names)


def _unsaid(evidence: Evidence) -> frozenset[str]:
    """The fields of which the last record says nothing: views keep what they had."""
    return frozenset() if evidence.published is None else frozenset(evidence.published.absent)


def _agree(left: Content | None, right: Content | None, shape: ViewShape, unsaid: frozenset[str] = frozenset()) -> bool:
    if left is None or right is None:
        return left is right
    return all(difference.field in unsaid for difference in differences(left, right, shape))


def _life(evidence: Evidence, row: ViewRow | None) -> tuple[Moment, ...]:
    moments = [*_publications(evidence)]
    for number, step in enumerate(evidence.waiting):
        time = datetime.fromtimestamp(step.first_seen / 1000, UTC)
        if number == 0 and step.problem is not None:
            said = f"{step.problem.code}: {step.problem.message}"
            place = f" at {step.problem.where}" if step.problem.where else ""
            moments.append(Moment(time, "refused", f"{said}{place} · dead letter {step.dead_letter}"))
        elif number == 1:
            behind = len(evidence.waiting) - 1
            waits = "1 later step waits" if behind == 1 else f"{behind:,} later steps wait"
            moments.append(Moment(time, "parked", f"{waits} behind it"))
    if row is not None:
        moments.append(Moment(row.applied_time, "applied", f"the view took {causes.version(row.sequence)}"))
    if evidence.view_parked is not None:
        parked = evidence.view_parked
        moments.append(Moment(parked.first_seen, "set aside", f"by the view: {parked.message}"))
    earliest = datetime.min.replace(tzinfo=UTC)
    return tuple(sorted(moments, key=lambda moment: moment.time or earliest))


def _publications(evidence: Evidence) -> Iterator[Moment]:
    found = (*evidence.last, evidence.lacking, evidence.published)
    records = {record.at: record for record in found if record is not None}
    for record in records.values():
        what = "deleted" if record.data is None else "published"
        yield Moment(record.time, what, f"{causes.version(record.sequence)} at {record.at} ({record.event_class})")


def without_rows(finding: Finding) -> Finding:
    """The finding without its fields side by side and its life, for keys of which only the list is kept."""
    return msgspec.structs.replace(finding, rows=(), life=(), legacy=())
