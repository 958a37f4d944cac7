"""What the process of one translator says to the one that started it: a JSON object a line."""

from __future__ import annotations

import msgspec

from pipeline.accounting import Accounting


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands. `records` came in since the last report; `joined`: its group has given it its partitions.

    The last one has the account.
    """

    joined: bool
    partitions: list[int] = []
    loading: list[int] = []
    records: int = 0
    account: Accounting | None = None
