"""Commands for a running worker: records of the control topic, each executed at one feed position, in every repeat.

A command names a translator, a business key, and the feed partition that the key is on: the worker that owns it first
writes down at which feed offset it executes the command, then does it; after a crash it is done again at the same place.
Every worker reads all commands, and leaves alone what is of partitions that it does not own.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from pipeline.log.port import Log, Outgoing, Record, TopicSpec
from translators.errors import DragomanError

CONTROL_TOPIC = TopicSpec(name="dragoman.control", kind="control", partitions=1)

CONTROL = (CONTROL_TOPIC.name, 0)
"""Its one partition."""

Action = Literal["release", "discard", "republish", "reload", "raise-epoch"]

ANYWHERE = -1
"""The partition of a key that nobody has seen: each is asked, and the one on which the source's rows arrive has it."""


class Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One order. `id` is its offset in the control topic, `at` when it was given (milliseconds since the epoch).

    `through` of a discard is the version of the last step that is given up: those that somebody has seen. `finding` is
    what a repair is for, `corrects` the id of the record that it repeats or corrects, `above` that one's version: views take
    only what is newer, whoever wrote the record. `epoch` is the state epoch that it
    was given for: it says nothing to another life of the state. `source_epoch` is what the source's is raised to.
    """

    id: int = -1
    action: Action
    translator: str
    key: str
    partition: int = ANYWHERE
    through: int = 0
    finding: str = ""
    corrects: str = ""
    above: int = 0
    epoch: int = 0
    source_epoch: int = 0
    at: int = 0


_RUN = "dragoman.reload"
_SOME = "dragoman.snapshot-of-some"
_ALL = "dragoman.snapshot"


def run_of(command: Command) -> str:
    """What the source calls the reading that a reload asks for, in its notifications."""
    return f"{_RUN}.{command.translator}.{command.id}"


def reload_of(run: str) -> tuple[str, int] | None:
    """The translator and the command that a reading of the source was asked for by; `None` if nobody here asked for it."""
    name, _, number = run.rpartition(".")
    if not name.startswith(f"{_RUN}.") or not (number.isascii() and number.isdigit()):
        return None
    return name.removeprefix(f"{_RUN}."), int(number)


def snapshot_run(number: int, *, whole: bool) -> str:
    """What the source calls a snapshot of tables that an operator asks for; not `whole`: a condition chooses its rows."""
    return f"{_ALL if whole else _SOME}.{number}"


def reads_some(run: str) -> bool:
    """Whether a snapshot reads only some rows of its tables: nothing is known of those that it does not show."""
    return run.startswith(f"{_SOME}.")


def send(log: Log, command: Command, now: int) -> int:
    """Append a command; its id. `now` is milliseconds since the epoch."""
    log.create(CONTROL_TOPIC)
    before = log.end(CONTROL_TOPIC.name, 0)
    command = msgspec.structs.replace(command, id=-1, at=0)
    body = msgspec.json.encode(command)
    log.append([Outgoing(topic=CONTROL_TOPIC.name, partition=0, timestamp=now, key=command.key.encode(), value=body)])
    return next(c.id for c in read(log, before) if msgspec.structs.replace(c, id=-1, at=0) == command)


def read(log: Log, after: int) -> list[Command]:
    """The commands from offset `after` on."""
    records = log.read(CONTROL_TOPIC.name, 0, after, 1_000).records
    return [command_of(record) for record in records]


def raised_to(log: Log, translator: str, partition: int) -> int:
    """The source epoch to which commands have raised a partition, whether it was acted upon or not; 0 if none has."""
    raised, after = 0, 0
    while commands := read(log, after):
        for command in commands:
            if command.action == "raise-epoch" and (command.translator, command.partition) == (translator, partition):
                raised = max(raised, command.source_epoch)
        after = commands[-1].id + 1
    return raised


def command_of(record: Record) -> Command:
    """The command that a record of the control topic holds."""
    try:
        command = msgspec.json.decode(record.value or b"", type=Command)
    except msgspec.DecodeError as error:
        raise CommandUnreadable(where=f"{record.topic} 0:{record.offset}", reason=error) from error
    return msgspec.structs.replace(command, id=record.offset, at=record.timestamp)


class CommandUnreadable(DragomanError):
    """A record of the control topic is no command: {reason}."""

    code: ClassVar[str] = "control.unreadable"
    hint: ClassVar[str] = "Only `dragoman` writes to this topic. The worker stopped before it; nothing was executed."
