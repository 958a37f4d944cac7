"""The quick reader of YAML answers as the full parser does, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from translators.yaml_everyday import everyday
from translators.yaml_text import YamlError, YamlMap, YamlNode, YamlScalar, load, parsed

ROOT = Path(__file__).parents[2]
FILES = sorted(path for path in (ROOT / "examples").rglob("*.yaml"))
TEXTS = [path.read_text(encoding="utf-8") for path in FILES]
STRANGE = [
    ":", ": ", " #", "#", "- ", "-", "'", '"', "\\", "{", "}", "[", "]", ",", ", ", "|", ">", "&a ", "*a", "!x ", "?", "? ",
    "\n", "\n\n", "\n ", "\n  ", "  ", " ", "\t", "\r", "\ufeff", "\x85", "\u2028", "\x00", "---\n", "...\n", "%", "@", "`",
    "''", '""', "k: v", "\n# c\n", "~", "null", "=", "<<: ", "ä", "😀", "\ud800", "0x1", "\n    - k: v\n", "- - ",
]  # fmt: skip


def flat(node: YamlNode) -> object:
    """Everything of a tree, also what its equality leaves out."""
    if isinstance(node, YamlScalar):
        return (node.text, node.mark, node.style, node.start, node.end)
    if isinstance(node, YamlMap):
        return (node.mark, node.key_marks, [(key, flat(value)) for key, value in node.items.items()])
    return (node.mark, [flat(item) for item in node.items])


def agrees(text: str) -> bool:
    """Whether the quick reader answers; if it does, the full parser has to say the same."""
    quick = everyday(text)
    if quick is None:
        return False
    assert flat(quick) == flat(parsed(text, "f.yaml")), text
    return True


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_example_is_read_quickly(file: Path) -> None:
    assert agrees(file.read_text(encoding="utf-8"))


@st.composite
def spoilt(draw: st.DrawFn) -> str:
    """A part of a real file with a few places changed."""
    lines = draw(st.sampled_from(TEXTS)).splitlines(keepends=True)
    first = draw(st.integers(0, len(lines) - 1))
    text = "".join(lines[first : first + draw(st.integers(1, 25))])
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.sampled_from(STRANGE)) + text[at + draw(st.integers(0, 3)) :]
    return text


@settings(max_examples=400)
@given(spoilt())
@example("k: 'a''b'  # c\nl: ''\n")
@example("a:\n- b\n- c: d\n  e: f\ng: h\n")
@example("k: a\n  b # c\n  d\n")
@example("k: a # c\n  b\n")
@example("k: a\n\n  b\n")
@example("k: a\n# c\n  b\n")
@example("k:\n  a\n  b\n")
@example("k: a:\n")
@example("- a\n - b\n")
@example("- a: b\n c: d\n")
@example("k: {a: b, c: [d, 'e', {}], f: []}\n")
@example("k: {a: b,}\n")
@example("k: {a: b c }\n")
@example("k: [a b , c]\n")
@example("k: 'a' b\n")
@example("k: {a: b} c\n")
@example("k: 1\nk: 2\n")
def test_a_spoilt_file_is_read_the_same_or_left_to_the_full_parser(text: str) -> None:
    agrees(text)


PIECES = st.lists(st.sampled_from([*STRANGE, "a", "b c", "k:", "k: ", "\n- ", "\nk: ", "\n  k: "]), max_size=14)


@settings(max_examples=400)
@given(PIECES.map("".join))
def test_any_pieces_are_read_the_same_or_left_to_the_full_parser(text: str) -> None:
    agrees(text)


def test_what_the_quick_reader_leaves_is_still_read() -> None:
    text = "a: &x\n  b: |\n    c\nd: *x\n"
    assert everyday(text) is None
    assert load(text, "f.yaml") == parsed(text, "f.yaml")


def test_mistakes_are_told_by_the_full_parser() -> None:
    with pytest.raises(YamlError) as caught:
        load("a: 1\nb: 2\na: 3\n", "f.yaml")
    assert (caught.value.code, caught.value.where) == ("yaml.duplicate-key", "f.yaml:3:1")


def test_a_long_file_is_read_whole() -> None:
    node = everyday("".join(f"k{n}: a{n} +\n  b\n" for n in range(20_000)))
    assert isinstance(node, YamlMap) and len(node.items) == 20_000
