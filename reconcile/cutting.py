"""Where a check is cut: at keys of a sample, since numbers have gaps and texts no middle."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import ceil

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    FromClause,
    cast,
    column,
    func,
    literal,
    or_,
    select,
    table,
    text,
)

from reconcile.mysql_rows import MYSQL
from reconcile.native_text import KeyOrder
from reconcile.sources import LegacyReader, LegacySnapshot, canonical_key, table_of
from reconcile.streams import WHOLE, KeyRange

RANGE = 500_000
"""Keys that a range is to have: as much as a run that dies has to do again."""

SMALL = 20_000
"""Keys that are not worth the start of other processes."""

SAMPLED = 5_000
"""Keys of which a cut is made."""

PAGES = 200
"""Pages of PostgreSQL's that have so many, wherever in the table they are."""

_SIZE = text(
    "SELECT greatest(1, pg_relation_size(CAST(:name AS regclass)) / CAST(current_setting('block_size') AS bigint))"
)


class Sample(msgspec.Struct, frozen=True):
    """Some business keys, evenly over the table, and about how many there are."""

    keys: tuple[str, ...]
    count: int


def cut(legacy: LegacySnapshot, order: KeyOrder, processes: int) -> list[KeyRange]:
    """Half-open ranges that together have all keys, of about the same size; few keys are one range."""
    sample = sampled(legacy)
    wanted = max(ceil(sample.count / RANGE), processes if sample.count >= SMALL else 1)
    return ranges_of(sample, order, wanted)


def has_keyless_row(legacy: LegacySnapshot) -> bool:
    """Whether a table has a row of which nobody can say whose it is."""
    reader = legacy.reader
    for name in reader.tables:
        lacks = or_(*[column(one).is_(None) for one in reader.layout.columns(name)])
        asked = select(literal(1)).select_from(table_of(name, reader)).where(lacks).limit(1)
        if legacy.connection.execute(asked).first() is not None:
            return True
    return False


def ranges_of(sample: Sample, order: KeyOrder, wanted: int) -> list[KeyRange]:
    """So many ranges, or fewer where the sample has not as many keys."""
    keys = sorted({order.key_of(key) for key in sample.keys})
    bounds = sorted({keys[len(keys) * number // wanted] for number in range(1, wanted)}) if keys else []
    return [KeyRange(*ends) for ends in pairwise([None, *bounds, None])] if bounds else [WHOLE]


def sampled(legacy: LegacySnapshot) -> Sample:
    """A sample of the roots' keys; of a table that is small, all."""
    reader, connection = legacy.reader, legacy.connection
    if reader.dialect == "postgresql":
        return _pages(reader, connection)
    count = _about(reader, connection)
    dice = _DICE.get(reader.dialect)
    if count < SMALL or dice is None:
        return Sample((), count)
    chosen = dice(min(1.0, SAMPLED / count))
    return Sample(_keys(reader, connection, table_of(reader.layout.root, reader), chosen), count)


def _pages(reader: LegacyReader, connection: Connection) -> Sample:
    """PostgreSQL reads some pages of the table, and no others."""
    root = table_of(reader.layout.root, reader)
    name = connection.dialect.identifier_preparer.format_table(root)
    share = min(1.0, PAGES / int(connection.execute(_SIZE, {"name": name}).scalar_one()))
    keys = _keys(
        reader, connection, root.tablesample(func.system(literal(share * 100)), seed=literal(1)), literal(True)
    )
    return Sample(keys, round(len(keys) / share))


def _keys(reader: LegacyReader, connection: Connection, of: FromClause, chosen: ColumnElement[bool]) -> tuple[str, ...]:
    key = canonical_key(reader.tables[reader.layout.root], reader.layout.key, reader.dialect)
    found = connection.execute(select(key).select_from(of).where(chosen)).scalars()
    texts = (one.decode() if isinstance(one, bytes) else one for one in found)
    return tuple(one for one in texts if one is not None)


def _about(reader: LegacyReader, connection: Connection) -> int:
    """How many rows there are: what MySQL's or MariaDB's statistics say, else counted in an index."""
    root = table_of(reader.layout.root, reader)
    if reader.dialect not in MYSQL:
        return int(connection.execute(select(func.count()).select_from(root)).scalar_one())
    known = table(
        "tables", column("table_rows"), column("table_schema"), column("table_name"), schema="information_schema"
    )
    here = known.c.table_schema == (literal(root.schema) if root.schema else func.database())
    asked = select(known.c.table_rows).where(here, known.c.table_name == root.name)
    return int(connection.execute(asked).scalar() or 0)


_DICE: dict[str, Callable[[float], ColumnElement[bool]]] = {
    "sqlite": lambda share: func.abs(func.random() % 1_000_000) < literal(round(share * 1_000_000)),
    **dict.fromkeys(MYSQL, lambda share: func.rand() < cast(literal(share), Float)),
}
"""By dialect, whether a row falls into a sample of this share."""
