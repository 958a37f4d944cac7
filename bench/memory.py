"""How memory is measured here; in a module of its own, since what it imports would be measured as well."""

from __future__ import annotations


def peak() -> float:
    """MiB that this process held at most. `getrusage` would count what its parent held when it was forked."""
    with open("/proc/self/status") as status:
        (line,) = [line for line in status if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024
