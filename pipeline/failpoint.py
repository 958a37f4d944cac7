"""Named places at which a test may kill the process, so that every seam between two commits is crossed by a real crash.

The entry point arms one place from its settings; where nothing is armed, passing a place costs one set look-up.
"""

from __future__ import annotations

import os
import signal
from typing import ClassVar

from translators.errors import DragomanError

NAMES: frozenset[str] = frozenset(
    {
        "batch.middle",
        "capture.after-append",
        "consumer.after-apply",
        "control.after-pin",
        "reload.after-ask",
        "reload.after-pin",
        "loading.after-publish",
        "reread.after-pin",
        "reread.after-publish",
        "offsets.after-commit",
        "projection.after-commit",
        "projection.before-commit",
        "publish.after-events",
        "publish.after-state-stream",
        "reconcile.after-range",
        "state.after-commit",
    }
)

_remaining: dict[str, int] = {}


class FailpointUnknown(DragomanError):
    """There is no failpoint {name}."""

    code: ClassVar[str] = "failpoint.unknown"
    hint: ClassVar[str] = "The legal names are: {known}."


class FailpointMalformed(DragomanError):
    """{text} does not say which failpoint, and at which passage."""

    code: ClassVar[str] = "failpoint.malformed"
    hint: ClassVar[str] = "Write a name, a colon and a number from 1 on, for example state.after-commit:3."


def arm(text: str) -> None:
    """Arm `name:n`: the n-th passage of that name from now on ends the process with SIGKILL.

    Arming a name again replaces its number. `failpoint.malformed` or `failpoint.unknown` if the text is not legal.
    """
    name, _, count = text.partition(":")
    if not (count.isascii() and count.isdigit()) or int(count) < 1:
        raise FailpointMalformed(text=repr(text))
    _check(name)
    _remaining[name] = int(count)


def failpoint(name: str) -> None:
    """Pass the place `name`: nothing happens, unless it is armed and this is the passage it was armed for.

    A name that is not in `NAMES` is refused even when nothing is armed, so that any test that passes it is red.
    """
    _check(name)
    if name in _remaining:
        _remaining[name] -= 1
        if _remaining[name] == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def _check(name: str) -> None:
    if name not in NAMES:
        raise FailpointUnknown(name=repr(name), known=", ".join(sorted(NAMES)))
