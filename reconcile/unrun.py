"""A run that could not begin, as a result."""

from __future__ import annotations

from datetime import datetime

from reconcile.check import CheckSpec
from reconcile.incomplete import told
from reconcile.run import RunResult
from translators.errors import DragomanError


def not_run(check: CheckSpec, error: DragomanError, *, run: str, now: datetime) -> RunResult:
    """The result of a check that could not begin: nothing was compared, so nothing is proven."""
    return RunResult(
        run=run,
        check=check,
        started=now,
        seconds=0.0,
        mapping_version="",
        position=None,
        compared=0,
        agree=0,
        confirmed=0,
        in_flight=0,
        unconfirmed=0,
        not_covered=0,
        ended=False,
        legacy_rows=(),
        view_rows=0,
        masked=(),
        findings=(),
        groups=(),
        hops=(),
        incomplete=told(error),
    )
