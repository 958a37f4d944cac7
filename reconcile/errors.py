"""Why a comparison could not be carried through. Each makes a run incomplete, never clean."""

from __future__ import annotations

from typing import ClassVar

from translators.errors import DragomanError


class ReconcileError(DragomanError):
    """The comparison could not be carried through: {reason}."""

    code: ClassVar[str] = "reconcile.failed"
    hint: ClassVar[str] = "Look at the reason and run the check again; nothing was changed on either side."


class SideUnreadable(ReconcileError):
    """The {side} side could not be read: {reason}."""

    code = "reconcile.side-unreadable"
    hint = "Correct what the reason names and run the check again; nothing was changed on either side."


class SideUnsorted(ReconcileError):
    """The {side} side is not in strict key order: {problem}."""

    code = "reconcile.side-unsorted"
    hint = "Each key may be there once. Look at these keys, and at who writes that side, then run the check again."


class SideEmpty(ReconcileError):
    """The {side} side has no rows, the other has some."""

    code = "reconcile.side-empty"
    hint = "An empty side proves nothing. Was the pipeline ever run, is this the right database?"


class NothingCompared(ReconcileError):
    """Both sides are empty, so nothing was compared."""

    code = "reconcile.nothing-compared"
    hint = "Check that the legacy database and the view are the right ones and load them, then run the check again."


class RangeLost(ReconcileError):
    """A process that compared a range of keys was ended from outside, twice."""

    code = "reconcile.range-lost"
    hint = "Look at who ends processes there (often for want of memory), or run the check with `--processes 1`."


class RangeMissing(ReconcileError):
    """{missing} of {ranges} ranges of keys were not compared."""

    code = "reconcile.range-missing"


class PlanChanged(ReconcileError):
    """The check began by the plan {plan}, and a process of it would go on by {other}."""

    code = "reconcile.plan-changed"
    hint = "Run the check again: the tables, the keys or the packages changed while it ran."


class NothingToResume(ReconcileError):
    """The ledger has no run of {check} to go on with."""

    code = "reconcile.nothing-to-resume"
    hint = (
        "Run it without `--resume`. A run can be gone on with once it has finished a range, until another one begins."
    )


class ResumeChanged(ReconcileError):
    """The run cannot be gone on with: {what} changed since it began."""

    code = "reconcile.resume-changed"
    hint = "Run it without `--resume`: what it had found is about something else."


class ResumeLate(ReconcileError):
    """The run cannot be gone on with: it began more than {hours} hours ago."""

    code = "reconcile.resume-late"
    hint = "Run it without `--resume`: what it had found is too old to stand beside what is found now."


class GateResumed(ReconcileError):
    """A gate compares everything as of one position, and a run that is gone on with has several."""

    code = "reconcile.gate-resumed"
    hint = "Leave out `--resume`, or `--gate`."


class GateInexact(ReconcileError):
    """The check {check} cannot decide over a cutover: its view is told by a consumer group, which commits before it applies."""

    code = "reconcile.gate-inexact"
    hint = (
        "Have the offsets written with the view's rows, by a projection or in a table that `checkpoint:` names, and take "
        "`group:` out."
    )


class ViewUnlike(ReconcileError):
    """The view {view} has not what the check says of it: {missing}."""

    code = "reconcile.view-unlike"
    hint = "Correct the check where it says so, or let the view's owner say how its tables look now."
