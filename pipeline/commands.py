"""Commands at work in one feed partition: each is pinned to a feed offset first, and executed there in every repeat."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pipeline import control
from pipeline.batch import Batch
from pipeline.control import Command
from pipeline.failpoint import failpoint
from pipeline.job import Job
from pipeline.parking import release
from pipeline.publish import Publisher
from pipeline.state.port import Pin, Save


class Commands:
    """The pins of one feed partition. A pin without a result is still to be executed."""

    def __init__(self, job: Job, out: Publisher, partition: int) -> None:
        self._job = job
        self._out = out
        self._partition = partition
        self._pins = [pin for pin in job.store.pins(partition) if pin.command >= 0]
        self._commands: dict[int, Command] = {}

    @property
    def newest(self) -> int:
        """The last command that was pinned here; -1 before the first."""
        return max((pin.command for pin in self._pins), default=-1)

    def pin(self, command: Command, position: int) -> None:
        """Write down the feed offset at which a new command is executed: not before those that came before it."""
        if any(pin.command == command.id for pin in self._pins):
            return
        pin = Pin(command=command.id, partition=self._partition, at=max([position, *self.ahead()]))
        self._out.save(Save(partition=self._partition, pins=[pin]))
        failpoint("control.after-pin")
        self._pins.append(pin)
        self._commands[command.id] = command

    def ahead(self) -> list[int]:
        """The feed offsets at which commands are still to be executed."""
        return [pin.at for pin in self._pins if not pin.result]

    def due(self, position: int) -> Sequence[Pin]:
        """The commands that are pinned at or before this feed offset, in order."""
        return [pin for pin in self._pins if not pin.result and pin.at <= position]

    def execute(self, pin: Pin, batch: Batch) -> Pin:
        """Do what the pinned command says, into `batch`; the pin with its result, to be `done` once the batch is written."""
        command = self._commands.get(pin.command) or control.read(self._job.log, pin.command)[0]
        waiting = self._job.store.waiting(command.key, self._partition)
        if waiting:
            result = str(release(batch, waiting, discard_first=command.action == "discard"))
        else:
            result = "nothing waits for this key"
        done = msgspec.structs.replace(pin, result=result)
        batch.save.pins.append(done)
        return done

    def done(self, pin: Pin, executed: Pin) -> None:
        """The batch of an executed command was written."""
        self._pins[self._pins.index(pin)] = executed
