"""The verdict on one key, three-way: what legacy says, what was published last, what the view shows.

Each leg has its own cause, so that a finding may have two: parked on the way in, and edited in the view as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from reconcile import causes, causes_inbound, causes_own
from reconcile.causes import Names
from reconcile.compare import Comparison, Expected
from reconcile.confirm import Confirmed
from reconcile.content import Content, Difference, ViewShape, content_of, differences
from reconcile.discreet import discreet
from reconcile.doubled import repeats
from reconcile.evidence import Evidence, Published
from reconcile.finding import Cause, FieldRow, Finding, Moment, finding_id
from reconcile.own_view import Orphans
from reconcile.patterns import Pattern, pattern_of
from reconcile.sides import changed_columns, field_rows, legacy_rows
from reconcile.terms import Kind
from reconcile.traits import Mark
from reconcile.view import ViewRow


class _Case(msgspec.Struct, frozen=True):
    """One key to be judged. `aside` are the paths of which the legacy is not right, `unsent` those that it never sent.

    `known` is what the rows that the translator keeps mean, `columns` are those in which they differ from the legacy's.
    """

    comparison: Comparison
    evidence: Evidence
    published: Content | None
    names: Names
    shape: ViewShape
    aside: frozenset[str]
    unsent: frozenset[str]
    known: Expected | None
    columns: tuple[str, ...]

    def gaps(self, known: Content) -> tuple[Difference, ...]:
        """Where what the translator knows differs from what the legacy says."""
        expected = self.comparison.expected.content
        return () if expected is None else differences(expected, known, self.shape)

    def pattern(self, expected: Content | None) -> Pattern | None:
        """How what was published comes from what the legacy says."""
        if expected is None or self.published is None:
            return None
        return pattern_of(expected, self.published, self.shape)

    def agree(self, left: Content | None, right: Content | None, unsaid: frozenset[str] = frozenset()) -> bool:
        """Whether two sides say the same wherever the legacy is right, `unsaid` fields apart."""
        if left is None or right is None:
            return left is right
        return all(one.field in self.aside | unsaid for one in differences(left, right, self.shape))


def judge(confirmed: Confirmed, names: Names, shape: ViewShape, visible: frozenset[str] = frozenset()) -> Finding:
    """The finding of one confirmed difference; of the legacy's rows only the `visible` columns are shown."""
    confirmed = discreet(confirmed, names.terms.hidden)
    comparison, evidence = confirmed.comparison, confirmed.evidence
    held = _held(comparison, names, shape)
    case = _Case(
        comparison=comparison,
        evidence=evidence,
        published=_content(evidence, shape),
        names=names,
        shape=shape,
        aside=frozenset(path for path in shape.paths if names.terms.authority.of(path) != "legacy"),
        unsent=_unsaid(evidence) | held,
        known=confirmed.known,
        columns=() if evidence.stored is None else changed_columns(evidence.stored.rows, confirmed.rows),
    )
    rows = field_rows(comparison, case.published, shape)
    fields = _fields(comparison, rows)
    found = tuple(_placed(cause, fields, names) for cause in _causes(case, held))
    return Finding(
        id=finding_id(names.check, comparison.key),
        check=names.check,
        key=comparison.key,
        kind=_kind(comparison, found),
        causes=found,
        fields=fields,
        rows=rows,
        life=_life(evidence, None if names.stream else comparison.row),
        legacy=legacy_rows(confirmed.rows, visible),
    )


def mark_of(confirmed: Confirmed) -> Mark:
    """By what the key of a finding may belong together with others."""
    row, last = confirmed.comparison.row, confirmed.evidence.published
    return Mark(
        None if row is None else row.applied_time,
        "" if last is None else last.mapping_version,
        None if last is None else last.time,
    )


def _causes(case: _Case, held: frozenset[str]) -> Iterator[Cause]:
    """The causes of each leg on which the legacy is right, then what it is not right of."""
    whole = case.comparison.kind in ("missing", "extra")
    ours = not whole or case.names.terms.authority.others == "legacy"
    found = [*_inbound(case, held), *_outbound(case, held)] if ours else []
    found += _directed(case, whole)
    if not found:
        found = [causes_inbound.not_sent(case.evidence, held, case.names) if held else causes.unexplained(case.names)]
    yield from found


_OF_FIELDS = frozenset({"capture-gap", "not-published", "mapping-changed", "consumer-misapplied", "not-sent"})


def _placed(cause: Cause, fields: tuple[str, ...], names: Names) -> Cause:
    """The cause with the place in the mapping that says what the first of the fields means, where it has none yet."""
    if cause.where is not None or cause.name not in _OF_FIELDS:
        return cause
    where = next((names.places[field] for field in fields if field in names.places), None)
    return msgspec.structs.replace(cause, where=where)


def _held(comparison: Comparison, names: Names, shape: ViewShape) -> frozenset[str]:
    """The fields in which the view shows what stands for a value that the source did not send."""
    content = None if comparison.row is None else comparison.row.content
    if content is None:
        return frozenset()
    held = {path for path in shape.fields if content.fields[path] == names.placeholder}
    for path, inner in shape.lists.items():
        held |= {f"{path}.{i}" for i in inner if any(one[i] == names.placeholder for one in content.lists[path])}
    return frozenset(held)


def _directed(case: _Case, whole: bool) -> Iterator[Cause]:
    """What of the difference the new system is right of, and what both have to agree on."""
    authority = case.names.terms.authority
    for right, cause in (("view", causes.legacy_behind), ("both", causes.sides_disagree)):
        differ = [one for one in case.comparison.differences if authority.of(one.field) == right]
        if differ or (whole and authority.others == right):
            yield cause(differ, case.names)


def _fields(comparison: Comparison, rows: tuple[FieldRow, ...]) -> tuple[str, ...]:
    if comparison.kind == "refused":
        return tuple(dict.fromkeys(row.field for row in rows if row.differs))
    return tuple(dict.fromkeys(difference.field for difference in comparison.differences))


def _content(evidence: Evidence, shape: ViewShape) -> Content | None:
    last = evidence.published
    return None if last is None or last.data is None else content_of(last.data, shape, _unsaid(evidence))


def _kind(comparison: Comparison, found: tuple[Cause, ...]) -> Kind:
    """A view that faithfully shows an older state is stale; one that shows what nobody said is a mismatch."""
    if {cause.name for cause in found} == {"not-sent"}:
        return "unavailable"
    invented = {"edited-in-view", "consumer-misapplied", "legacy-behind", "sides-disagree"}
    faithful = comparison.kind == "mismatch" and not invented & {cause.name for cause in found}
    return "stale" if faithful else comparison.kind


def _inbound(case: _Case, held: frozenset[str]) -> Iterator[Cause]:
    """Legacy against the stream."""
    expected, evidence, names = case.comparison.expected, case.evidence, case.names
    if expected.problem is None and case.agree(expected.content, case.published):
        return
    if evidence.waiting:
        yield causes_inbound.parked(evidence, names)
    elif evidence.stored is not None and evidence.stored.unmapped is not None:
        yield causes_inbound.dead_lettered(evidence.stored.unmapped, names)
    elif expected.problem is None and case.agree(expected.content, case.published, case.unsent):
        yield causes_inbound.not_sent(evidence, held, names)
    elif case.known is not None and case.known.problem is None and not case.agree(expected.content, case.known.content):
        gap = () if case.known.content is None or expected.content is None else case.gaps(case.known.content)
        yield causes_inbound.capture_gap(evidence, case.columns, gap, names)
    elif expected.problem is None and (last := evidence.published) and last.mapping_version != names.mapping_version:
        yield causes.patterned(causes_inbound.mapping_changed(last, names), case.pattern(expected.content))
    elif expected.problem is None and case.known is not None and case.known.problem is None:
        yield causes.patterned(causes_inbound.not_published(evidence, names), case.pattern(expected.content))
    else:
        yield causes_inbound.capture_or_mapping(expected, evidence, names)


def _outbound(case: _Case, held: frozenset[str]) -> Iterator[Cause]:
    """The stream against the view."""
    row, published, evidence, names = case.comparison.row, case.evidence.published, case.evidence, case.names
    if names.stream:
        return
    if row is not None and not row.intact and not case.agree(case.comparison.expected.content, row.content, held):
        yield causes.edited(row, names)
    content = case.published
    if row is not None and case.comparison.kind == "duplicate":
        repeated = repeats(case.comparison.expected.content, row, case.shape)
        yield causes_own.duplicate_rows(row, repeated, case.shape, names)
        doubled = {
            path for one in repeated for path in (one.path, *(f"{one.path}.{i}" for i in case.shape.lists[one.path]))
        }
        if case.agree(content, row.content, case.unsent | doubled):
            return
    if case.agree(content, None if row is None else row.content, case.unsent):
        return
    if published is None:
        yield from () if row is None else _never_published(row, evidence, names)
    elif row is not None and published.data is not None and names.own and not _is_older(row, published):
        yield _otherwise(case, row, published)
    elif row is None or row.sequence < published.sequence:
        lacking = evidence.lacking or published
        if row is not None and evidence.shown is not None and _behind(evidence.shown, published):
            yield causes.out_of_order(evidence.shown, published, names)
        elif evidence.view_parked is not None:
            yield causes.consumer_refused(lacking, evidence.view_parked, names)
        elif published.data is None:
            yield causes.deleted_not_applied(published.at, published.time, names)
        else:
            yield causes.consumer_missed(lacking, published, row, names)
    elif row.intact:
        pattern = None if content is None else pattern_of(content, row.content, case.shape)
        yield causes.patterned(causes.misapplied(published, row, names), pattern)


def _is_older(row: ViewRow, published: Published) -> bool:
    """Whether a row says itself that it is of an older version."""
    return bool(row.sequence) and row.sequence < published.sequence


def _otherwise(case: _Case, row: ViewRow, published: Published) -> Cause:
    """Of a row that may say nothing of who wrote it: whether it shows what an older record said, or what none did."""
    older = [one for one in case.evidence.last if one.data is not None and one.sequence < published.sequence]
    for old in reversed(older if not row.sequence else []):
        if case.agree(content_of(old.data or {}, case.shape), row.content, case.unsent):
            return causes_own.still_shows(old, published, case.names)
    differ = () if case.published is None else differences(case.published, row.content, case.shape)
    return causes_own.shows_otherwise(published, row, differ, case.names)


def _behind(one: Published, other: Published) -> bool:
    """Whether a record stands behind another one in the stream, though it is older by its sequence."""
    return one.at.partition == other.at.partition and one.at.offset > other.at.offset


def _never_published(row: ViewRow, evidence: Evidence, names: Names) -> Iterator[Cause]:
    """A row of which the stream holds nothing: its tombstone is compacted away, or nobody ever published it."""
    if evidence.stored is not None and evidence.stored.version:
        yield causes.deleted_not_applied(None, None, names)
    elif row.intact:
        yield causes.invented(row, names)


def _unsaid(evidence: Evidence) -> frozenset[str]:
    """The fields of which the last record says nothing: views keep what they had."""
    absent = {} if evidence.published is None else evidence.published.absent
    return frozenset(path.replace("[]", "") for path in absent)


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
    if row is not None and row.applied_time is not None:
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


def orphan_finding(found: Orphans, names: Names) -> Finding:
    """The finding of rows that belong to no thing: no business key names them."""
    return Finding(
        id=finding_id(names.check, found.key),
        check=names.check,
        key=found.key,
        kind="orphan",
        causes=(causes_own.orphan_rows(found, names),),
        fields=(),
        rows=(),
        life=(),
    )


def without_rows(finding: Finding) -> Finding:
    """The finding without its fields side by side and its life, for keys of which only the list is kept."""
    return msgspec.structs.replace(finding, rows=(), life=(), legacy=())
