"""What PostgreSQL writes in a COPY, read from libpq in batches of lines: the driver's own reader costs twice as much a row."""

from __future__ import annotations

import select
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection

_COPY_OUT = 3  # PGRES_COPY_OUT of libpq
BATCH = 1_000
"""Lines that are read at once, at most."""


def copied(connection: Connection, statement: str, parameters: Mapping[str, Any]) -> Iterator[list[bytes]]:
    """The lines of `COPY (statement) TO STDOUT`, with psycopg's own errors where the server breaks off.

    The connection is of no use afterwards. Who stops reading ends the COPY.
    """
    psycopg: Any = connection.dialect.loaded_dbapi
    driver: Any = connection.connection.dbapi_connection
    said = psycopg.ClientCursor(driver).mogrify(f"COPY ({statement}) TO STDOUT", parameters)
    libpq = driver.pgconn
    libpq.send_query(said.encode())
    ended = False
    try:
        _checked(psycopg, libpq, psycopg.pq.ExecStatus.COPY_OUT)
        while not ended:
            lines, ended = _batch(libpq)
            yield lines
        _checked(psycopg, libpq, psycopg.pq.ExecStatus.COMMAND_OK)
    finally:
        _end(libpq, ended)


def _batch(libpq: Any) -> tuple[list[bytes], bool]:
    """Lines as they have come, at least one, and whether they are the last ones."""
    lines: list[bytes] = []
    read, keep = libpq.get_copy_data, lines.append
    # The protocol sends one row, and no part of one, in each message.
    for _ in range(BATCH):
        size, data = read(1)
        while size == 0:
            select.select([libpq.socket], [], [])
            libpq.consume_input()
            size, data = read(1)
        if size < 0:
            return lines, True
        keep(bytes(data))
    return lines, False


def _checked(psycopg: Any, libpq: Any, wanted: int) -> None:
    while libpq.is_busy():
        select.select([libpq.socket], [], [])
        libpq.consume_input()
    result = libpq.get_result()
    if result.status != wanted:
        raise psycopg.DatabaseError(result.get_error_message())


def _end(libpq: Any, ended: bool) -> None:
    """Leave the connection as one that can be closed."""
    if not ended:
        libpq.get_cancel().cancel()
    while (result := libpq.get_result()) is not None:
        while result.status == _COPY_OUT and libpq.get_copy_data(0)[0] > 0:
            pass
