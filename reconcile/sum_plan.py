"""The plan of a check that expects little to differ: both databases sum up chunks of keys, and hand over those that differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from sqlalchemy import Connection, text

from reconcile.chunk_sums import Chunks, agreeing, chunks_of, legacy_sums, narrowed, summed, view_sums
from reconcile.compare import Sides
from reconcile.content import ViewShape
from reconcile.copy_plans import CopySides, asked_of, asked_of_view
from reconcile.direct_lines import DirectLines, direct_statement
from reconcile.legacy_lines import key_column
from reconcile.line_reads import CopyReads, copies_lines
from reconcile.native_text import KeyOrder, LineShape
from reconcile.plans import Asked
from reconcile.sources import SIDE as LEGACY
from reconcile.sources import LegacySnapshot
from reconcile.streams import KeyRange
from reconcile.view import SIDE as VIEW
from reconcile.view import ProjectionView
from reconcile.view_lines import view_moment

LEAST = 14
"""PostgreSQL 14 is the first one that hashes a row."""

UNCOMPILED = {"jit": "off"}
"""Compiling so many expressions takes a server longer than it saves with a range of rows."""

_SERVER = text("SELECT CAST(current_setting('server_version_num') AS int), current_setting('server_encoding')")


class SumPlan(msgspec.Struct, frozen=True):
    """Chunks that have the same count and sum are not handed over; where many differ, everything is."""

    view: ProjectionView
    compared: ViewShape
    shape: LineShape
    order: KeyOrder
    name: str = "sums, then stream"
    why: str = (
        "The check asks for sums: both servers hash the same values alike, and only chunks that differ are streamed."
    )
    faster: str = ""

    @contextmanager
    def opened(self, legacy: LegacySnapshot, keys: KeyRange, counted: Counter[str]) -> Iterator[Sides]:
        """See the port."""
        reader, shape, order = legacy.reader, self.shape, self.order
        with view_moment(self.view, shape) as (connection, reads):
            chunks = chunks_of(legacy, order, keys)
            ours, theirs = summed(
                (
                    CopyReads(reader.engine, legacy.connection, UNCOMPILED),
                    legacy_sums(reader, shape, order, chunks, keys),
                ),
                (CopyReads(self.view.engine, connection, UNCOMPILED), view_sums(self.view, shape, order, chunks, keys)),
            )
            agreed, differing = agreeing(ours, theirs)
            counted[reader.layout.root] += agreed
            root = key_column(reader, reader.layout.root, order)
            lines = DirectLines(
                legacy, shape, order, counted, narrowed(legacy.reads, chunks.of_legacy(root), differing)
            )
            shown = narrowed(reads, chunks.of_view(self.view.tables.header.c["_key"]), differing)
            yield CopySides(self, legacy, lines, connection, shown, agreed)

    def asked(self, legacy: LegacySnapshot) -> Iterator[Asked]:
        """See the port; sums are told as those of one chunk."""
        reader, chunks = legacy.reader, Chunks((), self.order.by_length)
        yield asked_of(LEGACY, reader.engine, legacy_sums(reader, self.shape, self.order, chunks))
        yield asked_of(VIEW, self.view.engine, view_sums(self.view, self.shape, self.order, chunks))
        yield asked_of(LEGACY, reader.engine, direct_statement(reader, self.shape, self.order))
        yield from asked_of_view(self)


def against_sums(legacy: LegacySnapshot, view: ProjectionView) -> str:
    """What keeps both servers from having the same sums of the same rows; empty if nothing does."""
    if not (copies_lines(legacy.reader.engine) and copies_lines(view.engine)):
        return "For sums both sides have to be in PostgreSQL."
    with view.connected() as connection:
        servers = _server(legacy.connection), _server(connection)
    if min(servers)[0] < LEAST or servers[0] != servers[1]:
        said = " and ".join(f"{version} in {encoding}" for version, encoding in servers)
        return f"For sums both servers have to be of one version from 14 on, in one encoding; they are {said}."
    return ""


def _server(connection: Connection) -> tuple[int, str]:
    number, encoding = connection.execute(_SERVER).one()
    return number // 10_000, encoding
