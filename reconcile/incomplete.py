"""Why a run proves less than it should, in words: an error, or a fence that was not passed."""

from __future__ import annotations

import msgspec

from reconcile.fence import FenceResult
from translators.errors import DragomanError


class Incomplete(msgspec.Struct, frozen=True, kw_only=True):
    """Why a run proves less than it should. `code` is that of an error, or `reconcile.` and why the fence was not passed.

    `brief` is the message in a few words, to be put behind "since".
    """

    code: str
    brief: str
    message: str
    hint: str


def behind(fence: FenceResult) -> Incomplete | None:
    """Why a fence was not passed; `None` if it was."""
    if fence.stop is None:
        return None
    last = fence.hops[-1]
    return Incomplete(
        code=f"reconcile.{fence.stop}",
        brief=_STOPS[fence.stop],
        message=f"At the hop {last.name}, {_STOPS[fence.stop]}: {last.detail}.",
        hint=_HINTS[fence.stop],
    )


def told(error: DragomanError) -> Incomplete:
    """An error as the reason of a run that proves nothing."""
    brief = error.message.partition(":")[0].rstrip(".")
    return Incomplete(code=error.code, brief=brief[:1].lower() + brief[1:], message=error.message, hint=error.advice)


_STOPS = {
    "lag": "the pipeline is behind",
    "loading": "the pipeline is still loading",
    "stopped": "the pipeline has stopped",
    "open-step": "a step is still open",
    "unknown": "nobody knows how far the pipeline is",
}
_HINTS = {
    "lag": "This is lag, not drift. See `dragoman status`, let the pipeline catch up, then run the check again.",
    "loading": "Wait until `dragoman status` says that the snapshot is loaded, then run the check again.",
    "stopped": "Start it with `dragoman run`, then run the check again.",
    "open-step": "It ends with the next transaction that reaches its partition. Run the check again after that.",
    "unknown": "That is not lag: nothing says what was read. See `dragoman status`, and let the pipeline read it again.",
}
