"""What an examination of `dragoman doctor` found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec


class Ailment(msgspec.Struct, frozen=True, kw_only=True):
    """`fix` is empty where nothing is to be done; `sql` are statements that mend it, for somebody who may execute them; `costs`
    is what the place in which Dragoman works costs, by what is paid with."""

    what: str
    severity: Literal["ok", "info", "warning", "error"]
    message: str
    code: str = ""
    fix: str = ""
    sql: tuple[str, ...] = ()
    costs: Mapping[str, str] = {}
