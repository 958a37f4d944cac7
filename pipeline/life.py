"""The life of a translator's worker: what it may go on from, and what it has to refuse."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from pipeline.state.port import Lifecycle
from translators.errors import DragomanError


def next_life(last: Lifecycle | None, mapping_version: str, source_epoch: int) -> Lifecycle:
    """The facts of the worker that starts now: the generation rises whenever the mapping is another than last time."""
    if last is None:
        return Lifecycle(mapping_version=mapping_version, generation=1, source_epoch=source_epoch, state_epoch=1)
    if last.source_epoch != source_epoch:
        raise SourceEpochChanged(kept=last.source_epoch, wanted=source_epoch)
    if last.mapping_version == mapping_version:
        return last
    return msgspec.structs.replace(last, mapping_version=mapping_version, generation=last.generation + 1)


class FeedMissing(DragomanError):
    """The log has no feed {topic}, which {translator} reads."""

    code: ClassVar[str] = "feed.missing"
    hint: ClassVar[str] = "Check the feeds of the source; the topic is made when its first record arrives."


class StateAndLogApart(DragomanError):
    """The {there} of {translator} is from an earlier life, the other one is new."""

    code: ClassVar[str] = "state.log-apart"
    hint: ClassVar[str] = (
        "They belong together: restore the one that is missing from a copy, or set both aside and build them again from "
        "the feed."
    )


class SourceEpochChanged(DragomanError):
    """The state was built from source epoch {kept}; the project says {wanted}."""

    code: ClassVar[str] = "source.epoch-changed"
    hint: ClassVar[str] = (
        "Positions of two epochs do not compare. Start a new state and log, and load the source again."
    )
