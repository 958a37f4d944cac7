"""What PostgreSQL writes in a COPY, read from libpq in batches of lines: the driver's own reader costs twice as much a row.

Several COPYs show one moment: each has a connection of its own, that begins at the snapshot which one of them exports.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from select import select as wait
from typing import Any

from sqlalchemy import Connection, Engine, Select, func, select

from reconcile.moments import exported

_COPY_OUT = 3  # PGRES_COPY_OUT of libpq
BATCH = 1_000
"""Lines that are read at once, at most."""

CSV = "(FORMAT csv, DELIMITER E'\\t')"
"""As the text form's `form`: what other readers of files than PostgreSQL understand."""

_SETTINGS = {"client_encoding": "UTF8", "DateStyle": "ISO", "bytea_output": "hex", "TimeZone": "UTC"}


def canonical_session(connection: Connection, beside: Mapping[str, str] = {}) -> None:
    """From here on values are written in one way, however the server and the connection are set; `beside` is set as well."""
    for name, value in {**_SETTINGS, **beside}.items():
        connection.execute(select(func.set_config(name, value, False)))


@contextmanager
def copies(
    engine: Engine,
    statement: Select[*tuple[Any, ...]],
    form: str = "",
    *,
    of: Connection,
    beside: Mapping[str, str] = {},
) -> Iterator[Iterator[list[bytes]]]:
    """The lines of a statement on a connection of its own, as of the moment that `of` sees, which holds it open."""
    moment = exported(of)
    with engine.connect().execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True) as connection:
        # Not back into the pool: it has settings of its own, and rows may be left that nobody has read.
        connection.detach()
        connection.exec_driver_sql(f"SET TRANSACTION SNAPSHOT '{moment}'")
        canonical_session(connection, beside)
        compiled = statement.compile(connection)
        with closing(copied(connection, str(compiled), compiled.params, form)) as batches:
            yield batches


def copied(
    connection: Connection, statement: str, parameters: Mapping[str, Any], form: str = ""
) -> Generator[list[bytes], None, None]:
    """The lines of `COPY (statement) TO STDOUT`, with psycopg's own errors where the server breaks off.

    The connection is of no use afterwards. Who stops reading ends the COPY.
    """
    psycopg: Any = connection.dialect.loaded_dbapi
    driver: Any = connection.connection.dbapi_connection
    said = psycopg.ClientCursor(driver).mogrify(f"COPY ({statement}) TO STDOUT {form}", parameters)
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
            wait([libpq.socket], [], [])
            libpq.consume_input()
            size, data = read(1)
        if size < 0:
            return lines, True
        keep(data.tobytes())
    return lines, False


def _checked(psycopg: Any, libpq: Any, wanted: int) -> None:
    while libpq.is_busy():
        wait([libpq.socket], [], [])
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
