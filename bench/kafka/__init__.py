"""`make bench-kafka`: one ladder from bare aiokafka to whole frameworks, on one broker, in one run.

Nothing is imported here: a rung may run in an environment that has no more than its framework.
"""

from __future__ import annotations

from typing import Any


def run() -> Any:
    """Climb it; see `bench.kafka.ladder`."""
    from bench.kafka.ladder import run as climb

    return climb()
