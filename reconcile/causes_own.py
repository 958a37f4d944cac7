"""The causes that only a view in tables of its own has: things twice, rows that belong to none, rows that say no version."""

from __future__ import annotations

from collections.abc import Sequence

from reconcile.causes import HEALS, PROVE, SAID, Names, version
from reconcile.content import Difference, ViewShape, differences
from reconcile.doubled import Repeat, within
from reconcile.evidence import Published
from reconcile.finding import Cause
from reconcile.own_view import Orphans
from reconcile.view import ViewRow


def duplicate_rows(row: ViewRow, repeated: Sequence[Repeat], shape: ViewShape, names: Names) -> Cause:
    """Two rows of one business key, or two of one element: nothing in the view's schema forbids that."""
    evidence = []
    if len(row.ids) > 1:
        evidence.append(f"{names.view} has {len(row.ids):,} rows of it, of the ids {', '.join(row.ids)}")
    for id, twin in zip(row.ids[1:], row.twins, strict=True):
        fields = dict.fromkeys(one.field for one in differences(within(row.content, shape), twin, shape))
        said = f"says otherwise than {row.ids[0]}: {', '.join(fields)}" if fields else f"says the same as {row.ids[0]}"
        evidence.append(f"the row {id} {said}")
    for one in repeated:
        of = f", in the rows of the ids {', '.join(one.ids)}" if one.ids else ""
        evidence.append(f"{one.path} has more than once {one.identity}{of}")
    whole = len(row.ids) > 1
    return Cause(
        name="duplicate-rows",
        title="In the view more than once" if whole else "Elements that are in the view more than once",
        text=(
            "What builds the view inserts where it has to look first: two deliveries of one record, or two workers at once, "
            "leave two rows. Make the business key (of a child: the header’s id, and what tells elements apart) unique there, "
            "and delete the rows that are too many as the view’s owner; publishing again takes none of them away."
        ),
        owner=names.view_owner,
        evidence=tuple(evidence[:SAID]),
        lead=PROVE,
        command=names.again,
        pattern="" if whole else "elements",
    )


def orphan_rows(found: Orphans, names: Names) -> Cause:
    """Rows of a child table whose header is gone."""
    return Cause(
        name="orphan-rows",
        title="Rows of the view that belong to nothing",
        text=(
            "The header that they refer to is not there: what builds the view deleted it and left them, or somebody did. They "
            "are a thing’s no more, so nothing that is published reaches them: delete them as the view’s owner, and give "
            "the column a foreign key."
        ),
        owner=names.view_owner,
        evidence=(f"{found.rows:,} rows of {found.table} have {found.parent}, which no header has",),
        lead=PROVE,
        command=names.again,
        pattern=found.table,
    )


def still_shows(old: Published, last: Published, names: Names) -> Cause:
    """The row says no version, and shows what an older record said."""
    return Cause(
        name="consumer-missed",
        title="Published, but never reached the view",
        text=f"What builds the view has passed the record, and the row is still as an older one has it. {HEALS}",
        owner=names.view_owner,
        evidence=(
            f"{names.view} shows what {version(old.sequence)} at {old.at} says; {version(last.sequence)} is at {last.at}",
        ),
        lead=PROVE,
        command=names.again,
        since=last.time,
    )


def shows_otherwise(last: Published, row: ViewRow, differ: Sequence[Difference], names: Names) -> Cause:
    """The row shows what no record said: its consumer built it so, or somebody wrote it."""
    known = (
        f"its row says {version(row.sequence)}, and that is at {last.at} with different content"
        if row.sequence
        else f"its row says no version; {version(last.sequence)} is at {last.at} with different content"
    )
    return Cause(
        name="consumer-misapplied",
        title="The view shows what was never published",
        text=(
            "What builds the view wrote something else than the stream says, or somebody else wrote into it: such rows say "
            f"nothing of who wrote them last. Compare the consumer’s code and deploys with these fields. {HEALS}"
        ),
        owner=names.view_owner,
        evidence=(known, *(f"{one.field}: published {one.expected}, shown {one.actual}" for one in differ[:SAID])),
        lead=PROVE,
        command=names.again,
    )
