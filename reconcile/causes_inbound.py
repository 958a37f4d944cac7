"""The causes on the way in, in words: why the stream does not say what the legacy says."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from reconcile.causes import LOOK, PROVE, SAID, STATUS, Names, version
from reconcile.compare import Expected
from reconcile.content import Difference
from reconcile.evidence import Evidence, Published
from reconcile.finding import Cause
from translators.problem import Problem


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


def capture_gap(evidence: Evidence, columns: Sequence[str], differ: Sequence[Difference], names: Names) -> Cause:
    """The rows that the translator knows are not those of the legacy: a change of them never came."""
    last = evidence.published
    known = [f"the pipeline never saw {', '.join(columns)} as the legacy has it"] if columns else []
    if evidence.stored is None:
        known = ["the translator has no rows of this key, and none of it was ever published"]
    said = [f"{one.field}: legacy {one.expected}, captured {one.actual}" for one in differ[:SAID]]
    at = [] if last is None else [f"last published as {version(last.sequence)} at {last.at}"]
    return Cause(
        name="capture-gap",
        title="A change in legacy was never captured",
        text=(
            "The pipeline has passed the legacy position, nothing of the key waits, and yet it knows other rows than the "
            "legacy has. Something wrote past the capture: a bulk load, a disabled trigger, another publication or filter."
        ),
        owner=names.mapping_owner,
        evidence=(*known, *said, *at),
        lead=STATUS,
        command="dragoman status",
        since=None if last is None else last.time,
        bound=True,
    )


def not_published(evidence: Evidence, names: Names) -> Cause:
    """The translator knows the legacy's rows and maps them as today, and the stream's last record says something else."""
    last = evidence.published
    if last is None:
        known = "the state stream holds no record of this key, though its rows are known"
    else:
        known = f"{version(last.sequence)} at {last.at} says otherwise, by the same mapping"
    return Cause(
        name="not-published",
        title="Translated, and the stream says otherwise",
        text=(
            "The change was captured and can be mapped, but the last record is not what the mapping makes of it: a record "
            "was lost (deleted, expired before its time), or somebody else wrote into the state stream."
        ),
        owner=names.mapping_owner,
        evidence=(known,),
        lead=STATUS,
        command="dragoman status",
        since=None if last is None else last.time,
        bound=True,
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


def reason(problem: Problem) -> str:
    """What is wrong, without the name of the field that problems begin with."""
    return problem.message.removeprefix(f"{problem.field}: ")


def _place(problem: Problem | None) -> str:
    return f" at {problem.where}" if problem is not None and problem.where else ""


def _pattern(problem: Problem | None) -> str:
    return "" if problem is None else f"{problem.code} {problem.message}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
