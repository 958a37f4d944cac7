"""Why a change was rejected, as a value that travels with it."""

from __future__ import annotations

from typing import Literal

import msgspec

Cause = Literal["technical", "semantic"]


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One reason for a rejection.

    `code` is stable and dotted (`code.unmapped`). `cause` is `semantic` where a person has to tune a mapping or ask the
    legacy's owner, `technical` where a record could not be read. `message` never holds the value of a classified
    column. `field` is the target field, `columns` the `table.column` names behind it, `where` is
    `file:line:column` in the mapping, `hint` what to do.
    """

    code: str
    cause: Cause
    message: str
    field: str | None = None
    columns: tuple[str, ...] = ()
    where: str | None = None
    hint: str | None = None
