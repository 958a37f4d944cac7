"""Commands for a running worker: records of the control topic, each executed at one feed position, in every repeat.

A command names a translator and a business key. The worker that owns the key's feed partition first writes down at
which feed offset it executes the command, then does it; after a crash it is done again at the same place.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from pipeline.log.port import Log, Outgoing, Record, TopicSpec
from translators.errors import DragomanError

CONTROL_TOPIC = TopicSpec(name="dragoman.control", kind="control", partitions=1)

Action = Literal["release", "discard"]


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One order. `id` is its offset in the control topic."""

    id: int = -1
    action: Action
    translator: str
    key: str
    partition: int


def send(log: Log, command: Command, now: int) -> int:
    """Append a command; its id. `now` is milliseconds since the epoch."""
    log.create(CONTROL_TOPIC)
    before = log.end(CONTROL_TOPIC.name, 0)
    body = msgspec.json.encode(msgspec.structs.replace(command, id=-1))
    log.append([Outgoing(topic=CONTROL_TOPIC.name, partition=0, timestamp=now, key=command.key.encode(), value=body)])
    sent = [
        c for c in read(log, before) if msgspec.structs.replace(c, id=-1) == msgspec.structs.replace(command, id=-1)
    ]
    return sent[0].id


def read(log: Log, after: int) -> list[Command]:
    """The commands from offset `after` on."""
    records = log.read(CONTROL_TOPIC.name, 0, after, 1_000).records
    return [command_of(record) for record in records]


def command_of(record: Record) -> Command:
    """The command that a record of the control topic holds."""
    try:
        command = msgspec.json.decode(record.value or b"", type=Command)
    except msgspec.DecodeError as error:
        raise CommandUnreadable(where=f"{record.topic} 0:{record.offset}", reason=error) from error
    return msgspec.structs.replace(command, id=record.offset)


class CommandUnreadable(DragomanError):
    """A record of the control topic is no command: {reason}."""

    code: ClassVar[str] = "control.unreadable"
    hint: ClassVar[str] = "Only `dragoman` writes to this topic. The worker stopped before it; nothing was executed."
