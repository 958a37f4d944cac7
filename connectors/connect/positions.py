"""Where a connector goes on, as people write it: an LSN of PostgreSQL, a file and a position of MariaDB's binary log."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connectors.connect.errors import PositionUnusable

_LSN = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})")
_BINLOG = re.compile(r"([^:/\s]+\.\d+):(\d{1,19})")
_PASSING = ("txId", "transaction_", "messageType", "snapshot", "last_snapshot_record")


def position_words(offset: Mapping[str, Any] | None) -> str:
    """A committed offset on a line."""
    if offset is None:
        return "nothing"
    if isinstance(lsn := offset.get("lsn_proc", offset.get("lsn")), int):
        return f"LSN {lsn_text(lsn)}{' (in its snapshot)' if offset.get('snapshot') else ''}"
    if "file" in offset:
        gtids = f", GTID {offset['gtids']}" if offset.get("gtids") else ""
        return f"{offset['file']}:{offset.get('pos')}{gtids}{' (in its snapshot)' if offset.get('snapshot') else ''}"
    return ", ".join(f"{name} {value}" for name, value in sorted(offset.items()))


def furthest_lsn(offset: Mapping[str, Any] | None) -> int | None:
    """The last place of PostgreSQL's log up to which a committed offset says that all is read; None in a snapshot."""
    if offset is None or offset.get("snapshot"):
        return None
    told = (offset.get(name) for name in ("lsn", "lsn_proc", "lsn_commit"))
    return max((lsn for lsn in told if isinstance(lsn, int)), default=None)


def lsn_text(lsn: int) -> str:
    """An LSN as PostgreSQL writes it: `16/B374D848`."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def read_lsn(text: str) -> int:
    """The number of an LSN; `connect.position-unusable`."""
    found = _LSN.fullmatch(text)
    if found is None:
        raise PositionUnusable(position=text, reason="it is no LSN", fix="Write it as PostgreSQL does: 16/B374D848.")
    return int(found[1], 16) << 32 | int(found[2], 16)


def read_binlog(text: str) -> tuple[str, int]:
    """File and position in it; `connect.position-unusable`."""
    found = _BINLOG.fullmatch(text)
    if found is None:
        fix = "Write it as mysql-bin.000042:1234."
        raise PositionUnusable(position=text, reason="it is no place in a binary log", fix=fix)
    return found[1], int(found[2])


def at_lsn(offset: Mapping[str, Any], lsn: int) -> dict[str, Any]:
    """The offset of a connector that has committed everything before an LSN."""
    kept = {name: value for name, value in offset.items() if not name.startswith(_PASSING)}
    return {**kept, "lsn": lsn, "lsn_proc": lsn, "lsn_commit": lsn}


def at_binlog(offset: Mapping[str, Any], file: str, position: int, gtids: str) -> dict[str, Any]:
    """The offset of a connector that has read everything before a place in the binary log."""
    kept = {name: value for name, value in offset.items() if not name.startswith(_PASSING)}
    return {**kept, "file": file, "pos": position, "row": 0, "event": 0, "gtids": gtids}
