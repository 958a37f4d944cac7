"""YAML as text: every scalar a string, every character at its place in the file."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from translators.yaml_text import YamlError, YamlList, YamlMap, YamlNode, YamlScalar, load, mark_at


def child(node: YamlNode, key: str) -> YamlNode:
    assert isinstance(node, YamlMap)
    return node.items[key]


def scalar(text: str, key: str = "k") -> YamlScalar:
    node = child(load(text, "f.yaml"), key)
    assert isinstance(node, YamlScalar)
    return node


def test_scalars_stay_what_was_written() -> None:
    root = load('{a: 01, b: NO, c: 1e3, d: null, e: ~, f: "", g: , h: 2020-01-01, "01": x}', "f")
    assert isinstance(root, YamlMap)
    texts = {key: node.text for key, node in root.items.items() if isinstance(node, YamlScalar)}
    assert texts == {
        "a": "01", "b": "NO", "c": "1e3", "d": "null", "e": "~", "f": "", "g": "", "h": "2020-01-01", "01": "x",
    }  # fmt: skip
    empties = [key for key, node in root.items.items() if isinstance(node, YamlScalar) and node.is_empty]
    assert empties == ["g"]


def test_every_node_has_its_place() -> None:
    root = load("a:\n  - x\n  - b: {c: d}\n", "f")
    assert isinstance(root, YamlMap) and (root.mark, root.key_marks) == ((1, 1), {"a": (1, 1)})
    items = child(root, "a")
    assert isinstance(items, YamlList) and items.mark == (2, 3)
    inner = items.items[1]
    assert isinstance(inner, YamlMap) and inner.key_marks["b"] == (3, 5)
    assert child(child(inner, "b"), "c").mark == (3, 12)


PLACES: dict[str, tuple[str, str, dict[int, tuple[int, int]]]] = {
    "plain": ("k: a + bc # d\n", "a + bc", {0: (1, 4), 4: (1, 8), 6: (1, 10)}),
    "plain over lines": ("k: a +\n   b\n\n   c\n", "a + b\nc", {2: (1, 6), 3: (1, 7), 4: (2, 4), 5: (3, 1), 6: (4, 4)}),
    "single quotes": ("k: 'it''s\n  x'\n", "it's x", {2: (1, 7), 3: (1, 9), 4: (1, 10), 5: (2, 3), 6: (2, 4)}),
    "double quotes": (
        'k: "a\\tb\\\n    c \\u0041d"\n',
        "a\tbc Ad",
        {1: (1, 6), 2: (1, 8), 3: (2, 5), 5: (2, 7), 6: (2, 13)},
    ),
    "literal": ("k: |\n    a\n      b\n\n    c\n", "a\n  b\n\nc\n", {0: (2, 5), 4: (3, 7), 6: (4, 1), 7: (5, 5)}),
    "literal with its indent": ("k: |2-\n    a\n   b", "  a\n b", {2: (2, 5), 5: (3, 4)}),
    "folded": ("k: >-\n  a\n  b\n\n  c\n   d\n", "a b\nc\n d", {0: (2, 3), 1: (2, 4), 2: (3, 3), 4: (5, 3), 7: (6, 4)}),
    "folded with a comment": ("k: > # why\n  a b\n  c\n", "a b c\n", {2: (2, 5), 4: (3, 3)}),
    "windows": ("x: 1\r\nk: 'a\r\n  b'\r\n", "a b", {0: (2, 5), 2: (3, 3)}),
    "umlauts": ("ä: 1\nk: ü😀x\n", "ü😀x", {2: (2, 6)}),
    "byte order mark": ("\ufeffk: ab\n", "ab", {0: (1, 4), 1: (1, 5)}),
    "anchored": ("k: &name  abc\n", "abc", {0: (1, 11), 2: (1, 13)}),
}


@pytest.mark.parametrize("name", PLACES)
def test_each_character_has_its_place(name: str) -> None:
    text, value, expected = PLACES[name]
    found = scalar(text)
    assert found.text == value
    assert {offset: tuple(found.locate(offset)) for offset in expected} == expected


BODY = st.text(alphabet="ab c.\n' ", min_size=1, max_size=30)


@settings(max_examples=200)
@given(BODY, st.sampled_from(["", "'", '"', "|", ">", "|-", ">+", ">2"]))
def test_letters_are_found_where_they_stand(body: str, style: str) -> None:
    """The parser of ruamel is the oracle for the value; the place of a letter must hold that letter."""
    indented = body.replace("\n", "\n  ")
    text = {
        "": f"k: x{indented.replace(chr(39), 'q')}",
        "'": f"k: '{indented.replace(chr(39), chr(39) * 2)}'",
        '"': f'k: "{indented}"',
    }.get(style, f"k: {style}\n  {indented}")
    try:
        found = scalar(f"{text}\n")
    except YamlError:
        return
    assert found.text == YAML(typ="safe", pure=True).load(f"{text}\n")["k"]
    lines = text.split("\n")
    for offset, char in enumerate(found.text):
        if char in "abcqx.'":
            line, column = found.locate(offset)
            assert lines[line - 1][column - 1] == char


def test_aliases_stand_for_what_they_name() -> None:
    root = load("a: &x {b: c}\nd: *x\n", "f")
    assert child(root, "d") == child(root, "a")


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
REFUSED: dict[str, tuple[str, str, str]] = {
    "a key twice": ("a: 1\nb: 2\na: 3\n", "yaml.duplicate-key", "f:3:1"),
    "a tag": ("a: !!int 5\n", "yaml.refused", "f:1:4"),
    "a tag of Python": ("a: !!python/object/apply:os.system [ls]\n", "yaml.refused", "f:1:4"),
    "a second document": ("a: 1\n---\nb: 1\n", "yaml.refused", "f:2:1"),
    "nothing": ("# only a comment\n", "yaml.refused", "f"),
    "a key that is a list": ("? [a]\n: b\n", "yaml.refused", "f:1:3"),
    "an alias of nothing": ("a: *b\n", "yaml.refused", "f:1:4"),
    "an alias of itself": ("a: &a [*a]\n", "yaml.refused", "f:1:8"),
    "half a character": ('a: "\\ud800"\n', "yaml.refused", "f:1:4"),
    "no character at all": ('a: "\\UFFFFFFFF"\n', "yaml.syntax", "f"),
    "a control character": ("a: b\nc: \x07\n", "yaml.syntax", "f:2:4"),
    "a list that does not end": ("a: [1\nb: 2\n", "yaml.syntax", "f:2:2"),
    "aliases that explode": (BOMB, "yaml.too-large", "f:5:10"),
    "depth": ("[" * 100_000, "yaml.too-large", "f:1:52"),
    "depth by dashes": ("- " * 100_000, "yaml.too-large", "f:1:103"),
    "size": ("a" * 1_000_001, "yaml.too-large", "f"),
    "size in bytes": ("ä" * 600_000, "yaml.too-large", "f"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    text, code, where = REFUSED[name]
    begun = time.process_time()
    with pytest.raises(YamlError) as caught:
        load(text, "f")
    assert (caught.value.code, caught.value.where) == (code, where)
    assert time.process_time() - begun < 2


@settings(max_examples=200)
@given(st.text(alphabet="ab:-? \n\t'\"|>&*!%@[]{},#\\x\u0085~<\r0", max_size=30))
def test_garbage_is_read_or_refused(text: str) -> None:
    try:
        load(text, "f")
    except YamlError as error:
        assert error.where


def test_places_in_a_text() -> None:
    assert [tuple(mark_at("ab\r\nc\rd", index)) for index in (0, 1, 4, 6)] == [(1, 1), (1, 2), (2, 1), (3, 1)]
