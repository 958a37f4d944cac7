"""What an examination of `dragoman doctor` found."""

from __future__ import annotations

from typing import Literal

import msgspec


class Ailment(msgspec.Struct, frozen=True, kw_only=True):
    """`fix` is empty where nothing is to be done; `sql` are statements that mend it, for somebody who may execute them."""

    what: str
    severity: Literal["ok", "info", "warning", "error"]
    message: str
    code: str = ""
    fix: str = ""
    sql: tuple[str, ...] = ()
