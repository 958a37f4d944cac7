"""The life of a translator's worker: what it may go on from, and what it has to refuse."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import msgspec

from pipeline.state.port import Lifecycle, Pin
from translators.errors import DragomanError
from translators.translator import Translator


def next_life(last: Lifecycle | None, mapping_version: str, source_epoch: int, source: str | None = None) -> Lifecycle:
    """The facts of the worker that starts now: the generation rises whenever the mapping is another than last time.

    `source` is the identity that the source's log has now, `None` where nobody can ask: then the one kept still holds.
    Another one needs another source epoch, which only an operator can raise.
    """
    if last is None:
        return Lifecycle(
            mapping_version=mapping_version, generation=1, source_epoch=source_epoch, state_epoch=1, source=source or ""
        )
    if source_epoch < last.source_epoch:
        raise SourceEpochChanged(kept=last.source_epoch, wanted=source_epoch)
    if source_epoch == last.source_epoch and source and last.source and source != last.source:
        raise SourceIdentityChanged(kept=last.source, found=source, epoch=source_epoch)
    generation = last.generation + (last.mapping_version != mapping_version)
    return msgspec.structs.replace(
        last,
        mapping_version=mapping_version,
        generation=generation,
        source_epoch=source_epoch,
        source=source or (last.source if source_epoch == last.source_epoch else ""),
    )


LAYOUT = -4
"""In place of a command's id: the pin whose result is the layout that a partition's state was built with."""


def layout_pin(pins: Iterable[Pin], translator: Translator, partition: int) -> Pin | None:
    """The pin to be written for this life; `None` if it stands there. `LayoutChanged` if the state was built otherwise."""
    kept = next((pin.result for pin in pins if pin.command == LAYOUT), None)
    if kept is None:
        return Pin(command=LAYOUT, partition=partition, at=0, result=translator.layout)
    if kept != translator.layout:
        raise LayoutChanged(translator=translator.name, kept=kept, wanted=translator.layout)
    return None


class LayoutChanged(DragomanError):
    """The state of {translator} is of {kept}; the mapping says {wanted}."""

    code: ClassVar[str] = "state.layout-changed"
    hint: ClassVar[str] = (
        "Rows that were kept under other keys cannot be gone on with, nothing was read or published. Take the change back, or "
        "give the mapping another `translator:` name: it loads from the feed beside the old one, with streams of its own."
    )


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
        "Write `epoch: {kept}` in the source's file. An epoch is only ever raised, and only for a feed that then begins with a "
        "snapshot (`begins: snapshot`): positions of two epochs do not compare."
    )


class SourceIdentityChanged(DragomanError):
    """The source's log is another one than that of source epoch {epoch}: {found}, where it was {kept}."""

    code: ClassVar[str] = "source.identity-changed"
    hint: ClassVar[str] = (
        "After a restore, a migration or a failover to another lineage every new change would look like a repeat. Stop the "
        "connector, `dragoman raise-epoch`, run Dragoman, and only then start a connector that takes a snapshot."
    )
