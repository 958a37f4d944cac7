"""The next offset of each partition, kept in the database that the rows are in, so that both are written at once."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, Table, insert, select, update

from pipeline.log.port import Log, Record
from pipeline.projection.database import label, savepoint
from pipeline.projection.errors import RowRefused, ViewAhead


class Checkpoint:
    """The positions of one reader in one table made by `checkpoint_table`."""

    def __init__(self, table: Table, reader: str) -> None:
        self._table = table
        self._owner = table.c[next(iter(table.columns)).name]
        self._reader = reader

    def positions(self, connection: Connection, topic: str) -> dict[int, int]:
        """Partition -> the next offset to read, where anything was read."""
        columns = self._table.c
        rows = connection.execute(
            select(columns["partition"], columns["offset"]).where(
                self._owner == self._reader, columns["topic"] == topic
            )
        )
        return {partition: offset for partition, offset in rows}

    def advance(self, connection: Connection, topic: str, partition: int, found: int, following: int) -> bool:
        """Set the position, if it is the one that was found; `False` if another process has moved it meanwhile.

        As the first statement of a transaction this takes the partition's lock: what was read before it is applied
        by nobody else.
        """
        columns = self._table.c
        same = (self._owner == self._reader, columns["topic"] == topic, columns["partition"] == partition)
        moved = connection.execute(
            update(self._table).where(*same, columns["offset"] == found).values(offset=following)
        )
        if moved.rowcount:
            return True
        if connection.execute(select(columns["offset"]).where(*same)).first() is not None or found:
            return False
        where = {self._owner.name: self._reader, "topic": topic, "partition": partition}
        try:
            with savepoint(connection):
                connection.execute(insert(self._table).values(**where, offset=following))
        except RowRefused:
            return False
        return True


def partitions(log: Log, topic: str) -> range:
    """The partitions of a topic; none before its translator has run for the first time."""
    spec = log.topics().get(topic)
    return range(0 if spec is None else spec.partitions)


def read_on(log: Log, engine: Engine, topic: str, partition: int, offset: int, limit: int) -> tuple[list[Record], int]:
    """Up to `limit` records from `offset` on, and the position once they are done; `view.ahead-of-log`."""
    end = log.end(topic, partition)
    if offset > end:
        raise ViewAhead(database=label(engine), offset=offset, topic=topic, partition=partition, end=end)
    page = log.read(topic, partition, offset, limit)
    return page.records, page.next
