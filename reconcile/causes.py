"""The causes, in words: what happened, how it is known, whose it is, since when, and what to do now."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

import msgspec

from reconcile.compare import Expected
from reconcile.content import Difference
from reconcile.evidence import Evidence, Published
from reconcile.finding import Cause
from reconcile.patterns import Pattern
from reconcile.terms import Terms
from reconcile.view import ViewParked, ViewRow
from translators.change import Coordinate
from translators.problem import Problem

REBUILD = (
    "To heal it now, build the view again: drop its tables and its rows in `_dragoman_checkpoint`, then `dragoman run`."
)
HEALS = "The next change of the key heals it; published again, it is healed now."

LOOK = "See what waits, and why:"
STATUS = "See where the pipeline stands:"
PROVE = "When it is mended, prove it:"

_SAID = 5
"""Fields that the evidence of one cause names."""


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """Who is who in one check: the translator and its owner, the view and its owner, and by which terms it is judged.

    `placeholder` is what the source sends in place of a large value that it does not send again. `stream`: there is no view,
    the state stream itself is compared.
    """

    check: str
    translator: str
    mapping_owner: str
    view: str
    view_owner: str
    mapping_version: str = ""
    terms: Terms = Terms()
    placeholder: str = ""
    stream: bool = False

    @property
    def again(self) -> str:
        """The command that proves that a cause is gone."""
        return f"dragoman reconcile run {self.check}"


def version(sequence: str) -> str:
    """A sequence as a person says it."""
    parts = sequence.split(".")
    if len(parts) != 4 or not all(part.isdigit() for part in parts):
        return f"sequence {sequence}"
    generation = int(parts[2])
    return f"version {int(parts[1]):,}" + (f", mapping generation {generation}" if generation > 1 else "")


def parked(evidence: Evidence, names: Names) -> Cause:
    """A step of the key was rejected and it waits, with all later ones behind it."""
    first, behind = evidence.waiting[0], len(evidence.waiting) - 1
    problem = next((step.problem for step in evidence.waiting if step.problem is not None), None)
    said = "an earlier step was refused" if problem is None else reason(problem)
    return Cause(
        name="parked",
        title=_sentence(said),
        text=(
            f"A change was refused (`{'unknown' if problem is None else problem.code}`) and the key is parked since; "
            "later changes wait behind it, in order. The view still shows the state before."
            + (f" {_sentence(problem.hint)}" if problem is not None and problem.hint else "")
        ),
        owner=names.mapping_owner,
        evidence=(
            f"dead letter {first.dead_letter}: {said}" + _place(problem),
            *([f"{behind:,} later {'step waits' if behind == 1 else 'steps wait'} behind it"] if behind else []),
        ),
        lead=LOOK,
        command=f"dragoman parked list --translator {names.translator}",
        pattern=_pattern(problem),
        since=datetime.fromtimestamp(first.first_seen / 1000, UTC),
        where=None if problem is None else problem.where,
        waits=behind,
    )


def dead_lettered(problem: Problem, names: Names) -> Cause:
    """A rejected step was discarded, and no state can be made of the rows that it left."""
    return Cause(
        name="dead-lettered",
        title=_sentence(reason(problem)),
        text=(
            f"The refused change (`{problem.code}`) was discarded: its rows are known, but the mapping can make no state of "
            "them, so the last one that could be published still stands."
        ),
        owner=names.mapping_owner,
        evidence=(f"the rows of this key cannot be mapped: {reason(problem)}" + _place(problem),),
        lead=LOOK,
        command=f"dragoman parked list --translator {names.translator}",
        pattern=_pattern(problem),
        where=problem.where,
    )


def capture_or_mapping(expected: Expected, evidence: Evidence, names: Names) -> Cause:
    """Legacy says one thing, the stream another, and nothing of the key waits: not explained further."""
    problem, last = expected.problem, evidence.published
    if last is None:
        title, known = "Never published", "the state stream holds no record of this key"
    else:
        title = "Published otherwise than legacy says now"
        known = f"last published as {version(last.sequence)} at {last.at}" + (" (deleted)" if last.data is None else "")
    evidences = [known]
    if problem is not None:
        title = _sentence(reason(problem))
        evidences.append(f"today's mapping refuses the rows: {problem.code}" + _place(problem))
    if evidence.stored is not None and evidence.stored.partial:
        evidences.append("some rows of this key were never read: its history began before the feed")
    return Cause(
        name="capture-or-mapping",
        title=title,
        text=(
            "The pipeline has passed the legacy position and nothing of the key waits. Either a change was not captured "
            "(bulk load, trigger off), or the mapping was changed since the state was published."
        ),
        owner=names.mapping_owner,
        evidence=tuple(evidences),
        lead=STATUS,
        command="dragoman status",
        pattern=title if problem is None else _pattern(problem),
        since=None if last is None else last.time,
        bound=True,
        where=None if problem is None else problem.where,
    )


def mapping_changed(last: Published, names: Names) -> Cause:
    """What was published last is another mapping's, and today's says something else of the same rows."""
    return Cause(
        name="mapping-changed",
        title=f"Published by another mapping than today’s ({last.mapping_version})",
        text=(
            "A changed mapping publishes nothing by itself: what it says otherwise appears with the next change of the key, "
            "or once the key is read again. If it says the same of these rows, a change was not captured since then."
        ),
        owner=names.mapping_owner,
        evidence=(
            f"{version(last.sequence)} at {last.at} is by mapping {last.mapping_version}; "
            f"today's is {names.mapping_version}",
        ),
        lead=PROVE,
        command=names.again,
        pattern=last.mapping_version,
        since=last.time,
        bound=True,
    )


def patterned(cause: Cause, pattern: Pattern | None) -> Cause:
    """The cause, narrowed by how its values come from the right ones."""
    if pattern is None:
        return cause
    title, text = f"{cause.title}: {pattern.title}", f"{cause.text} {pattern.advice}"
    return msgspec.structs.replace(cause, title=title, text=text, pattern=pattern.name)


def not_sent(evidence: Evidence, held: Collection[str], names: Names) -> Cause:
    """The fields that differ were left out of what was published, or hold (`held`) what stands for a value not sent."""
    last = evidence.published
    absent = {} if last is None else last.absent
    return Cause(
        name="not-sent",
        title="Never sent by the source",
        text=(
            "The source does not send again a large value that did not change, and none was known: so these fields are left "
            "out, and the view keeps what it had. That is no agreement, and no drift. Read the key's rows again (an "
            "incremental snapshot); REPLICA IDENTITY FULL sends them always."
        ),
        owner=names.mapping_owner,
        evidence=(
            *(f"{field} was not sent ({why})" for field, why in absent.items()),
            *(f"{field} holds the text that stands for a value not sent" for field in held if field not in absent),
        ),
        lead=STATUS,
        command="dragoman status",
        since=None if last is None else last.time,
        bound=True,
    )


def consumer_missed(lacking: Published, last: Published, row: ViewRow | None, names: Names) -> Cause:
    """The stream holds a newer state than the view, and the view's checkpoint has passed it."""
    has = "has no row (lost on the way, or deleted there)" if row is None else f"kept {version(row.sequence)}"
    return Cause(
        name="consumer-missed",
        title="Published, but never reached the view",
        text=f"The view's checkpoint has passed the record, and the row is still the one before. {HEALS}",
        owner=names.view_owner,
        evidence=(f"{names.view} {has}; {version(last.sequence)} is at {last.at}",),
        lead=PROVE,
        command=names.again,
        since=lacking.time,
    )


def consumer_refused(lacking: Published, refused: ViewParked, names: Names) -> Cause:
    """The projection could not apply the record and set it aside."""
    return Cause(
        name="consumer-refused",
        title=f"The view could not take it: {refused.message}",
        text=f"The projection set the record aside (`{refused.code}`) and went on; the row is still the one before.",
        owner=names.view_owner,
        evidence=(f"{version(lacking.sequence)} at {lacking.at} is in `_dragoman_parked`: {refused.message}",),
        lead=STATUS,
        command="dragoman status",
        pattern=refused.code,
        since=refused.first_seen,
    )


def deleted_not_applied(at: Coordinate | None, time: datetime | None, names: Names) -> Cause:
    """The thing was deleted and its tombstone published; the view still has it."""
    told = (
        "its tombstone is no longer kept"
        if at is None
        else f"its tombstone is at {at}, which the checkpoint has passed"
    )
    return Cause(
        name="deleted-not-applied",
        title="Deleted in legacy, still in the view",
        text=f"The deletion was published and the view's checkpoint has passed it, but the row is there. {REBUILD}",
        owner=names.view_owner,
        evidence=(told,),
        lead=PROVE,
        command=names.again,
        since=time,
    )


def misapplied(last: Published, row: ViewRow, names: Names) -> Cause:
    """The view has the latest version, unedited, and shows something else than was published."""
    return Cause(
        name="consumer-misapplied",
        title="Applied, but otherwise than published",
        text=(
            "The row is of the version that was published last and its own hash fits, so the projection itself wrote "
            f"something else than the stream says: compare its declaration and deploys with these fields. {HEALS}"
        ),
        owner=names.view_owner,
        evidence=(f"{version(row.sequence)} is in {names.view} and at {last.at}, with different content",),
        lead=PROVE,
        command=names.again,
        since=row.applied_time,
    )


def edited(row: ViewRow, names: Names) -> Cause:
    """Somebody wrote into the view: the row's hash does not fit its content."""
    return Cause(
        name="edited-in-view",
        title="Edited in the view by hand",
        text=(
            "The row's own hash no longer fits what it shows: something other than the projection wrote it, and no record "
            f"ever said so. Find out who needed another value, and change it in legacy. {HEALS}"
        ),
        owner=names.view_owner,
        evidence=(f"hash broken behind {version(row.sequence)}, applied at {row.applied_time:%d %b %Y %H:%M:%S} UTC",),
        lead=PROVE,
        command=names.again,
        since=row.applied_time,
        bound=True,
    )


def invented(row: ViewRow, names: Names) -> Cause:
    """A row of a key that was never published: somebody inserted it."""
    return msgspec.structs.replace(
        edited(row, names),
        title="Put into the view by hand",
        text=f"No record of this key was ever published, so the projection cannot have made the row. {REBUILD}",
        evidence=("the state stream holds no record of this key, and the translator does not know it",),
    )


def legacy_behind(differ: Sequence[Difference], names: Names) -> Cause:
    """The new system is right of these fields (of all, if none is named), and the legacy says otherwise."""
    return Cause(
        name="legacy-behind",
        title="The new system is right here, and legacy says otherwise",
        text=(
            "By this check’s terms the legacy is to be changed: what writes these fields back did not, or somebody still "
            "writes them there. Publishing the key again would not help: it would say what the legacy says."
        ),
        owner=names.mapping_owner,
        evidence=_both_said(differ, names),
        lead=PROVE,
        command=names.again,
        change="legacy",
    )


def sides_disagree(differ: Sequence[Difference], names: Names) -> Cause:
    """Both sides have to agree of these fields, and neither is right by itself."""
    return Cause(
        name="sides-disagree",
        title="Both sides have to agree here, and do not",
        text=(
            "Both sides are written to, so neither is right by itself. Decide for each key which one holds, change the other "
            "at its own system, and find out why the two were written differently."
        ),
        owner=", ".join(dict.fromkeys((names.mapping_owner, names.view_owner))),
        evidence=_both_said(differ, names),
        lead=PROVE,
        command=names.again,
        change="either",
    )


def _both_said(differ: Sequence[Difference], names: Names) -> tuple[str, ...]:
    phase = f" (phase {names.terms.authority.phase})" if names.terms.authority.phase else ""
    if not differ:
        return (f"the thing is on one side only{phase}",)
    return tuple(f"{one.field}: legacy {one.expected}, {names.view} {one.actual}{phase}" for one in differ[:_SAID])


def unexplained(names: Names) -> Cause:
    """All three legs agree pairwise now, though they did not while the key was looked at."""
    return Cause(
        name="capture-or-mapping",
        title="Not explained",
        text="The difference was confirmed, but what was published fits both sides. Run the check again.",
        owner=names.mapping_owner,
        evidence=(),
        lead=PROVE,
        command=names.again,
        pattern="unexplained",
    )


def reason(problem: Problem) -> str:
    """What is wrong, without the name of the field that problems begin with."""
    return problem.message.removeprefix(f"{problem.field}: ")


def _place(problem: Problem | None) -> str:
    return f" at {problem.where}" if problem is not None and problem.where else ""


def _pattern(problem: Problem | None) -> str:
    return "" if problem is None else f"{problem.code} {problem.message}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
