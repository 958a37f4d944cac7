"""What the tests run as a process of its own: `python -m tests.pipeline.projection.child <what> <folder> [<failpoint>]`."""

from __future__ import annotations

import resource
import sys
from contextlib import closing
from pathlib import Path

from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, insert

from pipeline.cloudevents import CloudEvent
from pipeline.consume import ActionConsumer, read_consumer
from pipeline.failpoint import arm
from pipeline.log.embedded import EmbeddedLog
from tests.pipeline.projection.support import NOW, database, drain, projection
from translators.errors import DragomanError

CONSUMER = "consumer: letters\nreads: policy\nhandler: letters:Letters\ndatabase: var/letters.db\n"
FILE_SIZE_LIMIT = 60_000

letters = Table("letter", MetaData(), Column("no", Integer, primary_key=True), Column("event_id", Text, nullable=False))


class Letters:
    """Writes a letter for each event."""

    def handle(self, event: CloudEvent, connection: Connection) -> None:
        letters.create(connection, checkfirst=True)
        connection.execute(insert(letters).values(event_id=event.id))


def consumer(folder: Path, log: EmbeddedLog) -> ActionConsumer:
    made = ActionConsumer(read_consumer(CONSUMER, "letters.yaml"), Letters(), database(folder), log, lambda: NOW)
    made.prepare()
    return made


def main() -> None:
    what, folder = sys.argv[1], Path(sys.argv[2])
    if len(sys.argv) > 3:
        arm(sys.argv[3])
    with closing(EmbeddedLog(folder / "log.db")) as log:
        match what:
            case "project":
                drain(projection(database(folder), log), 10)
            case "consume":
                reader = consumer(folder, log)
                while reader.turn(10):
                    pass
            case "project-with-limit":
                resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_SIZE_LIMIT, FILE_SIZE_LIMIT))
                try:
                    drain(projection(database(folder), log), 10)
                except DragomanError as error:
                    print(error.code)
            case _:
                raise SystemExit(f"unknown: {what}")


if __name__ == "__main__":
    main()
