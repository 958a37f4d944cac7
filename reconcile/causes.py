"""The causes, in words: what happened, how it is known, whose it is, since when, and what to do now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from reconcile.content import Difference
from reconcile.evidence import Published
from reconcile.finding import Cause
from reconcile.patterns import Pattern
from reconcile.terms import Terms
from reconcile.view import ViewParked, ViewRow
from translators.change import Coordinate

REBUILD = (
    "To heal it now, build the view again: drop its tables and its rows in `_dragoman_checkpoint`, then `dragoman run`."
)
REBUILD_OWN = (
    "To heal it now, delete the row as the view’s owner, or build the view again from the beginning of the stream."
)
HEALS = "The next change of the key heals it; published again, it is healed now."

LOOK = "See what waits, and why:"
STATUS = "See where the pipeline stands:"
PROVE = "When it is mended, prove it:"

SAID = 5
"""Fields that the evidence of one cause names."""


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """Who is who in one check: the translator and its owner, the view and its owner, and by which terms it is judged.

    `placeholder` is what the source sends in place of a large value that it does not send again. `stream`: there is no view,
    the state stream itself is compared. `places` has by field where the mapping says what it means. `own`: the view is built by
    somebody else's code.
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
    places: Mapping[str, str] = {}
    own: bool = False

    @property
    def rebuild(self) -> str:
        """How a row goes away of which nothing is published any more."""
        return REBUILD_OWN if self.own else REBUILD

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


def out_of_order(shown: Published, newest: Published, names: Names) -> Cause:
    """The view took an older record that stands behind a newer one."""
    return Cause(
        name="applied-out-of-order",
        title="Applied out of order: an older state over a newer one",
        text=(
            "The stream has an older version behind the newer one (a repeat, or a worker that was taken for dead), and the "
            "view took it: what builds it has to compare the versions, and apply only what is newer."
        ),
        owner=names.view_owner,
        evidence=(
            f"{names.view} shows {version(shown.sequence)}, which stands at {shown.at}, behind "
            f"{version(newest.sequence)} at {newest.at}",
        ),
        lead=PROVE,
        command=names.again,
        since=newest.time,
        bound=True,
    )


def patterned(cause: Cause, pattern: Pattern | None) -> Cause:
    """The cause, narrowed by how its values come from the right ones."""
    if pattern is None:
        return cause
    title, text = f"{cause.title}: {pattern.title}", f"{cause.text} {pattern.advice}"
    return msgspec.structs.replace(cause, title=title, text=text, pattern=pattern.name)


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
        text=f"The deletion was published and the view's checkpoint has passed it, but the row is there. {names.rebuild}",
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
    applied = "" if row.applied_time is None else f", applied at {row.applied_time:%d %b %Y %H:%M:%S} UTC"
    return Cause(
        name="edited-in-view",
        title="Edited in the view by hand",
        text=(
            "The row's own hash no longer fits what it shows: something other than the projection wrote it, and no record "
            f"ever said so. Find out who needed another value, and change it in legacy. {HEALS}"
        ),
        owner=names.view_owner,
        evidence=(f"hash broken behind {version(row.sequence)}{applied}",),
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
        text=f"No record of this key was ever published, so the projection cannot have made the row. {names.rebuild}",
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
    return tuple(f"{one.field}: legacy {one.expected}, {names.view} {one.actual}{phase}" for one in differ[:SAID])


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
