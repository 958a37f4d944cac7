"""What YAML does to expressions, each trap as somebody would write it."""

from __future__ import annotations

import pytest

from tests.translators.lint.support import mapping
from translators.lint import trapped

HEAD = """translator: policy
state:
  contract: Policy.v1
  fields:
"""


def fields(text: str) -> list[tuple[str, int, int]]:
    found = trapped(HEAD + text, "mappings/policy.yaml", {})
    return [(finding.code, finding.line, finding.column) for finding in found]


@pytest.mark.parametrize(
    ("text", "code", "column"),
    [
        ("    reason: {code: CODE('cancel_reason', cxl_rsn)}\n", "yaml.comma", 20),
        ("    reason: {code: \"x\", other: LEFT(a, 2)}\n", "yaml.comma", 32),
        ("    reason: REPLACE(x, ' #', '')\n", "yaml.comment", 26),
        ("    reason: >-\n      x\n    other: TRIM(x #1\n", "yaml.comment", 19),
        ("    reason: 'x' || y\n", "yaml.quotes", 13),
        ("    reason: '' || 'a'\n", "yaml.quotes", 13),
        ("    reason: 'EUR'\n", "yaml.quotes", 13),
        ("    reason: REPLACE(x, ': ', '')\n", "yaml.colon", 25),
        ("    reason: *x\n", "yaml.first-sign", 13),
        ("    reason: @x\n", "yaml.first-sign", 13),
        ("    reason: !x y\n", "yaml.first-sign", 13),
        ("    reason: - x\n", "yaml.first-sign", 13),
        ("    reason: `x`\n", "yaml.first-sign", 13),
        ("    reason: %x\n", "yaml.first-sign", 13),
    ],
)  # fmt: skip
def test_a_trap(text: str, code: str, column: int) -> None:
    ((found, line, at),) = fields(text)
    assert (found, at) == (code, column)
    assert line == 4 + text.count("\n")


@pytest.mark.parametrize(
    "text",
    [
        "    reason: {code: \"CODE('cancel_reason', cxl_rsn)\"}\n",
        "    reason: {code: x, other}\n",
        "    reason: \"REPLACE(x, ' #', '')\"\n",
        "    reason: TRIM(x)      # a comment\n",
        "    reason: \"'EUR'\"\n",
        "    reason: 'pol_no'\n",
        "    reason: -amount\n",
        "    reason: >-\n      REPLACE(x, ': ', ' #')\n",
        "    reason: TRIM(x\n",
        "    each:\n      each: 'COVDTL'\n",
    ],
)
def test_no_trap(text: str) -> None:
    assert fields(text) == []


def test_a_whole_mapping_is_free_of_traps() -> None:
    text = mapping(("PolicyBound.v1", "OLD.status = 'a' -- no\n      AND TRUE"))
    assert trapped(text, "x.yaml", {}) == []


def test_the_words_name_the_cause() -> None:
    (finding,) = trapped(f"{HEAD}    a: {{b: CODE('x', y)}}\n", "m.yaml", {})
    assert finding.message == ("the comma inside { } ended the value at CODE('x'; what follows became a key of its own")
    assert finding.hint.startswith('Quote the value ("...")')
    assert finding.severity == "error"


def test_levels_hold_here_too() -> None:
    text = f"{HEAD}    a: 'EUR'\n"
    assert trapped(text, "m.yaml", {"yaml.quotes": "off"}) == []
    (finding,) = trapped(text, "m.yaml", {"yaml.quotes": "warning"})
    assert finding.severity == "warning"


@pytest.mark.parametrize("text", ["", "\t", "a: [", "? x\n: *", "{", "a: 'b\nc", "- *\n"])
def test_what_is_no_mapping_at_all_raises_nothing(text: str) -> None:
    trapped(text, "m.yaml", {})
