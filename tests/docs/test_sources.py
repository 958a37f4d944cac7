"""docs/sources.md says of each connector what the code knows of it, and what it shows can be read."""

from __future__ import annotations

import re

import pytest

from connectors.debezium.sources import SOURCES
from tests.dragoman.support import ROOT
from translators.yaml_text import load

PAGE = (ROOT / "docs" / "sources.md").read_text("utf-8")
WORDS = {"proven": "proven", "unproven": "not proven yet", "refused": "refused"}


def test_every_connector_stands_there_with_its_standing() -> None:
    rows = re.findall(r"^\| (\w+) \| ([\w ]+) \| (.*?) ?\|$", PAGE, re.MULTILINE)
    told = {name: (standing, order.strip("`")) for name, standing, order in rows if name != "connector"}
    assert told == {form.connector: (WORDS[form.standing], form.order) for form in SOURCES.values()}


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_its_pieces_are_yaml(block: str) -> None:
    load(block, "docs/sources.md")
