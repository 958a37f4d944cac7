"""How a pass was cut, in words: what a reader has to know about the moment that a result speaks of."""

from __future__ import annotations

from collections.abc import Iterator

from reconcile.ranges import Cutting, Resumed


def cutting_said(cutting: Cutting) -> Iterator[str]:
    """Sentences, none where all was compared at once."""
    if cutting.resumed is not None:
        yield resumed_said(cutting.resumed, cutting.ranges)
    if cutting.ranges == 1:
        return
    by = f", by {cutting.processes} processes side by side" if cutting.processes > 1 else ""
    as_of = "all as of one moment of the legacy" if cutting.together else "each as of a moment of its own"
    yield f"The keys were compared in {cutting.ranges:,} half-open ranges{by}, {as_of}."


def resumed_said(resumed: Resumed, ranges: int) -> str:
    """What a run that went on with another one is good for."""
    return (
        f"This run went on where {resumed.run} died, which began on {resumed.began:%Y-%m-%d at %H:%M} UTC and had compared "
        f"{resumed.ranges:,} of {ranges:,} ranges. Keys of those agreed then, the others now: nothing here is as of one "
        "moment, and the time that was proven begins with the next run."
    )
