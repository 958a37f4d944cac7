"""A legacy database with a marker table, its triggers installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.connectors.capture.support import Legacy


@pytest.fixture
def legacy(tmp_path: Path) -> Iterator[Legacy]:
    made = Legacy(tmp_path / "old.db", "mark")
    yield made
    made.close()
