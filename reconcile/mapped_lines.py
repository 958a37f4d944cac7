"""What a mapping says of raw tables, as lines: windows of raw rows, mapped by DuckDB, which writes the lines as well.

An engine may raise where Python answers, and never answers where Python raises: a window that raises is mapped again in
slices, and a slice that raises by the generated Python, which names the rows that cannot be mapped and why. Rows that DuckDB
cannot even hold are read again from the legacy.

A thread maps a window, outside of Python's lock, while the lines of the one before are compared and the next one is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from reconcile.blocks import Canonical
from reconcile.canonical import texts_of
from reconcile.compare import expected_of
from reconcile.content import ViewShape
from reconcile.duckdb_lines import lines_query
from reconcile.errors import SideUnreadable, SideUnsorted
from reconcile.legacy_lines import RawRows, mapping_of, needed_tables, number_key, raw_statement, text_key
from reconcile.native_text import KeyOrder, LineShape, native_line
from reconcile.raw_rows import column_type, read_rows
from reconcile.sources import SIDE, LegacyReader, LegacySnapshot
from reconcile.streams import WHOLE, KeyRange
from reconcile.whole_tables import KEY, OF_A_ROW
from translators.aggregate import Rows
from translators.expression.dialect import quote
from translators.expression.duckdb import SETTINGS
from translators.schema import Table
from translators.translator import Refused

ROWS = 100_000
"""Raw rows that a window is to have, of all tables together: what bounds the memory, beside the largest aggregate."""

SLICE = 500
"""Things of a window that are mapped again together where one of them cannot be mapped."""

_MEMORY = "96MB"
_READ = (
    "read_csv({file}, columns={columns}, auto_detect=false, header=false, delim='\t', quote='\"', escape='\"', "
    "nullstr='', allow_quoted_nulls=false, parallel=false, new_line='\\n')"
)


_Begun = tuple[Sequence[bytes], Future[list[bytes]]]
"""The roots of a window that is being mapped, and its lines to come."""


class _NotHeld(Exception):
    """DuckDB has no room for a value of some row."""


class MappedLines(Canonical):
    """See `reconcile.blocks.Stream`: of what exists, and of what the mapping refuses. `counted` gets the rows by table.

    `by_python` counts the things that DuckDB could not map.
    """

    side = SIDE

    def __init__(
        self, snapshot: LegacySnapshot, view: ViewShape, shape: LineShape, order: KeyOrder, counted: Counter[str]
    ) -> None:
        self.key = order.key
        self.by_python = 0
        self._snapshot = snapshot
        self._view = view
        self._shape = shape
        self._order = order
        self._counted = counted

    @contextmanager
    def lines(self, keys: KeyRange = WHOLE, native: frozenset[str] = frozenset()) -> Iterator[Iterator[bytes]]:
        """See the port."""
        reader = self._snapshot.reader
        tables, reads = needed_tables(reader, mapping_of(reader)), self._snapshot.reads
        with ExitStack() as held:
            folder = Path(held.enter_context(TemporaryDirectory(prefix="dragoman-windows-")))
            streams = {}
            for name, table in tables.items():
                asked = raw_statement(reader, name, table.columns, self._order, keys)
                batches = held.enter_context(reads.lines(asked))
                streams[name] = RawRows(batches, number_key if self._order.by_length else text_key)
            connection = held.enter_context(closing(_opened(folder)))
            windows = _Windows(self, reader, tables, streams, connection, folder)
            # Closed before the connection, which the thread may be using.
            yield chain.from_iterable(held.enter_context(closing(windows.read())))


def _opened(folder: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"memory_limit": _MEMORY, "threads": 1, "temp_directory": str(folder)})
    for statement in SETTINGS:
        connection.execute(statement)
    return connection


class _Windows:
    """One pass over all tables."""

    def __init__(
        self,
        of: MappedLines,
        reader: LegacyReader,
        tables: Mapping[str, Table],
        streams: Mapping[str, RawRows],
        connection: duckdb.DuckDBPyConnection,
        folder: Path,
    ) -> None:
        self._of = of
        self._reader = reader
        self._translator = mapping_of(reader)
        self._tables = tables
        self._streams = streams
        self._connection = connection
        self._folder = folder
        self._root = reader.layout.root
        self._last: str | None = None
        relations = {name: quote(name) for name in tables}
        self._query = lines_query(self._translator.bound, relations, of._shape, of._order)

    def read(self) -> Generator[list[bytes], None, None]:
        """The lines of one window after the other."""
        count = ROWS // (2 * len(self._tables))
        before: _Begun | None = None
        try:
            with ThreadPoolExecutor(max_workers=1) as thread:
                while window := self._window(count):
                    # The thread has one window at a time: its tables stay until it is clear that they are mapped.
                    lines = self._ended(before) if before else []
                    self._check_ends(window[self._root])
                    before = window[self._root], thread.submit(self._mapped, window)
                    yield lines
                    rows = sum(len(lines) for lines in window.values())
                    count = max(1, count * ROWS // rows)
                if before:
                    yield self._ended(before)
            for stream in self._streams.values():
                stream.rest()
        except duckdb.Error as error:
            # Only the kind of error: its words would quote values of rows.
            raise SideUnreadable(side=SIDE, reason=f"DuckDB says {type(error).__name__}") from error
        finally:
            for name, stream in self._streams.items():
                self._of._counted[name] += stream.read

    def _window(self, count: int) -> dict[str, list[bytes]]:
        """The next roots and all parts up to them; nothing at the end."""
        name = self._root
        try:
            lines, last = self._streams[name].first(count)
            if last is None:
                return {}
            window = {name: lines}
            for name, stream in self._streams.items():
                if name != self._root:
                    window[name] = stream.through(last)
        except ValueError as error:
            raise SideUnreadable(side=SIDE, reason=self._keyless(name)) from error
        return window

    def _keyless(self, name: str) -> str:
        try:
            self._translator.key_of(name, dict.fromkeys(self._reader.layout.columns(name)))
        except Refused as refused:
            return f"a row of {name}: {refused.problem.message}"
        return f"a row of {name} has no key"

    def _mapped(self, window: Mapping[str, Sequence[bytes]]) -> list[bytes]:
        """What DuckDB makes of a window: in the thread, where nothing but DuckDB may be touched."""
        try:
            for name, lines in window.items():
                self._load(name, lines)
        except OF_A_ROW as error:
            raise _NotHeld from error
        self._check_rows()
        return self._fetched(self._query)

    def _ended(self, begun: _Begun) -> list[bytes]:
        """The lines of a window that the thread was given."""
        roots, mapped = begun
        try:
            return mapped.result()
        except _NotHeld:
            self._of.by_python += len(roots)
            return self._lined(self._of._snapshot.read_keys(self._keys(roots)))
        except OF_A_ROW:
            return self._sliced(self._keys(roots))

    def _check_ends(self, roots: Sequence[bytes]) -> None:
        """That the first key is not the last one of the window before."""
        first, *_, last = self._keys([roots[0], roots[-1]])
        if first == self._last:
            raise SideUnsorted(side=SIDE, problem=f"{first} is there twice in {self._root}")
        self._last = last

    def _keys(self, roots: Sequence[bytes]) -> list[str]:
        read = number_key if self._of._order.by_length else text_key
        return [str(read(row)) for row in roots]

    def _load(self, name: str, lines: Sequence[bytes]) -> None:
        file = self._folder / "window.csv"
        file.write_bytes(b"".join(lines))
        types = {c: column_type(kind) for c, kind in self._tables[name].columns.items()}
        if not self._of._order.by_length:
            types = {KEY: "VARCHAR"} | types
        columns = ", ".join(f"{_quoted(column)}: {_quoted(of)}" for column, of in types.items())
        read = _READ.format(file=_quoted(str(file)), columns=f"{{{columns}}}")
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE {quote(name)} AS FROM {read}")

    def _check_rows(self) -> None:
        for name, table in self._tables.items():
            key = self._first(name)
            both = ", ".join([key, *([] if name == self._root else map(quote, table.key))])
            twice = f"SELECT {key} FROM {quote(name)} GROUP BY {both} HAVING count(*) > 1 LIMIT 1"
            found = self._connection.execute(twice).fetchone()
            if found is not None:
                raise SideUnsorted(side=SIDE, problem=f"{found[0]} is there twice in {name}")

    def _first(self, name: str) -> str:
        """The first column of a loaded table, which is its business key: a number, or its text."""
        return quote(next(iter(self._tables[name].columns)) if self._of._order.by_length else KEY)

    def _fetched(self, query: str) -> list[bytes]:
        (text,) = self._connection.execute(query).fetchone() or (None,)
        return [] if text is None else f"{text}\n".encode().splitlines(keepends=True)

    def _sliced(self, keys: Sequence[str]) -> list[bytes]:
        """The window again, in slices of the order of texts."""
        found: list[bytes] = []
        ordered = sorted(keys)
        for start in range(0, len(ordered), SLICE):
            few = ordered[start : start + SLICE]
            relations = {name: self._slice(name, few[0], few[-1]) for name in self._tables}
            try:
                found += self._fetched(lines_query(self._translator.bound, relations, self._of._shape, self._of._order))
            except OF_A_ROW:
                self._of.by_python += len(few)
                found += self._lined(dict(read_rows(self._connection, self._tables, relations, KEY, self._root)))
        width = len(self._of.key)
        return sorted(found, key=lambda row: self._of._order.key_of(str(texts_of(row)[width - 1])))

    def _slice(self, name: str, low: str, high: str) -> str:
        """The rows between two texts of business keys, which stand in `KEY`."""
        key = f"CAST({self._first(name)} AS VARCHAR)"
        chosen = f"{key} AS {quote(KEY)}, *" if self._of._order.by_length else "*"
        return f"(SELECT {chosen} FROM {quote(name)} WHERE {key} BETWEEN {_quoted(low)} AND {_quoted(high)})"

    def _lined(self, aggregates: Mapping[str, Rows]) -> list[bytes]:
        """What the generated Python says of things, as lines, in order."""
        found = []
        for key in sorted(aggregates, key=self._of._order.key_of):
            expected = expected_of(self._translator, aggregates[key], self._of._view)
            if expected.content is not None or expected.problem is not None:
                found.append(native_line(self._of._order.key_of(key), expected.content, self._of._shape))
        return found


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
