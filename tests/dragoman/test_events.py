"""`dragoman events`: what contracts classify is masked unless somebody asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.streams import masked
from tests.dragoman.support import application, dragoman, make_insurer, make_legacy, succeeds
from translators.contract import Contract, personal, shape_of

MASK = "•••"


class Place(Contract):
    """Where somebody lives."""

    town: str
    street: str = personal()


class Somebody(Contract):
    """A person."""

    number: str
    name: str = personal()
    home: Place
    others: list[Place]


SHAPE = shape_of(Somebody)
PLACE = {"town": "Ulm", "street": "Gasse 1"}


def test_classified_fields_are_masked_wherever_they_are() -> None:
    hidden = {"town": "Ulm", "street": MASK}
    data = {"number": "1", "name": "Ann", "home": PLACE, "others": [PLACE, PLACE]}
    assert masked(data, SHAPE) == {"number": "1", "name": MASK, "home": hidden, "others": [hidden, hidden]}
    assert data["home"] == PLACE


def test_what_the_contract_does_not_know_is_masked() -> None:
    assert masked({"number": "1", "old": {"street": "x"}, "home": "Gasse 1"}, SHAPE) == {
        "number": "1",
        "old": MASK,
        "home": MASK,
    }
    assert masked({"number": "1", "tags": [1]}, None) == {"number": MASK, "tags": MASK}
    assert masked(None, SHAPE) is None


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The insurer after two runs: one over its old data, one over a working day."""
    made = make_insurer(tmp_path_factory.mktemp("events") / "insurer")
    make_legacy(made)
    succeeds("run", cwd=made)
    with application(made) as insurer:
        insurer.run(80)
    succeeds("run", cwd=made)
    return made


def test_the_command_masks(project: Path) -> None:
    masked_ones = succeeds("events", "claim", "--state", "--json", cwd=project).lines
    plain = succeeds("events", "claim", "--state", "--json", "--unmasked", cwd=project).lines
    assert {one["data"]["description"] for one in masked_ones} == {MASK}
    assert MASK not in {one["data"]["description"] for one in plain}
    for one, other in zip(masked_ones, plain, strict=True):
        assert {**one, "data": {**one["data"], "description": ""}} == {
            **other,
            "data": {**other["data"], "description": ""},
        }
    assert f"description        {MASK}" in succeeds("events", "claim", "--state", cwd=project).out


def test_without_contracts_everything_is_masked(project: Path) -> None:
    contract = project / "contracts" / "claim.py"
    text = contract.read_text(encoding="utf-8")
    contract.write_text("nothing.at.all\n" + text, encoding="utf-8")
    try:
        lines = succeeds("events", "claim", "--state", "--json", cwd=project).lines
        assert lines
        assert {value for one in lines for value in one["data"].values()} == {MASK}
    finally:
        contract.write_text(text, encoding="utf-8")


def test_map_explains_the_last_change_in_the_log(project: Path) -> None:
    event = succeeds("events", "policy", "--json", "--limit", "1", cwd=project).lines[0]
    key = event["subject"]
    told = succeeds("map", "--key", key, "--translator", "policy", "--log", cwd=project).out
    assert f"policy {key}   tx " in told
    assert "outcome   Translated" in told
    assert MASK in told
    assert dragoman("map", "x.json", "--log", cwd=project).code == 2
