"""What the pipeline keeps of its own: legacy rows by business key, waiting steps, counts, pins. One port, several stores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Protocol

import msgspec

from translators.aggregate import Positions, Rows
from translators.change import Change
from translators.errors import DragomanError
from translators.problem import Problem

Entry = tuple[bytes, bytes]
"""Something kept, as `pipeline.state.entries` spells it: a key and a value; an empty value says that it is over."""

Count = tuple[str, str]
"""(table, label); labels: read, repeat, late, translated, loaded, rejected, parked, `ignored: <reason>`, `event: <type>`."""


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one business key.

    `version` counts the key's steps and is kept when the key is deleted. `loading` marks rows of a snapshot whose state
    is not published yet. `partial`: rows of this key were never seen. `unmapped`: its rows are known but no mapping of
    them can be published (after a discard). `published` says whether the state stream holds a state (not a tombstone).
    `epoch` is the source epoch that the positions are of: those of another one say nothing.
    """

    partition: int
    rows: Rows = {}
    positions: Positions = {}
    version: int = 0
    loading: bool = False
    partial: bool = False
    published: bool = False
    unmapped: Problem | None = None
    epoch: int = 1


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """One parked step, whole. The first of a key is its dead letter and has a `problem`; the others wait behind it.

    `version` is the step's own, given when it was read. `first_seen` is milliseconds since the epoch. `discarded`: its
    rows are in the state and its events given up, but no state of them can be published.
    """

    key: str
    partition: int
    version: int
    changes: tuple[Change, ...]
    dead_letter: str
    problem: Problem | None
    first_seen: int
    mapping_version: str
    discarded: bool = False


class Lifecycle(msgspec.Struct, frozen=True, kw_only=True):
    """Facts of one partition of a translator that outlive a run. `generation` rises with each change of `mapping_version`."""

    mapping_version: str
    generation: int
    source_epoch: int
    state_epoch: int
    source: str = ""
    """The identity of the source's log in this epoch, empty where nobody could tell it."""


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """A command of the control topic and the feed position at which it is executed, now and in every repeat.

    `result` is empty until it is executed; then it says what became of it.
    """

    command: int
    partition: int
    at: int
    result: str = ""


class Save(msgspec.Struct, kw_only=True):
    """Everything that one batch of one feed partition changes, written wholly or not at all. All of it is of `partition`."""

    partition: int
    aggregates: dict[str, Stored] = {}
    waiting: list[Waiting] = []
    settled: list[tuple[str, int]] = []
    """(key, version) of waiting steps that wait no longer."""
    counts: dict[Count, int] = {}
    pins: list[Pin] = []
    live: bool | None = None
    """True: the partition is loaded, from here on its changes are news."""
    logged: int | None = None
    """Where the changelog is a topic: the offset behind the records that say the same."""


class StateStore(Protocol):
    """The state of one translator, feed partition by feed partition: each could be in a store of its own.

    One writer per partition; readers may look at any time. `save` is atomic, and durable when it returns unless the
    store says that a changelog is. Where `partition` may be `None` that means all of them; a key is in one partition
    only, as long as the feed is routed by it. Every method may raise a `StateError`.
    """

    def lifecycle(self, partition: int) -> Lifecycle | None:
        """What the partition's last worker wrote, `None` before the first."""

    def lives(self) -> Mapping[int, Lifecycle]:
        """The lifecycles of all partitions that were ever worked on, by partition."""

    def begin(self, partition: int, lifecycle: Lifecycle) -> None:
        """Write the facts of this worker's life, before its first output. Another state epoch forgets the partition."""

    def forget(self, partition: int) -> None:
        """Drop everything of the partition, its lifecycle too."""

    def load(self, keys: Sequence[str], partition: int | None = None) -> Mapping[str, Stored]:
        """What is kept of these keys; unknown keys are absent."""

    def save(self, save: Save) -> None:
        """Apply one batch; counts are added to those kept."""

    def restore(self, partition: int, entries: Iterable[Entry], logged: int) -> None:
        """Apply what a changelog says up to the offset `logged`, in order, as atomically as `save`. Safe to repeat."""

    def loading(self, partition: int, limit: int) -> list[tuple[str, Stored]]:
        """Up to `limit` keys of a partition that are marked `loading`, in key order."""

    def is_live(self, partition: int) -> bool:
        """Whether the partition is loaded."""

    def logged(self, partition: int) -> int:
        """The offset of the changelog behind what is kept; 0 where none was saved."""

    def waiting(self, key: str | None = None, partition: int | None = None) -> list[Waiting]:
        """The waiting steps of a key in order, or of all keys, in the order of first being seen."""

    def waiting_keys(self, partition: int | None = None) -> frozenset[str]:
        """The keys that have waiting steps."""

    def counts(self, partition: int | None = None) -> Mapping[Count, int]:
        """The counts since the state epoch began, by table and label."""

    def pins(self, partition: int | None = None) -> list[Pin]:
        """The pins by command."""

    def scan(self, partition: int | None = None) -> Iterator[tuple[str, Stored]]:
        """Everything kept, by partition and in key order."""

    def close(self) -> None:
        """Give back what is held. Safe to repeat."""


class StateError(DragomanError):
    """The state {path} could not be used: {reason}."""

    code: ClassVar[str] = "state.failed"
    hint: ClassVar[str] = "Look at the reason and run again: nothing was committed that is not on disk."


class StateCorrupt(StateError):
    """The state {path} is damaged: {reason}."""

    code = "state.corrupt"
    hint = "Restore it from a copy, or remove it together with the log and build both again from the feed."


class StateReadOnly(StateError):
    """The state {path} cannot be written: {reason}."""

    code = "state.read-only"
    hint = "It needs a folder and files that this user may write, also for reading: SQLite keeps files beside it."


class StateBusy(StateError):
    """Another process has kept the state {path} locked for {seconds} s."""

    code = "state.busy"
    hint = "Nothing was written. Look for a process that holds the file (a copy, a database browser), then try again."
    transient = True


class StateFormat(StateError):
    """The state {path} has format {found}; this version reads up to {known}."""

    code = "state.format-newer"
    hint = "It was written by a newer Dragoman. Install that version or newer."
