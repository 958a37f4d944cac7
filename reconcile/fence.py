"""The fence: a chain of offsets that says when the view has had the chance to show a position of the source.

Each hop asks what the hop before has handed on, and passes when its own committed offsets are beyond that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from pipeline.log.port import Log, OffsetExpired, TopicPartition

Stop = Literal["lag", "loading", "stopped", "open-step", "unknown"]
"""Why a fence was not passed: a hop did not move in time, or it cannot pass at all, for a reason that it names."""

Waiting = Callable[[], str | None]
"""Says what a hop still waits for, in words; `None` once it has passed. May raise `Halted`."""

POLL = timedelta(milliseconds=50)

APART = timedelta(seconds=2)
"""How long a consumer may take to apply what it has committed already, where its group is all that tells of it."""


class Halted(Exception):
    """Raised by a hop that will not pass, whatever the time it is given."""

    def __init__(self, stop: Stop, reason: str) -> None:
        self.stop: Stop = stop
        self.reason = reason
        super().__init__(reason)


class Hop(msgspec.Struct, frozen=True):
    """One hop. `begin` gets the source position and asks, once the hop before has passed, what this one has to reach.

    `describe` says in words where it got to. `stuck` looks, when the deadline has come, for a better reason than lag, and
    raises `Halted` with it.
    """

    name: str
    begin: Callable[[int], Waiting]
    describe: Callable[[], str]
    stuck: Callable[[], None] = lambda: None


class Passage(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one hop; `detail` says where it got to, or what it waited for in vain."""

    name: str
    passed: bool
    seconds: float
    detail: str


class FenceResult(msgspec.Struct, frozen=True, kw_only=True):
    """The hops in order, up to the first that did not pass; `stop` names why it did not."""

    position: int
    hops: tuple[Passage, ...]
    stop: Stop | None = None

    @property
    def seconds(self) -> float:
        """How long all hops took."""
        return sum(hop.seconds for hop in self.hops)


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """Time, as the caller has it: `wait` sleeps, or lets the pipeline work where it runs in the same process."""

    clock: Callable[[], datetime]
    wait: Callable[[timedelta], None]
    deadline: timedelta = timedelta(seconds=30)


class Fence(msgspec.Struct, frozen=True):
    """The chain of one pipeline, from the source to the view.

    `apart` is set where the last hop is not exact: a difference counts if it is seen twice, so far apart.
    """

    hops: tuple[Hop, ...]
    pace: Pace
    apart: timedelta | None = None

    def wait_for(self, position: int) -> FenceResult:
        """Wait until the view has passed a source position. The deadline is that of each hop."""
        passages: list[Passage] = []
        for hop in self.hops:
            begun = self.pace.clock()
            stop, detail = self._pass(hop, position, begun)
            seconds = (self.pace.clock() - begun).total_seconds()
            passages.append(Passage(name=hop.name, passed=stop is None, seconds=seconds, detail=detail))
            if stop is not None:
                return FenceResult(position=position, hops=tuple(passages), stop=stop)
        return FenceResult(position=position, hops=tuple(passages))

    def _pass(self, hop: Hop, position: int, begun: datetime) -> tuple[Stop | None, str]:
        try:
            waiting = hop.begin(position)
            while (missing := waiting()) is not None:
                if self.pace.clock() - begun >= self.pace.deadline:
                    hop.stuck()
                    return "lag", missing
                self.pace.wait(POLL)
        except Halted as halted:
            return halted.stop, halted.reason
        return None, hop.describe()


def capture_hop(committed: Callable[[], int], stopped: Callable[[], str | None]) -> Hop:
    """Capture has appended everything up to the source position: `committed` is the position that it has noted.

    A negative one says that the initial snapshot is still to come.
    """

    def begin(position: int) -> Waiting:
        def waiting() -> str | None:
            reached = committed()
            if reached < 0:
                raise Halted("loading", "the initial snapshot of the source is not taken yet")
            if reached >= position:
                return None
            _halt_if(stopped())
            return f"capture has read up to {reached:,} of {position:,}"

        return waiting

    return Hop("Capture", begin, lambda: f"everything up to position {committed():,} is in the feed")


def translator_hop(
    log: Log,
    feed: str,
    group: str,
    is_loaded: Callable[[int], bool],
    stopped: Callable[[], str | None],
    open_step: Callable[[int, int], str | None] = lambda partition, offset: None,
) -> Hop:
    """The translator's group has committed past the feed's high watermarks and all their partitions are loaded.

    `open_step` gets a partition and the offset that its group stands at and names the step that holds it, if one does.
    """

    def begin(position: int) -> Waiting:
        marks = watermarks(log, feed)

        def waiting() -> str | None:
            for (_, partition), mark in marks.items():
                if mark and not is_loaded(partition):
                    raise Halted("loading", f"partition {partition} of {feed} is still loading its snapshot")
            missing = behind(marks, log.committed(group))
            if missing is not None:
                _halt_if(stopped())
            return missing

        return waiting

    def stuck() -> None:
        marks, committed = watermarks(log, feed), log.committed(group)
        for (topic, partition), mark in marks.items():
            offset = committed.get((topic, partition), 0)
            if offset < mark and (said := _where_kept(open_step, partition, offset)) is not None:
                raise Halted("open-step", said)
        halt_if_unknown(log, group, marks, committed)

    return Hop("Translator", begin, lambda: f"group {group} has read all of {feed}, {_ends(log, feed)}", stuck)


def view_hop(
    log: Log,
    state: str,
    view: str,
    checkpoint: Callable[[], Mapping[TopicPartition, int]],
    stopped: Callable[[], str | None],
) -> Hop:
    """The view's checkpoint, which is written with its rows, has passed the state stream's high watermarks."""

    def begin(position: int) -> Waiting:
        marks = watermarks(log, state)

        def waiting() -> str | None:
            missing = behind(marks, checkpoint())
            if missing is not None:
                _halt_if(stopped())
            return missing

        return waiting

    return Hop("View", begin, lambda: f"the checkpoint of {view} has passed all of {state}, {_ends(log, state)}")


def _where_kept(open_step: Callable[[int, int], str | None], partition: int, offset: int) -> str | None:
    try:
        return open_step(partition, offset)
    except OffsetExpired:
        return None


def group_hop(log: Log, state: str, view: str, group: str) -> Hop:
    """The consumer group that builds the view has committed past the state stream's high watermarks.

    It may commit before it applies: the weaker of the two strengths, to be used with `Fence.apart`.
    """
    marks: dict[TopicPartition, int] = {}

    def begin(position: int) -> Waiting:
        marks.update(watermarks(log, state))
        return lambda: behind(marks, log.committed(group))

    def describe() -> str:
        said = f"the group {group}, which builds {view}, has committed past all of {state}, {_ends(log, state)}"
        return f"{said}; it may commit before it applies, so differences were looked at twice, {APART.seconds} s apart"

    return Hop("View", begin, describe, lambda: halt_if_unknown(log, group, marks, log.committed(group)))


def halt_if_unknown(
    log: Log, group: str, marks: Mapping[TopicPartition, int], committed: Mapping[TopicPartition, int]
) -> None:
    """Where a group's offset is not kept any more, or the records at it are not: nobody knows how far it has come."""
    for (topic, partition), mark in marks.items():
        offset, place = committed.get((topic, partition)), f"partition {partition} of {topic}"
        if offset is None and mark:
            raise Halted(
                "unknown", f"the group {group} has no offset in {place}: it never read it, or the offset expired"
            )
        if offset is not None and offset < mark:
            try:
                log.read(topic, partition, offset, 1)
            except OffsetExpired as error:
                said = f"the group {group} stands at {offset:,} in {place}, which is not kept any more"
                raise Halted("unknown", said) from error


def watermarks(log: Log, topic: str) -> dict[TopicPartition, int]:
    """The high watermark of each partition of a topic, asked now."""
    spec = log.topics().get(topic)
    if spec is None:
        raise Halted("stopped", f"there is no topic {topic}: the pipeline never ran")
    return {(topic, partition): log.end(topic, partition) for partition in range(spec.partitions)}


def behind(marks: Mapping[TopicPartition, int], reached: Mapping[TopicPartition, int]) -> str | None:
    """The first partition that is not read up to its mark, in words; `None` if all are."""
    for (topic, partition), mark in marks.items():
        offset = reached.get((topic, partition), 0)
        if offset < mark:
            return f"{topic} partition {partition} is read up to {offset:,} of {mark:,}"
    return None


def _ends(log: Log, topic: str) -> str:
    return " ".join(f"{partition}:{mark:,}" for (_, partition), mark in watermarks(log, topic).items())


def _halt_if(reason: str | None) -> None:
    if reason is not None:
        raise Halted("stopped", reason)
