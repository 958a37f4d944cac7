"""Check files: read as written, every mistake at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconcile.check import CheckMalformed, CheckSpec, read_check

GOOD = "check: policy_view\nmapping: policy\nview: policy_view\nlimit: 3\nowner: Policy read model\n"


def test_a_check_is_read() -> None:
    assert read_check(GOOD, "checks/policy.yaml") == CheckSpec(
        check="policy_view", mapping="policy", view="policy_view", limit=3, owner="Policy read model"
    )


def test_a_check_may_ask_for_sums() -> None:
    assert read_check(GOOD + "plan: sums\n", "c.yaml").sums


def test_the_example_is_a_check() -> None:
    file = Path(__file__).parents[2] / "examples" / "insurer" / "checks" / "policy.yaml"
    assert read_check(file.read_text("utf-8"), file.name).limit == 0


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        (GOOD.replace("limit: 3", "limit: -1"), "c.yaml:4:8", "limit is '-1'"),
        (GOOD.replace("limit: 3", "limit: 1.5"), "c.yaml:4:8", "limit is '1.5'"),
        (GOOD.replace("limit: 3", "limit: ٣"), "c.yaml:4:8", "limit is '٣'"),
        (GOOD + "processes: 0\n", "c.yaml:6:12", "processes is '0'"),
        (GOOD + "processes: 100\n", "c.yaml:6:12", "processes is '100'"),
        (GOOD + "plan: stream\n", "c.yaml:6:7", "plan is 'stream'"),
        (GOOD.replace("owner", "ownr"), "c.yaml:5:1", "unknown key 'ownr'"),
        (GOOD.replace("view: policy_view\n", ""), "c.yaml:1:1", "lacks the key 'view'"),
        (GOOD.replace("mapping: policy", "mapping: [policy]"), "c.yaml:2:10", "mapping is no text"),
        ("- check\n", "c.yaml:1:1", "no set of"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, where: str, said: str) -> None:
    with pytest.raises(CheckMalformed) as caught:
        read_check(text, "c.yaml")
    assert caught.value.where == where
    assert said in caught.value.message
    assert caught.value.advice
