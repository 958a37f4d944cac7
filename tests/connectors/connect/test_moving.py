"""When a connector truly works: it runs, and something has moved that only a working one moves."""

from __future__ import annotations

from itertools import count

import pytest

from connectors.connect.errors import ConnectorFailed, ConnectorIdle
from tests.connectors.connect.fake import CLASS, FakeCluster


def cluster() -> FakeCluster:
    made = FakeCluster()
    made.client().put("legacy", {"connector.class": CLASS})
    return made


def test_it_works_once_something_moves_after_it_runs() -> None:
    fake = cluster()
    marks = count()
    assert fake.client().wait_until_moving("legacy", lambda: next(marks)).is_running
    assert fake.now >= 3


def test_what_moves_right_after_a_change_is_the_last_word_of_the_task_before() -> None:
    fake = cluster()
    with pytest.raises(ConnectorIdle, match="no record, heartbeat or offset"):
        fake.client().wait_until_moving("legacy", lambda: min(fake.now, 2.9), 60)
    assert 60 <= fake.now < 65


def test_where_nothing_was_changed_the_next_movement_tells() -> None:
    fake = cluster()
    assert fake.client().wait_until_moving("legacy", lambda: fake.now > 1, 60, changed=False).is_running
    assert 1 < fake.now < 3


def test_one_that_fails_while_it_is_waited_for_is_told() -> None:
    fake = cluster()

    def mark() -> int:
        fake.kept["legacy"].state = "FAILED"
        return 1

    with pytest.raises(ConnectorFailed):
        fake.client().wait_until_moving("legacy", mark, 60)
