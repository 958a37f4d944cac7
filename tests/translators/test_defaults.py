"""What mappings share in a file of defaults: taken where it is needed, and every error named where it is written."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.translators.test_mapping import CONTRACTS, MAPPING, rows, schema
from translators.compiled import CompiledTranslator, compile_mapping
from translators.errors import DragomanError
from translators.findings import MappingInvalid
from translators.lineage import lineage
from translators.mapping import MappingMalformed, read_mapping
from translators.translator import Refused, translate

DEFAULTS = """\
codes:
  status: {A: active, C: cancelled, "it's": active}
  country: {file: codes/country.csv}
ignore:
  - when: NEW.note = 'test'
    reason: a test
correlation: note
"""

SHORT = MAPPING.replace("codes:\n  status: {A: active, C: cancelled}\n", "defaults: mappings/_defaults.yaml\n")
FILES = {"mappings/_defaults.yaml": DEFAULTS, "codes/country.csv": "code,meaning\nDE,Germany\n"}


def compiled(text: str = SHORT, files: Mapping[str, str] = FILES) -> CompiledTranslator:
    mapping = read_mapping(text, "policy.yaml", files.__getitem__)
    return compile_mapping(mapping, text, schema(), CONTRACTS)


def test_a_shared_code_table_is_used_as_if_it_stood_in_the_mapping() -> None:
    state = compiled().state(rows(sts="C"))
    assert state is not None and state["status"] == "cancelled"


def test_only_the_shared_tables_that_an_expression_names_are_taken() -> None:
    assert list(read_mapping(SHORT, "policy.yaml", FILES.__getitem__).codes) == ["status"]


def test_own_tables_and_the_own_correlation_win() -> None:
    own = "codes:\n  status: {A: cancelled}\ncorrelation: no\n"
    made = compiled(SHORT + own)
    state = made.state(rows(sts="A"))
    assert state is not None and state["status"] == "cancelled"
    with pytest.raises(Refused):
        made.state(rows(sts="C"))
    assert translate(made, {}, rows(note="age")).correlation == "P1"


def test_shared_rules_stand_behind_the_own_ones() -> None:
    made = compiled()
    assert translate(made, rows(note="test"), rows(note="test")).ignored == "the night"
    told = translate(made, rows(), rows(note="test", prem=1))
    assert (told.ignored, told.events) == (None, ())
    assert translate(made, rows(), rows(note="c-1", sts="C")).correlation == "c-1"


def test_the_version_follows_the_defaults() -> None:
    assert compiled(files={**FILES, "mappings/_defaults.yaml": DEFAULTS + "# new\n"}).version != compiled().version


@pytest.mark.parametrize(
    ("old", "new", "code", "line", "column"),
    [
        ("NEW.note = 'test'", "NEW.nota = 'test'", "column.unknown", 5, 11),
        ("correlation: note", "correlation: note || nr", "column.unknown", 7, 22),
        ("A: active", "A: activ", "contract.choice", 11, 13),
    ],
)
def test_an_error_is_told_where_it_is_written(old: str, new: str, code: str, line: int, column: int) -> None:
    text = DEFAULTS.replace(old, new)
    with pytest.raises(MappingInvalid) as caught:
        compiled(files={**FILES, "mappings/_defaults.yaml": text})
    (found,) = caught.value.findings
    file = "policy.yaml" if code == "contract.choice" else "mappings/_defaults.yaml"
    assert (found.code, found.where) == (code, f"{file}:{line}:{column}")
    source = SHORT if code == "contract.choice" else text
    assert found.excerpt == source.splitlines()[line - 1]


def test_lineage_names_the_file_of_the_defaults() -> None:
    lines = {line.what: line.where for line in lineage(compiled().bound) if line.of in ("a test", "policy")}
    assert lines["ignore"] == "mappings/_defaults.yaml:5:11"
    assert lines["correlation"] == "mappings/_defaults.yaml:7:14"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("codes: [status]\n", "mappings/_defaults.yaml:1:8"),
        ("translator: policy\n", "mappings/_defaults.yaml:1:1"),
        ("codes:\n  status: {}\n", "mappings/_defaults.yaml:2:11"),
        ("ignore:\n  - when: x\n", "mappings/_defaults.yaml:2:5"),
        ("a: b\na: c\n", "mappings/_defaults.yaml:2:1"),
    ],
)
def test_malformed_defaults_are_refused_with_their_place(text: str, where: str) -> None:
    with pytest.raises(DragomanError) as caught:
        compiled(files={**FILES, "mappings/_defaults.yaml": text})
    assert caught.value.where == where


def test_defaults_outside_the_project_are_not_read() -> None:
    with pytest.raises(MappingMalformed) as caught:
        compiled(SHORT.replace("mappings/_defaults.yaml", "../defaults.yaml"))
    assert caught.value.where == "policy.yaml:6:11"
