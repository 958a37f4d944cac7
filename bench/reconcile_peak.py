"""Two tables of the benchmark compared in a process of its own: `python -m bench.reconcile_peak URL DIFFERENCES`.

Prints the MiB that the process took at most; without a number it compares nothing.
"""

from __future__ import annotations

import sys

from sqlalchemy import Engine, create_engine

from bench.memory import peak
from reconcile.blocks import blocks
from reconcile.streams import WHOLE, KeyRange, TableStream
from translators.schema import Table, Type

COLUMNS = {
    "id": Type("integer"),
    "customer": Type("integer"),
    "number": Type("text"),
    "amount": Type("decimal", 12, 2),
    "currency": Type("text", padded=True, length=3),
    "note": Type("text"),
    "status": Type("text"),
    "gift": Type("boolean"),
    "created": Type("timestamp"),
    "updated": Type("timestamp"),
    "extra": Type("text"),
}


def compared(left: Engine, right: Engine, differences: int, keys: KeyRange = WHOLE) -> int:
    """How many keys differ."""
    sides = _stream(left, "legacy"), _stream(right, f"view_{differences}")
    return sum(len(block.differing) for block in blocks(*sides, keys))


def _stream(engine: Engine, name: str) -> TableStream:
    return TableStream(name, engine, Table(name=name, columns=COLUMNS, native={}, key=("id",)))


if __name__ == "__main__":
    url, told = sys.argv[1:]
    database = create_engine(url)
    if told:
        compared(database, database, int(told))
    print(peak())
