"""One small world for each test, and databases of a module in the shared PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.stack.server import Server
from tests.reconcile.place import Databases
from tests.reconcile.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def databases(postgres_server: Server, postgres: Any) -> Iterator[Databases]:
    """None yet."""
    made = Databases(postgres_server, postgres)
    yield made
    made.close()
