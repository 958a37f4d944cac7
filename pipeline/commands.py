"""Commands at work in one feed partition: each is pinned to a feed offset first, and executed there in every repeat."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from pipeline import control
from pipeline.batch import Batch
from pipeline.control import ANYWHERE, Command, run_of
from pipeline.failpoint import failpoint
from pipeline.job import Job
from pipeline.parking import release
from pipeline.publish import Publisher
from pipeline.repair import republish
from pipeline.state.port import Pin, Save

END = -10
"""The pin of the end of the reading that command C asked for has, in place of a command's id, this minus C."""


class Commands:
    """The pins of one feed partition. A pin without a result is still to be executed.

    `taken` is the command to be looked at next. `epoch` is the state epoch of the partition's worker.
    """

    def __init__(self, job: Job, out: Publisher, partition: int, epoch: int) -> None:
        self._job = job
        self._out = out
        self._partition = partition
        self._epoch = epoch
        pins = job.store.pins(partition)
        self._pins = {pin.command: pin for pin in pins if pin.command >= 0}
        self._commands: dict[int, Command] = {}
        self._asked = {END - pin.command for pin in pins if pin.command <= END}
        self.taken = max(self._pins, default=-1) + 1

    def take(self, command: Command, position: int) -> None:
        """Look at the next command: one for this partition is pinned, not before those that came before it."""
        self.taken = command.id + 1
        if command.translator != self._job.translator.name or not self._is_here(command):
            return
        result = "" if command.epoch in (0, self._epoch) else "it was given for another life of the state"
        if command.action == "reload" and self._job.reread is None:
            result = "the source cannot be asked for single keys"
        if command.action == "raise-epoch" and self._job.feed.begins == "empty":
            result = "the feed does not begin with a snapshot, and nothing else tells what the source holds"
        pin = Pin(command=command.id, partition=self._partition, at=max([position, *self.ahead()]), result=result)
        self._out.save(Save(partition=self._partition, pins=[pin]))
        failpoint("control.after-pin")
        self._pins[command.id] = pin
        self._commands[command.id] = command

    def _is_here(self, command: Command) -> bool:
        """Whether the command is for this partition; the first one answers for partitions that do not exist."""
        if command.partition in (self._partition, ANYWHERE):
            return True
        return self._partition == 0 and command.partition >= self._job.curated.events.partitions

    def ahead(self) -> list[int]:
        """The feed offsets at which commands are still to be executed."""
        return [pin.at for pin in self._pins.values() if not pin.result and not self._is_reload(pin)]

    def due(self, position: int) -> Sequence[Pin]:
        """The commands that are pinned at or before this feed offset, in order."""
        open_ones = (pin for _, pin in sorted(self._pins.items()) if not pin.result and pin.at <= position)
        return [pin for pin in open_ones if not self._is_reload(pin)]

    def raises(self, pin: Pin, epoch: int) -> bool:
        """Whether a command asks for a higher source epoch than the partition is worked on in."""
        command = self.command(pin.command)
        here = command.partition == self._partition
        return here and command.action == "raise-epoch" and command.source_epoch > epoch

    def ask(self) -> None:
        """Ask the source for the rows of the next key that is to be reloaded: once its command is pinned, and in each life.

        One at a time: a connector adds what it is asked for to a reading that goes on, and tells only of the first.
        """
        pin = next((p for _, p in sorted(self._pins.items()) if not p.result and self._is_reload(p)), None)
        if pin is not None and pin.command not in self._asked:
            self._asked.add(pin.command)
            self._ask(pin, self.command(pin.command))

    def ask_again(self, but: Collection[int]) -> None:
        """A reading is over, and what was asked for meanwhile may have been part of it: all `but` these are asked again."""
        self._asked -= {pin.command for pin in self._pins.values() if not pin.result and pin.command not in but}

    def _ask(self, pin: Pin, command: Command) -> None:
        if self._job.reread is None or (command.partition == ANYWHERE and self._partition > 0):
            return
        try:
            self._job.reread(run_of(command), command.key)
        except ValueError as error:
            done = msgspec.structs.replace(pin, result=f"the source cannot be asked: {error}")
            self._out.save(Save(partition=self._partition, pins=[done]))
            self.done(done)
        failpoint("reload.after-ask")

    def pin_of(self, command: int) -> Pin | None:
        """Where a command was pinned here, if it was."""
        return self._pins.get(command)

    def execute(self, pin: Pin, batch: Batch) -> Pin:
        """Do what the pinned command says, into `batch`; the pin with its result, to be `done` once the batch is written."""
        done = msgspec.structs.replace(pin, result=self._executed(self.command(pin.command), batch))
        batch.save.pins.append(done)
        return done

    def done(self, executed: Pin) -> None:
        """The batch of an executed command was written."""
        self._pins[executed.command] = executed

    def command(self, number: int) -> Command:
        """A command by its id."""
        if number not in self._commands:
            self._commands[number] = control.read(self._job.log, number)[0]
        return self._commands[number]

    def _is_reload(self, pin: Pin) -> bool:
        return self.command(pin.command).action == "reload"

    def _executed(self, command: Command, batch: Batch) -> str:
        if command.action == "raise-epoch":
            return f"the source epoch is {batch.producer.source_epoch}: the partition waits for its snapshot"
        if command.action == "republish":
            return republish(batch, command)
        waiting = self._job.store.waiting(command.key, self._partition)
        if not waiting:
            return "nothing waits for this key"
        if command.action == "release":
            return str(release(batch, waiting))
        seen = [step.version for step in waiting if not step.discarded]
        through = command.through or min(seen, default=0)
        if not seen or through < seen[0]:
            return "the steps that it names wait no longer: nothing was given up"
        return str(release(batch, waiting, through))
